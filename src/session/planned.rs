//! A session that is to be, and the namespace that is to be made for it.

use super::origin::Origin;
use super::pin_key::PinKey;
use super::place::OpenPlace;
use super::runtime::Runtime;
use crate::apply::Subject;
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::login::Login;
use crate::plan::{Plan, PlanDigest};

/// A session whose plan is known, as its process stands before it enters any namespace.
#[derive(Clone, Copy)]
pub struct PlannedSession<'s> {
    /// The plan of what the session gets.
    pub plan: &'s Plan,
    /// The digest of the plan.
    pub digest: &'s PlanDigest,
    /// The login whose session it is.
    pub login: &'s Login,
    /// The user that the plan's programs are run for.
    pub subject: &'s Subject<'s>,
    /// The working directory.
    pub directory: &'s WorkingDirectory,
    /// The place of its process, if that is known.
    pub place: Option<&'s OpenPlace>,
    /// `/run/jns` as it is seen from there, if it is open.
    pub runtime: Option<&'s Runtime>,
}

/// A namespace to be made.
#[derive(Clone, Copy)]
pub(super) struct Creation<'m> {
    pub(super) session: PlannedSession<'m>,
    /// The place that the login comes from; nothing where no record of it can be kept there.
    pub(super) origin: Option<&'m Origin>,
    /// The name of its pin, if other logins are to join it.
    pub(super) key: Option<&'m PinKey>,
}
