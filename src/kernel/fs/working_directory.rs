//! The working directory: a relative name means the same file before and after a change of namespaces.

use crate::error::{Error, Result};
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::mount;
use crate::kernel::mount::mount_table;
use crate::kernel::sys::{self, Difference};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

/// The flags by which a directory is opened that is to be the working directory again.
const FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The directory that the calling thread worked in when this was made, as an open descriptor.
#[derive(Debug)]
pub(in crate::kernel) struct OpenDirectory {
    directory: OwnedFd,
    /// Device and inode; nothing where the file system refuses root, as another user's FUSE.
    identity: Option<FileIdentity>,
    /// The user and the group that own it: they may enter it where root may not.
    owner: Option<(Uid, Gid)>,
}

/// The place of a directory that was a working directory: its path, and the identity that distinguishes it from another
/// one there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its path below the root directory; nothing where it was removed or lies outside.
    path: Option<String>,
    /// Device and inode; nothing where the file system refuses root.
    identity: Option<FileIdentity>,
}

/// The directory that the calling thread worked in when this was made, as an open descriptor, and its place.
#[derive(Debug)]
pub struct WorkingDirectory {
    /// The directory itself; nothing where it could not be opened.
    directory: Option<OpenDirectory>,
    location: Location,
}

impl OpenDirectory {
    /// Opens the calling thread's.
    ///
    /// # Errors
    ///
    /// The error number of open(2).
    pub(in crate::kernel) fn own() -> Result<Self, Errno> {
        // `.` is looked up in the directory, which FUSE and NFS may refuse root; the link in /proc is not.
        let open = |path| rustix::fs::open(path, FLAGS, Mode::empty());
        let directory = open(".").or_else(|_| open("/proc/thread-self/cwd"))?;
        let status = rustix::fs::fstat(&directory).ok();
        let owner = |status: &Stat| (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
        Ok(Self {
            identity: status.as_ref().map(FileIdentity::of),
            owner: status
                .as_ref()
                .map(owner)
                .or_else(|| owner_of_mount(&directory)),
            directory,
        })
    }

    /// Makes it the calling thread's working directory, in whatever namespace its mount is. Where root may not enter
    /// it, as on another user's FUSE or on NFS, its owner does so.
    ///
    /// # Errors
    ///
    /// The error number of fchdir(2).
    pub(in crate::kernel) fn enter(&self) -> Result<(), Errno> {
        match (rustix::process::fchdir(&self.directory), self.owner) {
            // FUSE without `allow_other` and NFS with `root_squash` let the owner in, and not root.
            (Err(Errno::ACCESS | Errno::PERM), Some(owner)) => enter_as(owner, &self.directory),
            (entered, _) => entered,
        }
    }
}

impl Location {
    /// Opens it at its path, if that leads to the very same directory in the present mount namespace.
    fn open(&self) -> Option<OwnedFd> {
        let known = self.identity?;
        self.open_path(|identity| identity == Some(known))
    }

    /// Opens it at its path, unless that leads to another directory. One whose identity is not known, after a fault or on a
    /// user's FUSE, is taken for the same: only in the namespaces and the root directory that it was in.
    fn open_where_it_was(&self) -> Option<OwnedFd> {
        self.open_path(|identity| self.identity.is_none() || identity == self.identity)
    }

    fn open_path(&self, is_it: impl Fn(Option<FileIdentity>) -> bool) -> Option<OwnedFd> {
        // A path in which bytes were replaced is the name of another directory, or of none.
        let is_whole = |path: &&str| !path.contains(char::REPLACEMENT_CHARACTER);
        let there = mount::reopen(self.path.as_deref().filter(is_whole)?).ok()?;
        let status = rustix::fs::fstat(&there).ok();
        is_it(status.as_ref().map(FileIdentity::of)).then_some(there)
    }
}

impl WorkingDirectory {
    /// Remembers the calling thread's. Where its path is not UTF-8, what is not is replaced: such a path still tells
    /// whether it lies below another one, and leads nowhere.
    #[must_use]
    pub fn own() -> Self {
        let bytes = rustix::process::getcwd(Vec::new()).ok();
        let path = bytes.map(|bytes| bytes.to_string_lossy().into_owned());
        let directory = OpenDirectory::own().ok();
        let location = Location {
            // The kernel writes "(unreachable)" before the path of one that is outside of the root directory
            // (getcwd(2)).
            path: path.filter(|path| path.starts_with('/')),
            identity: directory.as_ref().and_then(|directory| directory.identity),
        };
        Self {
            directory,
            location,
        }
    }

    /// Its path, below the root directory.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.location.path.as_deref()
    }

    /// Its place, which can be remembered without a descriptor.
    #[must_use]
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// Whether its owner is one of these users.
    #[must_use]
    pub(crate) fn is_owned_by(&self, users: &[u32]) -> bool {
        let owner = self.owner().map(|(uid, _)| uid.as_raw());
        owner.is_some_and(|owner| users.contains(&owner))
    }

    /// Whether it is the calling thread's still.
    #[must_use]
    pub(crate) fn is_present(&self) -> bool {
        let present = Self::own();
        match (self.location.identity, present.location.identity) {
            // The file system says nothing to root; one of the same owner at the same path is the same.
            (None, None) => {
                let is_known = self.location.path.is_some() && self.owner().is_some();
                is_known && (&self.location, self.owner()) == (&present.location, present.owner())
            }
            (known, present) => known == present,
        }
    }

