//! Files that the module trusts: read by one descriptor, after everything on the way was vetted; and its
//! own, written whole or not at all.

use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::asker::{Asker, Copied, CopiedFile, Opened, Reached};
use crate::kernel::fs::directory::{name_of_now, sorted_names, temporary_name};
use crate::kernel::fs::reach;
use crate::kernel::fs::walk::{Trust, Walker, file_type, open_below};
use crate::kernel::fs::whole::{read_whole, write_whole};
use crate::kernel::process::limits::without_size_limit;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

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

    /// Opens the directory that holds the last component of `path`, as [`TrustedDirectory::holding`] does, and waits for it
    /// and what is in it until the deadline at most.
    ///
    /// # Errors
    ///
    /// As [`TrustedDirectory::holding`]; or its file system does not answer ([`Error::is_silent`]).
    pub(crate) fn holding_until<'p>(
        deadline: &Deadline,
        trust: Trust,
        path: &'p str,
    ) -> Result<(Self, &'p str)> {
        Self::of(Walker::new(trust)?.until(deadline), trust, path)
    }

    /// Opens the directory `name` in it, which has to be as trusted.
    ///
    /// # Errors
    ///
    /// As [`TrustedDirectory::holding`]; or it is a link.
    pub fn directory(&self, name: &str) -> Result<Self> {
        self.open_directory(name).map(|(directory, _)| directory)
    }

    /// Opens the directory `name` in it, as [`TrustedDirectory::directory`] does, and tells what it was then.
    ///
    /// # Errors
    ///
    /// As [`TrustedDirectory::directory`].
    pub(crate) fn open_directory(&self, name: &str) -> Result<(Self, Version)> {
        let path = &format!("{}{name}", self.path);
        let failed = |errno| not_opened(path, errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (parent, asker) = (self.place.as_parent(), self.asker.clone());
        let (place, status) = match asker.open_file(parent, name, flags).map_err(failed)? {
            Some(opened) => {
                let status = rustix::fs::fstat(&opened).map_err(failed)?;
                (Reached::answering(opened), status)
            }
            None => {
                let opened = asker.open_entry(parent, name, 0).map_err(failed)?;
                let Opened {
                    descriptor, status, ..
                } = opened;
                let place = Reached {
                    descriptor: Rc::new(descriptor),
                    asked: Some(status),
                    copy: Copied::new(),
                };
                (place, status)
            }
        };
        self.vet(path, &status, FileType::Directory)?;
        let directory = Self {
            place,
            path: format!("{path}/"),
            trust: self.trust,
            asker,
        };
        Ok((directory, Version::of_status(&status)))
    }

    /// The names in it, in byte order. Names that are not UTF-8 are left out.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let listed = match &self.place.asked {
            None => Dir::read_from(&self.place.descriptor).and_then(sorted_names),
            Some(status) => self
                .asker
                .list(self.place.descriptor.as_fd(), status)
                .and_then(|listed| names_in(&listed)),
        };
        listed.map_err(|errno| not_opened(self.path.trim_end_matches('/'), errno))
    }

    /// Reads the file `name` in it, as [`read_trusted`] does.
    ///
    /// # Errors
    ///
    /// As [`read_trusted`].
    pub fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>> {
        self.read_version(name, limit).map(|(text, _)| text)
    }

    /// Reads the file `name` in it, as [`TrustedDirectory::read`] does, and tells what it was then.
    ///
    /// # Errors
    ///
    /// As [`read_trusted`].
    pub(crate) fn read_version(&self, name: &str, limit: usize) -> Result<(Vec<u8>, Version)> {
        let path = &format!("{}{name}", self.path);
        let failed = |errno| not_opened(path, errno);
        let file = self.open(name, limit).map_err(failed)?;
        let before = file.before().map_err(failed)?;
        self.vet(path, &before, FileType::RegularFile)?;
        if usize::try_from(before.st_size).is_ok_and(|size| size > limit) {
            return Err(too_large(path, limit));
        }
        // The size was no promise: a file may grow while it is read.
        let text = read_whole(file.text(), before.st_size, limit).map_err(failed)?;
        let after = file.after().map_err(failed)?;
        if text.len() > limit {
            return Err(too_large(path, limit));
        }
        let version = |s: &Stat| (s.st_size, s.st_mtime, s.st_mtime_nsec);
        if version(&before) != version(&after) {
            return Err(Error::new("read", path, "it changed while it was read"));
        }
        Ok((text, Version::of_status(&before)))
    }

    fn open(&self, name: &str, limit: usize) -> Result<Readable, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (parent, asker) = (self.place.as_parent(), &self.asker);
        match asker.open_file(parent, name, flags)? {
            Some(file) => Ok(Readable::Open(file)),
            None => asker
                .copy_file(parent, name, flags, limit)
                .map(|copied| Readable::Copied(Box::new(copied))),
        }
    }

    fn vet(&self, path: &str, status: &Stat, wanted: FileType) -> Result<()> {
        let vet = match self.trust {
            Trust::Caller(_) => vet_type,
            Trust::Root | Trust::User(_) => vet,
        };
        vet(status, wanted).map_err(|reason| Error::new("read", path, reason))
    }
}

