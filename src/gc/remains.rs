//! What was left behind, and what became of it.

use crate::error::Error;

/// Something that was left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub path: String,
    /// Why nothing needs it, or why it stays.
    pub reason: String,
    /// What became of it.
    pub disposal: Disposal,
}

/// The kinds of things that are left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The pin of a shared namespace.
    Pin,
    /// The record of a namespace.
    Namespace,
    /// The record of a session.
    Session,
    /// What a program has opened in a namespace.
    Volume,
    /// The directory of a session's own instances.
    SessionDirectory,
    /// The instances of a user or a group.
    Instances,
    /// What was being written or removed when a process was killed.
    Temporary,
    /// What would have helped the next login of a user who has no namespace.
    Stamp,
    /// What is where the module keeps its things, and is not named as the module names them, or is a pin of
    /// another mount namespace.
    Foreign,
}

/// What became of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposal {
    /// It would be removed.
    Removable,
    /// It was removed.
    Removed,
    /// It stays, for the reason that is given.
    Left,
    /// It could not be removed.
    Failed(Error),
}
