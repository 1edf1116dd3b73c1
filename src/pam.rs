//! All that knows PAM: arguments, items, hooks, what is returned and what is logged.

mod cached_plan;
mod close;
mod environment;
mod ffi;
mod hooks;
mod judgement;
mod open;
mod password;
mod pending;
mod places;
mod threads;

use crate::apply::SessionDirectory;
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::kernel::namespace::Root;
use crate::kernel::process::helper::Helper;
use crate::login::{Login, Request, SessionId, is_effective_root};
use crate::policy::Source;
use crate::session::namespace::Leave;
use log::LevelFilter;
use pam::constants::{PamFlag, PamResultCode};
use pam::items::{RHost, Service, Tty, User};
use pam::module::{PamHandle, PamHooks};
use places::Places;
use std::cell::RefCell;
use std::ffi::CStr;
use std::panic::AssertUnwindSafe;
use std::sync::Once;
use threads::Threads;

#[cfg(panic = "abort")]
compile_error!("a panic must not end the host process: build with panic = \"unwind\"");

/// The standard hook for panics writes to the user's terminal; that of this module writes to the log.
static LOG_PANICS: Once = Once::new();

/// The module.
#[derive(Debug)]
pub struct Module;

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

/// What opens and closes leave with the handle for later hooks. Every process that calls pam_end drops it, under sshd
/// the user's child too. Dropping it frees memory and nothing else, except in the process that has closed a session
/// and is in it still, as root: that one returns to where it was before.
#[derive(Debug, Default)]
struct Sessions {
    /// The sessions that are open, last one last.
    open: RefCell<Vec<Opened>>,
    /// The name of the one that was closed last, where the return from it waits for the end of the handle.
    closed: RefCell<Option<SessionId>>,
}

impl Drop for Sessions {
    fn drop(&mut self) {
        if let Some(session) = self.closed.take() {
            pending::end(&session);
        }
    }
}

/// A session that is open.
#[derive(Debug)]
struct Opened {
    /// The user's name as PAM has it.
    user: String,
    uid: u32,
    /// The session's name.
    id: SessionId,
    /// Whether it lives in another root directory than the host's.
    in_own_root: bool,
    /// Where the process then was. By its number the kernel tells a mount from those of all other namespaces, and
    /// says it without /proc, which may be that of processes to which this one does not belong.
    root: Option<Root>,
    /// Where it was before; nothing where that could not be told.
    places: Option<Places>,
    /// How to take leave of the PID namespace of the session's own.
    leave: Option<Leave>,
    directories: Vec<SessionDirectory>,
    /// Programs to run at the end.
    closing: Vec<Helper>,
    /// Whether volumes were opened in the namespace.
    has_volumes: bool,
}

impl Opened {
    /// The session of somebody who keeps the host's view, in which the process is.
    fn exempt(login: &Login, user: String) -> Self {
        Self {
            user,
            uid: login.uid,
            id: login.session.clone(),
            in_own_root: false,
            root: Root::own().ok(),
            places: None,
            leave: None,
            directories: Vec::new(),
            closing: Vec::new(),
            has_volumes: false,
        }
    }

    /// Whether the process is where it was when the session had been opened.
    fn is_here(&self) -> bool {
        self.root.is_some() && self.root == Root::own().ok()
    }

    /// Whether what ends with it may be out of reach from inside: nothing of the host's is in another root
    /// directory, and what lies outside of the module's store may lie beneath a path that is covered.
    fn hides_its_own(&self) -> bool {
        let is_outside = |directory: &SessionDirectory| !directory.enclosed;
        self.in_own_root || self.directories.iter().any(is_outside)
    }
}

impl Drop for Opened {
    /// One that is not closed is not open any more when its handle ends.
    fn drop(&mut self) {
        places::forget(&self.id);
    }
}

/// The module's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arguments {
    source: Source,
    observe: bool,
    debug: bool,
    threads: Threads,
}

/// Why a hook fails: what PAM is told, and what the log is. It is never `PAM_SESSION_ERR`: sudo goes on after
/// that one, with the caller's view.
struct Refusal {
    code: PamResultCode,
    reasons: Vec<String>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            code: PamResultCode::PAM_PERM_DENIED,
            reasons: vec![error.to_string()],
        }
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

/// The least important messages that the module's arguments let through, before all of them are looked at.
fn level(arguments: &[&CStr]) -> LevelFilter {
    let mut arguments = arguments.iter();
    match arguments.any(|argument| argument.to_bytes() == b"debug") {
        true => LevelFilter::Debug,
        false => LevelFilter::Info,
    }
}

fn log_panic(info: &std::panic::PanicHookInfo<'_>) {
    log::error!("this is a bug in pam_jns: {info}");
}

impl Arguments {
    fn parse(given: &[&CStr]) -> Result<Self> {
        let mut arguments = Self {
            source: Source::System,
            observe: false,
            debug: false,
            threads: Threads::First,
        };
        for argument in given {
            let text = argument.to_string_lossy();
            match text.split_once('=') {
                Some(("config", path)) => arguments.source = Source::File(path.to_owned()),
                Some(("threads", "any")) => arguments.threads = Threads::Any,
                None if text == "observe" => arguments.observe = true,
                None if text == "debug" => arguments.debug = true,
                _ => {
                    let reason = "known ones are config=PATH, observe, debug and threads=any";
                    return Err(Error::new("use module argument", text, reason));
                }
            }
        }
        Ok(arguments)
    }
}

fn request(handle: &PamHandle) -> Result<Request, Refusal> {
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
fn item<'h, T>(handle: &'h PamHandle) -> Option<String>
where
    T: pam::items::Item<'h> + std::ops::Deref<Target = &'h CStr>,
{
    let value = handle.get_item::<T>().ok().flatten()?;
    Some(value.to_string_lossy().into_owned())
}

/// Logs what went wrong without consequences for the session. As an ordinary user, at the end of one, most
/// things do.
fn tell(done: Result<()>) {
    if let Err(error) = done {
        let level = if is_effective_root() {
            log::Level::Warn
        } else {
            log::Level::Debug
        };
        log::log!(level, "{error}");
    }
}
