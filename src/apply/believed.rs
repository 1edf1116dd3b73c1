//! Refuses what the user may write where root believes what it finds: the policy cannot tell, the files can. In a
//! session of root's, that is what anybody else may write.

use super::context::Context;
use super::covers::{BuiltView, Covered};
use super::forms::form_of;
use super::replaceable::ReplaceableBy;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{Form, Writer};
use crate::kernel::fs::walk::{Place, Trust, Walker, is_writable_by};
use crate::plan::{BELIEVED, Plan, RunAs, Shape, Sharing, Step, View, Volume, is_believed};

/// Refuses a bind of what the user may write over what root believes. Below a directory of the user's own root
/// believes nothing.
///
/// # Errors
///
/// The user could choose what root believes.
pub(super) fn check_source(
    step: &Step,
    place: &Place,
    source: &Place,
    context: &Context<'_>,
) -> Result<()> {
    match doubted_at(place, context) {
        Some(writer) if is_users(source, writer) => Err(writable(step, writer, &source.path)),
        _ => Ok(()),
    }
}

/// Refuses an instance that the user could replace, over what root believes.
///
/// # Errors
///
/// The user could choose what root believes.
pub(super) fn check_instance(
    covered: &Covered<'_, '_>,
    replaceable_by: ReplaceableBy,
    context: &Context<'_>,
) -> Result<()> {
    match (doubted_at(covered.place, context), replaceable_by) {
        (Some(writer), ReplaceableBy::User) => Err(writable(
            covered.step,
            writer,
            "the directory of the instance",
        )),
        (_, ReplaceableBy::RootAlone) | (None, ReplaceableBy::User) => Ok(()),
    }
}

/// Refuses a view that the user may write where they may not write what it covers.
///
/// # Errors
///
/// The user could choose what root believes; or the view cannot be examined.
pub(super) fn check_view(
    place: &Place,
    built: &BuiltView<'_>,
    context: &Context<'_>,
) -> Result<()> {
    let Some(writer) = doubted_at(place, context) else {
        return Ok(());
    };
    match &built.step.view {
        View::Instance { .. } | View::Memory { .. } => {}
        View::Overlay { .. } | View::FileSystem(_) => {}
        // A source is judged before it is used; in the others there is nothing to write.
        View::Bind { .. } | View::NameServers => return Ok(()),
        View::Devices | View::Terminals | View::Nothing { .. } => return Ok(()),
    }
    let path = built.step.path.as_str();
    let status = rustix::fs::fstat(&built.mount)
        .map_err(|errno| Error::from_errno("examine", path, errno))?;
    if is_writable_by(writer, &built.mount, &status) && !is_open(place, writer) {
        return Err(writable(built.step, writer, "what appears there"));
    }
    Ok(())
}

/// Refuses to make the missing path of a step in `parent` that the user could write where root believes what it finds.
///
/// # Errors
///
/// The user could choose what root believes.
pub(super) fn check_new_path(
    step: &Step,
    parent: &Place,
    form: Form,
    context: &Context<'_>,
) -> Result<()> {
    let (_, name) = step.path.as_str().rsplit_once('/').unwrap_or_default();
    let path = format!("{}/{name}", parent.path);
    match doubted(&path, parent, context) {
        Some(writer) if form.is_open_to(writer) => {
            Err(writable(step, writer, "what is made there"))
        }
        _ => Ok(()),
    }
}

/// Refuses a volume that the user serves over what root believes.
///
/// # Errors
///
/// The user could choose what root believes.
pub(super) fn check_served(volume: &Volume, place: &Place, context: &Context<'_>) -> Result<()> {
    match (volume.open.run_as, doubted_at(place, context)) {
        (RunAs::User, Some(Writer::User(_))) => Err(served(volume)),
        (RunAs::User | RunAs::Root, _) => Ok(()),
    }
}

fn doubted_at(place: &Place, context: &Context<'_>) -> Option<Writer> {
    doubted(&place.path, place, context)
}

/// Finds whose part in what `path` shows, in or at `place`, matters. The part of a user with no rights but their own
/// does not matter. Nor does that of a user who has a command alone in the namespace, with no more rights than theirs
/// for good.
fn doubted(path: &str, place: &Place, context: &Context<'_>) -> Option<Writer> {
    let uid = match context.trust {
        Trust::User(uid) if context.plan.sharing != Sharing::Command => uid,
        Trust::User(_) | Trust::Root | Trust::Caller(_) => return None,
    };
    matters(path, place).then_some(Writer::of_session(uid))
}

/// Looks at what a login of the user `uid` would find, as [`crate::apply::enter`] does it. What is missing, or cannot
/// be seen by this process, says nothing.
///
/// # Errors
///
/// The user could choose what root believes.
pub fn check_beliefs(plan: &Plan, uid: u32) -> Result<()> {
    let (walker, writer) = (Walker::new(Trust::User(uid))?, Writer::of_session(uid));
    let believed_place = |path: &str| {
        let found = walker.open(path, &[]).ok();
        found.filter(|place| matters(&place.path, place))
    };
    for step in &plan.steps {
        if let Some(place) = believed_place(step.path.as_str()) {
            foresee(step, &place, &walker, writer).map_err(|error| error.at(&step.location))?;
        }
    }
    for volume in &plan.volumes {
        let is_users = volume.open.run_as == RunAs::User && uid != 0;
        if is_users && believed_place(volume.path.as_str()).is_some() {
            return Err(served(volume).at_key(&volume.location, "path"));
        }
    }
    Ok(())
}

fn foresee(step: &Step, place: &Place, walker: &Walker, writer: Writer) -> Result<()> {
    match &step.view {
        View::Bind { source, .. } => match walker.open(source.as_str(), &[]) {
            Ok(source) if is_users(&source, writer) => Err(writable(step, writer, &source.path)),
            _ => Ok(()),
        },
        View::Instance {
            instance, shape, ..
        } => match walker.open_parent(instance.directory.as_str(), &[]) {
            Ok((parent, _)) if parent.is_users() => Err(writable(step, writer, &parent.path)),
            _ => foresee_shape(step, shape, place, writer),
        },
        View::Memory { shape, .. } => foresee_shape(step, shape, place, writer),
        View::Overlay { .. } | View::FileSystem(_) | View::NameServers => Ok(()),
        View::Devices | View::Terminals | View::Nothing { .. } => Ok(()),
    }
}

fn foresee_shape(step: &Step, shape: &Shape, place: &Place, writer: Writer) -> Result<()> {
    if form_of(shape, &place.status).is_open_to(writer) && !is_open(place, writer) {
        return Err(writable(step, writer, "what appears there"));
    }
    Ok(())
}

/// Whether root believes what is at `path`, in or at `place`: not below a directory of the user's own.
fn matters(path: &str, place: &Place) -> bool {
    !place.is_users() && is_believed(path)
}

fn is_users(source: &Place, writer: Writer) -> bool {
    source.is_users() || is_open(source, writer)
}

fn is_open(place: &Place, writer: Writer) -> bool {
    is_writable_by(writer, place, &place.status)
}

fn served(volume: &Volume) -> Error {
    let reason = format!("the user serves what is in it, and {BELIEVED}");
    Error::new("open", &volume.path, reason)
}

fn writable(step: &Step, writer: Writer, what: &str) -> Error {
    let reason = format!("{writer} may write to {what}, and {BELIEVED}");
    Error::new("cover", &step.path, reason)
}
