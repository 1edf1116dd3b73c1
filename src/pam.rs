//! All that knows PAM: arguments, items, hooks, what is returned and what is logged.

mod arguments;
mod cached_plan;
mod close;
mod environment;
mod ffi;
mod hooks;
mod items;
mod judgement;
mod kept;
mod open;
mod opened;
mod password;
mod pending;
mod places;
mod refusal;
mod threads;

use crate::journal::Journal;
use arguments::level;
use items::item;
use pam::constants::{PamFlag, PamResultCode};
use pam::items::Service;
use pam::module::{PamHandle, PamHooks};
use refusal::Refusal;
use std::ffi::CStr;
use std::panic::AssertUnwindSafe;
use std::sync::Once;

pub use ffi::{Item, Module, Transaction};

#[cfg(panic = "abort")]
compile_error!("a panic must not end the host process: build with panic = \"unwind\"");

/// The standard hook for panics writes to the user's terminal; that of this module writes to the log.
static LOG_PANICS: Once = Once::new();

impl PamHooks for Module {
    fn sm_authenticate(handle: &mut PamHandle, arguments: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        // Who somebody is, other modules have found out.
        run_hook(handle, &arguments, "auth", password::keep);
        PamResultCode::PAM_IGNORE
    }

    fn sm_open_session(handle: &mut PamHandle, arguments: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        run_hook(handle, &arguments, "open", open::open_session)
    }

    fn sm_close_session(
        handle: &mut PamHandle,
        arguments: Vec<&CStr>,
        _: PamFlag,
    ) -> PamResultCode {
        // A session that cannot be closed is still over.
        run_hook(handle, &arguments, "close", close::close_session);
        PamResultCode::PAM_SUCCESS
    }
}

/// Runs a hook with the log open and panics caught. pam-bindings catches them too, but prints them to
/// the user's terminal, and drops the payload where that may panic again.
fn run_hook(
    handle: &mut PamHandle,
    arguments: &[&CStr],
    name: &str,
    hook: fn(&mut PamHandle, &[&CStr]) -> Result<(), Refusal>,
) -> PamResultCode {
    LOG_PANICS.call_once(|| std::panic::set_hook(Box::new(log_panic)));
    let service = item::<Service<'_>>(handle).unwrap_or_default();
    let _journal = Journal::open(&service, name, level(arguments));
    match std::panic::catch_unwind(AssertUnwindSafe(|| hook(handle, arguments))) {
        Ok(Ok(())) => PamResultCode::PAM_SUCCESS,
        Ok(Err(refusal)) => {
            refusal
                .reasons
                .iter()
                .for_each(|reason| log::error!("{reason}"));
            refusal.code
        }
        Err(payload) => {
            // Dropping it could run code that panics again.
            std::mem::forget(payload);
            match name == "open" && open::is_for_root(handle) {
                true => PamResultCode::PAM_SUCCESS,
                false => PamResultCode::PAM_PERM_DENIED,
            }
        }
    }
}

fn log_panic(info: &std::panic::PanicHookInfo<'_>) {
    log::error!("this is a bug in pam_jns: {info}");
}
