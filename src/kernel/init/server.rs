//! The server of an init: it is there, and ends when nobody needs the PID namespace any more.
//!
//! It needs not reap: the kernel takes away the children of a process that ignores their end. When it ends, the
//! kernel kills every process of the namespace.

use super::protocol::{self, Message, Topic};
use crate::error::{Error, Result};
use crate::kernel::mount::attribute;
use crate::kernel::mount::filesystem;
use crate::kernel::process::limits;
use crate::kernel::process::rights;
use crate::kernel::sys;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// Its name, as ps(1) and /proc/1/comm show it.
const NAME: &std::ffi::CStr = c"jns-init";

/// A process of the host's for whose sake the namespace lives.
struct Member {
    process: OwnedFd,
    /// Open while it is not certain that the session begins; closed by the other side, it does not.
    link: Option<OwnedFd>,
    /// The session's name; empty while that is not certain.
    session: String,
}

struct Server {
    namespace: OwnedFd,
    listener: Option<OwnedFd>,
    members: Vec<Member>,
}

/// Serves as the first process of a PID namespace, for `founder` and whoever joins; gives its exit status.
pub(super) fn run(link: OwnedFd, founder: OwnedFd) -> i32 {
    match prepare(&link, &founder) {
        Ok(namespace) => {
            let founder = Member {
                process: founder,
                link: Some(link),
                session: String::new(),
            };
            let server = Server {
                namespace,
                listener: None,
                members: vec![founder],
            };
            server.serve();
            0
        }
        Err(error) => {
            let _ = protocol::send(&link, Topic::Failed, &error.to_string(), &[]);
            1
        }
    }
}

/// Leaves behind what it has of the process that it is a copy of, and hands over its namespace and its /proc.
fn prepare(link: &OwnedFd, founder: &OwnedFd) -> Result<OwnedFd> {
    settle(link, founder)
        .map_err(|errno| Error::from_errno("begin", "its first process", errno))?;
    // As long as there is CAP_SYS_ADMIN: a file system takes it.
    let safe = attribute::NO_SUID | attribute::NO_DEV | attribute::NO_EXEC;
    let proc = filesystem::proc(safe, "/proc")?;
    let failed = |errno| Error::from_errno("hand over", "it", errno);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let namespace =
        rustix::fs::openat(&proc, "self/ns/pid", flags, Mode::empty()).map_err(failed)?;
    surrender_rights().map_err(failed)?;
    // Last of all: from then on, the founder lets others in.
    let handed_over = [namespace.as_fd(), proc.as_fd()];
    protocol::send(link, Topic::Ready, "", &handed_over).map_err(failed)?;
    Ok(namespace)
}

/// Becomes a process apart from the session's.
fn settle(link: &OwnedFd, founder: &OwnedFd) -> Result<(), Errno> {
    // First of all: an end of a pipe that stayed open here would let somebody wait for it.
    close_all_but(&[link.as_fd(), founder.as_fd()])?;
    sys::reset_signals();
    sys::ignore_ended_children();
    // Not before: they were blocked as long as handlers of the host's were there.
    sys::let_signals_through();
    rustix::process::setsid()?;
    // The working directory of the host would keep its file system busy.
    rustix::process::chdir("/")?;
    rustix::thread::set_name(NAME)?;
    // It looks for no key, so one that it could find is no reason to refuse the login.
    let _ = rights::leave_keyring();
    limits::lift();
    reset_oom_score();
    // Every member takes two descriptors.
    let most = rustix::process::getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    rustix::process::setrlimit(Resource::Nofile, limit)
}

#[allow(unsafe_code, reason = "the contract is kept by what this process is")]
fn close_all_but(left_open: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    // SAFETY: this process is a copy that ends with this file's code. It has no descriptor open of its own yet, and what
    // its original had open is used and dropped by the original's code alone.
    unsafe { sys::close_all_but(left_open) }
}

/// Takes back what a caller may have said for when memory runs out, that this process is the first to be killed: every
/// process of the namespace would be killed with it (proc_pid_oom_score_adj(5)).
fn reset_oom_score() {
    let path = "/proc/self/oom_score_adj";
    let own = std::fs::read_to_string(path).unwrap_or_default();
    // A negative one takes CAP_SYS_RESOURCE, and protects it.
    if !own.starts_with('-') {
        let _ = std::fs::write(path, "0");
    }
}

/// Gives up every right that it does not need, and lets nobody look at it: its memory is a copy of the host's.
fn surrender_rights() -> Result<(), Errno> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rights::give_up()
}

/// An event that the server waits for, with the member's place in the list.
enum Event {
    Ended(usize),
    Message(usize),
    Request,
}

impl Server {
    fn serve(mut self) {
        while !self.members.is_empty() {
            // One at a time: what follows may have changed by then.
            match self.wait() {
                Ok(Some(Event::Ended(member))) => drop(self.members.swap_remove(member)),
                Ok(Some(Event::Message(member))) => self.receive_from(member),
                Ok(Some(Event::Request)) => self.answer(),
                Ok(None) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn wait(&self) -> Result<Option<Event>, Errno> {
        let (mut events, mut polled) = (Vec::new(), Vec::new());
        for (number, member) in self.members.iter().enumerate() {
            events.push(Event::Ended(number));
            polled.push(PollFd::new(&member.process, PollFlags::IN));
            if let Some(link) = &member.link {
                events.push(Event::Message(number));
                polled.push(PollFd::new(link, PollFlags::IN));
            }
        }
        if let Some(listener) = &self.listener {
            events.push(Event::Request);
            polled.push(PollFd::new(listener, PollFlags::IN));
        }
        poll(&mut polled, None)?;
        let happened = polled
            .iter()
            .position(|polled| !polled.revents().is_empty());
        Ok(happened.map(|happened| events.swap_remove(happened)))
    }

    /// Receives a message of a member that is not certain to stay.
    fn receive_from(&mut self, number: usize) {
        let Some(member) = self.members.get_mut(number) else {
            return;
        };
        let Some(link) = &member.link else {
            return;
        };
        match protocol::receive(link) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(Some(Message {
                topic: Topic::Stay,
                text,
                ..
            })) => {
                member.session = text;
                member.link = None;
            }
            Ok(Some(Message {
                topic: Topic::Listen,
                mut descriptors,
                ..
            })) => {
                self.listener = descriptors.pop();
            }
            // The other side is closed, or says what only others may: that session does not begin.
            _ => drop(self.members.swap_remove(number)),
        }
    }

    /// Takes what others send to the socket.
    fn answer(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        let Ok(Some(message)) = protocol::receive(listener) else {
            return;
        };
        match message.topic {
            Topic::Leave => {
                let gone =
                    |member: &Member| member.link.is_none() && member.session == message.text;
                self.members.retain(|member| !gone(member));
            }
            Topic::Join => self.register(message.descriptors),
            // Nothing that others may send.
            Topic::Begun | Topic::Ready | Topic::Failed | Topic::Listen | Topic::Stay => {}
        }
    }

    fn register(&mut self, descriptors: Vec<OwnedFd>) {
        let mut descriptors = descriptors.into_iter();
        let (Some(process), Some(link)) = (descriptors.next(), descriptors.next()) else {
            return;
        };
        // Answered first: who is gone by then is no member.
        if protocol::send(&link, Topic::Ready, "", &[self.namespace.as_fd()]).is_ok() {
            self.members.push(Member {
                process,
                link: Some(link),
                session: String::new(),
            });
        }
    }
}
