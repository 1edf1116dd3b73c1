//! The collection of what sessions have left in a store.

use super::collector::{ABANDONED, Collector, Leftover, MOUNTED};
use super::directory::{Directory, Entry};
use super::records::Ledger;
use super::remains::Kind;
use crate::error::Result;
use crate::kernel::fs::directory::is_temporary;
use crate::login::SessionId;
use crate::path::AbsPath;
use crate::session::runtime::Runtime;
use crate::store::layout::{Owner, OwnerKind, is_name_in_store};
use std::time::Duration;

/// The time for which a session's directory that nobody shows may be that of a login that is under way.
const BEING_MADE: Duration = Duration::from_secs(10 * 60);

impl Collector<'_> {
    /// Removes what nobody needs in a store.
    pub(super) fn collect_store(&mut self, path: &AbsPath, ledger: &Ledger) -> Result<()> {
        let Some(store) = Directory::store(path.as_str())? else {
            return Ok(());
        };
        let mut collection = StoreCollection {
            collector: self,
            ledger,
        };
        collection.collect_top(&store)?;
        for kind in OwnerKind::ALL {
            let collected = collection.collect_owners(&store, kind);
            collection
                .collector
                .note_failure(Kind::SessionDirectory, collected);
        }
        let request = collection.collector.request;
        let is_settled = request.stores.contains(path);
        if is_settled && (request.unused_for.is_some() || request.is_deleted.is_some()) {
            collection.collect_expired(&store)?;
        }
        collection.note_set_aside(&store)
    }

    /// Notes something that has a name which the module gives to nothing.
    pub(super) fn note_foreign(&mut self, path: &str) {
        self.leave(Kind::Foreign, path, "the module gives nothing such a name");
    }
}

/// The collection of one store under way.
pub(super) struct StoreCollection<'c, 'r> {
    pub(super) collector: &'c mut Collector<'r>,
    pub(super) ledger: &'c Ledger,
}

impl StoreCollection<'_, '_> {
    /// Removes what nobody needs in the directory of the store itself.
    fn collect_top(&mut self, store: &Directory) -> Result<()> {
        for entry in store.entries()? {
            match entry.name.as_str() {
                name if is_name_in_store(name) => {}
                name if is_temporary(name) => self.collect_temporary(store, &entry),
                name => self.collector.note_foreign(&store.path_of(name)),
            }
        }
        Ok(())
    }

    /// Notes the instances that were set aside, unless something was said of them before.
    fn note_set_aside(&mut self, store: &Directory) -> Result<()> {
        let Some(parent) = store.open(OwnerKind::User.name())? else {
            return Ok(());
        };
        for entry in parent.entries()? {
            let path = parent.path_of(&entry.name);
            let mut found = self.collector.found.iter();
            let is_noted = found.any(|remains| remains.path == path);
            let Some(Owner::Former { uid, .. }) = Owner::parse(OwnerKind::User, &entry.name) else {
                continue;
            };
            if is_noted {
                continue;
            }
            let account = parent.account_of(&entry.name).ok().flatten();
            let name = account.map_or_else(|| "an account".to_owned(), |account| account.name);
            let reason = format!("set aside: it is of {name}, that had the id {uid} before");
            self.collector.leave(Kind::Instances, &path, &reason);
        }
        Ok(())
    }

    /// Removes what nobody needs in the directory of a kind of owners.
    fn collect_owners(&mut self, store: &Directory, kind: OwnerKind) -> Result<()> {
        let Some(directory) = store.open(kind.name())? else {
            return Ok(());
        };
        for entry in directory.entries()? {
            let owner = Owner::parse(kind, &entry.name).filter(|_| entry.is_directory());
            match owner {
                _ if is_temporary(&entry.name) => self.collect_temporary(&directory, &entry),
                None => self.collector.note_foreign(&directory.path_of(&entry.name)),
                Some(Owner::Session(_)) if self.collect_session(&directory, &entry) => {}
                Some(_) => {
                    let collected = self.collect_owner(&directory, &entry, kind);
                    self.collector.note_failure(Kind::Temporary, collected);
                }
            }
        }
        Ok(())
    }

