//! The place where a process was before it opened a session, and how it gets there again. No descriptor is kept for
//! that in somebody else's process: whoever else is there holds the namespaces, or a pin does.

use super::ancestors::first_and_ancestors;
use super::ledger::{NamespaceRecord, SessionRecord};
use super::lock::Lock;
use super::pin::Pins;
use super::runtime::Runtime;
use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::init::join_pid_namespace_for_children;
use crate::kernel::namespace::guard::{NamespaceGuard, leave_for};
use crate::kernel::namespace::kind::{self, Kind, Namespaces};
use crate::kernel::namespace::{Identity, Namespace, Root, inode_of_process};
use crate::kernel::process::Process;

/// The namespaces and the root directory of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub(super) namespace: Identity,
    pub(super) root: Root,
    /// The inode numbers of its IPC, UTS and network namespaces.
    pub(super) others: [Option<u64>; 3],
}

/// The place of a thread, with its mount namespace open: from there it leaves, and comes back.
#[derive(Debug, Clone)]
pub struct OpenPlace {
    /// The place.
    pub place: Place,
    pub(super) namespace: Namespace,
}

impl OpenPlace {
    /// The calling thread's.
    ///
    /// # Errors
    ///
    /// The kernel does not say where the thread is.
    pub fn own() -> Result<Self> {
        let namespace = Namespace::own()?;
        let place = Place {
            namespace: namespace.identity(),
            root: Root::own()?,
            others: kind::own_inodes(),
        };
        Ok(Self { place, namespace })
    }
}

impl Place {
    /// The calling thread's.
    ///
    /// # Errors
    ///
    /// As [`OpenPlace::own`].
    pub fn own() -> Result<Self> {
        OpenPlace::own().map(|own| own.place)
    }

    /// The root directory.
    #[must_use]
    pub(crate) fn root(&self) -> Root {
        self.root
    }

    /// Whether the calling thread is there.
    #[must_use]
    pub fn is_present(&self) -> bool {
        // In another mount namespace, the root directory is on another mount: one call instead of ten.
        let is_same_root = Root::own().is_ok_and(|root| root == self.root);
        is_same_root && Self::own().is_ok_and(|own| own == *self)
    }

    /// Takes the calling thread to the namespaces and the root directory, if the first process, an ancestor or the
    /// first thread of its process is there; nothing where none is. A namespace of another user namespace is never
    /// entered, nor is a root directory that is not the top of its namespace, as a chroot is not.
    #[must_use]
    pub fn enter_by_process(&self) -> Option<NamespaceGuard> {
        let own = std::iter::once_with(Process::own).flatten();
        let left = self.left_kinds();
        first_and_ancestors()
            .chain(own.map(|own| own.pid))
            .filter(|pid| inode_of_process(*pid) == Ok(self.namespace.inode))
            .filter_map(|pid| Namespaces::of_process(pid, &left))
            .find_map(|found| self.enter(&found, &left))
    }

    /// The kinds of namespaces besides the mount namespace of which the calling thread has others than there.
    fn left_kinds(&self) -> Vec<Kind> {
        let there = Kind::ALL.into_iter().zip(self.others);
        let left = there.filter(|(kind, inode)| kind::own_inode(*kind) != *inode);
        left.map(|(kind, _)| kind).collect()
    }

    /// Takes the calling thread to the namespaces of a session that this process has opened and not closed, by
    /// their pins; nothing where it has none there, or they have no pins. The ledger and the pins are those of the
    /// namespace that the thread is in. Children are born in the PID namespace of that session, if it has one.
    ///
    /// # Errors
    ///
    /// The ledger or a pin cannot be read, or the user's lock is held until the deadline.
    pub fn enter_by_pin(&self, deadline: &Deadline) -> Result<Option<NamespaceGuard>> {
        let Some(runtime) = Runtime::find()? else {
            return Ok(None);
        };
        let read = || {
            let record = NamespaceRecord::read(&runtime, self.namespace.inode)?;
            Ok(record.filter(|record| record.namespace == self.namespace))
        };
        let Some(record) = read()? else {
            return Ok(None);
        };
        if !self.has_open_session(&runtime)? {
            return Ok(None);
        }
        // Once more with the lock: the collector may have removed the record, or noted that nothing runs there.
        let _lock = Lock::wait_to_join(&runtime, record.uid, deadline)?;
        let Some(mut record) = read()? else {
            return Ok(None);
        };
        let noted = record.note_unused(&runtime, None);
        noted.unwrap_or_else(|error| log::warn!("{error}"));
        let found = Pins::find(&runtime)?.namespaces_of(&record)?;
        let init = record.init.as_ref().and_then(Process::open_pidfd);
        let guard = found.and_then(|found| self.enter(&found, &self.left_kinds()));
        if let (Some(_), Some(init)) = (&guard, init) {
            join_pid_namespace_for_children(init)?;
        }
        Ok(guard)
    }

    /// Whether the ledger has a session of this process there.
    fn has_open_session(&self, runtime: &Runtime) -> Result<bool> {
        let own = Process::own()?;
        let is_it =
            |session: &SessionRecord| session.process == own && session.namespace == self.namespace;
        let mut all = SessionRecord::all(runtime)?.into_iter();
        Ok(all.any(|(_, session)| session.as_ref().is_ok_and(is_it)))
    }

    /// Enters what was found, the namespaces that the thread has `left` among it, or nothing.
    fn enter(&self, found: &Namespaces, left: &[Kind]) -> Option<NamespaceGuard> {
        if found.mount.identity() != self.namespace {
            return None;
        }
        let entered = self.try_to_enter(found, left);
        entered.inspect_err(|error| log::debug!("{error}")).ok()
    }

    fn try_to_enter(&self, found: &Namespaces, left: &[Kind]) -> Result<NamespaceGuard> {
        let failed = |reason| Error::new("return to", self.namespace, reason);
        let mut guard = leave_for(&found.mount)?;
        if Root::own()? != self.root {
            return Err(failed("the root directory was another one, as in a chroot"));
        }
        let there = Kind::ALL.into_iter().zip(self.others);
        for (kind, inode) in there.filter(|(kind, _)| left.contains(kind)) {
            let mut others = found.others.iter();
            let other = others.find(|other| other.kind() == kind && Some(other.inode()) == inode);
            let missing = || failed("another namespace that went with it is not known any more");
            guard.join(other.ok_or_else(missing)?)?;
        }
        Ok(guard)
    }
}
