//! A session that is open, as it is remembered until it is closed.

use super::places::{self, Places};
use crate::apply::SessionDirectory;
use crate::kernel::namespace::Root;
use crate::kernel::process::helper::Helper;
use crate::login::{Login, SessionId};
use crate::session::namespace::Leave;

/// A session that is open.
#[derive(Debug)]
pub(super) struct Opened {
    /// The user's name as PAM has it.
    pub(super) user: String,
    pub(super) uid: u32,
    /// The session's name.
    pub(super) id: SessionId,
    /// Whether it lives in another root directory than the host's.
    pub(super) in_own_root: bool,
    /// The root directory of the process in the session. By its number the kernel distinguishes a mount from those of
    /// all other namespaces, and says it without /proc, which may be that of processes to which this one does not
    /// belong.
    pub(super) root: Option<Root>,
    /// The places where the process was before; nothing where they could not be known.
    pub(super) places: Option<Places>,
    /// The way to take leave of the PID namespace of the session's own.
    pub(super) leave: Option<Leave>,
    pub(super) directories: Vec<SessionDirectory>,
    /// Programs to run at the end.
    pub(super) closing: Vec<Helper>,
    /// Whether volumes were opened in the namespace.
    pub(super) has_volumes: bool,
}

impl Opened {
    /// The session of somebody who keeps the host's view, in which the process is.
    pub(super) fn exempt(login: &Login, user: String) -> Self {
        Self {
            user,
            uid: login.uid,
            id: login.session.clone(),
            in_own_root: false,
            root: Root::own().ok(),
            places: None,
            leave: None,
            directories: Vec::new(),
            closing: Vec::new(),
            has_volumes: false,
        }
    }

    /// Whether the process is where it was when the session had been opened.
    pub(super) fn is_here(&self) -> bool {
        self.root.is_some() && self.root == Root::own().ok()
    }

    /// Whether what ends with it may be out of reach from inside: nothing of the host's is in another root
    /// directory, and what lies outside of the module's store may lie beneath a path that is covered.
    pub(super) fn hides_its_own(&self) -> bool {
        let is_outside = |directory: &SessionDirectory| !directory.enclosed;
        self.in_own_root || self.directories.iter().any(is_outside)
    }
}

impl Drop for Opened {
    /// One that is not closed is not open any more when its handle ends.
    fn drop(&mut self) {
        places::forget(&self.id);
    }
}
