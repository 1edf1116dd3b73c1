//! Running a program for a session, from inside somebody else's process.
//!
//! The host must not notice: no signal for a child of its that has ended, nothing that its waitpid(2) could
//! give it. A process that has become another program sends SIGCHLD again whatever it was started with
//! (execve(2)), so there is one in between that stays what it is: it starts the program, waits for it, and
//! tells how it ended. It leads the program's process group and session, too: its number cannot be
//! another's before the host has waited for it, so that signals to the group reach nobody else.

use crate::error::{Error, Result};
use crate::kernel::fs::file;
use crate::kernel::fs::label;
use crate::kernel::fs::walk::{Trust, Walker};
use crate::kernel::process::credentials::Credentials;
use crate::kernel::process::limits;
use crate::kernel::process::output::Output;
use crate::kernel::process::rights;
use crate::kernel::sys::{self, Child, Difference, SignalsHeld, Words};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitOptions, WaitStatus};
use rustix::thread::{Gid, Uid};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::time::{Duration, Instant};

/// Where programs that a helper starts are looked for.
const PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a program that is told to end may take to do so.
const GRACE: Duration = Duration::from_secs(1);

/// The target of log messages that hold what a program has written.
pub const WRITTEN: &str = "program";

/// Exit status of a process that could not become the program.
const NOT_RUN: i32 = 127;

/// A program that is run for a session: in the calling thread's namespaces, in `/`, with umask 022, as
/// leader of nothing, without a terminal, and with no descriptor but the standard streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Helper {
    /// The program, absolute, and its arguments.
    pub argv: Vec<String>,
    /// Its environment besides `PATH`; nothing for one without any variable.
    pub environment: Option<Vec<(String, String)>>,
    /// Whose rights it has; nothing for those of the calling process.
    pub credentials: Option<Credentials>,
    /// How long it may take.
    pub timeout: Duration,
}

impl Helper {
    fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    /// Runs it to its end, with `input` to read on standard input and then nothing; what it writes goes to the
    /// log.
    ///
    /// # Errors
    ///
    /// As [`Helper::run_telling`].
    pub fn run(&self, input: &[u8]) -> Result<()> {
        let program = self.program();
        self.run_telling(
            input,
            &mut |line| log::info!(target: WRITTEN, "{program}: {line}"),
        )
    }

    /// The same; each line that it writes is given to `tell`. What it has left in the background by then, in
    /// success, stays: a FUSE file system is a process.
    ///
    /// # Errors
    ///
    /// It cannot be started, its exit status is not 0, or it takes longer than it may: then it and all of its
    /// process group are killed. One that is run as root must be root's own file that nobody else could
    /// replace.
    pub fn run_telling(&self, input: &[u8], tell: &mut dyn FnMut(&str)) -> Result<()> {
        let failed = |errno| Error::from_errno("run", self.program(), errno);
        let path = self.vetted_path()?;
        let (start, watched) = Start::prepare(self, input, path).map_err(failed)?;
        let held = SignalsHeld::begin().map_err(failed)?;
        let child = start.run_apart(0, Start::supervise).map_err(failed)?;
        drop((held, start));
        let mut watch = Watch {
            child,
            output: Output::new(watched.output, tell),
        };
        let in_time = watch.wait(self.timeout);
        if !in_time {
            watch.end();
        }
        watch.output.finish();
        let outcome = outcome_of(&watched.outcome);
        let judged = self.judge(in_time, outcome);
        if judged.is_err() {
            // Whatever it has started does not go on without it.
            watch.signal(Signal::KILL);
        }
        watch.child.reap();
        judged
    }

    /// The path of the program without links. Whoever could replace what has that name when it is run as root
    /// is root already, so that the name is as good as a descriptor: by one, a script could not be run.
    fn vetted_path(&self) -> Result<String> {
        let program = self.program();
        if !program.starts_with('/') {
            return Err(Error::new("run", program, "it is not an absolute path"));
        }
        if self
            .credentials
            .as_ref()
            .is_none_or(|credentials| credentials.uid != 0)
        {
            return Ok(program.to_owned());
        }
        let place = Walker::new(Trust::Root)?.open(program, &[])?;
        let vetted = file::vet(&place.status, FileType::RegularFile);
        vetted.map_err(|reason| Error::new("run", program, reason))?;
        Ok(place.path)
    }

