//! A file system in memory: an empty one for the user, or one that shows nothing.

use super::keep::{KeptFrom, Root, keep_entries, keep_paths};
use super::view_mount::ViewMount;
use crate::apply::attributes::like_covered;
use crate::apply::context::Context;
use crate::apply::covers::Covered;
use crate::apply::findings::Findings;
use crate::apply::forms::form_of;
use crate::apply::instances::Instances;
use crate::apply::session_view::SessionView;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{Form, open_directory};
use crate::kernel::mount::{self, AttributeChange, Memory, Preparation, attribute};
use crate::plan::View;
use crate::policy::value::{Names, NamesPath, Size};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::rc::Rc;

/// The description of a file system in memory.
struct Recipe<'v> {
    memory: Memory,
    keep: Keep<'v>,
    /// The attributes `MOUNT_ATTR_*` of its mount.
    attributes: u64,
    label: RootLabel,
}

/// What stays visible in it of the covered directory.
#[derive(Clone, Copy)]
enum Keep<'v> {
    Entries(&'v [Names]),
    Paths(&'v [NamesPath]),
}

/// The SELinux label of the root of a file system in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RootLabel {
    OfCovered,
    OfFileSystem,
}

/// Makes a file system in memory, writable until its mount points are made.
pub(super) fn build<'p>(
    covered: &Covered<'_, 'p>,
    view: SessionView<'_, 'p>,
    instances: &mut Instances<'p>,
    findings: &mut Findings,
) -> Result<ViewMount> {
    let path = covered.step.path.as_str();
    let recipe = recipe_of(covered, view.context)?;
    let writable = recipe.attributes & !attribute::READ_ONLY;
    let mount = Rc::new(mount::memory(&recipe.memory, writable, path)?);
    if recipe.label == RootLabel::OfCovered {
        label_root(&mount, covered, view.context)?;
    }
    let root = Root {
        directory: &mount,
        mount: &mount,
    };
    let from = KeptFrom::covered(covered, root, view);
    let visible = match recipe.keep {
        Keep::Entries(names) => keep_entries(&from, names, instances, findings),
        Keep::Paths(paths) => keep_paths(&from, paths, instances, findings),
    };
    let visible = visible.map_err(|error| error.at_key(&covered.step.location, "keep"))?;
    if recipe.attributes & attribute::READ_ONLY != 0 {
        let change = AttributeChange::default().set(attribute::READ_ONLY);
        mount::prepare(&mount, Preparation::of_private_mount(change), path)?;
    }
    Ok(ViewMount { mount, visible })
}

fn recipe_of<'p>(covered: &Covered<'_, 'p>, context: &Context<'_>) -> Result<Recipe<'p>> {
    let step = covered.step;
    let attributes = like_covered(&step.attributes, covered.attributes).bits();
    match &step.view {
        View::Nothing { keep } => Ok(Recipe {
            memory: memory_of_nothing(keep),
            keep: Keep::Paths(keep),
            attributes: attributes | attribute::READ_ONLY,
            label: RootLabel::OfFileSystem,
        }),
        View::Memory {
            size,
            inodes,
            shape,
            keep,
        } => {
            let form = context.permitted_form(form_of(shape, &covered.place.status));
            Ok(Recipe {
                memory: memory_of(*size, *inodes, form),
                keep: Keep::Entries(keep),
                attributes,
                label: RootLabel::OfCovered,
            })
        }
        View::Instance { .. }
        | View::Bind { .. }
        | View::Overlay { .. }
        | View::FileSystem(_)
        | View::Devices
        | View::Terminals
        | View::NameServers => Err(Error::new("cover", &step.path, "it is not memory")),
    }
}

fn memory_of(size: Size, inodes: Option<u64>, form: Form) -> Memory {
    let bytes = size.in_bytes(mount::machine_memory());
    let each_page = bytes.checked_div(4096).unwrap_or(0).max(2);
    Memory {
        bytes,
        inodes: inodes.unwrap_or(each_page),
        mode: form.mode,
        uid: form.uid,
        gid: form.gid,
    }
}

/// An empty directory for everybody to see into; what stays visible are mount points in it, with directories on the way.
fn memory_of_nothing(keep: &[NamesPath]) -> Memory {
    let inodes = |path: &NamesPath| path.names.most().saturating_add(path.directories.len());
    let entries = keep.iter().map(inodes).fold(2, usize::saturating_add);
    Memory {
        bytes: 4096,
        inodes: u64::try_from(entries).unwrap_or(u64::MAX),
        mode: 0o555,
        uid: 0,
        gid: 0,
    }
}

/// Gives the root of a file system in memory the label of what it covers; else it would have the label of such ones.
fn label_root(mount: &OwnedFd, covered: &Covered<'_, '_>, context: &Context<'_>) -> Result<()> {
    let path = covered.step.path.as_str();
    match open_directory(mount, ".") {
        Ok(root) => context.label_like(root, covered.place, path),
        // In a mode that keeps a caller without rights out.
        Err(Errno::ACCESS) => Ok(()),
        Err(errno) => Err(Error::from_errno("open", path, errno)),
    }
}
