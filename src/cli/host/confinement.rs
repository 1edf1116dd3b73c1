//! The limits of this process, and so of the daemons beside it: capabilities, a filter of system calls, a container.

use super::tree::Tree;

/// The facts, from proc(5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// The capabilities that are in force, a bit for each (capabilities(7)); nothing where /proc does not say.
    pub effective: Option<u64>,
    /// The capabilities that a program can gain at most.
    pub bounding: Option<u64>,
    /// Whether a system call filter is in force (seccomp(2)).
    pub is_filtered: bool,
    /// The kind of the container, as far as it is known.
    pub container: Option<String>,
    /// Whether it is in another user namespace than the initial one.
    pub has_own_user_namespace: bool,
}

impl Confinement {
    /// Reads the confinement of this process.
    pub fn own() -> Self {
        let host = Tree::host();
        // proc(5) files have no size and are regular, so they are read like any other.
        let status = host.read("/proc/self/status").unwrap_or_default();
        let map = host.read("/proc/self/uid_map").unwrap_or_default();
        Self {
            effective: mask(&status, "CapEff"),
            bounding: mask(&status, "CapBnd"),
            is_filtered: field(&status, "Seccomp").is_some_and(|mode| mode != "0"),
            container: container(&host),
            has_own_user_namespace: !map.is_empty() && !is_whole(&map),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_by_name() {
        let status = "Name:\tjns\nCapEff:\t0000000000200000\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        assert_eq!(mask(status, "CapEff"), Some(1 << 21));
        assert_eq!(mask(status, "CapBnd"), None);
        assert_eq!(field(status, "Seccomp"), Some("2"));
    }

    #[test]
    fn only_the_initial_user_namespace_maps_everything() {
        assert!(is_whole("         0          0 4294967295\n"));
        assert!(!is_whole("         0       1000          1\n"));
    }
}
