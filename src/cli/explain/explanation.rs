//! The explanation of a login.

use crate::apply::may_hide_runtime_directories;
use crate::cli::host::Entry;
use crate::error::Result;
use crate::kernel::fs::walk::Trust;
use crate::kernel::mount::runtime_directory;
use crate::login::Login;
use crate::plan::Plan;
use crate::policy::{Loaded, Selection};

/// A login and the policy that it meets.
#[derive(Debug)]
pub struct Inputs {
    /// The line that calls the module, if one does.
    pub line: Option<Entry>,
    /// The files of the policy.
    pub files: Vec<String>,
    /// The policy.
    pub loaded: Loaded,
    /// The facts of the login.
    pub login: Login,
}

impl Inputs {
    /// Whether the session is a command in somebody's session, which finds the directories of whoever calls it.
    pub fn is_command(&self) -> bool {
        self.loaded.policy.settings.inherits(&self.login.service)
    }
}

/// A login, explained.
#[derive(Debug)]
pub struct Explanation<'c> {
    /// The login and its policy.
    pub inputs: &'c Inputs,
    /// The rules, and which of them apply.
    pub selection: Selection<'c>,
    /// The plan that the login gets, or the reason why it is refused.
    pub plan: Result<Plan>,
}

impl Explanation<'_> {
    /// The user's runtime directory, where the session shows no other user's; nothing where it shows what the host does.
    pub fn only_runtime_directory(&self) -> Option<String> {
        let uid = self.inputs.login.uid;
        let plan = self.plan.as_ref().ok()?;
        let hides = !plan.is_empty() && may_hide_runtime_directories(plan, Trust::User(uid));
        let is_separate = || runtime_directory::is_separate().unwrap_or(false);
        (hides && is_separate()).then(|| runtime_directory::path_of(uid))
    }
}
