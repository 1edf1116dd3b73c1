//! Running a program for a session, from inside somebody else's process.
//!
//! The host must not notice: no signal for a child of its that has ended, nothing that its waitpid(2) could
//! give it. A process that has become another program sends SIGCHLD again whatever it was started with
//! (execve(2)), so there is one in between that stays what it is: it starts the program, waits for it, and
//! says how it ended. It leads the program's process group and session, too: its number cannot be
//! another's before the host has waited for it, so that signals to the group reach nobody else.

use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::asker::Asker;
use crate::kernel::fs::directory::Form;
use crate::kernel::fs::file;
use crate::kernel::fs::label;
use crate::kernel::fs::reach;
use crate::kernel::fs::walk::{Trust, Walker};
use crate::kernel::process::credentials::Credentials;
use crate::kernel::process::limits;
use crate::kernel::process::output::Output;
use crate::kernel::process::rights;
use crate::kernel::sys::{self, BlockedSignals, Child, Difference, Words};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitOptions, WaitStatus};
use rustix::thread::{Gid, Uid};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::time::{Duration, Instant};

/// The directories in which programs that a helper starts are looked for.
const PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// The time that a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

/// The target of log messages that hold what a program has written.
pub(crate) const WRITTEN: &str = "program";

/// Exit status of a process that could not become the program.
const NOT_RUN: i32 = 127;

/// A program that is run for a session: in the calling thread's namespaces, in `/`, with umask 022, as
/// leader of nothing, without a terminal, and with no descriptor but the standard streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Helper {
    /// The program, absolute, and its arguments.
    pub argv: Vec<String>,
    /// What it is run for, as its failures name it.
    #[serde(default)]
    pub purpose: Purpose,
    /// Its environment besides `PATH`; nothing for one without any variable.
    pub environment: Option<Vec<(String, String)>>,
    /// The credentials that it has; nothing for those of the calling process.
    pub credentials: Option<Credentials>,
    /// The time that it may take.
    pub timeout: Duration,
}

/// What a program is run for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Nothing that a policy has a name for.
    #[default]
    Unnamed,
    /// It prepares what a path shows.
    Init(String),
    /// It is run at a moment of a session.
    Hook,
    /// It is run for a new instance at a path.
    HookOf(String),
    /// It opens or closes the file system at a path.
    Volume(String),
}

/// A program that is run until a deadline, or its own time is up.
#[derive(Debug)]
pub struct Bounded {
    helper: Helper,
    deadline: Deadline,
}

impl Helper {
    fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    /// The program as its failures name it.
    fn name(&self) -> String {
        let program = self.program();
        match &self.purpose {
            Purpose::Unnamed => program.to_owned(),
            Purpose::Init(path) => format!("the init {program} of {path}"),
            Purpose::Hook => format!("the hook {program}"),
            Purpose::HookOf(path) => format!("the hook {program} of {path}"),
            Purpose::Volume(path) => format!("{program} of the volume {path}"),
        }
    }

    /// Lets it run until the deadline at most.
    #[must_use]
    pub fn within(self, deadline: &Deadline) -> Bounded {
        Bounded {
            helper: self,
            deadline: deadline.clone(),
        }
    }

    /// Runs it to its end, with `input` to read on standard input and then nothing; what it writes goes to the
    /// log.
    ///
    /// # Errors
    ///
    /// As [`Helper::run_with_lines`].
    pub fn run(&self, input: &[u8]) -> Result<()> {
        self.run_until(&Deadline::none(), input)
    }

    fn run_until(&self, deadline: &Deadline, input: &[u8]) -> Result<()> {
        let program = self.program();
        let mut each_line = |line: &str| log::info!(target: WRITTEN, "{program}: {line}");
        self.run_until_with_lines(deadline, input, &mut each_line)
    }

    /// Runs it to its end, with `input` to read on standard input and then nothing; each line that it writes is given to
    /// `each_line`. What it has left in the background by then, in success, stays: a FUSE file system is a process.
    ///
    /// # Errors
    ///
    /// It cannot be started, its exit status is not 0, or it takes longer than it may: then it and all of its
    /// process group are killed. One that is run as root must be root's own file that nobody else could
    /// replace.
    pub fn run_with_lines(&self, input: &[u8], each_line: &mut dyn FnMut(&str)) -> Result<()> {
        self.run_until_with_lines(&Deadline::none(), input, each_line)
    }

