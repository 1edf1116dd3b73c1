//! Closing a session.

use super::{Refusal, SESSION, complement, tell};
use crate::apply;
use crate::error::Result;
use crate::session::origin::return_to_origin;
use crate::session::{Runtime, SessionRecord};
use pam::module::PamHandle;
use std::ffi::CStr;

/// Takes leave of the processes of the session that was opened last, and removes its own directories and its
/// record. It may run as the user, or never; nothing depends on it, and what is left then `jns gc` removes.
pub(super) fn close_session(
    handle: &mut PamHandle,
    _: &[&CStr],
) -> std::result::Result<(), Refusal> {
    let opened =
        complement::data(handle, SESSION).and_then(|sessions| sessions.0.borrow_mut().pop());
    let Some(opened) = opened else {
        return Ok(());
    };
    let home = match opened.in_own_root {
        // Nothing of the host's is to be reached in it.
        true => return_to_origin(),
        false => Ok(None),
    };
    let _home = home.unwrap_or_else(|error| {
        log::warn!("{error}");
        None
    });
    if let Some(leave) = &opened.leave {
        tell(leave.take(&opened.id));
    }
    for directory in &opened.directories {
        tell(apply::remove_session_directory(directory, opened.uid));
    }
    tell(forget(&opened.id));
    log::debug!("session of {} closed", opened.user);
    Ok(())
}

fn forget(id: &str) -> Result<()> {
    match Runtime::find()? {
        Some(runtime) => SessionRecord::remove(&runtime, id),
        // The session covers /run.
        None => Ok(()),
    }
}
