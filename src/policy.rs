//! The policy language: where it is read, what it may say, which rules a login selects.

pub mod value;

use crate::error::Origin;
use crate::login::Needs;
use value::Propagation;

/// A whole policy: the settings in force and every rule of every file, in order.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The settings; a later file's key has replaced an earlier file's.
    pub settings: Settings,
}

/// `[settings]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether plans are applied or only logged.
    pub mode: Enforcement,
    /// How mounts travel.
    pub propagation: Propagation,
}

/// `settings.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// Plans are applied.
    Enforce,
    /// Plans are logged, nothing is changed.
    Observe,
}

impl Policy {
    /// Which facts about a login this policy needs.
    #[must_use]
    pub fn needs(&self) -> Needs {
        Needs::default()
    }
}

/// Names that principals of the policy mention although no such user or group exists.
pub type UnknownPrincipal = (String, Origin);
