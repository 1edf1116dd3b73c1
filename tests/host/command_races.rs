//! Commands in somebody's session while the host mounts and unmounts, and while the caller exchanges directories and
//! mount points: what is mounted for one of them appears nowhere else, and none begins in another directory.

use crate::faults::in_session::drive;
use crate::kernel::{directory, file, memory, mounts, propagate};
use crate::machine::{CONFDIR, Machine, SERVICE, on_machine};
use crate::report::{Report, code};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long it is tried.
const TIME: Duration = Duration::from_secs(10);

const POLICY: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
[[private]]
path = "/mnt/t"
keep = [".keep"]
[[private]]
path = "/mnt/t/inner"
create = true
[[private]]
path = "/mnt/other/own"
"#;

/// When it exists, everybody stops.
const STOP: &str = "/mnt/stop";

/// What the caller does all the time, in the session.
const CALLER: &str = "cd /; touch /mnt/caller-begins; while [ ! -e /mnt/stop ]; do
    mv /mnt/t/work /mnt/t/moving; mv /mnt/t/trap /mnt/t/work; mv /mnt/t/moving /mnt/t/trap
    mkdir -p /mnt/t/at /mnt/home/alice/at; mount -t tmpfs callers /mnt/t/at; mount -t tmpfs callers /mnt/home/alice/at
    for at in /mnt/home/alice/at /mnt/t/at; do umount -l $at || umount -l $at; done
    rmdir /mnt/t/at /mnt/home/alice/at; ln -s /mnt/beside /mnt/t/at; ln -s /mnt/beside /mnt/home/alice/at
    rm /mnt/t/at /mnt/home/alice/at
done 2>/mnt/errors; grep -c ' callers ' /proc/self/mountinfo; sort /mnt/errors | uniq -c; grep -E ' callers | /mnt/t|hosts' /proc/self/mountinfo";

/// What bob's session sees all the time.
const BYSTANDER: &str = "touch /mnt/bystander-begins; while [ ! -e /mnt/stop ]; do cat /proc/self/mountinfo; sleep 0.02; done";

/// Commands for root, one after another.
const COMMANDS: &[&str] = &[
    "start=alice",
    "open",
    "chdir=/mnt/t/start",
    "place=caller",
    "mounts=first",
    "switch",
    "stack=sudo",
    "repeat",
    "20",
    "start=root",
    "open",
    "place=command",
    "exists=mine",
    "close",
    "place=closed",
    "end",
    "again",
    "switch",
    "mounts=last",
    "close",
    "end",
];

#[test]
fn commands_leak_nothing_and_keep_their_directory_whatever_is_mounted_meanwhile() {
    on_machine(|machine| {
        set_up(machine);
        let host = hosts_mounts();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let caller = scope.spawn(|| drive(&["start=alice", "open", &format!("sh={CALLER}")]));
            let bystander =
                scope.spawn(|| drive(&["start=bob", "open", &format!("sh={BYSTANDER}")]));
            await_file("/mnt/caller-begins");
            await_file("/mnt/bystander-begins");
            let mounter = scope.spawn(|| mount_until(&over));
            let watcher = scope.spawn(|| watch_until(&over, &host));
            let end = End(&over);
            let counts = run_commands();
            drop(end);
            let (mounted, looked) = (mounter.join().unwrap(), watcher.join().unwrap());
            println!("{counts:?}, {mounted} mounts of the host's, looked {looked} times");
            assert!(counts.shown > 0 && mounted > 0, "{counts:?}");
            judge_caller(&caller.join().unwrap());
            judge_bystander(&bystander.join().unwrap());
        });
        assert_eq!(hosts_mounts(), host);
    });
}

/// Ends what everybody does, also when a test fails.
struct End<'e>(&'e AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        file(STOP, "");
    }
}

