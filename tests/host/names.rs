//! Accounts whose names, homes and ids nobody would choose: each has the directory that is its own and no
//! other, or is refused with the reason.

use crate::kernel::{directory, exists, names};
use crate::machine::{Machine, PASSWD_FILE, on_machine, word};
use crate::report::{Report, assert_same, code};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

/// Where each user's directory has the user's name.
const NAMED: &str = "/mnt/named";

/// Instances that the policy names by the user, and others that have the user's id.
const BY_NAME: &str = "[settings]\nstore = \"/mnt/var/lib/jns\"\n\
    [[private]]\npath = \"/mnt/t\"\nstore = \"/mnt/named/{user}\"\n\
    [[private]]\npath = \"/mnt/home\"\n[[hide]]\npath = \"/mnt/etc\"\nkeep = [\"{user}\"]\n";

/// A line of passwd(5), with whatever is in its fields.
fn account(name: &[u8], uid: u32, home: &[u8]) {
    let ids = format!(":x:{uid}:{uid}::");
    let line = [name, ids.as_bytes(), home, b":/bin/sh\n"].concat();
    let mut file = std::fs::File::options()
        .append(true)
        .open(PASSWD_FILE)
        .unwrap();
    file.write_all(&line).unwrap();
}

/// A session that puts a file into the private directory, looked at before and after the open.
fn log_in(machine: &Machine, name: &[u8]) -> Report {
    let mut words = vec![word("start", name)];
    let rest = ["state=before", "open", "state=after", "touch=/mnt/t/mine"];
    words.extend(rest.map(OsString::from));
    words.extend(["close", "end"].map(OsString::from));
    machine.drive(&words)
}

/// Asserts that a session was refused: nothing has changed, and the log says why in one line.
#[track_caller]
fn assert_refused(report: &Report, log: &[String], reason: &str, case: &str) {
    assert_ne!(report.codes("open"), [code::SUCCESS], "{case}");
    assert_same(&report.state("before"), &report.state("after"), case);
    let [line] = log else {
        panic!("{case}: not one line, but {log:?}");
    };
    assert!(line.starts_with("<83>"), "{case}: {line:?}");
    assert!(line.contains(reason), "{case}: {line:?}");
    assert!(!line.contains(|c: char| c.is_control()), "{case}: {line:?}");
}

/// Names that are one component of a path, whatever else they would mean to a shell, a template, a log or a
/// directory service.
const USABLE: &[&[u8]] = &[
    b"Alice",
    b"alice ",
    b"alice.",
    b".alice",
    b"...",
    b"two words",
    b"100%",
    b"%s%n%x",
    b"{user}",
    b"{{uid}}",
    b"}{",
    b"quo\"te",
    b"apo'strophe",
    b"DOMAIN\\user",
    b"trailing\\",
    b"user@example.org",
    b"~alice",
    b"$(id)",
    b"`id`",
    b"a;b|c&d",
    b"*",
    b"[a]?",
    b"tab\there",
    b"colour\x1b[31m",
    "größe".as_bytes(),
    "gro\u{308}ße".as_bytes(),
    "left\u{202e}right".as_bytes(),
    b".jns-0123456789abcdef",
    b"2001",
    b"0",
    b"root ",
];

