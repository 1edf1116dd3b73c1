//! Owner, group and mode of files, and who could write to one.

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Someone who may have no part in what root believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The user with this id, whose session it is in.
    User(u32),
    /// Everybody but root, in a session of root's.
    Others,
}

impl Writer {
    /// The one that matters in a session of the user `uid`.
    #[must_use]
    pub fn of_session(uid: u32) -> Self {
        match uid {
            0 => Self::Others,
            uid => Self::User(uid),
        }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User(_) => "the user",
            Self::Others => "somebody else than root",
        })
    }
}

/// Permission bits, owner and group of something that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// Owner's user id.
    pub uid: u32,
    /// Owning group's id.
    pub gid: u32,
}

impl Form {
    /// Reads the form of a file or directory out of its status.
    #[must_use]
    pub fn of(status: &Stat) -> Self {
        Self {
            mode: status.st_mode & 0o7777,
            uid: status.st_uid,
            gid: status.st_gid,
        }
    }

    /// Whether a writer may write, or could let themselves. Every group but root's may be one of theirs.
    #[must_use]
    pub(crate) fn is_open_to(&self, writer: Writer) -> bool {
        let Self { mode, uid, gid } = *self;
        let by_owner = match writer {
            Writer::User(user) => uid == user,
            Writer::Others => uid != 0,
        };
        by_owner || mode & 0o002 != 0 || mode & 0o020 != 0 && gid != 0
    }
}
