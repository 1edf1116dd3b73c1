//! Files that the module trusts: read by one descriptor, after everything on the way was vetted; and its
//! own, written whole or not at all.

use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::asker::{Asker, Reached};
use crate::kernel::fs::directory::{sorted_names, temporary_name};
use crate::kernel::fs::reach;
use crate::kernel::fs::walk::{Trust, Walker, file_type, open_below};
use crate::kernel::process::limits::without_size_limit;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Reads a trusted file whole: a regular file, owned by root, not writable by group or others, reached
/// through directories for which the same holds, of at most `limit` bytes, that did not change meanwhile.
///
/// # Errors
///
/// Which of these does not hold, or why it cannot be read; `is_missing()` when it does not exist.
pub fn read_trusted(path: &str, limit: usize) -> Result<Vec<u8>> {
    read_trusting(Trust::Root, path, limit)
}

/// Reads a file whole that is trusted as far as `trust` says: for [`Trust::Caller`], any regular file that can be read,
/// and otherwise as [`read_trusted`] does.
///
/// # Errors
///
/// As [`read_trusted`].
pub fn read_trusting(trust: Trust, path: &str, limit: usize) -> Result<Vec<u8>> {
    read_trusting_until(&Deadline::none(), trust, path, limit)
}

/// Reads a file as [`read_trusting`] does, and waits for it until the deadline at most.
///
/// # Errors
///
/// As [`read_trusting`]; or its file system does not answer ([`Error::is_silent`]).
pub(crate) fn read_trusting_until(
    deadline: &Deadline,
    trust: Trust,
    path: &str,
    limit: usize,
) -> Result<Vec<u8>> {
    let walker = Walker::new(trust)?.until(deadline);
    let (directory, name) = TrustedDirectory::of(walker, trust, path)?;
    directory.read(name, limit)
}

/// A directory that is trusted, as is everything on the way to it: opened once, however many files in it are read.
#[derive(Debug)]
pub struct TrustedDirectory {
    place: Reached,
    /// Its path, for messages.
    path: String,
    trust: Trust,
    asker: Asker,
}

impl TrustedDirectory {
    /// Opens the directory that holds the last component of `path`, which is trusted as far as `trust` says, and returns
    /// that component's name.
    ///
    /// # Errors
    ///
    /// It is missing (`is_missing()`), not trusted, or cannot be opened.
    pub fn holding(trust: Trust, path: &str) -> Result<(Self, &str)> {
        Self::of(Walker::new(trust)?, trust, path)
    }

    fn of(walker: Walker, trust: Trust, path: &str) -> Result<(Self, &str)> {
        let (parent, name) = walker.open_parent(path, &[])?;
        let directory = Self {
            place: reach::of_place(parent),
            asker: walker.asker().clone(),
            path: path.strip_suffix(name).unwrap_or(path).to_owned(),
            trust,
        };
        Ok((directory, name))
    }

