//! What pam-bindings lacks: the environment of the session, and data kept with the handle. One of the
//! two files that may hold `unsafe`.
#![allow(unsafe_code)]

use super::Module;
use libc::{c_char, c_int};
use pam::constants::PamResultCode;
use pam::module::PamHandle;
use std::ffi::{CStr, CString};

pam::pam_hooks!(Module);

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_putenv(handle: *mut PamHandle, name_value: *const c_char) -> c_int;
    fn pam_getenv(handle: *mut PamHandle, name: *const c_char) -> *const c_char;
}

/// Sets `NAME=value` in the session's environment, or removes `NAME` (pam_putenv(3)).
///
/// # Errors
///
/// PAM's code: no memory, or a name that was to be removed is not set.
pub(super) fn put_environment(handle: &mut PamHandle, setting: &CStr) -> Result<(), PamResultCode> {
    // SAFETY: the handle is the live one of this hook, and PAM copies the string.
    let code = unsafe { pam_putenv(handle, setting.as_ptr()) };
    match code {
        0 => Ok(()),
        code => Err(PamResultCode::try_from(code).unwrap_or(PamResultCode::PAM_SYSTEM_ERR)),
    }
}

/// The value of a variable of the session's environment, if it is set (pam_getenv(3)).
pub(super) fn get_environment(handle: &mut PamHandle, name: &CStr) -> Option<CString> {
    // SAFETY: the handle is the live one of this hook; the answer is NULL or a string that stays until
    // the environment changes, and it is copied before that can happen.
    unsafe {
        let value = pam_getenv(handle, name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_owned())
    }
}

/// What this module keeps with a handle. PAM keeps the data of each module apart by name alone, so the name must
/// be one that neither another module nor another type of this one uses.
pub(super) trait Kept: 'static {
    /// The name under which it is stored.
    const NAME: &'static str;
}

/// The data of a type that [`PamHandle::set_data`] stored under its name.
pub(super) fn data<T: Kept>(handle: &PamHandle) -> Option<&T> {
    // SAFETY: under the name of a type this module stores nothing but a value of that type.
    unsafe { handle.get_data::<T>(T::NAME) }.ok()
}
