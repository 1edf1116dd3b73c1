//! The init of a PID namespace.

use crate::Test;
use crate::own::{USER, enter, isolated, names, state, wanted};
use pam_jns::apply::Entered;
use pam_jns::kernel::init::{self, Init, Membership};
use pam_jns::kernel::process::Process;
use pam_jns::plan::{Isolation, Plan, Processes};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    (
        "init::it_is_alone_and_has_nothing_of_the_host",
        it_is_alone_and_has_nothing_of_the_host,
    ),
    (
        "init::it_has_no_limits_of_its_founders",
        it_has_no_limits_of_its_founders,
    ),
    (
        "init::children_live_and_die_with_it",
        children_live_and_die_with_it,
    ),
    (
        "init::numbers_inside_are_not_taken_for_those_of_proc",
        numbers_inside_are_not_taken_for_those_of_proc,
    ),
    (
        "init::undone_it_leaves_no_process_and_no_trace",
        undone_it_leaves_no_process_and_no_trace,
    ),
    (
        "init::a_session_sees_its_own_processes_alone",
        a_session_sees_its_own_processes_alone,
    ),
    ("init::others_join_it", others_join_it),
    (
        "init::who_does_not_stay_is_not_counted",
        who_does_not_stay_is_not_counted,
    ),
    (
        "init::the_end_of_its_host_is_its_end",
        the_end_of_its_host_is_its_end,
    ),
    (
        "init::a_host_with_threads_is_refused",
        a_host_with_threads_is_refused,
    ),
    (
        "init::one_within_another_ends_with_it",
        one_within_another_ends_with_it,
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
    let entries = names("/proc");
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
    eventually("it has no other descriptors", || {
        let open = names(&format!("/proc/{pid}/fd"));
        let open = open.iter().map(|number| link(pid, &format!("fd/{number}")));
        let mut kinds: Vec<String> = open
            .map(|file| file.split('[').next().unwrap_or_default().to_owned())
            .collect();
        kinds.sort();
        kinds == ["anon_inode:", "pid:", "socket:"]
    });
}

/// The limits are those of the shell in which su(1) was called: another user's, perhaps.
fn it_has_no_limits_of_its_founders() {
    for (resource, limit) in [(Resource::Cpu, 100_000), (Resource::As, 64 << 30)] {
        let limit = Rlimit {
            current: Some(limit),
            maximum: None,
        };
        setrlimit(resource, limit).unwrap();
    }
    fs::write("/proc/self/oom_score_adj", "500").unwrap();
    let (init, _membership) = founded();
    let pid = init.process.pid;
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    for name in ["Max cpu time", "Max address space"] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(line.matches("unlimited").count(), 2, "{line}");
    }
    let score = fs::read_to_string(format!("/proc/{pid}/oom_score_adj"));
    assert_eq!(score.unwrap(), "0\n");
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
    init::set_own_pid_for_children().unwrap();
    assert!(Command::new("true").status().unwrap().success());
}

/// With the host's /proc, as who became root by sudo(8) inside has it.
fn numbers_inside_are_not_taken_for_those_of_proc() {
    if Process::own().unwrap().pid != std::process::id() {
        let first = Process::of(1).unwrap();
        assert!(first.open_pidfd().is_none(), "it is not the first one here");
        return;
    }
    let (_init, _membership) = founded();
    let name = "init::numbers_inside_are_not_taken_for_those_of_proc";
    let inside = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .status();
    assert!(inside.unwrap().success());
}

fn undone_it_leaves_no_process_and_no_trace() {
    let before = state();
    let (init, membership) = founded();
    drop(membership);
    let pid = init.process.pid;
    // It has ended; whoever is its parent now takes it away.
    assert!(!is_there(pid) || status(pid, "State").starts_with('Z'));
    drop(init);
    assert_eq!(state(), before);
    let mut child = sleeper();
    assert_eq!(status(child.id(), "NSpid"), child.id().to_string());
    child.kill().unwrap();
    child.wait().unwrap();
}

fn processes_of_its_own() -> Plan {
    isolated(Isolation {
        processes: wanted(Processes::Own),
        ..Isolation::default()
    })
}