fn await_file(path: &str) {
    while !Path::new(path).exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn set_up(machine: &Machine) {
    for path in ["/mnt/beside", "/mnt/other", "/mnt/t/.keep"] {
        directory(path, 0o755, 0);
    }
    memory("/mnt/other");
    directory("/mnt/other/own", 0o1777, 0);
    propagate("/", MsFlags::MS_REC | MsFlags::MS_SHARED);
    machine.policy(POLICY);
    machine.stack("");
    fs::copy(format!("{CONFDIR}/{SERVICE}"), format!("{CONFDIR}/sudo")).unwrap();
    let made = drive(&[
        "start=alice",
        "open",
        "mkdir=/mnt/t/start",
        "touch=/mnt/t/start/mine",
        "mkdir=/mnt/t/work",
        "mkdir=/mnt/t/trap",
        "close",
        "end",
    ]);
    assert_eq!(made.codes("open"), [code::SUCCESS]);
    directory("/mnt/t/start", 0o755, 0);
}

/// Mounts on a path that is covered, on one beside it, and on one that lies within another file system.
fn mount_until(over: &AtomicBool) -> usize {
    let mut mounted = 0;
    while !over.load(Ordering::Relaxed) {
        for path in ["/mnt/t", "/mnt/beside", "/mnt/other/own"] {
            let flags = MsFlags::empty();
            mount(Some("hosts"), path, Some("tmpfs"), flags, None::<&str>).unwrap();
            umount2(path, MntFlags::MNT_DETACH).unwrap();
            mounted += 1;
        }
    }
    mounted
}

/// Looks for what is mounted on the host and was not mounted by it.
fn watch_until(over: &AtomicBool, host: &[String]) -> usize {
    let mut looked = 0;
    while !over.load(Ordering::Relaxed) {
        let now = hosts_mounts();
        let strange: Vec<&String> = now.iter().filter(|line| !host.contains(line)).collect();
        assert!(strange.is_empty(), "on the host: {strange:#?}");
        looked += 1;
    }
    looked
}

/// The host's mounts but for its own that come and go, and for pins.
fn hosts_mounts() -> Vec<String> {
    let table = mounts();
    let lines = table
        .lines()
        .filter(|line| !line.contains(" /run/jns/ns") && !line.contains(" hosts "));
    lines.map(str::to_owned).collect()
}

/// How many commands had their view, and how many stayed in that of their caller.
#[derive(Debug, Default)]
struct Counts {
    shown: usize,
    stayed: usize,
}

fn run_commands() -> Counts {
    let (end, mut counts) = (Instant::now() + TIME, Counts::default());
    while Instant::now() < end {
        let report = drive(COMMANDS);
        let opened = report.codes("open");
        assert!(
            opened.iter().all(|code| *code == code::SUCCESS),
            "{report:#?}"
        );
        let caller = report.values("caller namespace mnt")[0];
        let directory = report.values("caller cwd")[0];
        for label in ["command", "closed"] {
            let all = report.values(&format!("{label} cwd"));
            assert!(
                all.len() == 20 && all.iter().all(|other| *other == directory),
                "{label}: {all:?}"
            );
        }
        assert!(
            report
                .values("exists mine")
                .iter()
                .all(|found| *found == "1")
        );
        let commands = report.values("command namespace mnt");
        let stayed = commands
            .iter()
            .filter(|namespace| **namespace == caller)
            .count();
        counts.stayed += stayed;
        counts.shown += commands.len() - stayed;
        assert_eq!(
            mounts_of(&report, "first"),
            mounts_of(&report, "last"),
            "the caller's session"
        );
    }
    counts
}

/// The mounts of the caller's session but for those that come and go there.
fn mounts_of(report: &Report, label: &str) -> Vec<String> {
    let lines = report.values(&format!("{label} mount")).into_iter();
    let lines = lines.filter(|line| !line.contains(" hosts ") && !line.contains(" callers "));
    // On what a mount is depends on what has slipped beneath it.
    let without_parent = |line: &str| {
        let words = line.split(' ').enumerate().filter(|(at, _)| *at != 1);
        words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<String> = lines.map(without_parent).collect();
    lines.sort();
    lines
}

fn judge_caller(report: &Report) {
    assert_eq!(report.codes("open"), [code::SUCCESS]);
    let left = report.lines.iter().find(|line| line.parse::<u32>().is_ok());
    assert_eq!(
        left.map(String::as_str),
        Some("0"),
        "mounts of the caller's that are left"
    );
}

fn judge_bystander(report: &Report) {
    assert_eq!(report.codes("open"), [code::SUCCESS]);
    let is_of_alice = |line: &&String| line.contains("/user/2001/") || line.contains(" callers ");
    let strange: Vec<&String> = report.lines.iter().filter(is_of_alice).collect();
    assert!(strange.is_empty(), "in bob's session: {strange:#?}");
    assert!(report.lines.len() > 100 && Path::new(STOP).exists());
}
