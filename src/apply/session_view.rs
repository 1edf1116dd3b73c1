//! The session's view as far as it is built: where its paths lead, and what of it the caller sees too.

use super::context::Context;
use super::covers::{Covers, PROC, Target};
use super::root::NewRoot;
use crate::error::Result;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::walk::{Place, Walker};
use crate::kernel::mount::{self, Extent};
use crate::path::{ViewPath, is_within};
use crate::plan::Step;
use rustix::fd::OwnedFd;
use rustix::fs::Stat;

/// The session's view as far as it is built.
#[derive(Clone, Copy)]
pub(super) struct SessionView<'b, 'p> {
    pub(super) context: &'b Context<'p>,
    pub(super) covers: &'b Covers<'p>,
    /// The root directory of its own, if it has one.
    pub(super) root: Option<&'b NewRoot>,
}

impl SessionView<'_, '_> {
    fn walker(&self) -> &Walker {
        self.root.map_or(&self.context.walker, NewRoot::walker)
    }

    /// Opens a path of the session's.
    pub(super) fn open(&self, path: &str) -> Result<Place> {
        self.walker().open(path, self.covers.mounts())
    }

    /// Opens the directory that holds a path of the session's, and returns its name in that.
    pub(super) fn open_parent<'n>(&self, path: &'n str) -> Result<(Place, &'n str)> {
        self.walker().open_parent(path, self.covers.mounts())
    }

    /// A path of the session's, as the caller has it.
    pub(super) fn path_of_caller(&self, path: &str) -> ViewPath {
        let root = self.root.map_or("", |root| root.path());
        ViewPath::walked(&format!("{root}{path}"))
    }

    /// Opens what the session would see at a path, where the caller sees it: nothing unless it is the new root
    /// directory's own.
    pub(super) fn seen_by_caller(&self, status: &Stat, path: &str) -> Option<Place> {
        self.root?;
        let same = self
            .context
            .walker
            .open(self.path_of_caller(path).as_str(), &[])
            .ok();
        same.filter(|same| FileIdentity::of(&same.status) == FileIdentity::of(status))
    }

    /// Copies what the session would see at a path without the step that is built. Before Linux 6.15 nothing
    /// detached can be copied, but what is the new root directory's own can be where the caller sees it.
    pub(super) fn copy(&self, shown: &OwnedFd, status: &Stat, path: &str) -> Result<OwnedFd> {
        match mount::clone_tree(shown, Extent::Tree, path) {
            Err(refused) if refused.is_invalid() => {
                let same = self.seen_by_caller(status, path).ok_or(refused)?;
                mount::clone_tree(same, Extent::Tree, path)
            }
            copied => copied,
        }
    }

    /// Finds the target of the mount of a step that is to cover a place of the session's.
    pub(super) fn target(&self, step: &Step, place: &Place) -> Target {
        if self.is_in_own_proc(step, place) {
            Target::OwnProc(place.clone())
        } else if self.root.is_some() || self.covers.have(&place.path) {
            Target::Built(place.clone())
        } else {
            Target::Host(place.clone())
        }
    }

    /// Whether a place is in `/proc` where the session gets one of its own, which covers that of a root directory too.
    fn is_in_own_proc(&self, step: &Step, place: &Place) -> bool {
        let Context { plan, .. } = self.context;
        plan.isolation.processes.is_some()
            && is_within(&place.path, PROC)
            && !self.context.is_of_root(step)
    }
}
