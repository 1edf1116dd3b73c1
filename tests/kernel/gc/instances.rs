//! Directories in a store.

use super::scene::*;
use crate::own::*;
use pam_jns::gc::{Disposal, Kind, Remains};
use pam_jns::path::AbsPath;
use pam_jns::session::{Process, Runtime};
use std::os::unix::fs::symlink;
use std::time::Duration;

/// A store as the module makes it.
fn store() {
    for name in ["", "/user", "/group", "/session"] {
        directory(&format!("{STORE}{name}"), 0o700, 0);
    }
}

/// An instance with a file in it, that was used so many seconds ago.
fn instance_of(holder: &str, seconds: i64) {
    directory(&format!("{STORE}/{holder}/tmp"), 0o1777, USER);
    directory(&format!("{STORE}/{holder}"), 0o700, 0);
    file(&format!("{STORE}/{holder}/tmp/file"), "");
    age(&format!("{STORE}/{holder}"), seconds);
}

fn session_of(number: u32) -> String {
    format!("session/{number:016x}")
}

const DAY: i64 = 24 * 60 * 60;

fn unused_for(days: u64) -> Asked {
    Asked {
        unused_for: Some(Duration::from_secs(days * 24 * 60 * 60)),
        ..Asked::default()
    }
}

#[test]
fn directories_of_sessions_that_have_ended_go() {
    in_own_namespace(|| {
        store();
        let own = Process::own().unwrap();
        let shown = format!("{STORE}/{}", session_of(5));
        for (number, seconds) in [
            (1, 0),
            (2, OLD),
            (3, 0),
            (4, OLD),
            (5, OLD),
            (6, -OLD),
            (7, OLD),
        ] {
            instance_of(&session_of(number), seconds);
        }
        symlink("/mnt", format!("{STORE}/{}", session_of(8))).unwrap();
        directory("/mnt/chroot/tmp", 0o755, 0);
        let sleeper = Sleeper::showing(&[(&format!("{shown}/tmp"), "/mnt/chroot/tmp")]);
        // The last to be made: before Linux 6.11 the next one would be taken for it.
        let nowhere = Sleeper::start().end();
        session_record(&format!("{:016x}", 1), gone(), nowhere);
        session_record(&format!("{:016x}", 4), own, nowhere);
        session_record(&format!("{:016x}", 5), gone(), nowhere);
        gc();
        for (number, goes, why) in [
            (1, true, "its record says that it has ended"),
            (2, true, "it is old, and nobody knows it"),
            (3, false, "it may be that of a login that is under way"),
            (4, false, "its session has not ended"),
            (5, false, "a namespace shows it"),
            (6, false, "the clock may have been set back"),
            (7, true, "it is old"),
        ] {
            let path = format!("{STORE}/{}", session_of(number));
            assert_eq!(!exists(&path), goes, "{why}");
        }
        assert!(
            exists(&format!("{STORE}/{}", session_of(8))),
            "it is a link"
        );
        sleeper.end();
        age(&shown, OLD);
        gc();
        assert!(!exists(&shown));
    });
}

/// The rest of a mount table is hidden from a process in a chroot.
#[test]
fn a_process_in_a_chroot_does_not_hide_what_others_see() {
    in_own_namespace(|| {
        store();
        instance_of(&session_of(1), OLD);
        directory("/mnt/view", 0o755, 0);
        let instance = format!("{STORE}/{}/tmp", session_of(1));
        let sleeper = Sleeper::showing(&[(&instance, "/mnt/view")]);
        let mut confined = std::process::Command::new("nsenter")
            .args([
                "-t",
                &sleeper.process().pid.to_string(),
                "-m",
                "setpriv",
                "--clear-groups",
            ])
            .args(["chroot", "/", "sleep", "1000"])
            .spawn()
            .unwrap();
        assert_eq!(removed(&gc()), [""; 0]);
        confined.kill().unwrap();
        confined.wait().unwrap();
        sleeper.end();
        assert_eq!(removed(&gc()).len(), 1);
    });
}

#[test]
fn what_users_keep_goes_only_when_asked() {
    in_own_namespace(|| {
        store();
        instance_of("user/2001", -1000 * DAY);
        instance_of("group/100", -1000 * DAY);
        assert_eq!(removed(&gc()), [""; 0]);
        assert_eq!(removed(&gc_with(unused_for(1001))), [""; 0]);
        let found = gc_with(unused_for(999));
        assert_eq!(
            removed(&found),
            [format!("{STORE}/group/100"), format!("{STORE}/user/2001")]
        );
        assert!(
            found
                .iter()
                .all(|remains| remains.reason == "not used for 1000 days"),
            "{found:?}"
        );
        assert_eq!(
            tree(STORE),
            ["group", "session", "user"].map(|name| format!("{STORE}/{name}"))
        );
    });
}

