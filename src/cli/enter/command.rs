//! The command that is run inside, and where it begins.

use crate::cli::account::Account;
use crate::cli::arguments::Enter;
use crate::error::Result;
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::process::credentials::{self, Program};
use std::ffi::OsString;

/// The shell, as a login shell, or the command.
pub fn program(
    arguments: &Enter,
    account: &Account,
    environment: Option<Vec<(OsString, OsString)>>,
) -> Program {
    let Some((command, rest)) = arguments.command.split_first() else {
        return Program {
            path: account.shell.clone(),
            name: account.login_name_of_shell(),
            arguments: Vec::new(),
            environment,
        };
    };
    Program {
        path: command.clone(),
        name: command.clone(),
        arguments: rest.to_vec(),
        environment,
    }
}

/// Moves to the directory of the same path in the namespace, with the rights that the command will have; to the home
/// where that cannot be or the directory is a third user's, and to `/` where neither can.
pub fn settle(directory: &WorkingDirectory, account: &Account) -> Result<()> {
    let is_there = |path: &str| {
        let uid = account.credentials.uid;
        credentials::go_to(path).is_ok() && WorkingDirectory::own().is_owned_by(&[0, uid])
    };
    if directory.find_again() || directory.path().is_some_and(is_there) {
        return Ok(());
    }
    credentials::go_to(&account.home).or_else(|_| credentials::go_to("/"))
}
