//! A collection under way: what is asked for, what is locked, and how a thing is removed or left.

use super::mounts::Mounts;
use super::remains::{Disposal, Kind, Remains};
use crate::error::Result;
use crate::kernel::namespace::{Identity, Namespace};
use crate::path::AbsPath;
use crate::session::PinKey;
use crate::session::census::Census;
use crate::session::lock::Lock;
use crate::session::runtime::Runtime;
use rustix::fs::Stat;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// After that time, what has a temporary name is not being made any more.
pub(super) const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// The inode number of the first PID namespace (`PROC_PID_INIT_INO`), the only one whose /proc shows all
/// processes.
const FIRST_PID_NAMESPACE: u64 = 0xefff_fffc;

/// The reason why something stays that a login is about to use, or another collection to remove.
pub(super) const BUSY: &str = "a login of the user is under way; the next run looks again";

/// The reason why something stays that somebody has mounted something in.
pub(super) const MOUNTED: &str = "something is mounted in it";

/// The request for a collection: what is to be collected, and how.
pub struct Request<'a> {
    /// Say what would be removed, and remove nothing.
    pub dry_run: bool,
    /// The stores of the present policies.
    pub stores: &'a [AbsPath],
    /// The limit for instances of users and groups in these stores: those that were not used within that time are
    /// removed too.
    pub unused_for: Option<Duration>,
    /// The judge of accounts: instances of users in these stores whose accounts it says are gone are removed too. With
    /// both, both must hold, and instances of groups stay.
    pub is_deleted: Option<&'a IsDeleted>,
    /// The only user whose sessions and namespaces are looked at; nothing for all users, and their stores.
    pub user: Option<u32>,
    /// The time for which a shared namespace is kept in which nothing runs any more.
    pub linger: Duration,
    /// The most bytes that all views in memory may hold together: where they hold more, namespaces in which nothing runs
    /// are not kept, those longest unused first. Nothing for no limit.
    pub memory: Option<u64>,
    /// The listener that is told of everything that is about to be removed, by its path.
    pub beginning: &'a dyn Fn(&str),
}

/// Says that no account has that id, or none of that name where one is given.
pub type IsDeleted = dyn Fn(u32, Option<&str>) -> bool;

/// One collection under way.
pub(super) struct Collector<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) now: SystemTime,
    /// The namespace that this is done in.
    pub(super) own: Identity,
    /// Whether /proc shows all processes of the machine, and not those of a container alone.
    pub(super) sees_all: bool,
    /// The processes after the records were read.
    census: Option<Rc<Census>>,
    /// The processes after unused namespaces were noted as such.
    later_census: Option<Rc<Census>>,
    /// The mounts when they were asked for first.
    mounts: Option<Rc<Mounts>>,
    /// The pins that were removed, or would be.
    pub(super) unpinned: BTreeSet<PinKey>,
    pub(super) found: Vec<Remains>,
}

/// Something that nobody needs, or that looks so.
#[derive(Clone, Copy)]
pub(super) struct Leftover<'l> {
    pub(super) kind: Kind,
    pub(super) path: &'l str,
    /// The reason why nobody needs it, or why it stays.
    pub(super) reason: &'l str,
}

/// The use of something that was looked at.
pub(super) enum State {
    /// Something that is in use.
    Used,
    /// Something that is not in use, for that reason, and is to be removed.
    Unused(&'static str),
    /// Something that looks unused, but can be removed in another namespace alone, as that reason says.
    UnusedElsewhere(String),
}

impl<'a> Collector<'a> {
    pub(super) fn new(request: &'a Request<'a>) -> Result<Self> {
        let pids = rustix::fs::stat("/proc/self/ns/pid");
        Ok(Self {
            request,
            now: SystemTime::now(),
            own: Namespace::own()?.identity(),
            sees_all: pids.is_ok_and(|status| status.st_ino == FIRST_PID_NAMESPACE),
            census: None,
            later_census: None,
            mounts: None,
            unpinned: BTreeSet::new(),
            found: Vec::new(),
        })
    }

    /// The processes, looked at once in a collection.
    ///
    /// # Errors
    ///
    /// As [`Census::take`].
    pub(super) fn census(&mut self) -> Result<Rc<Census>> {
        kept(&mut self.census, Census::take)
    }

    /// The processes, looked at a second time: one that starts another and ends while it is looked at is not missed
    /// twice.
    ///
    /// # Errors
    ///
    /// As [`Census::take`].
    pub(super) fn census_again(&mut self) -> Result<Rc<Census>> {
        self.census()?;
        kept(&mut self.later_census, Census::take)
    }

    /// Has the processes looked at anew when they are asked for: some were ended by this collection.
    pub(super) fn forget_census(&mut self) {
        self.census = None;
        self.later_census = None;
    }

    /// The mounts of all processes, looked at once in a collection.
    ///
    /// # Errors
    ///
    /// As [`Mounts::take`].
    pub(super) fn mounts(&mut self) -> Result<Rc<Mounts>> {
        kept(&mut self.mounts, Mounts::take)
    }

    /// Removes something, unless nothing is to be removed, and notes what became of it.
    pub(super) fn dispose(&mut self, leftover: Leftover<'_>, remove: impl FnOnce() -> Result<()>) {
        let disposal = if self.request.dry_run {
            Disposal::Removable
        } else {
            (self.request.beginning)(leftover.path);
            remove().map_or_else(Disposal::Failed, |()| Disposal::Removed)
        };
        self.note(leftover, disposal);
    }

    /// Notes that something stays, for its reason.
    pub(super) fn leave(&mut self, kind: Kind, path: &str, reason: &str) {
        self.note(Leftover { kind, path, reason }, Disposal::Left);
    }

    pub(super) fn note(&mut self, leftover: Leftover<'_>, disposal: Disposal) {
        let Leftover { kind, path, reason } = leftover;
        self.found.push(Remains {
            kind,
            path: path.to_owned(),
            reason: reason.to_owned(),
            disposal,
        });
    }

    /// Notes what ended one part of a collection. It does not end the others.
    pub(super) fn note_failure(&mut self, kind: Kind, result: Result<()>) {
        if let Err(error) = result {
            let (path, reason) = ("", "");
            self.note(Leftover { kind, path, reason }, Disposal::Failed(error));
        }
    }

    /// The lock of a user, unless somebody holds it; nothing is locked where nothing is to be removed.
    pub(super) fn try_lock(&self, runtime: &Runtime, uid: u32) -> Result<Option<Held>> {
        if self.request.dry_run {
            return Ok(Some(Held(None)));
        }
        let lock = Lock::to_change(runtime, uid)?;
        Ok(lock.map(|lock| Held(Some(lock))))
    }

    /// Returns how long ago something was changed. A time to come says nothing: the clock may have been set back.
    pub(super) fn age(&self, status: &Stat) -> Duration {
        let since = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let changed = u64::try_from(status.st_mtime).ok().and_then(since);
        let age = changed.and_then(|changed| self.now.duration_since(changed).ok());
        age.unwrap_or_default()
    }
}

/// Takes what costs much, unless it is there.
fn kept<T>(kept: &mut Option<Rc<T>>, take: impl FnOnce() -> Result<T>) -> Result<Rc<T>> {
    if let Some(found) = kept {
        return Ok(Rc::clone(found));
    }
    let taken = Rc::new(take()?);
    *kept = Some(Rc::clone(&taken));
    Ok(taken)
}

/// A user's lock, held as long as this is.
pub(super) struct Held(
    #[allow(dead_code, reason = "it is held, not used")] pub(super) Option<Lock>,
);
