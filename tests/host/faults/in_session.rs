//! Faults in commands that somebody runs as somebody else in a session, by sudo for example. What a command attaches
//! must never appear on the host, and for root the open succeeds whatever happens: it has the whole view of the
//! command, or is where it was called.

use super::judgement::Whole;
use super::{Call, Injection, Scene, campaign, errors, first_error, inject, kill, marked_stack};
use crate::kernel::{directory, exists, file, memory, mounts, mounts_at, names, propagate};
use crate::machine::{CONFDIR, Machine, below_shell, drive_with};
use crate::report::{Report, code, difference};
use nix::mount::MsFlags;
use std::time::Duration;

/// Directories on several mounts of the host's, one of them inside another, and namespaces of every kind to leave.
const POLICY: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
[[private]]
path = "/mnt/t"
keep = [".keep", ".missing"]
[[private]]
path = "/mnt/t/inner"
create = true
[[private]]
path = "/mnt/m"
medium = "memory"
size = "1M"
[[private]]
path = "/mnt/other/own"
[[bind]]
source = "/mnt/source"
path = "/mnt/b"
[[hide]]
path = "/mnt/home"
keep = ["{user}"]
[[env]]
set = { TMPDIR = "/mnt/t", OTHER = "{uid}" }
[[isolate]]
processes = "hidden"
ipc = "own"
hostname = "{user}-box"
network = "none"
"#;

/// The service of commands.
const SERVICE: &str = "sudo";

macro_rules! command_as {
    ($user:literal) => {
        &[
            "start=alice",
            "open",
            "mkdir=/mnt/t/work",
            "touch=/mnt/t/work/mine",
            "chdir=/mnt/t/work",
            "switch",
            "stack=sudo",
            concat!("start=", $user),
            "putenv=TMPDIR=/old",
            "environment=variables-before",
            "state=before",
            "open",
            "state=after",
            "environment=variables-after",
            "exists=/mnt/t/work/mine",
            "exists=mine",
            "close",
            "state=closed",
            "end",
            "switch",
            "close",
            "end",
        ]
    };
}

/// A command for root in alice's session.
pub const FOR_ROOT: &[&str] = command_as!("root");

/// A command for bob in alice's session.
pub const FOR_BOB: &[&str] = command_as!("bob");

#[test]
fn every_call_of_a_command_for_root_fails_once() {
    campaign(Scene::CommandForRoot, errors);
}

#[test]
fn every_call_of_a_command_for_root_is_its_last() {
    campaign(Scene::CommandForRoot, kill);
}

/// There are many, of kinds that other campaigns let fail in every way.
#[test]
fn every_call_of_a_first_command_for_a_user_fails_once() {
    campaign(Scene::CommandForUser, first_error);
}

#[test]
fn every_call_of_a_first_command_for_a_user_is_its_last() {
    campaign(Scene::CommandForUser, kill);
}

#[test]
fn every_call_of_a_later_command_for_a_user_fails_once() {
    campaign(Scene::LaterCommandForUser, first_error);
}

#[test]
fn every_call_of_a_later_command_for_a_user_is_its_last() {
    campaign(Scene::LaterCommandForUser, kill);
}

/// Makes the host's mounts peers, as systemd does, and waits until the policy is old enough for what it says to be
/// remembered.
pub fn set_up(machine: &Machine) {
    directory("/mnt/other", 0o755, 0);
    memory("/mnt/other");
    directory("/mnt/other/own", 0o1777, 0);
    propagate("/", MsFlags::MS_REC | MsFlags::MS_SHARED);
    machine.policy(POLICY);
    machine.stack("");
    file(&format!("{CONFDIR}/{SERVICE}"), &marked_stack());
    std::thread::sleep(Duration::from_secs(4));
}

/// Runs the driver below another process of the machine, as a traced one is.
pub fn drive(words: &[&str]) -> Report {
    drive_with(below_shell(), words)
}

/// Makes bob's namespace.
pub fn let_bob_log_in(machine: &Machine) {
    let report = machine.drive(&["start=bob", "open", "close", "end"]);
    assert_eq!(report.codes("open"), [code::SUCCESS]);
}

/// One command with that injection; what is wrong with it, with the host afterwards, and with the next one.
pub(super) fn suffer(
    machine: &Machine,
    scene: Scene,
    call: &Call,
    injection: Injection,
    whole: &Whole,
) -> Vec<String> {
    let (host, lines) = (hosts_mounts(), machine.log().len());
    let report = match inject(scene, call, injection) {
        Ok(report) => report,
        Err(problem) => return vec![problem],
    };
    let mut problems = problems_of_host(&host);
    match injection {
        Injection::Kill | Injection::Stop => {}
        Injection::Error(_) | Injection::Slow => {
            let log = machine.log().split_off(lines);
            problems.extend(judge(scene, &report, &log, whole));
        }
    }
    let next = drive(&next_words(scene));
    problems.extend(whole.compare_other_command(&next));
    problems.extend(problems_of_host(&host));
    problems
}

fn judge(scene: Scene, report: &Report, log: &[String], whole: &Whole) -> Vec<String> {
    let is_as_before = report.state("before") == report.state("after");
    match (scene, &report.codes("open")[..]) {
        (Scene::CommandForRoot, [code::SUCCESS, code::SUCCESS]) if is_as_before => {
            whole.compare_as_before(report, log)
        }
        (_, [code::SUCCESS, code::SUCCESS]) => {
            let mut problems = whole.compare_command(report, log);
            if report.values("exists /mnt/t/work/mine") != ["1"]
                || report.values("exists mine") != ["1"]
            {
                problems.push("  the caller's file is not there".to_owned());
            }
            problems
        }
        (Scene::CommandForRoot, other) => vec![format!("  root's open gave {other:?}")],
        (_, [code::SUCCESS, code::PERM_DENIED | code::USER_UNKNOWN]) => {
            whole.compare_as_before(report, log)
        }
        (_, other) => vec![format!("  open gave {other:?}, {:?}", report.output)],
    }
}

/// The words of the same command once more, which finds the caller's directories as the one before it left them.
fn next_words(scene: Scene) -> Vec<&'static str> {
    let is_made = |word: &&&str| word.starts_with("mkdir=");
    let words = scene.words().iter();
    words.filter(|word| !is_made(word)).copied().collect()
}

/// The host's mounts with their numbers and peer groups, but for the directory of pins and what is in it.
fn hosts_mounts() -> Vec<String> {
    let table = mounts();
    let lines = table.lines().filter(|line| !line.contains(" /run/jns/ns"));
    lines.map(str::to_owned).collect()
}

fn problems_of_host(before: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let difference = difference(before, &hosts_mounts());
    if !difference.is_empty() {
        problems.push(format!("  the host's mounts:\n{difference}"));
    }
    let pins = match exists("/run/jns/ns") {
        true => names("/run/jns/ns")
            .iter()
            .filter(|name| !name.starts_with('.'))
            .count(),
        false => 0,
    };
    let held = mounts_at("/run/jns/ns").len();
    if pins > 0 && held == 0 {
        problems.push("  the host has lost its pins".to_owned());
    }
    // Its file may be covered still, where a login was killed.
    if held > 2 {
        problems.push("  the host has a mount for more than the vault".to_owned());
    }
    problems
}
