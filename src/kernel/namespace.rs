//! Mount namespaces: the present one, that of another process, and how one is known again.

pub mod guard;
pub mod kind;
pub mod network;
pub mod user_namespace;
pub(crate) mod vault;

use crate::error::{Error, Result};
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::mount::filesystem;
use crate::kernel::sys::{self, NamespaceRequest};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, Statx, StatxFlags};
use rustix::io::Errno;
use rustix::process::PidfdFlags;
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::sync::Arc;

/// A type of namespaces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    /// The calling thread's own entry: in a threaded host, namespaces are each thread's.
    own: &'static str,
    flag: i32,
    /// The request of a pidfd that opens it without /proc.
    request: NamespaceRequest,
    /// The name of the namespace in messages.
    title: &'static str,
}

impl Type {
    pub(super) const MOUNT: Self = Self {
        own: "/proc/thread-self/ns/mnt",
        flag: libc::CLONE_NEWNS,
        request: NamespaceRequest::Mount,
        title: "mount",
    };
    pub(super) const IPC: Self = Self {
        own: "/proc/thread-self/ns/ipc",
        flag: libc::CLONE_NEWIPC,
        request: NamespaceRequest::Ipc,
        title: "IPC",
    };
    pub(super) const UTS: Self = Self {
        own: "/proc/thread-self/ns/uts",
        flag: libc::CLONE_NEWUTS,
        request: NamespaceRequest::Uts,
        title: "UTS",
    };
    pub(super) const NET: Self = Self {
        own: "/proc/thread-self/ns/net",
        flag: libc::CLONE_NEWNET,
        request: NamespaceRequest::Net,
        title: "network",
    };
    const USER: Self = Self {
        own: "/proc/thread-self/ns/user",
        flag: libc::CLONE_NEWUSER,
        request: NamespaceRequest::User,
        title: "user",
    };
}

/// Magic number of the file system that namespaces are files of (statfs(2)).
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// A mount namespace as an open file: it lives, and its numbers are not given to another one.
#[derive(Debug, Clone)]
pub struct Namespace {
    file: Arc<OwnedFd>,
    identity: Identity,
}

/// The identity of a mount namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The inode number, which `ls -l /proc/PID/ns` shows. The kernel gives it to another namespace once
    /// this one has ended.
    pub inode: u64,
    /// The number that no other namespace has until the machine is started again (Linux 6.11).
    pub id: Option<u64>,
}

/// The identity of a root directory while a process stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Root {
    /// The device of its file system, as stat(2) numbers it.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// The id of the mount that it is on (Linux 5.8).
    pub mount: u64,
}

impl std::fmt::Display for Identity {
    /// Writes it like `ls -l /proc/PID/ns`: `mnt:[4026531841]`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mnt:[{}]", self.inode)
    }
}

