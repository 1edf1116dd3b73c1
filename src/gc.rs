//! What sessions have left behind: found by looking at the processes there are, and removed.
//!
//! Everything here may be interrupted at any point, and leaves nothing then that the next run cannot remove.
//! What is removed is looked at again under the lock that whoever might begin to use it takes.

mod directory;
mod expiry;
mod mounts;
mod pins;
mod records;
mod session_directories;
mod store;

use crate::error::{Error, Result};
use crate::kernel::namespace::{Identity, Namespace};
use crate::path::AbsPath;
use crate::session::PinKey;
use crate::session::lock::Lock;
use crate::session::runtime::Runtime;
use records::Ledger;
use rustix::fs::Stat;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// After that time, what has a temporary name is not being made any more.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// How many users are locked at a time: their logins wait while threads are looked at.
const LOCKED_AT_ONCE: usize = 32;

/// The inode number of the first PID namespace (`PROC_PID_INIT_INO`), the only one whose /proc shows all
/// processes.
const FIRST_PID_NAMESPACE: u64 = 0xefff_fffc;

/// What is to be collected, and how.
pub struct Request<'a> {
    /// Say what would be removed, and remove nothing.
    pub dry_run: bool,
    /// The stores of the present policies.
    pub stores: &'a [AbsPath],
    /// Also remove the instances of users and groups in these stores, unless they were used within that time.
    pub unused_for: Option<Duration>,
    /// Also remove the instances of users in these stores whose accounts this says are gone. With both, both must
    /// hold, and instances of groups stay.
    pub is_deleted: Option<&'a IsDeleted>,
    /// Told of everything that is about to be removed, by its path.
    pub beginning: &'a dyn Fn(&str),
}

/// Says that no account has that id, or none of that name where one is given.
pub type IsDeleted = dyn Fn(u32, Option<&str>) -> bool;

/// Something that was left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub path: String,
    /// Why nothing needs it, or why it stays.
    pub reason: String,
    /// What became of it.
    pub disposal: Disposal,
}

/// The kinds of things that are left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The pin of a shared namespace.
    Pin,
    /// The record of a namespace.
    Namespace,
    /// The record of a session.
    Session,
    /// What a program has opened in a namespace.
    Volume,
    /// The directory of a session's own instances.
    SessionDirectory,
    /// The instances of a user or a group.
    Instances,
    /// What was being written or removed when a process was killed.
    Temporary,
    /// What would have helped the next login of a user who has no namespace.
    Stamp,
    /// What is where the module keeps its things, and is not named as the module names them, or is a pin of
    /// another mount namespace.
    Foreign,
}

/// What became of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposal {
    /// It would be removed.
    Removable,
    /// It was removed.
    Removed,
    /// It stays, for the reason that is given.
    Left,
    /// It could not be removed.
    Failed(Error),
}

/// Collects what sessions have left behind.
///
/// It is called in the namespace that sessions come from; pins can be removed nowhere else.
///
/// # Errors
///
/// Nothing can be found out at all, or another collection is under way. What goes wrong with one thing is that thing's [`Disposal`].
pub fn collect(request: &Request<'_>) -> Result<Vec<Remains>> {
    let mut collector = Collector::new(request)?;
    let runtime = if request.dry_run {
        Runtime::find()?
    } else {
        Some(Runtime::open()?)
    };
    // Another one would take for abandoned what this one is about to remove.
    let alone = runtime.as_ref().filter(|_| !request.dry_run);
    let _alone = alone.map(Lock::to_collect).transpose().map_err(|error| {
        let held = error.is_held();
        if held {
            error.because("another jns gc is under way")
        } else {
            error
        }
    })?;
    let mut ledger = Ledger::read(runtime.as_ref())?;
    if let Some(runtime) = &runtime {
        let namespaces = collector.collect_pins(runtime, &ledger);
        collector.note_failure(Kind::Pin, namespaces);
        let sessions = collector.find_ended_sessions(&mut ledger);
        collector.note_failure(Kind::Session, sessions);
        let volumes = collector.collect_volumes(runtime, &ledger);
        collector.note_failure(Kind::Volume, volumes);
    }
    for path in ledger.stores(request.stores) {
        let collected = collector.collect_store(&path, &ledger);
        collector.note_failure(Kind::SessionDirectory, collected);
    }
    if let Some(runtime) = &runtime {
        let left = collector.collect_session_directories(&ledger);
        collector.collect_records(runtime, &ledger, &left);
        let collected = collector.collect_temporaries(runtime);
        collector.note_failure(Kind::Temporary, collected);
    }
    Ok(collector.found)
}

