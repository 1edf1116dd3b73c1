//! Failures in a hook: what PAM is told of them, and what is only logged.

use crate::error::{Error, Result};
use crate::login::is_effective_root;
use pam::constants::PamResultCode;

/// The reason why a hook fails: what PAM is told, and what the log is told. It is never `PAM_SESSION_ERR`: sudo goes
/// on after that one, with the caller's view.
pub(super) struct Refusal {
    pub(super) code: PamResultCode,
    pub(super) reasons: Vec<String>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            code: PamResultCode::PAM_PERM_DENIED,
            reasons: vec![error.to_string()],
        }
    }
}

/// Logs what went wrong without consequences for the session. As an ordinary user, at the end of one, most
/// things do.
pub(super) fn log_failure(done: Result<()>) {
    if let Err(error) = done {
        let level = if is_effective_root() {
            log::Level::Warn
        } else {
            log::Level::Debug
        };
        log::log!(level, "{error}");
    }
}
