//! The whole story of a login: go back to where its session came from, read, gather, plan, enter, remember.

use super::cached_plan::{self, Outcome};
use super::{
    Arguments, Opened, Refusal, Sessions, environment, ffi, hooks, item, password, pending, places,
    request, tell, threads,
};

use crate::apply::{self, Subject};
use crate::error::{Error, Result};
use crate::kernel::fs::walk::Trust;
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::init::confinement;
use crate::kernel::namespace::Root;
use crate::kernel::process::helper::Helper;
use crate::kernel::process::secret::Secret;
use crate::login::{Login, Nss, Request, Unknown, is_effective_root};
use crate::plan::{Labelling, Plan, Step};
use crate::policy::source::{self, Watched};
use crate::policy::{
    Diagnostics, Elsewhere, Enforcement, Exemption, Loaded, Policy, Settings, Source, select,
};
use crate::session::namespace::now;
use crate::session::origin::{Caller, return_to_origin};
use crate::session::{
    Command, Place, Runtime, SessionNamespace, SessionRecord, elsewhere, join, subject_of,
};
use pam::constants::PamResultCode;
use pam::items::Service;
use pam::module::PamHandle;
use std::cell::{Cell, RefCell};
use std::ffi::CStr;

/// How many names a login looks up to warn about those that do not exist.
const LOOKED_UP: usize = 16;

/// How many diagnostics of a policy a login logs.
const LOGGED: usize = 20;

pub(super) fn open_session(handle: &mut PamHandle, arguments: &[&CStr]) -> Result<(), Refusal> {
    match open_or_refuse(handle, arguments) {
        Err(refusal) if is_for_root(handle) => {
            log_reasons(&refusal);
            log::warn!("root is refused no session: this one has the view in which it was opened");
            Ok(())
        }
        opened => opened,
    }
}

fn open_or_refuse(handle: &mut PamHandle, arguments: &[&CStr]) -> Result<(), Refusal> {
    let arguments = match Arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return refuse_unread(handle, error, arguments),
    };
    let request = request(handle)?;
    if is_open(handle, &request.user) {
        log::debug!("the session of {} is open already", request.user);
        return Ok(());
    }
    if !is_effective_root() {
        return Err(Error::new("open", "the session", "the process is not root").into());
    }
    pending::make_postponed();
    let directory = WorkingDirectory::own();
    let before = Place::own().ok();
    let caller = match return_to_origin() {
        Err(error) if arguments.observe => {
            log::warn!("{error}");
            None
        }
        caller => caller?,
    };
    if let Some(confinement) = caller.as_ref().and_then(|_| confinement()) {
        log::info!(
            "cannot leave the PID namespace {confinement}: this session ends with the one around it"
        );
    }
    let origin = match &caller {
        Some(_) if !arguments.observe => {
            threads::permit(&arguments)?;
            Place::own().ok()
        }
        Some(_) | None => before.clone(),
    };
    let is_command = Cell::new(None);
    let opening = Opening {
        arguments: &arguments,
        directory: &directory,
        caller: caller.as_ref(),
        is_command: &is_command,
    };
    match opening.open(handle, request) {
        Ok(Stay::WithCaller) => Ok(()),
        Ok(Stay::Here) => {
            if let Some(caller) = caller {
                caller.guard.commit();
            }
            places::keep(handle, before, directory.location(), origin);
            Ok(())
        }
        Err(refusal) if arguments.observe => {
            let cause = |reason: &String| log::error!("observing only: {reason}");
            refusal.reasons.iter().for_each(cause);
            Ok(())
        }
        Err(refusal) => refuse(handle, refusal, caller, &directory, is_command.get()),
    }
}

/// Refuses a session under arguments that nobody understands. Whether threads may change their namespaces is said by
/// them.
fn refuse_unread(handle: &PamHandle, error: Error, arguments: &[&CStr]) -> Result<(), Refusal> {
    let is_observed = arguments
        .iter()
        .any(|argument| argument.to_bytes() == b"observe");
    let may_leave = !is_observed && is_effective_root() && threads::later_thread().is_none();
    if !may_leave || !is_for_root(handle) {
        return Err(error.into());
    }
    let directory = WorkingDirectory::own();
    let caller = return_to_origin().unwrap_or_else(|error| {
        log::error!("{error}");
        None
    });
    refuse(handle, error.into(), caller, &directory, None)
}

