//! Findings about the directory where instances live.

use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::outcome::reason;
use crate::cli::terminal::count;
use crate::kernel::fs::owner_note::Account;
use crate::store::layout::{NOTE, Owner, OwnerKind, STORE_MODES_FOR_OTHERS};
use rustix::fs::{FileType, Stat, StatFs, StatVfs, StatVfsMountFlags};
use std::io;

/// Less than this share of space or inodes free is worth a warning.
const SCARCE_PERCENT: u64 = 5;

/// File systems that instances should not lie on, by the number in statfs(2), and why.
const ODD: [(u64, &str, &str); 5] = [
    (
        0x0102_1994,
        "tmpfs",
        "instances on disk are gone after a restart",
    ),
    (
        0x8584_58f6,
        "ramfs",
        "instances are gone after a restart, and nothing bounds them",
    ),
    (
        0x6969,
        "NFS",
        "root may be nobody there, and logins wait for the server",
    ),
    (0x4d44, "FAT", "it knows no owners"),
    (0x5346_544e, "NTFS", "it knows no owners by default"),
];

/// Finds what is wrong with the store.
pub fn findings(tree: &Tree, store: &str) -> Vec<Finding> {
    let mut all = of_way(tree, store);
    match tree.stat(store) {
        Ok(facts) => {
            all.push(of_directory(store, &facts));
            all.extend(of_space(tree, store));
            all.extend(of_former(tree, store));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => all.push(of_missing(tree, store)),
        Err(e) => all.push(Finding::note(
            Area::Store,
            format!("{store} cannot be examined: {}", reason(&e)),
        )),
    }
    all
}

fn of_missing(tree: &Tree, store: &str) -> Finding {
    let parent = ancestors(store).pop().unwrap_or_default();
    if tree.exists(&parent) {
        return Finding::note(
            Area::Store,
            format!("{store} does not exist; the first login makes it"),
        );
    }
    Finding::problem(
        Area::Store,
        format!("{store} cannot be made: there is no {parent}"),
    )
    .advise(format!("mkdir -p {parent}, as root"))
}

fn of_way(tree: &Tree, store: &str) -> Vec<Finding> {
    let facts = ancestors(store)
        .into_iter()
        .filter_map(|path| tree.stat(&path).ok().map(|facts| (path, facts)));
    facts
        .filter_map(|(path, facts)| replaceable(&facts).map(|who| unsafe_way(&path, who)))
        .collect()
}

fn unsafe_way(path: &str, who: &str) -> Finding {
    Finding::problem(Area::Store, format!("{who} can replace what is in {path}")).advise(format!(
        "chown root {path} && chmod go-w {path}; until then logins are refused"
    ))
}

/// `/`, `/var`, `/var/lib` for `/var/lib/jns`.
fn ancestors(path: &str) -> Vec<String> {
    let cuts = path.match_indices('/').map(|(at, _)| path.get(..at.max(1)));
    cuts.flatten().map(str::to_owned).collect()
}

fn replaceable(facts: &Stat) -> Option<&'static str> {
    match (facts.st_uid, facts.st_mode & 0o022) {
        (0, 0) => None,
        (0, _) => Some("a user other than root"),
        _ => Some("its owner, who is not root,"),
    }
}

fn of_directory(store: &str, facts: &Stat) -> Finding {
    let mode = facts.st_mode & 0o7777;
    if FileType::from_raw_mode(facts.st_mode) != FileType::Directory {
        return Finding::problem(Area::Store, format!("{store} is not a directory"))
            .advise("move it away; the first login makes the store");
    }
    if facts.st_uid != 0 {
        return Finding::problem(
            Area::Store,
            format!("{store} belongs to user id {}, not to root", facts.st_uid),
        )
        .advise(format!(
            "look at what is in it, then chown root:root {store}"
        ));
    }
    if mode & 0o077 != 0 && !STORE_MODES_FOR_OTHERS.contains(&mode) {
        return Finding::problem(Area::Store, format!("{store} has mode {mode:04o}"))
            .advise(format!("chmod 0700 {store}; until then logins are refused"));
    }
    Finding::ok(Area::Store, format!("{store} is root's, mode {mode:04o}"))
}

/// Directories of accounts whose ids others have now.
fn of_former(tree: &Tree, store: &str) -> Vec<Finding> {
    let names = tree.list(&OwnerKind::User.path(store)).into_iter();
    let former = names.filter_map(|name| match Owner::parse(OwnerKind::User, &name)? {
        owner @ Owner::Former { uid, .. } => Some((owner.path(store), uid)),
        Owner::User(_) | Owner::Group(_) | Owner::Session(_) => None,
    });
    let findings = former.map(|(path, id)| {
        let name = account_of(tree, &path).unwrap_or_else(|| "an account".to_owned());
        let summary = format!("{path} was set aside: it is of {name}, that had the id {id} before");
        Finding::note(Area::Store, summary).advise(
            "jns gc --deleted-users removes it when there is no such account; FILES in pam_jns(8) says how the same \
             account gets it back",
        )
    });
    findings.collect()
}

/// The name of the account that the note in a directory of the store names.
fn account_of(tree: &Tree, directory: &str) -> Option<String> {
    let note = tree.read(&format!("{directory}/{NOTE}")).ok()?;
    let account: Account = serde_json::from_str(&note).ok()?;
    Some(account.name)
}

