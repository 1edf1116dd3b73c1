//! The namespace that a session is in, until it stays or goes back.

use super::ending::{self, Ending};
use super::ledger::{self, NamespaceRecord, Shown};
use super::lock::Lock;
use super::pin_key::PinKey;
use super::runtime::Runtime;
use super::unused_pins::remove_pin_unless_joined;
use crate::apply::{SessionDirectory, SessionGuard};
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::init::{self, Known};
use crate::kernel::namespace::guard::{AtOrigin, NamespaceGuard};
use crate::kernel::namespace::{Identity, Namespace, Root};
use crate::kernel::process::Process;
use crate::login::SessionId;
use crate::path::ViewPath;

/// The namespace that a session is in. Dropped, the thread is back where it was; only [`SessionNamespace::commit`] lets
/// it stay.
#[derive(Debug)]
pub struct SessionNamespace {
    /// The namespace.
    pub namespace: Identity,
    /// Whether another login made it.
    pub joined: bool,
    /// The paths that are covered in it, in order.
    pub paths: Vec<ViewPath>,
    /// The record of it in the ledger; nothing where no record can be kept.
    pub record: Option<NamespaceRecord>,
    /// The user whose directories it shows as well, in whose session the command was called.
    pub caller: Option<String>,
    /// The reasons why something was left out; a line each.
    pub notes: Vec<String>,
    /// The directories that end with the session.
    pub session_directories: Vec<SessionDirectory>,
    /// `/run/jns` as the login came from it; nothing where it cannot be used.
    pub runtime: Option<Runtime>,
    /// The process that is admitted, as `/proc` knew it where it came from; nothing where it did not.
    pub process: Option<Process>,
    /// The way to take leave of the PID namespace of the session's own; nothing where it has none.
    pub leave: Option<Leave>,
    /// Whether the kernel refused to pin it because it takes it for older than where it was made.
    pub(super) looks_older: bool,
    /// The pin of a new one.
    pub(super) pinned: Option<Pinned>,
    /// The things of a new one that end with the session.
    pub(super) ending: Option<Ending>,
    pub(super) session_guard: Option<SessionGuard>,
}

/// A namespace that was made and pinned, and may have been joined since.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) uid: u32,
    pub(super) key: PinKey,
    pub(super) namespace: Identity,
    pub(super) origin_root: Root,
    /// The deadline of the login that made it.
    pub(super) deadline: Deadline,
}

impl SessionNamespace {
    /// Stays in the namespace, for as long as the session of that name does.
    pub fn commit(self, session: &SessionId) -> Vec<SessionDirectory> {
        if let Some(session_guard) = self.session_guard {
            session_guard.commit(session.as_str());
        }
        self.session_directories
    }

    /// Whether its root directory is another one than that of the view that it came from.
    #[must_use]
    pub fn has_own_root(&self) -> bool {
        ledger::has_own_root(&self.paths)
    }

    /// The directories that end with the session, as its record has those that are not in the module's store.
    #[must_use]
    pub fn noted_directories(&self) -> Vec<Shown> {
        ending::outside_of_store(&self.session_directories)
    }

    /// Goes back, and takes back a new namespace with what was opened in it, unless another login has joined it
    /// by now, and with the directories that would have ended with the session.
    pub fn roll_back(mut self) {
        self.take_back_pin();
        let Self {
            ending,
            session_directories,
            session_guard,
            ..
        } = self;
        // From inside they may be covered.
        drop(session_guard);
        if let Some(ending) = ending {
            ending.undo(&session_directories);
        }
    }

    fn take_back_pin(&mut self) {
        let (Some(pinned), Some(runtime), Some(session_guard)) =
            (&self.pinned, &self.runtime, &mut self.session_guard)
        else {
            return;
        };
        let take_back = |_: &NamespaceGuard| {
            let _lock = Lock::wait_to_change(runtime, pinned.uid, &pinned.deadline)?;
            remove_pin_unless_joined(runtime, &pinned.key, pinned.namespace)
        };
        match session_guard.guard.work(
            &session_guard.namespaces.mount,
            pinned.origin_root,
            take_back,
        ) {
            Ok(AtOrigin::Done(Ok(false))) => std::mem::take(&mut session_guard.opening).keep(),
            Ok(AtOrigin::Done(Ok(true))) => {}
            Ok(AtOrigin::Done(Err(error)) | AtOrigin::NotLeft(error)) | Err(error) => {
                log::warn!("{error}");
            }
            Ok(AtOrigin::Elsewhere) => {}
        }
    }
}

/// The way in which the process that opened a session takes leave of the PID namespace of the session's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    /// No other session is in it: its first process is killed, and with it all others.
    Kill(Known),
    /// Other sessions may be in it: its first process, who hears at this path, is told.
    Notify(String),
}

impl Leave {
    /// Takes leave when the session of that name has ended, and waits for nobody: a process of the namespace is
    /// gone when its parent has waited for it, and that may be this one. Its children are born where it is itself
    /// again.
    ///
    /// # Errors
    ///
    /// Something of it failed. When this process has ended, the namespace does without it.
    pub fn take(&self, session: &SessionId) -> Result<()> {
        let result = match self {
            Self::Kill(init) => init.kill(),
            Self::Notify(address) => init::leave(address, session.as_str()),
        };
        init::set_own_pid_for_children()?;
        result
    }
}

impl SessionNamespace {
    /// The host's own view, for an account that has no other.
    ///
    /// # Errors
    ///
    /// The kernel does not say which namespace this is.
    pub fn to_hosts_view() -> Result<Self> {
        Ok(Self::bare(Namespace::own()?.identity()))
    }

    /// A namespace of which nothing else is known: no record, nothing covered, no way back.
    pub(super) fn bare(namespace: Identity) -> Self {
        Self {
            namespace,
            joined: false,
            paths: Vec::new(),
            record: None,
            caller: None,
            notes: Vec::new(),
            session_directories: Vec::new(),
            runtime: None,
            process: None,
            leave: None,
            looks_older: false,
            pinned: None,
            ending: None,
            session_guard: None,
        }
    }
}
