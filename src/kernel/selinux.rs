//! Answers of the machine's SELinux policy, by libselinux. Contexts are raw throughout: to translate them it would
//! ask a daemon, through a socket that it keeps.

use crate::error::{Error, Result};
use rustix::io::Errno;
use selinux::errors::Error as Failure;
use selinux::{KernelSupport, OpaqueSecurityContext, SecurityClass, SecurityContext};
use std::ffi::CString;
use std::fmt::Display;

type Answer<T> = Result<T, Failure>;

/// Whether the machine has SELinux and a policy of it.
#[must_use]
pub fn is_enabled() -> bool {
    !matches!(selinux::kernel_support(), KernelSupport::Unsupported)
}

/// The context that the session's programs will have: the one that is set for the next execve(2), as
/// pam_selinux(8) does it, or else the one that the user gets by that service from where this process is, or else
/// that of this process: where the policy names none, as for su(1) from an unconfined shell, nothing will change it.
///
/// # Errors
///
/// There is none, or SELinux cannot be asked.
pub(crate) fn session_context(user: &str, service: &str) -> Result<String> {
    let context = match SecurityContext::of_next_exec(true).transpose() {
        Some(set) => set,
        None => default_context(user, service).or_else(|failure| match reason(&failure) {
            // Of libselinux 3.4, when neither the default contexts nor the failsafe context fit the user.
            Some(Errno::INVAL) => SecurityContext::current(true),
            _ => Err(failure),
        }),
    };
    let object = format_args!("the SELinux context of {user}");
    named(context.and_then(|context| text(&context)), "find", object)
}

fn default_context(user: &str, service: &str) -> Answer<SecurityContext<'static>> {
    let (name, level) = selinux::se_user_and_level(user, Some(service))?;
    let (name, level) = (
        name.as_c_str().to_string_lossy(),
        level.as_c_str().to_string_lossy(),
    );
    SecurityContext::default_for_se_user(&name, None, Some(&level), None, true)
}

/// The label of a directory that is a session's member of the one labelled `covered`
/// (security_compute_member(3)).
///
/// # Errors
///
/// One of the two is no context of this policy's.
pub fn member(session: &str, covered: &str) -> Result<String> {
    let member = || {
        let (session, covered) = (c_string(session)?, c_string(covered)?);
        let session = SecurityContext::from_c_str(&session, true);
        let covered = SecurityContext::from_c_str(&covered, true);
        let class = SecurityClass::from_name("dir")?;
        text(&session.of_polyinstantiation_member_decision(&covered, class)?)
    };
    named(
        member(),
        "find",
        format_args!("the label of {session} for {covered}"),
    )
}

/// The label `covered` with the level of the context `session`.
///
/// # Errors
///
/// One of the two is no context with a level.
pub fn with_level(covered: &str, session: &str) -> Result<String> {
    let changed = || {
        let label = OpaqueSecurityContext::new(covered)?;
        label.set_range(&OpaqueSecurityContext::new(session)?.range()?)?;
        Ok(label.to_c_string()?.to_string_lossy().into_owned())
    };
    named(
        changed(),
        "find",
        format_args!("the label {covered} with the level of {session}"),
    )
}

fn text(context: &SecurityContext<'_>) -> Answer<String> {
    let text = context.to_c_string()?.unwrap_or_default();
    Ok(text.to_string_lossy().into_owned())
}

fn c_string(text: &str) -> Answer<CString> {
    CString::new(text).map_err(|nul| Failure::IO {
        source: nul.into(),
        operation: "CString::new()",
    })
}

/// Names libselinux's failure by the kernel's reason where it has one, and else by its own words.
fn named<T>(answer: Answer<T>, verb: &'static str, object: impl Display) -> Result<T> {
    answer.map_err(|failure| match reason(&failure) {
        Some(errno) => Error::from_errno(verb, object, errno),
        None => Error::new(verb, object, failure),
    })
}

fn reason(failure: &Failure) -> Option<Errno> {
    let cause = std::error::Error::source(failure)?;
    Errno::from_io_error(cause.downcast_ref::<std::io::Error>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_takes_the_place_of_another() {
        for (covered, session, expected) in [
            (
                "system_u:object_r:tmp_t:s0",
                "staff_u:staff_r:staff_t:s0-s15:c0.c1023",
                Ok("system_u:object_r:tmp_t:s0-s15:c0.c1023"),
            ),
            ("u:object_r:t:s3:c1,c5", "u:r:t:s0", Ok("u:object_r:t:s0")),
            (
                "tmp_t",
                "u:r:t:s0",
                Err("cannot find the label tmp_t with the level of u:r:t:s0: Invalid argument"),
            ),
        ] {
            let label = with_level(covered, session).map_err(|error| error.to_string());
            let label = label.as_deref().map_err(String::as_str);
            assert_eq!(label, expected, "{covered}");
        }
    }
}
