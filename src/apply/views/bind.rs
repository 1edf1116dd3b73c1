//! A bind: another file or directory of the host.

use super::{Covered, ViewMount};
use crate::apply::attributes::like_covered_and_source;
use crate::apply::context::Context;
use crate::apply::findings::Findings;
use crate::apply::travel;
use crate::error::{Error, Result};
use crate::kernel::fs::walk::Place;
use crate::kernel::mount;
use crate::plan::View;
use crate::policy::value::AbsPath;

/// Makes a bind of `source`.
pub(super) fn build(
    covered: &Covered<'_, '_>,
    source: Option<&Place>,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Result<ViewMount> {
    let (step, path) = (covered.step, covered.step.path.as_str());
    let refused = |reason: &str| Err(Error::new("bind", path, reason));
    let Some(source) = source else {
        return refused("its source was not looked for");
    };
    if covered.place.is_directory() != source.is_directory() {
        return refused("source and path must be both directories or both files");
    }
    let recursive = matches!(
        step.view,
        View::Bind {
            recursive: true,
            ..
        }
    );
    let mount = mount::clone_tree(source, recursive, &source.path)?;
    let change = like_covered_and_source(&step.attributes, covered.attributes);
    let propagation = step.propagation.unwrap_or(context.plan.propagation);
    mount::prepare(&mount, recursive, change, travel(propagation), path)?;
    let named = step.view.source().map(AbsPath::as_str);
    findings.note_source(named.unwrap_or(&source.path), source);
    Ok(ViewMount::plain(mount))
}
