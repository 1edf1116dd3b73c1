//! The whole of a login: go back to where its session came from, read, gather, plan, enter, remember.

use super::arguments::Arguments;
use super::cached_plan::{self, PlanSummary};
use super::items::{item, request};
use super::judgement::{Judgement, PlannedLogin, first_time, judge, log_observed, log_plan};
use super::kept::Sessions;
use super::opened::Opened;
use super::refusal::{Refusal, log_failure};
use super::threads::CallingThread;
use super::{environment, ffi, hooks, password, pending, threads};
use crate::apply::Subject;
use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::init::confinement;
use crate::kernel::namespace::Root;
use crate::kernel::process::helper::Helper;
use crate::kernel::process::secret::Secret;
use crate::login::{Login, OF_ROOT, Request, Unknown, is_effective_root};
use crate::path::ViewPath;
use crate::policy::Settings;
use crate::policy::settings::DEADLINE;
use crate::session::ledger::shortened;
use crate::session::origin::{Caller, return_to_origin};
use crate::session::{
    Command, OpenPlace, Place, PlannedSession, Runtime, SessionNamespace, SessionRecord, elsewhere,
    join, subject_of,
};
use pam::constants::PamResultCode;
use pam::items::Service;
use pam::module::PamHandle;
use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::CStr;

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
    let deadline = Deadline::after(first_time(&request.user));
    let thread = CallingThread::own(arguments.threads);
    pending::make_postponed(&deadline);
    let before = OpenPlace::own().ok();
    let place = before.as_ref().map(|before| &before.place);
    let directory = WorkingDirectory::until(&deadline, place.map(Place::root));
    let caller = leave_caller(&arguments, place, &directory)?;
    let origin = match &caller {
        Some(_) if !arguments.observe => {
            thread.permit()?;
            OpenPlace::own().ok()
        }
        Some(_) | None => before.clone(),
    };
    let (is_command, runtime) = (Cell::new(None), OnceCell::new());
    let opening = Opening {
        arguments: &arguments,
        thread,
        directory: &directory,
        caller: caller.as_ref(),
        place: origin.as_ref(),
        runtime: &runtime,
        is_command: &is_command,
        deadline: &deadline,
    };
    match opening.open(handle, request) {
        Ok(Stay::WithCaller) => Ok(()),
        Ok(Stay::Here) => {
            if let Some(caller) = caller {
                caller.guard.commit();
            }
            keep_places(handle, (before, origin), (&directory, thread));
            Ok(())
        }
        Err(refusal) if arguments.observe => {
            let cause = |reason: &String| log::error!("observing only: {reason}");
            refusal.reasons.iter().for_each(cause);
            Ok(())
        }
        Err(refusal) => {
            let left = LeftSession {
                caller,
                directory: &directory,
            };
            left.refuse(handle, refusal, is_command.get())
        }
    }
}

/// Keeps where the process was before the session and where that one came from, for its end.
fn keep_places(
    handle: &PamHandle,
    (before, origin): (Option<OpenPlace>, Option<OpenPlace>),
    (directory, thread): (&WorkingDirectory, CallingThread),
) {
    if let Some(sessions) = ffi::data::<Sessions>(handle) {
        let place = |open: OpenPlace| open.place;
        sessions.keep_places(before.map(place), (directory, thread), origin.map(place));
    }
}

/// Leaves the session in which su(1) or sudo(8) was called for where that one came from; nothing where it was called in
/// none.
fn leave_caller(
    arguments: &Arguments,
    place: Option<&Place>,
    directory: &WorkingDirectory,
) -> Result<Option<Caller>, Refusal> {
    let caller = match return_to_origin(place, Some(directory)) {
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
    Ok(caller)
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
    let directory = WorkingDirectory::until(&Deadline::after(OF_ROOT), Root::own().ok());
    let caller = return_to_origin(None, Some(&directory)).unwrap_or_else(|error| {
        log::error!("{error}");
        None
    });
    let left = LeftSession {
        caller,
        directory: &directory,
    };
    left.refuse(handle, error.into(), None)
}

/// The session in which su(1) or sudo(8) was called, while the thread is where that one came from.
struct LeftSession<'d> {
    /// Nothing where it was called in no session.
    caller: Option<Caller>,
    /// The directory in which it was called.
    directory: &'d WorkingDirectory,
}

impl LeftSession<'_> {
    /// Refuses a session, unless it is root's: that has the host's view then, or in a command the caller's.
    /// `is_command` is what the policy says, if it was read.
    fn refuse(
        self,
        handle: &PamHandle,
        refusal: Refusal,
        is_command: Option<bool>,
    ) -> Result<(), Refusal> {
        let service = item::<Service<'_>>(handle).unwrap_or_default();
        let is_command = is_command.unwrap_or_else(|| Settings::default().inherits(&service));
        let Some(caller) = self.caller.filter(|_| is_for_root(handle) && !is_command) else {
            return Err(refusal);
        };
        log_reasons(&refusal);
        // In another directory than the caller's, the next command would mean other files.
        self.directory.restore()?;
        log::warn!("root is refused no session: this one has the host's view");
        caller.guard.commit();
        Ok(())
    }
}