fn a_session_sees_its_own_processes_alone() {
    let before = state();
    let entered = enter(&processes_of_its_own(), USER).unwrap();
    let shown = Command::new("ps").args(["-A", "-o", "pid=,comm="]).output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    let words = |line: &'_ str| line.split_whitespace().map(str::to_owned).collect();
    let shown: Vec<Vec<String>> = shown.lines().map(words).collect();
    assert_eq!(shown, [["1", "jns-init"], ["2", "ps"]]);
    let Entered {
        applied,
        session_guard,
    } = entered;
    let (init, _) = applied.init.unwrap();
    drop(session_guard);
    assert_eq!(state(), before);
    assert!(
        is_there(std::process::id()),
        "the host's /proc is as it was"
    );
    eventually("the init is gone", || !is_there(init.pid));
}

/// Where the init of a test hears.
const ADDRESS: &str = "/run/address";

/// An init that others can join.
fn open_one() -> (Init, Membership) {
    let (init, mut membership) = founded();
    membership.listen_at(ADDRESS).unwrap();
    (init, membership)
}

fn others_join_it() {
    let (init, first) = open_one();
    let second = init::join(ADDRESS).unwrap().expect("it is there");
    second.enter().unwrap();
    let mut child = sleeper();
    assert_eq!(status(child.id(), "NSpid"), format!("{}\t2", child.id()));
    first.stay("a");
    second.stay("b");
    init::leave(ADDRESS, "c").unwrap();
    init::leave(ADDRESS, "a").unwrap();
    let third = init::join(ADDRESS).unwrap().expect("b needs it still");
    assert!(child.try_wait().unwrap().is_none());
    drop(third);
    init::leave(ADDRESS, "b").unwrap();
    child.wait().unwrap();
    eventually("nobody needs it", || !is_there(init.process.pid));
    assert!(init::join(ADDRESS).unwrap().is_none());
    init::leave(ADDRESS, "b").unwrap();
    fs::remove_file(ADDRESS).unwrap();
    assert!(init::join(ADDRESS).unwrap().is_none());
}

fn who_does_not_stay_is_not_counted() {
    let before = state();
    let (init, first) = open_one();
    let second = init::join(ADDRESS).unwrap().expect("it is there");
    second.enter().unwrap();
    drop(first);
    assert!(is_there(init.process.pid), "the second one may stay yet");
    drop(second);
    eventually("nobody needs it", || !is_there(init.process.pid));
    let pid = init.process.pid;
    drop(init);
    assert!(!is_there(pid));
    assert_eq!(state(), before);
}

fn the_end_of_its_host_is_its_end() {
    const HOST: &str = "JNS_TEST_HOST";
    if std::env::var_os(HOST).is_some() {
        let (init, membership) = open_one();
        membership.stay("a");
        println!("{}", init.process.pid);
        #[allow(clippy::zombie_processes, reason = "the init sees to it")]
        let _left = sleeper();
        return end(std::process::id());
    }
    let host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "init::the_end_of_its_host_is_its_end"])
        .env(HOST, "")
        .output()
        .unwrap();
    let pid: u32 = String::from_utf8(host.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    eventually("it has ended", || !is_there(pid));
}

fn a_host_with_threads_is_refused() {
    let (hold, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv());
    for refused in [init::start().map(drop), init::join(ADDRESS).map(drop)] {
        let error = refused.unwrap_err().to_string();
        assert!(
            error.ends_with("this process has several threads"),
            "{error}"
        );
    }
    drop(hold);
    thread.join().unwrap().unwrap_err();
}

fn one_within_another_ends_with_it() {
    const INNER: &str = "JNS_TEST_INNER";
    if std::env::var_os(INNER).is_some() {
        let (init, membership) = founded();
        membership.stay("inner");
        println!("{}", init.process.pid);
        sleeper().wait().unwrap();
        return;
    }
    let (init, membership) = founded();
    let mut inner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "init::one_within_another_ends_with_it"])
        .env(INNER, "")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(inner.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pid: u32 = line.trim().parse().unwrap();
    // The number is that of the /proc from which it was begun, whose processes are all the host's.
    assert_eq!(status(pid, "NSpid").split_whitespace().count(), 3);
    membership.stay("outer");
    init.known.kill().unwrap();
    inner.wait().unwrap();
    eventually("both are gone", || {
        !is_there(pid) && !is_there(init.process.pid)
    });
}
