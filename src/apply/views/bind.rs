//! A bind: another file or directory of the host.

use super::view_mount::ViewMount;
use crate::apply::attributes::like_covered_and_source;
use crate::apply::context::Context;
use crate::apply::covers::{Covered, extent};
use crate::apply::findings::Findings;
use crate::apply::travel::travel;
use crate::error::{Error, Result};
use crate::kernel::fs::walk::Place;
use crate::kernel::mount::{self, Preparation};
use crate::path::AbsPath;

/// Makes a bind of `source`.
pub(super) fn build(
    covered: &Covered<'_, '_>,
    source: Option<&Place>,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Result<ViewMount> {
    let (step, path) = (covered.step, covered.step.path.as_str());
    let refused =
        |reason: &str| Err(Error::new("bind", path, reason).at_key(&step.location, "source"));
    let Some(source) = source else {
        return refused("its source was not looked for");
    };
    if covered.place.is_directory() != source.is_directory() {
        return refused("source and path must be both directories or both files");
    }
    let extent = extent(&step.view);
    let mount = mount::clone_tree(source, extent, &source.path)?;
    let preparation = Preparation {
        extent,
        change: like_covered_and_source(&step.attributes, covered.attributes),
        travel: travel(step.propagation.unwrap_or(context.plan.propagation)),
    };
    mount::prepare(&mount, preparation, path)?;
    let named = step.view.source().map(AbsPath::as_str);
    findings.note_source(named.unwrap_or(&source.path), source);
    Ok(ViewMount::plain(mount))
}
