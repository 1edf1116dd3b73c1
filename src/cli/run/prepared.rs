//! A command that is ready to be run: everything that is known of it before anything is done.

use super::error::RunError;
use super::rights::has_rights;
use super::target::{self, Target};
use super::text::usage_error;
use super::{ids, options};
use crate::apply;
use crate::cli::account::Account;
use crate::cli::arguments::Run;
use crate::error::Error;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::file::read_trusting;
use crate::kernel::fs::walk::Trust;
use crate::kernel::namespace::user_namespace::Maps;
use crate::kernel::process::credentials::Program;
use crate::login::{Login, Nss};
use crate::path::AbsPath;
use crate::plan::{Instance, Isolation, Lifetime, Network, Plan, Processes};
use crate::policy::source::LIMIT;
use crate::policy::{Policy, Rule, Settings, Source};
use std::ffi::OsString;

/// A command and what it gets.
#[derive(Debug)]
pub struct Prepared {
    /// Whether the caller is root, outside of any user namespace that is made for the command.
    pub is_root: bool,
    /// The user whose command it is.
    pub target: Target,
    /// The facts about them.
    pub login: Login,
    /// The plan of what the command sees.
    pub plan: Plan,
    /// The ids of its user namespace, where options ask for one.
    pub maps: Option<Maps>,
    /// The command.
    pub program: Program,
    /// Whether it is the shell, for want of a command.
    pub is_shell: bool,
}

impl Prepared {
    /// Reads the options, the policy file that they name, and the accounts.
    ///
    /// # Errors
    ///
    /// An option or the policy is wrong, or asks for what this caller cannot have.
    pub fn of(arguments: &Run) -> Result<Self, RunError> {
        let rules = options::rules(arguments)?;
        let maps = ids::maps(&arguments.isolation)?;
        let chdir = arguments.identity.chdir.as_deref();
        if let Some(directory) = chdir.filter(|directory| directory.is_empty()) {
            return Err(usage_error("--chdir", directory, "a path must not be empty").into());
        }
        let target = target::of(&arguments.identity)?;
        let mut policy = policy(arguments.invocation.config.as_deref())?;
        policy.rules.extend(rules);
        if !has_rights() {
            policy.settings.store = own_store(&policy, &target.account)?;
        }
        let login = target.login()?.with(policy.needs())?;
        let mut plan = Plan::new(&policy, &login, &Nss)?.for_command();
        let trust = match trust(&target) {
            Trust::User(_) => Trust::Root,
            caller @ (Trust::Root | Trust::Caller(_)) => caller,
        };
        apply::read_fstab(&mut plan, trust, &Deadline::none())?;
        if !has_rights() {
            refuse_without_rights(&plan)?;
        }
        let program = program(arguments, &target, &plan);
        Ok(Self {
            is_root: has_rights(),
            target,
            login,
            plan,
            maps,
            program,
            is_shell: arguments.command.is_empty(),
        })
    }

    /// Whether something has to be done when the command has ended.
    pub fn needs_supervision(&self) -> bool {
        let own = self.plan.isolation.has_own_processes();
        let ends = |instance: &Instance| instance.lifetime == Lifetime::Session;
        let left = self.plan.instances().any(ends);
        let helpers = !self.plan.volumes.is_empty() || !self.plan.hooks.is_empty();
        // Root's are in the ledger as long as they run.
        own || left || helpers || self.is_root
    }
}

/// Returns who is trusted with the paths of options: for root, nobody but root and the user whose command it is.
pub fn trust(target: &Target) -> Trust {
    let uid = target.account.credentials.uid;
    if has_rights() {
        Trust::User(uid)
    } else {
        Trust::Caller(uid)
    }
}

/// The policy file's, for a command that asked for it: without those settings that say which logins it is about.
fn policy(file: Option<&str>) -> Result<Policy, RunError> {
    let loaded = match file {
        None => Ok(Policy {
            settings: Settings::default(),
            rules: Vec::new(),
        }),
        Some(file) => load(file),
    }?;
    let settings = Settings {
        exempt: Vec::new(),
        ..loaded.settings
    };
    Ok(Policy { settings, ..loaded })
}

fn load(file: &str) -> Result<Policy, RunError> {
    let path =
        super::text::absolute(file).map_err(|reason| usage_error("--config", file, reason))?;
    let loaded = if has_rights() {
        Policy::load(&Source::File(path))
    } else {
        let caller = Trust::Caller(nix::unistd::geteuid().as_raw());
        let text = read_trusting(caller, &path, LIMIT)?;
        Policy::parse(&[(&path, &text)])
    };
    loaded.map(|loaded| loaded.policy).map_err(RunError::Policy)
}

/// Refuses what the kernel lets nobody have in a user namespace of their own, in better words than the kernel's.
fn refuse_without_rights(plan: &Plan) -> Result<(), Error> {
    let refused =
        |verb, object: &str, reason, location| Err(Error::new(verb, object, reason).at(location));
    let Isolation {
        processes, network, ..
    } = &plan.isolation;
    match (processes, network) {
        (Some(hidden), _) if hidden.value == Processes::Hidden => {
            let reason = "only root can; with `own` the command sees none but its own";
            refused("hide", "processes", reason, &hidden.location)
        }
        (_, Some(named)) if matches!(named.value, Network::Named(_)) => {
            refused("join", "a named network", "only root can", &named.location)
        }
        _ => Ok(()),
    }
}

/// Finds where the instances of a caller without rights live, as the XDG Base Directory Specification has it. Where
/// there are none, it must not matter what is covered: no rule's path lies in /proc.
fn own_store(policy: &Policy, account: &Account) -> Result<AbsPath, Error> {
    let unused = || AbsPath::new("/proc/unused");
    let failed = |path: &str, reason| Error::new("keep directories in", path, reason);
    if !policy.rules.iter().any(needs_store) {
        return unused().map_err(|reason| failed("/proc", reason));
    }
    let named = std::env::var("XDG_STATE_HOME")
        .ok()
        .filter(|path| path.starts_with('/'));
    let home = std::env::var("HOME").unwrap_or_else(|_| account.home.clone());
    let state = named.unwrap_or_else(|| format!("{}/.local/state", home.trim_end_matches('/')));
    let path = format!("{}/jns", state.trim_end_matches('/'));
    AbsPath::new(&path).map_err(|reason| failed(&path, reason))
}

/// Whether a rule shows a directory of the store.
fn needs_store(rule: &Rule) -> bool {
    rule.kind.store_use().is_some()
}

fn program(arguments: &Run, target: &Target, plan: &Plan) -> Program {
    let account = &target.account;
    let clean = target.is_named || plan.root.is_some();
    let mut environment: Vec<(OsString, OsString)> = if clean {
        account.environment()
    } else {
        std::env::vars_os().collect()
    };
    for (name, variable) in &plan.environment {
        environment.retain(|(known, _)| known != name.as_str());
        environment.push((name.into(), variable.value.clone().into()));
    }
    let words = &arguments.command;
    let path = words.first().unwrap_or(&account.shell);
    Program {
        path: path.clone(),
        name: path.clone(),
        arguments: words.iter().skip(1).cloned().collect(),
        environment: Some(environment),
    }
}
