//! The session's environment, which PAM keeps until the session begins.

use super::ffi;
use crate::error::{Error, Result};
use pam::module::PamHandle;
use std::ffi::CString;

/// A variable, and the value it had.
pub(super) type Before = Vec<(CString, Option<CString>)>;

/// Sets the variables, and gives back what they were.
///
/// # Errors
///
/// PAM takes one of them not; all of them are then as they were.
pub(super) fn set<'v>(
    handle: &mut PamHandle,
    variables: impl Iterator<Item = (&'v str, &'v str)>,
) -> Result<Before> {
    let mut before = Before::new();
    for (name, value) in variables {
        match set_variable(handle, name, value) {
            Ok(old) => before.push(old),
            Err(error) => {
                restore(handle, before);
                return Err(error);
            }
        }
    }
    Ok(before)
}

fn set_variable(
    handle: &mut PamHandle,
    name: &str,
    value: &str,
) -> Result<(CString, Option<CString>)> {
    let failed = |reason: &str| Error::new("set", format_args!("variable {name}"), reason);
    let text = |text: String| CString::new(text).map_err(|_| failed("it holds a NUL"));
    let key = text(name.to_owned())?;
    let setting = text(format!("{name}={value}"))?;
    let old = ffi::get_environment(handle, &key);
    ffi::put_environment(handle, &setting).map_err(|_| failed("PAM has no memory for it"))?;
    Ok((key, old))
}

/// Gives variables back the values they had.
pub(super) fn restore(handle: &mut PamHandle, before: Before) {
    for (name, value) in before.into_iter().rev() {
        let mut setting = name.into_bytes();
        if let Some(value) = value {
            setting.push(b'=');
            setting.extend_from_slice(value.as_bytes());
        }
        if let Ok(setting) = CString::new(setting) {
            let _ = ffi::put_environment(handle, &setting);
        }
    }
}