    /// Opens the directory `name` in it, which has to be as trusted.
    ///
    /// # Errors
    ///
    /// As [`TrustedDirectory::holding`]; or it is a link.
    pub fn directory(&self, name: &str) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let (descriptor, _) = self.open(name, flags, FileType::Directory)?;
        Ok(Self {
            place: Reached::answering(descriptor),
            path: format!("{}{name}/", self.path),
            trust: self.trust,
            asker: self.asker.clone(),
        })
    }

    /// The names in it, in byte order. Names that are not UTF-8 are left out.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let listed = Dir::read_from(&self.place.descriptor).and_then(sorted_names);
        listed.map_err(|errno| failed(self.path.trim_end_matches('/'), errno))
    }

    /// Reads the file `name` in it, as [`read_trusted`] does.
    ///
    /// # Errors
    ///
    /// As [`read_trusted`].
    pub fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>> {
        let path = &format!("{}{name}", self.path);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let (file, before) = self.open(name, flags, FileType::RegularFile)?;
        if usize::try_from(before.st_size).is_ok_and(|size| size > limit) {
            return Err(too_large(path, limit));
        }
        // The size was no promise: a file may grow while it is read.
        let text = read_whole(&file, before.st_size, limit).map_err(|errno| failed(path, errno))?;
        let after = rustix::fs::fstat(&file).map_err(|errno| failed(path, errno))?;
        if text.len() > limit {
            return Err(too_large(path, limit));
        }
        let version = |s: &Stat| (s.st_size, s.st_mtime, s.st_mtime_nsec);
        if version(&before) != version(&after) {
            return Err(Error::new("read", path, "it changed while it was read"));
        }
        Ok(text)
    }

    fn open(&self, name: &str, flags: OFlags, wanted: FileType) -> Result<(OwnedFd, Stat)> {
        let path = &format!("{}{name}", self.path);
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = self.asker.open_file(self.place.as_parent(), name, flags);
        let file = opened.map_err(|errno| match errno {
            Errno::LOOP => Error::new("read", path, "it is a symbolic link"),
            Errno::NOTDIR => Error::new("read", path, "it is not a directory"),
            Errno::NXIO => Error::new("read", path, "it is a socket, not a regular file"),
            Errno::TIMEDOUT => failed(path, errno).because("it does not answer").silent(),
            errno => failed(path, errno),
        })?;
        let status = rustix::fs::fstat(&file).map_err(|errno| failed(path, errno))?;
        let vet = match self.trust {
            Trust::Caller(_) => vet_type,
            Trust::Root | Trust::User(_) => vet,
        };
        vet(&status, wanted).map_err(|reason| Error::new("read", path, reason))?;
        Ok((file, status))
    }
}

fn vet_type(status: &Stat, wanted: FileType) -> Result<(), String> {
    let found = file_type(status);
    if found == wanted {
        return Ok(());
    }
    let (found, wanted) = (describe(found), describe(wanted));
    Err(format!("it is {found}, not {wanted}"))
}

pub(in crate::kernel) fn vet(status: &Stat, wanted: FileType) -> Result<(), String> {
    vet_type(status, wanted)?;
    if status.st_uid != 0 {
        return Err(format!("it belongs to uid {}, not to root", status.st_uid));
    }
    if status.st_mode & 0o022 != 0 {
        let mode = status.st_mode & 0o7777;
        return Err(format!(
            "its mode is {mode:04o}: others than root may write to it"
        ));
    }
    Ok(())
}

fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "a file of unknown type",
    }
}

/// Reads to the end, but no more than one byte past `limit`. `size` is the number of bytes that the file had.
fn read_whole(file: &OwnedFd, size: i64, limit: usize) -> Result<Vec<u8>, Errno> {
    /// The room for a file whose size says nothing, as in /proc.
    const LEAST: usize = 512;
    let (size, most) = (usize::try_from(size).unwrap_or(0), limit.saturating_add(1));
    let mut text = Vec::with_capacity(size.saturating_add(1).clamp(LEAST, most.max(LEAST)));
    loop {
        let room = text.capacity().saturating_sub(text.len());
        let count = match rustix::io::read(file, spare_capacity(&mut text)) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        // A regular file gives less than it is asked for at its end alone (read(2)).
        let is_end = count == 0 || (count < room && text.len() == size);
        if is_end || text.len() >= most {
            break;
        }
        text.reserve(1);
    }
    text.truncate(most);
    Ok(text)
}

/// Facts by which a file is known to be the one it was, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    device: u64,
    inode: u64,
    size: i64,
    /// Seconds and nanoseconds of the last change of the text.
    modified: (i64, u64),
    /// Of the last change of any kind, which nobody can set.
    changed: (i64, u64),
}

