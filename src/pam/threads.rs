//! Host processes with several threads. Namespaces are each thread's own: what is opened in one thread is not there
//! in another.

use crate::error::{Error, Result};
use rustix::process::{Pid, getpid};
use rustix::thread::gettid;

/// The threads of a process in which sessions may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// In the first one alone.
    First,
    /// In all of them.
    Any,
}

/// The calling thread; nothing where it is the first one of its process. A child that fork(2) made of any thread has
/// a first one.
#[must_use]
pub(super) fn later_thread() -> Option<Pid> {
    Some(gettid()).filter(|thread| *thread != getpid())
}

/// The thread in which a session is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallingThread {
    /// The thread, where it is not the first one of its process.
    pub(super) later: Option<Pid>,
    allowed: Threads,
}

impl CallingThread {
    /// The calling thread; sessions may be opened in those that are `allowed`.
    #[must_use]
    pub(super) fn own(allowed: Threads) -> Self {
        let later = later_thread();
        Self { later, allowed }
    }

    /// Lets a session that changes the thread's namespaces be opened in it, with a warning where it is not the first one.
    ///
    /// # Errors
    ///
    /// It is not, and only the first one is allowed.
    pub(super) fn permit(self) -> Result<()> {
        const REASON: &str = "it is opened in a thread that is not the first one of its process, \
                          and nothing tells which thread starts the user's program";
        match (self.later, self.allowed) {
            (None, _) => Ok(()),
            (Some(_), Threads::First) => {
                let reason = format!("{REASON}; the module argument threads=any allows it");
                Err(Error::new("open", "the session", reason))
            }
            (Some(_), Threads::Any) => {
                log::warn!("the session may miss its own view: {REASON}");
                Ok(())
            }
        }
    }
}
