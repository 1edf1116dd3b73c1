//! Directories and files that the module makes: finished before anybody can see them under their name.

use super::walk::{self, file_type};
use crate::error::{Error, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::Errno;
use std::rc::Rc;

/// Permission bits, owner and group of something that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// Owner's user id.
    pub uid: u32,
    /// Owning group's id.
    pub gid: u32,
}

/// A directory or file made under a temporary name in `parent`. Dropped, it is removed again;
/// [`Draft::publish`] gives it its name.
#[derive(Debug)]
pub struct Draft {
    parent: Rc<OwnedFd>,
    name: String,
    flags: AtFlags,
}

/// Whether an entry got its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// It is there now.
    Done,
    /// Somebody else published an entry of that name first; the draft is gone.
    Preceded,
}

impl Draft {
    /// Makes an empty directory of the given form, and opens it for reading.
    ///
    /// # Errors
    ///
    /// Any of the steps failed, or somebody exchanged the new directory; `path` names what it will be.
    pub fn directory(parent: &Rc<OwnedFd>, form: Form, path: &str) -> Result<(Self, OwnedFd)> {
        let failed = |errno| Error::from_errno("create", path, errno);
        let name = temporary_name().map_err(failed)?;
        rustix::fs::mkdirat(parent, &name, Mode::RWXU).map_err(failed)?;
        let draft = Self {
            parent: Rc::clone(parent),
            name,
            flags: AtFlags::REMOVEDIR,
        };
        let directory = open_directory(parent, &draft.name).map_err(failed)?;
        check_untouched(&directory, path)?;
        shape(&directory, form).map_err(failed)?;
        Ok((draft, directory))
    }

    /// Makes an empty file of the given form, and opens it.
    ///
    /// # Errors
    ///
    /// Any of the steps failed.
    pub fn file(parent: &Rc<OwnedFd>, form: Form, path: &str) -> Result<(Self, OwnedFd)> {
        let failed = |errno| Error::from_errno("create", path, errno);
        let name = temporary_name().map_err(failed)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(parent, &name, flags, Mode::RUSR).map_err(failed)?;
        let draft = Self {
            parent: Rc::clone(parent),
            name,
            flags: AtFlags::empty(),
        };
        shape(&file, form).map_err(failed)?;
        Ok((draft, file))
    }

    /// Gives it its name, unless there is an entry of that name.
    ///
    /// # Errors
    ///
    /// renameat2(2) failed; the file system may lack RENAME_NOREPLACE, as NFS does.
    pub fn publish(mut self, name: &str, path: &str) -> Result<Publication> {
        let parent = &self.parent;
        match rustix::fs::renameat_with(parent, &self.name, parent, name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.name.clear();
                Ok(Publication::Done)
            }
            Err(Errno::EXIST) => Ok(Publication::Preceded),
            Err(errno) => Err(Error::from_errno("create", path, errno)),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        if let Err(errno) = rustix::fs::unlinkat(&self.parent, &self.name, self.flags) {
            log::warn!("cannot remove {}: {}", self.name, errno.kind());
        }
    }
}

/// An entry that this login made under its own name. Dropped, it is removed again if it is still empty;
/// [`Made::keep`] lets it stay.
#[derive(Debug)]
pub struct Made {
    parent: Rc<OwnedFd>,
    name: String,
    flags: AtFlags,
}

impl Made {
    /// The directory or file `name` in `parent`.
    #[must_use]
    pub fn new(parent: Rc<OwnedFd>, name: &str, kind: FileType) -> Self {
        let flags = match kind {
            FileType::Directory => AtFlags::REMOVEDIR,
            _ => AtFlags::empty(),
        };
        Self {
            parent,
            name: name.to_owned(),
            flags,
        }
    }

    /// Lets it stay.
    pub fn keep(mut self) {
        self.name.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = rustix::fs::unlinkat(&self.parent, &self.name, self.flags);
        }
    }
}

fn temporary_name() -> std::result::Result<String, Errno> {
    let mut bits = [0_u8; 8];
    rustix::rand::getrandom(&mut bits, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!(".jns-{:016x}", u64::from_ne_bytes(bits)))
}

