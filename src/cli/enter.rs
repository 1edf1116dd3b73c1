//! `jns enter`: a shell or a command in the namespace of a user's sessions.
//!
//! This process becomes the command, it starts none: terminal, job control, signals and exit status are then
//! the command's own. Only where a session has a PID namespace of its own, which no process can move to but its
//! children are born in, it starts the command and waits for it.

mod command;
mod own;
mod target;

use crate::cli::account::Account;
use crate::cli::arguments::Enter;
use crate::cli::command::{NotRun, execute};
use crate::cli::command_log;
use crate::cli::outcome::{Outcome, say};
use crate::cli::supervision::{self, Supervised, Terminal};
use crate::error::harmless;
use crate::journal::Journal;
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::init;
use crate::kernel::namespace::guard::leave_for_all;
use crate::kernel::process::credentials;
use crate::login::is_effective_root;
use crate::session::origin;
use command::{program, settle};
use log::LevelFilter;
use std::convert::Infallible;
use target::Target;

/// Enters, and is the command from then on; comes back only with a failure.
pub fn run(arguments: &Enter) -> Outcome {
    let _journal = Journal::open("jns", "enter", LevelFilter::Info);
    let ended = enter(arguments);
    ended.unwrap_or_else(|not_run| not_run.outcome())
}

fn enter(arguments: &Enter) -> Result<Outcome, NotRun> {
    credentials::refuse_borrowed_rights()?;
    if is_effective_root() {
        return enter_as_root(arguments);
    }
    let Err(not_run) = own::enter(arguments);
    Err(not_run)
}

fn enter_as_root(arguments: &Enter) -> Result<Outcome, NotRun> {
    let terminal = Terminal::own();
    let directory = WorkingDirectory::own();
    let origin = origin::return_to_origin(None, None)?;
    let mut target = target::find(&arguments.name)?;
    let account = Account::of(if arguments.as_root { 0 } else { target.uid })?;
    let program = program(arguments, &account, Some(account.environment()));
    command_log::write_entry(
        target.namespaces.mount.identity(),
        &target.user,
        &account,
        &program,
    );
    remark(&target);
    if let Some(origin) = origin {
        origin.guard.commit();
    }
    leave_for_all(&target.namespaces)?.commit();
    let init = target.init.take();
    drop(target);
    let become_command = || -> Result<Infallible, NotRun> {
        if !arguments.as_root {
            credentials::become_user(&account.credentials)?;
        }
        if init.is_some() {
            supervision::die_with_parent();
        }
        settle(&directory, &account)?;
        Err(execute(&program))
    };
    let Some(init) = &init else {
        let Err(not_run) = become_command();
        return Err(not_run);
    };
    init::join_pid_namespace_for_children(init)?;
    let running = Supervised::start(terminal, || {
        let Err(not_run) = become_command();
        say(&not_run.outcome().err);
        not_run.status
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
