//! A file system of its own: an fstab's, or one of those that every root gets.

use super::view_mount::ViewMount;
use crate::apply::attributes::{like_covered, like_covered_and_source};
use crate::apply::context::Context;
use crate::apply::findings::Findings;
use crate::error::{Error, Result};
use crate::kernel::fs::walk::{Trust, file_type};
use crate::kernel::mount::{self, Extent, Preparation, Travel, attribute, filesystem};
use crate::plan::{FileSystem, Medium, Step};
use rustix::fd::OwnedFd;
use rustix::fs::FileType;

/// Types of which there is one in each namespace of a kind: who may not mount it anew can show the caller's.
const OF_THE_KERNEL: &[&str] = &["proc", "sysfs", "mqueue"];

/// Options of overlayfs that name directories.
const LAYERS: &[&str] = &["lowerdir", "lowerdir+", "datadir+", "upperdir", "workdir"];

/// Mounts a file system by its type, source and options.
pub(super) fn build(
    step: &Step,
    system: &FileSystem,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Result<ViewMount> {
    let path = step.path.as_str();
    let source = find_source(system, context, findings)?;
    vet_layers(system, context, findings)?;
    let wanted = filesystem::FileSystem {
        kind: &system.kind,
        source: &source,
        options: &system.options,
        read_only: matches!(system.medium, Medium::Device(_))
            && step.attributes.asks_for(attribute::READ_ONLY),
    };
    let attributes = like_covered(&step.attributes, 0).bits();
    let mount = match wanted.mount(attributes, path) {
        // It is writable where it is mounted already; here the mount is read-only.
        Err(busy) if busy.is_busy() && wanted.read_only => filesystem::FileSystem {
            read_only: false,
            ..wanted
        }
        .mount(attributes, path)?,
        Err(refused) if refused.is_forbidden() => copy_callers(step, system, context, refused)?,
        mounted => mounted?,
    };
    Ok(ViewMount::plain(mount))
}

/// Finds what the kernel is to mount. Only root has a part in the way to a device, so that its path still leads
/// there when the kernel looks it up.
fn find_source(
    system: &FileSystem,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Result<String> {
    let device = match &system.medium {
        Medium::Named(name) => return Ok(name.clone()),
        Medium::Device(device) => device.as_str(),
    };
    let place = context.walker_of_root().open(device, &[])?;
    if file_type(&place.status) != FileType::BlockDevice {
        return Err(Error::new("mount", device, "it is not a block device"));
    }
    findings.note_source(device, &place);
    Ok(place.path)
}

/// Vets the directories of an overlay of the fstab's, which the kernel looks up by their paths, too.
fn vet_layers(system: &FileSystem, context: &Context<'_>, findings: &mut Findings) -> Result<()> {
    let layers = system
        .options
        .iter()
        .filter(|(key, _)| system.kind == "overlay" && LAYERS.contains(&key.as_str()));
    for (key, value) in layers {
        let many = key == "lowerdir";
        let paths = value.as_deref().unwrap_or_default();
        let directories = paths.split(|character| many && character == ':');
        for directory in directories.filter(|directory| !directory.is_empty()) {
            let layer = context.walker_of_root().open(directory, &[])?;
            findings.note_source(directory, &layer);
        }
    }
    Ok(())
}

/// Copies the caller's file system where a caller without rights may not mount one of their own.
fn copy_callers(
    step: &Step,
    system: &FileSystem,
    context: &Context<'_>,
    refused: Error,
) -> Result<OwnedFd> {
    let path = step.path.as_str();
    let known = OF_THE_KERNEL.contains(&system.kind.as_str());
    if !known || !matches!(context.trust, Trust::Caller(_)) {
        return Err(refused);
    }
    let mount = mount::clone_tree(&context.walker.open(path, &[])?, Extent::Tree, path)?;
    let preparation = Preparation {
        extent: Extent::Tree,
        change: like_covered_and_source(&step.attributes, 0),
        travel: Travel::Neither,
    };
    mount::prepare(&mount, preparation, path)?;
    Ok(mount)
}
