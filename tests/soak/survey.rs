//! What the machine in the sandbox consists of, to be compared before and afterwards.

use crate::kills;
use crate::processes::{self, names};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// The time that everything may take to end.
pub const ENDINGS: Duration = Duration::from_secs(60);

/// The age after which `jns gc` takes nothing for unfinished any more.
const LONG_AGO: Duration = Duration::from_secs(2 * 60 * 60);

/// The growth of the kernel's memory that is tolerated. It is the whole machine's, on which other things run.
pub const TOLERATED_SLAB: u64 = 256 << 20;

/// Mounts, processes, namespaces, descriptors and files, each as lines.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    lines: BTreeSet<(&'static str, String)>,
    /// The kernel's memory that it cannot give back, in bytes.
    pub slab: u64,
}

/// Something that is left.
#[derive(Debug, Clone, Serialize)]
pub struct Leak {
    pub kind: &'static str,
    pub what: String,
}

impl Survey {
    /// Looks at the machine. This process and its descriptors are left out.
    pub fn take() -> Self {
        let mut lines = BTreeSet::new();
        let mounts = fs::read_to_string("/proc/1/mountinfo").unwrap();
        let mounts = mounts.lines().filter(|line| !is_mount_of_vault(line));
        lines.extend(mounts.map(|line| ("mount", line.to_owned())));
        for process in processes::all() {
            let name = format!("{} {}", process.pid, process.name);
            let namespaces = links(&format!("/proc/{}/ns", process.pid));
            lines.extend(namespaces.map(|target| ("namespace", target)));
            let descriptors = links(&format!("/proc/{}/fd", process.pid));
            lines.extend(descriptors.map(|target| ("descriptor", format!("{name}: {target}"))));
            // sshd's listener shows how many are logging in.
            let title = process.title.split(" [listener]").next();
            let title = title.unwrap_or_default();
            lines.insert(("process", format!("{name}: {title}")));
        }
        for directory in [
            "/run",
            "/tmp",
            "/var/tmp",
            "/dev/shm",
            "/mnt",
            "/var/lib/jns",
        ] {
            let depth = if directory == "/var/lib/jns" { 3 } else { 6 };
            add_files(&mut lines, Path::new(directory), depth);
        }
        Self {
            lines,
            slab: slab(),
        }
    }

    /// What is there now and was not before.
    fn left_since(&self, before: &Self) -> Vec<Leak> {
        let left = self.lines.difference(&before.lines);
        let left = left.map(|(kind, what)| Leak {
            kind,
            what: what.clone(),
        });
        let mut left: Vec<Leak> = left.collect();
        let grown = self.slab.saturating_sub(before.slab);
        if grown > TOLERATED_SLAB {
            let what = format!("{} MiB that the kernel cannot give back", grown >> 20);
            left.push(Leak {
                kind: "memory",
                what,
            });
        }
        left
    }
}

/// The targets of the links in a directory of /proc.
fn links(directory: &str) -> impl Iterator<Item = String> + use<> {
    let directory = Path::new(directory).to_path_buf();
    let targets =
        names(&directory).filter_map(move |name| fs::read_link(directory.join(name)).ok());
    targets.map(|target| target.to_string_lossy().into_owned())
}

/// The mount that holds the vault, to which nothing travels.
fn is_mount_of_vault(line: &str) -> bool {
    let mut words = line.split(' ').skip(4);
    words.next() == Some("/run/jns/ns/.vault") && words.nth(1) == Some("-")
}

fn add_files(lines: &mut BTreeSet<(&'static str, String)>, directory: &Path, depth: usize) {
    for name in names(directory) {
        let path = directory.join(name);
        let shown = path.to_string_lossy().into_owned();
        if path.symlink_metadata().is_ok_and(|status| status.is_dir()) && depth > 1 {
            add_files(lines, &path, depth - 1);
        }
        if !is_expected(&shown) {
            lines.insert(("file", shown));
        }
    }
}

/// What stays when all sessions have ended: the module's directories, locks, users' instances, and what other modules
/// write for each login.
fn is_expected(path: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = path.split('/').skip(1).collect();
    match words.as_slice() {
        ["run", "jns"]
        | [
            "run",
            "jns",
            "lock" | "namespace" | "ns" | "session" | "stamp",
        ] => true,
        ["run", "jns", "ns", ".vault"] => true,
        ["run", "jns", "lock", lock] => is_number(lock) || matches!(*lock, "gc" | "pins"),
        ["var", "lib", "jns", "user" | "session"] => true,
        ["var", "lib", "jns", "user", user] => is_number(user),
        ["var", "lib", "jns", "user", _, instance] => !instance.starts_with(".jns"),
        ["run", "utmp" | "sudo" | "motd.dynamic"] => true,
        _ => false,
    }
}

/// Ends what runs, collects what the killed have left, and says what is there nevertheless after that time.
pub fn find_leaks(before: &Survey, time: Duration) -> (Survey, Vec<Leak>) {
    let deadline = Instant::now() + time;
    loop {
        while kills::kill_users_processes() && Instant::now() < deadline {
            sleep(Duration::from_millis(50));
        }
        let failed = collect_everything();
        let now = Survey::take();
        let mut left = now.left_since(before);
        left.extend(failed);
        if left.is_empty() || Instant::now() > deadline {
            return (now, left);
        }
        sleep(Duration::from_millis(500));
    }
}

/// Runs `jns gc`, for which everything happened long ago, and no unused namespace lingers.
fn collect_everything() -> Option<Leak> {
    for directory in ["/run/jns", "/var/lib/jns"] {
        make_old(Path::new(directory), 3);
    }
    let output = Command::new("jns").args(["gc", "--linger", "0s"]).output();
    let output = output.expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    (!output.status.success()).then(|| Leak {
        kind: "collection",
        what: format!("jns gc: {}: {said}", output.status),
    })
}

/// Gives what lies in a directory a time long ago, as far as it is no fifo or the like.
fn make_old(directory: &Path, depth: usize) {
    let times = FileTimes::new().set_modified(SystemTime::now() - LONG_AGO);
    for name in names(directory) {
        let path = directory.join(name);
        let Ok(status) = path.symlink_metadata() else {
            continue;
        };
        if status.is_dir() && depth > 1 {
            make_old(&path, depth - 1);
        }
        if status.is_dir() || status.is_file() {
            // It may be gone, or be a pin, which has no time.
            let _ = File::open(&path).and_then(|file| file.set_times(times));
        }
    }
}

fn slab() -> u64 {
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("SUnreclaim:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or(0)
        << 10
}
