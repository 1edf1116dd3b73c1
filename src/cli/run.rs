//! `jns run`: a shell or a command in namespaces of its own.
//!
//! Options become the rules that a policy file would hold, those become the plan that a login would get, and
//! that is applied as for a login. Then this process becomes the command, or waits for it where something has
//! to be done when it ends.

mod entry;
mod error;
mod hooks;
mod ids;
mod options;
mod password;
mod pidfile;
mod prepared;
mod rights;
mod subject;
mod target;
mod text;
mod volume;

use crate::cli::arguments::Run;
use crate::cli::command::{FAILED, NotRun, execute};
use crate::cli::outcome::{Outcome, say};
use crate::cli::plan;
use crate::cli::supervision::{self, Report, Supervised, Terminal};
use crate::error::Result;
use crate::error::harmless;
use crate::journal::Journal;
use crate::kernel::namespace::user_namespace;
use crate::kernel::process::credentials::{self, Program};
use crate::kernel::process::helper::WRITTEN;
use crate::plan::When;
use entry::Entry;
use error::RunError;
use log::LevelFilter;
use pidfile::Reserved;
use prepared::Prepared;
use std::convert::Infallible;

/// The shell where the account's does not exist: in another root directory.
const SHELL: &str = "/bin/sh";

/// Runs the command, and ends with its status.
pub fn run(arguments: &Run) -> Outcome {
    let _journal = Journal::open("jns", "run", LevelFilter::Info).heard_by(print_message);
    let done = run_command(arguments);
    done.unwrap_or_else(|error| error.outcome())
}

/// Tells who runs the command what went wrong without consequences, and what the programs of volumes and hooks
/// have written.
fn print_message(message: &log::Record<'_>) {
    if message.level() <= log::Level::Warn || message.target() == WRITTEN {
        say(&format!("jns: {}\n", harmless(&message.args().to_string())));
    }
}

fn run_command(arguments: &Run) -> Result<Outcome, RunError> {
    credentials::refuse_borrowed_rights()?;
    let prepared = Prepared::of(arguments)?;
    if arguments.invocation.explain {
        return Ok(match arguments.invocation.json {
            true => Outcome::json(&plan::Document::of(&prepared.plan)),
            false => Outcome::report(plan::steps(&prepared.plan)),
        });
    }
    let pidfile = arguments
        .invocation
        .pidfile
        .as_deref()
        .map(|file| Reserved::at(file, prepared::trust(&prepared.target)))
        .transpose()?;
    let execution = Execution {
        prepared: &prepared,
        chdir: arguments.identity.chdir.as_deref(),
    };
    if arguments.invocation.background {
        return Ok(in_background(&execution, pidfile)?);
    }
    Ok(execution.run(pidfile, None)?)
}

/// Goes on in a process of its own; the status is whether the command runs.
fn in_background(execution: &Execution<'_>, pidfile: Option<Reserved>) -> Result<Outcome> {
    let status = supervision::in_background(|report| {
        let done = execution.run(pidfile, Some(&report));
        let outcome = done.unwrap_or_else(|not_run| {
            report.failed(not_run.status);
            not_run.outcome()
        });
        let own_status = outcome.status;
        let _ = outcome.print();
        own_status
    })?;
    Ok(match status {
        Some(status) => Outcome {
            status,
            ..Outcome::default()
        },
        None => Outcome {
            status: FAILED,
            ..Outcome::failure("cannot start the command: it was killed before it ran")
        },
    })
}

/// The process of this program that waits for the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// None: this very process becomes it.
    Nobody,
    /// The one that started it.
    Supervisor,
}

/// A command that is about to run.
struct Execution<'c> {
    prepared: &'c Prepared,
    chdir: Option<&'c str>,
}

impl Execution<'_> {
    /// Enters the namespaces, and becomes the command or waits for it.
    fn run(&self, pidfile: Option<Reserved>, report: Option<&Report>) -> Result<Outcome, NotRun> {
        let terminal = Terminal::own();
        let password = password::ask(&self.prepared.plan)?;
        let entry = Entry::make(self.prepared, password.as_ref())?;
        drop(password);
        hooks::run(self.prepared, When::Open)?;
        if pidfile.is_none() && !self.prepared.needs_supervision() {
            entry.stay();
            let Err(not_run) = self.become_command(report, Waiting::Nobody);
            return Err(not_run);
        }
        let running = Supervised::start(terminal, || self.be_command(report))?;
        let writing = pidfile.map(|pidfile| pidfile.write(running.pid()));
        let written = match writing.transpose() {
            Ok(written) => written,
            Err(error) => {
                running.end();
                return Err(error.into());
            }
        };
        if report.is_some() {
            supervision::leave_terminal()?;
        }
        if let Some(report) = report {
            report.close();
        }
        let ending = running.wait()?;
        hooks::run(self.prepared, When::Close).unwrap_or_else(|error| hooks::print_error(&error));
        drop((written, entry));
        Ok(Outcome {
            status: ending.status(),
            ..Outcome::default()
        })
    }

    /// Becomes the command, in the copy of this process that is to be it. Returns the status that the copy ends with
    /// if it cannot.
    fn be_command(&self, report: Option<&Report>) -> u8 {
        let Err(not_run) = self.become_command(report, Waiting::Supervisor);
        if let Some(report) = report {
            report.failed(not_run.status);
        }
        say(&not_run.outcome().err);
        not_run.status
    }

    /// Becomes the command, which ends with the process that waits for it, if one does.
    fn become_command(
        &self,
        report: Option<&Report>,
        waiting: Waiting,
    ) -> Result<Infallible, NotRun> {
        self.become_user()?;
        if waiting == Waiting::Supervisor {
            // A change of ids would undo it.
            supervision::die_with_parent();
        }
        self.settle()?;
        if let Some(report) = report {
            report.started();
            supervision::leave_terminal()?;
        }
        Err(execute(&self.program()))
    }

    /// Gives up what the command is not to have. That comes last: it takes rights to get here.
    fn become_user(&self) -> Result<()> {
        let Prepared { target, maps, .. } = self.prepared;
        let credentials = &target.account.credentials;
        if !self.prepared.is_root {
            let (uid, gid) = ids::own(maps.as_ref(), credentials)?;
            user_namespace::confine_as(uid, gid)?;
            return credentials::set_no_new_privs();
        }
        if let Some(maps) = maps {
            user_namespace::confine(maps)?;
            credentials::become_user(&match target.is_named {
                true => ids::of_named(maps, credentials),
                false => ids::of_caller(maps, credentials),
            })?;
        } else if target.is_named {
            credentials::become_user(credentials)?;
        }
        if maps.is_some() || target.is_named {
            credentials::set_no_new_privs()?;
        }
        Ok(())
    }

    /// Moves to where the command begins, with the rights that it has.
    fn settle(&self) -> Result<()> {
        match self.chdir {
            Some(directory) => credentials::go_to(directory).map_err(|error| error.of("--chdir")),
            None if self.prepared.plan.root.is_some() => credentials::go_to("/"),
            None => Ok(()),
        }
    }

    fn program(&self) -> Program {
        let program = &self.prepared.program;
        let missing = || std::fs::metadata(&program.path).is_err();
        if self.prepared.is_shell && self.prepared.plan.root.is_some() && missing() {
            return Program {
                path: SHELL.into(),
                name: SHELL.into(),
                ..program.clone()
            };
        }
        program.clone()
    }
}
