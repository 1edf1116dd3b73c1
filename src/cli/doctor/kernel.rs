//! Findings about the running kernel.

use super::finding::{Area, Finding};
use super::rights::Rights;
use crate::kernel::probe::{self, Feature, Presence};

/// The first release with everything that the module calls (mount_setattr).
const OLDEST: (u32, u32) = (5, 12);
/// The first release that gives a namespace through a pidfd, without `/proc`.
const WITHOUT_PROC: (u32, u32) = (6, 11);
/// The features that are not to be had, or not wholly, before a release.
const LIMITS: [((u32, u32), &str); 3] = [
    (
        (5, 15),
        "what root mounts in a command of su or sudo stays in the command's namespace",
    ),
    (
        (6, 11),
        "su and sudo keep the view of a session whose namespace is not shared (namespace = \"session\")",
    ),
    (
        (6, 15),
        "keep and [[overlay]] are refused where they need what another rule shows",
    ),
];

/// Finds what this kernel lacks.
pub fn findings(rights: Rights) -> Vec<Finding> {
    let release = probe::release();
    let mut all = vec![of_release(&release)];
    all.extend(limits(&release));
    all.extend(of_features(&probe::features(), rights));
    all.push(of_proc(Proc::find()));
    if rights == Rights::Root {
        all.push(of_roots(probe::has_empty_namespaces()));
    }
    all
}

/// The presence of a `/proc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proc {
    /// A `/proc` that is mounted.
    Mounted,
    /// No `/proc`, on a kernel that gives a namespace without it.
    Unneeded,
    /// No `/proc`, on a kernel that needs it.
    Missing,
}

impl Proc {
    fn find() -> Self {
        if probe::has_proc() {
            Self::Mounted
        } else if probe::has_namespace_without_proc() {
            Self::Unneeded
        } else {
            Self::Missing
        }
    }
}

fn of_release(release: &str) -> Finding {
    match version(release) {
        Some(found) if found < OLDEST => Finding::problem(
            Area::Kernel,
            format!("Linux {release} is older than {}", dotted(OLDEST)),
        )
        .advise("every login that gets a namespace is refused; a newer kernel is needed"),
        Some(_) => Finding::ok(Area::Kernel, format!("Linux {release}")),
        None => Finding::note(
            Area::Kernel,
            format!("the release {release} does not begin with two numbers"),
        ),
    }
}

/// Notes what works on newer kernels alone.
fn limits(release: &str) -> Vec<Finding> {
    let found = version(release);
    let is_before = |since: (u32, u32)| found.is_some_and(|found| found < since);
    let all = LIMITS.iter().filter(|(since, _)| is_before(*since));
    all.map(|(since, what)| {
        let text = format!("before Linux {}, {what}", dotted(*since));
        Finding::note(Area::Kernel, text)
    })
    .collect()
}

fn of_features(features: &[Feature], rights: Rights) -> Vec<Finding> {
    let mut all: Vec<Finding> = features
        .iter()
        .filter_map(|feature| of_feature(feature, rights))
        .collect();
    let working = names(features, |presence| presence == Presence::Works);
    if !working.is_empty() {
        all.insert(0, Finding::ok(Area::Kernel, format!("has {working}")));
    }
    let untried = names(features, |presence| presence == Presence::Forbidden);
    if rights == Rights::User && !untried.is_empty() {
        all.push(
            Finding::note(Area::Kernel, format!("not tried without root: {untried}"))
                .advise("run jns doctor as root"),
        );
    }
    all
}

fn names(features: &[Feature], wanted: impl Fn(Presence) -> bool) -> String {
    let found = features.iter().filter(|feature| wanted(feature.presence));
    found
        .map(|feature| feature.name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn of_feature(feature: &Feature, rights: Rights) -> Option<Finding> {
    let name = feature.name;
    match feature.presence {
        Presence::Works => None,
        Presence::Forbidden if rights == Rights::User => None,
        Presence::Forbidden => Some(
            Finding::problem(Area::Kernel, format!("{name} is forbidden even for root"))
                .advise("CAP_SYS_ADMIN is missing, or a security module or system call filter is in the way"),
        ),
        Presence::Missing => Some(
            Finding::problem(Area::Kernel, format!("there is no {name}")).advise(format!(
                "Linux {} has it; on a newer kernel a system call filter (seccomp) hides it",
                dotted(feature.since)
            )),
        ),
        Presence::Failed(errno) => Some(Finding::warning(
            Area::Kernel,
            format!("{name} failed when it was tried: {errno}"),
        )),
    }
}

fn of_proc(proc: Proc) -> Finding {
    match proc {
        Proc::Mounted => Finding::ok(Area::Kernel, "/proc is mounted"),
        Proc::Unneeded => Finding::ok(Area::Kernel, "/proc is not mounted, and not needed"),
        Proc::Missing => Finding::problem(Area::Kernel, "/proc is not mounted").advise(format!(
            "mount it, or use Linux {}, which can do without",
            dotted(WITHOUT_PROC)
        )),
    }
}

/// Says how a session with a root directory of its own begins.
fn of_roots(has_empty: bool) -> Finding {
    let begins = match has_empty {
        true => "an empty namespace",
        false => "a copy of the host's namespace (before Linux 7.1)",
    };
    Finding::ok(Area::Kernel, format!("[[root]] begins with {begins}"))
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn dotted((major, minor): (u32, u32)) -> String {
    format!("{major}.{minor}")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn releases() {
        let table = [
            ("6.18.0-rc3-amd64", Level::Ok),
            ("5.12", Level::Ok),
            ("5.10.0-30-amd64", Level::Problem),
            ("4.18.0-553.el8", Level::Problem),
            ("trunk", Level::Note),
            ("", Level::Note),
        ];
        for (release, level) in table {
            assert_eq!(of_release(release).level, level, "{release}");
        }
    }

    #[test]
    fn limits_by_release() {
        let table = [
            ("5.14.0-427.el9", 3),
            ("5.15.1", 2),
            ("6.1.0-50-amd64", 2),
            ("6.12.3", 1),
            ("6.15", 0),
            ("trunk", 0),
        ];
        for (release, count) in table {
            assert_eq!(limits(release).len(), count, "{release}");
        }
    }

    #[test]
    fn proc_is_needed_where_a_pidfd_does_not_do() {
        let table = [
            (Proc::Mounted, Level::Ok),
            (Proc::Unneeded, Level::Ok),
            (Proc::Missing, Level::Problem),
        ];
        for (proc, level) in table {
            assert_eq!(of_proc(proc).level, level, "{proc:?}");
        }
    }

    #[test]
    fn features_by_what_trying_showed() {
        let table = [
            (Presence::Works, Rights::Root, vec![Level::Ok]),
            (Presence::Missing, Rights::User, vec![Level::Problem]),
            (Presence::Forbidden, Rights::Root, vec![Level::Problem]),
            (Presence::Forbidden, Rights::User, vec![Level::Note]),
            (
                Presence::Failed(Errno::IO),
                Rights::Root,
                vec![Level::Warning],
            ),
        ];
        for (presence, rights, expected) in table {
            let feature = Feature {
                name: "openat2",
                since: (5, 6),
                presence,
            };
            let found: Vec<Level> = of_features(&[feature], rights)
                .iter()
                .map(|finding| finding.level)
                .collect();
            assert_eq!(found, expected, "{presence:?} {rights:?}");
        }
    }
}
