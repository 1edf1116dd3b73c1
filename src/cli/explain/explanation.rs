//! The explanation of a login.

use crate::cli::host::Entry;
use crate::error::Result;
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
