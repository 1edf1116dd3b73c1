//! Findings about services whose sessions are to have processes of their own.

use super::finding::{Area, Finding};
use super::pam::MANAGER;
use crate::cli::host::Tree;
use crate::cli::host::module_line::{MODULE, after_ours, has_line};
use crate::cli::host::stack::{self, Entry, Stack};
use crate::cli::host::units;
use crate::policy::rule::Processes;
use crate::policy::settings::Namespaces;
use crate::policy::{Policy, Rule};

/// Modules that look for the process itself in /proc, where it is not to be found any more.
const NEED_PROC: [&str; 3] = ["pam_loginuid", "pam_selinux", "pam_systemd"];

/// Finds what keeps sessions from having processes of their own.
pub fn findings(tree: &Tree, policy: &Policy) -> Vec<Finding> {
    let rules: Vec<&Rule> = policy.rules.iter().filter(|rule| has_own(rule)).collect();
    let names = stack::services(tree).names.into_iter();
    let stacks = names.map(|name| stack::read(tree, &name, "session"));
    let concerned = stacks.filter(has_line).filter_map(|stack| {
        let rule = rules
            .iter()
            .find(|rule| rule.selectors.are_for_service(&stack.service))?;
        Some(of_stack(&stack, rule))
    });
    concerned.flatten().chain(of_logind(tree, policy)).collect()
}

fn has_own(rule: &Rule) -> bool {
    let isolation = rule.kind.isolation();
    isolation.is_some_and(|isolation| isolation.processes == Some(Processes::Own))
}

/// The init of a PID namespace, and what serves a volume, is in the control group of the login that made the namespace,
/// and goes with it where logind ends all that is in there.
fn of_logind(tree: &Tree, policy: &Policy) -> Option<Finding> {
    let is_shared = policy.settings.namespace == Namespaces::User;
    let (rule, lost, last) = policy.rules.iter().filter(|_| is_shared).find_map(loss)?;
    let place = units::kill_user_processes(tree)?;
    let what = format!("{lost}, for {}: KillUserProcesses is on", rule.location);
    let advice = format!(
        "say `namespace = \"session\"`; or turn it off for logind, after which processes of other users stay behind as \
         well: {last}"
    );
    let finding = Finding::warning(Area::Policy, what);
    Some(finding.at(&place).advise(advice))
}

/// Returns which part of a rule is lost with the first session of a user, and why it need not be.
fn loss(rule: &Rule) -> Option<(&Rule, &'static str, &'static str)> {
    if has_own(rule) {
        return Some((
            rule,
            "all sessions of a user are killed when the first of them ends",
            "the end of the last one takes all processes with it",
        ));
    }
    rule.kind.volume().map(|_| {
        (
            rule,
            "the volumes of all sessions of a user are lost when the first of them ends",
            "volumes are closed with the last of them",
        )
    })
}

fn of_stack(stack: &Stack, rule: &Rule) -> Vec<Finding> {
    let service = &stack.service;
    if service == MANAGER {
        let what = format!("{MANAGER}: users' services cannot be in a PID namespace");
        // Whatever else the rule says, such as `network`, has to hold for the manager all the same.
        let advice = "the manager stays outside of it; behind the rule, for the same users: [[isolate]] services = \
                      [\"systemd-user\"] processes = \"hidden\", so that the rest of the rule goes on holding for it";
        return vec![
            Finding::warning(Area::Policy, what)
                .at(&rule.location)
                .advise(advice),
        ];
    }
    let needs_proc = |entry: &&Entry| NEED_PROC.contains(&entry.name());
    let late = after_ours(&stack.entries).iter().filter(needs_proc);
    late.map(|entry| {
        let name = entry.name();
        let what = format!("{service}: {name} stands after {MODULE} and finds no /proc/self there");
        let advice = format!(
            "move {MODULE} below it: {} gives sessions a /proc of their own",
            rule.location
        );
        Finding::warning(Area::Pam, what)
            .at(&entry.location)
            .advise(advice)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "[[isolate]]\nservices = [\"ssh*\", \"systemd-user\"]\nprocesses = \"own\"";

    fn found(policy: &str, service: &str, stack: &str) -> Vec<String> {
        let (_root, tree) = Tree::of_files([(format!("etc/pam.d/{service}"), stack)]);
        summaries(&tree, policy)
    }

    fn summaries(tree: &Tree, policy: &str) -> Vec<String> {
        let loaded = Policy::parse(&[("p", policy.as_bytes())]).unwrap();
        let found = findings(tree, &loaded.policy).into_iter();
        found.map(|finding| finding.summary).collect()
    }

    #[test]
    fn what_needs_proc_has_to_come_before() {
        let early = "session required pam_loginuid.so\nsession required pam_jns.so\n";
        let late = "session required pam_jns.so\nsession required pam_loginuid.so\n";
        let late_loginuid = "sshd: pam_loginuid stands after pam_jns and finds no /proc/self there";
        let manager = "systemd-user: users' services cannot be in a PID namespace";
        let hidden = OWN.replace("own", "hidden");
        for (policy, service, stack, expected) in [
            (OWN, "sshd", early, &[][..]),
            (OWN, "sshd", late, &[late_loginuid]),
            (OWN, "su", late, &[]),
            (OWN, "systemd-user", early, &[manager]),
            (hidden.as_str(), "sshd", late, &[]),
        ] {
            assert_eq!(
                found(policy, service, stack),
                expected,
                "{service}: {stack}"
            );
        }
    }

    #[test]
    fn what_logind_kills_with_the_first_session_is_reported() {
        let volume = "[[volume]]\npath = \"/v\"\nopen = [\"/bin/true\"]\n";
        let apart = format!("[settings]\nnamespace = \"session\"\n{OWN}");
        let hidden = OWN.replace("own", "hidden");
        let sessions = "all sessions of a user are killed when the first of them ends, for p:1: \
                        KillUserProcesses is on";
        let volumes = "the volumes of all sessions of a user are lost when the first of them ends, for p:1: \
                       KillUserProcesses is on";
        let (on, off) = (
            "[Login]\nKillUserProcesses=yes\n",
            "[Login]\nKillUserProcesses=no\n",
        );
        let (main, more) = (
            "usr/lib/systemd/logind.conf",
            "etc/systemd/logind.conf.d/a.conf",
        );
        for (policy, files, expected) in [
            (OWN, &[(main, on)][..], &[sessions][..]),
            (OWN, &[(more, on)], &[sessions]),
            (OWN, &[(main, off), (more, on)], &[sessions]),
            (OWN, &[(main, on), (more, off)], &[]),
            (OWN, &[(main, "[Login]\n#KillUserProcesses=yes\n")], &[]),
            (OWN, &[], &[]),
            (volume, &[(main, on)], &[volumes]),
            (&apart, &[(main, on)], &[]),
            (&hidden, &[(main, on)], &[]),
        ] {
            let (_root, tree) = Tree::of_files(files.iter().copied());
            assert_eq!(summaries(&tree, policy), expected, "{policy} {files:?}");
        }
    }
}
