//! Where a process was when it opened a session, to which it returns when it closes it.

use super::threads::later_thread;
use super::{Sessions, complement, tell};
use crate::error::Result;
use crate::kernel::departure::Departure;
use crate::kernel::namespace::check_capabilities;
use crate::session::Place;
use crate::session::place::{Directory, HeldDirectory};
use pam::module::PamHandle;
use rustix::process::Pid;
use std::sync::Mutex;

/// The sessions that this process has open, in the order in which they were opened, by thread and name: those of
/// different handles too. It is never waited for, since a child of a threaded process may find it locked for ever.
static OPEN: Mutex<Vec<(Option<Pid>, String)>> = Mutex::new(Vec::new());

/// The places that a session was opened from.
#[derive(Debug)]
pub(super) struct Places {
    /// Where the process was.
    before: Place,
    /// Where its namespace was made or joined from: another place than before, if the process was in a session.
    origin: Place,
    /// The working directory when the session had been opened.
    left: Directory,
}

/// A process that has left its session. It stays outside, whatever becomes of the rest.
#[derive(Debug)]
pub(super) struct Returning {
    places: Places,
    directory: HeldDirectory,
    /// Nothing where the session was itself in the place that it came from.
    departure: Option<Departure>,
}

/// Notes with the handle from where the session that was opened last came. `before` is the thread's place before it
/// returned to the origin, and `origin` the one after that.
pub(super) fn keep(handle: &PamHandle, before: Option<Place>, origin: Option<Place>) {
    let Some((before, origin)) = before.zip(origin) else {
        return;
    };
    let sessions = complement::data::<Sessions>(handle);
    let mut sessions = sessions.map(|sessions| sessions.0.borrow_mut());
    let last = sessions.as_mut().and_then(|sessions| sessions.last_mut());
    let Some(opened) = last.filter(|opened| opened.places.is_none()) else {
        return;
    };
    let left = Directory::own();
    opened.places = Some(Places {
        before,
        origin,
        left,
    });
    if let Ok(mut open) = OPEN.try_lock() {
        open.push((later_thread(), opened.id.clone()));
    }
}

/// Forgets an open session. Whether its thread has opened none after it that is still open: only then is the process
/// there for this one.
pub(super) fn forget(id: &str) -> bool {
    let Ok(mut open) = OPEN.try_lock() else {
        return true;
    };
    let Some(found) = open.iter().position(|(_, open)| open == id) else {
        return true;
    };
    let (thread, _) = open.remove(found);
    let mut later = open.iter().skip(found);
    !later.any(|(other, _)| *other == thread)
}

impl Places {
    /// Takes the thread from the session to where that came from, for good; nothing where the process may not leave,
    /// nobody else is there, or it was there all the time.
    pub(super) fn leave(self) -> Option<Returning> {
        let is_at_origin = self.origin.is_present();
        let is_back = is_at_origin && self.before.has_view_of(&self.origin);
        if is_back || check_capabilities().is_err() {
            return None;
        }
        let directory = HeldDirectory::own();
        let departure = match is_at_origin {
            true => None,
            false => Some(self.enter_origin()?),
        };
        Some(Returning {
            places: self,
            directory,
            departure,
        })
    }

    fn enter_origin(&self) -> Option<Departure> {
        let entered = self.origin.enter_by_process();
        if entered.is_none() {
            log::debug!("no other process is where this session came from: this one stays in it");
        }
        entered
    }
}

impl Returning {
    /// Goes on to where the process was before, in the session around this one, and to its working directory.
    pub(super) fn finish(self) {
        let Self {
            places:
                Places {
                    before,
                    origin,
                    left,
                },
            directory,
            departure,
        } = self;
        if let Some(departure) = departure {
            departure.commit();
        }
        if !before.has_view_of(&origin) {
            tell(enter_session(&before));
        }
        tell(directory.return_to(before.directory(), &left));
    }
}

/// Enters the session around the one that was closed. One that is not open any more is not entered.
fn enter_session(place: &Place) -> Result<()> {
    let entered = match place.enter_by_process() {
        None => place.enter_by_pin()?,
        entered => entered,
    };
    match entered {
        Some(entered) => entered.commit(),
        None => log::debug!("the session around this one is not there any more"),
    }
    Ok(())
}
