//! Refuses what the user may write where root believes what it finds: the policy cannot tell, the files can.

use super::{Build, BuiltView, form_of};
use crate::error::{Error, Result};
use crate::kernel::directory::Form;
use crate::kernel::walk::{Place, Trust, Walker, is_writable_by};
use crate::plan::{BELIEVED, Plan, RunAs, Shape, Sharing, Step, View, Volume, is_believed};

impl Build<'_> {
    /// Refuses a bind of what the user may write over what root believes. Below a directory of the user's own root
    /// believes nothing.
    ///
    /// # Errors
    ///
    /// The user could choose what root believes.
    pub(super) fn check_source(&self, step: &Step, place: &Place, source: &Place) -> Result<()> {
        match self.doubted_at(place) {
            Some(uid) if is_users(source, uid) => Err(writable(step, &source.path)),
            _ => Ok(()),
        }
    }

    /// Refuses an instance that the user could replace, over what root believes.
    ///
    /// # Errors
    ///
    /// The user could choose what root believes.
    pub(super) fn check_instance(
        &self,
        step: &Step,
        place: &Place,
        replaceable: bool,
    ) -> Result<()> {
        match self.doubted_at(place) {
            Some(_) if replaceable => Err(writable(step, "the directory of the instance")),
            _ => Ok(()),
        }
    }

    /// Refuses a view that the user may write where they may not write what it covers.
    ///
    /// # Errors
    ///
    /// The user could choose what root believes; or the view cannot be examined.
    pub(super) fn check_view(&self, place: &Place, built: &BuiltView<'_>) -> Result<()> {
        let Some(uid) = self.doubted_at(place) else {
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
        if is_writable_by(uid, &built.mount, &status) && !is_open(place, uid) {
            return Err(writable(built.step, "what appears there"));
        }
        Ok(())
    }

    /// Refuses to make a path that the user could write where root believes what it finds.
    ///
    /// # Errors
    ///
    /// The user could choose what root believes.
    pub(super) fn check_new_path(
        &self,
        step: &Step,
        parent: &Place,
        name: &str,
        form: Form,
    ) -> Result<()> {
        let path = format!("{}/{name}", parent.path);
        match self.doubted(&path, parent.is_users()) {
            Some(uid) if form.is_open_to(uid) => Err(writable(step, "what is made there")),
            _ => Ok(()),
        }
    }

    /// Refuses a volume that the user serves over what root believes.
    ///
    /// # Errors
    ///
    /// The user could choose what root believes.
    pub(in crate::apply) fn check_served(&self, volume: &Volume, place: &Place) -> Result<()> {
        match (volume.open.run_as, self.doubted_at(place)) {
            (RunAs::User, Some(_)) => Err(served(volume)),
            (RunAs::User | RunAs::Root, _) => Ok(()),
        }
    }

    fn doubted_at(&self, place: &Place) -> Option<u32> {
        self.doubted(&place.path, place.is_users())
    }

    /// The user whose part in what `path` shows matters: not root, nobody without any rights but their own, and
    /// nobody whose command alone is in the namespace, with no more rights than theirs for good. `theirs` says whether
    /// the path is below a directory of the user's.
    fn doubted(&self, path: &str, theirs: bool) -> Option<u32> {
        let uid = match self.trust {
            Trust::User(uid) if self.plan.sharing != Sharing::Command => uid,
            Trust::User(_) | Trust::Root | Trust::Caller(_) => return None,
        };
        matters(path, theirs, uid).then_some(uid)
    }
}

/// Looks at what a login of the user `uid` would find, as [`crate::apply::enter`] does it. What is missing, or cannot
/// be seen by this process, says nothing.
///
/// # Errors
///
/// The user could choose what root believes.
pub fn check_beliefs(plan: &Plan, uid: u32) -> Result<()> {
    let walker = Walker::new(Trust::User(uid))?;
    let place = |path: &str| {
        let found = walker.open(path, &[]).ok();
        found.filter(|place| matters(&place.path, place.is_users(), uid))
    };
    for step in &plan.steps {
        if let Some(place) = place(step.path.as_str()) {
            foresee(step, &place, &walker, uid).map_err(|error| error.at(&step.origin))?;
        }
    }
    for volume in &plan.volumes {
        if volume.open.run_as == RunAs::User && place(volume.path.as_str()).is_some() {
            return Err(served(volume).at(&volume.origin));
        }
    }
    Ok(())
}

fn foresee(step: &Step, place: &Place, walker: &Walker, uid: u32) -> Result<()> {
    match &step.view {
        View::Bind { source, .. } => match walker.open(source.as_str(), &[]) {
            Ok(source) if is_users(&source, uid) => Err(writable(step, &source.path)),
            _ => Ok(()),
        },
        View::Instance {
            instance, shape, ..
        } => match walker.open_parent(instance.directory.as_str(), &[]) {
            Ok((parent, _)) if parent.is_users() => Err(writable(step, &parent.path)),
            _ => foresee_shape(step, shape, place, uid),
        },
        View::Memory { shape, .. } => foresee_shape(step, shape, place, uid),
        View::Overlay { .. } | View::FileSystem(_) | View::NameServers => Ok(()),
        View::Devices | View::Terminals | View::Nothing { .. } => Ok(()),
    }
}

fn foresee_shape(step: &Step, shape: &Shape, place: &Place, uid: u32) -> Result<()> {
    if form_of(shape, &place.status).is_open_to(uid) && !is_open(place, uid) {
        return Err(writable(step, "what appears there"));
    }
    Ok(())
}

/// Whether root believes what a user has a part in at `path`: not below a directory of the user's own, nor what root
/// has a part in.
fn matters(path: &str, theirs: bool, uid: u32) -> bool {
    uid != 0 && !theirs && is_believed(path)
}

fn is_users(source: &Place, uid: u32) -> bool {
    source.is_users() || is_open(source, uid)
}

fn is_open(place: &Place, uid: u32) -> bool {
    is_writable_by(uid, place, &place.status)
}

fn served(volume: &Volume) -> Error {
    let reason = format!("the user serves what is in it, and {BELIEVED}");
    Error::new("open", &volume.path, reason)
}

fn writable(step: &Step, what: &str) -> Error {
    let reason = format!("the user may write to {what}, and {BELIEVED}");
    Error::new("cover", &step.path, reason)
}
