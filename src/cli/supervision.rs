//! Running a command as a shell would: it has the terminal, its signals and its stops are its caller's
//! business, and what waits for it is not seen. For a process of one thread that has nothing else to do.

use crate::cli::outcome::FAULT;
use crate::error::{Error, Result};
use crate::kernel::process::copy;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, getpgrp, getpid, getsid, waitpid};
use rustix::termios::{isatty, tcgetpgrp, tcsetpgrp};
use std::cell::RefCell;

/// The end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this exit status.
    Exited(u8),
    /// By this signal.
    Killed(u8),
}

impl Ending {
    /// The exit status that a shell would give.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Exited(status) => status,
            Self::Killed(signal) => signal.saturating_add(128),
        }
    }
}

/// A command that runs.
#[derive(Debug)]
pub struct Supervised {
    command: Pid,
    signals: SignalFd,
    terminal: Terminal,
}

impl Supervised {
    /// Starts a copy of this process, in its process group, that becomes the command by `become_command`, or
    /// ends with the status that it gives. If this process is killed, it is killed too.
    ///
    /// # Errors
    ///
    /// fork(2) or signalfd(2) failed.
    pub fn start(terminal: Terminal, become_command: impl FnOnce() -> u8) -> Result<Self> {
        let failed = |errno| Error::from_errno("start", "the command", errno);
        copy::remember_ended_children();
        let signals = hold_signals().map_err(|errno| failed(of_nix(errno)))?;
        let command = copy::start_copy(|| {
            copy::let_signals_through();
            become_command()
        });
        Ok(Self {
            command: command.map_err(failed)?,
            signals,
            terminal,
        })
    }

    /// The process id of the command.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.command.as_raw_nonzero().get()
    }

    /// Ends it at once.
    pub fn end(self) {
        self.send(libc::SIGKILL);
        while matches!(
            waitpid(Some(self.command), WaitOptions::empty()),
            Err(Errno::INTR)
        ) {}
    }

    /// Waits for its end. Signals to this process go to it; when it stops, so does this process, and goes on
    /// together with it.
    ///
    /// # Errors
    ///
    /// read(2) or waitpid(2) failed.
    pub fn wait(self) -> Result<Ending> {
        let failed = |errno| Error::from_errno("wait for", "the command", errno);
        loop {
            // Before each signal: of several of a kind, one is reported.
            if let Some(ending) = self.reap().map_err(failed)? {
                self.terminal.give_back();
                return Ok(ending);
            }
            let signal = self.signals.read_signal();
            if let Some(signal) = signal.map_err(|errno| failed(of_nix(errno)))? {
                self.pass_on(&signal);
            }
        }
    }

    /// Its end, if it has come. When it has stopped, so does this process. Who lets this process go on lets the
    /// command do so too, usually by a signal to both; only otherwise it is told to: it may have been stopped
    /// anew by then.
    fn reap(&self) -> Result<Option<Ending>, Errno> {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        let mut is_stopped = false;
        while let Some((_, status)) = waitpid(Some(self.command), options)? {
            if let Some(status) = status.exit_status() {
                return Ok(Some(Ending::Exited(byte(status))));
            }
            if let Some(signal) = status.terminating_signal() {
                return Ok(Some(Ending::Killed(byte(signal))));
            }
            is_stopped = status.stopped();
            if is_stopped {
                self.stop_too();
            }
        }
        if is_stopped {
            self.send(libc::SIGCONT);
        }
        Ok(None)
    }

    /// Stops this process too, so that whoever has started it sees that, and lets it go on. Nobody is there to do that
    /// for the leader of a session.
    fn stop_too(&self) {
        if getsid(None) != Ok(getpid()) {
            let holder = self.terminal.holder();
            let _ = rustix::process::kill_process(getpid(), Signal::STOP);
            self.terminal.return_to(holder);
        }
    }

    /// Sends a signal on to the command. What the terminal sends to its foreground process group the command has got
    /// by itself.
    fn pass_on(&self, signal: &siginfo) {
        let of_kernel = signal.ssi_code > 0;
        match i32::try_from(signal.ssi_signo).unwrap_or(0) {
            // That this process goes on was answered where it stopped.
            libc::SIGCHLD | libc::SIGCONT => {}
            // When a terminal goes away, the leader of its session alone is told.
            libc::SIGHUP => self.send(libc::SIGHUP),
            _ if of_kernel => {}
            number => self.send(number),
        }
    }

    /// Sends a signal to the command. The command was not waited for yet, so that the number is its own.
    fn send(&self, signal: i32) {
        let _ = copy::send_signal(self.command, signal);
    }
}

fn of_nix(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

/// Lets all signals wait to be read.
fn hold_signals() -> nix::Result<SignalFd> {
    let all = SigSet::all();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), None)?;
    SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC)
}

/// The controlling terminal, if there is one, opened before the view changes.
#[derive(Debug)]
pub struct Terminal {
    device: Option<OwnedFd>,
    /// Whether this process's group had it.
    had: bool,
}

