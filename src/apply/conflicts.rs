//! Refuses what would hide the store, or what another step shows.

use super::covers::{BuiltView, PROC};
use super::instances::Instances;
use super::session_view::SessionView;
use crate::error::{Error, Result};
use crate::kernel::fs::walk::Place;
use crate::path::{AbsPath, is_within, refusal_in_proc};
use crate::plan::{Step, View};

/// Refuses a step at a place that another one covers, that its view does not fit, or that holds the store.
pub(super) fn check_target(step: &Step, place: &Place, view: SessionView<'_, '_>) -> Result<()> {
    let context = view.context;
    let refused = |reason: String| Err(Error::new("cover", &step.path, reason));
    let same = |built: &&BuiltView<'_>| {
        built.target.path() == place.path && !context.is_of_root(built.step)
    };
    if let Some(other) = view.covers.views().iter().find(same) {
        let (path, location) = (&other.step.path, &other.step.location);
        return refused(format!("it is the same place as {path} of {location}"));
    }
    if let Some(reason) =
        refusal_of_place_in_proc(step, place).filter(|_| !context.is_of_root(step))
    {
        return refused(match place.path == step.path.as_str() {
            true => reason.to_owned(),
            false => format!("it leads to {}: {reason}", place.path),
        });
    }
    if wants_directory(&step.view) && !place.is_directory() {
        return refused("it is not a directory".to_owned());
    }
    if view.root.is_none() && is_within(context.plan.store.as_str(), &place.path) {
        return refused(store_would_vanish(view));
    }
    Ok(())
}

/// Says why a place in `/proc`, where the path of a step leads, cannot be covered.
fn refusal_of_place_in_proc(step: &Step, place: &Place) -> Option<&'static str> {
    let is_file = !place.is_directory() && matches!(step.view, View::Bind { .. });
    let only_files = "in /proc a file alone can be covered, by a bind";
    let other = || (is_within(&place.path, PROC) && !is_file).then_some(only_files);
    refusal_in_proc(&place.path).or_else(other)
}

fn wants_directory(view: &View) -> bool {
    match view {
        View::Bind { .. } | View::Nothing { .. } | View::NameServers => false,
        View::Instance { .. } | View::Memory { .. } | View::Overlay { .. } => true,
        View::FileSystem(_) | View::Devices | View::Terminals => true,
    }
}

/// Refuses a plan in which a link leads one step's path below a later step's, which would cover it, or
/// the store below any.
pub(super) fn check_order(view: SessionView<'_, '_>, instances: &Instances<'_>) -> Result<()> {
    let store = instances.store_path().filter(|_| view.root.is_none());
    let mut later = view.covers.views().iter();
    while let Some(built) = later.next() {
        let (real, step) = (built.target.path(), built.step);
        let refused =
            |reason| Err(Error::new("cover", &step.path, reason).at_key(&step.location, "path"));
        if store.is_some_and(|store| is_within(store, real)) {
            return refused(store_would_vanish(view));
        }
        if let Some(other) = later.clone().find(|other| hides(other, built, view)) {
            let cover = &other.step.path;
            return refused(format!(
                "it leads to {real}, which {cover} covers; name it by that path"
            ));
        }
    }
    Ok(())
}

/// Whether a view takes another one away that was built before. Rules may cover what the root directory
/// has, and an fstab the same place twice, as mount(8) does it.
fn hides(later: &BuiltView<'_>, before: &BuiltView<'_>, view: SessionView<'_, '_>) -> bool {
    let (path, real) = (later.target.path(), before.target.path());
    let is_of_root = |built: &BuiltView<'_>| view.context.is_of_root(built.step);
    let by_rule = is_of_root(before) && !is_of_root(later);
    let twice = is_of_root(later) && path == real;
    is_within(real, path) && !by_rule && !twice
}

/// Refuses a volume that would cover what a step shows, or the store, at `real`, where its path leads.
pub(super) fn check_volume(
    path: &AbsPath,
    real: &str,
    view: SessionView<'_, '_>,
    instances: &Instances<'_>,
) -> Result<()> {
    let covered = |built: &&BuiltView<'_>| is_within(built.target.path(), real);
    if let Some(built) = view.covers.views().iter().find(covered) {
        let (step, location) = (&built.step.path, &built.step.location);
        let reason = format!("it would cover {step} of {location}");
        return Err(Error::new("open", path, reason));
    }
    let opened = instances.store_path();
    let store = opened.unwrap_or(view.context.plan.store.as_str());
    if is_within(store, real) {
        return Err(Error::new("open", path, store_would_vanish(view)));
    }
    Ok(())
}

fn store_would_vanish(view: SessionView<'_, '_>) -> String {
    format!("the store {} would vanish", view.context.plan.store)
}
