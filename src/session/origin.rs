//! The way back: from inside a namespace of ours to the one that its first session came from, so that
//! su(1) and sudo(8) open their sessions there and nothing stacks.

use super::ancestors::first_and_ancestors;
use super::ledger::{NamespaceRecord, OtherNamespaceRecord, SessionRecord};
use super::lock;
use super::pin::Pins;
use super::pin_key::PinKey;
use super::place::{OpenPlace, Place};
use super::runtime::Runtime;
use crate::error::{Error, Result};
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::namespace::guard::{NamespaceGuard, leave_for};
use crate::kernel::namespace::kind::{self, Kind, Namespaces};
use crate::kernel::namespace::{Identity, Namespace, Root, inode_of_process};
use crate::kernel::process::Process;
use crate::plan::PlanDigest;
use crate::policy::Sha256;
use rustix::io::Errno;

/// The number of descriptors that are open at once on the way, and a few more.
const DESCRIPTORS: usize = 24;

/// The session in which su(1) or sudo(8) was called. The thread has left it for where it came from; dropped, it takes
/// the thread back.
#[derive(Debug)]
pub struct Caller {
    /// The way back into it.
    pub guard: NamespaceGuard,
    /// The record of its namespace in the ledger.
    pub record: NamespaceRecord,
}

/// Takes the calling thread back to the namespaces that its session came from. Nothing where it is in no
/// namespace of ours, or where something else confines it as well: a chroot, a container, a sandbox.
///
/// They are looked for where the first process and the ancestors of this one are; what they must be is read in
/// the ledger there, which no user can reach or cover, and a namespace of another user namespace is never
/// entered.
///
/// `directory` is the working directory that it has to come back to.
///
/// # Errors
///
/// The kernel does not say where the thread is, or the process may not open enough files to look for the way; or the
/// working directory does not answer.
pub fn return_to_origin(
    place: Option<&Place>,
    directory: Option<&WorkingDirectory>,
) -> Result<Option<Caller>> {
    let first = inode_of_process(1);
    let own = match place {
        Some(place) => Ok(place.namespace.inode),
        None => Namespace::own().map(|own| own.identity().inode),
    };
    let own_inode = match own {
        // Without /proc there is no way to find out.
        Err(_) if first.is_err() => return Ok(None),
        own => own?,
    };
    if first == Ok(own_inode) {
        return Ok(None);
    }
    directory.map_or(Ok(()), WorkingDirectory::check_answers)?;
    let own = Session {
        namespace: Namespace::own()?,
        root: Root::own()?,
        others: kind::own_inodes(),
    };
    check_descriptors(&own.namespace)?;
    let left = own.leave();
    if left.is_some() || !own.is_known_here() {
        return Ok(left);
    }
    // What failed for want of memory works in a moment, and without the way back the session would have this view.
    let left = own.leave();
    if left.is_none() {
        let identity = own.namespace.identity();
        log::warn!("cannot leave {identity}: there is no process where it came from");
    }
    Ok(left)
}

/// The namespaces and the root directory that the calling thread is in.
struct Session {
    namespace: Namespace,
    root: Root,
    /// The inode numbers of its IPC, UTS and network namespaces.
    others: [Option<u64>; 3],
}

/// Returns the numbers that distinguish the namespaces of one process from those of another.
fn numbers(pid: u32) -> (Result<u64, Errno>, [Option<u64>; 3]) {
    let others = Kind::ALL.map(|kind| kind::inode(kind, Some(pid)));
    (inode_of_process(pid), others)
}

impl Session {
    /// Leaves for what the session came from, if the first process or an ancestor of this one is there.
    fn leave(&self) -> Option<Caller> {
        let own = self.namespace.identity().inode;
        let mut tried = Vec::new();
        first_and_ancestors().find_map(|pid| {
            let numbers = numbers(pid);
            if numbers.0 == Ok(own) || tried.contains(&numbers) {
                return None;
            }
            tried.push(numbers);
            self.leave_for(&Namespaces::of_process(pid, &Kind::ALL)?)
        })
    }

    /// Whether the ledger, as it is seen from here, has a record of the session's namespace and root directory. It is
    /// only believed where nothing follows from it: it may be covered.
    fn is_known_here(&self) -> bool {
        let identity = self.namespace.identity();
        let runtime = Runtime::find().ok().flatten();
        let record = runtime.and_then(|runtime| {
            let record = NamespaceRecord::read(&runtime, identity.inode);
            record.ok().flatten()
        });
        let is_same =
            |record: NamespaceRecord| record.namespace == identity && record.root == self.root;
        identity.id.is_some() && record.is_some_and(is_same)
    }

