//! The rights with which doctor looks at the system.

use crate::login::is_effective_root;

/// The rights that this process looks with: some things only root can try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Root's.
    Root,
    /// Anybody else's.
    User,
}

impl Rights {
    /// Finds the rights of this process.
    pub fn own() -> Self {
        match is_effective_root() {
            true => Self::Root,
            false => Self::User,
        }
    }
}
