//! `/run/jns`: root's own directory, in which the module and the command keep what they know.

use crate::error::{Error, Result};
use crate::kernel::fs::directory;
use crate::kernel::fs::file;
use crate::kernel::fs::walk::{Trust, Walker};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::rc::Rc;

/// The path of the runtime directory.
pub const PATH: &str = "/run/jns";

/// The directory that holds it.
const PARENT: &str = "/run";

/// The largest file that is read, in bytes.
const LIMIT: usize = 1024 * 1024;

/// The opened `/run/jns`, verified: a directory of root's that nobody else may use. Whatever lies in it was
/// therefore put there by root.
#[derive(Debug, Clone)]
pub struct Runtime(Rc<OwnedFd>);

/// Opens the runtime directory in three calls where nobody but root writes to what holds it, and there is no link on the
/// way: otherwise the way is to be vetted name by name.
fn open_by_roots_way() -> Result<(OwnedFd, Stat), Errno> {
    let parent = rustix::fs::stat(PARENT)?;
    if parent.st_uid != 0 || parent.st_mode & 0o022 != 0 {
        return Err(Errno::PERM);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat2(CWD, PATH, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    let status = rustix::fs::fstat(&opened)?;
    Ok((opened, status))
}

impl AsFd for Runtime {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Runtime {
    /// Opens it where it exists.
    ///
    /// # Errors
    ///
    /// Somebody else than root may use it, could replace it, or it is not a directory.
    pub fn find() -> Result<Option<Self>> {
        let (descriptor, status) = match open_by_roots_way() {
            Err(Errno::NOENT) => return Ok(None),
            Err(_) => match Walker::new(Trust::User(0))?.open(PATH, &[]) {
                Err(missing) if missing.is_missing() => return Ok(None),
                walked => walked.map(|place| (place.descriptor, place.status))?,
            },
            Ok((opened, status)) => (Rc::new(opened), status),
        };
        directory::check_private(&status, &[], PATH)?;
        Ok(Some(Self(descriptor)))
    }

    /// Opens it, and makes it where it is missing.
    ///
    /// # Errors
    ///
    /// As [`Runtime::find`], or it cannot be made.
    pub fn open() -> Result<Self> {
        if let Some(found) = Self::find()? {
            return Ok(found);
        }
        let (parent, name) = Walker::new(Trust::User(0))?.open_parent(PATH, &[])?;
        let made = directory::ensure_private(&parent.descriptor, name, PATH)?;
        Ok(Self(Rc::new(made)))
    }

    /// Opens the directory `name` in it, made where it is missing; an `O_PATH` descriptor.
    ///
    /// # Errors
    ///
    /// It is not a directory of root's own, or cannot be made.
    pub fn directory(&self, name: &str) -> Result<OwnedFd> {
        directory::ensure_private(&self.0, name, &format!("{PATH}/{name}"))
    }

    /// Reads a file below it, `session/0123456789abcdef` for example; nothing where it does not exist.
    ///
    /// # Errors
    ///
    /// It is not a regular file of root's, is larger than 1 MiB, or cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        file::read_private(&self.0, name, LIMIT, &format!("{PATH}/{name}"))
    }

    /// Writes the file `name` in the directory `directory` below it: whole or not at all.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, directory: &str, name: &str, bytes: &[u8]) -> Result<()> {
        let name = format!("{directory}/{name}");
        let write = || file::write_private(&self.0, &name, bytes, &format!("{PATH}/{name}"));
        self.with_directory(directory, write)
    }

    /// Does something in the directory `directory` below it, which is made when it turns out to be missing.
    ///
    /// # Errors
    ///
    /// It cannot be made, or what was to be done fails.
    pub fn with_directory<T>(&self, directory: &str, act: impl Fn() -> Result<T>) -> Result<T> {
        match act() {
            Err(missing) if missing.is_missing() => {
                self.directory(directory)?;
                act()
            }
            done => done,
        }
    }

    /// Removes a file below it; that it does not exist is a success.
    ///
    /// # Errors
    ///
    /// unlinkat(2) failed.
    pub fn remove(&self, name: &str) -> Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::from_errno(
                "remove",
                format_args!("{PATH}/{name}"),
                errno,
            )),
        }
    }

    /// The names in a directory below it, in byte order; none where it does not exist.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn list(&self, directory: &str) -> Result<Vec<String>> {
        let failed = |errno| Error::from_errno("list", format_args!("{PATH}/{directory}"), errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match rustix::fs::openat(&self.0, directory, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let listed = Dir::new(opened).and_then(directory::sorted_names);
        listed.map_err(failed)
    }
}