fn log_reasons(refusal: &Refusal) {
    refusal
        .reasons
        .iter()
        .for_each(|reason| log::error!("{reason}"));
}

/// The place where the thread stays once its session is open.
enum Stay {
    /// The place where it is: in a view, or where the session in which it was called came from.
    Here,
    /// In the session in which it was called, if there is one.
    WithCaller,
}

/// A session whose process is in its view.
struct EnteredSession<'e> {
    login: &'e Login,
    summary: &'e PlanSummary,
    session: SessionNamespace,
    /// Programs to run at its end.
    closing: Vec<Helper>,
}

/// A session that is being opened.
#[derive(Clone, Copy)]
struct Opening<'o> {
    arguments: &'o Arguments,
    thread: CallingThread,
    /// The directory in which su(1) or sudo(8) was called.
    directory: &'o WorkingDirectory,
    /// The session in which it was called.
    caller: Option<&'o Caller>,
    /// The place where the session begins, if it is known.
    place: Option<&'o OpenPlace>,
    /// `/run/jns` there, once it is open.
    runtime: &'o OnceCell<Runtime>,
    /// Whether the session is a command in that one, as soon as the policy was read that says so.
    is_command: &'o Cell<Option<bool>>,
    /// The time by which it is open, as long as neither the account nor the policy is known.
    deadline: &'o Deadline,
}

impl<'o> Opening<'o> {
    fn open(self, handle: &mut PamHandle, request: Request) -> Result<Stay, Refusal> {
        // Whatever comes of it, the handle has it no more.
        let password = password::take(handle, &request.user);
        let login = account(request, self.deadline)?;
        let deadline = &login.deadline(DEADLINE, self.deadline);
        if !self.arguments.observe && self.join(handle, &login, deadline)? {
            return Ok(Stay::Here);
        }
        match judge(
            login,
            (self.arguments, self.thread),
            self.is_command,
            deadline,
        )? {
            Judgement::Exempt(planned) => self.give_hosts_view(handle, &planned),
            Judgement::LeftAlone(login) => self.stay(handle, &login),
            Judgement::Apply(planned) => {
                log_plan(log::Level::Debug, "will do", &planned.plan);
                self.enter(handle, &planned, password.as_ref())?;
                Ok(Stay::Here)
            }
            Judgement::Observe(plan, login) => {
                log_observed(*plan, &login);
                Ok(Stay::WithCaller)
            }
        }
    }

