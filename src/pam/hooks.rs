//! Programs that are run when a session opens and when it closes.

use crate::apply::{InitTarget, Subject};
use crate::error::Result;
use crate::kernel::process::helper::{Helper, Purpose};
use crate::path::ViewPath;
use crate::plan::{self, Hook, Init, OnFailure, When};
use serde::{Deserialize, Serialize};

/// A hook, as a cached plan has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SessionHook {
    when: When,
    pub(super) helper: plan::Helper,
    on_failure: OnFailure,
    /// Its place in the policy.
    location: String,
}

impl SessionHook {
    /// Takes the hooks of a plan that are run for each session.
    pub(super) fn of(hooks: &[Hook]) -> Vec<Self> {
        let cached = |hook: &Hook| Self {
            when: hook.when,
            helper: hook.helper.clone(),
            on_failure: hook.on_failure,
            location: hook.location.of_key("run").to_string(),
        };
        let of_session = |hook: &&Hook| hook.when != When::Created;
        hooks.iter().filter(of_session).map(cached).collect()
    }

    fn run(&self, subject: &Subject<'_>) -> Result<()> {
        let ran = subject
            .helper(&self.helper, Purpose::Hook, &[])
            .within(&subject.deadline)
            .run(b"")
            .map_err(|error| error.of(&self.location));
        self.on_failure
            .deny_or_warn(ran, |error| log::warn!("{error}"))
    }
}

/// The program that prepares what a path shows, as a cached plan has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Preparation {
    path: String,
    instance: Option<String>,
    pub(super) helper: plan::Helper,
    on_failure: OnFailure,
    /// Its place in the policy.
    location: String,
}

impl Preparation {
    /// Takes the programs of a plan that prepare what paths show.
    pub(super) fn of(inits: &[Init]) -> Vec<Self> {
        let cached = |init: &Init| Self {
            path: init.path.to_string(),
            instance: init.instance.as_ref().map(ToString::to_string),
            helper: init.helper.clone(),
            on_failure: init.on_failure,
            location: init.location.of_key("init").to_string(),
        };
        inits.iter().map(cached).collect()
    }

    fn run(&self, subject: &Subject<'_>) -> Result<()> {
        let instance = self.instance.as_deref();
        let target = InitTarget {
            path: &self.path,
            instance,
            is_new: false,
        };
        let ran = subject
            .prepare(&self.helper, target)
            .map_err(|error| error.of(&self.location));
        self.on_failure
            .deny_or_warn(ran, |error| log::warn!("{error}"))
    }
}

/// Prepares what the session is shown in a namespace that another login has made: those of `paths` that it covers.
/// Where this one has made it, that was done.
///
/// # Errors
///
/// One whose failure denies the session has failed.
pub(super) fn prepare(
    inits: &[Preparation],
    paths: &[ViewPath],
    subject: &Subject<'_>,
) -> Result<()> {
    let mut shown = inits
        .iter()
        .filter(|init| paths.iter().any(|path| *path == *init.path));
    shown.try_for_each(|init| init.run(subject))
}

/// Runs those for the opening session, in its namespace.
///
/// # Errors
///
/// One whose failure denies the session has failed.
pub(super) fn open(hooks: &[SessionHook], subject: &Subject<'_>) -> Result<()> {
    let mut opening = hooks.iter().filter(|hook| hook.when == When::Open);
    opening.try_for_each(|hook| hook.run(subject))
}

/// Prepares the hooks for the end of the session.
pub(super) fn closing(hooks: &[SessionHook], subject: &Subject<'_>) -> Vec<Helper> {
    let closing = hooks.iter().filter(|hook| hook.when == When::Close);
    closing
        .map(|hook| subject.helper(&hook.helper, Purpose::Hook, &[]))
        .collect()
}