#[test]
fn each_name_has_the_directory_of_that_name() {
    on_machine(|machine| {
        directory(NAMED, 0o700, 0);
        machine.policy(BY_NAME);
        let longest = vec![b'n'; 255];
        let mut all: Vec<&[u8]> = [&[&b"alice"[..], &longest], USABLE].concat();
        for (uid, name) in (3000..).zip(all.iter().skip(1)) {
            account(name, uid, b"/mnt/home/alice");
        }
        for name in &all {
            let case = String::from_utf8_lossy(name);
            let lines = machine.log().len();
            let report = log_in(machine, name);
            assert_eq!(report.codes("open"), [code::SUCCESS], "{case:?}");
            assert_eq!(report.values("touch /mnt/t/mine"), ["0"], "{case:?}");
            let log = machine.log().split_off(lines);
            assert_eq!(log.len(), 1, "{case:?}: {log:?}");
            assert!(!log[0].contains(|c: char| c.is_control()), "{log:?}");
            let file = std::path::Path::new(NAMED).join(OsStr::from_bytes(name));
            // Whoever else had got it would have left the file before.
            std::fs::remove_file(file.join("mine")).expect(&case);
        }
        all.sort_unstable();
        let mut made: Vec<OsString> = std::fs::read_dir(NAMED)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        made.sort_unstable();
        let made: Vec<&[u8]> = made.iter().map(|name| name.as_bytes()).collect();
        assert_eq!(made, all);
        let by_id = names("/mnt/var/lib/jns/user");
        assert_eq!(by_id.len(), all.len(), "{by_id:?}");
    });
}

#[test]
fn names_that_are_no_component_are_refused_where_they_would_be_one() {
    on_machine(|machine| {
        directory(NAMED, 0o700, 0);
        directory("/mnt/other", 0o700, 0);
        let long = vec![b'n'; 256];
        let table: &[(&[u8], &str)] = &[
            (
                b".",
                "cannot use the store /mnt/named/{user}: {user} is \".\": ",
            ),
            (
                b"..",
                "cannot use the store /mnt/named/{user}: {user} is \"..\": ",
            ),
            (b"a/b", "{user} is \"a/b\": "),
            (b"../other", "{user} is \"../other\": "),
            (b"/etc", "{user} is \"/etc\": "),
            (b"alice/", "{user} is \"alice/\": "),
            (&long, "{user} is \"nnnn"),
            // The account database of glibc takes them for something else.
            (b"-rf", "no such account"),
            (b"+alice", "no such account"),
            (b"\xe4rger", "the user's name is not UTF-8"),
        ];
        for (uid, (name, _)) in (3000..).zip(table) {
            account(name, uid, b"/mnt/home/alice");
        }
        machine.policy(BY_NAME);
        for (name, reason) in table {
            let lines = machine.log().len();
            let report = log_in(machine, name);
            let case = String::from_utf8_lossy(name);
            assert_refused(&report, &machine.log().split_off(lines), reason, &case);
        }
        assert_eq!(names(NAMED), [""; 0]);
        assert_eq!(names("/mnt/other"), [""; 0]);
        assert!(!exists("/mnt/mine"));

        // By the id, whatever can be looked up has its directory.
        machine.policy(crate::machine::PRIVATE_T);
        for (uid, (name, _)) in (3000..).zip(table).take(7) {
            let report = log_in(machine, name);
            assert_eq!(report.codes("open"), [code::SUCCESS], "{uid}");
            let mine = format!("/mnt/var/lib/jns/user/{uid}/mnt-t/mine");
            std::fs::remove_file(mine).unwrap();
        }
    });
}

/// Directories for each name are apart; directories for each id are one, as everything else of theirs is.
#[test]
fn two_names_of_one_id_are_one_user() {
    const SHARED: &str = "[settings]\nnamespace = \"user\"\nstore = \"/mnt/var/lib/jns\"\n";
    on_machine(|machine| {
        account(b"alias", 2001, b"/mnt/home/alice");
        directory(NAMED, 0o700, 0);
        machine.policy(format!("{SHARED}[[private]]\npath = \"/mnt/t\"\n"));
        let is_joined = |name: &[u8]| {
            log_in(machine, name);
            machine.log().last().unwrap().contains(": joined mnt:[")
        };
        assert_eq!([is_joined(b"alice"), is_joined(b"alias")], [false, true]);
        machine.policy(format!(
            "{SHARED}[[private]]\npath = \"/mnt/t\"\nstore = \"/mnt/named/{{user}}\"\n"
        ));
        assert_eq!([is_joined(b"alice"), is_joined(b"alias")], [false, false]);
        assert_eq!(names(NAMED), ["alias", "alice"]);
        // Principals are names: what alice is exempt from, alias is not.
        machine.policy(
            "[settings]\nexempt = [\"alice\"]\nstore = \"/mnt/var/lib/jns\"\n\
             [[private]]\npath = \"/mnt/t\"\nstore = \"/mnt/named/{user}\"\n",
        );
        let host = crate::kernel::namespace();
        assert_eq!(log_in(machine, b"alice").namespace("after"), host);
        assert_ne!(log_in(machine, b"alias").namespace("after"), host);
    });
}

