//! The functions that pam-bindings lacks: the environment of the session, data kept with the handle, and a transaction as
//! an application begins it. One of the two files that may hold `unsafe`.
#![allow(unsafe_code)]

use super::kept::{Password, Sessions};
use libc::{c_char, c_int, c_void};
use pam::constants::PamResultCode;
use pam::module::PamHandle;
use std::ffi::{CStr, CString};
use std::ptr::{NonNull, null_mut};

/// The module.
#[derive(Debug)]
pub struct Module;

pam::pam_hooks!(Module);

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_putenv(handle: *mut PamHandle, name_value: *const c_char) -> c_int;
    fn pam_getenv(handle: *mut PamHandle, name: *const c_char) -> *const c_char;
    fn pam_start(
        service: *const c_char,
        user: *const c_char,
        conversation: *const Conversation,
        handle: *mut *mut PamHandle,
    ) -> c_int;
    fn pam_set_item(handle: *mut PamHandle, item: c_int, value: *const c_void) -> c_int;
    fn pam_open_session(handle: *mut PamHandle, flags: c_int) -> c_int;
    fn pam_close_session(handle: *mut PamHandle, flags: c_int) -> c_int;
    fn pam_end(handle: *mut PamHandle, status: c_int) -> c_int;
    fn pam_strerror(handle: *mut PamHandle, code: c_int) -> *const c_char;
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

/// The way in which modules talk with the user (pam_conv(3)).
#[repr(C)]
struct Conversation {
    talk: unsafe extern "C" fn(c_int, *mut *const c_void, *mut *mut c_void, *mut c_void) -> c_int,
    data: *mut c_void,
}

/// `PAM_CONV_ERR`: there is nobody to talk with.
const NOBODY: c_int = 19;

/// Tells a module that there is nobody, whatever it says or asks.
unsafe extern "C" fn talk_to_nobody(
    _: c_int,
    _: *mut *const c_void,
    _: *mut *mut c_void,
    _: *mut c_void,
) -> c_int {
    NOBODY
}

/// Something that modules are told of a session (pam_set_item(3)).
#[derive(Debug, Clone, Copy)]
pub enum Item {
    /// The terminal, `PAM_TTY`.
    Terminal,
    /// The host that the user comes from, `PAM_RHOST`.
    RemoteHost,
}

/// A transaction, as an application such as sshd(8) has it (pam(3)): modules that want to talk find nobody. Nobody is
/// authenticated. Dropped, it ends.
#[derive(Debug)]
pub struct Transaction {
    handle: NonNull<PamHandle>,
    /// What the last call of it came to, which its end tells the modules.
    status: c_int,
}

impl Transaction {
    /// Begins one for a user and a service.
    ///
    /// # Errors
    ///
    /// PAM's words: the service has no stack, or there is no memory.
    pub fn begin(service: &CStr, user: &CStr) -> Result<Self, String> {
        let conversation = Conversation {
            talk: talk_to_nobody,
            data: null_mut(),
        };
        let mut handle = null_mut();
        // SAFETY: the strings and the conversation are copied; the handle is written before it is read.
        let code = unsafe {
            pam_start(
                service.as_ptr(),
                user.as_ptr(),
                &raw const conversation,
                &raw mut handle,
            )
        };
        match NonNull::new(handle) {
            Some(handle) if code == 0 => Ok(Self {
                handle,
                status: code,
            }),
            _ => Err(reason(null_mut(), code)),
        }
    }

    /// Tells the modules something.
    ///
    /// # Errors
    ///
    /// PAM's words.
    pub fn set(&mut self, item: Item, value: &CStr) -> Result<(), String> {
        let number = match item {
            Item::Terminal => 3,
            Item::RemoteHost => 4,
        };
        // SAFETY: the handle is live, and PAM copies the string.
        let code = unsafe { pam_set_item(self.handle.as_ptr(), number, value.as_ptr().cast()) };
        self.note(code)
    }

    /// Opens a session. What it does to the process is done to this one.
    ///
    /// # Errors
    ///
    /// PAM's words: a module refuses it.
    pub fn open_session(&mut self) -> Result<(), String> {
        // SAFETY: the handle is live.
        let code = unsafe { pam_open_session(self.handle.as_ptr(), 0) };
        self.note(code)
    }

    /// Closes the session.
    ///
    /// # Errors
    ///
    /// PAM's words.
    pub fn close_session(&mut self) -> Result<(), String> {
        // SAFETY: the handle is live.
        let code = unsafe { pam_close_session(self.handle.as_ptr(), 0) };
        self.note(code)
    }

    /// The value of a variable of the session's environment, if it is set.
    pub fn variable(&mut self, name: &CStr) -> Option<CString> {
        // SAFETY: the handle is live, and this is its only user.
        get_environment(unsafe { self.handle.as_mut() }, name)
    }

    fn note(&mut self, code: c_int) -> Result<(), String> {
        self.status = code;
        match code {
            0 => Ok(()),
            code => Err(reason(self.handle.as_ptr(), code)),
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // SAFETY: the handle is live, and nobody has it after this.
        unsafe { pam_end(self.handle.as_ptr(), self.status) };
    }
}

/// What a code means, in PAM's words.
fn reason(handle: *mut PamHandle, code: c_int) -> String {
    // SAFETY: of the handle nothing is read (pam_strerror(3)), and the answer is NULL or a string that stays.
    let said = unsafe {
        let said = pam_strerror(handle, code);
        (!said.is_null()).then(|| CStr::from_ptr(said).to_string_lossy().into_owned())
    };
    said.unwrap_or_else(|| format!("error {code} of PAM"))
}
