//! Records, and what was being written.

use super::scene::*;
use crate::own::*;
use pam_jns::gc::Disposal;
use pam_jns::session::Process;

/// A session's name that ends in that number.
fn id(number: u32) -> String {
    format!("{number:016x}")
}

fn session_path(number: u32) -> String {
    format!("/run/jns/session/{}", id(number))
}

#[test]
fn a_session_ends_with_its_host_process_and_what_it_left_running() {
    in_own_namespace(|| {
        let (shared, alone) = (Sleeper::start(), Sleeper::start());
        shared.pin(2001);
        record(2001, alone.identity(), None)
            .write(&runtime())
            .unwrap();
        let over = Sleeper::start().end();
        let living = Process::own().unwrap();
        let reused = Process {
            started: living.started + 1,
            ..living
        };
        for (number, process, namespace, why) in [
            (1, living, shared.identity(), "it runs"),
            (2, gone(), shared.identity(), "others are in that namespace"),
            (
                3,
                reused,
                shared.identity(),
                "another process has its number",
            ),
            (4, gone(), alone.identity(), "tmux still runs in it"),
            (5, gone(), over, "nothing is left of it"),
            (6, living, over, "it is in another namespace now"),
        ] {
            session_record(&id(number), process, namespace);
            assert!(exists(&session_path(number)), "{why}");
        }
        assert_eq!(removed(&gc()), [2, 3, 5].map(session_path));
        alone.end();
        let found = gc();
        assert!(
            removed(&found).contains(&session_path(4).as_str()),
            "{found:?}"
        );
        shared.end();
    });
}

#[test]
fn the_record_of_a_namespace_goes_when_no_process_and_no_session_is_in_it() {
    in_own_namespace(|| {
        let runtime = runtime();
        let living = Sleeper::start();
        let mut earlier = living.identity();
        earlier.id = earlier.id.map(|id| id - 1);
        record(2001, earlier, None).write(&runtime).unwrap();
        let ended = Sleeper::start().end();
        record(2001, ended, None).write(&runtime).unwrap();
        session_record(&id(1), Process::own().unwrap(), ended);
        let record = format!("/run/jns/namespace/{}", living.identity().inode);
        let found = gc();
        if earlier.id.is_some() {
            assert_eq!(
                removed(&found),
                [record],
                "another namespace has its number"
            );
        }
        assert!(exists(&format!("/run/jns/namespace/{}", ended.inode)));
        living.end();
    });
}

#[test]
fn records_that_are_none_go_when_they_are_old() {
    in_own_namespace(|| {
        let runtime = runtime();
        let living = Sleeper::start();
        runtime.directory("namespace").unwrap();
        runtime.directory("session").unwrap();
        file("/mnt/precious", "");
        let lies = [
            ("namespace/1", "{", true),
            ("namespace/2", "", false),
            (
                &format!("namespace/{}", living.identity().inode),
                "null",
                true,
            ),
            ("session/00000000000000aa", "[]", true),
            ("session/00000000000000ab", "\0", false),
        ];
        for (path, text, old) in lies {
            let path = format!("/run/jns/{path}");
            file(&path, text);
            if old {
                age(&path, OLD);
            }
        }
        let found = gc();
        let failed = with_disposal(&found, |disposal| matches!(disposal, Disposal::Failed(_)));
        assert_eq!(failed.len(), 3, "{found:#?}");
        let gone = with_disposal(&found, |disposal| *disposal == Disposal::Removed);
        assert_eq!(
            gone,
            ["/run/jns/namespace/1", "/run/jns/session/00000000000000aa"]
        );
        assert!(exists("/mnt/precious"));
        living.end();
    });
}

/// A record of that name that speaks of another file, even one outside.
#[test]
fn a_record_never_leads_elsewhere() {
    in_own_namespace(|| {
        file("/mnt/precious", "");
        let namespace = Sleeper::start().end();
        session_record(&id(1), gone(), namespace);
        let text = std::fs::read_to_string(session_path(1)).unwrap();
        let lie = text.replace(&id(1), "../../../mnt/precious");
        file(&session_path(1), &lie);
        age(&session_path(1), OLD);
        let pinned = serde_json::to_string(&record(2001, namespace, Some(&key(2001)))).unwrap();
        let lie = pinned.replace(&key(2001).to_string(), "../../../mnt/precious");
        let stored = serde_json::to_string(&record(2001, namespace, None)).unwrap();
        let mut other = record(2001, namespace, None);
        other.instances = vec![instance("/mnt/user/0/one/two/precious")];
        let shown = serde_json::to_string(&other).unwrap();
        runtime().directory("namespace").unwrap();
        file(
            "/run/jns/namespace/3",
            &shown.replace("/one/two/", "/../../"),
        );
        age("/run/jns/namespace/3", OLD);
        file(
            "/run/jns/namespace/2",
            &stored.replace(STORE, "/run/../mnt"),
        );
        age("/run/jns/namespace/2", OLD);
        file("/run/jns/namespace/1", &lie);
        age("/run/jns/namespace/1", OLD);
        let found = gc();
        assert!(exists("/mnt/precious"));
        assert!(!exists(&session_path(1)), "{found:?}");
        for inode in [1, 2, 3] {
            let path = format!("/run/jns/namespace/{inode}");
            assert!(!exists(&path), "{found:?}");
        }
    });
}

#[test]
fn what_was_being_written_goes_when_it_is_old() {
    in_own_namespace(|| {
        let runtime = runtime();
        for directory in ["session", "namespace", "stamp"] {
            runtime.directory(directory).unwrap();
        }
        let table = [
            (".jns-0123456789abcdef", OLD, true),
            ("session/.jns-0123456789abcdef", OLD, true),
            ("namespace/.jns-0123456789abcdef", OLD, true),
            ("stamp/.jns-0123456789abcdef", OLD, true),
            ("session/.jns-0123456789abcde0", 0, false),
            ("session/.jns-0123456789abcde1", -OLD, false),
            ("session/.jns-0123", OLD, false),
        ];
        for (name, seconds, _) in table {
            let path = format!("/run/jns/{name}");
            file(&path, "");
            age(&path, seconds);
        }
        gc();
        for (name, _, goes) in table {
            assert_eq!(!exists(&format!("/run/jns/{name}")), goes, "{name}");
        }
    });
}

#[test]
fn stamps_go_with_the_last_pin_of_their_user() {
    in_own_namespace(|| {
        let sleeper = Sleeper::start();
        sleeper.pin(2001);
        runtime().directory("stamp").unwrap();
        for name in [
            "2001-0123456789abcdef",
            "2002-0123456789abcdef",
            "of an older version",
        ] {
            file(&format!("/run/jns/stamp/{name}"), "");
        }
        gc();
        assert_eq!(names("/run/jns/stamp"), ["2001-0123456789abcdef"]);
        sleeper.end();
        gc();
        assert_eq!(names("/run/jns/stamp"), [""; 0]);
    });
}