/// Refuses a session, unless it is root's: that has the host's view then, or in a command the caller's. `is_command`
/// is what the policy says, if it was read.
fn refuse(
    handle: &PamHandle,
    refusal: Refusal,
    caller: Option<Caller>,
    directory: &WorkingDirectory,
    is_command: Option<bool>,
) -> Result<(), Refusal> {
    let service = item::<Service<'_>>(handle).unwrap_or_default();
    let is_command = is_command.unwrap_or_else(|| Settings::default().inherits(&service));
    let Some(caller) = caller.filter(|_| is_for_root(handle) && !is_command) else {
        return Err(refusal);
    };
    log_reasons(&refusal);
    // In another directory than the caller's, the next command would mean other files.
    directory.restore()?;
    log::warn!("root is refused no session: this one has the host's view");
    caller.guard.commit();
    Ok(())
}

fn log_reasons(refusal: &Refusal) {
    refusal
        .reasons
        .iter()
        .for_each(|reason| log::error!("{reason}"));
}

/// Where the thread stays once its session is open.
enum Stay {
    /// Where it is: in a view, or where the session in which it was called came from.
    Here,
    /// In the session in which it was called, if there is one.
    WithCaller,
}

/// A session that is being opened.
#[derive(Clone, Copy)]
struct Opening<'o> {
    arguments: &'o Arguments,
    /// The directory in which su(1) or sudo(8) was called.
    directory: &'o WorkingDirectory,
    /// The session in which it was called.
    caller: Option<&'o Caller>,
    /// Whether the session is a command in that one, as soon as the policy was read that says so.
    is_command: &'o Cell<Option<bool>>,
}

impl<'o> Opening<'o> {
    fn open(self, handle: &mut PamHandle, request: Request) -> Result<Stay, Refusal> {
        // Whatever comes of it, the handle has it no more.
        let password = password::take(handle, &request.user);
        let login = account(request)?;
        if !self.arguments.observe && self.join(handle, &login)? {
            return Ok(Stay::Here);
        }
        match judge(login, self.arguments, self.is_command)? {
            Judgement::Exempt(case) => self.give_hosts_view(handle, &case),
            Judgement::LeftAlone(login) => self.stay(handle, &login),
            Judgement::Apply(case) => {
                log_plan(log::Level::Debug, "will do", &case.plan);
                self.enter(handle, &case, password.as_ref())?;
                Ok(Stay::Here)
            }
            Judgement::Observe(plan, login) => {
                log_observed(*plan, &login);
                Ok(Stay::WithCaller)
            }
        }
    }

