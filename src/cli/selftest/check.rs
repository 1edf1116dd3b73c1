//! What should be so in a session, and whether it is.

use serde::{Deserialize, Serialize};

/// Something that was looked at.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Check {
    /// What should be so.
    pub(super) promise: String,
    /// What is so in its place; nothing where the promise holds.
    pub(super) failure: Option<String>,
}

impl Check {
    /// A promise that holds, or the reason why it does not.
    pub(super) fn of(promise: impl Into<String>, result: Result<(), String>) -> Self {
        Self {
            promise: promise.into(),
            failure: result.err(),
        }
    }

    /// A promise that holds if `holds`, and otherwise what was found.
    pub(super) fn that(
        promise: impl Into<String>,
        holds: bool,
        found: impl FnOnce() -> String,
    ) -> Self {
        Self::of(promise, if holds { Ok(()) } else { Err(found()) })
    }
}
