//! Directories of a store as they are looked at: opened once, and used by their descriptors.

use super::mounts::Place;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{check_private, names, open_directory, temporary_name};
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::owner_note::{self, Account};
use crate::kernel::fs::removal;
use crate::kernel::fs::walk::{Trust, Walker, file_type};
use crate::store::layout::STORE_MODES_FOR_OTHERS;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, RenameFlags, Stat, StatxFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::ffi::CString;

/// The number of times that the removal of a tree is taken up again: it stops after a million entries.
const MOST_CALLS: u32 = 64;

/// An opened directory of root's own.
pub(super) struct Directory {
    descriptor: OwnedFd,
    /// Its path without links.
    pub(super) path: String,
    /// The place that distinguishes it from another one of that path.
    pub(super) place: Place,
}

/// An entry of a directory, not followed where it is a link.
pub(super) struct Entry {
    raw: CString,
    /// Its name; what is not UTF-8 in it is replaced.
    pub(super) name: String,
    pub(super) status: Stat,
}

impl Directory {
    /// The store; nothing where it does not exist.
    pub(super) fn store(path: &str) -> Result<Option<Self>> {
        let place = match Walker::new(Trust::User(0))?.open(path, &[]) {
            Err(missing) if missing.is_missing() => return Ok(None),
            other => other?,
        };
        check_private(&place.status, STORE_MODES_FOR_OTHERS, path)?;
        let opened = open_directory(&place, ".");
        let descriptor = opened.map_err(|errno| Error::from_errno("open", path, errno))?;
        Self::of(descriptor, place.path).map(Some)
    }

    /// The directory `name` of root's own in it; nothing where it does not exist.
    pub(super) fn open(&self, name: &str) -> Result<Option<Self>> {
        let path = self.path_of(name);
        let failed = |errno| Error::from_errno("open", &path, errno);
        let descriptor = match open_directory(&self.descriptor, name) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(failed)?,
        };
        check_private(&rustix::fs::fstat(&descriptor).map_err(failed)?, &[], &path)?;
        Self::of(descriptor, path).map(Some)
    }

    fn of(descriptor: OwnedFd, path: String) -> Result<Self> {
        let status = rustix::fs::statx(&descriptor, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
            .map_err(|errno| Error::from_errno("examine", &path, errno))?;
        let place = Place {
            mount: status.stx_mnt_id,
            device: rustix::fs::makedev(status.stx_dev_major, status.stx_dev_minor),
        };
        Ok(Self {
            place,
            descriptor,
            path,
        })
    }

    /// The account that is recorded in the directory `name` of root's own in it; nothing where none is.
    pub(super) fn account_of(&self, name: &str) -> Result<Option<Account>> {
        let Some(directory) = self.open(name)? else {
            return Ok(None);
        };
        Account::read(&directory.descriptor, &directory.path)
    }

    /// Locks it, as long as what it gives is kept, against whoever would give it another name; nothing where somebody
    /// is about to.
    pub(super) fn lock(&self) -> Result<Option<OwnedFd>> {
        owner_note::lock(&self.descriptor, &self.path)
    }

    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    pub(super) fn status(&self) -> Result<Stat> {
        rustix::fs::fstat(&self.descriptor)
            .map_err(|errno| Error::from_errno("examine", &self.path, errno))
    }

    pub(super) fn entries(&self) -> Result<Vec<Entry>> {
        let listed = self.list();
        listed.map_err(|errno| Error::from_errno("list", &self.path, errno))
    }

    fn list(&self) -> Result<Vec<Entry>, Errno> {
        let mut found = Vec::new();
        for raw in names(Dir::read_from(&self.descriptor)?) {
            let raw = raw?;
            match rustix::fs::statat(&self.descriptor, &raw, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => {}
                status => found.push(Entry {
                    name: raw.to_string_lossy().into_owned(),
                    status: status?,
                    raw,
                }),
            }
        }
        found.sort_unstable_by(|one, other| one.raw.cmp(&other.raw));
        Ok(found)
    }

    /// Removes an entry, the very one that was looked at if it is a directory.
    pub(super) fn remove(&self, entry: &Entry) -> Result<()> {
        let path = self.path_of(&entry.name);
        if entry.is_directory() {
            return self.remove_tree(&entry.name, FileIdentity::of(&entry.status), &path);
        }
        match rustix::fs::unlinkat(&self.descriptor, entry.raw.as_c_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::from_errno("remove", path, errno)),
        }
    }

    /// Again and again while the removal gets on: a user may go on writing.
    fn remove_tree(&self, name: &str, identity: FileIdentity, path: &str) -> Result<()> {
        let once = || removal::remove_tree(&self.descriptor, name, identity, path);
        let mut result = once();
        for _ in 1..MOST_CALLS {
            if !result.as_ref().is_err_and(Error::is_unfinished) {
                break;
            }
            result = once();
        }
        result
    }

    /// Gives the entry `name` a temporary name, and returns which.
    pub(super) fn set_aside(&self, name: &str) -> Result<String> {
        let path = self.path_of(name);
        let aside = temporary_name().map_err(|errno| Error::from_errno("rename", &path, errno))?;
        self.rename(name, &aside)?;
        Ok(aside)
    }

    /// Gives an entry another name, unless something has it.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<()> {
        let directory = &self.descriptor;
        rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE)
            .map_err(|errno| Error::from_errno("rename", self.path_of(from), errno))
    }

    /// Gives it the time back that it had: when its user last used the store, not when something was
    /// removed from it.
    pub(super) fn restore_time(&self, status: &Stat) {
        let omitted = Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_OMIT,
        };
        let modified = Timespec {
            tv_sec: status.st_mtime,
            tv_nsec: i64::try_from(status.st_mtime_nsec).unwrap_or(0),
        };
        let times = Timestamps {
            last_access: omitted,
            last_modification: modified,
        };
        let _ = rustix::fs::futimens(&self.descriptor, &times);
    }
}

impl Entry {
    /// Returns the entry under another name.
    pub(super) fn renamed(&self, name: String) -> Result<Self> {
        let raw = CString::new(name.as_str());
        Ok(Self {
            raw: raw.map_err(|reason| Error::new("rename", &self.name, reason))?,
            name,
            status: self.status,
        })
    }

    pub(super) fn is_directory(&self) -> bool {
        file_type(&self.status) == FileType::Directory
    }
}
