//! Instances of users and groups who have not come for long, or are gone.

use super::collector::{BUSY, Collector, Leftover, MOUNTED};
use super::directory::{Directory, Entry};
use super::mounts::Mounts;
use super::records::Ledger;
use super::remains::{Disposal, Kind};
use super::store::StoreCollection;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::is_temporary;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::owner_note::Account;
use crate::kernel::namespace::guard::PINS;
use crate::kernel::process::{self, Process};
use crate::session::NamespaceRecord;
use crate::session::pin_key::PinKey;
use crate::session::runtime::Runtime;
use crate::store::layout::{Owner, OwnerKind};
use rustix::fs::{Stat, Timespec};
use std::collections::BTreeSet;
use std::time::Duration;

/// Between taking a directory away and emptying it: a login that opened it a moment before, without the
/// user's lock because its namespace is its own, shows it by then.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// The reason why something stays that a session has begun to use meanwhile.
const USED: &str = "it has been used since it was looked at";

/// The kind of holder whose instances a directory holds.
enum HolderKind {
    /// The user's who has the id.
    User,
    /// The account's that had the id before, where that is known.
    Former(Option<Account>),
    /// The group's.
    Group,
}

/// A user or group that may have gone.
struct Holder {
    id: u32,
    kind: HolderKind,
    /// The directory of their instances, as it was when it was looked at first.
    entry: Entry,
    directory: Directory,
    reason: String,
}

impl Holder {
    fn owner_kind(&self) -> OwnerKind {
        match self.kind {
            HolderKind::User | HolderKind::Former(_) => OwnerKind::User,
            HolderKind::Group => OwnerKind::Group,
        }
    }

    /// The name of the directory in the store: `user/1000`.
    fn name(&self) -> String {
        self.owner_kind().path_of_entry(&self.entry.name)
    }

    /// The user, if it is one.
    fn user(&self) -> Option<u32> {
        match self.kind {
            HolderKind::User | HolderKind::Former(_) => Some(self.id),
            HolderKind::Group => None,
        }
    }

    /// The instances, as something that nobody needs.
    fn leftover<'l>(&'l self, path: &'l str) -> Leftover<'l> {
        Leftover {
            kind: Kind::Instances,
            path,
            reason: &self.reason,
        }
    }
}

/// A directory that was taken out of the way of logins.
struct Aside {
    holder: Holder,
    name: String,
}

impl StoreCollection<'_, '_> {
    /// Removes the instances of those who have not come for long, or are gone.
    pub(super) fn collect_expired(&mut self, store: &Directory) -> Result<()> {
        for kind in [OwnerKind::User, OwnerKind::Group] {
            let Some(parent) = store.open(kind.name())? else {
                continue;
            };
            let mut unwanted = Vec::new();
            for entry in parent.entries()? {
                let found = self.find_unwanted(&parent, entry, kind);
                match found.and_then(|holder| self.unless_needed(&parent, holder)) {
                    Ok(holder) => unwanted.extend(holder),
                    Err(error) => self.note_failure(error),
                }
            }
            self.remove_all(&parent, unwanted)?;
        }
        Ok(())
    }

    /// Finds a user or group whose instances nobody will miss.
    fn find_unwanted(
        &self,
        parent: &Directory,
        entry: Entry,
        kind: OwnerKind,
    ) -> Result<Option<Holder>> {
        let owner = Owner::parse(kind, &entry.name).filter(|_| entry.is_directory());
        let (id, kind) = match owner {
            Some(Owner::User(uid)) => (uid, HolderKind::User),
            Some(Owner::Former { uid, .. }) => {
                (uid, HolderKind::Former(parent.account_of(&entry.name)?))
            }
            Some(Owner::Group(gid)) => (gid, HolderKind::Group),
            Some(Owner::Session(_)) | None => return Ok(None),
        };
        let Some(reason) = self.collector.reason_against(id, &kind, &entry.status) else {
            return Ok(None);
        };
        Ok(parent.open(&entry.name)?.map(|directory| Holder {
            id,
            kind,
            entry,
            directory,
            reason,
        }))
    }

    /// Drops a holder whose instances are needed or cannot be removed, and notes why.
    fn unless_needed(
        &mut self,
        parent: &Directory,
        holder: Option<Holder>,
    ) -> Result<Option<Holder>> {
        let Some(holder) = holder else {
            return Ok(None);
        };
        let path = parent.path_of(&holder.entry.name);
        if let Some(user) = self.find_use(parent, &holder)? {
            self.refuse_deleted(&holder, &path, &user);
            return Ok(None);
        }
        let is_ours = |name: &str| is_temporary(name) || holder.owner_kind().is_note(name);
        let is_foreign = |entry: &Entry| !entry.is_directory() && !is_ours(&entry.name);
        let reason_to_stay = if self.collector.mounts()?.hold_mount_in(&path) {
            Some(MOUNTED)
        } else if holder.directory.entries()?.iter().any(is_foreign) {
            Some("something in it is not the module's")
        } else {
            None
        };
        match reason_to_stay {
            Some(reason) => {
                self.leave_instances(&holder, &path, reason);
                Ok(None)
            }
            None => Ok(Some(holder)),
        }
    }