/// A file that can be read without waiting for it.
enum Readable {
    /// The file, on a file system that answers.
    Open(OwnedFd),
    /// A copy in memory.
    Copied(Box<CopiedFile>),
}

impl Readable {
    /// What is read.
    fn text(&self) -> &OwnedFd {
        match self {
            Self::Open(file) => file,
            Self::Copied(copied) => &copied.text,
        }
    }

    /// Its status, as long as nothing of it is read.
    fn before(&self) -> Result<Stat, Errno> {
        match self {
            Self::Open(file) => rustix::fs::fstat(file),
            Self::Copied(copied) => Ok(copied.before),
        }
    }

    /// Its status once it is read.
    fn after(&self) -> Result<Stat, Errno> {
        match self {
            Self::Open(file) => rustix::fs::fstat(file),
            Self::Copied(copied) => Ok(copied.after),
        }
    }
}

/// The names that a child has listed ([`Asker::list`]).
fn names_in(listed: &OwnedFd) -> Result<Vec<String>, Errno> {
    let bytes = read_whole(listed, rustix::fs::fstat(listed)?.st_size, usize::MAX)?;
    let names = bytes.split(|byte| *byte == 0);
    let is_entry = |name: &&[u8]| !matches!(*name, b"" | b"." | b"..");
    let mut names: Vec<String> = names
        .filter(is_entry)
        .filter_map(|name| String::from_utf8(name.to_vec()).ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Explains why a trusted file or directory cannot be opened or read.
fn not_opened(path: &str, errno: Errno) -> Error {
    match errno {
        Errno::LOOP => Error::new("read", path, "it is a symbolic link"),
        Errno::NOTDIR => Error::new("read", path, "it is not a directory"),
        Errno::NXIO => Error::new("read", path, "it is a socket, not a regular file"),
        Errno::TIMEDOUT => failed(path, errno).because("it does not answer").silent(),
        errno => failed(path, errno),
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
    /// The version of the file or directory that has this status.
    fn of_status(status: &Stat) -> Self {
        Self {
            device: status.st_dev,
            inode: status.st_ino,
            size: status.st_size,
            modified: (status.st_mtime, status.st_mtime_nsec),
            changed: (status.st_ctime, status.st_ctime_nsec),
        }
    }

    /// Reads the version of the file or directory at `path`; nothing where there is none that can be seen.
    ///
    /// # Errors
    ///
    /// ETIMEDOUT: it does not answer.
    pub(crate) fn find(asker: &Asker, path: &str) -> Result<Option<Self>, Errno> {
        match reach::status(asker, path) {
            Err(Errno::TIMEDOUT) => Err(Errno::TIMEDOUT),
            found => Ok(found.ok().as_ref().map(Self::of_status)),
        }
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
    // Two processes may ask for the time at once.
    let written =
        write(&parent, (name, &name_of_now()), mode, bytes).or_else(|errno| match errno {
            Errno::EXIST => write(&parent, (name, &temporary_name()?), mode, bytes),
            errno => Err(errno),
        });
    written.map_err(|errno| not_written(path, errno))
}

/// Gives any directory the file `name` with these bytes, for everybody to read, as [`write_private`] does in one of
/// root's own.
///
/// # Errors
///
/// As [`write_private`].
pub(crate) fn write_public(parent: impl AsFd, name: &str, bytes: &[u8], path: &str) -> Result<()> {
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    let written =
        temporary_name().and_then(|own_name| write(parent, (name, &own_name), mode, bytes));
    written.map_err(|errno| not_written(path, errno))
}

fn write(
    parent: impl AsFd,
    (name, own_name): (&str, &str),
    mode: Mode,
    bytes: &[u8],
) -> Result<(), Errno> {
    // In the directory of the file itself: rename(2) does not go from one file system to another.
    let temporary = match name.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/{own_name}"),
        None => own_name.to_owned(),
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = open_below(&parent, &temporary, flags, mode)?;
    let written = without_size_limit(|| write_whole(&file, bytes))
        .and_then(|()| rustix::fs::renameat(&parent, &temporary, &parent, name));
    written.inspect_err(|_| {
        let _ = rustix::fs::unlinkat(&parent, &temporary, AtFlags::empty());
    })
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
