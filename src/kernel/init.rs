//! The first process of a PID namespace of a session's own: an init that outlives the processes that the host
//! process begins, and takes all of them with it when nobody needs the namespace any more.
//!
//! It is nobody's child that waits for it: the host begins a helper, which begins the init and ends. When an init
//! dies, the kernel lets it go only after every process of its namespace was waited for, and some of these are the
//! host's children: a host that waited for the init would wait for itself (seen with sshd on Linux 6.18).
//!
//! The init stays in the other namespaces that the host came from, so that `/proc/1` inside leads back there. Who
//! needs the namespace is a member: a process, which counts until it has ended or its session has.

mod protocol;
mod server;

use crate::error::{Error, Result};
use crate::kernel::mount::filesystem;
use crate::kernel::process::{Process, number_in_proc, started_in};
use crate::kernel::sys::{self, BlockedSignals, Difference};
use nix::sched::CloneFlags;
use protocol::Topic;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use std::path::PathBuf;

/// Its name in errors.
const OBJECT: &str = "a PID namespace";

/// The time that a host process waits for an init that it has begun, in seconds.
const START_TIMEOUT: i64 = 10;

/// The time that a host process waits for an init that others have begun, in seconds.
const JOIN_TIMEOUT: i64 = 2;

/// An init, and what it gave its founder.
#[derive(Debug)]
pub struct Init {
    /// The process, by the number that /proc has for it.
    pub process: Process,
    /// A detached procfs that shows its namespace: `/proc` for who lives there. Processes outside of that namespace
    /// have no `/proc/self` in it.
    pub proc: OwnedFd,
    /// The facts by which the founder knows it.
    pub known: Known,
}

/// Facts by which a process knows an init, without a descriptor and without /proc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pid: u32,
    /// The time when it was started, in clock ticks since the machine was.
    started: u64,
    /// Of its pidfd (Linux 6.9); absent where all pidfds have the same.
    inode: Option<u64>,
}

/// The need of the calling process for a PID namespace. Dropped, it has none: its children are born where they were
/// before, and the init that it began, if others cannot have joined, is killed.
#[derive(Debug)]
pub struct Membership {
    // In the order in which they are given back.
    children: Children,
    alone: Alone,
    link: OwnedFd,
    namespace: OwnedFd,
}

/// The init, by its pidfd, while nobody else can need it. Dropped, it is killed.
#[derive(Debug)]
struct Alone(Option<OwnedFd>);

/// The PID namespace in which the children of this process are born. Dropped, that is the one of before.
#[derive(Debug)]
struct Children {
    before: Option<OwnedFd>,
}

/// Begins a PID namespace with an init. `/proc` and the namespaces of the calling thread are those that the init
/// keeps; nobody is in the namespace until [`Membership::enter`].
///
/// # Errors
///
/// The process has several threads, lacks CAP_SYS_ADMIN, or the kernel refused one of the steps. No process is left
/// then.
pub fn start() -> Result<(Init, Membership)> {
    check_single("make")?;
    let mut children = Children::remember()?;
    // The namespace of before, if there is one, must not be above the new one.
    match own_pidfd().and_then(set_pid_for_children) {
        // In a user namespace of a caller's, that of the machine cannot be entered, and so not be returned to.
        Err(Errno::PERM) if children.are_in_own_namespace() => children.before = None,
        entered => entered.map_err(refused)?,
    }
    let founder = own_pidfd().map_err(refused)?;
    let (link, theirs) = protocol::pair().map_err(refused)?;
    // No handler of the host's runs in the copies: the init lets signals through when none has one any more.
    let blocked = BlockedSignals::begin().map_err(refused)?;
    let helper =
        sys::clone_single(Difference::None, 0, || begin_init(theirs, founder)).map_err(refused)?;
    drop(blocked);
    let begun = Begun::receive(&link).inspect_err(|_| {
        // It may hang, and is waited for below. An init that it has begun ends when it finds the link closed.
        let _ = pidfd_send_signal(&helper.pidfd, Signal::KILL);
    });
    // Before anything else can fail: it is a child of the host's, and nobody else waits for it.
    helper.reap();
    let Begun {
        pid,
        pidfd,
        namespace,
        proc,
    } = begun?;
    let number = number_in_proc(&pidfd).unwrap_or(pid);
    let process = Process::first_of(&proc, number).ok_or_else(ended_early)?;
    let known = Known {
        pid,
        started: process.started,
        inode: inode(&pidfd),
    };
    let membership = Membership {
        children,
        alone: Alone(Some(pidfd)),
        link,
        namespace,
    };
    let init = Init {
        process,
        proc,
        known,
    };
    Ok((init, membership))
}