    /// Finds who uses a holder's instances.
    fn find_use(&mut self, parent: &Directory, holder: &Holder) -> Result<Option<String>> {
        let (place, name, mounts) = (parent.place, holder.name(), self.collector.mounts()?);
        if let Some(process) = find_former(holder, self.ledger)? {
            let process = describe(process.pid);
            return Ok(Some(format!("{process} is in a namespace that shows it")));
        }
        if !mounts.show_of(place, &name, holder.user()) {
            let pin = self.find_pin(holder)?;
            return Ok(pin.map(|key| in_namespace_of(self.ledger, &key)));
        }
        let mut viewers = mounts.viewers(place, &name, holder.user());
        Ok(Some(viewers.next().map_or_else(
            || "it may be in use".to_owned(),
            |viewer| format!("{} sees it", describe(viewer.pid)),
        )))
    }

    /// Finds the pin of a namespace, though no process may be in it, that shows these instances.
    fn find_pin(&self, holder: &Holder) -> Result<Option<PinKey>> {
        let Some(runtime) = Runtime::find()? else {
            return Ok(None);
        };
        let ledger = self.ledger;
        let pins = self.collector.remaining_pins(&runtime)?;
        let is_theirs = |key: &&PinKey| match &holder.kind {
            HolderKind::User => key.uid() == holder.id,
            HolderKind::Former(account) => {
                let record = ledger.pinned(key, None);
                let is_its = |record: &NamespaceRecord| is_of(record, account.as_ref());
                key.uid() == holder.id && record.is_none_or(is_its)
            }
            HolderKind::Group => {
                ledger.pinned_show(&BTreeSet::from([(*key).clone()]), &holder.name())
            }
        };
        Ok(pins.iter().find(is_theirs).cloned())
    }

    /// Notes what keeps an account that is gone from being forgotten. Instances of a user who is there, or of a group,
    /// are in use, and of that nothing has to be said.
    fn refuse_deleted(&mut self, holder: &Holder, path: &str, reason: &str) {
        if self.collector.request.is_deleted.is_some() && holder.user().is_some() {
            let error = Error::new("remove", path, reason);
            self.collector
                .note(holder.leftover(path), Disposal::Failed(error));
        }
    }

    /// Leaves instances where they are, and notes why.
    fn leave_instances(&mut self, holder: &Holder, path: &str, reason: &str) {
        match self.collector.request.is_deleted {
            Some(_) => self.refuse_deleted(holder, path, reason),
            None => self.collector.leave(Kind::Instances, path, reason),
        }
    }

    fn note_failure(&mut self, error: Error) {
        self.collector.note_failure(Kind::Instances, Err(error));
    }

    fn remove_all(&mut self, parent: &Directory, unwanted: Vec<Holder>) -> Result<()> {
        if self.collector.request.dry_run {
            for holder in unwanted {
                let path = parent.path_of(&holder.entry.name);
                self.collector.dispose(holder.leftover(&path), || Ok(()));
            }
            return Ok(());
        }
        let mut aside = Vec::new();
        for holder in unwanted {
            match self.set_aside(parent, holder) {
                Ok(taken) => aside.extend(taken),
                Err(error) => self.note_failure(error),
            }
        }
        if aside.is_empty() {
            return Ok(());
        }
        let _ = rustix::thread::nanosleep(&PAUSE);
        let mounts = Mounts::take();
        for aside in aside {
            let finished = self.finish(parent, aside, mounts.as_ref().ok());
            finished.unwrap_or_else(|error| self.note_failure(error));
        }
        mounts.map(drop)
    }

