//! The items that PAM has about a login.

use super::refusal::Refusal;
use crate::error::Error;
use crate::login::Request;
use pam::items::{RHost, Service, Tty, User};
use pam::module::PamHandle;
use std::ffi::CStr;

pub(super) fn request(handle: &PamHandle) -> Result<Request, Refusal> {
    let Some(name) = handle.get_item::<User<'_>>().ok().flatten() else {
        return Err(Error::new("open", "the session", "PAM names no user").into());
    };
    let user = name
        .to_str()
        .map_err(|_| Error::new("open", "the session", "the user's name is not UTF-8"))?;
    Ok(Request {
        user: user.to_owned(),
        service: item::<Service<'_>>(handle).unwrap_or_default(),
        tty: item::<Tty<'_>>(handle),
        rhost: item::<RHost<'_>>(handle),
    })
}

/// A text item. What is not UTF-8 in it matches no rule.
pub(super) fn item<'h, T>(handle: &'h PamHandle) -> Option<String>
where
    T: pam::items::Item<'h> + std::ops::Deref<Target = &'h CStr>,
{
    let value = handle.get_item::<T>().ok().flatten()?;
    Some(value.to_string_lossy().into_owned())
}
