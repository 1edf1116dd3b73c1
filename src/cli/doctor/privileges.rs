//! Findings about what the daemons beside this process may do: inside a container, often too little.

use super::finding::{Area, Finding};
use super::rights::Rights;
use crate::cli::host::confinement::Confinement;
use crate::cli::host::module_line::MODULE;

/// The capabilities that the module cannot do without, by their numbers in capabilities(7), and what for.
const NEEDED: [(u32, &str, &str); 2] = [
    (21, "CAP_SYS_ADMIN", "make namespaces and mounts"),
    (
        18,
        "CAP_SYS_CHROOT",
        "return to the old namespace when something fails",
    ),
];
/// The capabilities that instances need, and what for.
const WANTED: [(u32, &str, &str); 3] = [
    (0, "CAP_CHOWN", "give an instance its owner"),
    (1, "CAP_DAC_OVERRIDE", "pass a store with mode 000"),
    (3, "CAP_FOWNER", "set the mode of a user's instance"),
];

/// Judges what the capabilities of this process, and the walls around it, mean for logins.
pub fn findings(rights: Rights) -> Vec<Finding> {
    judge(&Confinement::own(), rights)
}

fn judge(facts: &Confinement, rights: Rights) -> Vec<Finding> {
    let mut all = Vec::new();
    all.extend(of_capabilities(facts, rights));
    if facts.has_own_user_namespace {
        all.push(
            Finding::warning(Area::Privileges, "this is not the initial user namespace")
                .advise("mounts that came from outside are locked here, and not every file system can be mounted"),
        );
    }
    if facts.is_filtered {
        all.push(Finding::note(
            Area::Privileges,
            "a system call filter (seccomp) is in force here",
        ));
    }
    all
}

fn of_capabilities(facts: &Confinement, rights: Rights) -> Vec<Finding> {
    let Some(bounding) = facts.bounding else {
        return vec![Finding::note(
            Area::Privileges,
            "capabilities are not known: /proc/self/status cannot be read",
        )];
    };
    // For root the effective set says more; for others it is empty and says nothing about the daemons.
    let available = match facts.effective {
        Some(effective) if rights == Rights::Root => effective & bounding,
        _ => bounding,
    };
    let place = facts.container.as_deref();
    let lacking: Vec<Finding> = NEEDED
        .iter()
        .filter(|(bit, _, _)| !has(available, *bit))
        .map(|(_, name, purpose)| lacks_needed(name, purpose, place))
        .chain(
            WANTED
                .iter()
                .filter(|(bit, _, _)| !has(available, *bit))
                .map(|(_, name, purpose)| lacks_wanted(name, purpose)),
        )
        .collect();
    if lacking.is_empty() {
        let names = NEEDED.map(|(_, name, _)| name).join(" and ");
        return vec![Finding::ok(
            Area::Privileges,
            format!("{names} can be had here"),
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
            format!(
                "a container ({kind}) has it by --cap-add {name}: without a user namespace of its own, root in there is \
                 then all but root of the machine; else do without {MODULE} there"
            )
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
    fn capabilities() {
        use Level::{Ok, Problem, Warning};
        let docker = 0xa804_25fb;
        let table: &[(&str, Rights, u64, u64, &[Level])] = &[
            ("root with everything", Rights::Root, ALL, ALL, &[Ok]),
            (
                "a user says nothing about root",
                Rights::User,
                0,
                ALL,
                &[Ok],
            ),
            (
                "docker's default lacks SYS_ADMIN",
                Rights::Root,
                docker,
                docker,
                &[Problem],
            ),
            ("a user in docker", Rights::User, 0, docker, &[Problem]),
            (
                "dropped by this root only",
                Rights::Root,
                ALL & !ADMIN,
                ALL,
                &[Problem],
            ),
            (
                "neither",
                Rights::Root,
                ALL & !ADMIN & !CHROOT,
                ALL,
                &[Problem, Problem],
            ),
            ("no CHOWN", Rights::Root, ALL & !1, ALL, &[Warning]),
        ];
        for (reason, rights, effective, bounding, expected) in table {
            let facts = Confinement {
                effective: Some(*effective),
                bounding: Some(*bounding),
                ..Confinement::default()
            };
            let found: Vec<Level> = judge(&facts, *rights)
                .iter()
                .map(|finding| finding.level)
                .collect();
            assert_eq!(&found, expected, "{reason}");
        }
    }

    #[test]
    fn what_stands_around_is_reported() {
        let facts = Confinement {
            bounding: Some(0),
            container: Some("podman".into()),
            is_filtered: true,
            has_own_user_namespace: true,
            ..Confinement::default()
        };
        let found = judge(&facts, Rights::Root);
        let advice = found.first().unwrap().advice.clone().unwrap();
        assert!(
            advice.contains("podman") && advice.contains("--cap-add CAP_SYS_ADMIN"),
            "{advice}"
        );
        let is_reported = |text: &str| found.iter().any(|finding| finding.summary.contains(text));
        assert!(is_reported("seccomp") && is_reported("user namespace"));
    }
}