/// Begins the init, as the helper, says so and ends.
fn begin_init(link: OwnedFd, founder: OwnedFd) -> i32 {
    let Ok(own) = rustix::io::fcntl_dupfd_cloexec(&link, 0) else {
        return 1;
    };
    let begin = || sys::clone_single(Difference::PidNamespace, 0, || server::run(link, founder));
    let announce = |init: sys::Child| {
        let pid = init.pid.as_raw_nonzero().to_string();
        protocol::send(&own, Topic::Begun, &pid, &[init.pidfd.as_fd()])
    };
    // Ids before the init is begun, which has them from the helper.
    match take_effective_ids()
        .and_then(|()| begin())
        .and_then(announce)
    {
        Ok(()) => 0,
        Err(errno) => {
            let _ = protocol::send(&own, Topic::Failed, &reason(errno), &[]);
            1
        }
    }
}

/// Makes the effective ids the real and saved ones too: a process with the real ids of a user, as su(1) is, is that
/// user's to stop and to kill.
fn take_effective_ids() -> Result<(), Errno> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

/// The facts that the helper and the init send.
struct Begun {
    pid: u32,
    pidfd: OwnedFd,
    namespace: OwnedFd,
    proc: OwnedFd,
}

impl Begun {
    fn receive(link: &OwnedFd) -> Result<Self> {
        // Of the two, either may come first: the init does not wait for the helper.
        let (mut init, mut given) = (None, None);
        loop {
            match (init, given) {
                (Some((pid, pidfd)), Some((namespace, proc))) => {
                    return Ok(Self {
                        pid,
                        pidfd,
                        namespace,
                        proc,
                    });
                }
                other => (init, given) = other,
            }
            let message = await_message(link, START_TIMEOUT)?.ok_or_else(ended_early)?;
            let mut descriptors = message.descriptors.into_iter();
            match message.topic {
                Topic::Begun => init = message.text.parse().ok().zip(descriptors.next()),
                Topic::Ready => given = descriptors.next().zip(descriptors.next()),
                Topic::Failed => return Err(Error::new("make", OBJECT, message.text)),
                // Nothing that is sent to a founder.
                Topic::Listen | Topic::Stay | Topic::Join | Topic::Leave => {}
            }
        }
    }
}

fn ended_early() -> Error {
    Error::new(
        "make",
        OBJECT,
        "its first process ended before it was ready",
    )
}

/// Waits for a message; nothing where the other side is gone.
fn await_message(link: &OwnedFd, seconds: i64) -> Result<Option<protocol::Message>> {
    if !wait_for(link, PollFlags::IN, seconds).map_err(refused)? {
        let reason = format_args!("its first process has not answered for {seconds} s");
        return Err(Error::new("use", OBJECT, reason));
    }
    protocol::receive(link).map_err(refused)
}

/// Joins the PID namespace whose init listens at the socket `address`; nothing where there is none any more. The process
/// is in `session`'s way until [`Membership::stay`].
///
/// # Errors
///
/// The process has several threads, or the init does not answer within two seconds.
pub fn join(address: &str) -> Result<Option<Membership>> {
    check_single("join")?;
    let children = Children::remember()?;
    let Some(address) = connect(address).map_err(refused)? else {
        return Ok(None);
    };
    let (link, theirs) = protocol::pair().map_err(refused)?;
    let own = own_pidfd().map_err(refused)?;
    match send_request(&address, Topic::Join, "", &[own.as_fd(), theirs.as_fd()]) {
        Err(Errno::CONNREFUSED | Errno::CONNRESET) => return Ok(None),
        sent => sent.map_err(refused)?,
    }
    // Closed here, so that an init that ends without an answer leaves no other end: that is noticed at once.
    drop(theirs);
    let answer = await_message(&link, JOIN_TIMEOUT)?;
    let namespace = answer.and_then(|answer| answer.descriptors.into_iter().next());
    Ok(namespace.map(|namespace| Membership {
        children,
        alone: Alone(None),
        link,
        namespace,
    }))
}

/// Says to the init that listens at the socket `address` that `session`, which was to stay, has ended. Where none listens,
/// there is nothing to say.
///
/// # Errors
///
/// The socket cannot be used.
pub fn leave(address: &str, session: &str) -> Result<()> {
    let failed = |errno| Error::from_errno("use", address, errno);
    let Some(address) = connect(address).map_err(failed)? else {
        return Ok(());
    };
    match send_request(&address, Topic::Leave, session, &[]) {
        Err(Errno::CONNREFUSED | Errno::CONNRESET) => Ok(()),
        sent => sent.map_err(failed),
    }
}

