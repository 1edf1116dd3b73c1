//! Faults in the processes that begin the init of a PID namespace, and in the host that waits for them.

use super::trace::FILE;
use crate::kernel::namespace;
use crate::machine::{PRIVATE_T, drive_with, on_machine, program};
use crate::report::code;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A session that looks at nothing by /proc once it is open: the driver is not in there.
const SESSION: &[&str] = &["start=alice", "open", "close", "end"];

/// Calls that the host, the helper or the init make, in whichever of them comes first.
const CALLS: &[&str] = &[
    "socketpair",
    "pidfd_open",
    "setns",
    "clone3",
    "setresuid",
    "close_range",
    "setsid",
    "prctl",
    "prlimit64",
    "fsopen",
    "fsmount",
    "capset",
    "sendmsg",
    "poll",
    "recvmsg",
    "waitid",
    "exit",
];

#[test]
fn no_init_is_left_by_a_fault() {
    on_machine(|machine| {
        machine.policy(format!("{PRIVATE_T}\n[[isolate]]\nprocesses = \"own\"\n"));
        let (mut bad, mut refused) = (Vec::new(), 0);
        for call in CALLS {
            for number in 1..=3 {
                for injection in ["error=EPERM", "error=ENOMEM", "signal=KILL"] {
                    let (codes, problem) = suffer(call, number, injection);
                    refused += usize::from(codes == [code::PERM_DENIED]);
                    bad.extend(
                        problem.map(|problem| format!("{injection} at {call} {number}: {problem}")),
                    );
                }
            }
        }
        assert!(bad.is_empty(), "{}", bad.join("\n"));
        assert!(refused > CALLS.len(), "{refused} logins met their fault");
        let report = machine.drive(SESSION);
        assert_eq!(report.codes("open"), [code::SUCCESS]);
        assert_eq!(inits(), 0, "of the last one");
    });
}

/// A call that takes longer than the session may, in whichever process: a machine for each, since most of this is waiting.
#[test]
fn no_init_is_left_by_a_slow_call() {
    let refused = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for call in CALLS {
            let refused = Arc::clone(&refused);
            scope.spawn(move || {
                on_machine(move |machine| {
                    let policy = format!("{PRIVATE_T}\n[[isolate]]\nprocesses = \"own\"\n");
                    machine.settings = "deadline = \"1s\"\n";
                    machine.policy(&policy);
                    for number in 1..=3 {
                        let (codes, problem) = suffer(call, number, "delay_enter=1100ms");
                        assert_eq!(problem, None, "{call} {number}");
                        let is_refused = codes == [code::PERM_DENIED];
                        refused.fetch_add(usize::from(is_refused), Ordering::Relaxed);
                    }
                    machine.settings = "";
                    machine.policy(&policy);
                    let report = machine.drive(SESSION);
                    assert_eq!(report.codes("open"), [code::SUCCESS], "after {call}");
                    assert_eq!(inits(), 0, "of the last one");
                });
            });
        }
    });
    let refused = refused.load(Ordering::Relaxed);
    assert!(refused > CALLS.len(), "{refused} logins met their deadline");
}

/// What is wrong after a session with that injection at the call of that number of each of its processes.
fn suffer(call: &str, number: usize, injection: &str) -> (Vec<i32>, Option<String>) {
    let mut strace = Command::new("strace");
    let option = format!("inject={call}:{injection}:when={number}");
    strace.args([
        "-f",
        "-o",
        FILE,
        "-e",
        &format!("trace={call}"),
        "-e",
        &option,
    ]);
    strace.arg(program("driver"));
    let report = drive_with(strace, SESSION);
    fs::remove_file(FILE).unwrap();
    let known = [code::SUCCESS, code::PERM_DENIED];
    let codes = report.codes("open");
    let opened = codes.iter().all(|code| known.contains(code));
    if !opened || (codes.is_empty() && injection != "signal=KILL") {
        let problem = format!("open gave {codes:?}");
        return (codes, Some(problem));
    }
    let left = (inits() > 0).then(|| "an init is left".to_owned());
    (codes, left)
}

/// How many inits there are in the mount namespace of the machine, when those that end have ended.
fn inits() -> usize {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let own = namespace();
        let is_here = |pid: &String| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let there = fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap_or_default();
            comm == "jns-init\n" && there.to_str() == Some(&own)
        };
        let left = crate::kernel::names("/proc")
            .iter()
            .filter(|pid| is_here(pid))
            .count();
        if left == 0 || Instant::now() > end {
            return left;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