    /// The command that the session is, in the session of a caller whose directories it finds; nothing for a login.
    fn command(self, inherits: bool) -> Result<Option<Command<'o>>> {
        self.caller
            .filter(|_| inherits)
            .map(Command::of)
            .transpose()
    }

    /// An exempt account gets the host's view, and in a command the caller's directories in it.
    fn give_hosts_view(self, handle: &mut PamHandle, case: &Case) -> Result<Stay, Refusal> {
        let inherits = case.inherits();
        match self.caller {
            // It is what the caller has.
            Some(caller) if inherits && caller.record.is_hosts_view => return Ok(Stay::WithCaller),
            Some(_) if inherits => {}
            Some(_) | None => return self.stay(handle, &case.login),
        }
        let outcome = Outcome::of(&case.plan, &case.loaded, &case.login);
        let environment = Environment::set(handle, &outcome)?;
        if let Some(command) = self.command(inherits)? {
            let host = SessionNamespace::to_hosts_view()?;
            let session = command.show_in(host, &case.login, self.directory)?;
            environment.keep();
            self.remember(handle, session, &case.login, &outcome, Vec::new())?;
        }
        Ok(Stay::Here)
    }

    /// Gives the session no view of its own: it is where it began, or where the session in which it was called came
    /// from.
    fn stay(self, handle: &mut PamHandle, login: &Login) -> Result<Stay, Refusal> {
        self.directory.restore()?;
        let opened = Opened::exempt(login, request(handle)?.user);
        // Without a place for it, the process stays where it is when the session closes.
        if reserve(handle).is_ok() {
            push(handle, opened);
        }
        Ok(Stay::Here)
    }

    /// Joins the namespace of the user's other logins without reading the policy, where nothing has changed
    /// since one of them.
    fn join(self, handle: &mut PamHandle, login: &Login) -> Result<bool, Refusal> {
        // Otherwise the policy is read, and whatever is wrong is found again on the way.
        let Ok(Some(runtime)) = Runtime::find() else {
            return Ok(false);
        };
        let Ok(Some(outcome)) = cached_plan::find(&runtime, login, &self.arguments.source) else {
            return Ok(false);
        };
        // A namespace may be pinned from there since the policy was another one.
        if outcome.leaves_elsewhere && !matches!(elsewhere::find(), Ok(None)) {
            return Ok(false);
        }
        self.is_command.set(Some(outcome.inherits));
        threads::permit(self.arguments)?;
        let subject = subject_of(login, outcome.helpers(), None)?;
        let environment = Environment::set(handle, &outcome)?;
        let command = self.command(outcome.inherits)?;
        let joined = join::join(runtime, login, &outcome.plan, self.directory);
        let joined = joined.inspect_err(|error| log::debug!("{error}"));
        let Some(joined) = joined.ok().flatten() else {
            return Ok(false);
        };
        let session = with_hooks(self.show(command, joined, login)?, &outcome, &subject)?;
        environment.keep();
        let closing = hooks::closing(&outcome.hooks, &subject);
        self.remember(handle, session, login, &outcome, closing)?;
        Ok(true)
    }

    /// The namespace that was entered, and in a command the caller's directories in it.
    fn show(
        self,
        command: Option<Command<'_>>,
        session: SessionNamespace,
        login: &Login,
    ) -> Result<SessionNamespace> {
        match command {
            Some(command) => command.show_in(session, login, self.directory),
            None => Ok(session),
        }
    }

    fn enter(
        self,
        handle: &mut PamHandle,
        case: &Case,
        password: Option<&Secret>,
    ) -> Result<(), Refusal> {
        let Case {
            login,
            plan,
            loaded,
            watched,
        } = case;
        let outcome = Outcome::of(plan, loaded, login);
        let subject = subject_of(login, plan.helpers(), password)?;
        let environment = Environment::set(handle, &outcome)?;
        let command = self.command(outcome.inherits)?;
        let created = join::join_or_create(plan, &outcome.plan, login, &subject, self.directory)?;
        let session = with_hooks(self.show(command, created, login)?, &outcome, &subject)?;
        environment.keep();
        if let Some(runtime) = &session.runtime {
            let source = &self.arguments.source;
            tell(cached_plan::note(
                runtime, login, source, loaded, watched, plan, &outcome,
            ));
        }
        let closing = hooks::closing(&outcome.hooks, &subject);
        self.remember(handle, session, login, &outcome, closing)
    }

    /// Lets the login stay where it is, and remembers it: the handle, the log, the ledger. That is for
    /// administrators to read: a session that is missing in it is one all the same.
    fn remember(
        self,
        handle: &mut PamHandle,
        session: SessionNamespace,
        login: &Login,
        outcome: &Outcome,
        closing: Vec<Helper>,
    ) -> Result<(), Refusal> {
        let user = request(handle)?.user;
        report(&session, login);
        if let (Some(runtime), Some(process)) = (&session.runtime, session.process) {
            let record = SessionRecord {
                id: login.session.clone(),
                user: login.user.clone(),
                uid: login.uid,
                service: shortened(&login.service),
                tty: login.tty.as_deref().map(shortened),
                rhost: login.rhost.as_deref().map(shortened),
                process,
                namespace: session.namespace,
                plan: outcome.plan.clone(),
                config: cached_plan::config(&self.arguments.source),
                policy: outcome.policy.clone(),
                directories: session.noted_directories(),
                opened: now(),
            };
            tell(record.write(runtime));
        }
        let opened = Opened {
            user,
            uid: login.uid,
            id: login.session.clone(),
            root: Root::own().ok(),
            places: None,
            in_own_root: session.has_own_root(),
            leave: session.leave.clone(),
            directories: session.commit(&login.session),
            closing,
            has_volumes: outcome.has_volumes,
        };
        push(handle, opened);
        Ok(())
    }
}

