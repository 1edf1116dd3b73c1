//! The login password, kept from authentication until the session is open, for volumes that want it.

use super::arguments::Arguments;
use super::ffi;
use super::items::request;
use super::judgement::first_time;
use super::kept::{Password, Typed};
use super::refusal::Refusal;
use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::process::secret::Secret;
use crate::login::is_effective_root;
use crate::policy::Policy;
use pam::items::AuthTok;
use pam::module::PamHandle;
use std::cell::RefCell;
use std::ffi::CStr;

/// Keeps the password that a module before this one has asked for, if the policy has a use for it.
pub(super) fn keep(handle: &mut PamHandle, arguments: &[&CStr]) -> Result<(), Refusal> {
    take(handle, "");
    let arguments = Arguments::parse(arguments)?;
    if !is_effective_root() {
        return Ok(());
    }
    let user = request(handle).map(|request| request.user);
    if !is_wanted(&arguments, user.as_deref().unwrap_or_default()) {
        return Ok(());
    }
    let user = user?;
    let token = handle.get_item::<AuthTok<'_>>().ok().flatten();
    let Some(secret) = token.map(|token| Secret::new(token.as_bytes())) else {
        return Ok(());
    };
    let secret = secret?;
    store(handle, Typed { user, secret })?;
    Ok(())
}

/// Whether some volume wants it. What is wrong with the policy is logged when the session is opened.
fn is_wanted(arguments: &Arguments, user: &str) -> bool {
    let deadline = &Deadline::after(first_time(user));
    let loaded = Policy::load_until(deadline, &arguments.source);
    loaded.is_ok_and(|(loaded, _)| loaded.policy.wants_password())
}

fn store(handle: &mut PamHandle, typed: Typed) -> Result<()> {
    if let Some(password) = ffi::data::<Password>(handle) {
        password.0.replace(Some(typed));
        return Ok(());
    }
    let stored = ffi::store(handle, Password(RefCell::new(Some(typed))));
    stored.map_err(|code| Error::new("keep", "the password", format_args!("{code:?}")))
}

/// Takes it from the handle; nothing unless it is that of `user`.
pub(super) fn take(handle: &PamHandle, user: &str) -> Option<Secret> {
    let typed = ffi::data::<Password>(handle)?.0.take()?;
    (typed.user == user).then_some(typed.secret)
}
