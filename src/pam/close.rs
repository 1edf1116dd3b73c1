//! Closing a session.

use super::places::{self, Returning};
use super::{Opened, Refusal, Sessions, complement, tell};
use crate::apply;
use crate::error::Result;
use crate::kernel::departure::Departure;
use crate::kernel::namespace::Namespace;
use crate::kernel::walk::Trust;
use crate::login::is_effective_root;
use crate::session::origin::return_to_origin;
use crate::session::{Runtime, SessionRecord, volumes};
use pam::module::PamHandle;
use std::ffi::CStr;

/// Takes leave of the processes of the session that was opened last, removes its own directories and its record, and
/// returns to where the process was before. It may run as the user, or never; nothing depends on it, and what is left
/// then `jns gc` removes.
pub(super) fn close_session(
    handle: &mut PamHandle,
    _: &[&CStr],
) -> std::result::Result<(), Refusal> {
    let opened =
        complement::data::<Sessions>(handle).and_then(|sessions| sessions.0.borrow_mut().pop());
    let Some(mut opened) = opened else {
        return Ok(());
    };
    run_hooks(&opened);
    tell(close_volumes(&opened));
    let returning = leave(&mut opened);
    // Where the process cannot leave for good, nothing of the host's is to be reached in another root directory, nor
    // what the session covers.
    let _home = match &returning {
        None if opened.hides_its_own() => leave_for_a_moment(),
        None | Some(_) => None,
    };
    // The door of its first process is where the session came from.
    if let Some(leave) = &opened.leave {
        tell(leave.take(&opened.id));
    }
    for directory in &opened.directories {
        tell(apply::remove_session_directory(
            directory,
            Trust::User(opened.uid),
        ));
    }
    tell(forget(&opened.id));
    if let Some(returning) = returning {
        returning.finish();
    }
    log::debug!("session of {} closed", opened.user);
    Ok(())
}

/// Leaves the session for good, unless the process is not in it, or in another one as well that it has opened later.
fn leave(opened: &mut Opened) -> Option<Returning> {
    let is_last = places::forget(&opened.id);
    let is_to_leave = is_last && is_there(opened);
    opened.places.take().filter(|_| is_to_leave)?.leave()
}

fn leave_for_a_moment() -> Option<Departure> {
    let origin = return_to_origin().unwrap_or_else(|error| {
        log::warn!("{error}");
        None
    });
    origin.map(|caller| caller.departure)
}

/// In the session's namespace. Their failure is told and no more: the session is over.
fn run_hooks(opened: &Opened) {
    if is_there(opened) {
        opened
            .closing
            .iter()
            .for_each(|helper| tell(helper.run(b"")));
    }
}

/// Closes the volumes of the namespace with the last session in it. Where that is not known here, `jns gc` finds
/// out.
fn close_volumes(opened: &Opened) -> Result<()> {
    if !opened.has_volumes || !is_there(opened) {
        return Ok(());
    }
    let own = Namespace::own()?;
    match return_to_origin()? {
        Some(_home) => volumes::close_after_last(&own),
        None => Ok(()),
    }
}

/// Whether the process is where the session is, and may do there what it could when it was opened.
fn is_there(opened: &Opened) -> bool {
    is_effective_root() && opened.is_here()
}

fn forget(id: &str) -> Result<()> {
    match Runtime::find()? {
        Some(runtime) => SessionRecord::remove(&runtime, id),
        // The session covers /run.
        None => Ok(()),
    }
}
