//! The namespaces that a thread has entered, until it stays there or goes back.

use super::applied::Applied;
use crate::kernel::init::Membership;
use crate::kernel::mount::volume::Opening;
use crate::kernel::namespace::guard::NamespaceGuard;
use crate::kernel::namespace::kind::Namespaces;

/// A plan's namespace, with the calling thread in it. Dropped, the thread goes back to where it stood; the
/// instances that were made stay, since others may use them by now; its volumes are closed.
#[derive(Debug)]
pub struct Entered {
    /// The result of the plan for the login.
    pub applied: Applied,
    /// Nothing where the plan leaves everything as it is.
    pub session_guard: Option<SessionGuard>,
}

/// The namespaces that the thread has left for, and the way back. Dropped, it goes back, and with it who had no other
/// reason to be there.
#[derive(Debug)]
pub struct SessionGuard {
    // What is in the namespaces goes before they do.
    /// The volumes that were opened there.
    pub opening: Opening,
    /// The need of this process for the session's own PID namespace, if it has one.
    pub membership: Option<Membership>,
    /// The namespaces that it is in now.
    pub namespaces: Namespaces,
    /// The way back.
    pub guard: NamespaceGuard,
}

impl SessionGuard {
    /// Stays, for as long as the session of that name does.
    pub fn commit(self, session: &str) {
        self.opening.keep();
        if let Some(membership) = self.membership {
            membership.stay(session);
        }
        self.guard.commit();
    }
}
