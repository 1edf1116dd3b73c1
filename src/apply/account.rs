//! The account whose instances are in a directory of the store that is named by a user id: what another account has
//! there that had the id before is set aside.

use super::store_entry::StoreEntry;
use super::subject::Subject;
use super::undo::Note;
use crate::error::Result;
use crate::kernel::fs::directory;
use crate::kernel::fs::owner_note::{self, Account, Change};
use crate::kernel::fs::walk::{Trust, Walker};
use crate::path::AbsPath;
use crate::store::layout;
use rustix::fd::OwnedFd;
use rustix::fs::Timespec;
use std::rc::Rc;

/// The time until a directory that another login is setting aside is looked at again.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// The account that instances are made for, and how to find out whether another one has its id too.
#[derive(Clone)]
pub(super) struct Owner {
    account: Account,
    uid: u32,
    has_account: fn(&str, u32) -> Option<bool>,
}

/// The owner of a directory of instances that was there before.
pub(super) enum Ownership {
    /// The account's, or one's that shares its id.
    Own,
    /// The account's as far as anybody knows, and the note has to be written anew.
    ToBeNoted,
    /// Another account's, which had the id before.
    Former(Account),
}

impl Owner {
    /// The account of the subject, if it is known.
    pub(super) fn of(subject: &Subject<'_>) -> Option<Self> {
        Some(Self {
            account: subject.account()?,
            uid: subject.trust.uid(),
            has_account: subject.has_account,
        })
    }

    /// The note for a new directory, not yet written.
    pub(super) fn note_for(&self, directory: &Rc<OwnedFd>, path: &str) -> Note {
        Note {
            directory: Rc::clone(directory),
            path: path.to_owned(),
            account: self.account.clone(),
        }
    }

    /// Reads whose a directory is that was there before.
    pub(super) fn ownership_of(&self, directory: &OwnedFd, path: &str) -> Result<Ownership> {
        // Made by an older version, for the account that has the id now as far as anybody knows.
        let Some(before) = Account::read(directory, path)? else {
            return Ok(Ownership::ToBeNoted);
        };
        Ok(match self.account.change_from(&before) {
            Change::None => Ownership::Own,
            Change::Replaced if self.shares_id_with(&before) => Ownership::Own,
            Change::Replaced => Ownership::Former(before),
            Change::Altered => Ownership::ToBeNoted,
        })
    }

    /// Whether the administrator has given the id to both accounts.
    fn shares_id_with(&self, other: &Account) -> bool {
        (self.has_account)(&other.name, self.uid) == Some(true)
    }

    /// Gives a directory of a former account another name; where another login is about to, gives it a moment.
    pub(super) fn set_aside(
        &self,
        former: &Account,
        entry: StoreEntry<'_>,
        directory: &OwnedFd,
    ) -> Result<()> {
        match owner_note::set_aside(entry.parent, self.uid, directory, entry.path)? {
            Some(name) => self.log_set_aside(former, entry.path, &name),
            None => drop(rustix::thread::nanosleep(&PAUSE)),
        }
        Ok(())
    }

    fn log_set_aside(&self, former: &Account, path: &str, name: &str) {
        let (uid, now, before) = (self.uid, &self.account.name, &former.name);
        log::warn!(
            "the id {uid} of {now} was {before}'s, whose instances in {path} are set aside: they are in {name} beside it"
        );
    }

    /// Writes the note in a directory that is in use already. A login does not fail for it: a store that is full or
    /// read-only has served it so far.
    pub(super) fn renew(&self, directory: &OwnedFd, path: &str) -> Result<()> {
        match self.account.write(directory, path) {
            Err(error) if !error.is_missing() => {
                log::warn!("{error}; whose the instances are is noted by a later login");
                Ok(())
            }
            written => written,
        }
    }
}

/// Notes another name or home of the account whose the instances in `store` are that are named by the id `uid`.
///
/// # Errors
///
/// The store is not as it should be, or the note cannot be read or written.
pub(crate) fn note_change(store: &AbsPath, uid: u32, user: &str, home: &str) -> Result<()> {
    let path = layout::Owner::User(uid).path(store);
    let found = match Walker::new(Trust::User(0))?.open(&path, &[]) {
        Err(missing) if missing.is_missing() => return Ok(()),
        found => found?,
    };
    directory::check_private(&found.status, &[], &path)?;
    let account = Account {
        name: user.to_owned(),
        home: home.to_owned(),
    };
    match Account::read(&found, &path)?.map(|before| account.change_from(&before)) {
        Some(Change::Altered) => account.write(&found, &path),
        Some(Change::None | Change::Replaced) | None => Ok(()),
    }
}