impl From<Namespace> for Arc<OwnedFd> {
    fn from(namespace: Namespace) -> Self {
        namespace.file
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Namespace {
    /// The calling thread's: by /proc or, without it, by a pidfd (Linux 6.11) or a /proc that is made for it.
    ///
    /// # Errors
    ///
    /// /proc is not mounted, the kernel is older than that, and the process may not make one.
    pub fn own() -> Result<Self> {
        // A file that says its number needs no other proof that it is one.
        if let Some(own) = open(Type::MOUNT.own).ok().and_then(Self::numbered) {
            return Ok(own);
        }
        Self::from_namespace_file(open_own()?).ok_or_else(|| not_found(Type::MOUNT, Errno::NOTTY))
    }

    /// Opens that of the process `pid`; nothing where the process is gone or may not be looked at.
    #[must_use]
    pub fn of_process(pid: u32) -> Option<Self> {
        let file = open(&format!("/proc/{pid}/ns/mnt")).ok()?;
        Self::from_file(file)
    }

    /// The mount namespace that an open file stands for, such as one bound to a path; nothing where the
    /// file is something else.
    #[must_use]
    pub fn from_file(file: OwnedFd) -> Option<Self> {
        is_of_nsfs(&file).then(|| Self::from_namespace_file(file))?
    }

    /// Takes an open mount namespace that has a number; nothing where the file is something else.
    fn numbered(file: OwnedFd) -> Option<Self> {
        let id = number_of(&file)?;
        Self::identified(file, Some(id))
    }

    fn identified(file: OwnedFd, id: Option<u64>) -> Option<Self> {
        let inode = rustix::fs::fstat(&file).ok()?.st_ino;
        Some(Self {
            file: Arc::new(file),
            identity: Identity { inode, id },
        })
    }

    /// Takes a file that stands for a namespace; nothing where that is no mount namespace.
    fn from_namespace_file(file: OwnedFd) -> Option<Self> {
        let number = || sys::id_of_mount_namespace(file.as_fd());
        // Without its number the ledger would not know it again: what failed for a moment is tried again.
        let id = number().or_else(|_| number()).ok();
        // No other type of namespace has such a number (ioctl_nsfs(2)).
        let is_mount_namespace = id.is_some() || is_of_type(Type::MOUNT, &file);
        is_mount_namespace.then(|| Self::identified(file, id))?
    }

    /// Takes an open file that is the namespace `expected`, by the number that no other one has (Linux 6.11); gives back
    /// any other file, and one of a namespace that has no such number.
    ///
    /// # Errors
    ///
    /// The file.
    pub(crate) fn known(file: OwnedFd, expected: Identity) -> Result<Self, OwnedFd> {
        match expected.id.is_some_and(|id| is_numbered(&file, id)) {
            true => Ok(Self {
                file: Arc::new(file),
                identity: expected,
            }),
            false => Err(file),
        }
    }

    /// Returns the identity of the namespace.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The user who has made the user namespace that it belongs to, or the one around that which was made in the
    /// calling thread's; nothing where it belongs to the calling thread's own, or that is not known.
    #[must_use]
    pub(crate) fn maker(&self) -> Option<u32> {
        /// The depth to which user namespaces go (user_namespaces(7)).
        const DEPTH: usize = 33;
        let own_file = open_own_of(Type::USER).ok()?;
        let own = rustix::fs::fstat(&own_file).ok()?.st_ino;
        let mut owner = sys::open_namespace(self.file.as_fd(), NamespaceRequest::Owner).ok()?;
        for _ in 0..DEPTH {
            if rustix::fs::fstat(&owner).ok()?.st_ino == own {
                return None;
            }
            // Outside of the calling thread's own, the kernel refuses this with EPERM (ioctl_nsfs(2)).
            let parent = sys::open_namespace(owner.as_fd(), NamespaceRequest::Parent).ok()?;
            if rustix::fs::fstat(&parent).ok()?.st_ino == own {
                return sys::maker_of_user_namespace(owner.as_fd()).ok();
            }
            owner = parent;
        }
        None
    }

    /// Whether it belongs to the user namespace of the calling thread: not to one that a user has made,
    /// in which that user decides what is mounted.
    #[must_use]
    pub(crate) fn is_of_own_user_namespace(&self) -> bool {
        is_owned_by_own_user_namespace(&self.file)
    }
}

/// The number of an open mount namespace, which no other one has until the machine is started again; nothing for another
/// file, and before Linux 6.11.
#[must_use]
pub(crate) fn number_of(file: impl AsFd) -> Option<u64> {
    sys::id_of_mount_namespace(file.as_fd()).ok()
}

/// Whether an open file is the mount namespace that has this number.
#[must_use]
pub(crate) fn is_numbered(file: impl AsFd, number: u64) -> bool {
    number_of(file) == Some(number)
}

/// The user namespace of the calling thread, found when something is compared with it.
#[derive(Debug, Default)]
pub struct OwnUserNamespace(OnceCell<FileIdentity>);

impl OwnUserNamespace {
    /// Finds it now: before the thread is where no /proc is.
    ///
    /// # Errors
    ///
    /// As [`Namespace::own`].
    pub fn find() -> Result<Self> {
        let own = Self::default();
        own.identity()?;
        Ok(own)
    }

    fn identity(&self) -> Result<FileIdentity> {
        if let Some(known) = self.0.get() {
            return Ok(*known);
        }
        // One call where /proc is mounted and shows this process.
        let status = match rustix::fs::stat(Type::USER.own) {
            Ok(status) => status,
            Err(_) => rustix::fs::fstat(open_own_of(Type::USER)?)
                .map_err(|errno| not_found(Type::USER, errno))?,
        };
        Ok(*self.0.get_or_init(|| FileIdentity::of(&status)))
    }

    /// Whether an open file is a mount namespace that belongs to it.
    ///
    /// # Errors
    ///
    /// As [`OwnUserNamespace::find`].
    pub(crate) fn owns_mount_namespace(&self, file: impl AsFd) -> Result<bool> {
        let is_one = sys::type_of_namespace(file.as_fd()) == Ok(Type::MOUNT.flag);
        Ok(is_one && self.owns(file)?)
    }

    /// Whether an open namespace belongs to it. No path is looked up once it is found.
    ///
    /// # Errors
    ///
    /// As [`OwnUserNamespace::find`].
    pub fn owns(&self, namespace: impl AsFd) -> Result<bool> {
        let own = self.identity()?;
        let owner = sys::open_namespace(namespace.as_fd(), NamespaceRequest::Owner);
        let status = owner.and_then(rustix::fs::fstat);
        Ok(status.is_ok_and(|status| FileIdentity::of(&status) == own))
    }
}

/// Whether an open namespace belongs to the user namespace of the calling thread.
pub(super) fn is_owned_by_own_user_namespace(file: &OwnedFd) -> bool {
    OwnUserNamespace::default().owns(file) == Ok(true)
}

/// The inode number of an open namespace of that type; nothing for any other file.
pub(super) fn opened_as(wanted: Type, file: &OwnedFd) -> Option<u64> {
    let is_it = is_of_nsfs(file) && is_of_type(wanted, file);
    let status = is_it.then(|| rustix::fs::fstat(file).ok())??;
    Some(status.st_ino)
}

/// Whether a file that stands for a namespace stands for one of that type.
fn is_of_type(wanted: Type, file: &OwnedFd) -> bool {
    sys::type_of_namespace(file.as_fd()) == Ok(wanted.flag)
}

pub(super) fn open(path: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// The calling thread's mount namespace as a file.
pub(super) fn open_own() -> Result<OwnedFd> {
    open_own_of(Type::MOUNT)
}

/// The calling thread's namespace of that type as a file.
pub(super) fn open_own_of(wanted: Type) -> Result<OwnedFd> {
    // /proc first, where it is mounted and shows this process: the pidfd answers since Linux 6.11 alone.
    let by_proc = open(wanted.own).ok().filter(is_of_nsfs);
    match by_proc {
        Some(own) => Ok(own),
        None => by_pidfd(wanted)
            .or_else(|errno| by_proc_of_its_own(wanted).ok_or_else(|| not_found(wanted, errno))),
    }
}

/// Opens it by a /proc that is made for this one question, before Linux 6.11: that of the session may show a PID namespace
/// of its own, which this process is not in.
fn by_proc_of_its_own(wanted: Type) -> Option<OwnedFd> {
    let proc = filesystem::proc(0, "/proc").ok()?;
    let path = wanted.own.strip_prefix("/proc/")?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let own = rustix::fs::openat(proc, path, flags, Mode::empty()).ok()?;
    is_of_nsfs(&own).then_some(own)
}

fn is_of_nsfs(file: &OwnedFd) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|status| status.f_type == NSFS_MAGIC)
}

fn not_found(wanted: Type, errno: Errno) -> Error {
    let object = format_args!("the {} namespace of this process", wanted.title);
    let error = Error::from_errno("find", object, errno);
    match errno {
        Errno::NOTTY | Errno::INVAL | Errno::NOSYS => error.because(
            "/proc is not mounted, cannot be made, and is the only place where this kernel names namespaces \
             (a pidfd does since Linux 6.11)",
        ),
        _ => error,
    }
}

fn by_pidfd(wanted: Type) -> Result<OwnedFd, Errno> {
    /// `PIDFD_THREAD` (Linux 6.9).
    const THREAD: PidfdFlags = PidfdFlags::from_bits_retain(libc::O_EXCL.cast_unsigned());
    let pidfd = rustix::process::pidfd_open(rustix::thread::gettid(), THREAD)?;
    sys::open_namespace(pidfd.as_fd(), wanted.request)
}

/// The inode number of a process's mount namespace, without holding it.
///
/// # Errors
///
/// The error number of stat(2): ENOENT when the process is gone.
pub(crate) fn inode_of_process(pid: u32) -> Result<u64, Errno> {
    rustix::fs::stat(format!("/proc/{pid}/ns/mnt")).map(|status| status.st_ino)
}

/// The inode number of the calling thread's mount namespace.
///
/// # Errors
///
/// The error number of stat(2): ENOENT where /proc is not mounted.
pub fn own_inode() -> Result<u64, Errno> {
    rustix::fs::stat(Type::MOUNT.own).map(|status| status.st_ino)
}

/// The name of the calling thread's mount namespace as `ls -l /proc/self/ns` shows it: `mnt:[4026531841]`.
///
/// # Errors
///
/// The kernel does not say.
pub fn name() -> Result<String> {
    Namespace::own().map(|own| own.identity().to_string())
}

impl Root {
    /// Finds the root directory of the calling thread.
    ///
    /// # Errors
    ///
    /// statx(2) failed.
    pub fn own() -> Result<Self> {
        let mask = StatxFlags::INO | StatxFlags::MNT_ID;
        rustix::fs::statx(rustix::fs::CWD, "/", AtFlags::empty(), mask)
            .map(|status| Self::of(&status))
            .map_err(|errno| Error::from_errno("examine", "/", errno))
    }

