//! What an import comes to.

use super::policy::Policy;
use super::remark::Remark;
use crate::cli::arguments::ImportInvocation;

/// What became of a configuration.
#[derive(Debug)]
pub struct Imported {
    /// The policy.
    pub policy: Policy,
    /// What the policy does not carry, or does differently, in the order of the configuration.
    pub remarks: Vec<Remark>,
}

impl Imported {
    /// The policy as text; nothing where remarks forbid it.
    pub fn policy_for(&self, invocation: &ImportInvocation) -> Option<String> {
        let refused = invocation.strict && !self.remarks.is_empty();
        (!refused).then(|| self.policy.to_string())
    }
}