impl Terminal {
    /// Opens the terminal of this process.
    #[must_use]
    pub fn own() -> Self {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY;
        let device = rustix::fs::open("/dev/tty", flags, Mode::empty()).ok();
        let holder = device.as_ref().map(tcgetpgrp);
        Self {
            had: matches!(holder, Some(Ok(group)) if group == getpgrp()),
            device,
        }
    }

    /// The process group in its foreground.
    fn holder(&self) -> Option<Pid> {
        self.device
            .as_ref()
            .and_then(|device| tcgetpgrp(device).ok())
    }

    /// Gives it to the group that had it, if this process's has it now: a shell inside may be a group of its own,
    /// and who lets this process go on gives the terminal to this one's.
    fn return_to(&self, holder: Option<Pid>) {
        if let (Some(device), Some(holder)) = (&self.device, holder)
            && self.holder() == Some(getpgrp())
        {
            let _ = tcsetpgrp(device, holder);
        }
    }

    /// Takes it back from a group that has ended. All signals are held back, SIGTTOU too.
    fn give_back(&self) {
        if let Some(device) = self.device.as_ref().filter(|_| self.had)
            && self.holder() != Some(getpgrp())
        {
            let _ = tcsetpgrp(device, getpgrp());
        }
    }
}

/// The messages that the background sends. Each is two bytes: [`STARTED`] and 0, or [`FAILED`] and an exit status.
#[derive(Debug)]
pub struct Report(RefCell<Option<OwnedFd>>);

const STARTED: u8 = 1;
const FAILED: u8 = 2;

/// Lets the rest be done by a process of its own, in a session without a terminal, that ends with the status
/// which that gives; and waits until it has told that the command runs, or will not: the exit status for that,
/// if it is known.
///
/// # Errors
///
/// fork(2) or pipe(2) failed.
pub fn in_background(rest: impl FnOnce(Report) -> u8) -> Result<Option<u8>> {
    let failed = |errno| Error::from_errno("start", "a process in the background", errno);
    let (answer, write_end) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let mut report = Some(Report(RefCell::new(Some(write_end))));
    let background = || match (report.take(), rustix::process::setsid()) {
        (Some(report), Ok(_)) => rest(report),
        _ => FAULT,
    };
    copy::start_copy(background).map_err(failed)?;
    drop(report);
    Ok(answer_of(&answer))
}

impl Report {
    /// The command is about to be run: that it runs is told by the end of this.
    pub fn started(&self) {
        self.send(STARTED, 0);
    }

    /// Nothing runs, or will not for long.
    pub fn failed(&self, status: u8) {
        self.send(FAILED, status);
    }

    fn send(&self, kind: u8, status: u8) {
        if let Some(pipe) = self.0.borrow().as_ref() {
            let _ = rustix::io::write(pipe, &[kind, status]);
        }
    }

    /// Nothing more is told by this process; by the command's, nothing is once it runs.
    pub fn close(&self) {
        drop(self.0.take());
    }
}

fn answer_of(answer: &OwnedFd) -> Option<u8> {
    let (mut received, mut chunk) = (Vec::new(), [0; 16]);
    loop {
        match rustix::io::read(answer, &mut chunk) {
            Err(Errno::INTR) => {}
            Ok(count @ 1..) => received.extend(chunk.iter().take(count)),
            _ => break,
        }
    }
    let messages = received.as_chunks().0.iter();
    let mut last_first = messages.rev();
    last_first.find_map(|[kind, status]| match *kind {
        STARTED => Some(0),
        FAILED => Some(*status),
        _ => None,
    })
}

/// Lets this process be killed when the one that started it ends. A change of ids undoes it (prctl(2)).
pub fn die_with_parent() {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

/// Lets standard streams that are the terminal be nothing, for a process in the background.
///
/// # Errors
///
/// /dev/null cannot be opened.
pub fn leave_terminal() -> Result<()> {
    let failed = |errno| Error::from_errno("open", "/dev/null", errno);
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(failed)?;
    if isatty(rustix::stdio::stdin()) {
        rustix::stdio::dup2_stdin(&null).map_err(failed)?;
    }
    if isatty(rustix::stdio::stdout()) {
        rustix::stdio::dup2_stdout(&null).map_err(failed)?;
    }
    if isatty(rustix::stdio::stderr()) {
        rustix::stdio::dup2_stderr(&null).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_a_shell() {
        for (ending, status) in [
            (Ending::Exited(0), 0),
            (Ending::Exited(255), 255),
            (Ending::Killed(9), 137),
            (Ending::Killed(64), 192),
        ] {
            assert_eq!(ending.status(), status);
        }
    }

    #[test]
    fn the_last_word_about_a_command_counts() {
        let table = [
            (vec![], None),
            (vec![(STARTED, 0)], Some(0)),
            (vec![(FAILED, 125)], Some(125)),
            (vec![(STARTED, 0), (FAILED, 127)], Some(127)),
        ];
        for (messages, expected) in table {
            let (answer, report) = pipe_with(PipeFlags::CLOEXEC).unwrap();
            let report = Report(RefCell::new(Some(report)));
            for (kind, status) in &messages {
                report.send(*kind, *status);
            }
            drop(report);
            assert_eq!(answer_of(&answer), expected, "{messages:?}");
        }
    }
}
