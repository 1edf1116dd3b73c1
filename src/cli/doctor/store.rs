//! Findings about the directory where instances live.

use super::finding::{Area, Finding, Level};
use crate::cli::host::Tree;
use crate::cli::outcome::reason;
use crate::cli::terminal::count;
use crate::kernel::fs::owner_note::Account;
use crate::store::layout::{HIDDEN_FILE, NOTE, Owner, OwnerKind, STORE_MODES_FOR_OTHERS};
use rustix::fs::{FileType, Stat, StatFs, StatVfs, StatVfsMountFlags};
use std::io;

/// Less than this share of space or inodes free is worth a warning.
const SCARCE_PERCENT: u64 = 5;

/// File systems that instances should not lie on, by the number in statfs(2), why, and whether they cannot lie there.
const ODD: [(u64, &str, &str, Level); 6] = [
    (
        0x0102_1994,
        "tmpfs",
        "instances on disk are gone after a restart",
        Level::Warning,
    ),
    (
        0x8584_58f6,
        "ramfs",
        "instances are gone after a restart, and nothing bounds them",
        Level::Warning,
    ),
    (
        0x6969,
        "NFS",
        "it cannot rename without replacing, and root may be nobody there",
        Level::Problem,
    ),
    (
        0x0102_1997,
        "9p",
        "it cannot rename without replacing",
        Level::Problem,
    ),
    (0x4d44, "FAT", "it knows no owners", Level::Problem),
    (
        0x5346_544e,
        "NTFS",
        "it knows no owners by default",
        Level::Warning,
    ),
];

/// The key that says where the store is.
const SETTING: &str = "settings.store";

