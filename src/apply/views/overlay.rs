//! An overlay: what the path showed, with what is written to it in a layer.

use super::view_mount::ViewMount;
use crate::apply::attributes::like_covered;
use crate::apply::covers::Covered;
use crate::apply::findings::Findings;
use crate::apply::forms::form_of;
use crate::apply::instances::{Instances, OpenedLayer};
use crate::apply::session_view::SessionView;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::open_directory;
use crate::kernel::fs::walk::Trust;
use crate::kernel::mount::overlay::{Layer, Options};
use crate::plan::{Shape, View};
use std::rc::Rc;

/// Makes an overlay of what the path shows and its layer, which is made itself where it is missing.
pub(super) fn build<'p>(
    covered: &Covered<'_, 'p>,
    view: SessionView<'_, 'p>,
    instances: &mut Instances<'p>,
    findings: &mut Findings,
) -> Result<ViewMount> {
    let (place, path, context) = (covered.place, covered.step.path.as_str(), view.context);
    let View::Overlay { layer: instance } = &covered.step.view else {
        return Err(Error::new("cover", path, "it has no layer"));
    };
    findings.note_shown(place, view);
    let lower =
        open_directory(place, ".").map_err(|errno| Error::from_errno("open", path, errno))?;
    let opened = instances.open_layer(instance, covered, view);
    let OpenedLayer { directory, is_new } =
        opened.map_err(|error| error.at_key(&covered.step.location, "store"))?;
    let form = context.permitted_form(form_of(&Shape::default(), &place.status));
    let directory_path = instance.directory.as_str();
    let layer = Layer::open(Rc::new(directory), form, directory_path)?;
    if is_new {
        context.label_like(layer.upper(), place, directory_path)?;
    }
    let options = Options {
        attributes: like_covered(&covered.step.attributes, covered.attributes).bits(),
        is_new,
        without_rights: matches!(context.trust, Trust::Caller(_)),
        path,
    };
    let mount = match layer.mount(&lower, options) {
        // Before Linux 6.15, nothing detached can be below an overlay, as the new root directory is.
        Err(refused) if refused.is_invalid() => {
            let same = view.seen_by_caller(&place.status, path);
            let opened = same.and_then(|same| open_directory(&same, ".").ok());
            layer.mount(&opened.ok_or(refused)?, options)
        }
        mounted => mounted,
    }?;
    Ok(ViewMount::plain(mount))
}
