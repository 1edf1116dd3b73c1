//! The processes of the sandbox, as its /proc shows them.

use std::fs;
use std::path::{Path, PathBuf};

/// A process at the moment when it was looked at.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    /// The real user id.
    pub uid: u32,
    pub name: String,
    /// The command line, as the process may have rewritten it.
    pub title: String,
}

impl Process {
    /// The link that names its namespace of that kind; nothing when it is gone.
    pub fn namespace(&self, kind: &str) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/ns/{kind}", self.pid)).ok()
    }

    fn read(pid: u32) -> Option<Self> {
        let directory = format!("/proc/{pid}");
        let status = fs::read_to_string(format!("{directory}/status")).ok()?;
        let value = |key: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(key))?;
            rest.split_whitespace().next()
        };
        let title = fs::read(format!("{directory}/cmdline")).ok()?;
        Some(Self {
            pid,
            parent: value("PPid:")?.parse().ok()?,
            uid: value("Uid:")?.parse().ok()?,
            name: value("Name:")?.to_owned(),
            title: String::from_utf8_lossy(&title).replace('\0', " "),
        })
    }
}

/// All processes but this one, those whose end was not waited for included.
pub fn all() -> Vec<Process> {
    let own = std::process::id();
    pids()
        .filter(|pid| *pid != own)
        .filter_map(Process::read)
        .collect()
}

/// The pids of all processes.
pub fn pids() -> impl Iterator<Item = u32> {
    names(Path::new("/proc")).filter_map(|name| name.parse().ok())
}

/// The names in a directory; none where it cannot be read any more.
pub fn names(directory: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}
