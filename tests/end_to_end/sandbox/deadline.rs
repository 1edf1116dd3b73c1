//! How long a sandbox waits for a process: a hang fails its test, and shows who waited for what.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long one command may take in a sandbox, in seconds: only a hang takes that long.
pub const OF_COMMANDS: u32 = 100;

/// How long after that a process may take to end, in seconds.
const OF_ENDINGS: u32 = 20;

const SECOND: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// When to give up waiting for what a command does.
pub fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(OF_COMMANDS.into())
}

/// Waits for the end of a process that started a command in a sandbox, or of the sandbox itself; nothing when it
/// does not come. Before the command's time is up all processes are listed.
///
/// nsenter(1) stops itself when what it started is stopped, as systemd does to everything for a moment in a
/// soft reboot, and would wait for ever for somebody to continue it.
pub fn wait_for(child: &mut Child) -> Option<ExitStatus> {
    let pid = Pid::from_child(child);
    let ended =
        pidfd_open(pid, PidfdFlags::empty()).expect("a child is there until it is waited for");
    let begun = Instant::now();
    let has_lasted = |seconds: u32| begun.elapsed() > Duration::from_secs(seconds.into());
    let mut is_reported = false;
    while !has_lasted(OF_COMMANDS + OF_ENDINGS) {
        is_readable(&ended);
        if let Some(status) = child.try_wait().expect("it is a child") {
            return Some(status);
        }
        let _ = kill_process(pid, Signal::CONT);
        if !is_reported && has_lasted(OF_COMMANDS - OF_ENDINGS) {
            eprintln!("process {pid:?} does not end");
            print_processes();
            is_reported = true;
        }
    }
    None
}

/// Whether a pipe can be read, or has ended, before the time is up.
pub fn is_answered(pipe: impl AsFd) -> bool {
    (0..OF_COMMANDS).any(|_| is_readable(&pipe))
}

/// Whether that is so within a second.
fn is_readable(file: impl AsFd) -> bool {
    let mut files = [PollFd::new(&file, PollFlags::IN)];
    poll(&mut files, Some(&SECOND)).is_ok_and(|ready| ready > 0)
}

/// Lists what runs on this machine, and what it waits for in the kernel, on standard error.
pub fn print_processes() {
    let columns = "pid,ppid,pgid,tpgid,stat,etimes,wchan:24,args";
    let listed = Command::new("ps")
        .args(["-ww", "--forest", "-eo", columns])
        .output();
    let listed = listed.map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned());
    eprintln!("{}", listed.unwrap_or_else(|e| format!("ps: {e}")));
}

#[test]
fn a_command_goes_on_after_what_started_it_was_stopped() {
    let sandbox = super::sandbox!();
    assert_eq!(sandbox.sh("kill -STOP $PPID; echo on"), "on");
}
