//! The user whose command it is: the caller, or who `--user` and `--group` name.

use super::error::RunError;
use super::rights::has_rights;
use super::text::usage_error;
use crate::cli::account::Account;
use crate::cli::arguments::Identity;
use crate::cli::command::SERVICE;
use crate::error::{Error, Result};
use crate::kernel::process::credentials::Credentials;
use crate::login::{Accounts, Login, Nss, Request, Unknown};
use nix::unistd::{getegid, geteuid, getgroups};
use std::ffi::OsString;

/// The shell of those who have no account.
const SHELL: &str = "/bin/sh";

/// The user whose command it is.
#[derive(Debug)]
pub struct Target {
    /// The account, or what stands for it where an id has none.
    pub account: Account,
    /// Whether it has to be become: an option names it.
    pub is_named: bool,
    /// Whether there is such an account.
    known: bool,
}

/// Reads the options.
///
/// # Errors
///
/// They name nobody, or a user that only root can become.
pub fn of(identity: &Identity) -> Result<Target, RunError> {
    let mut target = match &identity.user {
        None => caller()?,
        Some(user) => named(user, identity)?,
    };
    if let Some(group) = &identity.group {
        let gid = Nss.gid(group).or_else(|| number(group));
        let unknown = || {
            usage_error(
                "--group",
                group,
                "there is no such group; give a name or a number",
            )
        };
        target.account.credentials.gid = gid.ok_or_else(unknown)?;
        target.is_named = true;
    }
    if has_rights() {
        return Ok(target);
    }
    refuse_others(&target)?;
    Ok(Target {
        is_named: false,
        ..target
    })
}

/// Refuses a caller without rights beyond their own who wants to be somebody else.
fn refuse_others(target: &Target) -> Result<()> {
    let Credentials { uid, gid, .. } = target.account.credentials;
    let refused = |object: String| Err(Error::new("become", object, "only root can"));
    if uid != geteuid().as_raw() {
        return refused(format!("user {}", target.account.name));
    }
    if gid != getegid().as_raw() {
        return refused(format!("gid {gid}"));
    }
    Ok(())
}

fn caller() -> Result<Target> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let groups = getgroups().unwrap_or_default().into_iter();
    let credentials = Credentials {
        uid,
        gid,
        groups: groups.map(|gid| gid.as_raw()).collect(),
    };
    let known = Account::of(uid);
    let target = Target {
        is_named: false,
        known: known.is_ok(),
        account: known.unwrap_or_else(|_| nameless(credentials.clone())),
    };
    let account = Account {
        credentials,
        ..target.account
    };
    Ok(Target { account, ..target })
}

fn named(user: &str, identity: &Identity) -> Result<Target, RunError> {
    let wrong = |reason: &str| usage_error("--user", user, reason);
    let uid = Nss
        .uid(user)
        .or_else(|| number(user))
        .ok_or_else(|| wrong("there is no such user; give a name or a number"))?;
    let known = Account::of(uid).ok();
    if known.is_none() && identity.group.is_none() {
        return Err(wrong("that user id has no account; say which --group it is in").into());
    }
    let credentials = Credentials {
        uid,
        gid: uid,
        groups: Vec::new(),
    };
    Ok(Target {
        is_named: true,
        known: known.is_some(),
        account: known.unwrap_or_else(|| nameless(credentials)),
    })
}

fn nameless(credentials: Credentials) -> Account {
    let home = std::env::var("HOME")
        .ok()
        .filter(|_| credentials.uid == geteuid().as_raw());
    Account {
        name: credentials.uid.to_string(),
        credentials,
        home: home.unwrap_or_else(|| "/".to_owned()),
        shell: OsString::from(SHELL),
    }
}

/// A decimal id; the highest number means "none" to the kernel.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|_| digits);
    id.filter(|id| *id != u32::MAX)
}

impl Target {
    /// The facts that a policy asks for, as of a login through the service `jns`.
    ///
    /// # Errors
    ///
    /// The account database failed.
    pub fn login(&self) -> Result<Login> {
        let Account {
            name,
            credentials,
            home,
            ..
        } = &self.account;
        if !self.known {
            let login = Login::nameless(credentials.uid, credentials.gid, home)?;
            return Ok(Login {
                service: SERVICE.to_owned(),
                ..login
            });
        }
        let request = Request {
            user: name.clone(),
            service: SERVICE.to_owned(),
            ..Request::default()
        };
        Login::of_account(request).map_err(|unknown| match unknown {
            Unknown::User(error) | Unknown::Fault(error) => error,
        })
    }
}