    /// Removes the directory of a session that has ended, and returns whether it had.
    fn collect_session(&mut self, directory: &Directory, entry: &Entry) -> bool {
        let Some(id) = SessionId::parse(&entry.name) else {
            return false;
        };
        let ended = self.ledger.has_ended_session(&id);
        let old = self.collector.age(&entry.status) >= BEING_MADE;
        let name = OwnerKind::Session.path_of_entry(id.as_str());
        if self.ledger.has_live_session(&id) || !(ended || old) || self.is_shown(directory, &name) {
            return false;
        }
        let leftover = Leftover {
            kind: Kind::SessionDirectory,
            path: &directory.path_of(&entry.name),
            reason: "its session has ended",
        };
        self.remove_tree(leftover, directory, entry);
        true
    }

    /// Removes what nobody needs in a session's, user's or group's directory that stays.
    fn collect_owner(&mut self, parent: &Directory, entry: &Entry, kind: OwnerKind) -> Result<()> {
        let Some(directory) = parent.open(&entry.name)? else {
            return Ok(());
        };
        for inner in directory.entries()? {
            if is_temporary(&inner.name) {
                self.collect_inner_temporary(&directory, &inner, kind)?;
            } else if !(inner.is_directory() || kind.is_note(&inner.name)) {
                self.collector.note_foreign(&directory.path_of(&inner.name));
            }
        }
        Ok(())
    }

    /// Removes what was being made in an owner's directory. The time of a user's directory shows when it was used
    /// last, so it stays what it is. A login that sets it has the user's lock.
    fn collect_inner_temporary(
        &mut self,
        directory: &Directory,
        entry: &Entry,
        kind: OwnerKind,
    ) -> Result<()> {
        let dry_run = self.collector.request.dry_run;
        let name = directory.path.rsplit('/').next();
        let uid = name.and_then(|name| Owner::parse(kind, name)?.uid());
        let _lock = match uid.filter(|_| !dry_run) {
            Some(uid) => match self.collector.try_lock(&Runtime::open()?, uid)? {
                None => return Ok(()),
                lock => lock,
            },
            None => None,
        };
        let before = directory.status()?;
        self.collect_temporary(directory, entry);
        if !dry_run && kind == OwnerKind::User {
            directory.restore_time(&before);
        }
        Ok(())
    }

    /// Removes what was being made, or removed, when the process that did it was killed.
    fn collect_temporary(&mut self, directory: &Directory, entry: &Entry) {
        let is_abandoned = self.collector.age(&entry.status) >= ABANDONED;
        if is_abandoned && !self.is_shown(directory, &entry.name) {
            let leftover = Leftover {
                kind: Kind::Temporary,
                path: &directory.path_of(&entry.name),
                reason: "whoever made or removed it was killed",
            };
            self.remove_tree(leftover, directory, entry);
        }
    }

    fn remove_tree(&mut self, leftover: Leftover<'_>, directory: &Directory, entry: &Entry) {
        match self.collector.mounts() {
            Ok(mounts) if mounts.hold_mount_in(leftover.path) => {
                self.collector.leave(leftover.kind, leftover.path, MOUNTED);
            }
            Ok(_) => self.collector.dispose(leftover, || directory.remove(entry)),
            Err(error) => self.collector.note_failure(leftover.kind, Err(error)),
        }
    }

    /// Whether an entry of a directory of the store, or something in it, is mounted somewhere. Where that cannot be known
    /// it may be, and the reason is noted.
    fn is_shown(&mut self, directory: &Directory, name: &str) -> bool {
        match self.collector.mounts() {
            Ok(mounts) => mounts.show(directory.place, name),
            Err(error) => {
                self.collector
                    .note_failure(Kind::SessionDirectory, Err(error));
                true
            }
        }
    }
}
