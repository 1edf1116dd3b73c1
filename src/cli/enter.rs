//! `jns enter`: a shell or a command in the namespace of a user's sessions.
//!
//! This process becomes the command, it starts none: terminal, job control, signals and exit status are then
//! the command's own.

mod own;
mod record;
mod target;

use crate::cli::account::Account;
use crate::cli::arguments::Enter;
use crate::cli::obstacle::{Obstacle, execute};
use crate::cli::outcome::{Outcome, say};
use crate::cli::terminal::harmless;
use crate::error::Result;
use crate::journal::Journal;
use crate::kernel::departure::{WorkingDirectory, leave_for_all};
use crate::kernel::transition::{self, Program};
use crate::login::is_effective_root;
use crate::session::origin;
use std::convert::Infallible;
use std::ffi::OsString;
use target::Target;

/// Enters, and is the command from then on; comes back only with a failure.
pub fn run(arguments: &Enter) -> Outcome {
    let _journal = Journal::open("jns", "enter", false);
    let Err(obstacle) = enter(arguments);
    obstacle.outcome()
}

fn enter(arguments: &Enter) -> std::result::Result<Infallible, Obstacle> {
    transition::refuse_borrowed_rights()?;
    if is_effective_root() {
        enter_as_root(arguments)
    } else {
        own::enter(arguments)
    }
}

fn enter_as_root(arguments: &Enter) -> std::result::Result<Infallible, Obstacle> {
    let directory = WorkingDirectory::own();
    let home = origin::return_to_origin()?;
    let target = target::find(&arguments.whom)?;
    let account = Account::of(if arguments.as_root { 0 } else { target.uid })?;
    let program = program(arguments, &account, Some(account.environment()));
    record::write(&target, &account, &program);
    remark(&target);
    if let Some(home) = home {
        home.commit();
    }
    leave_for_all(&target.namespaces)?.commit();
    drop(target);
    if !arguments.as_root {
        transition::to_person(&account.person)?;
    }
    settle(&directory, &account)?;
    Err(execute(&program))
}

fn remark(target: &Target) {
    if let Some(remark) = &target.remark {
        say(&format!("jns: {}\n", harmless(remark)));
    }
}

/// The shell, as a login shell, or the command.
fn program(
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

/// Moves to the directory of the same path, with the rights that the command will have; to the home where
/// that cannot be, and to `/` where neither can.
fn settle(directory: &WorkingDirectory, account: &Account) -> Result<()> {
    directory.enter(account.person.uid)?;
    if WorkingDirectory::own().path() == directory.path() {
        return Ok(());
    }
    transition::go_to(&account.home).or_else(|_| transition::go_to("/"))
}
