//! The namespaces that a session has of its own besides mounts.

use crate::error::Location;
use crate::policy::rule::{Ipc, Network, Processes};
use crate::policy::word_of;
use serde::Serialize;
use std::collections::BTreeMap;

/// The namespaces of a session besides its mount namespace. What is absent is the host's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Isolation {
    /// The processes that are seen: never [`Processes::Shared`].
    pub processes: Option<Wanted<Processes>>,
    /// The System V IPC and POSIX queues: never [`Ipc::Shared`].
    pub ipc: Option<Wanted<Ipc>>,
    /// The host name in a UTS namespace.
    pub hostname: Option<Wanted<String>>,
    /// The network: never [`Network::Shared`].
    pub network: Option<Wanted<Network>>,
}

/// A value that a key of an `[[isolate]]` rule wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wanted<T> {
    /// Its value.
    pub value: T,
    /// The rule's place in the policy.
    #[serde(flatten)]
    pub location: Location,
}

impl Isolation {
    /// Whether everything is the host's.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it has a PID namespace.
    #[must_use]
    pub(crate) fn has_own_processes(&self) -> bool {
        let processes = self.processes.as_ref();
        processes.is_some_and(|wanted| wanted.value == Processes::Own)
    }

    /// The values that are not the host's, by their keys and in the words of the policy.
    #[must_use]
    pub fn words(&self) -> BTreeMap<String, String> {
        let processes = self
            .processes
            .as_ref()
            .map(|wanted| word_of(wanted.value).to_owned());
        let ipc = self
            .ipc
            .as_ref()
            .map(|wanted| word_of(wanted.value).to_owned());
        let hostname = self.hostname.as_ref().map(|wanted| wanted.value.clone());
        let network = self.network.as_ref().map(|wanted| wanted.value.word());
        let all = [
            ("processes", processes),
            ("ipc", ipc),
            ("hostname", hostname),
            ("network", network),
        ];
        let said = all
            .into_iter()
            .filter_map(|(key, word)| Some((key.to_owned(), word?)));
        said.collect()
    }
}
