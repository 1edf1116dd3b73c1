//! The devices that every program expects in `/dev`.

use crate::error::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, makedev};
use rustix::io::Errno;

/// The devices that the host's are shown for.
pub(crate) const NODES: &[&str] = &["full", "null", "random", "tty", "urandom", "zero"];

/// Links, and where they lead.
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
];

/// Directories that something is mounted on.
const DIRECTORIES: &[&str] = &["mqueue", "pts", "shm"];

/// The kind of `/dev/ptmx`: whether terminals can be opened without asking the instance of devpts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Multiplexer {
    /// `/dev/ptmx` is a device, as on a host.
    Device,
    /// A link to the `ptmx` of the instance, which may be closed to users.
    Link,
}

/// Fills an empty directory with what is not a device of the host's: links, directories, the multiplexer of
/// terminals.
///
/// # Errors
///
/// Something could not be made; `path` names the directory.
pub(crate) fn make_nodes(directory: &OwnedFd, path: &str) -> Result<Multiplexer> {
    let failed = |errno| Error::from_errno("make the devices of", path, errno);
    for (name, target) in LINKS {
        rustix::fs::symlinkat(*target, directory, *name).map_err(failed)?;
    }
    for name in DIRECTORIES {
        rustix::fs::mkdirat(directory, *name, Mode::RWXU)
            .and_then(|()| set_mode(directory, name, 0o755))
            .map_err(failed)?;
    }
    multiplexer(directory).map_err(failed)
}

/// The device finds the instance that is mounted on `pts` beside it, a copy of the device would not. Where
/// none can be made, in a user namespace, the instance has its own.
fn multiplexer(directory: &OwnedFd) -> Result<Multiplexer, Errno> {
    let device = makedev(5, 2);
    let mode = Mode::from_raw_mode(0o666);
    match rustix::fs::mknodat(directory, "ptmx", FileType::CharacterDevice, mode, device) {
        Ok(()) => {
            set_mode(directory, "ptmx", 0o666)?;
            Ok(Multiplexer::Device)
        }
        Err(Errno::PERM) => {
            rustix::fs::symlinkat("pts/ptmx", directory, "ptmx")?;
            Ok(Multiplexer::Link)
        }
        Err(errno) => Err(errno),
    }
}

/// Whatever the umask of the process.
fn set_mode(directory: &OwnedFd, name: &str, mode: u32) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(mode);
    rustix::fs::chmodat(directory, name, mode, rustix::fs::AtFlags::empty())
}

/// Makes an empty file for something to be mounted on.
///
/// # Errors
///
/// openat(2) failed.
pub(crate) fn mount_point(directory: &OwnedFd, name: &str, path: &str) -> Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o444))
        .map_err(|errno| Error::from_errno("create", path, errno))
}