/// Opens a directory for reading, never a link and never anything that could block.
///
/// # Errors
///
/// The error number of openat(2): ENOTDIR for a link as for a file.
pub fn open_directory(parent: impl AsFd, name: &str) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// In a directory that a user may write to, the new entry can be exchanged before it is opened. Only an
/// empty directory of root's own may be given away.
fn check_untouched(directory: &OwnedFd, path: &str) -> Result<()> {
    let failed = |errno| Error::from_errno("create", path, errno);
    let status = rustix::fs::fstat(directory).map_err(failed)?;
    let mut entries = Dir::read_from(directory).map_err(failed)?;
    let empty = entries
        .all(|entry| entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b"..")));
    if status.st_uid != rustix::process::geteuid().as_raw() || !empty {
        return Err(Error::new(
            "create",
            path,
            "somebody exchanged the new directory",
        ));
    }
    Ok(())
}

/// Owner first: chown(2) takes the set-id bits away.
fn shape(file: &OwnedFd, form: Form) -> std::result::Result<(), Errno> {
    set_owner(file, form)?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(form.mode))
}

fn set_owner(file: &OwnedFd, form: Form) -> std::result::Result<(), Errno> {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the room that changes owners"
    )]
    rustix::fs::fchown(
        file,
        Some(Uid::from_raw(form.uid)),
        Some(Gid::from_raw(form.gid)),
    )
}

/// Verifies an existing instance against the form it should have. A wrong mode or group, and an owner
/// that is root where the user should be or the other way round, are repaired; another owner is refused.
///
/// # Errors
///
/// It belongs to somebody else, or the repair failed.
pub fn verify(directory: &OwnedFd, form: Form, user: u32, path: &str) -> Result<()> {
    let failed = |errno| Error::from_errno("repair", path, errno);
    let status = rustix::fs::fstat(directory).map_err(failed)?;
    let expected = [0, user, form.uid];
    if !expected.contains(&status.st_uid) {
        let owner = status.st_uid;
        let reason = format!("it belongs to uid {owner}, not to uid {}", form.uid);
        return Err(Error::new("use", path, reason));
    }
    if (status.st_uid, status.st_gid) != (form.uid, form.gid) {
        set_owner(directory, form).map_err(failed)?;
    } else if status.st_mode & 0o7777 == form.mode {
        return Ok(());
    }
    rustix::fs::fchmod(directory, Mode::from_raw_mode(form.mode)).map_err(failed)
}

/// Opens the directory `name` of root's own in `parent`, making it for root alone where it is missing.
///
/// # Errors
///
/// It is not a directory of root's, others may use it, or it cannot be made.
pub fn open_or_make_private(
    parent: BorrowedFd<'_>,
    name: &str,
    path: &str,
) -> Result<(OwnedFd, bool)> {
    let failed = |errno| Error::from_errno("open", path, errno);
    let mut made = false;
    let directory = match walk::open_entry(parent, name) {
        Err(Errno::NOENT) => {
            made = match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
                Err(Errno::EXIST) => false,
                other => other
                    .map(|()| true)
                    .map_err(|e| Error::from_errno("create", path, e))?,
            };
            walk::open_entry(parent, name).map_err(failed)?
        }
        other => other.map_err(failed)?,
    };
    let status = rustix::fs::fstat(&directory).map_err(failed)?;
    check_private(&status, &[], path)?;
    Ok((directory, made))
}

/// Checks that a directory is root's and that nobody else has rights in it, unless its mode is one of
/// `accepted`.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_private(status: &Stat, accepted: &[u32], path: &str) -> Result<()> {
    let refused = |reason: String| Err(Error::new("use", path, reason));
    if file_type(status) != FileType::Directory {
        return refused("it is not a directory".to_owned());
    }
    if status.st_uid != 0 {
        return refused(format!("it belongs to uid {}, not to root", status.st_uid));
    }
    let mode = status.st_mode & 0o7777;
    if mode & 0o077 != 0 && !accepted.contains(&mode) {
        return refused(format!(
            "its mode is {mode:04o}; root alone may use it (0700)"
        ));
    }
    Ok(())
}
