//! All that knows PAM: arguments, items, hooks, what is returned and what is logged.

mod complement;

use crate::apply::{self, Applied, SessionDirectory};
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::kernel::namespace;
use crate::login::{Login, Nss, Request, Unknown, is_effective_root};
use crate::plan::Plan;
use crate::policy::{Diagnostics, Enforcement, Exemption, Policy, Source, select};
use pam::constants::{PamFlag, PamResultCode};
use pam::items::{RHost, Service, Tty, User};
use pam::module::{PamHandle, PamHooks};
use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::panic::AssertUnwindSafe;
use std::sync::Once;

#[cfg(panic = "abort")]
compile_error!("a panic must not end the host process: build with panic = \"unwind\"");

/// Under which name the session is kept with the handle.
const SESSION: &str = "pam_jns:session";

/// How many names a login looks up to warn about those that do not exist.
const LOOKED_UP: usize = 16;

/// How many diagnostics of a policy a login logs.
const LOGGED: usize = 20;

/// The standard hook for panics writes to the user's terminal; that of this module writes to the log.
static LOG_PANICS: Once = Once::new();

/// The module.
#[derive(Debug)]
pub struct Module;

impl PamHooks for Module {
    fn sm_open_session(handle: &mut PamHandle, arguments: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        run_hook(handle, &arguments, "open", open_session)
    }

    fn sm_close_session(
        handle: &mut PamHandle,
        arguments: Vec<&CStr>,
        _: PamFlag,
    ) -> PamResultCode {
        // A session that cannot be closed is still over.
        run_hook(handle, &arguments, "close", close_session);
        PamResultCode::PAM_SUCCESS
    }
}

/// What opens leave with the handle for later hooks: the sessions that are open, last one last. Every
/// process that calls pam_end drops it, under sshd the user's child too: dropping it frees memory and
/// nothing else.
#[derive(Debug, Default)]
struct Sessions(RefCell<Vec<Opened>>);

/// A session that is open.
#[derive(Debug)]
struct Opened {
    /// The user's name as PAM has it.
    user: String,
    uid: u32,
    namespace: String,
    directories: Vec<SessionDirectory>,
}

/// The module's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arguments {
    source: Source,
    observe: bool,
    debug: bool,
}

/// Why a hook fails: what PAM is told, and what the log is.
struct Refusal {
    code: PamResultCode,
    reasons: Vec<String>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            code: PamResultCode::PAM_SESSION_ERR,
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
    hook: fn(&mut PamHandle, &[&CStr]) -> std::result::Result<(), Refusal>,
) -> PamResultCode {
    LOG_PANICS.call_once(|| std::panic::set_hook(Box::new(log_panic)));
    let service = item::<Service<'_>>(handle).unwrap_or_default();
    let debug = arguments
        .iter()
        .any(|argument| argument.to_bytes() == b"debug");
    let _journal = Journal::open(&service, name, debug);
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
            PamResultCode::PAM_SESSION_ERR
        }
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
        };
        for argument in given {
            let text = argument.to_string_lossy();
            match text.split_once('=') {
                Some(("config", path)) => arguments.source = Source::File(path.to_owned()),
                None if text == "observe" => arguments.observe = true,
                None if text == "debug" => arguments.debug = true,
                _ => {
                    let reason = "known ones are config=PATH, observe and debug";
                    return Err(Error::new("use module argument", text, reason));
                }
            }
        }
        Ok(arguments)
    }
}

/// The whole story of a login: read, gather, plan, apply, remember.
fn open_session(handle: &mut PamHandle, arguments: &[&CStr]) -> std::result::Result<(), Refusal> {
    let arguments = Arguments::parse(arguments)?;
    let request = request(handle)?;
    if is_open(handle, &request.user) {
        log::debug!("the session of {} is open already", request.user);
        return Ok(());
    }
    if !is_effective_root() {
        return Err(Error::new("open", "the session", "the process is not root").into());
    }
    match judge(request, &arguments) {
        Ok(Judgement::Exempt) => Ok(()),
        Ok(Judgement::Apply(plan, login)) => {
            log_plan(log::Level::Debug, "will do", &plan);
            enter(handle, &plan, &login)
        }
        Ok(Judgement::Observe(plan, login)) => {
            log_observed(plan, &login);
            Ok(())
        }
        Err(refusal) if arguments.observe => {
            let cause = |reason: &String| log::error!("observing only: {reason}");
            refusal.reasons.iter().for_each(cause);
            Ok(())
        }
        Err(refusal) => Err(refusal),
    }
}

