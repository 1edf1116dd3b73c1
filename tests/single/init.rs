//! The init of a PID namespace.

use crate::Test;
use pam_jns::kernel::init::{self, Init, Membership};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    (
        "init::it_is_alone_and_has_nothing_of_the_host",
        it_is_alone_and_has_nothing_of_the_host,
    ),
    (
        "init::children_live_and_die_with_it",
        children_live_and_die_with_it,
    ),
    (
        "init::undone_it_leaves_no_process_and_no_trace",
        undone_it_leaves_no_process_and_no_trace,
    ),
];

/// Waits until something is so; it always is where nothing is wrong.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "it never came to be that {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_default()
        .trim_start_matches(':')
        .trim()
        .to_owned()
}

fn link(pid: u32, name: &str) -> String {
    let path = fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A process of the host's that does nothing.
fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().unwrap()
}

/// The processes whose parent is `parent`.
fn children_of(parent: u32) -> Vec<u32> {
    let entries = crate::own::names("/proc");
    let numbers = entries.iter().filter_map(|name| name.parse().ok());
    let is_child = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        text.contains(&format!("\nPPid:\t{parent}\n"))
    };
    numbers.filter(is_child).collect()
}

fn end(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

fn founded() -> (Init, Membership) {
    let (init, membership) = init::start().unwrap();
    membership.enter().unwrap();
    (init, membership)
}

fn it_is_alone_and_has_nothing_of_the_host() {
    let (init, _membership) = founded();
    let pid = init.process.pid;
    let own = std::process::id();
    assert_eq!(
        fs::read_to_string(format!("/proc/{pid}/comm")).unwrap(),
        "jns-init\n"
    );
    assert_eq!(status(pid, "NSpid"), format!("{pid}\t1"));
    assert_ne!(status(pid, "PPid"), own.to_string());
    for (key, value) in [
        ("CapEff", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("SigCgt", "0000000000000000"),
        ("SigBlk", "0000000000000000"),
    ] {
        assert_eq!(status(pid, key), value, "{key}");
    }
    for name in ["mnt", "uts", "ipc", "net", "user"] {
        let name = format!("ns/{name}");
        assert_eq!(link(pid, &name), link(own, &name));
    }
    assert_eq!(link(pid, "cwd"), "/");
    let open = crate::own::names(&format!("/proc/{pid}/fd"));
    let open: Vec<String> = open
        .iter()
        .map(|fd| link(pid, &format!("fd/{fd}")))
        .collect();
    let known = |file: &&String| {
        ["socket:", "pid:", "anon_inode:[pidfd]"]
            .iter()
            .any(|kind| file.starts_with(kind))
    };
    assert!(
        open.len() == 3 && open.iter().filter(known).count() == 3,
        "{open:?}"
    );
}

fn children_live_and_die_with_it() {
    let (init, membership) = founded();
    let mut child = sleeper();
    assert_eq!(status(child.id(), "NSpid"), format!("{}\t2", child.id()));
    let parent = Command::new("sh").args(["-c", "sleep 1000 &"]).status();
    assert!(parent.unwrap().success());
    let orphans = children_of(init.process.pid);
    assert_eq!(orphans.len(), 1);
    end(orphans[0]);
    eventually("an orphan that has ended is gone", || !is_there(orphans[0]));
    membership.stay("0123456789abcdef");
    init.known.kill().unwrap();
    child.wait().unwrap();
    eventually("the init is gone", || !is_there(init.process.pid));
    let refused = Command::new("true").spawn().unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::ENOMEM));
    init::bear_at_home().unwrap();
    assert!(Command::new("true").status().unwrap().success());
}

fn undone_it_leaves_no_process_and_no_trace() {
    let before = crate::own::state();
    let (init, membership) = founded();
    drop(membership);
    let pid = init.process.pid;
    // It has ended; whoever is its parent now takes it away.
    assert!(!is_there(pid) || status(pid, "State").starts_with('Z'));
    drop(init);
    assert_eq!(crate::own::state(), before);
    let mut child = sleeper();
    assert_eq!(status(child.id(), "NSpid"), child.id().to_string());
    child.kill().unwrap();
    child.wait().unwrap();
}
