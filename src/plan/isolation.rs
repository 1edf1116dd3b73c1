//! What a session has of its own besides mounts.

use crate::error::Origin;
use crate::policy::rule::{Ipc, Network, Processes};

/// The namespaces of a session besides its mount namespace. What is absent is the host's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Isolation {
    /// Which processes are seen: never [`Processes::Shared`].
    pub processes: Option<Wanted<Processes>>,
    /// Whose System V IPC and POSIX queues: never [`Ipc::Shared`].
    pub ipc: Option<Wanted<Ipc>>,
    /// The host name in a UTS namespace.
    pub hostname: Option<Wanted<String>>,
    /// Which network: never [`Network::Shared`].
    pub network: Option<Wanted<Network>>,
}

/// What a key of an `[[isolate]]` rule wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<T> {
    /// Its value.
    pub value: T,
    /// The rule's place in the policy.
    pub origin: Origin,
}

impl Isolation {
    /// Whether everything is the host's.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