/// What the policy says of a login.
enum Judgement {
    /// Nothing is done for it: from outside any session that is the host's own view.
    Exempt,
    /// It gets this.
    Apply(Plan, Login),
    /// It would get this, or be refused, and nothing is done.
    Observe(Result<Plan>, Login),
}

/// Reads the policy, gathers the facts and makes the plan.
fn judge(request: Request, arguments: &Arguments) -> std::result::Result<Judgement, Refusal> {
    let policy = load(&arguments.source)?;
    let login = gather(request, &policy)?;
    let selection = select(&policy, &login);
    if let Some(Exemption { principal, origin }) = &selection.exemption {
        let (user, service) = (&login.user, &login.service);
        log::info!(
            "session of {user} by {service}: exempt as {principal} ({origin}), its view stays as it was"
        );
        return Ok(Judgement::Exempt);
    }
    warn_of_unknown_principals(&policy);
    let plan = Plan::from_selection(&policy, &selection, &login, &Nss);
    if arguments.observe || policy.settings.mode == Enforcement::Observe {
        return Ok(Judgement::Observe(plan, login));
    }
    Ok(Judgement::Apply(plan?, login))
}

fn log_observed(plan: Result<Plan>, login: &Login) {
    let Login { user, service, .. } = login;
    let session = format!("session of {user} by {service}, observing only:");
    match plan {
        Ok(plan) if plan.is_empty() => log::info!("{session} would do nothing"),
        Ok(plan) => log_plan(log::Level::Info, &format!("{session} would do"), &plan),
        Err(refusal) => log::error!("{session} {refusal}"),
    }
}

fn log_plan(level: log::Level, intent: &str, plan: &Plan) {
    if log::log_enabled!(level) {
        let text = plan.to_string();
        text.lines()
            .for_each(|step| log::log!(level, "{intent} {step}"));
    }
}

fn enter(handle: &mut PamHandle, plan: &Plan, login: &Login) -> std::result::Result<(), Refusal> {
    let user = request(handle)?.user;
    reserve(handle)?;
    let before = set_environment(handle, plan)?;
    let applied = apply::apply(plan, login.uid).inspect_err(|_| restore(handle, before))?;
    report(&applied, plan, login);
    let opened = Opened {
        user,
        uid: login.uid,
        namespace: applied.namespace.to_string(),
        directories: applied.session_directories,
    };
    if let Some(sessions) = complement::data(handle, SESSION) {
        sessions.0.borrow_mut().push(opened);
    }
    Ok(())
}

fn report(applied: &Applied, plan: &Plan, login: &Login) {
    applied.notes.iter().for_each(|note| log::warn!("{note}"));
    let (done, all) = (applied.paths.len(), plan.steps.len());
    let Login { user, service, .. } = login;
    let paths = applied.paths.join(" ");
    let namespace = &applied.namespace;
    log::info!(
        "session of {user} by {service}: {done} of {all} rules applied ({paths}) in {namespace}"
    );
}