    /// Takes a directory out of the way of logins, in one step. One that has begun to use it since it was
    /// looked at has changed its time.
    fn set_aside(&mut self, parent: &Directory, holder: Holder) -> Result<Option<Aside>> {
        let lock = match holder.user() {
            Some(uid) => self.collector.try_lock(&Runtime::open()?, uid)?,
            None => Some(super::collector::Held(None)),
        };
        let path = parent.path_of(&holder.entry.name);
        // A login that sets it aside may have no namespace to share, and so not the user's lock.
        let Some(_locks) = lock.zip(holder.directory.lock()?) else {
            self.leave_instances(&holder, &path, BUSY);
            return Ok(None);
        };
        if !is_unchanged(&holder.entry.status, &holder.directory.status()?) {
            self.refuse_deleted(&holder, &path, USED);
            return Ok(None);
        }
        if let Some(key) = self.find_pin(&holder)? {
            self.refuse_deleted(&holder, &path, &in_namespace_of(self.ledger, &key));
            return Ok(None);
        }
        match parent.set_aside(&holder.entry.name) {
            Ok(name) => Ok(Some(Aside { holder, name })),
            // Another collection was first.
            Err(missing) if missing.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what was set aside, or gives it its name back where it was used again after all. `mounts` is what is
    /// mounted since it was set aside; nothing where that could not be known.
    fn finish(&mut self, parent: &Directory, aside: Aside, mounts: Option<&Mounts>) -> Result<()> {
        let Aside { holder, name } = aside;
        let is_shown =
            mounts.is_none_or(|mounts| mounts.show_of(parent.place, &name, holder.user()));
        let Holder {
            entry, directory, ..
        } = &holder;
        let path = parent.path_of(&entry.name);
        if is_shown || !is_unchanged(&entry.status, &directory.status()?) {
            parent.rename(&name, &entry.name)?;
            self.refuse_deleted(&holder, &path, USED);
            return Ok(());
        }
        let renamed = entry.renamed(name)?;
        self.collector
            .dispose(holder.leftover(&path), || parent.remove(&renamed));
        Ok(())
    }
}

impl Collector<'_> {
    /// Returns the reason why instances are to go; nothing where they are to stay.
    fn reason_against(&self, id: u32, kind: &HolderKind, status: &Stat) -> Option<String> {
        let age = self.age(status);
        if self.request.unused_for.is_some_and(|limit| age <= limit) {
            return None;
        }
        let unused = self
            .request
            .unused_for
            .map(|_| format!("not used for {}", days(age)));
        let Some(is_deleted) = self.request.is_deleted else {
            return unused;
        };
        // The account database may be slow: it is asked last.
        let gone = match kind {
            HolderKind::User => is_deleted(id, None).then(|| format!("with the id {id}")),
            HolderKind::Former(Some(Account { name, .. })) => {
                is_deleted(id, Some(name)).then(|| format!("{name} with the id {id}, as before"))
            }
            HolderKind::Former(None) | HolderKind::Group => None,
        };
        let no_account = format!("there is no account {}", gone?);
        Some(match unused {
            Some(unused) => format!("{no_account}; {unused}"),
            None => no_account,
        })
    }
}

/// Whether a namespace may show an account's instances.
fn is_of(record: &NamespaceRecord, account: Option<&Account>) -> bool {
    account.is_none_or(|account| account.name == record.user || account.home == record.home)
}

/// A process in a namespace of the account whose instances were set aside: what an overlay there writes to is known by
/// the name that it had before.
fn find_former(holder: &Holder, ledger: &Ledger) -> Result<Option<Process>> {
    let HolderKind::Former(account) = &holder.kind else {
        return Ok(None);
    };
    for record in ledger.of_user(holder.id) {
        if is_of(record, account.as_ref())
            && let Some(process) = process::of_namespace(record.namespace.inode)?.first()
        {
            return Ok(Some(*process));
        }
    }
    Ok(None)
}

/// A process that is in the namespace of a pin, or that the pin alone keeps it.
fn in_namespace_of(ledger: &Ledger, key: &PinKey) -> String {
    let record = ledger.pinned(key, None);
    let inside = record.and_then(|record| process::of_namespace(record.namespace.inode).ok());
    match inside.and_then(|inside| inside.first().copied()) {
        Some(process) => format!("{} is in a namespace that shows it", describe(process.pid)),
        None => format!("a namespace that shows it is pinned to {PINS}/{key}"),
    }
}

/// A process, for administrators to find: its number, its name and its user.
fn describe(pid: u32) -> String {
    let comm = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let owner = match rustix::fs::stat(format!("/proc/{pid}")) {
        Ok(status) => format!(", uid {}", status.st_uid),
        Err(_) => String::new(),
    };
    format!(
        "process {pid} ({}{owner})",
        String::from_utf8_lossy(&comm).trim_end()
    )
}

/// Whether nobody has used, or exchanged, a directory since it was looked at.
fn is_unchanged(before: &Stat, now: &Stat) -> bool {
    let time = |status: &Stat| (status.st_mtime, status.st_mtime_nsec);
    FileIdentity::of(before) == FileIdentity::of(now) && time(before) == time(now)
}

fn days(age: Duration) -> String {
    match age.as_secs().checked_div(24 * 60 * 60) {
        None | Some(0) => "less than a day".to_owned(),
        Some(1) => "a day".to_owned(),
        Some(days) => format!("{days} days"),
    }
}
