//! Hosts that live on after a session: a display manager, or a program that opens several sessions. Each is back
//! where it was when the handle ends, although the module keeps no descriptor for that. Until then it is in the
//! session, for modules that stand behind this one.

use crate::kernel::{exists, names};
use crate::machine::{
    Machine, POLICY, PRIVATE_T, STORE, below_shell, module, on_machine, shared_object,
};
use crate::report::{Report, assert_same, code};

const PER_SESSION: &str =
    "[settings]\nstore = \"/mnt/var/lib/jns\"\n[[private]]\npath = \"/mnt/t\"\nper = \"session\"\n";

/// Runs the driver below another process of the machine, and has it succeed.
fn drive(machine: &Machine, words: &[&str]) -> Report {
    let report = machine.drive_with(below_shell(), words);
    assert!(report.output.status.success(), "{:?}", report.output);
    report
}

/// The first login of each of these, which leaves a pin: that is in the host's mount table.
fn log_in_once(machine: &Machine, users: &[&str]) {
    for user in users {
        let start = format!("start={user}");
        let report = drive(machine, &[&start, "open", "close", "end"]);
        assert_eq!(report.codes("open"), [code::SUCCESS], "{:?}", machine.log());
    }
}

/// The state without the pins, which are the host's: a namespace with processes of its own ends with its last session,
/// and the next one has another.
fn without_pins<'r>(report: &'r Report, label: &str) -> Vec<&'r str> {
    let mut state = report.state(label);
    state.retain(|line| !line.contains(" /run/jns/ns") && !line.starts_with("sigchld "));
    state
}

#[test]
fn a_host_that_lives_on_is_back_where_it_was() {
    on_machine(|machine| {
        let isolated = "[[isolate]]\nipc = \"own\"\nhostname = \"box\"\nnetwork = \"none\"\nprocesses = \"own\"\n";
        for (name, policy) in [
            ("shared", PRIVATE_T.to_owned()),
            ("of the session's own", PER_SESSION.to_owned()),
            ("isolated", format!("{PRIVATE_T}{isolated}")),
            ("isolated by session", format!("{PER_SESSION}{isolated}")),
        ] {
            machine.policy(policy);
            log_in_once(machine, &["alice"]);
            for directory in ["/", "/usr", "/mnt/t", "/mnt/home/alice"] {
                let chdir = format!("chdir={directory}");
                let words = [
                    &chdir,
                    "start=alice",
                    "state=before",
                    "open",
                    "touch=/mnt/t/mine",
                    "close",
                    "end",
                    "state=ended",
                    "exists=/mnt/t/mine",
                    "start=alice",
                    "open",
                    "close",
                    "open",
                    "close",
                    "end",
                    "state=ended-twice",
                ];
                let report = drive(machine, &words);
                let case = format!("{name}, {directory}");
                assert_eq!(report.codes("open"), [code::SUCCESS; 3], "{case}");
                assert_eq!(report.values("exists /mnt/t/mine"), ["0"], "{case}");
                let before = without_pins(&report, "before");
                assert_same(&before, &without_pins(&report, "ended"), &case);
                assert_same(&before, &without_pins(&report, "ended-twice"), &case);
            }
        }
        assert_eq!(names(&format!("{STORE}/session")), [""; 0]);
    });
}

#[test]
fn a_session_in_another_root_directory_is_left_for_the_hosts() {
    on_machine(|machine| {
        for name in ["", "/dev", "/etc", "/proc", "/run", "/sys", "/usr"] {
            crate::kernel::directory(&format!("/mnt/root{name}"), 0o755, 0);
        }
        machine
            .policy("[settings]\nstore = \"/mnt/var/lib/jns\"\n[[root]]\npath = \"/mnt/root\"\n");
        log_in_once(machine, &["alice"]);
        let words = [
            "chdir=/usr",
            "start=alice",
            "state=before",
            "open",
            "exists=/mnt",
            "close",
            "exists=/mnt",
            "end",
            "state=ended",
        ];
        let report = drive(machine, &words);
        assert_eq!(
            report.values("exists /mnt"),
            ["0"; 2],
            "it was opened there"
        );
        assert_same(&report.state("before"), &report.state("ended"), "end");
    });
}

#[test]
fn a_session_inside_another_one_is_left_for_that() {
    on_machine(|machine| {
        log_in_once(machine, &["alice", "bob"]);
        let words = [
            "start=alice",
            "state=host",
            "open",
            "state=alice",
            "user=bob",
            "open",
            "state=bob",
            "close",
            "state=alice-again",
            "user=root",
            "open",
            "state=root",
            "close",
            "state=alice-at-last",
            "close",
            "state=alice-closed",
            "close",
            "end",
            "state=host-again",
        ];
        let report = drive(machine, &words);
        assert_eq!(report.codes("open"), [code::SUCCESS; 3]);
        assert_ne!(report.namespace("alice"), report.namespace("bob"));
        for (before, after) in [
            ("alice", "alice-again"),
            ("alice", "alice-at-last"),
            ("alice", "alice-closed"),
            ("host", "host-again"),
        ] {
            assert_same(&report.state(before), &report.state(after), after);
        }
        assert_eq!(report.namespace("host"), report.namespace("root"));
    });
}

