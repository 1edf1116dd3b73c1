//! `jns run`: a shell or a command in namespaces of its own.
//!
//! Options become the rules that a policy file would hold, those become the plan that a login would get, and
//! that is applied as for a login. Then this process becomes the command, or waits for it where something has
//! to be done when it ends.

mod case;
mod entry;
mod hooks;
mod ids;
mod options;
mod password;
mod person;
mod pidfile;
mod text;
mod volume;

use crate::cli::arguments::Run;
use crate::cli::explain;
use crate::cli::obstacle::{FAILED, Obstacle, execute};
use crate::cli::outcome::{Outcome, say};
use crate::cli::source::render;
use crate::cli::terminal::{Screen, harmless};
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::kernel::helper::WRITTEN;
use crate::kernel::supervision::{self, Report, Supervised, Terminal};
use crate::kernel::transition::{self, Program};
use crate::kernel::user_namespace;
use crate::plan::When;
use crate::policy::Diagnostics;
use case::Case;
use entry::Entry;
use pidfile::Reserved;
use std::convert::Infallible;
use text::Misuse;

/// What a run is called where a login has its PAM service.
pub const SERVICE: &str = "jns";

/// The exit status of a command line that is wrong.
const MISUSED: u8 = 2;

/// The shell where the account's does not exist: in another root directory.
const SHELL: &str = "/bin/sh";

/// Why nothing is run.
#[derive(Debug)]
enum Trouble {
    /// An option is wrong.
    Misuse(Misuse),
    /// The policy file has errors.
    Policy(Diagnostics),
    /// It failed.
    Obstacle(Obstacle),
}

impl From<Misuse> for Trouble {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Obstacle(error.into())
    }
}

impl From<Obstacle> for Trouble {
    fn from(obstacle: Obstacle) -> Self {
        Self::Obstacle(obstacle)
    }
}

impl Trouble {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Misuse(Misuse(text)) => Outcome {
                status: MISUSED,
                ..Outcome::failure(text)
            },
            Self::Policy(diagnostics) => Outcome {
                status: FAILED,
                out: String::new(),
                err: render(diagnostics, Screen::for_errors()),
            },
            Self::Obstacle(obstacle) => obstacle.outcome(),
        }
    }
}

/// Runs the command, and ends with its status.
pub fn run(arguments: &Run) -> Outcome {
    let _journal = Journal::open("jns", "run", false).heard_by(tell);
    let done = story(arguments);
    done.unwrap_or_else(|trouble| trouble.outcome())
}

/// Tells who runs the command what went wrong without consequences, and what the programs of volumes and hooks
/// have written.
fn tell(message: &log::Record<'_>) {
    if message.level() <= log::Level::Warn || message.target() == WRITTEN {
        say(&format!("jns: {}\n", harmless(&message.args().to_string())));
    }
}

fn story(arguments: &Run) -> std::result::Result<Outcome, Trouble> {
    transition::refuse_borrowed_rights()?;
    let case = Case::of(arguments)?;
    if arguments.manner.explain {
        return Ok(explain::show(&case.plan, arguments.manner.json));
    }
    let pidfile = arguments.manner.pidfile.as_deref();
    let pidfile = pidfile.map(|file| Reserved::at(file, case::trust(&case.whom)));
    let pidfile = pidfile.transpose()?;
    let launch = Launch {
        case: &case,
        chdir: arguments.identity.chdir.as_deref(),
    };
    if arguments.manner.background {
        return Ok(in_background(&launch, pidfile)?);
    }
    Ok(launch.run(pidfile, None)?)
}

/// Goes on in a process of its own; the status is whether the command runs.
fn in_background(launch: &Launch<'_>, pidfile: Option<Reserved>) -> Result<Outcome> {
    let status = supervision::in_background(|report| {
        let done = launch.run(pidfile, Some(&report));
        let outcome = done.unwrap_or_else(|obstacle| {
            report.failed(obstacle.status);
            obstacle.outcome()
        });
        let status = outcome.status;
        let _ = outcome.print();
        status
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

/// A command that is about to run.
struct Launch<'c> {
    case: &'c Case,
    chdir: Option<&'c str>,
}

impl Launch<'_> {
    /// Enters the namespaces, and becomes the command or waits for it.
    fn run(
        &self,
        pidfile: Option<Reserved>,
        report: Option<&Report>,
    ) -> std::result::Result<Outcome, Obstacle> {
        let terminal = Terminal::own();
        let password = password::ask(&self.case.plan)?;
        let entry = Entry::make(self.case, password.as_ref())?;
        drop(password);
        hooks::run(self.case, When::Open)?;
        if pidfile.is_none() && !self.case.needs_supervision() {
            entry.stay();
            let Err(obstacle) = self.become_command(report, false);
            return Err(obstacle);
        }
        let running = Supervised::start(terminal, || self.be_command(report))?;
        let written = pidfile.map(|pidfile| pidfile.write(running.pid()));
        let written = match written.transpose() {
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
        hooks::run(self.case, When::Close).unwrap_or_else(|error| hooks::tell(&error));
        drop((written, entry));
        Ok(Outcome {
            status: ending.status(),
            ..Outcome::default()
        })
    }

    /// What the copy of this process does that is to be the command: the status that it ends with instead.
    fn be_command(&self, report: Option<&Report>) -> u8 {
        let Err(obstacle) = self.become_command(report, true);
        if let Some(report) = report {
            report.failed(obstacle.status);
        }
        say(&obstacle.outcome().err);
        obstacle.status
    }

    /// With `watched`, it ends with the process that waits for it.
    fn become_command(
        &self,
        report: Option<&Report>,
        watched: bool,
    ) -> std::result::Result<Infallible, Obstacle> {
        self.become_person()?;
        if watched {
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
    fn become_person(&self) -> Result<()> {
        let Case { whom, maps, .. } = self.case;
        let person = &whom.account.person;
        if !self.case.is_root {
            let (uid, gid) = ids::own(maps.as_ref(), person)?;
            user_namespace::confine_as(uid, gid)?;
            return transition::gain_nothing();
        }
        if let Some(maps) = maps {
            user_namespace::confine(maps)?;
            transition::to_person(&ids::inside(maps, person, whom.is_named))?;
        } else if whom.is_named {
            transition::to_person(person)?;
        }
        if maps.is_some() || whom.is_named {
            transition::gain_nothing()?;
        }
        Ok(())
    }

    /// Moves to where the command begins, with the rights that it has.
    fn settle(&self) -> Result<()> {
        match self.chdir {
            Some(directory) => transition::go_to(directory).map_err(|error| error.of("--chdir")),
            None if self.case.plan.root.is_some() => transition::go_to("/"),
            None => Ok(()),
        }
    }

    fn program(&self) -> Program {
        let program = &self.case.program;
        let missing = || std::fs::metadata(&program.path).is_err();
        if self.case.is_shell && self.case.plan.root.is_some() && missing() {
            return Program {
                path: SHELL.into(),
                name: SHELL.into(),
                ..program.clone()
            };
        }
        program.clone()
    }
}