    fn run_until_with_lines(
        &self,
        deadline: &Deadline,
        input: &[u8],
        each_line: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let failed = |errno| Error::from_errno("run", self.name(), errno);
        // Without a deadline, the way to a program is waited for no longer than the program.
        let path = match deadline.left() {
            Some(_) => self.vetted_path(deadline)?,
            None => self.vetted_path(&Deadline::after(self.timeout))?,
        };
        let timeout = deadline.at_most(self.timeout);
        if timeout.is_zero() {
            let reason = "the time that the session has is up";
            return Err(Error::new("run", self.name(), reason));
        }
        let (start, watched) = Start::prepare(self, input, path).map_err(failed)?;
        // No handler of the host's runs in the child before signals have their default effects there.
        let blocked = BlockedSignals::begin().map_err(failed)?;
        let child = start.run_apart(0, Start::supervise).map_err(failed)?;
        // With `start`, the host's ends for writing are closed: the output ends when the last program has closed its own.
        drop((blocked, start));
        let mut watch = Watch {
            child,
            output: Output::new(watched.output, each_line),
        };
        let waited = watch.wait(timeout);
        if waited == Waited::TimedOut {
            watch.end();
        }
        watch.output.finish();
        let result = self.result(waited, timeout, outcome_of(&watched.outcome));
        if result.is_err() {
            // Whatever it has started does not go on without it.
            watch.signal(Signal::KILL);
        }
        // After the last signal: from here on the number of its process group may be another one's.
        watch.child.reap();
        result
    }

    /// Looks whether it could be started, and starts nothing. Of the way to a program that is run as a user only its end
    /// is judged by that user's rights.
    ///
    /// # Errors
    ///
    /// As [`Helper::run`] for a program that cannot be started.
    pub(crate) fn check(&self, deadline: &Deadline) -> Result<()> {
        let failed = |errno| Error::from_errno("run", self.name(), errno);
        let path = self.vetted_path(deadline)?;
        let status = reach::status(&Asker::until(deadline), &path).map_err(failed)?;
        match FileType::from_raw_mode(status.st_mode) == FileType::RegularFile
            && self.may_execute(&status)
        {
            true => Ok(()),
            false => Err(failed(Errno::ACCESS)),
        }
    }

    /// Whether the permission bits let it be executed: root needs one of the three.
    fn may_execute(&self, status: &Stat) -> bool {
        match &self.credentials {
            Some(user) if user.uid != 0 => user.may(1, Form::of(status)),
            Some(_) | None => status.st_mode & 0o111 != 0,
        }
    }

    /// The path of the program without links. Whoever could replace what has that name when it is run as root
    /// is root already, so that the name is as good as a descriptor: by one, a script could not be run.
    fn vetted_path(&self, deadline: &Deadline) -> Result<String> {
        let program = self.program();
        if !program.starts_with('/') {
            return Err(Error::new("run", self.name(), "it is not an absolute path"));
        }
        if self
            .credentials
            .as_ref()
            .is_none_or(|credentials| credentials.uid != 0)
        {
            return Ok(program.to_owned());
        }
        let walker = Walker::new(Trust::Root)?.until(deadline);
        let place = walker
            .open(program, &[])
            .map_err(|error| error.keeping_from("run", self.name()))?;
        let vetted = file::vet(&place.status, FileType::RegularFile);
        vetted.map_err(|reason| Error::new("run", self.name(), reason))?;
        Ok(place.path)
    }

