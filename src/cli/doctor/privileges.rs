//! Findings about what the daemons beside this process may do: inside a container, often too little.

use super::Rights;
use super::finding::{Area, Finding};
use crate::cli::host::Tree;

/// What the module cannot do without, by its number in capabilities(7), and what for.
const NEEDED: [(u32, &str, &str); 2] = [
    (21, "CAP_SYS_ADMIN", "make namespaces and mounts"),
    (
        18,
        "CAP_SYS_CHROOT",
        "return to the old namespace when something fails",
    ),
];
/// What instances need, and what for.
const WANTED: [(u32, &str, &str); 3] = [
    (0, "CAP_CHOWN", "give an instance its owner"),
    (1, "CAP_DAC_OVERRIDE", "pass a store with mode 000"),
    (3, "CAP_FOWNER", "set the mode of a user's instance"),
];

/// The facts, from proc(5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Facts {
    effective: Option<u64>,
    bounding: Option<u64>,
    filtered: bool,
    root: bool,
    container: Option<String>,
    own_user_namespace: bool,
}

/// What the capabilities of this process, and the walls around it, mean for logins.
pub fn findings(rights: Rights) -> Vec<Finding> {
    judge(&gather(rights))
}

fn gather(rights: Rights) -> Facts {
    let host = Tree::host();
    // proc(5) files have no size and are regular, so they are read like any other.
    let status = host.read("/proc/self/status").unwrap_or_default();
    let map = host.read("/proc/self/uid_map").unwrap_or_default();
    Facts {
        effective: mask(&status, "CapEff"),
        bounding: mask(&status, "CapBnd"),
        filtered: field(&status, "Seccomp").is_some_and(|mode| mode != "0"),
        root: rights == Rights::Root,
        container: container(&host),
        own_user_namespace: !map.is_empty() && !is_whole(&map),
    }
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| (key == name).then_some(value.trim()))
}

fn mask(status: &str, name: &str) -> Option<u64> {
    u64::from_str_radix(field(status, name)?, 16).ok()
}

/// Whether a uid_map maps every id to itself, as only the initial user namespace's does.
fn is_whole(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn container(tree: &Tree) -> Option<String> {
    if let Ok(name) = tree.read("/run/systemd/container") {
        return Some(name.trim().to_owned());
    }
    let marks = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
    let found = marks.iter().find(|(mark, _)| tree.exists(mark));
    found.map(|(_, name)| (*name).to_owned())
}

fn judge(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    all.extend(of_capabilities(facts));
    if facts.own_user_namespace {
        all.push(
            Finding::warning(Area::Privileges, "this is not the initial user namespace")
                .advise("mounts that came from outside are locked here, and not every file system can be mounted"),
        );
    }
    if facts.filtered {
        all.push(Finding::note(
            Area::Privileges,
            "a system call filter (seccomp) is in force here",
        ));
    }
    all
}

fn of_capabilities(facts: &Facts) -> Vec<Finding> {
    let Some(bounding) = facts.bounding else {
        return vec![Finding::note(
            Area::Privileges,
            "capabilities are not known: /proc/self/status cannot be read",
        )];
    };
    // For root the effective set tells more; for others it is empty and says nothing about the daemons.
    let held = match facts.effective {
        Some(effective) if facts.root => effective & bounding,
        _ => bounding,
    };
    let place = facts.container.as_deref();
    let lacking: Vec<Finding> = NEEDED
        .iter()
        .filter(|(bit, _, _)| !has(held, *bit))
        .map(|(_, name, purpose)| lacks_needed(name, purpose, place))
        .chain(
            WANTED
                .iter()
                .filter(|(bit, _, _)| !has(held, *bit))
                .map(|(_, name, purpose)| lacks_wanted(name, purpose)),
        )
        .collect();
    if lacking.is_empty() {
        let held = NEEDED.map(|(_, name, _)| name).join(" and ");
        return vec![Finding::ok(
            Area::Privileges,
            format!("{held} can be had here"),
        )];
    }
    lacking
}

fn has(mask: u64, bit: u32) -> bool {
    mask.checked_shr(bit).is_some_and(|rest| rest & 1 == 1)
}

fn lacks_needed(name: &str, purpose: &str, container: Option<&str>) -> Finding {
    let advice = match container {
        Some(kind) => {
            format!("give it to the container ({kind}), for example with --cap-add {name}")
        }
        None => String::from(
            "look for what drops it: a container, CapabilityBoundingSet= of a unit, capsh",
        ),
    };
    Finding::problem(
        Area::Privileges,
        format!("{name} cannot be had here, and logins could not {purpose}"),
    )
    .advise(advice)
}

fn lacks_wanted(name: &str, purpose: &str) -> Finding {
    Finding::warning(
        Area::Privileges,
        format!("{name} cannot be had here, and a login could fail to {purpose}"),
    )
    .advise("rules that need no directory on disk work without")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    const ALL: u64 = 0x1ff_ffff_ffff;
    const ADMIN: u64 = 1 << 21;
    const CHROOT: u64 = 1 << 18;

    #[test]
    fn status_is_read_by_name() {
        let status = "Name:\tjns\nCapEff:\t0000000000200000\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        assert_eq!(mask(status, "CapEff"), Some(ADMIN));
        assert_eq!(mask(status, "CapBnd"), None);
        assert_eq!(field(status, "Seccomp"), Some("2"));
    }

    #[test]
    fn only_the_initial_user_namespace_maps_everything() {
        assert!(is_whole("         0          0 4294967295\n"));
        assert!(!is_whole("         0       1000          1\n"));
    }

    #[test]
    fn capabilities() {
        use Level::{Ok, Problem, Warning};
        let docker = 0xa804_25fb;
        let table: &[(&str, bool, u64, u64, &[Level])] = &[
            ("root with everything", true, ALL, ALL, &[Ok]),
            ("a user says nothing about root", false, 0, ALL, &[Ok]),
            (
                "docker's default lacks SYS_ADMIN",
                true,
                docker,
                docker,
                &[Problem],
            ),
            ("a user in docker", false, 0, docker, &[Problem]),
            (
                "dropped by this root only",
                true,
                ALL & !ADMIN,
                ALL,
                &[Problem],
            ),
            (
                "neither",
                true,
                ALL & !ADMIN & !CHROOT,
                ALL,
                &[Problem, Problem],
            ),
            ("no CHOWN", true, ALL & !1, ALL, &[Warning]),
        ];
        for (reason, root, effective, bounding, expected) in table {
            let facts = Facts {
                root: *root,
                effective: Some(*effective),
                bounding: Some(*bounding),
                ..Facts::default()
            };
            let found: Vec<Level> = judge(&facts).iter().map(|finding| finding.level).collect();
            assert_eq!(&found, expected, "{reason}");
        }
    }

    #[test]
    fn what_stands_around_is_told() {
        let facts = Facts {
            bounding: Some(0),
            container: Some("podman".into()),
            filtered: true,
            own_user_namespace: true,
            ..Facts::default()
        };
        let found = judge(&facts);
        let advice = found.first().unwrap().advice.clone().unwrap();
        assert!(
            advice.contains("podman") && advice.contains("--cap-add CAP_SYS_ADMIN"),
            "{advice}"
        );
        let told = |text: &str| found.iter().any(|finding| finding.summary.contains(text));
        assert!(told("seccomp") && told("user namespace"));
    }
}