/// Opens a socket that is connected to the one at the path `address`; nothing where nobody listens there.
fn connect(address: &str) -> Result<Option<OwnedFd>, Errno> {
    let socket = datagram_socket()?;
    match SocketAddrUnix::new(address).and_then(|address| rustix::net::connect(&socket, &address)) {
        Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
        connected => connected.map(|()| Some(socket)),
    }
}

/// Sends a request to the socket of an init, and waits a while where too many others do so too.
fn send_request(
    address: &OwnedFd,
    topic: Topic,
    text: &str,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), Errno> {
    match protocol::send(address, topic, text, descriptors) {
        Err(Errno::AGAIN) => {
            wait_for(address, PollFlags::OUT, JOIN_TIMEOUT)?;
            protocol::send(address, topic, text, descriptors)
        }
        sent => sent,
    }
}

/// Whether a file becomes readable, say, within that time.
fn wait_for(file: &OwnedFd, event: PollFlags, seconds: i64) -> Result<bool, Errno> {
    let timeout = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let mut polled = [PollFd::new(file, event)];
    rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout))).map(|ready| ready > 0)
}

fn datagram_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
}

impl Membership {
    /// Lets the children of this process be born in the namespace from now on. The process itself stays outside.
    ///
    /// # Errors
    ///
    /// setns(2) failed: CAP_SYS_ADMIN is missing, or the namespace is not below that of this process.
    pub fn enter(&self) -> Result<()> {
        set_pid_for_children(self.namespace.as_fd()).map_err(not_entered)
    }

    /// Opens a socket for others, at the path `address`, in a directory that is root's alone. The init of whoever began
    /// the namespace listens there as long as it lives; the file stays.
    ///
    /// # Errors
    ///
    /// The socket cannot be made there.
    pub fn listen_at(&mut self, address: &str) -> Result<()> {
        let failed = |errno| Error::from_errno("create", address, errno);
        let socket = datagram_socket().map_err(failed)?;
        SocketAddrUnix::new(address)
            .and_then(|address| rustix::net::bind(&socket, &address))
            .and_then(|()| protocol::send(&self.link, Topic::Listen, "", &[socket.as_fd()]))
            .map_err(failed)?;
        // From here on others may have joined: it is not killed where this login fails.
        self.alone.0 = None;
        Ok(())
    }

    /// Keeps the need for the namespace: until this process has ended, or says that `session` has.
    pub fn stay(mut self, session: &str) {
        let _ = protocol::send(&self.link, Topic::Stay, session, &[]);
        self.children.before = None;
        self.alone.0 = None;
    }
}

/// Checks that this process has one thread: a copy of a process with several lacks them and leaves their locks locked, and
/// no thread can begin in a process whose children are born elsewhere (EINVAL of clone(2)).
fn check_single(verb: &'static str) -> Result<()> {
    sys::check_single().map_err(|_| Error::new(verb, OBJECT, "this process has several threads"))
}

impl Known {
    /// Kills the init, and with it every process of its namespace, and waits for none of them. One that has ended is
    /// as good.
    ///
    /// # Errors
    ///
    /// The process is another one by now, as far as is known, or may not be killed by this one.
    pub fn kill(&self) -> Result<()> {
        let failed = |errno| Error::from_errno("end", OBJECT, errno);
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pidfd = match pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
            None | Some(Err(Errno::SRCH)) => return Ok(()),
            Some(opened) => opened.map_err(failed)?,
        };
        // Asked when the pidfd is open: its process stays the one that it is, whatever the number is given to.
        if !self.is_behind(&pidfd) {
            let reason = "its first process is not known for certain; it ends with this process";
            return Err(Error::new("end", OBJECT, reason));
        }
        match pidfd_send_signal(&pidfd, Signal::KILL) {
            Err(Errno::SRCH) => Ok(()),
            killed => killed.map_err(failed),
        }
    }

    /// Whether the process of its number, open as a pidfd, is the init. Before Linux 6.9 only /proc says so, and the
    /// session's shows another PID namespace.
    fn is_behind(&self, pidfd: &OwnedFd) -> bool {
        if self.inode.is_some() {
            return inode(pidfd) == self.inode;
        }
        let proc = filesystem::proc(0, "/proc").ok();
        proc.and_then(|proc| started_in(proc, self.pid)) == Some(self.started)
    }
}

/// Lets the children of this process be born beside the process of a pidfd. What has a PID namespace of its own is
/// needed by nobody for that: they end with it.
///
/// # Errors
///
/// setns(2) failed: CAP_SYS_ADMIN or CAP_SYS_PTRACE is missing, or the process has ended.
pub(crate) fn join_pid_namespace_for_children(pidfd: impl AsFd) -> Result<()> {
    set_pid_for_children(pidfd).map_err(not_entered)
}