/// One collection under way.
struct Collector<'a> {
    request: &'a Request<'a>,
    now: SystemTime,
    /// The namespace that this is done in.
    own: Identity,
    /// Whether /proc shows all processes of the machine, and not those of a container alone.
    sees_all: bool,
    /// The pins that were removed, or would be.
    unpinned: BTreeSet<PinKey>,
    found: Vec<Remains>,
}

/// Something that nobody needs, or that looks so.
#[derive(Clone, Copy)]
struct Leftover<'l> {
    kind: Kind,
    path: &'l str,
    /// Why nobody needs it, or why it stays.
    reason: &'l str,
}

/// Whether something that was looked at is in use.
enum State {
    /// It is in use.
    Used,
    /// It is not, for that reason, and is to be removed.
    Unused(&'static str),
    /// It looks unused, but can be removed in another namespace alone, as that reason says.
    UnusedElsewhere(String),
}

impl<'a> Collector<'a> {
    fn new(request: &'a Request<'a>) -> Result<Self> {
        let pids = rustix::fs::stat("/proc/self/ns/pid");
        Ok(Self {
            request,
            now: SystemTime::now(),
            own: Namespace::own()?.identity(),
            sees_all: pids.is_ok_and(|status| status.st_ino == FIRST_PID_NAMESPACE),
            unpinned: BTreeSet::new(),
            found: Vec::new(),
        })
    }

    /// Removes something, unless nothing is to be removed, and notes what became of it.
    fn dispose(&mut self, leftover: Leftover<'_>, remove: impl FnOnce() -> Result<()>) {
        let disposal = if self.request.dry_run {
            Disposal::Removable
        } else {
            (self.request.beginning)(leftover.path);
            remove().map_or_else(Disposal::Failed, |()| Disposal::Removed)
        };
        self.note(leftover, disposal);
    }

    /// Notes that something stays, for its reason.
    fn leave(&mut self, kind: Kind, path: &str, reason: &str) {
        self.note(Leftover { kind, path, reason }, Disposal::Left);
    }

    fn note(&mut self, leftover: Leftover<'_>, disposal: Disposal) {
        let Leftover { kind, path, reason } = leftover;
        self.found.push(Remains {
            kind,
            path: path.to_owned(),
            reason: reason.to_owned(),
            disposal,
        });
    }

    /// What ends one part of a collection does not end the others.
    fn note_failure(&mut self, kind: Kind, result: Result<()>) {
        if let Err(error) = result {
            let (path, reason) = ("", "");
            self.note(Leftover { kind, path, reason }, Disposal::Failed(error));
        }
    }

    /// The lock of a user, unless somebody holds it; nothing is locked where nothing is to be removed.
    fn try_lock(&self, runtime: &Runtime, uid: u32) -> Result<Option<Held>> {
        if self.request.dry_run {
            return Ok(Some(Held(None)));
        }
        let lock = Lock::to_change(runtime, uid)?;
        Ok(lock.map(|lock| Held(Some(lock))))
    }

    /// The locks of those users that nobody holds.
    fn try_locks(&self, runtime: &Runtime, uids: impl Iterator<Item = u32>) -> Result<Locks> {
        let mut locks = Locks::new();
        for uid in uids {
            if !locks.contains_key(&uid)
                && let Some(lock) = self.try_lock(runtime, uid)?
            {
                locks.insert(uid, lock);
            }
        }
        Ok(locks)
    }

    /// How long ago something was changed. A time to come says nothing: the clock may have been set back.
    fn age(&self, status: &Stat) -> Duration {
        let since = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let changed = u64::try_from(status.st_mtime).ok().and_then(since);
        let age = changed.and_then(|changed| self.now.duration_since(changed).ok());
        age.unwrap_or_default()
    }
}

/// Locks that are held as long as this is, by user.
type Locks = BTreeMap<u32, Held>;

/// A user's lock, held as long as this is.
struct Held(#[allow(dead_code, reason = "it is held, not used")] Option<Lock>);

/// Said of what a login is about to use, or another collection to remove.
const BUSY: &str = "a login of the user is under way; the next run looks again";

/// Said of what somebody has mounted something in.
const MOUNTED: &str = "something is mounted in it";