fn of_space(tree: &Tree, store: &str) -> Vec<Finding> {
    match tree.file_system(store) {
        Ok((kind, space)) => of_file_system(&kind, &space),
        Err(_) => Vec::new(),
    }
}

fn of_file_system(kind: &StatFs, space: &StatVfs) -> Vec<Finding> {
    let mut all: Vec<Finding> = of_kind(u64::try_from(kind.f_type).unwrap_or(0))
        .into_iter()
        .collect();
    if space.f_flag.contains(StatVfsMountFlags::RDONLY) {
        all.push(
            Finding::problem(Area::Store, "the file system is read-only")
                .advise("mount it read-write, or choose another settings.store"),
        );
    }
    all.extend(of_flags(space.f_flag));
    all.push(of_room("space", space.f_bavail, space.f_blocks));
    // Some file systems count no inodes.
    if space.f_files > 0 {
        all.push(of_room("inodes", space.f_favail, space.f_files));
    }
    all
}

fn of_kind(number: u64) -> Option<Finding> {
    let (_, name, why) = ODD.iter().find(|(odd, _, _)| *odd == number)?;
    Some(
        Finding::warning(Area::Store, format!("it lies on {name}: {why}"))
            .advise("choose another settings.store"),
    )
}

fn of_flags(flags: StatVfsMountFlags) -> Option<Finding> {
    let words = [
        (StatVfsMountFlags::NOSUID, "nosuid"),
        (StatVfsMountFlags::NODEV, "nodev"),
        (StatVfsMountFlags::NOEXEC, "noexec"),
    ];
    let set: Vec<&str> = words
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, word)| *word)
        .collect();
    (!set.is_empty()).then(|| {
        let plural = count(set.len(), "flag");
        Finding::note(
            Area::Store,
            format!(
                "its file system is mounted with {plural} that instances inherit: {}",
                set.join(", ")
            ),
        )
    })
}

fn of_room(what: &str, free: u64, whole: u64) -> Finding {
    let percent = free.saturating_mul(100).checked_div(whole).unwrap_or(100);
    let summary = format!("{percent} % of its {what} is free");
    if percent < SCARCE_PERCENT {
        Finding::warning(Area::Store, summary)
            .advise("a full store keeps new users from logging in")
    } else {
        Finding::ok(Area::Store, summary)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_way_to_the_store() {
        assert_eq!(ancestors("/var/lib/jns"), ["/", "/var", "/var/lib"]);
        assert_eq!(ancestors("/jns"), ["/"]);
    }

    fn facts(mode: u32, uid: u32) -> Stat {
        let mut facts = rustix::fs::stat("/").unwrap();
        facts.st_mode = mode;
        facts.st_uid = uid;
        facts
    }

    #[test]
    fn owner_and_mode() {
        let table = [
            (0o040_700, 0, Level::Ok),
            (0o040_000, 0, Level::Ok),
            (0o040_711, 0, Level::Ok),
            (0o040_500, 0, Level::Ok),
            (0o040_710, 0, Level::Problem),
            (0o040_755, 0, Level::Problem),
            (0o041_777, 0, Level::Problem),
            (0o040_700, 1000, Level::Problem),
            (0o100_700, 0, Level::Problem),
        ];
        for (mode, uid, level) in table {
            let finding = of_directory("/var/lib/jns", &facts(mode, uid));
            assert_eq!(finding.level, level, "{mode:o} {uid}");
        }
    }

    #[test]
    fn who_can_replace_an_entry() {
        assert_eq!(replaceable(&facts(0o040_755, 0)), None);
        assert!(replaceable(&facts(0o040_775, 0)).is_some());
        assert!(
            replaceable(&facts(0o041_777, 0)).is_some(),
            "the sticky bit lets users create"
        );
        assert!(replaceable(&facts(0o040_755, 7)).is_some());
    }

    #[test]
    fn free_space() {
        let table = [
            (50, 100, Level::Ok),
            (4, 100, Level::Warning),
            (0, 0, Level::Ok),
        ];
        for (free, whole, level) in table {
            assert_eq!(of_room("space", free, whole).level, level, "{free}/{whole}");
        }
    }

    #[test]
    fn kinds_and_flags() {
        assert!(of_kind(0x0102_1994).unwrap().summary.contains("tmpfs"));
        assert_eq!(of_kind(0xef53), None);
        let flags = StatVfsMountFlags::NOEXEC | StatVfsMountFlags::NODEV;
        assert!(of_flags(flags).unwrap().summary.ends_with("nodev, noexec"));
        assert_eq!(of_flags(StatVfsMountFlags::empty()), None);
    }

    #[test]
    fn a_fabricated_system() {
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("var/lib/jns");
        std::fs::create_dir_all(&store).unwrap();
        std::fs::set_permissions(&store, PermissionsExt::from_mode(0o755)).unwrap();
        let tree = Tree::under(root.path()).unwrap();
        let assert_found = |path: &str, text: &str| {
            let found = findings(&tree, path);
            assert!(
                found.iter().any(|f| f.summary.contains(text)),
                "{path} {text}: {found:?}"
            );
        };
        assert_found("/var/lib/jns", "/var/lib/jns ");
        assert_found("/var/lib/none", "does not exist; the first");
        assert_found("/srv/none", "there is no /srv");
    }
}
