//! Findings about what rules need of the system besides mounts.

use super::finding::{Area, Finding};
use super::rights::Rights;
use crate::kernel::namespace::kind::{self, Kind as NamespaceKind};
use crate::kernel::namespace::network;
use crate::kernel::probe;
use crate::policy::rule::{Ipc, Isolate, Network};
use crate::policy::{Policy, Rule, StoreUse};

/// Finds what rules of the policy would not get on this system.
pub fn findings(policy: &Policy, rights: Rights) -> Vec<Finding> {
    let of_rule = |rule: &Rule| {
        let isolation = rule.kind.isolation();
        let layer = (rule.kind.store_use() == Some(StoreUse::Layer)).then_some(rule);
        let of_isolation = isolation.map(|isolation| of_isolation(isolation, rule, rights));
        let of_layer = layer.and_then(|rule| of_overlay(rule, rights));
        of_isolation
            .into_iter()
            .flatten()
            .chain(of_layer)
            .collect::<Vec<_>>()
    };
    policy.rules.iter().flat_map(of_rule).collect()
}

fn of_isolation(isolate: &Isolate, rule: &Rule, rights: Rights) -> Vec<Finding> {
    let own_network = !matches!(isolate.network, None | Some(Network::Shared));
    let wanted = [
        (
            NamespaceKind::Ipc,
            isolate.ipc == Some(Ipc::Own),
            "CONFIG_IPC_NS",
        ),
        (
            NamespaceKind::Uts,
            isolate.hostname.is_some(),
            "CONFIG_UTS_NS",
        ),
        (NamespaceKind::Net, own_network, "CONFIG_NET_NS"),
    ];
    let missing = wanted
        .into_iter()
        .filter(|(kind, is_wanted, _)| *is_wanted && kind::own_inode(*kind).is_none())
        .map(|(kind, _, option)| {
            let what = format!(
                "there are no {} namespaces, for {}",
                kind.name(),
                rule.location
            );
            refused(what, &format!("the kernel was built without {option}"))
        });
    let error = match &isolate.network {
        Some(Network::Named(name)) if rights == Rights::Root => network::named(name).err(),
        _ => None,
    };
    let network = error.map(|error| {
        let advice = "`ip netns add` makes a network, and it is gone when the machine is restarted";
        refused(format!("{error}, for {}", rule.location), advice)
    });
    missing.chain(network).collect()
}

fn of_overlay(rule: &Rule, rights: Rights) -> Option<Finding> {
    let missing = rights == Rights::Root && !probe::has_file_system("overlay");
    missing.then(|| {
        let what = format!("there is no overlay file system, for {}", rule.location);
        refused(what, "the kernel needs CONFIG_OVERLAY_FS, or its module")
    })
}

fn refused(what: String, advice: &str) -> Finding {
    let advice = format!("logins to which the rule applies are refused; {advice}");
    Finding::problem(Area::Policy, what).advise(advice)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn what_is_missing_is_a_problem() {
        let table = [
            (
                "[[isolate]]\nnetwork = \"name:jns-nosuch\"",
                Rights::Root,
                1,
            ),
            (
                "[[isolate]]\nnetwork = \"name:jns-nosuch\"",
                Rights::User,
                0,
            ),
            (
                "[[isolate]]\nnetwork = \"none\"\nipc = \"own\"\nhostname = \"box\"",
                Rights::Root,
                0,
            ),
            ("[[tmpfs]]\npath = \"/x\"", Rights::Root, 0),
        ];
        for (text, rights, number) in table {
            let loaded = Policy::parse(&[("p", text.as_bytes())]).unwrap();
            let found = findings(&loaded.policy, rights);
            assert_eq!(found.len(), number, "{text}");
            assert!(found.iter().all(|finding| finding.level == Level::Problem));
        }
    }
}