/// A login, and what the policy says of it.
struct Case {
    login: Login,
    plan: Plan,
    loaded: Loaded,
    watched: Vec<Watched>,
}

impl Case {
    /// Whether the session is a command in its caller's, and finds the caller's directories.
    fn inherits(&self) -> bool {
        self.loaded.policy.settings.inherits(&self.login.service)
    }
}

/// What the policy says of a login.
enum Judgement {
    /// It gets the host's own view: its plan is empty.
    Exempt(Box<Case>),
    /// It keeps the view that it begins in, which is neither the host's nor the module's.
    LeftAlone(Login),
    /// It gets this.
    Apply(Box<Case>),
    /// It would get this, or be refused, and nothing is done.
    Observe(Box<Result<Plan>>, Login),
}

/// Reads the policy, gathers the facts and makes the plan.
fn judge(
    login: Login,
    arguments: &Arguments,
    is_command: &Cell<Option<bool>>,
) -> Result<Judgement, Refusal> {
    let mut watched = arguments.source.watched();
    let loaded = load(&arguments.source)?;
    let policy = &loaded.policy;
    is_command.set(Some(policy.settings.inherits(&login.service)));
    let login = login.with(policy.needs())?;
    let selection = select(policy, &login);
    if let Some(Exemption { principal, origin }) = &selection.exemption {
        let (user, service) = (&login.user, &login.service);
        log::info!(
            "session of {user} by {service}: exempt as {principal} ({origin}), it gets no view of its own"
        );
        let plan = Plan::from_selection(policy, &selection, &login, &Nss)?;
        drop(selection);
        return Ok(Judgement::Exempt(Box::new(Case {
            plan,
            login,
            loaded,
            watched,
        })));
    }
    if policy.settings.elsewhere == Elsewhere::Leave && is_left_alone(&login) {
        return Ok(Judgement::LeftAlone(login));
    }
    warn_of_unknown_principals(policy);
    let plan = Plan::from_selection(policy, &selection, &login, &Nss).and_then(|mut plan| {
        watched.extend(plan.fstab().map(source::watch));
        apply::read_fstab(&mut plan, Trust::Root)?;
        if !plan.is_empty() {
            threads::permit(arguments)?;
        }
        Ok(plan)
    });
    plan.iter().for_each(warn_of_lacking_labels);
    if arguments.observe || policy.settings.mode == Enforcement::Observe {
        return Ok(Judgement::Observe(Box::new(plan), login));
    }
    drop(selection);
    Ok(Judgement::Apply(Box::new(Case {
        plan: plan?,
        login,
        loaded,
        watched,
    })))
}

/// Whether the session begins in another namespace than the host's. Where that cannot be told, it gets its view: it
/// would otherwise be the host's, with other users' files.
fn is_left_alone(login: &Login) -> bool {
    let Login { user, service, .. } = login;
    match elsewhere::find() {
        Ok(None) => false,
        Ok(Some(namespace)) => {
            log::info!(
                "session of {user} by {service}: left alone in {namespace}, it gets no view of its own"
            );
            true
        }
        Err(error) => {
            log::warn!("{error}; the session gets its view, whatever settings.elsewhere says");
            false
        }
    }
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

/// The namespace that was entered, with the programs run that are run for each session: an instance is prepared by whoever makes the
/// namespace, and again by those who join it.
fn with_hooks(
    session: SessionNamespace,
    outcome: &Outcome,
    subject: &Subject<'_>,
) -> Result<SessionNamespace> {
    let prepared = match session.joined {
        true => hooks::prepare(&outcome.inits, &session.paths, subject),
        false => Ok(()),
    };
    match prepared.and_then(|()| hooks::open(&outcome.hooks, subject)) {
        Ok(()) => Ok(session),
        Err(error) => {
            session.roll_back();
            Err(error)
        }
    }
}

/// The environment of a session that is being opened, and room for the session with the handle: everything that can
/// fail is done before a namespace is entered. Dropped, also by a panic, the environment is as before; only
/// [`Environment::keep`] lets it stay.
struct Environment<'h> {
    handle: &'h mut PamHandle,
    /// Nothing once the session is entered.
    before: Option<environment::Before>,
}

