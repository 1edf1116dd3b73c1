//! `[settings]`.

use super::principal::Listed;
use super::value::{AbsPath, Propagation};
use crate::error::Origin;

/// `[settings]`, complete: what no file says has its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether plans are applied or only logged.
    pub mode: Enforcement,
    /// Who gets the host's own view.
    pub exempt: Vec<Listed>,
    /// Whether logins share a namespace.
    pub namespace: Namespaces,
    /// Where `namespace` was said; absent when it is the default.
    pub namespace_origin: Option<Origin>,
    /// How mounts travel.
    pub propagation: Propagation,
    /// Where instances live.
    pub store: AbsPath,
}

/// `settings.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// Plans are applied.
    Enforce,
    /// Plans are logged, nothing is changed.
    Observe,
}

/// `settings.namespace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespaces {
    /// Logins of a user with the same plan share one.
    User,
    /// Each login has its own.
    Session,
}
