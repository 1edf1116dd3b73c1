//! Principals: who a rule is about.

use crate::error::Origin;

/// Whom a word such as `"alice"`, `"@group"`, `"uid:1000-1999"` or `"*"` names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// `"*"`: everybody.
    Everyone,
    /// `"alice"`: the account of that name.
    User(String),
    /// `"@group"`: whoever has the group as primary or supplementary one.
    Group(String),
    /// `"uid:1000-1999"` or `"uid:1001"`: accounts by id, both ends included.
    Uids(u32, u32),
}

/// A principal in a list, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The principal.
    pub principal: Principal,
    /// Its place in the policy.
    pub origin: Origin,
}
