//! The things that were left behind, and what became of them.

use crate::error::Error;

/// Something that was left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// The kind of thing.
    pub kind: Kind,
    /// The path where it is.
    pub path: String,
    /// The reason why nothing needs it, or why it stays.
    pub reason: String,
    /// The result of the collection for it.
    pub disposal: Disposal,
}

/// The kinds of things that are left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The pin of a shared namespace.
    Pin,
    /// A mount beneath that which holds the vault.
    Cover,
    /// The record of a namespace.
    Namespace,
    /// The record of a session.
    Session,
    /// The volume that a program has opened in a namespace.
    Volume,
    /// The directory of a session's own instances.
    SessionDirectory,
    /// The instances of a user or a group.
    Instances,
    /// A file or directory that was being written or removed when a process was killed.
    Temporary,
    /// The cached plan that would have helped the next login of a user who has no namespace.
    Stamp,
    /// Something where the module keeps its things that is not named as the module names them, or is a pin of another
    /// mount namespace.
    Foreign,
}

/// The result of a collection for one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposal {
    /// The thing would be removed.
    Removable,
    /// The thing was removed.
    Removed,
    /// The thing stays, for the reason that is given.
    Left,
    /// The thing could not be removed.
    Failed(Error),
}
