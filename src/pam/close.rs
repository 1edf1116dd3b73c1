//! Closing a session.

use super::{Refusal, SESSION, complement};
use crate::apply;
use crate::error::Result;
use crate::login::is_effective_root;
use crate::session::{Runtime, SessionRecord};
use pam::module::PamHandle;
use std::ffi::CStr;

/// Removes the own directories and the record of the session that was opened last. It may run as the user,
/// or never; nothing depends on it.
pub(super) fn close_session(
    handle: &mut PamHandle,
    _: &[&CStr],
) -> std::result::Result<(), Refusal> {
    let opened =
        complement::data(handle, SESSION).and_then(|sessions| sessions.0.borrow_mut().pop());
    let Some(opened) = opened else {
        return Ok(());
    };
    for directory in &opened.directories {
        tell(apply::remove_session_directory(directory, opened.uid));
    }
    tell(forget(&opened.id));
    log::debug!("session of {} closed", opened.user);
    Ok(())
}

/// What is left then, `jns gc` removes.
fn tell(done: Result<()>) {
    if let Err(error) = done {
        let level = if is_effective_root() {
            log::Level::Warn
        } else {
            log::Level::Debug
        };
        log::log!(level, "{error}");
    }
}

fn forget(id: &str) -> Result<()> {
    match Runtime::find()? {
        Some(runtime) => SessionRecord::remove(&runtime, id),
        // The session covers /run.
        None => Ok(()),
    }
}