/// The children of a host are born in the PID namespace of the session that it is back in.
#[test]
fn processes_of_the_session_around_are_back_as_well() {
    on_machine(|machine| {
        machine.policy(format!(
            "{PRIVATE_T}[[isolate]]\nusers = [\"alice\"]\nprocesses = \"own\"\n"
        ));
        log_in_once(machine, &["alice", "bob"]);
        let words = [
            "start=alice",
            "state=host",
            "open",
            "sh=true",
            "sh=readlink /proc/self/ns/pid | sed s/^/alice-/",
            "user=bob",
            "open",
            "close",
            "sh=readlink /proc/self/ns/pid | sed s/^/again-/",
            "close",
            "sh=readlink /proc/self/ns/pid | sed s/^/closed-/",
            "end",
            "state=host-again",
        ];
        let report = drive(machine, &words);
        let of = |label: &str| {
            let lines = report.lines.iter();
            let found = lines.filter_map(|line| line.strip_prefix(label));
            found.collect::<Vec<_>>()
        };
        assert_eq!(of("alice-").len(), 1, "{report:?}");
        assert_eq!(of("alice-"), of("again-"));
        assert_eq!(of("alice-"), of("closed-"));
        let (before, after) = ("host", "host-again");
        let (before, after) = (without_pins(&report, before), without_pins(&report, after));
        assert_same(&before, &after, "end");
    });
}

/// What was alice's alone ended when the process left it for bob's.
#[test]
fn a_session_around_that_is_gone_is_left_out() {
    on_machine(|machine| {
        machine.policy(PER_SESSION);
        log_in_once(machine, &["alice"]);
        let words = [
            "start=alice",
            "state=host",
            "open",
            "user=bob",
            "open",
            "close",
            "state=between",
            "close",
            "end",
            "state=host-again",
        ];
        let report = drive(machine, &words);
        let host = report.state("host");
        assert_same(&host, &report.state("between"), "bob's close");
        assert_same(&host, &report.state("host-again"), "end");
        assert_eq!(names(&format!("{STORE}/session")), [""; 0]);
    });
}

/// A display manager for two users, or for one user twice, who leave in any order.
#[test]
fn sessions_that_end_in_another_order_leave_the_host_where_it_was() {
    on_machine(|machine| {
        log_in_once(machine, &["alice", "bob"]);
        for second in ["start=bob", "start=alice"] {
            for first_is_first in [true, false] {
                let to_the_first = if first_is_first { &["switch"][..] } else { &[] };
                let opening = [
                    "state=before",
                    "start=alice",
                    "open",
                    "state=one",
                    "switch",
                    second,
                    "open",
                    "state=two",
                ];
                let closing = ["close", "state=between", "end", "switch", "close", "end"];
                let words = [&opening, to_the_first, &closing, &["state=closed"]].concat();
                let report = drive(machine, &words);
                let case = format!("{second}, the first one first: {first_is_first}");
                assert_eq!(report.codes("open"), [code::SUCCESS; 2], "{case}");
                let label = if first_is_first { "two" } else { "one" };
                assert_same(&report.state(label), &report.state("between"), &case);
                assert_same(&report.state("before"), &report.state("closed"), &case);
            }
        }
    });
}

#[test]
fn a_host_that_has_moved_in_the_session_stays_in_that_directory() {
    on_machine(|machine| {
        log_in_once(machine, &["alice"]);
        for directory in ["/usr", "/mnt/t"] {
            let chdir = format!("chdir={directory}");
            let words = [
                "start=alice",
                "open",
                &chdir,
                "state=opened",
                "close",
                "state=closed",
                "end",
                "state=ended",
            ];
            let report = drive(machine, &words);
            let identity = |label: &str| report.values(&format!("{label} cwd"))[1].to_owned();
            assert_eq!(identity("opened"), identity("closed"), "{directory}");
            assert_eq!(identity("opened"), identity("ended"), "{directory}");
            assert_eq!(report.codes("close"), [code::SUCCESS]);
        }
    });
}