    fn result(&self, waited: Waited, timeout: Duration, outcome: Option<Outcome>) -> Result<()> {
        let failed = |reason: String| Err(Error::new("run", self.name(), reason));
        match outcome {
            Some(Outcome::NotRun(errno)) => Err(Error::from_errno("run", self.name(), errno)),
            _ if waited == Waited::TimedOut && timeout < self.timeout => {
                failed("it took longer than the session has left of its time".to_owned())
            }
            _ if waited == Waited::TimedOut => failed(format!(
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

impl Bounded {
    /// Runs it, as [`Helper::run`] does.
    ///
    /// # Errors
    ///
    /// As [`Helper::run`]; or there is no time left for it.
    pub fn run(&self, input: &[u8]) -> Result<()> {
        self.helper.run_until(&self.deadline, input)
    }
}

/// The end of a program.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// A program that could not be started.
    NotRun(Errno),
    /// A program that ended with this exit status.
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

/// Reads the first outcome that was sent: what could not become the program says why, and then ends.
fn outcome_of(outcomes: &OwnedFd) -> Option<Outcome> {
    let mut bytes = [0; 5];
    let count = rustix::io::read(outcomes, &mut bytes).ok()?;
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
        let pairs = named.into_iter().flatten();
        let variables = pairs.map(|(name, value)| format!("{name}={value}"));
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
        let (outcome, sent_outcome) = pipe()?;
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
            outcome: sent_outcome,
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

    /// Starts the program from the process in between, waits for it and sends its outcome.
    fn supervise(&self) -> i32 {
        sys::reset_signals();
        // Before the program is started, which is then in the process group that signals go to.
        let _ = rustix::process::setsid();
        // The real id too, as far as users may send signals (kill(2)): in su(1), it is the caller's.
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
        self.send(outcome);
        0
    }

    fn become_program(&self) -> i32 {
        let Err(errno) = self.settle() else {
            // The mask outlives execve(2): the program has none of the host's.
            sys::let_signals_through();
            self.send(Outcome::NotRun(sys::execute(
                &self.path,
                &self.arguments,
                &self.environment,
            )));
            return NOT_RUN;
        };
        self.send(Outcome::NotRun(errno));
        NOT_RUN
    }

    fn settle(&self) -> Result<(), Errno> {
        rustix::process::umask(Mode::WGRP | Mode::WOTH);
        rustix::process::chdir("/")?;
        rustix::stdio::dup2_stdin(&self.input)?;
        rustix::stdio::dup2_stdout(&self.output)?;
        rustix::stdio::dup2_stderr(&self.output)?;
        // Marked, not closed: what cannot become the program says so by one of them.
        sys::close_on_exec_from(3)?;
        match &self.credentials {
            Some(ids) if !ids.uid.is_root() => {}
            // Of root's programs alone: those of a user keep the user's limits.
            _ => {
                limits::lift();
                label::forget_program_context()?;
            }
        }
        if let Some(ids) = &self.credentials {
            ids.take()?;
        }
        die_with_parent();
        // As the user: a new keyring belongs to whoever makes it (session-keyring(7)).
        rights::leave_keyring()
    }

    fn send(&self, outcome: Outcome) {
        let _ = rustix::io::write(&self.outcome, &outcome.to_bytes());
    }
}

impl Ids {
    /// Takes them on in a process of one thread: the C library's functions would ask threads to follow that
    /// are none of its.
    fn take(&self) -> Result<(), Errno> {
        let Self { uid, gid, groups } = self;
        // The user id last: with root's, the capabilities to change the others are gone (capabilities(7)).
        rustix::thread::set_thread_groups(groups)?;
        rustix::thread::set_thread_res_gid(*gid, *gid, *gid)?;
        rustix::thread::set_thread_res_uid(*uid, *uid, *uid)?;
        if uid.is_root() {
            return Ok(());
        }
        rights::give_up()
    }
}

/// Lets the kernel kill the process with its parent: nobody else would end the program when the host is killed. It has to be
/// said after a change of ids, which undoes it (prctl(2)).
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

/// The end of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    /// The program has ended.
    Ended,
    /// The time is up.
    TimedOut,
}

/// The host's side while a program runs.
struct Watch<'w> {
    child: Child,
    output: Output<'w>,
}

impl Watch<'_> {
    /// Waits until the program has ended or the time is up, and reads what it writes meanwhile.
    fn wait(&mut self, timeout: Duration) -> Waited {
        let began = Instant::now();
        let mut writes = true;
        loop {
            let left = timeout.saturating_sub(began.elapsed());
            let Ok(left) = Timespec::try_from(left) else {
                return Waited::TimedOut;
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
                Err(_) | Ok(0) => return Waited::TimedOut,
                Ok(count) => count,
            };
            let [ended, _] = events.map(|event| !event.revents().is_empty());
            if ended {
                return Waited::Ended;
            }
            if count > 0 {
                writes = self.output.read();
            }
        }
    }

    /// Ends it: in a friendly way first.
    fn end(&mut self) {
        self.signal(Signal::TERM);
        if self.wait(GRACE) == Waited::TimedOut {
            self.signal(Signal::KILL);
            self.wait(GRACE);
        }
    }

    /// Sends a signal to the whole process group, whose number is taken as long as the child was not waited for. The child
    /// itself blocks all but SIGKILL and SIGSTOP.
    fn signal(&self, signal: Signal) {
        let _ = rustix::process::kill_process_group(self.child.pid, signal);
    }
}
