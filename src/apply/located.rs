//! A step whose place is known, and what becomes of a place that was made for one.

use super::instances::Instances;
use super::session_view::SessionView;
use crate::kernel::fs::directory::Draft;
use crate::kernel::fs::walk::Place;
use crate::path::is_within;
use crate::plan::{Step, View};

/// A step, and where it goes.
pub(super) struct Located<'p> {
    pub(super) step: &'p Step,
    /// The place that is covered.
    pub(super) place: Place,
    /// The place that a bind shows there.
    pub(super) source: Option<Place>,
}

/// Lets what was made in a new instance go with that instance. What was made on the host stays: another login may have
/// mounted something on it by now, which rmdir(2) would take away.
pub(super) fn settle<'p>(
    draft: Draft,
    parent: &Place,
    view: SessionView<'_, 'p>,
    instances: &mut Instances<'p>,
) {
    let mut built = view.covers.views().iter().rev();
    let holder = built.find(|built| is_within(&parent.path, built.target.path()));
    match holder.map(|built| &built.step.view) {
        Some(View::Instance { instance, .. }) => instances.settle_within(draft, instance),
        Some(
            View::Memory { .. }
            | View::Bind { .. }
            | View::Overlay { .. }
            | View::FileSystem(_)
            | View::Devices
            | View::Terminals
            | View::NameServers
            | View::Nothing { .. },
        )
        | None => draft.keep(),
    }
}
