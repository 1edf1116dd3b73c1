//! Who the process is, and who logs in.

use crate::machine::{on_machine, word};
use crate::report::{assert_same, code};
use std::ffi::OsString;

#[test]
fn the_effective_user_decides_and_not_the_real_one() {
    on_machine(|machine| {
        // As su has it, and as atd.
        for uids in ["uids=2001,0", "uids=1,0"] {
            let report = machine.drive(&[
                "start=bob",
                uids,
                "state=before",
                "open",
                "state=opened",
                "close",
                "end",
            ]);
            assert_eq!(report.codes("open"), [code::SUCCESS], "{uids}");
            assert_eq!(report.codes("close"), [code::SUCCESS], "{uids}");
            let before = report.state_without_view("before");
            assert_same(&before, &report.state_without_view("opened"), uids);
        }
        for uids in ["uids=0,2001", "uids=2001,2001"] {
            let report = machine.drive(&[
                "start=alice",
                uids,
                "state=before",
                "open",
                "state=after",
                "close",
                "end",
                "uids=0,0",
            ]);
            assert_eq!(report.codes("open"), [code::PERM_DENIED], "{uids}");
            assert_same(&report.state("before"), &report.state("after"), uids);
            let error = machine.errors().pop().unwrap();
            assert!(
                error.ends_with("cannot open the session: the process is not root"),
                "{error}"
            );
        }
    });
}

#[test]
fn a_process_without_the_capabilities_is_refused_with_the_reason() {
    on_machine(|machine| {
        for (number, name) in [(21, "CAP_SYS_ADMIN"), (18, "CAP_SYS_CHROOT")] {
            let drop = format!("drop={number}");
            let report = machine.drive(&[
                "start=alice",
                &drop,
                "state=before",
                "open",
                "state=after",
                "end",
            ]);
            assert_eq!(report.codes("open"), [code::PERM_DENIED], "{name}");
            assert_same(&report.state("before"), &report.state("after"), name);
            let error = machine.errors().pop().unwrap();
            assert!(
                error.contains(&format!("the process lacks {name}")),
                "{error}"
            );
        }
    });
}

#[test]
fn close_succeeds_whoever_calls_it() {
    on_machine(|machine| {
        machine.policy("[settings]\nstore = \"/mnt/var/lib/jns\"\n[[private]]\npath = \"/mnt/t\"\nper = \"session\"\n");
        let report = machine.drive(&[
            "start=alice",
            "open",
            "uids=2001,2001",
            "close",
            "end",
            "uids=0,0",
        ]);
        assert_eq!(report.codes("open"), [code::SUCCESS]);
        assert_eq!(report.codes("close"), [code::SUCCESS]);
        let log = machine.log();
        assert!(!log.iter().any(|line| line.starts_with("<83>")), "{log:?}");
    });
}

#[test]
fn a_user_nobody_knows_is_refused_and_distinguished() {
    let long = "x".repeat(256);
    let table: [(&[u8], i32); 9] = [
        (b"nosuch", code::USER_UNKNOWN),
        (b"", code::USER_UNKNOWN),
        (b"two\nlines", code::USER_UNKNOWN),
        (b"colour\x1b[31m", code::USER_UNKNOWN),
        (b"%s%s%s%n", code::USER_UNKNOWN),
        (b"../../etc", code::USER_UNKNOWN),
        (b"alice ", code::USER_UNKNOWN),
        (b"\xffalice", code::PERM_DENIED),
        (long.as_bytes(), code::USER_UNKNOWN),
    ];
    let table = table.map(|(name, code)| (name.to_owned(), code));
    on_machine(move |machine| {
        for (name, expected) in table {
            let case = String::from_utf8_lossy(&name).into_owned();
            let lines = machine.log().len();
            let mut words = vec![word("start", &name)];
            words.extend(
                ["state=before", "open", "state=after", "close", "end"].map(OsString::from),
            );
            let report = machine.drive(&words);
            assert_eq!(report.codes("open"), [expected], "{case:?}");
            assert_same(&report.state("before"), &report.state("after"), &case);
            let log = machine.log().split_off(lines);
            assert_eq!(log.len(), 1, "{case:?}: {log:?}");
            assert!(
                !log[0].contains(|c: char| c.is_control()),
                "{case:?}: {log:?}"
            );
        }
    });
}

#[test]
fn a_session_of_nobody_is_refused() {
    on_machine(|machine| {
        let report = machine.drive(&[
            "start-nobody",
            "state=before",
            "open",
            "state=after",
            "close",
            "end",
        ]);
        assert_eq!(report.codes("open"), [code::PERM_DENIED]);
        assert_eq!(
            report.values("asked"),
            [""; 0],
            "nobody is asked for a name"
        );
        assert_same(&report.state("before"), &report.state("after"), "no user");
        assert!(machine.errors()[0].ends_with("PAM names no user"));
    });
}
