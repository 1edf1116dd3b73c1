//! Opens and closes in every order, and in a forked child.

use crate::kernel::{directory, exists, names, tree};
use crate::machine::{PRIVATE_T, STORE, drive, on_machine};
use crate::report::{assert_same, code};

const PER_SESSION: &str =
    "[settings]\nstore = \"/mnt/var/lib/jns\"\n[[private]]\npath = \"/mnt/t\"\nper = \"session\"\n";

/// The directories of sessions that are in the store.
fn session_directories() -> Vec<String> {
    let sessions = format!("{STORE}/session");
    if exists(&sessions) {
        names(&sessions)
    } else {
        Vec::new()
    }
}

#[test]
fn a_second_open_in_one_handle_changes_nothing() {
    on_machine(|machine| {
        let report = machine.drive(&[
            "start=alice",
            "open",
            "state=once",
            "open",
            "state=twice",
            "close",
            "end",
        ]);
        assert_eq!(report.codes("open"), [code::SUCCESS; 2]);
        assert_same(
            &report.state("once"),
            &report.state("twice"),
            "the second open",
        );
    });
}

#[test]
fn close_twice_and_without_an_open_succeeds() {
    on_machine(|machine| {
        machine.policy(PER_SESSION);
        let words = [
            "start=alice",
            "close",
            "open",
            "exists=/mnt/t",
            "close",
            "state=closed",
            "close",
            "state=again",
            "end",
        ];
        let report = machine.drive(&words);
        assert_eq!(report.codes("close"), [code::SUCCESS; 3]);
        assert_same(
            &report.state("closed"),
            &report.state("again"),
            "the second close",
        );
        assert_eq!(session_directories(), [""; 0]);
    });
}

#[test]
fn a_session_that_is_never_closed_hurts_nobody() {
    on_machine(|machine| {
        machine.policy(PER_SESSION);
        machine.drive(&["start=alice", "open", "end"]);
        machine.drive(&["start=alice", "open"]);
        assert_eq!(session_directories().len(), 2);
        let report = machine.drive(&["start=alice", "open", "touch=/mnt/t/mine", "close", "end"]);
        assert_eq!(report.codes("open"), [code::SUCCESS]);
        assert_eq!(session_directories().len(), 2);
    });
}

#[test]
fn one_handle_for_two_users_closes_both_of_their_sessions() {
    on_machine(|machine| {
        machine.policy(format!(
            "{PER_SESSION}except = [\"bob\"]\n[[private]]\npath = \"/mnt/home\"\nper = \"session\"\nusers = [\"bob\"]\n"
        ));
        let report = machine.drive(&[
            "start=alice",
            "open",
            "state=alice",
            "user=bob",
            "open",
            "state=bob",
            "close",
            "close",
            "end",
        ]);
        assert_eq!(report.codes("open"), [code::SUCCESS; 2]);
        assert_ne!(report.namespace("alice"), report.namespace("bob"));
        assert_eq!(session_directories(), [""; 0]);
    });
}

#[test]
fn a_refused_open_forgets_nothing_of_the_session_before() {
    on_machine(|machine| {
        machine.policy(format!(
            "{PER_SESSION}[[bind]]\nusers = [\"bob\"]\nsource = \"/mnt/missing\"\npath = \"/mnt/home\"\n"
        ));
        let words = [
            "start=alice",
            "open",
            "state=before",
            "user=bob",
            "open",
            "state=after",
            "user=alice",
            "open",
            "state=again",
            "close",
            "end",
        ];
        let report = machine.drive(&words);
        assert_eq!(
            report.codes("open"),
            [code::SUCCESS, code::PERM_DENIED, code::SUCCESS]
        );
        assert_same(
            &report.state("before"),
            &report.state("after"),
            "bob's refused open",
        );
        assert_same(
            &report.state("before"),
            &report.state("again"),
            "alice's second open",
        );
        assert_eq!(session_directories(), [""; 0], "alice's session was closed");
    });
}

/// The log of a hook is each thread's own, and what is a thread's own has ended by then.
#[test]
fn a_session_that_is_closed_when_its_process_exits_ends_as_others_do() {
    on_machine(|machine| {
        machine.policy(PER_SESSION);
        let report = machine.drive(&["start=alice", "open", "exit"]);
        assert_eq!(report.codes("close"), [code::SUCCESS]);
        assert_eq!(report.codes("end"), [code::SUCCESS]);
        assert_eq!(session_directories(), [""; 0]);
        assert!(report.output.stderr.is_empty(), "{report:?}");
    });
}

/// Under sshd and su the user's child ends its copy of the handle; it must take nothing from the parent.
#[test]
fn a_forked_child_that_closes_and_ends_takes_nothing_away() {
    on_machine(|machine| {
        machine.policy(PER_SESSION);
        let report = machine.drive(&[
            "start=alice",
            "open",
            "touch=/mnt/t/mine",
            "state=before",
            "fork",
            "uids=2001,2001",
            "close",
            "end",
            "join",
            "state=after",
            "exists=/mnt/t/mine",
            "close",
            "state=closed",
            "end",
        ]);
        assert_eq!(report.codes("close"), [code::SUCCESS; 2]);
        assert_eq!(report.codes("end"), [code::SUCCESS; 2]);
        assert_eq!(report.values("child"), ["0"]);
        assert_eq!(report.values("exists /mnt/t/mine"), ["1"]);
        let (before, after) = (report.state("before"), report.state("after"));
        let settled = |state: &[&str]| {
            let lines = state
                .iter()
                .filter(|line| !line.starts_with("sigchld "))
                .map(|line| (*line).to_owned());
            lines.collect::<Vec<_>>()
        };
        assert_eq!(settled(&before), settled(&after));
        assert_eq!(
            session_directories(),
            [""; 0],
            "the parent's close removes it"
        );
    });
}

/// pam_end without a close, by root in a child: `Drop` frees memory and nothing else.
#[test]
fn ending_the_handle_in_a_child_removes_nothing() {
    on_machine(|machine| {
        machine.policy(PER_SESSION);
        let words = [
            "start=alice",
            "open",
            "touch=/mnt/t/mine",
            "fork",
            "end",
            "join",
            "exists=/mnt/t/mine",
            "close",
            "end",
        ];
        let report = machine.drive(&words);
        assert_eq!(report.values("exists /mnt/t/mine"), ["1"]);
        assert_eq!(session_directories(), [""; 0]);
    });
}

/// One of them makes the instance and notes whose it is; what the others had begun to make is gone, the mount points
/// of kept entries in it too.
#[test]
fn first_logins_at_once_leave_one_instance() {
    on_machine(|machine| {
        directory("/mnt/t/.kept", 0o755, 0);
        machine.policy(format!("{PRIVATE_T}keep = [\".kept\"]\n"));
        for round in 0..50 {
            std::thread::scope(|scope| {
                let login =
                    || drive(&["start=alice", "open", "exists=/mnt/t/.kept", "close", "end"]);
                let logins: Vec<_> = (0..6).map(|_| scope.spawn(login)).collect();
                for login in logins {
                    let report = login.join().unwrap();
                    assert_eq!(report.codes("open"), [code::SUCCESS]);
                    assert_eq!(report.values("exists /mnt/t/.kept"), ["1"]);
                }
            });
            let instances = format!("{STORE}/user/2001");
            assert_eq!(
                tree(&instances),
                ["%account", "mnt-t/.kept", "mnt-t"].map(|name| format!("{instances}/{name}")),
                "round {round}"
            );
            std::fs::remove_dir_all(STORE).unwrap();
        }
    });
}
