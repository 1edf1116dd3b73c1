//! What sessions have left in a store.

use super::directory::{Directory, Entry};
use super::mounts::Views;
use super::records::Ledger;
use super::{ABANDONED, Collector, Kind, MOUNTED};
use crate::error::Result;
use crate::kernel::fs::directory::is_temporary;
use crate::login::SessionId;
use crate::session::runtime::Runtime;
use crate::store::layout::{Owner, OwnerKind, is_name_in_store};
use std::time::Duration;

/// Until then, a session's directory that nobody shows may be that of a login that is under way.
const BEING_MADE: Duration = Duration::from_secs(10 * 60);

impl Collector<'_> {
    /// Removes what nobody needs in a store.
    pub(super) fn collect_store(&mut self, path: &str, ledger: &Ledger) -> Result<()> {
        let Some(store) = Directory::store(path)? else {
            return Ok(());
        };
        let views = Views::take()?;
        for entry in store.entries()? {
            match entry.name.as_str() {
                name if is_name_in_store(name) => {}
                name if is_temporary(name) => self.collect_temporary(&store, &entry, &views),
                name => self.note_foreign(&store.path_of(name)),
            }
        }
        for kind in OwnerKind::ALL {
            let collected = self.collect_kind(&store, kind, ledger, &views);
            self.note_failure(Kind::SessionDirectory, collected);
        }
        let settled = self.request.stores.iter().any(|settled| settled == path);
        let asked = self.request.unused_for.is_some() || self.request.is_deleted.is_some();
        if settled && asked {
            self.collect_expired(&store, ledger, &views)?;
        }
        self.note_set_aside(&store)
    }

    /// Notes the instances that were set aside, unless something was said of them before.
    fn note_set_aside(&mut self, store: &Directory) -> Result<()> {
        let Some(parent) = store.open(OwnerKind::User.name())? else {
            return Ok(());
        };
        for entry in parent.entries()? {
            let path = parent.path_of(&entry.name);
            let is_noted = self.found.iter().any(|remains| remains.path == path);
            let Some(Owner::Former { uid, .. }) = Owner::parse(OwnerKind::User, &entry.name) else {
                continue;
            };
            if is_noted {
                continue;
            }
            let account = parent.account_of(&entry.name).ok().flatten();
            let name = account.map_or_else(|| "an account".to_owned(), |account| account.name);
            let reason = format!("set aside: it is of {name}, that had the id {uid} before");
            self.leave(Kind::Instances, &path, &reason);
        }
        Ok(())
    }

    /// What is in the directory of a kind of owners.
    fn collect_kind(
        &mut self,
        store: &Directory,
        kind: OwnerKind,
        ledger: &Ledger,
        views: &Views,
    ) -> Result<()> {
        let Some(directory) = store.open(kind.name())? else {
            return Ok(());
        };
        for entry in directory.entries()? {
            if is_temporary(&entry.name) {
                self.collect_temporary(&directory, &entry, views);
            } else if Owner::parse(kind, &entry.name).is_none() || !entry.is_directory() {
                self.note_foreign(&directory.path_of(&entry.name));
            } else if kind != OwnerKind::Session
                || !self.collect_session(&directory, &entry, ledger, views)
            {
                let collected = self.collect_owner(&directory, &entry, kind, views);
                self.note_failure(Kind::Temporary, collected);
            }
        }
        Ok(())
    }

    /// Removes the directory of a session that has ended, and tells whether it had.
    fn collect_session(
        &mut self,
        directory: &Directory,
        entry: &Entry,
        ledger: &Ledger,
        views: &Views,
    ) -> bool {
        // The caller has parsed the name.
        let Some(id) = SessionId::parse(&entry.name) else {
            return false;
        };
        let ended = ledger.has_ended_session(&id);
        let old = self.age(&entry.status) >= BEING_MADE;
        if ledger.has_live_session(&id)
            || views.show(
                directory.place,
                &OwnerKind::Session.path_of_entry(id.as_str()),
            )
            || !(ended || old)
        {
            return false;
        }
        self.remove_tree_of(
            Kind::SessionDirectory,
            directory,
            entry,
            views,
            "its session has ended",
        );
        true
    }

    /// What is in a session's, user's or group's directory that stays.
    fn collect_owner(
        &mut self,
        parent: &Directory,
        entry: &Entry,
        kind: OwnerKind,
        views: &Views,
    ) -> Result<()> {
        let Some(directory) = parent.open(&entry.name)? else {
            return Ok(());
        };
        for inner in directory.entries()? {
            if is_temporary(&inner.name) {
                self.collect_inner_temporary(&directory, &inner, kind, views)?;
            } else if !(inner.is_directory() || kind.is_note(&inner.name)) {
                self.note_foreign(&directory.path_of(&inner.name));
            }
        }
        Ok(())
    }

    /// The time of a user's directory tells when it was used last, so it stays what it is. A login that sets
    /// it has the user's lock.
    fn collect_inner_temporary(
        &mut self,
        directory: &Directory,
        entry: &Entry,
        kind: OwnerKind,
        views: &Views,
    ) -> Result<()> {
        let name = directory.path.rsplit('/').next();
        let uid = name.and_then(|name| Owner::parse(kind, name)?.uid());
        let _lock = match uid.filter(|_| !self.request.dry_run) {
            Some(uid) => match self.try_lock(&Runtime::open()?, uid)? {
                None => return Ok(()),
                lock => lock,
            },
            None => None,
        };
        let before = directory.status()?;
        self.collect_temporary(directory, entry, views);
        if !self.request.dry_run && kind == OwnerKind::User {
            directory.restore_time(&before);
        }
        Ok(())
    }

    /// What was being made, or removed, when the process that did it was killed.
    fn collect_temporary(&mut self, directory: &Directory, entry: &Entry, views: &Views) {
        if self.age(&entry.status) >= ABANDONED && !views.show(directory.place, &entry.name) {
            let reason = "whoever made or removed it was killed";
            self.remove_tree_of(Kind::Temporary, directory, entry, views, reason);
        }
    }

    fn remove_tree_of(
        &mut self,
        kind: Kind,
        directory: &Directory,
        entry: &Entry,
        views: &Views,
        reason: &str,
    ) {
        let path = directory.path_of(&entry.name);
        if views.hold_mount_in(&path) {
            self.leave(kind, &path, MOUNTED);
        } else {
            self.dispose(kind, &path, reason, || directory.remove(entry));
        }
    }

    pub(super) fn note_foreign(&mut self, path: &str) {
        self.leave(Kind::Foreign, path, "the module gives nothing such a name");
    }
}
