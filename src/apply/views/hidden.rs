//! The cover of a hidden file: an empty one that nobody may read.

use super::view_mount::ViewMount;
use crate::apply::context::Context;
use crate::apply::instances::Instances;
use crate::error::Result;
use crate::kernel::fs::walk::Trust;
use crate::kernel::mount::{self, AttributeChange, Extent, Preparation, attribute};
use crate::plan::Step;

/// Makes the mount that covers a hidden file.
pub(super) fn build(
    step: &Step,
    context: &Context<'_>,
    instances: &mut Instances<'_>,
) -> Result<ViewMount> {
    let path = step.path.as_str();
    let file = match context.trust {
        Trust::Root | Trust::User(_) => instances.open_hidden_file(context)?,
        // A caller without rights has no store. A device on a mount without devices cannot be opened.
        Trust::Caller(_) => mount::reopen("/dev/null")?,
    };
    let mount = mount::clone_tree(file, Extent::Mount, path)?;
    let change = AttributeChange::default()
        .set(attribute::READ_ONLY | attribute::NO_SUID | attribute::NO_DEV | attribute::NO_EXEC);
    mount::prepare(&mount, Preparation::of_private_mount(change), path)?;
    Ok(ViewMount::plain(mount))
}
