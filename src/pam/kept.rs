//! The data that is kept with a PAM handle between its hooks: the sessions that are open, and the login password.

use super::opened::Opened;
use super::pending;
use super::places::Places;
use super::threads::CallingThread;
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::process::secret::Secret;
use crate::login::SessionId;
use crate::session::place::Place;
use std::cell::RefCell;

/// The sessions that opens and closes leave with the handle for later hooks. Every process that calls pam_end drops
/// it, under sshd the user's child too. Dropping it frees memory and nothing else, except in the process that has
/// closed a session and is in it still, as root: that one returns to where it was before.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// The sessions that are open, last one last.
    pub(super) open: RefCell<Vec<Opened>>,
    /// The name of the one that was closed last, where the return from it waits for the end of the handle.
    pub(super) closed: RefCell<Option<SessionId>>,
}

impl Sessions {
    /// Notes from where the session that was opened last came. `before` is the place of `thread` before it returned to the
    /// origin, in `directory`, and `origin` the one after that.
    pub(super) fn keep_places(
        &self,
        before: Option<Place>,
        (directory, thread): (&WorkingDirectory, CallingThread),
        origin: Option<Place>,
    ) {
        let Some((before, origin)) = before.zip(origin) else {
            return;
        };
        let mut open = self.open.borrow_mut();
        let Some(opened) = open.last_mut().filter(|opened| opened.places.is_none()) else {
            return;
        };
        // In another root directory, the same path is not the same directory.
        let left = match opened.in_own_root {
            true => WorkingDirectory::own().location().clone(),
            false => directory.restored_location(),
        };
        opened.places = Some(Places::keep(
            before,
            origin,
            (directory.location(), left),
            (thread.later, &opened.id),
        ));
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        if let Some(session) = self.closed.take() {
            pending::end(&session);
        }
    }
}

/// A password with the handle. Every process that calls pam_end drops it: it wipes what it has, and a child has
/// nothing.
#[derive(Debug, Default)]
pub(super) struct Password(pub(super) RefCell<Option<Typed>>);

/// The password as it was typed.
#[derive(Debug)]
pub(super) struct Typed {
    /// The user whose password it is: sudo(8) asks for that of its caller, and then opens a session of somebody
    /// else's.
    pub(super) user: String,
    pub(super) secret: Secret,
}
