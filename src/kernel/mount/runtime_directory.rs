//! Runtime directories of users (`/run/user/UID`, pam_systemd(8)), where the host has `/run/user` as a mount of its own.
//!
//! Each of them is a mount, and a copy of a mount namespace has a copy of all. Where `/run/user` is a mount, whose peers
//! are not those of `/run`, one umount2(2) takes them out of the copy, and none that comes later appears in it. The user's
//! own directory is then attached in a small read-only file system that hides the names of the others.
//!
//! What is attached follows the host: where systemd-logind mounts a directory later, it appears on the empty one that was
//! attached before. systemd-logind removes it with the last session of the user and makes another one for the next: whoever
//! joins the namespace then looks whether it shows the present one ([`Shown::is_here`]), and has it attached ([`Shown::renew`]).

use crate::error::{Error, Result};
use crate::kernel::fs::directory::open_directory;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::label;
use crate::kernel::mount::{self, AttributeChange, Extent, Memory, Preparation, Travel, attribute};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatVfsMountFlags, StatxFlags};
use rustix::io::Errno;

/// The directory that holds them.
pub const PARENT: &str = "/run/user";

/// The number of mounts at one path that are taken away, one after the other.
const MOST_MOUNTS: usize = 16;

/// The path of the runtime directory of the user `uid`.
#[must_use]
pub fn path_of(uid: u32) -> String {
    format!("{PARENT}/{uid}")
}

/// Whether the present namespace has [`PARENT`] as a mount of its own, in which mounts can be made. That of a session is
/// read-only.
///
/// # Errors
///
/// It cannot be examined.
pub fn is_separate() -> Result<bool> {
    Ok(open_separate()?.is_some())
}

fn open_separate() -> Result<Option<OwnedFd>> {
    if !mount::is_mount_point(PARENT) {
        return Ok(None);
    }
    let parent = mount::reopen(PARENT)?;
    let status = rustix::fs::fstatvfs(&parent)
        .map_err(|errno| Error::from_errno("examine", PARENT, errno))?;
    let is_read_only = status.f_flag.contains(StatVfsMountFlags::RDONLY);
    Ok((!is_read_only).then_some(parent))
}

/// A user's own runtime directory, and what hides those of the others, attached nowhere yet.
#[derive(Debug)]
pub struct OwnDirectory {
    uid: u32,
    /// The read-only file system, with an empty directory for the user's.
    parent: OwnedFd,
    /// The identity of the root of `parent`.
    identity: FileIdentity,
    directory: OwnedFd,
}

impl OwnDirectory {
    /// Prepares that of the user `uid` in the host's namespace, to which mounts travel as `travel` says. Nothing where
    /// [`PARENT`] is no mount of its own ([`is_separate`]).
    ///
    /// # Errors
    ///
    /// It cannot be made or cloned.
    pub(crate) fn prepare(uid: u32, travel: Travel) -> Result<Option<Self>> {
        let Some(parent) = open_separate()? else {
            return Ok(None);
        };
        let directory = clone(&parent, uid, travel)?;
        let parent = empty_parent(uid, &parent)?;
        let status = rustix::fs::fstat(&parent)
            .map_err(|errno| Error::from_errno("examine", PARENT, errno))?;
        Ok(Some(Self {
            uid,
            parent,
            identity: FileIdentity::of(&status),
            directory,
        }))
    }

    /// Takes all runtime directories out of the present namespace.
    ///
    /// # Errors
    ///
    /// umount2(2) failed: EINVAL in a container whose `/run/user` is that of what is around it. Nothing has changed then.
    pub(crate) fn detach_all() -> Result<()> {
        mount::detach(PARENT)
    }

    /// Attaches the user's own in the present namespace, after [`OwnDirectory::detach_all`].
    ///
    /// # Errors
    ///
    /// move_mount(2) failed.
    pub(crate) fn attach(&self) -> Result<()> {
        mount::attach(&self.parent, mount::reopen(PARENT)?, PARENT)?;
        let path = path_of(self.uid);
        // By way of the mount that is attached now.
        let point = open(&self.parent, self.uid)
            .map_err(|errno| Error::from_errno("open", &path, errno))?;
        mount::attach(&self.directory, point, &path)
    }

    /// Returns the identity of what hides the others' directories.
    pub(crate) fn identity(&self) -> FileIdentity {
        self.identity
    }
}

/// The runtime directory of a user as a path leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown(Option<FileIdentity>);

impl Shown {
    /// Finds what the present namespace shows for the user `uid`. The file system is not asked: it may be a user's.
    #[must_use]
    pub fn here(uid: u32) -> Self {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
        let status = rustix::fs::statx(CWD, path_of(uid), flags, StatxFlags::empty());
        Self(status.ok().map(|status| FileIdentity {
            device: rustix::fs::makedev(status.stx_dev_major, status.stx_dev_minor),
            inode: status.stx_ino,
        }))
    }