    fn judge(&self, in_time: bool, outcome: Option<Outcome>) -> Result<()> {
        let failed = |reason: String| Err(Error::new("run", self.program(), reason));
        match outcome {
            Some(Outcome::NotRun(errno)) => Err(Error::from_errno("run", self.program(), errno)),
            _ if !in_time => failed(format!(
                "it took longer than {} s",
                self.timeout.as_secs_f64()
            )),
            Some(Outcome::Exited(0)) => Ok(()),
            Some(Outcome::Exited(status)) => failed(format!("its exit status is {status}")),
            Some(Outcome::Killed(signal)) => failed(format!("signal {signal} ended it")),
            None => failed("it was killed".to_owned()),
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// It could not be started.
    NotRun(Errno),
    /// It ended with this exit status.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
}

impl Outcome {
    fn of(status: WaitStatus) -> Self {
        match status.terminating_signal() {
            Some(signal) => Self::Killed(signal),
            None => Self::Exited(status.exit_status().unwrap_or(NOT_RUN)),
        }
    }

    fn to_bytes(self) -> [u8; 5] {
        let (kind, value) = match self {
            Self::NotRun(errno) => (0, errno.raw_os_error()),
            Self::Exited(status) => (1, status),
            Self::Killed(signal) => (2, signal),
        };
        let [a, b, c, d] = value.to_ne_bytes();
        [kind, a, b, c, d]
    }

    fn from_bytes([kind, a, b, c, d]: [u8; 5]) -> Self {
        let value = i32::from_ne_bytes([a, b, c, d]);
        match kind {
            0 => Self::NotRun(Errno::from_raw_os_error(value)),
            1 => Self::Exited(value),
            _ => Self::Killed(value),
        }
    }
}

/// The first that was told: what could not become the program says why, and then ends.
fn outcome_of(told: &OwnedFd) -> Option<Outcome> {
    let mut bytes = [0; 5];
    let count = rustix::io::read(told, &mut bytes).ok()?;
    (count == bytes.len()).then(|| Outcome::from_bytes(bytes))
}

/// Everything that the processes to be started need, so that they only make system calls.
struct Start {
    path: CString,
    arguments: Words,
    environment: Words,
    credentials: Option<Ids>,
    input: OwnedFd,
    output: OwnedFd,
    outcome: OwnedFd,
}

/// The ends of pipes that the host keeps while it waits.
struct Watched {
    output: OwnedFd,
    outcome: OwnedFd,
}

struct Ids {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Start {
    fn prepare(helper: &Helper, input: &[u8], path: String) -> Result<(Self, Watched), Errno> {
        let named = helper.environment.as_ref();
        let always = named.map(|_| PATH.to_owned());
        let variables = named.into_iter().flatten();
        let variables = variables.map(|(name, value)| format!("{name}={value}"));
        let environment = always.into_iter().chain(variables);
        let ids = |credentials: &Credentials| Ids {
            uid: Uid::from_raw(credentials.uid),
            gid: Gid::from_raw(credentials.gid),
            groups: credentials
                .groups
                .iter()
                .copied()
                .map(Gid::from_raw)
                .collect(),
        };
        let (output, written) = pipe()?;
        let (outcome, told) = pipe()?;
        for end in [&output, &outcome] {
            rustix::fs::fcntl_setfl(end, OFlags::NONBLOCK)?;
        }
        let start = Self {
            path: words(std::iter::once(path))?.pop().ok_or(Errno::INVAL)?,
            arguments: Words::new(words(helper.argv.iter().cloned())?),
            environment: Words::new(words(environment)?),
            credentials: helper.credentials.as_ref().map(ids),
            input: filled(input)?,
            output: written,
            outcome: told,
        };
        Ok((start, Watched { output, outcome }))
    }

    /// Starts one of the two processes, which runs `child`: [`Self::supervise`] or [`Self::become_program`].
    #[allow(unsafe_code, reason = "what the children do is known here alone")]
    fn run_apart(
        &self,
        signal: libc::c_int,
        child: fn(&Self) -> libc::c_int,
    ) -> Result<Child, Errno> {
        // SAFETY: both make system calls by what was prepared for them, until they end or are another program.
        unsafe { sys::clone_process(Difference::None, signal, || child(self)) }
    }

    /// What the process in between does. It has the rights of the host, as far as users may send signals: not
    /// to one that su(1) started for them.
    fn supervise(&self) -> i32 {
        sys::reset_signals();
        let _ = rustix::process::setsid();
        let uid = rustix::process::geteuid();
        let _ = rustix::thread::set_thread_res_uid(uid, uid, uid);
        die_with_parent();
        let program = self.run_apart(libc::SIGCHLD, Self::become_program);
        let ended = program.and_then(|program| {
            let options = WaitOptions::from_bits_retain(libc::__WALL.cast_unsigned());
            rustix::process::waitpid(Some(program.pid), options)
        });
        let outcome = match ended {
            Ok(Some((_, status))) => Outcome::of(status),
            Ok(None) => Outcome::NotRun(Errno::CHILD),
            Err(errno) => Outcome::NotRun(errno),
        };
        self.tell(outcome);
        0
    }

    fn become_program(&self) -> i32 {
        let Err(errno) = self.settle() else {
            sys::let_signals_through();
            self.tell(Outcome::NotRun(sys::execute(
                &self.path,
                &self.arguments,
                &self.environment,
            )));
            return NOT_RUN;
        };
        self.tell(Outcome::NotRun(errno));
        NOT_RUN
    }

    fn settle(&self) -> Result<(), Errno> {
        rustix::process::umask(Mode::WGRP | Mode::WOTH);
        rustix::process::chdir("/")?;
        rustix::stdio::dup2_stdin(&self.input)?;
        rustix::stdio::dup2_stdout(&self.output)?;
        rustix::stdio::dup2_stderr(&self.output)?;
        sys::close_on_exec_from(3)?;
        match &self.credentials {
            Some(ids) if !ids.uid.is_root() => {}
            _ => {
                limits::lift();
                label::forget_program_context()?;
            }
        }
        if let Some(ids) = &self.credentials {
            ids.take()?;
        }
        die_with_parent();
        rights::leave_keyring()
    }

    fn tell(&self, outcome: Outcome) {
        let _ = rustix::io::write(&self.outcome, &outcome.to_bytes());
    }
}

impl Ids {
    /// Takes them on in a process of one thread: the C library's functions would ask threads to follow that
    /// are none of its.
    fn take(&self) -> Result<(), Errno> {
        let Self { uid, gid, groups } = self;
        rustix::thread::set_thread_groups(groups)?;
        rustix::thread::set_thread_res_gid(*gid, *gid, *gid)?;
        rustix::thread::set_thread_res_uid(*uid, *uid, *uid)?;
        if uid.is_root() {
            return Ok(());
        }
        rights::give_up()
    }
}

/// Whoever kills the host ends the program too, which nobody else would do. It has to be said after a change of
/// ids, which undoes it (prctl(2)).
fn die_with_parent() {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

fn words(text: impl Iterator<Item = String>) -> Result<Vec<CString>, Errno> {
    text.map(|word| CString::new(word).map_err(|_| Errno::INVAL))
        .collect()
}

/// A pipe whose ends lie above the standard streams, which a host may have closed.
fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    let above = |end: OwnedFd| rustix::io::fcntl_dupfd_cloexec(end, 3);
    Ok((above(read)?, above(write)?))
}

/// The end of a pipe from which `input` can be read, and then nothing: it lies in the pipe before anybody
/// reads, so that nobody waits for anybody, and no write meets a closed end.
fn filled(input: &[u8]) -> Result<OwnedFd, Errno> {
    let (read, write) = pipe()?;
    rustix::fs::fcntl_setfl(&write, OFlags::NONBLOCK)?;
    if input.is_empty() || rustix::io::write(&write, input)? == input.len() {
        return Ok(read);
    }
    Err(Errno::MSGSIZE)
}

/// The host's side while a program runs.
struct Watch<'w> {
    child: Child,
    output: Output<'w>,
}

impl Watch<'_> {
    /// Waits until the program has ended, and reads what it writes meanwhile; `false` when the time is up.
    fn wait(&mut self, timeout: Duration) -> bool {
        let began = Instant::now();
        let mut writes = true;
        loop {
            let left = timeout.saturating_sub(began.elapsed());
            let Ok(left) = Timespec::try_from(left) else {
                return false;
            };
            let output = self.output.source();
            let mut events = [
                PollFd::new(&self.child.pidfd, PollFlags::IN),
                PollFd::new(&output, PollFlags::IN),
            ];
            // A pipe that nobody writes to any more is ready for ever.
            let watched = if writes { 2 } else { 1 };
            let watched = events.get_mut(..watched).unwrap_or_default();
            let count = match poll(watched, Some(&left)) {
                Err(Errno::INTR) => continue,
                Err(_) | Ok(0) => return false,
                Ok(count) => count,
            };
            let [ended, _] = events.map(|event| !event.revents().is_empty());
            if ended {
                return true;
            }
            if count > 0 {
                writes = self.output.read();
            }
        }
    }

    /// Ends it: in a friendly way first.
    fn end(&mut self) {
        self.signal(Signal::TERM);
        if !self.wait(GRACE) {
            self.signal(Signal::KILL);
            self.wait(GRACE);
        }
    }

    /// To the whole process group, whose number is taken as long as the child was not waited for. The child
    /// itself takes no notice, except of SIGKILL.
    fn signal(&self, signal: Signal) {
        let _ = rustix::process::kill_process_group(self.child.pid, signal);
    }
}