    /// Finds the root directory of another process, `/proc/PID/root`, without asking its file system: a user's FUSE
    /// refuses root's questions, or lets them wait. Its inode is 0 where only the file system knows it (Linux 5.17).
    ///
    /// # Errors
    ///
    /// The error number of statx(2).
    pub(crate) fn unasked(path: &str) -> Result<Self, Errno> {
        let flags = AtFlags::STATX_DONT_SYNC;
        let status = rustix::fs::statx(rustix::fs::CWD, path, flags, StatxFlags::empty());
        status.map(|status| Self::of(&status))
    }

    fn of(status: &Statx) -> Self {
        Self {
            device: rustix::fs::makedev(status.stx_dev_major, status.stx_dev_minor),
            inode: status.stx_ino,
            mount: status.stx_mnt_id,
        }
    }
}

/// Checks that the process may leave for a new namespace and come back. unshare(2) needs CAP_SYS_ADMIN. The way back
/// by setns(2) needs CAP_SYS_CHROOT as well, and a login that could not be undone must not begin.
///
/// # Errors
///
/// Which capability it lacks.
pub(crate) fn check_capabilities() -> Result<()> {
    let sets = rustix::thread::capabilities(None)
        .map_err(|errno| Error::from_errno("create", "a mount namespace", errno))?;
    for (capability, name) in [
        (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
        (CapabilitySet::SYS_CHROOT, "CAP_SYS_CHROOT"),
    ] {
        if !sets.effective.contains(capability) {
            let reason = format!("the process lacks {name}");
            return Err(Error::new("create", "a mount namespace", reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proc_of_its_own_names_the_same_namespace() {
        for wanted in [Type::MOUNT, Type::NET, Type::USER] {
            let found =
                by_proc_of_its_own(wanted).map(|file| rustix::fs::fstat(file).unwrap().st_ino);
            let expected = rustix::fs::stat(wanted.own).unwrap().st_ino;
            // Who has no rights cannot make one.
            assert_eq!(found, check_capabilities().is_ok().then_some(expected));
        }
    }
}
