//! Traces of the driver by strace(1).

use super::program;
use crate::machine::drive_with;
use crate::report::Report;
use rustix::process::Pid;
use std::collections::BTreeMap;
use std::fmt;
use std::process::{Command, Output};

/// What the marker before the module looks for, and the one after it.
#[derive(Debug, Clone, Copy)]
pub struct Markers {
    pub begin: &'static str,
    pub end: &'static str,
}

/// When a session is opened.
pub const OPEN: Markers = Markers {
    begin: "/jns-marker/before-open",
    end: "/jns-marker/after-open",
};

/// When it is closed.
pub const CLOSE: Markers = Markers {
    begin: "/jns-marker/before-close",
    end: "/jns-marker/after-close",
};

/// When the handle ends.
pub const END: Markers = Markers {
    begin: "/jns-marker/before-end",
    end: "/jns-marker/after-end",
};

/// Where strace writes.
pub const FILE: &str = "/mnt/trace";

/// The `number`th call of that name since the driver began, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub number: usize,
    /// The number of calls before it that are looked at.
    pub position: usize,
    /// Whether nobody else can tell that it was made: the end of a process before it and behind it is the same.
    pub is_unseen: bool,
    line: String,
}

impl Call {
    /// Whether it puts back a signal mask, which cannot fail. Blocked are all signals but two.
    pub fn lets_signals_through(&self) -> bool {
        self.name == "rt_sigprocmask" && !self.line.contains("~[")
    }
}

/// Calls that look, or change what the process alone has and loses as it ends.
const UNSEEN: &[&str] = &[
    "access",
    "brk",
    "capget",
    "close",
    "dup",
    "faccessat",
    "faccessat2",
    "fcntl",
    "fstat",
    "fstatfs",
    "fsconfig",
    "fsopen",
    "getcwd",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getrandom",
    "gettid",
    "getuid",
    "getxattr",
    "lgetxattr",
    "lseek",
    "lstat",
    "madvise",
    "mmap",
    "mprotect",
    "munmap",
    "newfstatat",
    "pread64",
    "read",
    "readlink",
    "readlinkat",
    "stat",
    "statfs",
    "statx",
    "sysinfo",
];

/// Calls that do no more than that where they make no file.
const OPENING: &[&str] = &["open", "openat", "openat2"];

fn is_unseen(name: &str, line: &str) -> bool {
    let makes = ["O_CREAT", "O_TRUNC", "O_TMPFILE"]
        .iter()
        .any(|flag| line.contains(flag));
    UNSEEN.contains(&name) || (OPENING.contains(&name) && !makes)
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} number {}: {}", self.name, self.number, self.line)
    }
}

/// The lines that strace wrote.
pub struct Trace(Vec<String>);

/// What is said where an injection has met none of the module's calls.
pub const MISSED: &str = "the trace is not the one that was enumerated";

impl Trace {
    /// Runs the driver under strace with these expressions for `-e`.
    pub fn of(expressions: &[&str], words: &[&str]) -> (Report, Self) {
        let mut strace = Command::new("strace");
        strace.args(["-o", FILE]);
        let has = |word: &str| {
            expressions
                .iter()
                .any(|expression| expression.contains(word))
        };
        // Who is killed in a child at the call of the same number, before its parent, is not who was meant.
        if !has(":signal=KILL") {
            strace.arg("-f");
        }
        // Faster, but it stops calls where no signal can be delivered.
        if !has(":signal=") {
            strace.arg("--seccomp-bpf");
        }
        for expression in expressions {
            strace.args(["-e", expression]);
        }
        strace.arg(program("driver"));
        let report = drive_with(strace, words);
        let text = std::fs::read(FILE)
            .unwrap_or_else(|e| panic!("strace wrote no trace: {e}, {report:?}"));
        std::fs::remove_file(FILE).unwrap();
        let text = String::from_utf8_lossy(&text);
        (report, Self(of_first_process(&text)))
    }

