//! The users who could put something else in the place of an instance, and the refusals that follow from that.

use super::session_view::SessionView;
use crate::error::{Error, Result};
use crate::kernel::fs::walk::{Place, Trust};
use crate::plan::{Instance, RunAs, When};

/// The users who could put something else in the place of an instance.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplaceableBy {
    RootAlone,
    User,
}

impl ReplaceableBy {
    /// Tells it of the entries of a directory.
    pub(super) fn of_entries_in(directory: &Place) -> Self {
        match directory.is_users() {
            true => Self::User,
            false => Self::RootAlone,
        }
    }
}

/// Refuses root's programs for a new instance where the user could let a path by which they know it lead elsewhere.
pub(super) fn check_programs(
    instance: &Instance,
    covered: &Place,
    replaceable_by: ReplaceableBy,
    view: SessionView<'_, '_>,
) -> Result<()> {
    let hooks = view.context.plan.hooks.iter();
    let created = hooks.filter(|hook| hook.when == When::Created);
    let mut programs = created.map(|hook| &hook.helper).chain(&instance.hook);
    let by_root = programs.any(|program| program.run_as == RunAs::Root);
    if !by_root || matches!(view.context.trust, Trust::Caller(_)) {
        return Ok(());
    }
    let (parent, _) = view.open_parent(&covered.path)?;
    if replaceable_by == ReplaceableBy::User || parent.is_users() {
        let reason = "root would run a program for what lies in a directory of the user's, who could \
                      exchange it; run it with `as = \"user\"`";
        return Err(Error::new("make", &instance.directory, reason));
    }
    Ok(())
}