fn request(handle: &PamHandle) -> std::result::Result<Request, Refusal> {
    let user = handle.get_item::<User<'_>>().ok().flatten();
    let user = user.ok_or_else(|| Error::new("open", "the session", "PAM names no user"))?;
    let user = user
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

/// Whether this handle has opened a session for the user and the process is still in its namespace, as
/// where a service's stack includes another one and both name the module (`su-l` and `su` on Debian).
fn is_open(handle: &PamHandle, user: &str) -> bool {
    complement::data(handle, SESSION).is_some_and(|sessions| {
        sessions.0.borrow().last().is_some_and(|opened| {
            opened.user == user && namespace::name().is_ok_and(|name| name == opened.namespace)
        })
    })
}

fn load(source: &Source) -> std::result::Result<Policy, Refusal> {
    match Policy::load(source) {
        Ok(loaded) => {
            lines(&loaded.warnings).for_each(|warning| log::warn!("{warning}"));
            Ok(loaded.policy)
        }
        Err(diagnostics) => Err(Refusal {
            code: PamResultCode::PAM_SESSION_ERR,
            reasons: lines(&diagnostics).collect(),
        }),
    }
}

/// The first diagnostics, one line each, and how many more there are.
fn lines(diagnostics: &Diagnostics) -> impl Iterator<Item = String> {
    let list = &diagnostics.list;
    let more = list
        .len()
        .saturating_sub(LOGGED)
        .saturating_add(diagnostics.more);
    let rest = (more > 0).then(|| format!("{more} more; `jns check` shows them all"));
    list.iter()
        .take(LOGGED)
        .map(ToString::to_string)
        .chain(rest)
}

fn gather(request: Request, policy: &Policy) -> std::result::Result<Login, Refusal> {
    Login::gather(request, policy.needs()).map_err(|unknown| match unknown {
        Unknown::Fault(error) => error.into(),
        Unknown::User(error) => Refusal {
            code: PamResultCode::PAM_USER_UNKNOWN,
            ..error.into()
        },
    })
}

fn warn_of_unknown_principals(policy: &Policy) {
    for (principal, origin) in policy.unknown_principals(&Nss, LOOKED_UP) {
        log::warn!("{principal} names nobody ({origin})");
    }
}

/// A variable, and the value it had.
type Before = Vec<(CString, Option<CString>)>;

fn set_environment(handle: &mut PamHandle, plan: &Plan) -> Result<Before> {
    let mut before = Before::new();
    for (name, variable) in &plan.environment {
        match set_variable(handle, name, &variable.value) {
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
    let old = complement::get_environment(handle, &key);
    complement::put_environment(handle, &setting)
        .map_err(|_| failed("PAM has no memory for it"))?;
    Ok((key, old))
}

fn restore(handle: &mut PamHandle, before: Before) {
    for (name, value) in before.into_iter().rev() {
        let mut setting = name.into_bytes();
        if let Some(value) = value {
            setting.push(b'=');
            setting.extend_from_slice(value.as_bytes());
        }
        if let Ok(setting) = CString::new(setting) {
            let _ = complement::put_environment(handle, &setting);
        }
    }
}

/// Makes a place for one more session with the handle, before anything is changed, so that filling it
/// cannot fail.
fn reserve(handle: &mut PamHandle) -> std::result::Result<(), Refusal> {
    if let Some(sessions) = complement::data(handle, SESSION) {
        sessions.0.borrow_mut().reserve(1);
        return Ok(());
    }
    let sessions = Box::new(Sessions(RefCell::new(Vec::with_capacity(1))));
    handle.set_data(SESSION, sessions).map_err(|code| {
        Error::new(
            "keep",
            "the session with the handle",
            format_args!("{code:?}"),
        )
        .into()
    })
}

/// Removes the own directories of the session that was opened last. It may run as the user, or never;
/// nothing depends on it.
fn close_session(handle: &mut PamHandle, _: &[&CStr]) -> std::result::Result<(), Refusal> {
    let opened =
        complement::data(handle, SESSION).and_then(|sessions| sessions.0.borrow_mut().pop());
    let Some(opened) = opened else {
        return Ok(());
    };
    for directory in &opened.directories {
        if let Err(error) = apply::remove_session_directory(directory, opened.uid) {
            let level = if is_effective_root() {
                log::Level::Warn
            } else {
                log::Level::Debug
            };
            log::log!(level, "{error}");
        }
    }
    log::debug!("session of {} closed", opened.user);
    Ok(())
}
