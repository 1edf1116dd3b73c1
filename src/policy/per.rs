//! `per`: the owners of directories, each with another one.

use super::fields::Vocabulary;
use super::template::Fact;
use crate::login::Basis;

/// The owner of a directory: `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// The user's.
    User,
    /// The session's: empty at login, removed at the end.
    Session,
    /// The primary group's.
    Group,
    /// The SELinux context's.
    Context,
    /// The SELinux level's.
    Level,
}

impl Per {
    /// The facts of which one has to be in the name: it is another one for each of those whose the instances are.
    #[must_use]
    pub(crate) fn required_facts(self) -> &'static [Fact] {
        match self {
            Self::User => &[Fact::User, Fact::Uid, Fact::Home],
            Self::Session => &[Fact::Session],
            Self::Group => &[Fact::Group, Fact::Gid],
            Self::Context => &[Fact::Context],
            Self::Level => &[Fact::Level],
        }
    }

    /// The part of the session's SELinux context that the label of an instance has, where it has any.
    #[must_use]
    pub fn basis(self) -> Option<Basis> {
        match self {
            Self::User | Self::Session | Self::Group => None,
            Self::Context => Some(Basis::Context),
            Self::Level => Some(Basis::Level),
        }
    }
}

impl Vocabulary for Per {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("user", Self::User),
        ("session", Self::Session),
        ("group", Self::Group),
        ("context", Self::Context),
        ("level", Self::Level),
    ];
}
