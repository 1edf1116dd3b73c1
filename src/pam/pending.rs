//! The return from a session that is closed, which waits for the end of its PAM handle: modules that stand behind this
//! one in the stack close after it, and what they have mounted in the session they unmount there.

use super::opened::Opened;
use super::places::{OF_RETURN, Places};
use super::refusal::log_failure;
use crate::journal::Journal;
use crate::kernel::deadline::Deadline;
use crate::kernel::namespace::guard::NamespaceGuard;
use crate::kernel::namespace::{Namespace, Root, check_capabilities};
use crate::login::{SessionId, is_effective_root};
use crate::session::namespace::Leave;
use crate::session::volumes;
use log::LevelFilter;
use rustix::process::{Pid, getpid};
use rustix::thread::gettid;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;

thread_local! {
    /// The return that the calling thread has postponed. It is the thread's own, as namespaces are.
    static POSTPONED: RefCell<Option<Postponed>> = const { RefCell::new(None) };
}

/// The return from a session that is closed.
#[derive(Debug)]
pub(super) struct PendingReturn {
    /// The session's name.
    session: SessionId,
    /// The root directory in the session.
    root: Root,
    places: Places,
    /// The way to take leave of the PID namespace of the session's own.
    leave: Option<Leave>,
    has_volumes: bool,
}

/// A return that waits for the end of the handle.
#[derive(Debug)]
struct Postponed {
    pending: PendingReturn,
    /// The process and thread that have closed the session. Every other process that ends the handle is a copy of that
    /// one.
    owner: (Pid, Pid),
    service: String,
    /// The level of messages that are let through.
    level: LevelFilter,
}

impl PendingReturn {
    /// Makes the return from the session of `opened`, in which the calling thread is. Nothing where that is where it
    /// was before, or it may not leave.
    pub(super) fn from(opened: &mut Opened) -> Option<Self> {
        let places = opened.places.take().filter(Places::are_to_be_left)?;
        Some(Self {
            session: opened.id.clone(),
            root: opened.root?,
            places,
            leave: opened.leave.take(),
            has_volumes: opened.has_volumes,
        })
    }

    /// Takes the thread to where the session came from; nothing where that cannot be, or it is there.
    pub(super) fn enter_origin(&self) -> Option<NamespaceGuard> {
        self.places.enter_origin()
    }

    /// Returns, and takes leave of the session's processes, by the deadline.
    pub(super) fn make(self, deadline: &Deadline) {
        let namespace = self.has_volumes.then(Namespace::own);
        self.places.return_to(deadline, || {
            // The socket of its first process is where the session came from.
            if let Some(leave) = &self.leave {
                log_failure(leave.take(&self.session));
            }
            // Whoever closed the session before this one saw this process in the namespace still.
            if let Some(namespace) = namespace {
                log_failure(
                    namespace.and_then(|namespace| volumes::close_after_last(&namespace, deadline)),
                );
            }
        });
    }

    /// Lets the return wait for [`end`] or [`make_postponed`], in this thread. No descriptor is kept for that.
    pub(super) fn postpone(self, service: String, level: LevelFilter) {
        let postponed = Postponed {
            pending: self,
            owner: own_task(),
            service,
            level,
        };
        let _ = POSTPONED.try_with(|slot| slot.replace(Some(postponed)));
    }
}

impl Postponed {
    /// Takes what this thread has postponed, if that is the one that is wanted.
    fn take(is_wanted: impl FnOnce(&PendingReturn) -> bool) -> Option<Self> {
        let take = |slot: &RefCell<Option<Self>>| {
            let mut slot = slot.try_borrow_mut().ok()?;
            slot.take_if(|postponed| is_wanted(&postponed.pending))
        };
        POSTPONED.try_with(take).ok().flatten()
    }

    /// Whether this is the process and the thread that has closed the session, with the rights that it had, and still
    /// in the session.
    fn is_due(&self) -> bool {
        self.owner == own_task()
            && is_effective_root()
            && Root::own() == Ok(self.pending.root)
            && check_capabilities().is_ok()
    }
}

/// Makes the return that this thread has postponed, before it opens another session by the deadline.
pub(super) fn make_postponed(deadline: &Deadline) {
    let postponed = Postponed::take(|_| true).filter(Postponed::is_due);
    if let Some(postponed) = postponed {
        let deadline = Deadline::after(deadline.at_most(OF_RETURN));
        postponed.pending.make(&deadline);
    }
}

/// Makes the return from `session`, whose handle ends, in the process that has closed it. In every other one, as in
/// sshd's child or systemd's `(sd-pam)`, it frees memory and does nothing else.
pub(super) fn end(session: &SessionId) {
    let postponed = Postponed::take(|pending| pending.session == *session);
    let Some(postponed) = postponed.filter(Postponed::is_due) else {
        return;
    };
    let _journal = Journal::open(&postponed.service, "end", postponed.level);
    let make = AssertUnwindSafe(|| postponed.pending.make(&Deadline::after(OF_RETURN)));
    if let Err(payload) = std::panic::catch_unwind(make) {
        // Dropping it could run code that panics again.
        std::mem::forget(payload);
    }
}

/// The calling process and thread.
fn own_task() -> (Pid, Pid) {
    (getpid(), gettid())
}
