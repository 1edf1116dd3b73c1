//! An entry of the store.

use rustix::fd::OwnedFd;
use std::rc::Rc;

/// A directory in the store: its name in another one that is open, and its path.
#[derive(Clone, Copy)]
pub(super) struct StoreEntry<'e> {
    pub(super) parent: &'e Rc<OwnedFd>,
    pub(super) name: &'e str,
    pub(super) path: &'e str,
}