    /// Whether the user has no runtime directory.
    #[must_use]
    pub fn is_missing(self) -> bool {
        self.0.is_none()
    }

    /// Whether the present namespace shows the same one for the user `uid`.
    #[must_use]
    pub fn is_here(self, uid: u32) -> bool {
        !self.is_missing() && Self::here(uid) == self
    }

    /// Takes what the present namespace shows for the user `uid` away, as far as it is not this one. `parent` is what
    /// hides the others' directories there ([`OwnDirectory::identity`]).
    ///
    /// # Errors
    ///
    /// Something else is mounted on [`PARENT`], or umount2(2) failed.
    pub(crate) fn detach_others(self, uid: u32, parent: FileIdentity) -> Result<()> {
        let place = mount::reopen(PARENT)?;
        let status = rustix::fs::fstat(&place)
            .map_err(|errno| Error::from_errno("examine", PARENT, errno))?;
        if FileIdentity::of(&status) != parent {
            return Err(Error::new("use", PARENT, "another mount covers it"));
        }
        let path = path_of(uid);
        for _ in 0..MOST_MOUNTS {
            if self.is_here(uid) || !mount::is_mount_point(&path) {
                break;
            }
            mount::detach(&path)?;
        }
        Ok(())
    }

    /// Attaches `directory`, a clone of this one, in the present namespace, and takes away what that shows instead. Otherwise
    /// as [`Shown::detach_others`].
    ///
    /// # Errors
    ///
    /// As [`Shown::detach_others`], or move_mount(2) failed.
    pub(crate) fn renew(self, directory: &OwnedFd, uid: u32, parent: FileIdentity) -> Result<()> {
        self.detach_others(uid, parent)?;
        if self.is_here(uid) {
            return Ok(());
        }
        let path = path_of(uid);
        mount::attach(directory, mount::reopen(&path)?, &path)
    }
}

/// Clones that of the user `uid` in the host's namespace, as [`OwnDirectory::prepare`] does, and says what the host shows.
///
/// # Errors
///
/// It cannot be made or cloned, or [`PARENT`] is no mount of its own any more.
pub(crate) fn clone_on_host(uid: u32, travel: Travel) -> Result<(OwnedFd, Shown)> {
    let gone = || Error::new("use", PARENT, "it is no mount of its own any more");
    let parent = open_separate()?.ok_or_else(gone)?;
    let directory = clone(&parent, uid, travel)?;
    Ok((directory, Shown::here(uid)))
}

/// Clones a user's directory with what is mounted in it. Where there is none yet, an empty one of root's is made, on which
/// systemd-logind mounts the user's: what is mounted there appears in clones of it, and of nothing less.
fn clone(parent: &OwnedFd, uid: u32, travel: Travel) -> Result<OwnedFd> {
    let path = path_of(uid);
    let opened = || open(parent, uid);
    let directory = match opened() {
        Err(Errno::NOENT) => make(parent, uid).and_then(|()| opened()),
        opened => opened,
    };
    let directory = directory.map_err(|errno| Error::from_errno("open", &path, errno))?;
    let clone = mount::clone_tree(directory, Extent::Tree, &path)?;
    mount::prepare(&clone, Preparation::of_travel(Extent::Tree, travel), &path)?;
    Ok(clone)
}

/// Makes an empty, read-only file system with a directory for the user's, and with the SELinux label of the host's.
fn empty_parent(uid: u32, of_host: &OwnedFd) -> Result<OwnedFd> {
    let memory = Memory {
        bytes: 4096,
        inodes: 2,
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let attributes = attribute::NO_SUID | attribute::NO_DEV | attribute::NO_EXEC;
    let parent = mount::memory(&memory, attributes, PARENT)?;
    make(&parent, uid).map_err(|errno| Error::from_errno("create", path_of(uid), errno))?;
    if label::is_enforceable() {
        let root = open_directory(&parent, ".")
            .map_err(|errno| Error::from_errno("open", PARENT, errno))?;
        label::copy(root, of_host, PARENT)?;
    }
    let read_only = AttributeChange::default().set(attribute::READ_ONLY);
    mount::prepare(&parent, Preparation::of_private_mount(read_only), PARENT)?;
    Ok(parent)
}

/// Makes an empty directory of root's, which nobody else may enter, unless there is one.
fn make(parent: &OwnedFd, uid: u32) -> Result<(), Errno> {
    match rustix::fs::mkdirat(parent, uid.to_string(), Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}

fn open(parent: impl AsFd, uid: u32) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, uid.to_string(), flags, Mode::empty())
}
