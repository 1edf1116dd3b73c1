//! The explanation of a login.

use crate::apply::may_hide_runtime_directories;
use crate::cli::asked::trial::Tried;
use crate::cli::asked::{Inputs, planned};
use crate::error::{Error, Result};
use crate::kernel::fs::walk::Trust;
use crate::kernel::mount::runtime_directory;
use crate::plan::Plan;
use crate::policy::{Selection, select};

/// A login, explained.
#[derive(Debug)]
pub struct Explanation<'c> {
    /// The login and its policy.
    pub inputs: &'c Inputs,
    /// The rules, and which of them apply.
    pub selection: Selection<'c>,
    /// The plan that the login gets, or the reason why it is refused.
    pub plan: Result<Plan>,
    /// The plan as this machine would carry it out.
    pub tried: Tried,
}

impl<'c> Explanation<'c> {
    /// Explains a login through the calls that a login makes.
    pub fn of(inputs: &'c Inputs) -> Self {
        let policy = &inputs.loaded.policy;
        let plan = planned(policy, &inputs.login);
        Self {
            inputs,
            selection: select(policy, &inputs.login),
            tried: Tried::of(&plan, &inputs.login, policy),
            plan,
        }
    }
}

impl Explanation<'_> {
    /// The reason why the login would be refused.
    pub fn refusal(&self) -> Option<&Error> {
        match (&self.plan, &self.tried) {
            (Err(error), _) => Some(error),
            (Ok(_), Tried::Done(trial)) => trial.refusal.as_ref(),
            (Ok(_), Tried::NotPossible(_)) => None,
        }
    }

    /// The user's runtime directory, where the session shows no other user's; nothing where it shows what the host does.
    pub fn only_runtime_directory(&self) -> Option<String> {
        let uid = self.inputs.login.uid;
        let plan = self.plan.as_ref().ok()?;
        let hides = !plan.is_empty() && may_hide_runtime_directories(plan, Trust::User(uid));
        let is_separate = || runtime_directory::is_separate().unwrap_or(false);
        (hides && is_separate()).then(|| runtime_directory::path_of(uid))
    }
}
