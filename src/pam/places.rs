//! The places where a process was when it opened a session. It returns there when the session is over.

use super::refusal::log_failure;
use super::threads::later_thread;
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::working_directory::{Location, WorkingDirectory};
use crate::kernel::namespace::check_capabilities;
use crate::kernel::namespace::guard::NamespaceGuard;
use crate::login::SessionId;
use crate::session::place::Place;
use rustix::process::Pid;
use std::sync::Mutex;
use std::time::Duration;

/// The time in which that has to answer which a session that is closed came from: the working directory, and who holds a
/// lock.
pub(super) const OF_RETURN: Duration = Duration::from_secs(1);

/// The sessions that this process has open, in the order in which they were opened, by thread and name: those of
/// different handles too. It is never waited for, since a child of a threaded process may find it locked for ever.
static OPEN: Mutex<Vec<(Option<Pid>, SessionId)>> = Mutex::new(Vec::new());

/// The places that a session was opened from.
#[derive(Debug)]
pub(super) struct Places {
    /// The place where the process was.
    before: Place,
    /// The place where its namespace was made or joined from: another one than before, if the process was in a
    /// session.
    origin: Place,
    /// Its working directory before.
    directory: Location,
    /// Its working directory when the session had been opened.
    left: Location,
}

/// The sessions that a thread has open besides one that it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// None.
    None,
    /// Earlier ones alone: the one that is closed is inside the last of them.
    Around,
    /// One that was opened later: there the process is, and not in the one that is closed.
    Later,
}

/// Forgets an open session. Which others its thread has open is returned; none where that cannot be known.
pub(super) fn forget(id: &SessionId) -> Others {
    let Ok(mut open) = OPEN.try_lock() else {
        return Others::None;
    };
    let found = open.iter().position(|(_, open)| open == id);
    let at = found.unwrap_or(open.len());
    let thread = found.map_or_else(later_thread, |found| open.remove(found).0);
    let others: Vec<_> = open.iter().map(|(other, _)| *other == thread).collect();
    let (earlier, later) = others.split_at_checked(at).unwrap_or((&others, &[]));
    match (earlier.contains(&true), later.contains(&true)) {
        (_, true) => Others::Later,
        (true, false) => Others::Around,
        (false, false) => Others::None,
    }
}

impl Places {
    /// Keeps where the session `id`, which has just been opened, came from, and counts it among those that are open.
    /// `before` is the thread's place before it returned to the origin, in `directory`, and `origin` the one after that;
    /// the session was `left` in that working directory.
    pub(super) fn keep(
        before: Place,
        origin: Place,
        (directory, left): (&Location, Location),
        (later_thread, id): (Option<Pid>, &SessionId),
    ) -> Self {
        let places = Self {
            before,
            origin,
            directory: directory.clone(),
            left,
        };
        if let Ok(mut open) = OPEN.try_lock() {
            open.push((later_thread, id.clone()));
        }
        places
    }

    /// Whether the thread is somewhere else than before, and may return.
    pub(super) fn are_to_be_left(&self) -> bool {
        let is_back = self.origin.is_present() && self.before == self.origin;
        !is_back && check_capabilities().is_ok()
    }

    /// Takes the thread from the session to where that came from; nothing where nobody else is there, or the thread
    /// is there already.
    pub(super) fn enter_origin(&self) -> Option<NamespaceGuard> {
        if self.origin.is_present() {
            return None;
        }
        let entered = self.origin.enter_by_process();
        if entered.is_none() {
            log::debug!("no other process is where this session came from: this one stays in it");
        }
        entered
    }

    /// Takes the thread from the session to where it was before, for good: to the origin, there to take `leave`, on to
    /// the session around this one, and to its working directory. Where nobody else is at the origin, it stays and
    /// only takes leave. What does not answer until the deadline is not waited for.
    pub(super) fn return_to(&self, deadline: &Deadline, take_leave: impl FnOnce()) {
        let present = WorkingDirectory::until(deadline, Some(self.before.root()));
        let entered = self.enter_origin();
        take_leave();
        match entered {
            Some(guard) => guard.commit(),
            None if self.origin.is_present() => {}
            None => return,
        }
        if self.before != self.origin {
            log_failure(enter_session(&self.before, deadline));
        }
        log_failure(present.return_to(&self.directory, &self.left));
    }
}

/// Enters the session around the one that was closed. One that is not open any more is not entered.
fn enter_session(place: &Place, deadline: &Deadline) -> Result<()> {
    let entered = match place.enter_by_process() {
        None => place.enter_by_pin(deadline)?,
        entered => entered,
    };
    match entered {
        Some(entered) => entered.commit(),
        None => log::debug!("the session around this one is not there any more"),
    }
    Ok(())
}