    /// Waits until the driver that is being traced is stopped, and says which process that is; nothing when
    /// it ends before.
    pub fn wait_for_stop() -> Option<Pid> {
        for _ in 0..2000 {
            let text = std::fs::read(FILE).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            if let Some(line) = text
                .lines()
                .find(|line| line.ends_with("--- stopped by SIGSTOP ---"))
            {
                return Pid::from_raw(line.split(' ').next()?.parse().ok()?);
            }
            if text.contains("+++ exited") {
                return None;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        None
    }

    fn position(&self, marker: &str) -> Option<usize> {
        let quoted = format!("\"{marker}\"");
        self.0.iter().position(|line| line.contains(&quoted))
    }

    /// Runs another command under strace with these expressions for `-e`.
    pub fn of_command(expressions: &[&str], command: &[&str]) -> (Output, Self) {
        let mut strace = super::command::among_few();
        strace.args(["strace", "-f", "-o", FILE]);
        for expression in expressions {
            strace.args(["-e", expression]);
        }
        let output = strace.args(command).env_clear().output().unwrap();
        let text = std::fs::read_to_string(FILE)
            .unwrap_or_else(|e| panic!("strace wrote no trace: {e}, {output:?}"));
        std::fs::remove_file(FILE).unwrap();
        (output, Self(text.lines().map(str::to_owned).collect()))
    }

    /// Whether some call was made to fail.
    pub fn has_injected(&self) -> bool {
        self.0.iter().any(|line| line.contains("(INJECTED)"))
    }

    /// Every call of a command written in Rust, behind those that bring it to life: the last of these sets the
    /// stack for signals, the one before asks for it.
    pub fn calls_of_command(&self) -> Vec<Call> {
        let lines = self.0.iter().enumerate();
        let mut stacks = lines.filter(|(_, line)| name_of(line) == Some("sigaltstack"));
        let (begin, _) = stacks.nth(1).unwrap();
        self.calls_between(begin, self.0.len())
    }

    /// Every call between the markers, in order.
    pub fn calls_of_module(&self, between: Markers) -> Vec<Call> {
        let position = |marker| self.position(marker).unwrap();
        self.calls_between(position(between.begin), position(between.end))
    }

    fn calls_between(&self, begin: usize, end: usize) -> Vec<Call> {
        let mut numbers = BTreeMap::new();
        let mut calls = Vec::new();
        for (position, line) in self.0.iter().enumerate() {
            let Some(name) = name_of(line) else { continue };
            let number = numbers.entry(name).or_insert(0);
            *number += 1;
            if (begin + 1..end).contains(&position) {
                calls.push(Call {
                    name: name.to_owned(),
                    number: *number,
                    position: calls.len(),
                    is_unseen: is_unseen(name, line),
                    line: line.chars().take(160).collect(),
                });
            }
        }
        calls
    }

    /// Whether the one call that was meant was hit: one of the module's own.
    pub fn hit(&self, between: Markers, killed: bool) -> Result<(), String> {
        let (begin, end) = (self.position(between.begin), self.position(between.end));
        let missed = |why: &str| {
            Err(format!(
                "{MISSED}: {why}\n{}",
                self.0
                    .iter()
                    .take(5)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join("\n")
            ))
        };
        if killed {
            let dead = self
                .0
                .last()
                .is_some_and(|line| line.contains("killed by SIGKILL"));
            return if dead && begin.is_some() && end.is_none() {
                Ok(())
            } else {
                missed("not killed inside")
            };
        }
        let is_injected = |line: &String| line.contains("(INJECTED)") || line.contains("(DELAYED)");
        let injected = self.0.iter().position(is_injected);
        if begin < injected && injected < end {
            Ok(())
        } else {
            missed("nothing was injected inside")
        }
    }
}

/// The lines about the driver itself. Calls are counted for each process by itself: an error that is injected into the
/// driver happens to the programs that a policy has run, too. Where the driver alone is traced, no line has a number.
fn of_first_process(text: &str) -> Vec<String> {
    let process = |line: &str| line.split(' ').next()?.parse::<u32>().ok();
    let driver = process(text);
    let is_drivers = |line: &&str| process(line) == driver;
    text.lines().filter(is_drivers).map(str::to_owned).collect()
}

/// The call's name in a line `PID NAME(ARGUMENTS) = RESULT`.
fn name_of(line: &str) -> Option<&str> {
    let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let (name, _) = call.split_once('(')?;
    // strace(1) writes so what it has no name for, statmount(2) for example, and lets no such call fail.
    if name.starts_with("syscall_") {
        return None;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// A line of mountinfo without ids, devices and names of sessions.
pub fn without_numbers(line: &str) -> String {
    let mut words: Vec<_> = line.split(' ').skip(3).collect();
    let root = words
        .first()
        .map(|root| without_session(root))
        .unwrap_or_default();
    if let Some(first) = words.first_mut() {
        *first = &root;
    }
    let is_peer = |word: &&str| word.starts_with("master:") || word.starts_with("shared:");
    words.retain(|word| !is_peer(word));
    words.join(" ")
}

/// The store's path of a session's directory holds 16 random digits.
fn without_session(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        let random = part.len() == 16 && part.chars().all(|c| c.is_ascii_hexdigit());
        if random { "SESSION" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}
