//! Another root directory: a copy of its mounts, beneath which everything else is built.

use super::context::Context;
use super::covers::reopen_same;
use super::travel::travel;
use crate::error::{Error, Result};
use crate::kernel::fs::walk::{Place, Walker};
use crate::kernel::mount::root;
use crate::kernel::mount::{self, Extent, Preparation};
use crate::plan;
use rustix::fd::OwnedFd;
use std::rc::Rc;

/// A new root directory, not yet attached.
pub(super) struct NewRoot {
    /// The directory, as the caller sees it.
    place: Place,
    mount: Rc<OwnedFd>,
    walker: Walker,
}

impl NewRoot {
    /// Copies the mounts of a root directory. The host process lives in it as root, and loads what it finds there: no
    /// user has a part in it, nor in the way to it, unless the caller has no other rights than that user's.
    pub(super) fn open(wanted: &plan::NewRoot, context: &Context<'_>) -> Result<Self> {
        let path = wanted.path.as_str();
        if !wanted.has_fstab_steps {
            return Err(Error::new("use", path, "its fstab has not been read"));
        }
        let walker = context.walker_of_root();
        let place = walker.open(path, &[])?;
        if !place.is_directory() {
            return Err(Error::new("use", path, "it is not a directory"));
        }
        walker.vet(&place, path)?;
        let mount = Rc::new(mount::clone_tree(&place, Extent::Tree, path)?);
        let preparation = Preparation::of_travel(Extent::Tree, travel(context.plan.propagation));
        mount::prepare(&mount, preparation, path)?;
        Ok(Self {
            walker: context
                .walker
                .within_copy(Rc::clone(&mount), &place, context.trust),
            place,
            mount,
        })
    }

    /// The directory, as the caller sees it.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Its path in the caller's view.
    pub(super) fn path(&self) -> &str {
        &self.place.path
    }

    /// The walker for paths of the session's.
    pub(super) fn walker(&self) -> &Walker {
        &self.walker
    }

    /// Attaches it over itself, in a copy of the caller's namespace.
    pub(super) fn attach(&self) -> Result<()> {
        mount::attach(&self.mount, reopen_same(&self.place)?, self.path())
    }

    /// Makes it the root directory, with everything attached.
    pub(super) fn enter(&self) -> Result<()> {
        root::pivot(&self.mount, self.path())
    }

    /// Makes it the root directory of a namespace that is empty.
    pub(super) fn enter_in_empty(&self) -> Result<()> {
        root::enter_in_empty(&self.mount, self.path())
    }
}
