//! The judgement of a login by the policy: it is read, the facts that it asks for are gathered, and a plan is made.

use super::arguments::Arguments;
use super::refusal::Refusal;
use super::threads::CallingThread;
use crate::apply;
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::walk::Trust;
use crate::login::{Login, NssUntil, OF_ROOT};
use crate::plan::{Labelling, Plan, Step};
use crate::policy::settings::DEADLINE;
use crate::policy::source::{self, Watched};
use crate::policy::{
    Diagnostics, Elsewhere, Enforcement, Exemption, Loaded, Policy, Source, select,
};
use crate::session::elsewhere;
use pam::constants::PamResultCode;
use std::cell::Cell;
use std::time::Duration;

/// The number of diagnostics of a policy that a login logs.
const LOGGED: usize = 20;

/// A login, and what the policy says of it.
pub(super) struct PlannedLogin {
    pub(super) login: Login,
    pub(super) plan: Plan,
    /// The policy, and the files that it was read from.
    pub(super) loaded: Loaded,
    /// The paths that decide what the policy says, as they were before it was read.
    pub(super) watched: Vec<Watched>,
}

impl PlannedLogin {
    /// Whether the session is a command in its caller's, and finds the caller's directories.
    pub(super) fn inherits(&self) -> bool {
        self.loaded.policy.settings.inherits(&self.login.service)
    }
}

/// The judgement of the policy about a login.
pub(super) enum Judgement {
    /// The login gets the host's own view: its plan is empty.
    Exempt(Box<PlannedLogin>),
    /// The login keeps the view that it begins in, which is neither the host's nor the module's.
    LeftAlone(Login),
    /// The login gets this plan.
    Apply(Box<PlannedLogin>),
    /// The login would get this plan, or be refused, and nothing is done.
    Observe(Box<Result<Plan>>, Login),
}

/// The time that a session of this name's may take until the account and the policy are known.
pub(super) fn first_time(user: &str) -> Duration {
    match user {
        "root" => OF_ROOT,
        _ => DEADLINE,
    }
}

/// Reads the policy, gathers the facts and makes the plan.
pub(super) fn judge(
    login: Login,
    (arguments, thread): (&Arguments, CallingThread),
    is_command: &Cell<Option<bool>>,
    deadline: &Deadline,
) -> Result<Judgement, Refusal> {
    let (loaded, mut watched) = load(deadline, &arguments.source)?;
    let policy = &loaded.policy;
    let deadline = &login.deadline(policy.settings.deadline, deadline);
    is_command.set(Some(policy.settings.inherits(&login.service)));
    let login = login.with_until(deadline, policy.needs())?;
    let selection = select(policy, &login);
    if let Some(Exemption {
        principal,
        location,
    }) = &selection.exemption
    {
        let (user, service) = (&login.user, &login.service);
        log::info!(
            "session of {user} by {service}: exempt as {principal} ({location}), it gets no view of its own"
        );
        let plan = Plan::from_selection(policy, &selection, &login, &NssUntil(deadline))?;
        drop(selection);
        return Ok(Judgement::Exempt(Box::new(PlannedLogin {
            plan,
            login,
            loaded,
            watched,
        })));
    }
    if policy.settings.elsewhere == Elsewhere::Leave && is_left_alone(&login) {
        return Ok(Judgement::LeftAlone(login));
    }
    let plan = Plan::from_selection(policy, &selection, &login, &NssUntil(deadline)).and_then(
        |mut plan| {
            watched.extend(plan.fstab().map(|path| source::watch(path, deadline)));
            apply::read_fstab(&mut plan, Trust::Root, deadline)?;
            if !plan.is_empty() {
                thread.permit()?;
            }
            Ok(plan)
        },
    );
    plan.iter().for_each(warn_of_lacking_labels);
    if arguments.observe || policy.settings.mode == Enforcement::Observe {
        return Ok(Judgement::Observe(Box::new(plan), login));
    }
    drop(selection);
    Ok(Judgement::Apply(Box::new(PlannedLogin {
        plan: plan?,
        login,
        loaded,
        watched,
    })))
}

/// Whether the session begins in another namespace than the host's. Where that cannot be known, it gets its view: it
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

/// Logs what a login that is only observed would get, or why it would be refused.
pub(super) fn log_observed(plan: Result<Plan>, login: &Login) {
    let Login { user, service, .. } = login;
    let session = format!("session of {user} by {service}, observing only:");
    match plan {
        Ok(plan) if plan.is_empty() => log::info!("{session} would do nothing"),
        Ok(plan) => log_plan(log::Level::Info, &format!("{session} would do"), &plan),
        Err(refusal) => log::error!("{session} {refusal}"),
    }
}

/// Logs the steps of a plan, each after `intent`.
pub(super) fn log_plan(level: log::Level, intent: &str, plan: &Plan) {
    if log::log_enabled!(level) {
        let text = plan.to_string();
        text.lines()
            .for_each(|step| log::log!(level, "{intent} {step}"));
    }
}

fn load(deadline: &Deadline, source: &Source) -> Result<(Loaded, Vec<Watched>), Refusal> {
    match Policy::load_until(deadline, source) {
        Ok((loaded, watched)) => {
            lines(&loaded.warnings).for_each(|warning| log::warn!("{warning}"));
            Ok((loaded, watched))
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

fn warn_of_lacking_labels(plan: &Plan) {
    for step in &plan.steps {
        let labelling = step.view.instance().map(|instance| &instance.labelling);
        if labelling == Some(&Labelling::Lacking) {
            let Step { path, location, .. } = step;
            log::warn!("this machine has no SELinux: {path} is private by user ({location})");
        }
    }
}
