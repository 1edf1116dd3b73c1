//! Whatever `/dev/log` is, a login is neither delayed nor refused because of it.

use crate::machine::{Machine, PRIVATE_T, WATCHED, on_machine};
use crate::report::{assert_same, code};
use std::os::unix::net::{UnixDatagram, UnixListener};

/// Opens a session and a refused one, in time: the driver is killed if the module waits for the log.
#[track_caller]
fn works(machine: &Machine, case: &str) {
    for (policy, expected) in [(PRIVATE_T, code::SUCCESS), ("nonsense", code::PERM_DENIED)] {
        machine.policy(policy);
        machine.stack("debug");
        let mut command = std::process::Command::new("timeout");
        command.arg("20").arg(crate::machine::program("driver"));
        let report = machine.drive_with(command, WATCHED);
        assert!(
            report.output.status.success(),
            "{case}: {:?}",
            report.output
        );
        assert_eq!(report.codes("open"), [expected], "{case}");
        let (before, after) = (
            report.state_without_view("before"),
            report.state_without_view("after"),
        );
        assert_same(&before, &after, case);
        assert!(
            report.output.stdout.is_empty() && report.output.stderr.is_empty(),
            "{case}"
        );
    }
}

#[test]
fn without_a_log() {
    on_machine(|machine| {
        machine.stop_listening();
        works(machine, "no /dev/log");
    });
}

#[test]
fn with_a_log_that_is_something_else() {
    on_machine(|machine| {
        machine.stop_listening();
        std::fs::write("/dev/log", "").unwrap();
        works(machine, "a file");
        assert_eq!(
            std::fs::read("/dev/log").unwrap(),
            b"",
            "nothing is written to a file"
        );
        std::fs::remove_file("/dev/log").unwrap();
        let stream = UnixListener::bind("/dev/log").unwrap();
        works(machine, "a stream socket");
        drop(stream);
        works(machine, "a socket that nobody has open");
        std::fs::remove_file("/dev/log").unwrap();
        std::fs::create_dir("/dev/log").unwrap();
        works(machine, "a directory");
        std::fs::remove_dir("/dev/log").unwrap();
        std::os::unix::fs::symlink("log", "/dev/log").unwrap();
        works(machine, "a link to itself");
    });
}

/// A queue that is full stays full: nobody reads it. Each message may wait a little, and is then lost.
#[test]
fn with_a_log_that_nobody_reads() {
    on_machine(|machine| {
        machine.stop_listening();
        let _receiver = UnixDatagram::bind("/dev/log").unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while sender.send_to(b"<83>filler", "/dev/log").is_ok() {
            sent += 1;
        }
        assert!(sent > 0, "the queue takes something before it is full");
        works(machine, "a full queue");
    });
}
