//! Closing a session.

use super::arguments::level;
use super::ffi;
use super::items::item;
use super::kept::Sessions;
use super::opened::Opened;
use super::pending::PendingReturn;
use super::places::{self, OF_RETURN, Others};
use super::refusal::{Refusal, log_failure};
use crate::apply;
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::walk::Trust;
use crate::kernel::namespace::Namespace;
use crate::kernel::namespace::guard::NamespaceGuard;
use crate::login::{SessionId, is_effective_root};
use crate::session::origin::return_to_origin;
use crate::session::{Runtime, SessionRecord, volumes};
use pam::items::Service;
use pam::module::PamHandle;
use std::ffi::CStr;

/// Removes the directories and the record of the session that was opened last. Modules that stand behind this one
/// close in the session as well: the process returns to where it was before, and takes leave of the processes of the
/// session, when the handle ends, or at once where it has another session open around this one, which that closes in.
/// It may run as the user, or never; nothing depends on it, and what is left then `jns gc` removes.
pub(super) fn close_session(handle: &mut PamHandle, arguments: &[&CStr]) -> Result<(), Refusal> {
    let Some(sessions) = ffi::data::<Sessions>(handle) else {
        return Ok(());
    };
    let Some(mut opened) = sessions.open.borrow_mut().pop() else {
        return Ok(());
    };
    run_hooks(&opened);
    log_failure(close_volumes(&opened));
    let others = places::forget(&opened.id);
    let pending = pending_return(&mut opened, others);
    remove_own(&opened, pending.as_ref());
    log::debug!("session of {} closed", opened.user);
    match pending {
        None => {}
        Some(pending) if others == Others::Around => pending.make(&Deadline::after(OF_RETURN)),
        Some(pending) => {
            let service = item::<Service<'_>>(handle).unwrap_or_default();
            let level = level(arguments);
            sessions.closed.replace(Some(opened.id.clone()));
            pending.postpone(service, level);
        }
    }
    Ok(())
}

/// The return from the session; nothing where the process is not in it, may not leave, or was there all the time.
fn pending_return(opened: &mut Opened, others: Others) -> Option<PendingReturn> {
    if others == Others::Later || !is_there(opened) {
        return None;
    }
    PendingReturn::from(opened)
}

/// Removes what belongs to the session alone, where that came from, and comes back into it.
fn remove_own(opened: &Opened, pending: Option<&PendingReturn>) {
    let left = pending.and_then(PendingReturn::enter_origin);
    // Where the process cannot leave for that, nothing of the host's is to be reached in another root directory, nor
    // what the session covers.
    let _left = match left {
        None if opened.hides_its_own() => leave_for_a_moment(),
        left => left,
    };
    // Without its first process, modules behind this one would have no process and no /proc in the session.
    if let (None, Some(leave)) = (pending, &opened.leave) {
        log_failure(leave.take(&opened.id));
    }
    for directory in &opened.directories {
        log_failure(apply::remove_session_directory(
            directory,
            Trust::User(opened.uid),
        ));
    }
    log_failure(forget(&opened.id));
}

fn leave_for_a_moment() -> Option<NamespaceGuard> {
    let origin = return_to_origin(None, None).unwrap_or_else(|error| {
        log::warn!("{error}");
        None
    });
    origin.map(|caller| caller.guard)
}

/// In the session's namespace. Their failure is logged and no more: the session is over.
fn run_hooks(opened: &Opened) {
    if is_there(opened) {
        opened
            .closing
            .iter()
            .for_each(|helper| log_failure(helper.run(b"")));
    }
}

/// Closes the volumes of the namespace with the last session in it. Where that is not known here, `jns gc` finds
/// out.
fn close_volumes(opened: &Opened) -> Result<()> {
    if !opened.has_volumes || !is_there(opened) {
        return Ok(());
    }
    let own = Namespace::own()?;
    match return_to_origin(None, None)? {
        Some(_home) => volumes::close_after_last(&own, &Deadline::none()),
        None => Ok(()),
    }
}

/// Whether the process is where the session is, and may do there what it could when it was opened.
fn is_there(opened: &Opened) -> bool {
    is_effective_root() && opened.is_here()
}

fn forget(id: &SessionId) -> Result<()> {
    match Runtime::find()? {
        Some(runtime) => SessionRecord::remove(&runtime, id),
        // The session covers /run.
        None => Ok(()),
    }
}
