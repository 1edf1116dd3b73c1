//! The same for logins that share a namespace: whatever became of one of them, others meet afterwards.

use super::judgement::Whole;
use super::{Call, Injection, SESSION, Scene, campaign, campaign_of, errors, kill, trace::Trace};
use crate::kernel::{exists, mounts_at, names};
use crate::machine::{Machine, drive};
use crate::report::Report;
use rustix::fs::FlockOperation;
use rustix::process::{Signal, kill_process};
use std::time::Duration;

/// Every kind of step that sessions can share.
const POLICY: &str = r#"
[settings]
namespace = "user"
store = "/mnt/var/lib/jns"
[[private]]
path = "/mnt/t"
keep = [".keep", ".missing"]
[[private]]
path = "/mnt/s"
[[private]]
path = "/mnt/m"
medium = "memory"
size = "1M"
[[bind]]
source = "/mnt/source"
path = "/mnt/b"
[[bind]]
source = "/mnt/source"
path = "/mnt/created"
create = true
[[hide]]
path = "/mnt/home"
keep = ["{user}"]
[[hide]]
path = "/mnt/secret"
[[env]]
set = { TMPDIR = "/mnt/t", OTHER = "{uid}" }
[[isolate]]
processes = "hidden"
ipc = "own"
hostname = "{user}-box"
network = "none"
"#;

/// Where the module keeps what it knows.
pub const RUNTIME: &str = "/run/jns";

#[test]
fn every_call_of_a_creation_fails_once() {
    campaign(Scene::Creation, errors);
}

#[test]
fn every_call_of_a_creation_is_its_last() {
    campaign(Scene::Creation, kill);
}

#[test]
fn every_call_of_a_join_fails_once() {
    campaign(Scene::Join, errors);
}

#[test]
fn every_call_of_a_join_is_its_last() {
    campaign(Scene::Join, kill);
}

#[test]
fn every_call_of_a_slow_join_fails_once() {
    campaign(Scene::SlowJoin, errors);
}

#[test]
fn every_call_of_a_shared_logout_fails_once() {
    campaign(Scene::SharedLogout, errors);
}

#[test]
fn every_call_of_a_shared_logout_is_its_last() {
    campaign(Scene::SharedLogout, kill);
}

/// Who started a su may stop it. Others wait for its lock, but not for ever, so most of this is waiting.
#[test]
fn a_join_that_is_stopped_at_any_call_keeps_nobody_out() {
    campaign_of(16, Scene::Join, |_| vec![Injection::Stop]);
}

/// There are many calls: some of them are enough.
#[test]
fn a_creation_that_is_stopped_keeps_nobody_out() {
    campaign_of(16, Scene::Creation, |call| {
        let is_chosen = call.number % 6 == 1;
        is_chosen.then_some(Injection::Stop).into_iter().collect()
    });
}

/// Writes the policy, and waits until it is old enough for what it says to be remembered.
pub fn set_up(machine: &Machine) {
    machine.policy(POLICY);
    std::thread::sleep(Duration::from_secs(4));
}

/// Takes away everything that the module knows.
pub fn forget_runtime() {
    let mut mounts = mounts_at(RUNTIME);
    mounts.sort(); // they are in the order of numbers that are used again
    for mount in mounts.iter().rev() {
        unmount(mount);
    }
    if exists(RUNTIME) {
        std::fs::remove_dir_all(RUNTIME).unwrap();
    }
}

/// Unmounts, with the time that the kernel needs over what a process had open that has just ended.
fn unmount(mount: &str) {
    for _ in 0..100 {
        match nix::mount::umount(mount) {
            Err(nix::errno::Errno::EBUSY) => std::thread::sleep(Duration::from_millis(50)),
            done => return done.unwrap(),
        }
    }
    panic!("{mount} is in use");
}

/// A session that is stopped at a call, and another one meanwhile; what is wrong with them.
pub fn suffer_stop(call: &Call, whole: &Whole) -> Vec<String> {
    let (traced, option) = (
        format!("trace={},faccessat", call.name),
        format!("inject={}:signal=STOP:when={}", call.name, call.number),
    );
    let (stopped, other) = std::thread::scope(|scope| {
        let stopped = scope.spawn(|| Trace::of(&[&traced, &option], SESSION).0);
        let other = Trace::wait_for_stop().map(|process| {
            let other = drive(SESSION);
            kill_process(process, Signal::CONT).unwrap();
            other
        });
        (stopped.join().unwrap(), other)
    });
    let Some(other) = other else {
        return vec!["  it was not stopped".to_owned()];
    };
    let mut problems = whole.compare_other(&other);
    problems.extend(whole.compare_other(&stopped));
    problems
}

/// What is wrong once everything is over: logins share one namespace again, and nothing is held or lost.
pub fn problems_afterwards(whole: &Whole, words: &[&str]) -> Vec<String> {
    let mut problems = held_locks();
    let (one, other) = (drive(words), drive(words));
    for report in [&one, &other] {
        problems.extend(whole.compare_other(report));
    }
    if problems.is_empty() && namespace(&one) != namespace(&other) {
        problems.push("  the next logins do not meet".to_owned());
    }
    // A file of a pin that has no name yet, whose writer was killed, is the collector's.
    let mut pins = known("ns");
    pins.retain(|name| !name.starts_with(".jns-"));
    let all = pins.len();
    pins.retain(|name| !name.contains('.'));
    let others = all - pins.len();
    let bound = mounts_at(&format!("{RUNTIME}/ns")).len();
    // The pin, the vault's file and the pins of three namespaces that go with it; the vault is the one mount.
    if (pins.len(), others, bound) != (1, 4, 1) {
        let all = known("ns");
        problems.push(format!("  pins: {all:?}, mounts: {bound}"));
    }
    let sessions = known("session");
    if sessions.len() > 1 {
        problems.push(format!("  sessions that are over: {sessions:?}"));
    }
    problems
}

fn namespace(report: &Report) -> &str {
    report.namespace("after")
}

/// The names in a directory of the module's, if it was made.
fn known(directory: &str) -> Vec<String> {
    let path = format!("{RUNTIME}/{directory}");
    if exists(&path) {
        names(&path)
    } else {
        Vec::new()
    }
}

/// The user's and the common locks that somebody holds.
pub fn held_locks() -> Vec<String> {
    let held = known("lock").into_iter().filter(|name| {
        let file = std::fs::File::open(format!("{RUNTIME}/lock/{name}")).unwrap();
        let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        // Not by closing it: a process that another thread is starting has a copy.
        let freed = rustix::fs::flock(&file, FlockOperation::Unlock);
        locked.and(freed).is_err()
    });
    held.map(|name| format!("  the lock {name} is held"))
        .collect()
}
