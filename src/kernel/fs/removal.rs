//! Removing a directory tree that its user may still be writing to.

use crate::error::{Error, Result};
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::open::{names, open_directory};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};

/// The most entries that one removal takes away. A session that goes on writing while its directory is
/// removed must not keep the host process busy for ever.
const MOST_ENTRIES: u32 = 1_000_000;

/// Removes the directory `name` in `parent` with everything in it, by descriptor: never through a link,
/// never into another mount, whatever its depth with two descriptors and no recursion. The descriptor
/// that is emptied is the one whose device and inode were found to be `identity`: who may write to
/// `parent` could exchange the name between two looks.
///
/// # Errors
///
/// It is another directory, an entry cannot be removed, something is mounted in it, or it holds more than a
/// million entries; what was removed until then stays removed. A directory that does not exist is a success.
pub fn remove_tree(
    parent: impl AsFd,
    name: &str,
    identity: FileIdentity,
    path: &str,
) -> Result<()> {
    let failed = |errno| Error::from_errno("remove", path, errno);
    let top = match open_directory(&parent, name) {
        Err(Errno::NOENT) => return Ok(()),
        other => other.map_err(failed)?,
    };
    let status = rustix::fs::fstat(&top).map_err(failed)?;
    if FileIdentity::of(&status) != identity {
        return Err(Error::new("remove", path, "another directory has its name"));
    }
    let mut removal = Removal {
        top,
        moved: 0,
        left: MOST_ENTRIES,
    };
    removal.empty().map_err(|errno| match errno {
        Errno::XDEV | Errno::BUSY => failed(errno).because("something is mounted in it"),
        Errno::NOBUFS => failed(errno).because("it holds too many entries"),
        errno => failed(errno),
    })?;
    rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR).map_err(failed)
}

/// Removes the directory `name` in `parent` unless something is in it.
///
/// # Errors
///
/// It cannot be removed although it is empty.
pub(crate) fn remove_if_empty(parent: impl AsFd, name: &str, path: &str) -> Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::from_errno("remove", path, errno)),
    }
}

struct Removal {
    top: OwnedFd,
    moved: u64,
    left: u32,
}

impl Removal {
    fn empty(&mut self) -> Result<(), Errno> {
        loop {
            let names = entries(&self.top)?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                self.spend()?;
                self.remove(&name)?;
            }
        }
    }

    fn remove(&mut self, name: &CStr) -> Result<(), Errno> {
        let unlink = |flags| rustix::fs::unlinkat(&self.top, name, flags);
        match unlink(AtFlags::empty()).or_else(|_| unlink(AtFlags::REMOVEDIR)) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => self.flatten(name),
            Err(Errno::NOTDIR) => unlink(AtFlags::empty()),
            Err(Errno::NOENT) => Ok(()),
            other => other,
        }
    }

    /// Moves what is in a directory one level up, where the next pass finds it.
    fn flatten(&mut self, name: &CStr) -> Result<(), Errno> {
        let below = rustix::fs::openat2(
            &self.top,
            name,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH,
        )?;
        for entry in entries(&below)? {
            self.spend()?;
            self.move_up(&below, &entry)?;
        }
        match rustix::fs::unlinkat(&self.top, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::NOENT) => Ok(()),
            other => other,
        }
    }

    fn move_up(&mut self, below: &OwnedFd, entry: &CStr) -> Result<(), Errno> {
        loop {
            self.moved = self.moved.saturating_add(1);
            let name = format!(".jns-removed-{}", self.moved);
            let flags = RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(below, entry, &self.top, name, flags) {
                Err(Errno::EXIST) => self.spend()?,
                Err(Errno::NOENT) => return Ok(()),
                other => return other,
            }
        }
    }

    fn spend(&mut self) -> Result<(), Errno> {
        self.left = self.left.checked_sub(1).ok_or(Errno::NOBUFS)?;
        Ok(())
    }
}

fn entries(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    names(Dir::read_from(directory)?).take(4096).collect()
}
