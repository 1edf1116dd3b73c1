//! Processes, and how one is known again although numbers are reused.

pub(crate) mod copy;
pub mod credentials;
pub mod helper;
pub mod limits;
mod output;
pub mod processor;
pub(in crate::kernel) mod question;
pub mod rights;
pub mod secret;

use crate::error::{Error, Result};
use crate::kernel::fs::directory::names;
use crate::kernel::namespace::inode_of_process;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::io::Read;

/// A process: its number, and when it was started, which the next process of that number was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The time when it was started, in clock ticks since the machine was (proc_pid_stat(5)).
    pub started: u64,
}

impl Process {
    /// The calling one, by the number that /proc has for it: another one than getpid(2) gives where /proc is that
    /// of another PID namespace.
    ///
    /// # Errors
    ///
    /// /proc does not say, as in a PID namespace whose processes do not include this one.
    pub fn own() -> Result<Self> {
        let path = "/proc/self/stat";
        let bytes = read(path).map_err(|errno| Error::from_errno("read", path, errno))?;
        let text = String::from_utf8_lossy(&bytes);
        let pid = text.split(' ').next().and_then(|pid| pid.parse().ok());
        let found = pid.and_then(|pid| {
            let started = field(&text, 22)?;
            Some(Self { pid, started })
        });
        found.ok_or_else(|| Error::new("read", path, "it does not say what it should"))
    }

    /// The process `pid`; nothing where there is none.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let started = field_of(pid, 22)?;
        Some(Self { pid, started })
    }

    /// The process whose number is `pid` here and 1 in the PID namespace that `proc`, the root of a procfs, shows;
    /// nothing where it does not say when that was started.
    #[must_use]
    pub(super) fn first_of(proc: impl AsFd, pid: u32) -> Option<Self> {
        let started = started_in(proc, 1)?;
        Some(Self { pid, started })
    }

    /// Opens a pidfd of it, by which its number is not given to another one; nothing where it has ended, or this process
    /// cannot reach it: in another PID namespace than /proc shows, it knows somebody else by that number.
    #[must_use]
    pub fn open_pidfd(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Asked when it is open: until then, the number can be given to another process.
        let is_it = number_in_proc(&pidfd).is_none_or(|number| number == self.pid);
        (is_it && self.is_alive()).then_some(pidfd)
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }
}

/// The number that /proc has for the process of a pidfd: not that of this process's PID namespace where /proc is
/// that of one above. Nothing where /proc does not show this process.
pub(super) fn number_in_proc(pidfd: &OwnedFd) -> Option<u32> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = std::fs::read_to_string(path).ok()?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    number?.trim().parse().ok()
}

/// The time at which the process `pid` of the PID namespace that `proc`, the root of a procfs, shows was started, in clock
/// ticks since the machine was; nothing where there is none.
#[must_use]
pub(super) fn started_in(proc: impl AsFd, pid: u32) -> Option<u64> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(proc, format!("{pid}/stat"), flags, Mode::empty()).ok()?;
    let mut text = Vec::new();
    std::fs::File::from(file).read_to_end(&mut text).ok()?;
    field(&String::from_utf8_lossy(&text), 22)
}

/// Whether one of `ancestors` is the process `pid`, or a parent's parent of it, however far.
#[must_use]
pub(crate) fn descends_from(pid: u32, ancestors: &[Process]) -> bool {
    /// Numbers may be given anew while they are looked at, and then a parent be its own child.
    const GENERATIONS: usize = 64;
    let mut generation = Some(pid);
    for _ in 0..GENERATIONS {
        let Some(pid) = generation.filter(|pid| *pid > 1) else {
            return false;
        };
        let named = ancestors.iter().find(|ancestor| ancestor.pid == pid);
        if named.is_some_and(Process::is_alive) {
            return true;
        }
        generation = parent_of(pid);
    }
    false
}

/// The name that the process `pid` gives itself, `/proc/PID/comm`: at most 15 bytes; nothing where there is none.
#[must_use]
pub fn name_of(pid: u32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = String::from_utf8_lossy(&bytes);
    name.strip_suffix('\n').map(str::to_owned)
}

/// The processes besides the calling one that are in the mount namespace with that inode number, as far as
/// /proc shows them.
///
/// # Errors
///
/// /proc cannot be read.
pub fn of_namespace(inode: u64) -> Result<Vec<Process>> {
    // What /proc does not show needs no leaving out: getpid(2) may be the number of another process there.
    let own = Process::own().ok().map(|own| own.pid);
    let is_other = |pid: &u32| Some(*pid) != own;
    let is_inside = |pid: &u32| inode_of_process(*pid) == Ok(inode);
    let found = all()?.into_iter().filter(is_other).filter(is_inside);
    Ok(found.filter_map(Process::of).collect())
}

/// The parent of the process `pid`; 0 for one that has none here.
#[must_use]
pub(crate) fn parent_of(pid: u32) -> Option<u32> {
    field_of(pid, 4).and_then(|parent| u32::try_from(parent).ok())
}

fn field_of(pid: u32, number: usize) -> Option<u64> {
    let text = read(&format!("/proc/{pid}/stat")).ok()?;
    field(&String::from_utf8_lossy(&text), number)
}

/// A file `/proc/PID/stat`.
fn read(path: &str) -> Result<Vec<u8>, Errno> {
    /// More than all that is in it: the kernel gives it in one piece then.
    const LENGTH: usize = 2048;
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = Vec::with_capacity(LENGTH);
    rustix::io::read(&file, spare_capacity(&mut text))?;
    Ok(text)
}

/// A field of /proc/PID/stat, counted from 1 and behind the second, the only one that may hold spaces: the kernel's
/// words, although the file belongs to the user of the process.
fn field(text: &str, number: usize) -> Option<u64> {
    let (_, behind) = text.rsplit_once(") ")?;
    let word = behind.split(' ').nth(number.checked_sub(3)?)?;
    word.parse().ok()
}

/// The numbers of all processes that /proc shows.
///
/// # Errors
///
/// /proc cannot be read.
pub fn all() -> Result<Vec<u32>> {
    numbers("/proc").map_err(|errno| Error::from_errno("list", "/proc", errno))
}

/// The numbers in a directory of /proc: of processes, or of a process's threads.
///
/// # Errors
///
/// The error number of open(2) or getdents64(2): ENOENT or ESRCH when the process is gone.
pub fn numbers(path: &str) -> Result<Vec<u32>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    let number = |name: CString| name.to_str().ok()?.parse().ok();
    let all = names(Dir::new(directory)?);
    all.filter_map(|name| name.map(number).transpose())
        .collect()
}
