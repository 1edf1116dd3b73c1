//! The instances of a user id, which are an account's: what another one has kept that had the id before is set aside.

use super::Build;
use super::undo::Note;
use crate::apply::Subject;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{self, Draft};
use crate::kernel::fs::owner_note::{self, Account, Change};
use crate::kernel::fs::walk::{Trust, Walker};
use crate::store::layout;
use rustix::fd::OwnedFd;
use rustix::fs::Timespec;
use std::rc::Rc;

/// Until a directory that another login is setting aside is looked at again.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// The account that instances are made for, and how to find out whether another one has its id too.
pub(super) struct Owner {
    account: Account,
    has_account: fn(&str, u32) -> Option<bool>,
}

impl Build<'_> {
    /// Shows the user no instances that another account has kept by the same id.
    pub(in crate::apply) fn keep_apart(&mut self, subject: &Subject<'_>) {
        self.owner = subject.account().map(|account| Owner {
            account,
            has_account: subject.has_account,
        });
    }

    /// Whether a directory of the store is that of all instances of the user's id.
    pub(super) fn is_users_own(&self, path: &str) -> bool {
        path == layout::Owner::User(self.uid).path(&self.plan.store)
    }

    /// The directory `name` of the user's instances in `parent`, made where it is missing, with the note whose it is.
    pub(super) fn users_directory(
        &mut self,
        parent: &Rc<OwnedFd>,
        name: &str,
        path: &str,
    ) -> Result<Rc<OwnedFd>> {
        let Some(Owner { account, .. }) = &self.owner else {
            return self.private_directory(parent, name, path);
        };
        let account = account.clone();
        let found = directory::open_or_make_private(parent, name, path);
        let (found, draft) = self.note_vanished(found)?;
        let found = Rc::new(found);
        match draft {
            Some(draft) => self.note_new(draft, &found, account, path)?,
            None => self.check_account(parent, &found, &account, path)?,
        }
        Ok(found)
    }

    fn note_new(
        &mut self,
        draft: Draft,
        directory: &Rc<OwnedFd>,
        account: Account,
        path: &str,
    ) -> Result<()> {
        let written = account.write(directory, path);
        let note = Note {
            directory: Rc::clone(directory),
            path: path.to_owned(),
            account,
        };
        self.undo.push_noted(draft, note);
        self.note_vanished(written)
    }

    /// Checks whose a directory of instances is that was there before. One of another account's is set aside, and the
    /// login starts again.
    fn check_account(
        &mut self,
        parent: &Rc<OwnedFd>,
        directory: &Rc<OwnedFd>,
        account: &Account,
        path: &str,
    ) -> Result<()> {
        let noted = Account::read(directory, path)?;
        match noted.map(|before| (account.change_from(&before), before)) {
            Some((Change::None, _)) => Ok(()),
            Some((Change::Replaced, before)) if self.shares_id_with(&before) => Ok(()),
            Some((Change::Replaced, before)) => {
                self.overtaken = true;
                match owner_note::set_aside(parent, self.uid, directory, path)? {
                    Some(former) => log_set_aside(self.uid, account, &before, path, &former),
                    None => drop(rustix::thread::nanosleep(&PAUSE)),
                }
                Err(Error::new("use", path, "it is another account's"))
            }
            // Made by an older version, for the account that has the id now as far as anybody knows.
            None | Some((Change::Altered, _)) => {
                self.note_vanished(renew(account, directory, path))
            }
        }
    }

    /// Whether the administrator has given the id to both accounts.
    fn shares_id_with(&self, other: &Account) -> bool {
        let mut owners = self.owner.iter();
        owners.any(|owner| (owner.has_account)(&other.name, self.uid) == Some(true))
    }
}

/// Notes another name or home of the account whose the instances in `store` are that are kept by the id `uid`.
///
/// # Errors
///
/// The store is not as it should be, or the note cannot be read or written.
pub fn note_change(store: &str, uid: u32, user: &str, home: &str) -> Result<()> {
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

/// Writes the note in a directory that is in use already. A login does not fail for it: a store that is full or
/// read-only has served it so far.
fn renew(account: &Account, directory: &Rc<OwnedFd>, path: &str) -> Result<()> {
    match account.write(directory, path) {
        Err(error) if !error.is_missing() => {
            log::warn!("{error}; whose the instances are is noted by a later login");
            Ok(())
        }
        written => written,
    }
}

fn log_set_aside(uid: u32, now: &Account, before: &Account, path: &str, former: &str) {
    let (now, before) = (&now.name, &before.name);
    log::warn!(
        "the id {uid} of {now} was {before}'s, whose instances in {path} are set aside: they are in {former} beside it"
    );
}
