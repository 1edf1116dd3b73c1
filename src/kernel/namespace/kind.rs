//! The namespaces that a session can have of its own besides its mount namespace: IPC, UTS and network.

use crate::error::{Error, Result};
use crate::kernel::namespace::{
    Namespace, Type, is_owned_by_own_user_namespace, open, open_own_of, opened_as,
};
use nix::sched::CloneFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use serde::{Deserialize, Serialize};

/// The kinds of namespaces that can go with a mount namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// System V IPC and POSIX message queues (ipc_namespaces(7)).
    Ipc,
    /// The host name (uts_namespaces(7)).
    Uts,
    /// Network devices, addresses, ports and abstract sockets (network_namespaces(7)).
    Net,
}

/// A namespace of another kind than mount namespaces, open: it lives, and its number is not given to another one.
#[derive(Debug)]
pub struct OtherNamespace {
    kind: Kind,
    file: OwnedFd,
    inode: u64,
}

/// A mount namespace, and others that go with it.
#[derive(Debug)]
pub struct Namespaces {
    /// The mount namespace.
    pub mount: Namespace,
    /// The others.
    pub others: Vec<OtherNamespace>,
}

impl Namespaces {
    /// Opens the mount namespace of the process `pid`, and those of `kinds` that belong to the user namespace of the
    /// calling thread; nothing where its mount namespace does not, or the process is gone or may not be looked at.
    #[must_use]
    pub fn of_process(pid: u32, kinds: &[Kind]) -> Option<Self> {
        let mount = Namespace::of_process(pid)?;
        let kinds = kinds.iter().copied();
        let others = kinds.filter_map(|kind| OtherNamespace::of_process(kind, pid));
        mount.is_of_own_user_namespace().then(|| Self {
            mount,
            others: others
                .filter(OtherNamespace::is_of_own_user_namespace)
                .collect(),
        })
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ipc, Self::Uts, Self::Net];

    /// Its name in `/proc/PID/ns`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Net => "net",
        }
    }

    pub(in crate::kernel) fn flag(self) -> CloneFlags {
        match self {
            Self::Ipc => CloneFlags::CLONE_NEWIPC,
            Self::Uts => CloneFlags::CLONE_NEWUTS,
            Self::Net => CloneFlags::CLONE_NEWNET,
        }
    }

    fn kernel_type(self) -> Type {
        match self {
            Self::Ipc => Type::IPC,
            Self::Uts => Type::UTS,
            Self::Net => Type::NET,
        }
    }
}

impl AsFd for OtherNamespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl OtherNamespace {
    /// Opens the calling thread's.
    ///
    /// # Errors
    ///
    /// /proc is not mounted and the kernel is older than Linux 6.11, or has no namespaces of that kind.
    pub fn own(kind: Kind) -> Result<Self> {
        let file = open_own_of(kind.kernel_type())?;
        let missing = || {
            Error::new(
                "find",
                format_args!("the {} namespace", kind.name()),
                "it is none",
            )
        };
        Self::from_file(kind, file).ok_or_else(missing)
    }

    /// Opens that of the process `pid`; nothing where the process is gone or may not be looked at.
    #[must_use]
    pub fn of_process(kind: Kind, pid: u32) -> Option<Self> {
        let file = open(&format!("/proc/{pid}/ns/{}", kind.name())).ok()?;
        Self::from_file(kind, file)
    }

    /// The namespace that an open file stands for, such as one bound to a path; nothing where the file is
    /// something else, or a namespace of another kind.
    #[must_use]
    pub fn from_file(kind: Kind, file: OwnedFd) -> Option<Self> {
        let inode = opened_as(kind.kernel_type(), &file)?;
        Some(Self { kind, file, inode })
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its inode number, which `ls -l /proc/PID/ns` shows.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Whether it belongs to the user namespace of the calling thread.
    #[must_use]
    pub(crate) fn is_of_own_user_namespace(&self) -> bool {
        is_owned_by_own_user_namespace(&self.file)
    }
}

/// The inode numbers of the calling thread's namespaces, in the order of [`Kind::ALL`].
#[must_use]
pub(crate) fn own_inodes() -> [Option<u64>; 3] {
    Kind::ALL.map(own_inode)
}

/// The inode number of the calling thread's namespace; nothing where there are none of that kind.
#[must_use]
pub fn own_inode(kind: Kind) -> Option<u64> {
    let by_pidfd = || OtherNamespace::own(kind).ok().map(|own| own.inode());
    inode(kind, None).or_else(by_pidfd)
}

/// The inode number of a process's namespace, or the calling thread's; nothing where it cannot be found.
#[must_use]
pub fn inode(kind: Kind, pid: Option<u32>) -> Option<u64> {
    let process = pid.map_or_else(|| "thread-self".to_owned(), |pid| pid.to_string());
    let status = rustix::fs::stat(format!("/proc/{process}/ns/{}", kind.name()));
    status.ok().map(|status| status.st_ino)
}