#[test]
fn the_end_is_seen_by_hooks_in_the_session() {
    on_machine(|machine| {
        let hook =
            "[[hook]]\nwhen = \"close\"\nrun = [\"/bin/cp\", \"/mnt/t/mine\", \"/mnt/seen\"]\n";
        machine.policy(format!("{PER_SESSION}{hook}"));
        let words = ["start=alice", "open", "touch=/mnt/t/mine", "close", "end"];
        drive(machine, &words);
        assert!(exists("/mnt/seen"), "{:?}", machine.log());
        assert_eq!(names(&format!("{STORE}/session")), [""; 0]);
    });
}

/// As systemd's (sd-pam) closes: it can do nothing, and has nothing to complain of.
#[test]
fn who_has_no_rights_any_more_closes_quietly() {
    on_machine(|machine| {
        let closing = ["state=before", "close", "end", "state=after"];
        let as_user = [&["fork", "uids=2001,2001"][..], &closing, &["join"]].concat();
        let without_rights = [&["drop=21"][..], &closing].concat();
        for closing in [as_user, without_rights] {
            let report = drive(machine, &[&["start=alice", "open"][..], &closing].concat());
            assert_eq!(report.codes("close"), [code::SUCCESS]);
            let (before, after) = (report.state("before"), report.state("after"));
            assert_same(&before, &after, closing[0]);
        }
        let log = machine.log();
        assert!(log.iter().all(|line| line.starts_with("<86>")), "{log:?}");
    });
}

/// What was closed before is returned from first, in whichever handle.
#[test]
fn the_next_session_of_a_host_begins_where_the_host_was() {
    on_machine(|machine| {
        log_in_once(machine, &["alice", "bob"]);
        for (case, second) in [
            ("the same handle", &["user=root", "open"][..]),
            ("another handle", &["switch", "start=root", "open"]),
        ] {
            let (first, last) = (["start=alice", "open", "close"], ["close", "end"]);
            let rest = if case == "another handle" {
                &["switch", "end"][..]
            } else {
                &[]
            };
            let before = ["chdir=/usr", "state=before"];
            let words = [
                &before[..],
                &first,
                second,
                &["state=opened"],
                &last,
                rest,
                &["state=ended"],
            ];
            let report = drive(machine, &words.concat());
            assert_eq!(report.codes("open"), [code::SUCCESS; 2], "{case}");
            for label in ["opened", "ended"] {
                assert_same(&report.state("before"), &report.state(label), case);
            }
        }
    });
}

/// Whoever ends the handle besides the process that has closed the session frees memory.
#[test]
fn a_copy_of_the_process_that_ends_the_handle_stays_where_it_is() {
    on_machine(|machine| {
        log_in_once(machine, &["alice"]);
        for child in [&["fork"][..], &["fork", "uids=2001,2001"]] {
            let opening = ["state=before", "start=alice", "open", "close"];
            let ending = ["state=closed", "end", "state=copy-ended", "join"];
            let rest = ["state=between", "end", "state=ended"];
            let report = drive(machine, &[&opening[..], child, &ending, &rest].concat());
            let [closed, copy] = ["closed", "copy-ended"].map(|label| report.state(label));
            assert_same(&closed, &copy, child[child.len() - 1]);
            assert_eq!(report.namespace("closed"), report.namespace("between"));
            assert_ne!(report.namespace("closed"), report.namespace("before"));
            let [before, ended] = ["before", "ended"].map(|label| without_pins(&report, label));
            assert_same(&before, &ended, "end");
        }
    });
}

/// As pam_mount does, which stands behind this module to mount in the session alone.
#[test]
fn a_module_behind_unmounts_in_the_session_what_it_has_mounted_there() {
    on_machine(|machine| {
        let mounting = format!(
            "session required {} config={POLICY}\nsession required {} /mnt/t\n",
            module().display(),
            shared_object("mounter").display()
        );
        log_in_once(machine, &["alice"]);
        for policy in [PRIVATE_T, PER_SESSION] {
            machine.policy(policy);
            machine.whole_stack(&mounting);
            let words = [
                "chdir=/usr",
                "state=before",
                "start=alice",
                "open",
                "state=opened",
                "close",
                "state=closed",
                "end",
                "state=ended",
            ];
            let report = drive(machine, &words);
            assert_eq!(report.codes("open"), [code::SUCCESS], "{policy}");
            assert_eq!(report.codes("close"), [code::SUCCESS], "{policy}");
            assert_ne!(report.namespace("opened"), report.namespace("before"));
            assert_eq!(report.namespace("opened"), report.namespace("closed"));
            let mounted = |label: &str| {
                let mounts = report.values(&format!("{label} mount"));
                mounts.iter().any(|line| line.contains(" - tmpfs mounter "))
            };
            assert!(mounted("opened"), "{policy}");
            assert!(!mounted("closed") && !mounted("ended"), "{policy}");
            let [before, ended] = ["before", "ended"].map(|label| without_pins(&report, label));
            assert_same(&before, &ended, policy);
        }
    });
}
