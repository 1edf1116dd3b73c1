//! The messages of an init and the processes that know it: one a packet, with descriptors.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// The longest text in a message, in bytes.
const LONGEST: usize = 512;

/// The number of descriptors that a message may carry.
const DESCRIPTORS: usize = 2;

/// The topic of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    /// From the helper: the init was begun; its pidfd, and its number as text.
    Begun,
    /// From the init: it is ready, or has registered who asked; its PID namespace and, to its founder, its /proc.
    Ready,
    /// From the helper or the init: it failed, and why.
    Failed,
    /// To the init: a socket to which others may come.
    Listen,
    /// To the init: the session of that name is to last.
    Stay,
    /// To the init, at that socket: a process, by its pidfd, and where to answer.
    Join,
    /// To the init, at that socket: the session of that name has ended.
    Leave,
}

const TOPICS: [(Topic, u8); 7] = [
    (Topic::Begun, b'B'),
    (Topic::Ready, b'R'),
    (Topic::Failed, b'F'),
    (Topic::Listen, b'D'),
    (Topic::Stay, b'S'),
    (Topic::Join, b'J'),
    (Topic::Leave, b'G'),
];

/// A message that has come.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: Topic,
    pub(super) text: String,
    pub(super) descriptors: Vec<OwnedFd>,
}

/// Two ends of a connection.
pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
}

/// Sends a message, and does not wait for a receiver whose queue is full.
pub(super) fn send(
    socket: impl AsFd,
    topic: Topic,
    text: &str,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), Errno> {
    let entry = TOPICS.iter().find(|(known, _)| *known == topic);
    let byte = entry.map_or(0, |(_, byte)| *byte);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::TOOBIG);
    }
    let parts = [
        IoSlice::new(std::slice::from_ref(&byte)),
        IoSlice::new(text.as_bytes()),
    ];
    // A closed other side is an error number, no SIGPIPE, which would end the host.
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(socket, &parts, &mut control, flags).map(drop)
}

/// Takes a message that has come; nothing where the other side is gone, or what came is not a message.
///
/// # Errors
///
/// EAGAIN where none has come.
pub(super) fn receive(socket: impl AsFd) -> Result<Option<Message>, Errno> {
    let mut bytes = [0_u8; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let parts = &mut [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, parts, &mut control, flags)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(all) = message {
            descriptors.extend(all);
        }
    }
    // What did not fit is lost: the end of the text, and descriptors, which the kernel has closed (unix(7)).
    let whole = !received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
    let message = bytes.get(..received.bytes).filter(|_| whole);
    Ok(message.and_then(|message| Message::of(message, descriptors)))
}

impl Message {
    fn of(bytes: &[u8], descriptors: Vec<OwnedFd>) -> Option<Self> {
        let (first, text) = bytes.split_first()?;
        let (topic, _) = TOPICS.iter().find(|(_, byte)| byte == first)?;
        Some(Self {
            topic: *topic,
            text: String::from_utf8_lossy(text).into_owned(),
            descriptors,
        })
    }
}
