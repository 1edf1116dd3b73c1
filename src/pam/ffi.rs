//! The functions that pam-bindings lacks: the environment of the session, and data kept with the handle. One of the
//! two files that may hold `unsafe`.
#![allow(unsafe_code)]

use super::kept::{Password, Sessions};
use libc::{c_char, c_int};
use pam::constants::PamResultCode;
use pam::module::PamHandle;
use std::ffi::{CStr, CString};

/// The module.
#[derive(Debug)]
pub struct Module;

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

/// A type whose values this module keeps with a handle. PAM tells the data of all modules of a stack apart by name
/// alone.
///
/// # Safety
///
/// Nobody but [`store`] keeps anything under the name: no other type of this module, no other module, and no other
/// build of this one, which may lay the same type out differently. `JNS_BUILD`, which build.rs computes, is another
/// one in each of those. Two copies of one build may share data: both stay mapped when libpam unloads them, so the
/// functions of either can be called, and both have their memory from the same malloc(3).
pub(super) unsafe trait Kept: 'static {
    /// The name under which it is kept.
    const NAME: &'static str;
}

// SAFETY: the module, this build of it and the type are in the name.
unsafe impl Kept for Sessions {
    const NAME: &'static str = concat!("pam_jns:session:", env!("JNS_BUILD"));
}

// SAFETY: the module, this build of it and the type are in the name.
unsafe impl Kept for Password {
    const NAME: &'static str = concat!("pam_jns:password:", env!("JNS_BUILD"));
}

/// Keeps a value with the handle until that ends, in the place of an earlier one of its type.
///
/// # Errors
///
/// PAM's code: no memory.
pub(super) fn store<T: Kept>(handle: &mut PamHandle, value: T) -> Result<(), PamResultCode> {
    handle.set_data(T::NAME, Box::new(value))
}

/// The value of a type that [`store`] keeps.
pub(super) fn data<T: Kept>(handle: &PamHandle) -> Option<&T> {
    // SAFETY: what is kept under the name of the type is a value of that type, as `Kept` promises.
    unsafe { handle.get_data::<T>(T::NAME) }.ok()
}
