//! The mount of one step, detached: what the user's word becomes in the kernel's few. One function for each kind of view.

mod bind;
mod devices;
mod file_system;
mod hidden;
mod instance;
mod keep;
mod memory;
pub(super) mod name_servers;
mod overlay;
mod terminals;
mod view_mount;

use super::covers::{BuiltView, Covered};
use super::findings::Findings;
use super::instances::Instances;
use super::located::Located;
use super::session_view::SessionView;
use crate::error::Result;
use crate::kernel::fs::walk::Place;
use crate::kernel::mount;
use crate::plan::{Step, View};

/// Makes the mount of a step.
///
/// # Errors
///
/// What it shows cannot be had, or must not be shown there.
pub(super) fn build<'p>(
    located: &Located<'p>,
    view: SessionView<'_, 'p>,
    instances: &mut Instances<'p>,
    findings: &mut Findings,
) -> Result<BuiltView<'p>> {
    let Located {
        step,
        place,
        source,
    } = located;
    let covered = Covered {
        step,
        place,
        attributes: match view.context.is_of_root(step) {
            true => 0,
            false => attributes_of(place, step)?,
        },
    };
    let made = match &step.view {
        View::Instance { .. } => instance::build(&covered, view, instances, findings),
        View::Bind { .. } | View::NameServers => {
            bind::build(&covered, source.as_ref(), view.context, findings)
        }
        View::Overlay { .. } => overlay::build(&covered, view, instances, findings),
        View::FileSystem(system) => file_system::build(step, system, view.context, findings),
        View::Devices => devices::build(step, view.context, findings),
        View::Terminals => terminals::build(step, view.context, findings),
        View::Memory { .. } | View::Nothing { .. } if place.is_directory() => {
            memory::build(&covered, view, instances, findings)
        }
        View::Memory { .. } | View::Nothing { .. } => hidden::build(step, view.context, instances),
    }?;
    Ok(BuiltView {
        step,
        mount: made.mount,
        target: view.target(step, place),
        visible: made.visible,
    })
}

/// The attributes `MOUNT_ATTR_*` of the mount that a place is on. A file system that may not answer was asked when it was
/// opened.
fn attributes_of(place: &Place, step: &Step) -> Result<u64> {
    match place.mount_flags() {
        Some(flags) => Ok(mount::attribute::of_flags(flags)),
        None => mount::attributes_of(place, step.path.as_str()),
    }
}