    fn owner(&self) -> Option<(Uid, Gid)> {
        self.directory.as_ref()?.owner
    }

    /// Moves to it at its path, if that leads to the very same directory in the present mount namespace. Returns whether
    /// it does.
    #[must_use]
    pub(crate) fn find_again(&self) -> bool {
        let there = self.location.open();
        there.is_some_and(|there| rustix::process::fchdir(there).is_ok())
    }

    /// Makes it the calling thread's again: at its path if it is there, and otherwise as the kernel keeps the working
    /// directory of everybody else, wherever it is. It is never another directory that has the same path.
    ///
    /// # Errors
    ///
    /// Neither root nor its owner may enter it.
    pub(crate) fn restore(&self) -> Result<()> {
        // At its path its mount is one of the present namespace, and `..` leads through that.
        if self.is_present() || self.find_again() {
            return Ok(());
        }
        let directory = self.directory.as_ref().ok_or(Errno::NOENT);
        let entered = directory.and_then(OpenDirectory::enter);
        let path = self.path().unwrap_or("that was removed or is out of reach");
        let object = format_args!("the working directory {path}");
        entered.map_err(|errno| Error::from_errno("keep", object, errno))
    }

    /// Makes it the calling thread's again, as [`WorkingDirectory::restore`] does, where the thread has just entered
    /// another mount namespace and is at the top of that.
    ///
    /// # Errors
    ///
    /// As [`WorkingDirectory::restore`].
    pub(crate) fn restore_in_view(&self) -> Result<()> {
        match self.find_again() {
            true => Ok(()),
            false => self.restore(),
        }
    }

    /// The place of the working directory that the calling thread has now, which is this one's where its path is the
    /// same: in a view of the root directory that this one was in, to which it was restored.
    #[must_use]
    pub(crate) fn restored_location(&self) -> Location {
        let path = rustix::process::getcwd(Vec::new()).ok();
        let is_same = path.is_some_and(|path| path.to_str().ok() == self.path());
        match is_same {
            true => self.location.clone(),
            false => Self::own().location,
        }
    }

    /// Makes `before` the working directory of the calling thread again, or this one where that is not the directory
    /// `left` any more, in which the host process was left: it has moved by itself since. Either is looked for at its
    /// path in the present view; where that leads elsewhere, this one, if it is the one wanted, is entered by its
    /// descriptor. Otherwise the working directory stays what it is, the root directory of that view.
    ///
    /// # Errors
    ///
    /// Neither root nor its owner may enter it.
    pub(crate) fn return_to(&self, before: &Location, left: &Location) -> Result<()> {
        let own = &self.location;
        // An identity that is not known, after a fault or on a user's FUSE, is no sign of it.
        let identities = own.identity.zip(left.identity);
        let has_moved = identities.is_some_and(|(present, left)| present != left);
        let wanted = if has_moved { own } else { before };
        let entered = match (wanted.open_where_it_was(), &self.directory) {
            (Some(there), _) => rustix::process::fchdir(there),
            (None, Some(directory)) if own.identity == wanted.identity => directory.enter(),
            (None, _) => Ok(()),
        };
        entered.map_err(|errno| Error::from_errno("return to", "the working directory", errno))
    }

    /// Moves to it at its path, or to `/` where that does not lead to it: in another root directory, one that is
    /// kept open is a way out.
    ///
    /// # Errors
    ///
    /// fchdir(2) failed.
    pub(crate) fn restore_within_new_root(&self) -> Result<()> {
        if self.find_again() {
            return Ok(());
        }
        let top = mount::reopen("/")?;
        rustix::process::fchdir(&top).map_err(|errno| Error::from_errno("enter", "/", errno))
    }
}

/// Enters a directory by fchdir(2) with the ids of its owner alone: FUSE wants all of them to be those of the mount's owner.
/// A child does it that shares the working directory with the calling thread and nothing else: ids are the process's own, and one that
/// gave up root's even for a moment could be stopped there by the user.
#[allow(unsafe_code, reason = "what the child does is known here alone")]
fn enter_as((uid, gid): (Uid, Gid), directory: &OwnedFd) -> Result<(), Errno> {
    let enter = || match become_and_enter(uid, gid, directory) {
        Ok(()) => libc::EXIT_SUCCESS,
        Err(errno) => errno.raw_os_error(),
    };
    // SAFETY: the child makes four system calls.
    let child = unsafe { sys::clone_process(Difference::SharedDirectories, 0, enter) }?;
    match child.exit_status() {
        Some(libc::EXIT_SUCCESS) => Ok(()),
        Some(number) => Err(Errno::from_raw_os_error(number)),
        None => Err(Errno::ACCESS),
    }
}

fn become_and_enter(uid: Uid, gid: Gid, directory: &OwnedFd) -> Result<(), Errno> {
    // The user id last: with root's, the capability to change the others is gone (capabilities(7)).
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    rustix::process::fchdir(directory)
}

/// Finds the user and the group who mounted the FUSE file system of a directory that root may not examine: `user_id` and
/// `group_id` in the mount table (fuse(8)).
fn owner_of_mount(directory: &OwnedFd) -> Option<(Uid, Gid)> {
    let id = mount::id_of(directory, ".").ok()?;
    let table = mount_table::read("/proc/thread-self/mountinfo").ok()?;
    let mount = table.iter().find(|mount| mount.id == id)?;
    let number = |name| mount.option(name)?.parse().ok();
    Some((
        Uid::from_raw(number("user_id")?),
        Gid::from_raw(number("group_id")?),
    ))
}
