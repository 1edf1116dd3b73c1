//! An instance: a directory on disk that is somebody's own.

use super::keep::{KeptFrom, Root, keep_entries};
use super::view_mount::ViewMount;
use crate::apply::attributes::{like_covered, like_covered_and_source};
use crate::apply::covers::Covered;
use crate::apply::findings::Findings;
use crate::apply::forms::form_of;
use crate::apply::instances::{Instances, Request};
use crate::apply::session_view::SessionView;
use crate::error::{Error, Result};
use crate::kernel::mount::{self, Extent, Preparation};
use crate::plan::View;
use rustix::fd::OwnedFd;
use std::rc::Rc;

/// Makes a mount of the instance, which is made itself where it is missing.
pub(super) fn build<'p>(
    covered: &Covered<'_, 'p>,
    view: SessionView<'_, 'p>,
    instances: &mut Instances<'p>,
    findings: &mut Findings,
) -> Result<ViewMount> {
    let path = covered.step.path.as_str();
    let View::Instance {
        instance,
        shape,
        keep,
    } = &covered.step.view
    else {
        return Err(Error::new("open", path, "it has no instance"));
    };
    let request = Request {
        instance,
        covered,
        form: view
            .context
            .permitted_form(form_of(shape, &covered.place.status)),
    };
    let opened = instances.open_instance(&request, view);
    let directory = Rc::new(opened.map_err(|error| error.at_key(&covered.step.location, "store"))?);
    let mount = mount::clone_tree(&directory, Extent::Mount, path)?;
    let root = Root {
        directory: &directory,
        mount: &mount,
    };
    let from = KeptFrom::covered(covered, root, view);
    let visible = keep_entries(&from, keep, instances, findings)
        .map_err(|error| error.at_key(&covered.step.location, "keep"))?;
    prepare(&mount, covered)?;
    Ok(ViewMount {
        mount: Rc::new(mount),
        visible,
    })
}

/// In a container with a user namespace of its own, the attributes that the store's mount came with are
/// locked (mount_namespaces(7)). Then they stay, and only restrictions are added.
fn prepare(mount: &OwnedFd, covered: &Covered<'_, '_>) -> Result<()> {
    let step = covered.step;
    let change_to = |change| {
        mount::prepare(
            mount,
            Preparation::of_private_mount(change),
            step.path.as_str(),
        )
    };
    match change_to(like_covered(&step.attributes, covered.attributes)) {
        Err(locked) if locked.is_forbidden() => change_to(like_covered_and_source(
            &step.attributes,
            covered.attributes,
        )),
        done => done,
    }
}
