//! The devices that every program expects: the host's own, since who is in a user namespace cannot make any.

use super::view_mount::ViewMount;
use crate::apply::attributes::like_covered;
use crate::apply::context::Context;
use crate::apply::covers::VisibleEntry;
use crate::apply::findings::Findings;
use crate::error::Result;
use crate::kernel::fs::device;
use crate::kernel::fs::walk::Place;
use crate::kernel::mount::{self, AttributeChange, Extent, Memory, Preparation, attribute};
use crate::path::ViewPath;
use crate::plan::Step;
use rustix::fd::OwnedFd;
use std::rc::Rc;

/// The socket that syslog(3) writes to.
const LOG: &str = "log";

/// The limits of the empty directory for devices.
const DEVICES: Memory = Memory {
    bytes: 64 * 1024,
    inodes: 64,
    mode: 0o755,
    uid: 0,
    gid: 0,
};

/// Makes a directory for devices in memory, in which the host's are shown.
pub(super) fn build(
    step: &Step,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Result<ViewMount> {
    let directory = step.path.as_str();
    let attributes = like_covered(&step.attributes, 0).bits();
    let mount = Rc::new(mount::memory(&DEVICES, attributes, directory)?);
    findings.multiplexer = Some(device::make_nodes(&mount, directory)?);
    let mut visible = Vec::new();
    for name in device::NODES.iter().chain(&[LOG]) {
        let path = format!("/dev/{name}");
        match context.walker.open(&path, &[]) {
            Err(missing) if missing.is_missing() => findings.note_missing(ViewPath::walked(&path)),
            found => {
                let place = found?;
                findings.note_source(&path, &place);
                visible.push(show_entry(&mount, name, &place, path)?);
            }
        }
    }
    Ok(ViewMount { mount, visible })
}

/// Shows a device of the host's, or the socket of its log, in a directory for devices.
fn show_entry(
    directory: &OwnedFd,
    name: &str,
    place: &Place,
    path: String,
) -> Result<VisibleEntry> {
    let mount = mount::clone_tree(place, Extent::Mount, &path)?;
    let change = AttributeChange::default().set(attribute::NO_SUID | attribute::NO_EXEC);
    mount::prepare(&mount, Preparation::of_private_mount(change), &path)?;
    Ok(VisibleEntry {
        point: device::mount_point(directory, name, &path)?,
        mount: Rc::new(mount),
        path,
    })
}
