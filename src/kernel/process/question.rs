//! Questions to the kernel that may never be answered: a child asks, and is left behind when the time is up.
//!
//! There is one process in between. The one that asks may wait where not even SIGKILL ends it (a FUSE request that its
//! server has read): the one in between can be killed and waited for all the same, and the other is then a child of the
//! first process, which takes it away when it ends. The host gets no signal, and nothing that its waitpid(2) could give it.

use crate::kernel::sys::{self, BlockedSignals, Child, Difference};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal};
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// The most bytes that an answer has.
pub(in crate::kernel) const LONGEST: usize = 4096 + 256;

/// The time that the processes may take to end when one has answered.
const GRACE: Duration = Duration::from_secs(1);

/// The bytes and the descriptor that a child answers with.
#[derive(Debug)]
pub(in crate::kernel) struct Answer {
    pub(in crate::kernel) bytes: Vec<u8>,
    pub(in crate::kernel) file: Option<OwnedFd>,
}

/// The result of the work that a child does: how many bytes it has written to the space that it was given, and a
/// descriptor.
pub(in crate::kernel) type Worked = Result<(usize, Option<OwnedFd>), Errno>;

/// Has a child do `work`, which may take as long as `within`. It has the rights, the root and the mount namespace of the
/// calling thread, and of its descriptors those of `open`.
///
/// # Errors
///
/// The error number of the work; ETIMEDOUT: it has not ended in its time; or no child can be made.
///
/// # Safety
///
/// `work` keeps the contract of [`sys::clone_process`]: where this process has several threads, it makes system calls and
/// nothing else, and it uses no descriptor but those of `open`.
#[allow(unsafe_code, reason = "the contract is passed on")]
pub(in crate::kernel) unsafe fn ask(
    within: Duration,
    open: &[BorrowedFd<'_>],
    work: impl Fn(&mut [u8]) -> Worked,
) -> Result<Answer, Errno> {
    if within.is_zero() {
        return Err(Errno::TIMEDOUT);
    }
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    // No handler of the host's runs in the children.
    let blocked = BlockedSignals::begin()?;
    let between = || {
        // So that both can be signalled by the number of one that was not waited for.
        let _ = rustix::process::setsid();
        // The real id too, as far as users may send signals (kill(2)): in su(1), it is the caller's, who could stop the one
        // that asks, and have what it asks for left out.
        let uid = rustix::process::geteuid();
        let _ = rustix::thread::set_thread_res_uid(uid, uid, uid);
        die_with_parent();
        // SAFETY: the caller answers for the work, and the rest are system calls.
        let child = unsafe {
            sys::clone_process(Difference::None, 0, || {
                die_with_parent();
                answer(&theirs, open, &work)
            })
        };
        child.map_or(libc::EXIT_FAILURE, |child| {
            child.reap();
            0
        })
    };
    // SAFETY: it makes system calls.
    let child = unsafe { sys::clone_process(Difference::None, 0, between) };
    drop(blocked);
    let child = child?;
    drop(theirs);
    let answered = wait(&ours, within).and_then(|()| receive(&ours));
    if answered.is_err() || wait(&child.pidfd, GRACE).is_err() {
        end(&child);
    }
    child.reap();
    answered
}

/// Lets the kernel kill the process with its parent.
fn die_with_parent() {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

/// Does the work in the child, and sends what comes of it.
#[allow(unsafe_code, reason = "the contract is kept by what this process is")]
fn answer(
    socket: &OwnedFd,
    open: &[BorrowedFd<'_>],
    work: &impl Fn(&mut [u8]) -> Worked,
) -> libc::c_int {
    let mut kept = [socket.as_fd(); 5];
    for (place, file) in kept.iter_mut().skip(1).zip(open) {
        *place = *file;
    }
    // SAFETY: this is a copy that uses no other descriptor and never returns to what holds them.
    let closed = unsafe { sys::close_all_but(&kept) };
    // The working directory of the host would keep its file system busy, were this process left behind.
    let _ = rustix::process::chdir("/");
    let mut bytes = [0; LONGEST];
    let worked = closed.and_then(|()| work(&mut bytes));
    let sent = match &worked {
        Ok((count, file)) => send(socket, 0, bytes.get(..*count).unwrap_or_default(), file),
        Err(errno) => send(socket, errno.raw_os_error(), &[], &None),
    };
    // Not dropped: the end of the process closes it.
    std::mem::forget(worked);
    sent.map_or(libc::EXIT_FAILURE, |()| 0)
}

fn send(socket: &OwnedFd, number: i32, bytes: &[u8], file: &Option<OwnedFd>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = file.as_ref().map(AsFd::as_fd);
    if let Some(file) = &files
        && !control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(file)))
    {
        return Err(Errno::TOOBIG);
    }
    let number = number.to_ne_bytes();
    let parts = [IoSlice::new(&number), IoSlice::new(bytes)];
    sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// Waits until a socket has an answer or nobody is there who could give it, or until a process has ended.
fn wait(file: &OwnedFd, within: Duration) -> Result<(), Errno> {
    let began = Instant::now();
    loop {
        let left = within.saturating_sub(began.elapsed());
        let left = Timespec::try_from(left).map_err(|_| Errno::TIMEDOUT)?;
        let mut events = [PollFd::new(file, PollFlags::IN)];
        match poll(&mut events, Some(&left)) {
            Err(Errno::INTR) => {}
            Ok(0) => return Err(Errno::TIMEDOUT),
            ready => return ready.map(drop),
        }
    }
}

fn receive(socket: &OwnedFd) -> Result<Answer, Errno> {
    let mut bytes = [0_u8; LONGEST];
    let mut number = [0_u8; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let parts = &mut [IoSliceMut::new(&mut number), IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, parts, &mut control, flags)?;
    let mut file = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(all) = message {
            file = all.last();
        }
    }
    // The end of the connection: a process was killed.
    let count = received
        .bytes
        .checked_sub(number.len())
        .ok_or(Errno::CHILD)?;
    match i32::from_ne_bytes(number) {
        0 => Ok(Answer {
            bytes: bytes.get(..count).unwrap_or_default().to_vec(),
            file,
        }),
        number => Err(Errno::from_raw_os_error(number)),
    }
}

/// Ends both processes, as far as they can be ended.
fn end(between: &Child) {
    // The one in between first: from then on it starts no other.
    let _ = pidfd_send_signal(&between.pidfd, Signal::KILL);
    let all = WaitIdOptions::from_bits_retain(libc::__WALL.cast_unsigned());
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | all;
    let ended = || rustix::process::waitid(WaitId::PidFd(between.pidfd.as_fd()), options);
    while ended().is_err_and(|errno| errno == Errno::INTR) {}
    // Before it is waited for: from then on the number of the group may be another one's.
    let _ = rustix::process::kill_process_group(between.pid, Signal::KILL);
}