impl<'h> Environment<'h> {
    fn set(handle: &'h mut PamHandle, outcome: &Outcome) -> Result<Self, Refusal> {
        reserve(handle)?;
        let variables = outcome.environment.iter();
        let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
        let before = Some(environment::set(handle, variables)?);
        Ok(Self { handle, before })
    }

    fn keep(mut self) {
        self.before = None;
    }
}

impl Drop for Environment<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            environment::restore(self.handle, before);
        }
    }
}

fn push(handle: &PamHandle, opened: Opened) {
    if let Some(sessions) = ffi::data::<Sessions>(handle) {
        sessions.open.borrow_mut().push(opened);
    }
}

/// A PAM item as the ledger has it: a service may give one of any length.
fn shortened(item: &str) -> String {
    const LONGEST: usize = 256;
    item.chars().take(LONGEST).collect()
}

fn report(session: &SessionNamespace, login: &Login) {
    session.notes.iter().for_each(|note| log::warn!("{note}"));
    let Login { user, service, .. } = login;
    let paths = match session.paths.as_slice() {
        [] => String::new(),
        paths => format!(" ({})", paths.join(" ")),
    };
    let verb = if session.joined { "joined" } else { "made" };
    let namespace = session.namespace;
    let caller = match &session.caller {
        None => String::new(),
        Some(caller) => format!(", with the directories of {caller}"),
    };
    log::info!("session of {user} by {service}: {verb} {namespace}{paths}{caller}");
}

/// Whether the session is to be root's. An account database that does not answer knows root by this name.
pub(super) fn is_for_root(handle: &PamHandle) -> bool {
    request(handle).is_ok_and(|request| {
        let is_named_so = request.user == "root";
        Login::of_account(request).map_or(is_named_so, |login| login.uid == 0)
    })
}

/// Whether this handle has opened a session for the user and the process is still in its namespace, as
/// where a service's stack includes another one and both name the module (`su-l` and `su` on Debian).
fn is_open(handle: &PamHandle, user: &str) -> bool {
    ffi::data::<Sessions>(handle).is_some_and(|sessions| {
        let sessions = sessions.open.borrow();
        let last = sessions.last();
        last.is_some_and(|opened| opened.user == user && opened.is_here())
    })
}

fn load(source: &Source) -> Result<Loaded, Refusal> {
    match Policy::load(source) {
        Ok(loaded) => {
            lines(&loaded.warnings).for_each(|warning| log::warn!("{warning}"));
            Ok(loaded)
        }
        Err(diagnostics) => Err(Refusal {
            code: PamResultCode::PAM_PERM_DENIED,
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

fn account(request: Request) -> Result<Login, Refusal> {
    Login::of_account(request).map_err(|unknown| match unknown {
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

fn warn_of_lacking_labels(plan: &Plan) {
    for step in &plan.steps {
        let labelling = step.view.instance().map(|instance| &instance.labelling);
        if labelling == Some(&Labelling::Lacking) {
            let Step { path, origin, .. } = step;
            log::warn!("this machine has no SELinux: {path} is private by user ({origin})");
        }
    }
}

/// Makes a place for one more session with the handle, before anything is changed, so that filling it
/// cannot fail.
fn reserve(handle: &mut PamHandle) -> Result<(), Refusal> {
    if let Some(sessions) = ffi::data::<Sessions>(handle) {
        sessions.open.borrow_mut().reserve(1);
        return Ok(());
    }
    let sessions = Sessions {
        open: RefCell::new(Vec::with_capacity(1)),
        closed: RefCell::new(None),
    };
    ffi::store(handle, sessions).map_err(|code| {
        Error::new(
            "keep",
            "the session with the handle",
            format_args!("{code:?}"),
        )
        .into()
    })
}
