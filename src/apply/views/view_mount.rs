//! The mount of a view, before it has a place.

use crate::apply::covers::VisibleEntry;
use rustix::fd::OwnedFd;
use std::rc::Rc;

/// A detached mount, and what stays visible in it of what it covers.
pub(super) struct ViewMount {
    pub(super) mount: Rc<OwnedFd>,
    pub(super) visible: Vec<VisibleEntry>,
}

impl ViewMount {
    /// Takes a mount that hides all that it covers.
    pub(super) fn plain(mount: OwnedFd) -> Self {
        Self {
            mount: Rc::new(mount),
            visible: Vec::new(),
        }
    }
}