#[test]
fn what_users_keep_stays_while_it_may_be_wanted() {
    in_own_namespace(|| {
        store();
        let users = [2001, 2002, 2003, 2004, 2005, 2006, 2007];
        for uid in users {
            instance_of(&format!("user/{uid}"), -100 * DAY);
        }
        instance_of("user/2002", -5 * DAY);
        instance_of("user/2003", 5 * DAY);
        directory("/mnt/view", 0o755, 0);
        let sleeper = Sleeper::showing(&[(&format!("{STORE}/user/2004/tmp"), "/mnt/view")]);
        let pinned = Sleeper::start();
        pinned.pin(2005);
        file(&format!("{STORE}/user/2006/notes"), "");
        age(&format!("{STORE}/user/2006"), -100 * DAY);
        directory("/mnt/mounted", 0o755, 0);
        file("/mnt/mounted/precious", "");
        directory(&format!("{STORE}/user/2007/tmp/disk"), 0o755, USER);
        bind("/mnt/mounted", &format!("{STORE}/user/2007/tmp/disk"));
        age(&format!("{STORE}/user/2007"), -100 * DAY);

        let found = gc_with(unused_for(30));
        assert_eq!(removed(&found), [format!("{STORE}/user/2001")]);
        let stay = [2006, 2007].map(|uid| format!("{STORE}/user/{uid}"));
        assert_eq!(
            left(&found),
            stay,
            "what is not the module's, what is mounted"
        );
        for uid in &users[1..] {
            assert!(exists(&format!("{STORE}/user/{uid}/tmp/file")), "{uid}");
        }
        assert!(exists("/mnt/mounted/precious"));
        sleeper.end();
        pinned.end();
    });
}

#[test]
fn of_deleted_users_all_goes() {
    in_own_namespace(|| {
        store();
        for holder in ["user/2001", "user/2002", "user/2003", "group/2001"] {
            instance_of(holder, -10 * DAY);
        }
        instance_of("user/2002", 0);
        let deleted: fn(u32, Option<&str>) -> bool = |uid, _| uid < 2003;
        let both = Asked {
            deleted: Some(deleted),
            ..unused_for(5)
        };
        assert_eq!(removed(&gc_with(both)), [format!("{STORE}/user/2001")]);
        let alone = Asked {
            deleted: Some(deleted),
            ..Asked::default()
        };
        assert_eq!(removed(&gc_with(alone)), [format!("{STORE}/user/2002")]);
        assert!(exists(&format!("{STORE}/user/2003/tmp/file")));
        assert!(exists(&format!("{STORE}/group/2001/tmp/file")));
    });
}

#[test]
fn a_dry_run_finds_the_same_and_changes_nothing() {
    in_own_namespace(|| {
        store();
        instance_of("user/2001", -100 * DAY);
        instance_of(&session_of(1), OLD);
        file(&format!("{STORE}/.jns-0123456789abcdef"), "");
        age(&format!("{STORE}/.jns-0123456789abcdef"), OLD);
        let (files, runtime) = (tree(STORE), tree("/run"));
        let asked = || Asked {
            dry_run: true,
            ..unused_for(30)
        };
        let would = gc_with(asked());
        assert_eq!((tree(STORE), tree("/run")), (files, runtime));
        let would = with_disposal(&would, |disposal| *disposal == Disposal::Removable);
        assert_eq!(would.len(), 3);
        assert_eq!(would, removed(&gc_with(unused_for(30))));
    });
}

#[test]
fn what_was_being_made_or_removed_goes_when_it_is_old() {
    in_own_namespace(|| {
        store();
        instance_of("user/2001", -100 * DAY);
        let table = [
            ("", OLD, true),
            ("user/", OLD, true),
            ("user/2001/", OLD, true),
            ("group/100/", OLD, true),
            (&format!("{}/", session_of(1)), OLD, true),
            ("user/2002/", 0, false),
            ("user/2003/", -OLD, false),
        ];
        for (directory_of, seconds, _) in table {
            let path = format!("{STORE}/{directory_of}.jns-0123456789abcdef");
            directory(&format!("{path}/keep"), 0o755, USER);
            if !directory_of.is_empty() {
                directory(&format!("{STORE}/{directory_of}"), 0o700, 0);
            }
            age(&path, seconds);
        }
        age(&format!("{STORE}/user/2001"), -100 * DAY);
        gc();
        for (directory, _, goes) in table {
            let path = format!("{STORE}/{directory}.jns-0123456789abcdef");
            assert_eq!(!exists(&path), goes, "{directory}");
        }
        let time = |path: &str| {
            use std::os::unix::fs::MetadataExt;
            std::fs::metadata(path).unwrap().mtime()
        };
        let now = time("/proc/self");
        let used = time(&format!("{STORE}/user/2001"));
        assert!(now - used > 99 * DAY, "removing is not using");
    });
}

