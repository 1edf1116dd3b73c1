//! The result of an import.

use super::policy::Policy;
use super::remark::{Kind, Remark};
use crate::cli::arguments::ImportInvocation;

/// The policy that a configuration became.
#[derive(Debug)]
pub struct Imported {
    /// The policy.
    pub policy: Policy,
    /// The things that the policy does not carry, or does differently, in the order of the configuration.
    pub remarks: Vec<Remark>,
}

impl Imported {
    /// The policy as text; nothing where remarks forbid it.
    pub fn policy_for(&self, invocation: &ImportInvocation) -> Option<String> {
        let refused = invocation.strict && !self.remarks.is_empty();
        (!refused).then(|| self.policy.to_string())
    }

    /// The number of lines after which something is public, or seen, that was not.
    pub fn lines_left_public(&self) -> usize {
        self.number_of(Kind::LeftPublic)
    }

    /// The number of lines after which somebody misses something.
    pub fn lines_lost(&self) -> usize {
        self.number_of(Kind::Lost)
    }

    fn number_of(&self, kind: Kind) -> usize {
        let remarks = self.remarks.iter();
        remarks.filter(|remark| remark.kind == kind).count()
    }
}