impl Version {
    /// Reads the version of the file or directory at `path`; nothing where there is none that can be seen.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        Self::until(&Deadline::none(), path)
    }

    /// Reads it as [`Version::of`] does, and waits for it until the deadline at most. What lies in `/etc` every program of
    /// a login has read before.
    #[must_use]
    pub(crate) fn until(deadline: &Deadline, path: &str) -> Option<Self> {
        let status = match path.starts_with("/etc/") {
            true => rustix::fs::stat(path).ok()?,
            false => reach::status(&Asker::until(deadline), path).ok()?,
        };
        Some(Self {
            device: status.st_dev,
            inode: status.st_ino,
            size: status.st_size,
            modified: (status.st_mtime, status.st_mtime_nsec),
            changed: (status.st_ctime, status.st_ctime_nsec),
        })
    }

    /// Whether the last change is so long ago, in seconds, that another one would have got another time: times
    /// of files have a grain. A time in the future, of a clock that was set back, is not.
    #[must_use]
    pub(crate) fn is_settled(&self, now: i64) -> bool {
        /// Ext3 counts in whole seconds.
        const GRAIN: i64 = 2;
        now.saturating_sub(self.changed.0) > GRAIN
    }
}

/// Reads the file `name` in `parent`, a directory of root's own, of at most `limit` bytes; nothing where it
/// does not exist. Whatever else has its name is not waited for.
///
/// # Errors
///
/// It is not a regular file of root's, is larger, or cannot be read; `path` names it in the message.
pub(crate) fn read_private(
    parent: impl AsFd,
    name: &str,
    limit: usize,
    path: &str,
) -> Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let file = match open_below(parent, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.map_err(|errno| failed(path, errno))?,
    };
    let status = rustix::fs::fstat(&file).map_err(|errno| failed(path, errno))?;
    vet(&status, FileType::RegularFile).map_err(|reason| Error::new("read", path, reason))?;
    let text = read_whole(&file, status.st_size, limit).map_err(|errno| failed(path, errno))?;
    if text.len() > limit {
        return Err(too_large(path, limit));
    }
    Ok(Some(text))
}

/// Gives `parent`, a directory of root's own, the file `name` with these bytes, for root alone. `name` may
/// lie in a directory of `parent`'s. Whoever reads it meanwhile, or after this process was killed, sees the whole of the
/// old or of the new one.
///
/// # Errors
///
/// It cannot be written; the old one is there as before.
pub fn write_private(parent: impl AsFd, name: &str, bytes: &[u8], path: &str) -> Result<()> {
    let mode = Mode::RUSR | Mode::WUSR;
    write(parent, name, mode, bytes).map_err(|errno| not_written(path, errno))
}

/// Gives any directory the file `name` with these bytes, for everybody to read, as [`write_private`] does in one of
/// root's own.
///
/// # Errors
///
/// As [`write_private`].
pub(crate) fn write_public(parent: impl AsFd, name: &str, bytes: &[u8], path: &str) -> Result<()> {
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    write(parent, name, mode, bytes).map_err(|errno| not_written(path, errno))
}

fn write(parent: impl AsFd, name: &str, mode: Mode, bytes: &[u8]) -> Result<(), Errno> {
    let own_name = temporary_name()?;
    // In the directory of the file itself: rename(2) does not go from one file system to another.
    let temporary = match name.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/{own_name}"),
        None => own_name,
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = open_below(&parent, &temporary, flags, mode)?;
    let written = without_size_limit(|| write_whole(&file, bytes))
        .and_then(|()| rustix::fs::renameat(&parent, &temporary, &parent, name));
    written.inspect_err(|_| {
        let _ = rustix::fs::unlinkat(&parent, &temporary, AtFlags::empty());
    })
}

fn write_whole(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Err(Errno::INTR) => {}
            Ok(0) => return Err(Errno::IO),
            count => bytes = bytes.get(count?..).unwrap_or_default(),
        }
    }
    Ok(())
}

fn too_large(path: &str, limit: usize) -> Error {
    Error::new(
        "read",
        path,
        format_args!("it is larger than {limit} bytes"),
    )
}

fn not_written(path: &str, errno: Errno) -> Error {
    Error::from_errno("write", path, errno)
}

fn failed(path: &str, errno: Errno) -> Error {
    Error::from_errno("read", path, errno)
}