#[test]
fn what_is_not_the_modules_is_named_and_left_alone() {
    in_own_namespace(|| {
        store();
        let names = [
            "lost+found",
            "user/alice",
            "user/01",
            "group/x",
            "session/1",
            "user/line\nbreak",
        ];
        for name in names {
            directory(&format!("{STORE}/{name}/tmp"), 0o755, 0);
            age(&format!("{STORE}/{name}"), -100 * DAY);
        }
        file(&format!("{STORE}/hidden-file"), "");
        let found = gc_with(unused_for(1));
        assert_eq!(removed(&found), [""; 0]);
        let mut foreign: Vec<_> = found
            .iter()
            .filter(|remains| remains.kind == Kind::Foreign)
            .collect();
        foreign.sort_by(|one, other| one.path.cmp(&other.path));
        let mut expected = names.map(|name| format!("{STORE}/{name}"));
        expected.sort();
        let paths: Vec<&str> = foreign
            .iter()
            .map(|remains| remains.path.as_str())
            .collect();
        assert_eq!(paths, expected);
    });
}

#[test]
fn a_store_that_others_may_use_is_not_touched() {
    in_own_namespace(|| {
        for (place, mode, owner) in [("", 0o755, 0), ("", 0o700, USER), ("/user", 0o711, 0)] {
            store();
            instance_of("user/2001", -100 * DAY);
            instance_of(&session_of(1), OLD);
            directory(&format!("{STORE}{place}"), mode, owner);
            let found = gc_with(unused_for(1));
            let failed = with_disposal(&found, |disposal| matches!(disposal, Disposal::Failed(_)));
            assert!(!failed.is_empty(), "{place} {mode:o} {owner}: {found:?}");
            assert!(
                exists(&format!("{STORE}/user/2001/tmp/file")),
                "{place} {mode:o} {owner}"
            );
        }
    });
}

/// The store was another one when the sessions were opened.
#[test]
fn an_earlier_store_is_cleaned_of_sessions_alone() {
    in_own_namespace(|| {
        store();
        std::fs::rename(STORE, "/mnt/earlier").unwrap();
        std::fs::create_dir_all(format!("/mnt/earlier/{}/tmp", session_of(1))).unwrap();
        std::fs::create_dir_all("/mnt/earlier/user/2001/tmp").unwrap();
        directory(&format!("/mnt/earlier/{}", session_of(1)), 0o700, 0);
        directory("/mnt/earlier/user/2001", 0o700, 0);
        age(&format!("/mnt/earlier/{}", session_of(1)), OLD);
        age("/mnt/earlier/user/2001", -100 * DAY);
        let sleeper = Sleeper::start();
        let mut record = record(2001, sleeper.identity(), None);
        record.store = AbsPath::new("/mnt/earlier").unwrap();
        record.write(&Runtime::open().unwrap()).unwrap();
        assert_eq!(
            removed(&gc_with(unused_for(1))),
            [format!("/mnt/earlier/{}", session_of(1))]
        );
        sleeper.end();
    });
}

/// What was set aside at that second, of an account that is recorded in it or not.
fn former(name: &str, account: Option<&str>, seconds: i64) -> String {
    instance_of(&format!("user/{name}"), seconds);
    let path = format!("{STORE}/user/{name}");
    if let Some(account) = account {
        let note = format!("{path}/%account");
        file(
            &note,
            &format!("{{\"name\":\"{account}\",\"home\":\"/home/{account}\"}}"),
        );
        directory_mode(&note, 0o600);
        age(&path, seconds);
    }
    path
}

fn directory_mode(path: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The reasons that are given for a path.
fn reasons<'f>(found: &'f [Remains], path: &str) -> Vec<&'f str> {
    let of_path = found.iter().filter(|remains| remains.path == path);
    of_path.map(|remains| remains.reason.as_str()).collect()
}