    /// Leaves for what the session came from, if that is what the candidate has.
    fn leave_for(&self, candidate: &Namespaces) -> Option<Caller> {
        let mut guard = leave_for(&candidate.mount).ok()?;
        let origin = candidate.mount.identity();
        let record = self.record_from(origin).ok().flatten()?;
        for OtherNamespaceRecord {
            kind,
            inode,
            origin,
        } in &record.companions
        {
            let own = Kind::ALL.iter().zip(self.others);
            let is_left = own.into_iter().any(|own| own == (kind, Some(*inode)));
            let mut others = candidate.others.iter();
            let other = others.find(|other| (other.kind(), other.inode()) == (*kind, *origin));
            guard.join(other.filter(|_| is_left)?).ok()?;
        }
        Some(Caller { guard, record })
    }

    /// The record by which the ledger of the present namespace, `origin`, says that the session's was made
    /// from it, by a session that saw the whole of it, and that the session's root directory there is that of
    /// the session.
    fn record_from(&self, origin: Identity) -> Result<Option<NamespaceRecord>> {
        let Some(runtime) = Runtime::find()? else {
            return Ok(None);
        };
        let identity = self.namespace.identity();
        let Some(record) = NamespaceRecord::read(&runtime, identity.inode)? else {
            return Ok(None);
        };
        let same =
            record.namespace == identity && record.origin == origin && record.root == self.root;
        if !same || record.origin_root != Root::own()? {
            return Ok(None);
        }
        if identity.id.is_none() && !is_pinned(&runtime, &record)? {
            log::warn!(
                "cannot leave {identity}: before Linux 6.11 only a pinned namespace is known again; \
                 the session keeps what is mounted there"
            );
            return Ok(None);
        }
        Ok(Some(record))
    }
}

/// A user who leaves su(1) few descriptors must not decide by that where its session begins.
fn check_descriptors(own: &Namespace) -> Result<()> {
    let copies = (0..DESCRIPTORS).map(|_| rustix::io::fcntl_dupfd_cloexec(own, 0));
    let enough = copies.collect::<Result<Vec<_>, _>>();
    let failed = |errno| Error::from_errno("look for", "the namespace of before", errno);
    enough.map(drop).map_err(failed)
}

/// On kernels that reuse all numbers of namespaces, only one that is still bound is known to be the same.
fn is_pinned(runtime: &Runtime, record: &NamespaceRecord) -> Result<bool> {
    Ok(Pins::find(runtime)?.namespace_of(record)?.is_some())
}

/// The place that a login comes from, and what is known there.
pub(super) struct Origin {
    pub(super) runtime: Runtime,
    pub(super) place: Place,
    /// Its mount namespace.
    pub(super) namespace: Namespace,
    /// The process itself.
    pub(super) process: Option<Process>,
}

impl Origin {
    /// Finds it out for the calling thread, whose place is `place` if that is known.
    pub(super) fn of(runtime: Runtime, place: Option<&OpenPlace>) -> Result<Self> {
        let OpenPlace { place, namespace } = place.cloned().map_or_else(OpenPlace::own, Ok)?;
        Ok(Self {
            runtime,
            place,
            namespace,
            process: Process::own().ok(),
        })
    }

    /// Removes the records of the user's sessions that were killed, once in ten minutes: it reads the names of all
    /// sessions, and what somebody leaves behind who kills su(1) again and again need only not grow for ever. What goes
    /// wrong there does not concern this login.
    pub(super) fn remove_killed(&self, uid: u32) {
        let remove = || match self.process.is_some() && lock::is_due(&self.runtime, uid)? {
            true => SessionRecord::remove_killed(&self.runtime, uid, self.place.namespace),
            false => Ok(()),
        };
        remove().unwrap_or_else(|error| log::debug!("{error}"));
    }

    /// The pin of the namespace that the user `uid` shares under the plan of digest `plan` with other logins
    /// that come from here: who comes out of a sandbox or a chroot shares with those who do. Nothing where this
    /// namespace cannot be known for ever: it is not the first process's, and on kernels before 6.11 another
    /// one could get its number.
    pub(super) fn key(&self, uid: u32, plan: &PlanDigest) -> Option<PinKey> {
        let Place {
            namespace,
            root,
            others,
        } = &self.place;
        let lasts = namespace.id.is_some() || inode_of_process(1) == Ok(namespace.inode);
        let view = || Sha256::of(format!("{plan} {namespace:?} {root:?} {others:?}").as_bytes());
        lasts.then(|| PinKey::new(uid, &view()))
    }
}
