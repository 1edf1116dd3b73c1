//! The terminals of a session in another root directory.

use super::file_system;
use super::view_mount::ViewMount;
use crate::apply::attributes::like_covered_and_source;
use crate::apply::context::Context;
use crate::apply::findings::Findings;
use crate::error::Result;
use crate::kernel::fs::device::Multiplexer;
use crate::kernel::mount::{self, Extent, Preparation};
use crate::plan::{FileSystem, Medium, Step};

/// Shows the host's terminals: a session begins on one of them, or gets one from its host process. Where users
/// could open no more of them, for want of a device that does, they get an instance of their own.
pub(super) fn build(
    step: &Step,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Result<ViewMount> {
    let path = step.path.as_str();
    let needs_multiplexer = findings.multiplexer == Some(Multiplexer::Link);
    if needs_multiplexer && !is_open_to_all("/dev/pts/ptmx", context) {
        return build_own(step, context, findings);
    }
    let hosts = match context.walker.open(path, &[]) {
        Err(missing) if missing.is_missing() => return build_own(step, context, findings),
        found => found?,
    };
    let mount = mount::clone_tree(&hosts, Extent::Mount, path)?;
    let change = like_covered_and_source(&step.attributes, 0);
    mount::prepare(&mount, Preparation::of_private_mount(change), path)?;
    findings.note_source(path, &hosts);
    Ok(ViewMount::plain(mount))
}

fn is_open_to_all(path: &str, context: &Context<'_>) -> bool {
    let found = context.walker.open(path, &[]);
    found.is_ok_and(|place| place.status.st_mode & 0o666 == 0o666)
}

fn build_own(step: &Step, context: &Context<'_>, findings: &mut Findings) -> Result<ViewMount> {
    let option = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
    let own = FileSystem {
        kind: "devpts".to_owned(),
        medium: Medium::Named("devpts".to_owned()),
        options: vec![option("ptmxmode", "0666"), option("mode", "620")],
    };
    file_system::build(step, &own, context, findings)
}
