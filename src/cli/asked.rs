//! The login that a verb is asked about, the policy that it meets, and the plan that it gets.

pub mod refusal;
pub mod trial;

use crate::apply::{check_beliefs, read_fstab};
use crate::cli::arguments::Asked;
use crate::cli::host::module_line::{line_of, source_of};
use crate::cli::host::{Entry, Tree};
use crate::cli::source::{files, unreadable};
use crate::error::{Error, Result};
use crate::kernel::fs::walk::Trust;
use crate::login::{Login, Needs, NssUntil, Request, SessionId, Unknown};
use crate::plan::Plan;
use crate::policy::{Loaded, Policy};
use refusal::Refusal;
use trial::deadline_of;

/// A login and the policy that it meets.
#[derive(Debug)]
pub struct Inputs {
    /// The line that calls the module, if one does.
    pub line: Option<Entry>,
    /// The files of the policy.
    pub files: Vec<String>,
    /// The policy.
    pub loaded: Loaded,
    /// The facts of the login.
    pub login: Login,
}

impl Inputs {
    /// Whether the session is a command in somebody's session, which finds the directories of whoever calls it.
    pub fn is_command(&self) -> bool {
        self.loaded.policy.settings.inherits(&self.login.service)
    }
}

/// The policy that logins through a service meet.
#[derive(Debug)]
pub struct MetPolicy {
    /// The line that calls the module, if one does.
    pub line: Option<Entry>,
    /// The files of the policy.
    pub files: Vec<String>,
    /// The policy.
    pub loaded: Loaded,
}

impl MetPolicy {
    /// Adds the login that meets it.
    pub fn with(self, login: Login) -> Inputs {
        let Self {
            line,
            files,
            loaded,
        } = self;
        Inputs {
            line,
            files,
            loaded,
            login,
        }
    }
}

impl Inputs {
    /// Takes the login out again.
    pub fn into_policy(self) -> MetPolicy {
        let Self {
            line,
            files,
            loaded,
            login: _,
        } = self;
        MetPolicy {
            line,
            files,
            loaded,
        }
    }
}

/// Loads the policy that logins through the service meet that the arguments name.
///
/// # Errors
///
/// It has errors, or this user may not read it.
pub fn policy_of(arguments: &Asked) -> Result<MetPolicy, Refusal> {
    let host = Tree::host();
    let line = line_of(&host, &arguments.service);
    let source = match (&arguments.policy.config, &line) {
        (None, Some(entry)) => source_of(entry),
        _ => arguments.policy.source(),
    };
    let files = files(&source, &host);
    if let Some(file) = unreadable(&files, &host) {
        return Err(Error::new("read", file, "permission denied; ask as root").into());
    }
    Ok(MetPolicy {
        line,
        files,
        loaded: Policy::load(&source).map_err(Refusal::Policy)?,
    })
}

/// The facts of a login. More of them than a login asks for, where the policy does not care.
///
/// # Errors
///
/// There is no such account, or it cannot be looked up.
pub fn gather(arguments: &Asked, user: String) -> Result<Login> {
    let request = Request {
        user,
        service: arguments.service.clone(),
        tty: arguments.tty.clone(),
        rhost: arguments.rhost.clone(),
    };
    let all = Needs {
        groups: true,
        group_name: true,
    };
    match Login::gather(request, all) {
        Ok(login) => Ok(Login {
            session: SessionId::placeholder(),
            ..login
        }),
        Err(Unknown::User(reason) | Unknown::Fault(reason)) => Err(reason),
    }
}

/// Makes the plan that a login gets, with the file systems of its root directory.
///
/// # Errors
///
/// The reason why it is refused.
pub fn planned(policy: &Policy, login: &Login) -> Result<Plan> {
    let deadline = deadline_of(login, policy);
    let mut plan = Plan::new(policy, login, &NssUntil(&deadline))?;
    read_fstab(&mut plan, Trust::Root, &deadline)?;
    if plan.root.is_none() {
        check_beliefs(&plan, login.uid)?;
    }
    Ok(plan)
}