/// Finds what is wrong with the store.
pub fn findings(tree: &Tree, store: &str) -> Vec<Finding> {
    let mut all = of_way(tree, store, SETTING);
    match tree.stat(store) {
        Ok(facts) => {
            all.push(of_directory(store, &facts, is_all_ours(tree, store)));
            all.extend(of_space(tree, store, SETTING));
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

/// Finds the directories on the way to `store`, which `key` names, whose entries somebody else than root can replace.
pub(super) fn of_way(tree: &Tree, store: &str, key: &str) -> Vec<Finding> {
    let below = ancestors(store)
        .into_iter()
        .skip(1)
        .chain([store.to_owned()]);
    let steps = ancestors(store).into_iter().zip(below);
    let judge = |(path, below): (String, String)| {
        let facts = tree.stat(&path).ok()?;
        let who = replaceable(&facts, tree.stat(&below).ok().as_ref())?;
        Some(unsafe_way(&path, who, key))
    };
    steps.filter_map(judge).collect()
}

/// Advises against a way that others share before it advises to shut it, which could take it from those who use it.
fn unsafe_way(path: &str, who: &str, key: &str) -> Finding {
    Finding::problem(Area::Store, format!("{who} can replace what is in {path}")).advise(format!(
        "until then logins are refused: choose another {key}, below directories of root's alone; or, where nobody else \
         has to write there, chown root {path} && chmod go-w {path}"
    ))
}

/// `/`, `/var`, `/var/lib` for `/var/lib/jns`.
fn ancestors(path: &str) -> Vec<String> {
    let cuts = path.match_indices('/').map(|(at, _)| path.get(..at.max(1)));
    cuts.flatten().map(str::to_owned).collect()
}

/// Says who can replace an entry of a directory, as a login judges it: the sticky bit keeps what is root's, and root's own
/// group is root.
fn replaceable(directory: &Stat, entry: Option<&Stat>) -> Option<&'static str> {
    if directory.st_uid != 0 {
        return Some("its owner, who is not root,");
    }
    let is_kept = directory.st_mode & 0o1000 != 0 && entry.is_none_or(|entry| entry.st_uid == 0);
    (is_shared(directory) && !is_kept).then_some("a user other than root")
}

/// Whether somebody else than root may make entries in a directory.
pub(super) fn is_shared(directory: &Stat) -> bool {
    let by_group = directory.st_mode & 0o020 != 0 && directory.st_gid != 0;
    directory.st_mode & 0o002 != 0 || by_group
}

/// Whether nothing is in a store but what the module makes there.
fn is_all_ours(tree: &Tree, store: &str) -> bool {
    let is_ours = |name: &String| OwnerKind::parse(name).is_some() || name == HIDDEN_FILE;
    tree.list(store).iter().all(is_ours)
}

/// Judges the store itself. Closing a directory that others use takes it from them.
fn of_directory(store: &str, facts: &Stat, is_all_ours: bool) -> Finding {
    let close = |command: String| match is_all_ours {
        true => format!("{command}; until then logins are refused"),
        false => format!(
            "other things are in it: choose another {SETTING}, a directory of its own; until then logins are refused"
        ),
    };
    let mode = facts.st_mode & 0o7777;
    if FileType::from_raw_mode(facts.st_mode) != FileType::Directory {
        return Finding::problem(Area::Store, format!("{store} is not a directory")).advise(
            format!("move it away, or choose another {SETTING}; the first login makes the store"),
        );
    }
    if facts.st_uid != 0 {
        return Finding::problem(
            Area::Store,
            format!("{store} belongs to user id {}, not to root", facts.st_uid),
        )
        .advise(close(format!("chown root:root {store}")));
    }
    if mode & 0o077 != 0 && !STORE_MODES_FOR_OTHERS.contains(&mode) {
        return Finding::problem(Area::Store, format!("{store} has mode {mode:04o}"))
            .advise(close(format!("chmod 0700 {store}")));
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

fn of_space(tree: &Tree, store: &str, key: &str) -> Vec<Finding> {
    let Ok((kind, space)) = tree.file_system(store) else {
        return Vec::new();
    };
    let mut all = of_file_system(tree, &kind, &space, key);
    all.extend(of_flags(space.f_flag));
    all.push(of_room("space", space.f_bavail, space.f_blocks));
    // Some file systems count no inodes.
    if space.f_files > 0 {
        all.push(of_room("inodes", space.f_favail, space.f_files));
    }
    all
}

/// Finds what a file system cannot do for the instances on it.
pub(super) fn of_file_system(
    tree: &Tree,
    kind: &StatFs,
    space: &StatVfs,
    key: &str,
) -> Vec<Finding> {
    let kind = of_kind(u64::try_from(kind.f_type).unwrap_or(0), key);
    // Another system's is mounted here for being looked at.
    let is_read_only = tree.is_host() && space.f_flag.contains(StatVfsMountFlags::RDONLY);
    let read_only = is_read_only.then(|| {
        Finding::problem(Area::Store, "the file system is read-only").advise(format!(
            "choose another {key}; or mount it read-write, where nothing else depends on that"
        ))
    });
    kind.into_iter().chain(read_only).collect()
}

fn of_kind(number: u64, key: &str) -> Option<Finding> {
    let (_, name, why, level) = ODD.iter().find(|(odd, ..)| *odd == number)?;
    let summary = format!("it lies on {name}: {why}");
    let finding = match level {
        Level::Problem => Finding::problem(Area::Store, summary),
        Level::Ok | Level::Note | Level::Warning => Finding::warning(Area::Store, summary),
    };
    Some(finding.advise(format!("choose another {key}")))
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
            for is_all_ours in [true, false] {
                let finding = of_directory("/var/lib/jns", &facts(mode, uid), is_all_ours);
                assert_eq!(finding.level, level, "{mode:o} {uid}");
                let advice = finding.advice.unwrap_or_default();
                let closes = advice.contains("chmod 0") || advice.contains("chown");
                assert!(!closes || is_all_ours, "others use it: {advice}");
            }
        }
    }

    #[test]
    fn who_can_replace_an_entry() {
        let of_group = |gid| {
            let mut directory = facts(0o040_775, 0);
            directory.st_gid = gid;
            directory
        };
        let (roots, users) = (facts(0o040_700, 0), facts(0o040_700, 7));
        for (directory, entry, is_replaceable) in [
            (facts(0o040_755, 0), Some(&roots), false),
            (of_group(0), Some(&roots), false),
            (of_group(7), Some(&roots), true),
            (facts(0o040_757, 0), Some(&roots), true),
            (facts(0o041_777, 0), Some(&roots), false),
            (facts(0o041_777, 0), None, false),
            (facts(0o041_777, 0), Some(&users), true),
            (facts(0o040_755, 7), Some(&roots), true),
        ] {
            let found = replaceable(&directory, entry);
            assert_eq!(found.is_some(), is_replaceable, "{:o}", directory.st_mode);
        }
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
        let of_kind = |number| of_kind(number, SETTING);
        assert!(of_kind(0x0102_1994).unwrap().summary.contains("tmpfs"));
        assert_eq!(of_kind(0x0102_1994).unwrap().level, Level::Warning);
        assert_eq!(of_kind(0x6969).unwrap().level, Level::Problem);
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