#[test]
fn what_was_set_aside_is_reported_and_goes_with_its_account_or_by_its_age() {
    in_own_namespace(|| {
        store();
        instance_of("user/2001", 0);
        let alices = former("2001.former-17", Some("alice"), -10 * DAY);
        let bobs = former("2001.former-18", Some("bob"), -10 * DAY);
        let unknown = former("2001.former-19", None, -10 * DAY);
        let reason = |name| format!("set aside: it is of {name}, that had the id 2001 before");
        let found = gc();
        assert_eq!(removed(&found), [""; 0]);
        assert_eq!(left(&found), [&alices, &bobs, &unknown].map(String::as_str));
        for (path, name) in [(&alices, "alice"), (&bobs, "bob"), (&unknown, "an account")] {
            assert_eq!(reasons(&found, path), [reason(name)]);
        }
        // Bob is there still with that id; nobody knows whose the third is.
        let deleted: fn(u32, Option<&str>) -> bool =
            |uid, name| uid == 2001 && name == Some("alice");
        let asked = |dry_run| Asked {
            dry_run,
            deleted: Some(deleted),
            ..Asked::default()
        };
        let would = gc_with(asked(true));
        assert!(exists(&format!("{alices}/tmp/file")));
        let found = gc_with(asked(false));
        let reason = "there is no account alice with the id 2001, as before";
        assert_eq!(reasons(&would, &alices), [reason]);
        assert_eq!(reasons(&found, &alices), [reason]);
        assert_eq!(removed(&found), [alices.as_str()]);
        assert_eq!(left(&found), [bobs.as_str(), unknown.as_str()]);
        assert_eq!(removed(&gc_with(unused_for(11))), [""; 0]);
        let found = gc_with(unused_for(9));
        assert_eq!(removed(&found), [bobs.as_str(), unknown.as_str()]);
        assert!(exists(&format!("{STORE}/user/2001/tmp/file")));
    });
}

#[test]
fn what_looks_like_something_set_aside_is_left_to_who_made_it() {
    in_own_namespace(|| {
        store();
        directory("/mnt/precious/tmp", 0o700, 0);
        file("/mnt/precious/tmp/file", "");
        file(
            "/mnt/precious/%account",
            "{\"name\":\"alice\",\"home\":\"/home/alice\"}",
        );
        directory_mode("/mnt/precious/%account", 0o600);
        symlink("/mnt/precious", format!("{STORE}/user/2001.former-1")).unwrap();
        file(&format!("{STORE}/user/2001.former-2"), "");
        let names = [
            "2001.former-",
            "2001.former-x",
            "2001.former-1x",
            "2001.former--1",
            "2001.former-1.former-1",
            "alice.former-1",
            ".former-1",
            "99999999999.former-1",
        ];
        for name in names {
            instance_of(&format!("user/{name}"), -100 * DAY);
        }
        instance_of("group/2001.former-1", -100 * DAY);
        let expected: Vec<String> = names
            .iter()
            .chain(&["2001.former-1", "2001.former-2"])
            .map(|name| format!("{STORE}/user/{name}"))
            .chain([format!("{STORE}/group/2001.former-1")])
            .collect();
        let everybody: fn(u32, Option<&str>) -> bool = |_, _| true;
        let deleted = Asked {
            deleted: Some(everybody),
            ..Asked::default()
        };
        let before = tree("/mnt");
        for asked in [Asked::default(), unused_for(1), deleted] {
            let found = gc_with(asked);
            for path in &expected {
                assert_eq!(
                    reasons(&found, path),
                    ["the module gives nothing such a name"],
                    "{path}"
                );
            }
            assert_eq!(found.len(), expected.len(), "{found:#?}");
            assert!(found.iter().all(|remains| remains.kind == Kind::Foreign));
            assert_eq!(tree("/mnt"), before);
        }
    });
}

/// A note that is none of root's, and one that is not whole, say nothing of whose it is.
#[test]
fn what_was_set_aside_stays_where_its_note_cannot_be_believed() {
    in_own_namespace(|| {
        store();
        let torn = former("2001.former-1", Some("alice"), -10 * DAY);
        let theirs = former("2001.former-2", Some("alice"), -10 * DAY);
        let linked = former("2001.former-3", None, -10 * DAY);
        file(&format!("{torn}/%account"), "{\"name\":\"al");
        directory_mode(&format!("{torn}/%account"), 0o600);
        std::os::unix::fs::chown(format!("{theirs}/%account"), Some(USER), None).unwrap();
        symlink(format!("{theirs}/%account"), format!("{linked}/%account")).unwrap();
        let everybody: fn(u32, Option<&str>) -> bool = |_, _| true;
        let found = gc_with(Asked {
            deleted: Some(everybody),
            ..Asked::default()
        });
        assert_eq!(
            with_disposal(&found, |disposal| *disposal == Disposal::Removed),
            [""; 0]
        );
        for path in [&torn, &theirs, &linked] {
            assert!(exists(&format!("{path}/tmp/file")), "{path}");
            assert!(
                found
                    .iter()
                    .any(|remains| remains.path.starts_with(path.as_str())),
                "{path}: {found:#?}"
            );
        }
    });
}