#[test]
fn another_name_of_roots_is_not_roots_name() {
    on_machine(|machine| {
        account(b"toor", 0, b"/root");
        let policy = |exempt: &str| {
            machine.policy(format!(
                "[settings]\nexempt = [\"{exempt}\"]\nstore = \"/mnt/var/lib/jns\"\n\
                 [[private]]\npath = \"/mnt/t\"\n"
            ));
            log_in(machine, b"toor").namespace("after").to_owned()
        };
        let host = crate::kernel::namespace();
        assert_ne!(policy("root"), host);
        assert!(exists("/mnt/var/lib/jns/user/0/mnt-t/mine"));
        assert_eq!(policy("uid:0"), host);
    });
}

#[test]
fn an_account_that_is_gone_is_refused_and_its_session_closed() {
    on_machine(|machine| {
        machine.policy(
            "[settings]\nstore = \"/mnt/var/lib/jns\"\n[[private]]\npath = \"/mnt/t\"\nper = \"session\"\n",
        );
        let gone = format!("empty={PASSWD_FILE}");
        let report = machine.drive(&[
            "start=alice",
            "open",
            "touch=/mnt/t/file",
            &gone,
            "close",
            "end",
            "start=alice",
            "state=before",
            "open",
            "state=after",
        ]);
        assert_eq!(report.codes("open"), [code::SUCCESS, code::USER_UNKNOWN]);
        assert_eq!(report.codes("close"), [code::SUCCESS]);
        assert_same(&report.state("before"), &report.state("after"), "gone");
        assert_eq!(names("/mnt/var/lib/jns/session"), [""; 0]);
        let errors = machine.errors();
        assert!(
            errors[0].ends_with("cannot find user alice: no such account"),
            "{errors:?}"
        );
    });
}

#[test]
fn a_home_that_is_no_path_is_refused_only_where_it_is_one() {
    let table: &[(&[u8], &str)] = &[
        (b"", "{home} is \"\": a path must be absolute"),
        (
            b"/",
            "{home} is \"/\": the root directory cannot be used here",
        ),
        (b"//", "{home} is \"//\": "),
        (b"mnt/home/alice", "a path must be absolute"),
        (b"/mnt/home/../t", "a path must not have `.` or `..` in it"),
        (
            b"/mnt/home/./alice",
            "a path must not have `.` or `..` in it",
        ),
        (
            b"/mnt//home",
            "a path must not have repeated or trailing slashes",
        ),
        (b"/mnt/home/\xff", "it is not UTF-8"),
        (b"/proc/self/root", "a path must not be in /proc"),
        (b"/mnt/home/nobody-made-it", "No such file or directory"),
        (b"/mnt/home/bob", "belongs to uid 2002"),
    ];
    on_machine(move |machine| {
        directory("/mnt/home/\u{fffd}/t", 0o755, 0);
        directory("/mnt/home/bob/t", 0o700, 2002);
        for (uid, (home, reason)) in (3000..).zip(table) {
            let name = format!("user{uid}");
            account(name.as_bytes(), uid, home);
            machine.policy(
                "[settings]\nstore = \"/mnt/var/lib/jns\"\n[[private]]\npath = \"{home}/t\"\n",
            );
            let lines = machine.log().len();
            let report = log_in(machine, name.as_bytes());
            let case = String::from_utf8_lossy(home);
            assert_refused(&report, &machine.log().split_off(lines), reason, &case);
            machine.policy(crate::machine::PRIVATE_T);
            let report = log_in(machine, name.as_bytes());
            assert_eq!(report.codes("open"), [code::SUCCESS], "{case:?}");
        }
    });
}