    /// The command that the session is, in the session of a caller whose directories it finds; nothing for a login.
    fn command(self, summary: &PlanSummary) -> Result<Option<Command<'o>>> {
        self.caller
            .filter(|_| summary.inherits)
            .map(Command::of)
            .transpose()
    }

    /// Gives an exempt account the host's view, and in a command the caller's directories in it.
    fn give_hosts_view(
        self,
        handle: &mut PamHandle,
        planned: &PlannedLogin,
    ) -> Result<Stay, Refusal> {
        let (inherits, login) = (planned.inherits(), &planned.login);
        match self.caller {
            // It is what the caller has.
            Some(caller) if inherits && caller.record.is_hosts_view => {
                return Ok(Stay::WithCaller);
            }
            Some(_) if inherits => {}
            Some(_) | None => return self.stay(handle, login),
        }
        let summary = &PlanSummary::of(planned);
        let environment = Environment::set(handle, summary)?;
        if let Some(command) = self.command(summary)? {
            let host = SessionNamespace::to_hosts_view()?;
            let session = command.show_in(host, login, self.directory)?;
            environment.keep();
            let entered = EnteredSession {
                login,
                summary,
                session,
                closing: Vec::new(),
            };
            self.remember(handle, entered)?;
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
    fn join(
        self,
        handle: &mut PamHandle,
        login: &Login,
        deadline: &Deadline,
    ) -> Result<bool, Refusal> {
        // Otherwise the policy is read, and whatever is wrong is found again on the way.
        let Ok(Some(found)) = Runtime::find() else {
            return Ok(false);
        };
        let runtime = self.runtime.get_or_init(|| found);
        let Ok(Some(summary)) = cached_plan::find(runtime, login, &self.arguments.source, deadline)
        else {
            return Ok(false);
        };
        // A namespace may be pinned from there since the policy was another one.
        if summary.leaves_elsewhere && !matches!(elsewhere::find(), Ok(None)) {
            return Ok(false);
        }
        let deadline = &login.deadline(summary.deadline, deadline);
        self.is_command.set(Some(summary.inherits));
        self.thread.permit()?;
        self.directory.wait_until(deadline);
        self.directory.check_answers()?;
        let subject = subject_of(login, summary.helpers(), None, deadline)?;
        let environment = Environment::set(handle, &summary)?;
        let command = self.command(&summary)?;
        let Ok(Some(joined)) = join::join(
            runtime.clone(),
            login,
            &summary.plan,
            self.directory,
            self.place,
            deadline,
        )
        .inspect_err(|error| log::debug!("{error}")) else {
            return Ok(false);
        };
        let session = with_hooks(self.show(command, joined, login)?, &summary, &subject)?;
        environment.keep();
        let entered = EnteredSession {
            login,
            closing: hooks::closing(&summary.hooks, &subject),
            summary: &summary,
            session,
        };
        self.remember(handle, entered)?;
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

    /// Has the plan's namespace joined or created, and remembers the plan for the next login.
    fn enter(
        self,
        handle: &mut PamHandle,
        planned: &PlannedLogin,
        password: Option<&Secret>,
    ) -> Result<(), Refusal> {
        let PlannedLogin { login, plan, .. } = planned;
        let summary = PlanSummary::of(planned);
        let deadline = &login.deadline(summary.deadline, self.deadline);
        self.directory.wait_until(deadline);
        if !plan.is_empty() {
            self.directory.check_answers()?;
        }
        let subject = subject_of(login, plan.helpers(), password, deadline)?;
        let environment = Environment::set(handle, &summary)?;
        let command = self.command(&summary)?;
        let created = join::join_or_create(PlannedSession {
            plan,
            digest: &summary.plan,
            login,
            subject: &subject,
            directory: self.directory,
            place: self.place,
            runtime: self.runtime.get(),
        })?;
        let session = with_hooks(self.show(command, created, login)?, &summary, &subject)?;
        environment.keep();
        if let Some(runtime) = &session.runtime {
            let source = &self.arguments.source;
            log_failure(cached_plan::write(runtime, source, planned, &summary));
        }
        let entered = EnteredSession {
            login,
            closing: hooks::closing(&summary.hooks, &subject),
            summary: &summary,
            session,
        };
        self.remember(handle, entered)
    }

    /// Lets the login stay where it is, and remembers it: the handle, the log, the ledger. That is for
    /// administrators to read: a session that is missing in it is one all the same.
    fn remember(self, handle: &mut PamHandle, entered: EnteredSession<'_>) -> Result<(), Refusal> {
        let EnteredSession {
            login,
            summary,
            session,
            closing,
        } = entered;
        let user = request(handle)?.user;
        report(&session, login);
        if let (Some(runtime), Some(process)) = (&session.runtime, session.process) {
            let record = SessionRecord {
                tty: login.tty.as_deref().map(shortened),
                rhost: login.rhost.as_deref().map(shortened),
                config: cached_plan::config(&self.arguments.source),
                policy: summary.policy.clone(),
                directories: session.noted_directories(),
                ..SessionRecord::new(login, process, session.namespace, &summary.plan)
            };
            log_failure(record.write(runtime));
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
            has_volumes: summary.has_volumes,
        };
        push(handle, opened);
        Ok(())
    }
}

/// Runs the programs that are run for each session, in the namespace that was entered. An instance is prepared by whoever
/// makes the namespace, and again by those who join it.
fn with_hooks(
    session: SessionNamespace,
    summary: &PlanSummary,
    subject: &Subject<'_>,
) -> Result<SessionNamespace> {
    let prepared = match session.joined {
        true => hooks::prepare(&summary.inits, &session.paths, subject),
        false => Ok(()),
    };
    let late = |errno| {
        let reason = "it has taken longer than settings.deadline says";
        Error::from_errno("open", "the session", errno).because(reason)
    };
    // The last look: from here on the session is open.
    let in_time = || subject.deadline.check().map_err(late);
    match prepared
        .and_then(|()| hooks::open(&summary.hooks, subject))
        .and_then(|()| in_time())
    {
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
    fn set(handle: &'h mut PamHandle, summary: &PlanSummary) -> Result<Self, Refusal> {
        reserve(handle)?;
        let variables = summary
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
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

fn report(session: &SessionNamespace, login: &Login) {
    session.notes.iter().for_each(|note| log::warn!("{note}"));
    let Login { user, service, .. } = login;
    let paths = match session.paths.as_slice() {
        [] => String::new(),
        paths => {
            let paths: Vec<&str> = paths.iter().map(ViewPath::as_str).collect();
            format!(" ({})", paths.join(" "))
        }
    };
    let verb = if session.joined { "joined" } else { "made" };
    let namespace = session.namespace;
    let caller = match &session.caller {
        None => String::new(),
        Some(caller) => format!(", with the directories of {caller}"),
    };
    log::info!("session of {user} by {service}: {verb} {namespace}{paths}{caller}");
}

/// Whether the session is to be root's. Root is known by this name, whether the account database answers or not.
pub(super) fn is_for_root(handle: &PamHandle) -> bool {
    request(handle).is_ok_and(|request| {
        let deadline = &Deadline::after(OF_ROOT);
        let is_roots = |request| Login::of_account_until(deadline, request).is_ok_and(is_root);
        request.user == "root" || is_roots(request)
    })
}

fn is_root(login: Login) -> bool {
    login.uid == 0
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

fn account(request: Request, deadline: &Deadline) -> Result<Login, Refusal> {
    Login::of_account_until(deadline, request).map_err(|unknown| match unknown {
        Unknown::Fault(error) => error.into(),
        Unknown::User(error) => Refusal {
            code: PamResultCode::PAM_USER_UNKNOWN,
            ..error.into()
        },
    })
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
