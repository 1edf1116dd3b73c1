//! User namespaces for a command: the one in which a caller without rights prepares what it sees, and the one
//! that the command itself is confined to. For the process that becomes the command, never for a host.

use crate::error::{Error, Result};
use crate::kernel::sys::{self, Difference};
use nix::sched::CloneFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, getpid};
use std::fmt;

/// A run of ids of a user namespace, and those of the one outside that they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The first id inside.
    pub inside: u32,
    /// The first id outside.
    pub outside: u32,
    /// The number of ids, at least 1.
    pub count: u32,
}

/// The ids of a user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maps {
    /// Of users.
    pub users: Vec<IdRange>,
    /// Of groups.
    pub groups: Vec<IdRange>,
}

impl IdRange {
    /// One id.
    #[must_use]
    pub fn one(inside: u32, outside: u32) -> Self {
        Self {
            inside,
            outside,
            count: 1,
        }
    }

    /// All ids, each as itself.
    pub const ALL: Self = Self {
        inside: 0,
        outside: 0,
        count: u32::MAX,
    };

    /// Whether an id inside is among them.
    #[must_use]
    pub fn contains(&self, inside: u32) -> bool {
        let offset = inside.checked_sub(self.inside);
        offset.is_some_and(|offset| offset < self.count)
    }
}

impl fmt::Display for IdRange {
    /// Writes it as /proc/PID/uid_map has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.inside, self.outside, self.count)
    }
}

/// Leaves for a new user namespace, in which the caller is root, and a mount namespace that belongs to it: the
/// process may mount there, and has no other rights than before.
///
/// # Errors
///
/// Users may not make user namespaces here.
pub(crate) fn leave_as_root() -> Result<()> {
    // Asked before: in a new user namespace every id is the overflow id until it is mapped (user_namespaces(7)).
    let (uid, gid) = own_ids();
    // In one call, so that the mount namespace belongs to the new user namespace.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    map_own(IdRange::one(0, uid), IdRange::one(0, gid))
}

/// Confines the process to a new user namespace in which its only ids are `uid` and `gid`.
///
/// # Errors
///
/// As [`leave_as_root`]; or the process has several threads.
pub(crate) fn confine_as(uid: u32, gid: u32) -> Result<()> {
    let (outer_uid, outer_gid) = own_ids();
    unshare(CloneFlags::CLONE_NEWUSER)?;
    map_own(IdRange::one(uid, outer_uid), IdRange::one(gid, outer_gid))
}

/// Confines the process to a new user namespace with any ids, which another process has to give it: one with the rights
/// for that, which this one has before and no more after.
///
/// # Errors
///
/// As [`confine_as`]; or the kernel refuses the maps.
pub fn confine(maps: &Maps) -> Result<()> {
    let failed = |errno| Error::from_errno("map", "the ids of a user namespace", errno);
    let files = [("uid_map", &maps.users), ("gid_map", &maps.groups)].map(|(file, ranges)| {
        let lines: Vec<String> = ranges.iter().map(ToString::to_string).collect();
        let process = format!("/proc/{}/{file}", getpid().as_raw_nonzero());
        (process, lines.join("\n"))
    });
    let (ready, begin) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    // Begun before the namespace is left: it stays in the one in which it may write the maps.
    let writer = sys::clone_single(Difference::None, libc::SIGCHLD, || {
        match write_when(&ready, &files) {
            Ok(()) => 0,
            Err(errno) => errno.raw_os_error(),
        }
    })
    .map_err(failed)?;
    let unshared = unshare(CloneFlags::CLONE_NEWUSER);
    if unshared.is_ok() {
        rustix::io::write(&begin, b"!").map_err(failed)?;
    }
    // Whether or not there is a new namespace: the end of the pipe lets the writer end, and it has to be waited for.
    drop(begin);
    let (_, status) = rustix::process::waitpid(Some(writer.pid), WaitOptions::empty())
        .map_err(failed)?
        .ok_or_else(|| failed(Errno::CHILD))?;
    unshared?;
    match status.exit_status() {
        Some(0) => Ok(()),
        Some(number) => Err(failed(Errno::from_raw_os_error(number))),
        None => Err(failed(Errno::INTR)),
    }
}

fn write_when(ready: &OwnedFd, files: &[(String, String)]) -> Result<(), Errno> {
    let mut byte = [0];
    // The other end is open in this copy of the process as well, but nobody waits for it longer than for the
    // byte: without one, the process ends this one.
    if rustix::io::read(ready, &mut byte)? == 0 {
        return Ok(());
    }
    files.iter().try_for_each(|(file, text)| write(file, text))
}

/// Whether files of root belong to somebody who is not in this user namespace (user_namespaces(7)).
#[must_use]
pub(crate) fn is_root_outside() -> bool {
    /// The number that stands for everybody that the namespace does not know.
    const OVERFLOW: &str = "/proc/sys/kernel/overflowuid";
    let text = std::fs::read_to_string(OVERFLOW).unwrap_or_default();
    let overflow = text.trim().parse().unwrap_or(65534);
    rustix::fs::stat("/").is_ok_and(|root| root.st_uid == overflow)
}

fn own_ids() -> (u32, u32) {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    (uid.as_raw(), gid.as_raw())
}

/// Gives this process its own ids, which is all that it may do: with supplementary groups as they are.
fn map_own(users: IdRange, groups: IdRange) -> Result<()> {
    // Groups can be mapped without CAP_SETGID only once setgroups(2) is denied for good (Linux 3.19,
    // user_namespaces(7)).
    let files = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", users.to_string()),
        ("/proc/self/gid_map", groups.to_string()),
    ];
    let written = files.iter().try_for_each(|(file, text)| write(file, text));
    written.map_err(|errno| {
        let error = Error::from_errno("map", "the ids of a user namespace", errno);
        match errno {
            Errno::PERM | Errno::ACCESS => error.because(FORBIDDEN),
            _ => error,
        }
    })
}

fn write(file: &str, text: &str) -> Result<(), Errno> {
    std::fs::write(file, text).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Debian's kernel.unprivileged_userns_clone, Ubuntu's AppArmor, a container's filter of system calls.
const FORBIDDEN: &str = "this machine does not let users make user namespaces; ask as root";

const LIMITED: &str = "the limit in /proc/sys/user/max_user_namespaces is reached; ask as root";

fn unshare(flags: CloneFlags) -> Result<()> {
    #[allow(clippy::disallowed_methods, reason = "this is the room that unshares")]
    let unshared = nix::sched::unshare(flags);
    unshared.map_err(|errno| {
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "every other error number says what it is"
        )]
        let reason = match errno {
            nix::errno::Errno::EPERM | nix::errno::Errno::EACCES => FORBIDDEN,
            nix::errno::Errno::ENOSPC | nix::errno::Errno::EUSERS => LIMITED,
            errno => errno.desc(),
        };
        Error::new("make", "a user namespace", reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_they_say() {
        let range = IdRange {
            inside: 10,
            outside: 1000,
            count: 5,
        };
        for (id, inside) in [(9, false), (10, true), (14, true), (15, false)] {
            assert_eq!(range.contains(id), inside, "{id}");
        }
        assert!(IdRange::ALL.contains(0) && !IdRange::ALL.contains(u32::MAX));
    }
}
