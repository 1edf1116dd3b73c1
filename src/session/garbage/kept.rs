//! What users and groups keep in a store who have not come for long, or are gone.

use super::directory::{Directory, Entry};
use super::records::Ledger;
use super::views::Views;
use super::{BUSY, Kind, MOUNTED, Sweep};
use crate::error::Result;
use crate::kernel::directory::is_temporary;
use crate::kernel::walk::identity;
use crate::session::pin::{id, uid_of};
use crate::session::runtime::Runtime;
use rustix::fs::{Stat, Timespec};
use std::time::Duration;

/// Between taking a directory away and emptying it: a login that opened it a moment before, without the
/// user's lock because its namespace is its own, shows it by then.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// A user or group that may have gone.
struct Holder {
    id: u32,
    is_user: bool,
    /// The directory of their instances, as it was when it was looked at first.
    entry: Entry,
    directory: Directory,
    reason: String,
}

impl Holder {
    /// As in the store: `user/1000`.
    fn name(&self) -> String {
        let kind = if self.is_user { "user" } else { "group" };
        format!("{kind}/{}", self.id)
    }
}

/// A directory that was taken out of the way of logins.
struct Aside {
    holder: Holder,
    name: String,
}

impl Sweep<'_> {
    /// Removes what is kept by those who have not come for long, or are gone.
    pub(super) fn sweep_kept(
        &mut self,
        store: &Directory,
        ledger: &Ledger,
        views: &Views,
    ) -> Result<()> {
        for kind in ["user", "group"] {
            let Some(parent) = store.open(kind)? else {
                continue;
            };
            let mut unwanted = Vec::new();
            for entry in parent.entries()? {
                let holder = self.find_unwanted(&parent, entry, kind == "user");
                let removable = holder.and_then(|holder| match holder {
                    Some(holder) if self.is_removable(&parent, &holder, ledger, views)? => {
                        Ok(Some(holder))
                    }
                    _ => Ok(None),
                });
                match removable {
                    Ok(holder) => unwanted.extend(holder),
                    Err(error) => self.note_failure(Kind::Instances, Err(error)),
                }
            }
            self.remove_all(&parent, unwanted, ledger)?;
        }
        Ok(())
    }

    /// A user or group for whom nobody will miss what they keep.
    fn find_unwanted(
        &self,
        parent: &Directory,
        entry: Entry,
        is_user: bool,
    ) -> Result<Option<Holder>> {
        let Some(id) = id(&entry.name).filter(|_| entry.is_directory()) else {
            return Ok(None);
        };
        let Some(reason) = self.reason_against(id, is_user, &entry.status) else {
            return Ok(None);
        };
        Ok(parent.open(&entry.name)?.map(|directory| Holder {
            id,
            is_user,
            entry,
            directory,
            reason,
        }))
    }

    fn reason_against(&self, id: u32, is_user: bool, status: &Stat) -> Option<String> {
        let age = self.age(status);
        if self.request.unused_for.is_some_and(|limit| age <= limit) {
            return None;
        }
        let unused = self
            .request
            .unused_for
            .map(|_| format!("not used for {}", days(age)));
        match self.request.is_deleted {
            None => unused,
            // The account database may be slow: it is asked last.
            Some(is_deleted) if is_user && is_deleted(id) => {
                let gone = format!("there is no account with the id {id}");
                Some(unused.map_or(gone.clone(), |unused| format!("{gone}; {unused}")))
            }
            Some(_) => None,
        }
    }

    fn is_removable(
        &mut self,
        parent: &Directory,
        holder: &Holder,
        ledger: &Ledger,
        views: &Views,
    ) -> Result<bool> {
        let path = parent.path_of(&holder.entry.name);
        if views.show(parent.place, &holder.name()) || self.has_namespace(holder, ledger)? {
            return Ok(false);
        }
        let is_foreign = |entry: &Entry| !entry.is_directory() && !is_temporary(&entry.name);
        let obstacle = if views.hold_mount_in(&path) {
            Some(MOUNTED)
        } else if holder.directory.entries()?.iter().any(is_foreign) {
            Some("something in it is not the module's")
        } else {
            None
        };
        obstacle
            .into_iter()
            .for_each(|reason| self.spare(Kind::Instances, &path, reason));
        Ok(obstacle.is_none())
    }

    /// Whether a namespace that is pinned, though no process may be in it, shows what is kept there.
    fn has_namespace(&self, holder: &Holder, ledger: &Ledger) -> Result<bool> {
        let Some(runtime) = Runtime::find()? else {
            return Ok(false);
        };
        let pins = self.remaining_pins(&runtime)?;
        if holder.is_user {
            return Ok(pins.iter().any(|key| uid_of(key) == Some(holder.id)));
        }
        Ok(ledger.pinned_show(&pins, &holder.name()))
    }

    fn remove_all(
        &mut self,
        parent: &Directory,
        unwanted: Vec<Holder>,
        ledger: &Ledger,
    ) -> Result<()> {
        if self.request.dry_run {
            for holder in unwanted {
                let path = parent.path_of(&holder.entry.name);
                self.dispose(Kind::Instances, &path, &holder.reason, || Ok(()));
            }
            return Ok(());
        }
        let mut aside = Vec::new();
        for holder in unwanted {
            match self.set_aside(parent, holder, ledger) {
                Ok(taken) => aside.extend(taken),
                Err(error) => self.note_failure(Kind::Instances, Err(error)),
            }
        }
        if aside.is_empty() {
            return Ok(());
        }
        let _ = rustix::thread::nanosleep(&PAUSE);
        let views = Views::take();
        for Aside { holder, name } in aside {
            let shown = views
                .as_ref()
                .map_or(true, |views| views.show(parent.place, &name));
            let removed = self.finish(parent, holder, name, shown);
            self.note_failure(Kind::Instances, removed);
        }
        views.map(drop)
    }

    /// Takes a directory out of the way of logins, in one step. One that has begun to use it since it was
    /// looked at has changed its time.
    fn set_aside(
        &mut self,
        parent: &Directory,
        holder: Holder,
        ledger: &Ledger,
    ) -> Result<Option<Aside>> {
        let lock = if holder.is_user {
            self.try_lock(&Runtime::open()?, holder.id)?
        } else {
            Some(super::Held(None))
        };
        let path = parent.path_of(&holder.entry.name);
        let Some(_lock) = lock else {
            self.spare(Kind::Instances, &path, BUSY);
            return Ok(None);
        };
        let unchanged = is_unchanged(&holder.entry.status, &holder.directory.status()?);
        if !unchanged || self.has_namespace(&holder, ledger)? {
            return Ok(None);
        }
        match parent.set_aside(&holder.entry.name) {
            Ok(name) => Ok(Some(Aside { holder, name })),
            // Another collection was first.
            Err(missing) if missing.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what was set aside, or gives it its name back where it was used again after all.
    fn finish(
        &mut self,
        parent: &Directory,
        holder: Holder,
        name: String,
        shown: bool,
    ) -> Result<()> {
        let Holder {
            entry, directory, ..
        } = &holder;
        if shown || !is_unchanged(&entry.status, &directory.status()?) {
            return parent.rename(&name, &entry.name);
        }
        let path = parent.path_of(&entry.name);
        let renamed = entry.renamed(name)?;
        self.dispose(Kind::Instances, &path, &holder.reason, || {
            parent.remove(&renamed)
        });
        Ok(())
    }
}

/// Whether nobody has used, or exchanged, a directory since it was looked at.
fn is_unchanged(before: &Stat, now: &Stat) -> bool {
    let time = |status: &Stat| (status.st_mtime, status.st_mtime_nsec);
    identity(before) == identity(now) && time(before) == time(now)
}

fn days(age: Duration) -> String {
    match age.as_secs().checked_div(24 * 60 * 60) {
        None | Some(0) => "less than a day".to_owned(),
        Some(1) => "a day".to_owned(),
        Some(days) => format!("{days} days"),
    }
}