/// The PID namespace of this process, as `ls -l /proc/self/ns` shows it, where it is not that of the first process in
/// /proc but one within: the kernel lets no process out of it.
#[must_use]
pub(crate) fn confinement() -> Option<String> {
    let own = namespace_name("self")?;
    let is_other = namespace_name("1").is_some_and(|first| first != own);
    is_other.then(|| own.to_string_lossy().into_owned())
}

/// Whether the process `pid` is in another PID namespace than this one, as far as /proc shows.
#[must_use]
pub(crate) fn lives_elsewhere(pid: u32) -> bool {
    let other = namespace_name(&pid.to_string());
    other.is_some() && other != namespace_name("self")
}

fn namespace_name(process: &str) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{process}/ns/pid")).ok()
}

/// Lets the children of this process be born where the process is itself.
///
/// # Errors
///
/// setns(2) failed: CAP_SYS_ADMIN is missing.
pub fn set_own_pid_for_children() -> Result<()> {
    own_pidfd()
        .and_then(set_pid_for_children)
        .map_err(|errno| Error::from_errno("leave", OBJECT, errno))
}

impl Children {
    fn remember() -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let path = "/proc/thread-self/ns/pid_for_children";
        // Without /proc it is where the process is itself, unless it has another session open.
        let before = rustix::fs::open(path, flags, Mode::empty())
            .or_else(|_| own_pidfd())
            .map_err(|errno| Error::from_errno("remember", OBJECT, errno))?;
        Ok(Self {
            before: Some(before),
        })
    }

    /// Whether they are born where this process is itself.
    fn are_in_own_namespace(&self) -> bool {
        let here = rustix::fs::stat("/proc/thread-self/ns/pid");
        let there = self.before.as_ref().map(rustix::fs::fstat);
        matches!((here, there), (Ok(here), Some(Ok(there))) if here.st_ino == there.st_ino)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        let Some(before) = self.before.take() else {
            return;
        };
        if let Err(errno) = set_pid_for_children(before) {
            let reason = errno.kind();
            log::error!("cannot return to the PID namespace of before: {reason}");
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let Some(pidfd) = &self.0 else {
            return;
        };
        // There is nobody in its namespace that it would have to wait for.
        if pidfd_send_signal(pidfd, Signal::KILL).is_ok() {
            let _ = wait_for(pidfd, PollFlags::IN, JOIN_TIMEOUT);
        }
    }
}

/// Lets children be born in a namespace, or in that of the process of a pidfd (Linux 5.8).
fn set_pid_for_children(namespace: impl AsFd) -> Result<(), Errno> {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the room that changes namespaces"
    )]
    nix::sched::setns(namespace.as_fd(), CloneFlags::CLONE_NEWPID).map_err(sys::of_nix)
}

fn own_pidfd() -> Result<OwnedFd, Errno> {
    pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
}

/// The inode of a pidfd, where pidfds of different processes have different ones.
fn inode(pidfd: &OwnedFd) -> Option<u64> {
    /// Magic number of the file system that pidfds are files of (Linux 6.9).
    const PIDFS_MAGIC: i64 = 0x5049_4446;
    let is_known = rustix::fs::fstatfs(pidfd).is_ok_and(|status| status.f_type == PIDFS_MAGIC);
    let status = rustix::fs::fstat(pidfd).ok().filter(|_| is_known);
    status.map(|status| status.st_ino)
}

fn not_entered(errno: Errno) -> Error {
    let error = Error::from_errno("enter", OBJECT, errno);
    match errno {
        Errno::INVAL => error.because("this process is in another one that is not above it"),
        _ => error,
    }
}

fn refused(errno: Errno) -> Error {
    Error::from_errno("make", OBJECT, errno).because(reason(errno))
}

fn reason(errno: Errno) -> String {
    match errno {
        Errno::NOSPC => {
            "the limit in /proc/sys/user/max_pid_namespaces is reached, or 32 are in each other"
                .to_owned()
        }
        Errno::PERM => "the process lacks CAP_SYS_ADMIN".to_owned(),
        errno => errno.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::namespace::check_capabilities;
    use super::*;

    #[test]
    fn before_linux_6_9_an_init_is_known_by_when_it_was_started() {
        let own = Process::own().unwrap();
        for (started, expected) in [(own.started, true), (own.started + 1, false)] {
            let known = Known {
                pid: own.pid,
                started,
                inode: None,
            };
            // Who has no rights cannot make a /proc to look.
            let expected = expected && check_capabilities().is_ok();
            assert_eq!(
                known.is_behind(&own_pidfd().unwrap()),
                expected,
                "{known:?}"
            );
        }
    }
}
