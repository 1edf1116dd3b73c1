//! `jns enter`: a shell or a command in the namespace of a user's sessions.
//!
//! This process becomes the command, it starts none: terminal, job control, signals and exit status are then
//! the command's own. Only where a session has a PID namespace of its own, which no process can move to but its
//! children are born in, it starts the command and waits for it.

mod own;
pub(super) mod record;
mod target;

use crate::cli::account::Account;
use crate::cli::arguments::Enter;
use crate::cli::obstacle::{Obstacle, execute};
use crate::cli::outcome::{Outcome, say};
use crate::cli::terminal::harmless;
use crate::error::Result;
use crate::journal::Journal;
use crate::kernel::departure::leave_for_all;
use crate::kernel::init;
use crate::kernel::supervision::{self, Supervised, Terminal};
use crate::kernel::transition::{self, Program};
use crate::kernel::working_directory::WorkingDirectory;
use crate::login::is_effective_root;
use crate::session::origin;
use std::convert::Infallible;
use std::ffi::OsString;
use target::Target;

/// Enters, and is the command from then on; comes back only with a failure.
pub fn run(arguments: &Enter) -> Outcome {
    let _journal = Journal::open("jns", "enter", false);
    let ended = enter(arguments);
    ended.unwrap_or_else(|obstacle| obstacle.outcome())
}

fn enter(arguments: &Enter) -> std::result::Result<Outcome, Obstacle> {
    transition::refuse_borrowed_rights()?;
    if is_effective_root() {
        return enter_as_root(arguments);
    }
    let Err(obstacle) = own::enter(arguments);
    Err(obstacle)
}

fn enter_as_root(arguments: &Enter) -> std::result::Result<Outcome, Obstacle> {
    let terminal = Terminal::own();
    let directory = WorkingDirectory::own();
    let home = origin::return_to_origin()?;
    let mut target = target::find(&arguments.whom)?;
    let account = Account::of(if arguments.as_root { 0 } else { target.uid })?;
    let program = program(arguments, &account, Some(account.environment()));
    record::write(&target, &account, &program);
    remark(&target);
    if let Some(home) = home {
        home.departure.commit();
    }
    leave_for_all(&target.namespaces)?.commit();
    let init = target.init.take();
    drop(target);
    let become_command = || -> std::result::Result<Infallible, Obstacle> {
        if !arguments.as_root {
            transition::to_person(&account.person)?;
        }
        if init.is_some() {
            supervision::die_with_parent();
        }
        settle(&directory, &account)?;
        Err(execute(&program))
    };
    let Some(init) = &init else {
        let Err(obstacle) = become_command();
        return Err(obstacle);
    };
    init::bear_beside(init)?;
    let running = Supervised::start(terminal, || {
        let Err(obstacle) = become_command();
        say(&obstacle.outcome().err);
        obstacle.status
    })?;
    Ok(Outcome {
        status: running.wait()?.status(),
        ..Outcome::default()
    })
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

/// Moves to the directory of the same path in the namespace, with the rights that the command will have; to the home
/// where that cannot be or the directory is a third user's, and to `/` where neither can.
fn settle(directory: &WorkingDirectory, account: &Account) -> Result<()> {
    let is_there = |path: &str| {
        let uid = account.person.uid;
        transition::go_to(path).is_ok() && WorkingDirectory::own().is_owned_by(&[0, uid])
    };
    if directory.find_again() || directory.path().is_some_and(is_there) {
        return Ok(());
    }
    transition::go_to(&account.home).or_else(|_| transition::go_to("/"))
}
