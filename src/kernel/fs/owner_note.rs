//! Accounts whose directories bear a user id: written down in them, since the id may be given to another account.

use crate::error::{Error, Result};
use crate::kernel::fs::directory::open_directory;
use crate::kernel::fs::file::{read_private, write_private};
use crate::kernel::fs::identity::FileIdentity;
use crate::store::layout::{NOTE, Owner};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FlockOperation, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// The most bytes that a note may have: a name and a path with room for what JSON makes of them.
const LONGEST_NOTE: usize = 65536;

/// The number of other names that are tried for what is set aside, where several are in one second.
const MOST_NAMES: u64 = 1024;

/// Facts that distinguish an account from another one with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its home directory.
    pub home: String,
}

/// The change of an account since it was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// Another name, or another home directory.
    Altered,
    /// Both another name and another home directory: it is another account.
    Replaced,
}

impl Account {
    /// Compares it with what was written down `before`.
    #[must_use]
    pub(crate) fn change_from(&self, before: &Self) -> Change {
        match (self.name == before.name, self.home == before.home) {
            (true, true) => Change::None,
            (false, false) => Change::Replaced,
            (true, false) | (false, true) => Change::Altered,
        }
    }

    /// Reads the account that is written down in `directory`, one of root's own at `path`; nothing where none is. A note that is
    /// not whole, as after a loss of power, is logged and says nothing.
    ///
    /// # Errors
    ///
    /// It is not a file of root's, or cannot be read.
    pub fn read(directory: impl AsFd, path: &str) -> Result<Option<Self>> {
        let path = path_of_note(path);
        let Some(bytes) = read_private(directory, NOTE, LONGEST_NOTE, &path)? else {
            return Ok(None);
        };
        let account = serde_json::from_slice(&bytes);
        Ok(account
            .map_err(|reason| log::warn!("{}", Error::new("understand", &path, reason)))
            .ok())
    }

    /// Writes it down in `directory`, one of root's own at `path`: all of it or nothing.
    ///
    /// # Errors
    ///
    /// It cannot be written; what was written before is there still.
    pub fn write(&self, directory: impl AsFd, path: &str) -> Result<()> {
        let path = path_of_note(path);
        let bytes =
            serde_json::to_vec(self).map_err(|reason| Error::new("write", &path, reason))?;
        write_private(directory, NOTE, &bytes, &path)
    }
}

fn path_of_note(path: &str) -> String {
    format!("{path}/{NOTE}")
}

/// Removes the note from a directory of root's own at `path`, if it has one.
///
/// # Errors
///
/// It cannot be removed.
pub(crate) fn remove_note(directory: impl AsFd, path: &str) -> Result<()> {
    match rustix::fs::unlinkat(directory, NOTE, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::from_errno("remove", path_of_note(path), errno)),
    }
}

/// Locks a directory that is open, as long as the returned descriptor is open; nothing where another process has locked it.
/// Whoever gives a user's directory another name locks it before.
///
/// # Errors
///
/// It cannot be opened for reading, or its file system knows no locks.
pub fn lock(directory: impl AsFd, path: &str) -> Result<Option<OwnedFd>> {
    let failed = |errno| Error::from_errno("lock", path, errno);
    let opened = open_directory(directory, ".").map_err(failed)?;
    match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(opened)),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
        Err(errno) => Err(failed(errno)),
    }
}

/// Gives the directory of the user `uid` in `parent`, which is open as `directory`, the name of one that was set aside,
/// and returns that; nothing where another process is about to, or has.
///
/// # Errors
///
/// It cannot be locked or renamed.
pub fn set_aside(
    parent: impl AsFd,
    uid: u32,
    directory: impl AsFd,
    path: &str,
) -> Result<Option<String>> {
    let failed = |errno| Error::from_errno("rename", path, errno);
    let name = Owner::User(uid).name();
    let Some(_lock) = lock(&directory, path)? else {
        return Ok(None);
    };
    let present = match rustix::fs::statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        status => status.map_err(failed)?,
    };
    if FileIdentity::of(&present)
        != FileIdentity::of(&rustix::fs::fstat(&directory).map_err(failed)?)
    {
        return Ok(None);
    }
    rename_aside(&parent, uid).map(Some).map_err(failed)
}

fn rename_aside(parent: impl AsFd, uid: u32) -> Result<String, Errno> {
    let name = Owner::User(uid).name();
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = since_1970.map_or(0, |duration| duration.as_secs());
    // The name has the time in it, and the next second is free where another one was set aside in this one.
    for seconds in now..now.saturating_add(MOST_NAMES) {
        let seconds = seconds.to_string();
        let former = Owner::Former {
            uid,
            seconds: &seconds,
        }
        .name();
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&parent, &name, &parent, &former, flags) {
            Err(Errno::EXIST) => {}
            renamed => return renamed.map(|()| former),
        }
    }
    Err(Errno::EXIST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_and_the_home_together_make_another_account() {
        let account = |name: &str, home: &str| Account {
            name: name.to_owned(),
            home: home.to_owned(),
        };
        let before = account("alice", "/home/alice");
        for (name, home, change) in [
            ("alice", "/home/alice", Change::None),
            ("carol", "/home/alice", Change::Altered),
            ("alice", "/srv/alice", Change::Altered),
            ("carol", "/home/carol", Change::Replaced),
            ("", "", Change::Replaced),
        ] {
            let now = account(name, home);
            assert_eq!(now.change_from(&before), change, "{name} {home}");
            assert_eq!(before.change_from(&now), change, "{name} {home}, reversed");
        }
    }
}
