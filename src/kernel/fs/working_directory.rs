//! The working directory: a relative name means the same file before and after a change of namespaces.

use crate::error::{Error, Result};
use crate::kernel::deadline::{Deadline, Silent};
use crate::kernel::fs::asker::Asker;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::mount;
use crate::kernel::mount::mount_table;
use crate::kernel::namespace::Root;
use crate::kernel::process::question;
use crate::kernel::sys::{self, Difference};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxFlags, makedev};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::cell::RefCell;
use std::ffi::CString;

/// The flags by which a directory is opened that is to be the working directory again.
const FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The directory that the calling thread worked in when this was made, as an open descriptor.
#[derive(Debug)]
pub(in crate::kernel) struct OpenDirectory(OwnedFd);

/// Facts about a directory that the kernel knows without asking its file system.
#[derive(Debug, Clone, Copy)]
struct Known {
    identity: FileIdentity,
    /// The user and the group that own it.
    owner: (Uid, Gid),
    /// The number of the mount that it is on.
    mount: u64,
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
    /// The facts about it; nothing where the file system refuses root, as another user's FUSE.
    known: Option<Known>,
    /// The root directory that the thread had; nothing where that is not known.
    root: Option<Root>,
    /// The time by which its file system has to answer.
    deadline: RefCell<Deadline>,
}

impl OpenDirectory {
    /// Opens the calling thread's.
    ///
    /// # Errors
    ///
    /// The error number of open(2).
    pub(in crate::kernel) fn own() -> Result<Self, Errno> {
        // `.` is looked up in the directory, which FUSE and NFS may refuse root, or never answer; the link in /proc is not.
        let cached = || rustix::fs::openat2(CWD, ".", FLAGS, Mode::empty(), ResolveFlags::CACHED);
        let open = |path| rustix::fs::open(path, FLAGS, Mode::empty());
        cached()
            .or_else(|_| open("/proc/thread-self/cwd"))
            .or_else(|_| open("."))
            .map(Self)
    }

    /// The user and the group that own it: they may enter it where root may not.
    fn owner(&self) -> Option<(Uid, Gid)> {
        let known = Known::of(&self.0).map(|known| known.owner);
        known.or_else(|| owner_of_mount(&self.0))
    }

    /// Makes it the calling thread's working directory, in whatever namespace its mount is. Where root may not enter
    /// it, as on another user's FUSE or on NFS, its owner does so.
    ///
    /// # Errors
    ///
    /// The error number of fchdir(2).
    pub(in crate::kernel) fn enter(&self) -> Result<(), Errno> {
        match rustix::process::fchdir(&self.0) {
            // FUSE without `allow_other` and NFS with `root_squash` let the owner in, and not root.
            Err(refused @ (Errno::ACCESS | Errno::PERM)) => match self.owner() {
                Some(owner) => enter_as(owner, &self.0),
                None => Err(refused),
            },
            entered => entered,
        }
    }
}

impl Known {
    /// The facts about the working directory of the calling thread, which is the top of its mount namespace.
    fn of_present() -> Option<Self> {
        Self::of_path(CWD, ".", AtFlags::empty())
    }

    /// The facts about an open directory; nothing where its file system refuses root. What is cached is taken as it is
    /// (`AT_STATX_DONT_SYNC` of statx(2)): a server that is gone is not waited for.
    fn of(directory: impl AsFd) -> Option<Self> {
        Self::of_path(directory, "", AtFlags::EMPTY_PATH)
    }

    fn of_path(directory: impl AsFd, name: &str, flags: AtFlags) -> Option<Self> {
        let flags = flags | AtFlags::STATX_DONT_SYNC;
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        let status = rustix::fs::statx(directory, name, flags, wanted).ok()?;
        Some(Self {
            identity: FileIdentity {
                device: makedev(status.stx_dev_major, status.stx_dev_minor),
                inode: status.stx_ino,
            },
            owner: (Uid::from_raw(status.stx_uid), Gid::from_raw(status.stx_gid)),
            mount: status.stx_mnt_id,
        })
    }
}

impl Location {
    /// Opens it at its path, if that leads to the very same directory in the present mount namespace. A path that does not
    /// answer leads nowhere.
    fn open(&self, deadline: &Deadline) -> Option<OwnedFd> {
        let known = self.identity?;
        self.open_path(deadline, |identity| identity == Some(known))
    }

    /// Opens it at its path, unless that leads to another directory. One whose identity is not known, after a fault or on a
    /// user's FUSE, is taken for the same: only in the namespaces and the root directory that it was in.
    fn open_where_it_was(&self, deadline: &Deadline) -> Option<OwnedFd> {
        let is_it = |identity| self.identity.is_none() || identity == self.identity;
        self.open_path(deadline, is_it)
    }

    fn open_path(
        &self,
        deadline: &Deadline,
        is_it: impl Fn(Option<FileIdentity>) -> bool,
    ) -> Option<OwnedFd> {
        // A path in which bytes were replaced is the name of another directory, or of none.
        let is_whole = |path: &&str| !path.contains(char::REPLACEMENT_CHARACTER);
        let path = self.path.as_deref().filter(is_whole)?;
        let there = reopen(deadline, path)?;
        let known = Known::of(&there);
        is_it(known.map(|known| known.identity)).then_some(there)
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
        let known = directory
            .as_ref()
            .and_then(|directory| Known::of(&directory.0));
        let location = Location {
            // The kernel writes "(unreachable)" before the path of one that is outside of the root directory
            // (getcwd(2)).
            path: path.filter(|path| path.starts_with('/')),
            identity: known.map(|known| known.identity),
        };
        Self {
            directory,
            location,
            known,
            root: None,
            deadline: RefCell::default(),
        }
    }

    /// Remembers the calling thread's, which has the root directory `root`, as [`WorkingDirectory::own`] does, and waits
    /// for its file system until the deadline at most.
    #[must_use]
    pub(crate) fn until(deadline: &Deadline, root: Option<Root>) -> Self {
        Self {
            root,
            deadline: RefCell::new(deadline.clone()),
            ..Self::own()
        }
    }

    /// Waits for its file system until another deadline from now on: that of the policy, once it is known.
    pub(crate) fn wait_until(&self, deadline: &Deadline) {
        self.deadline.replace(deadline.clone());
    }

    /// Checks that its file system answers, before the thread leaves for another namespace: it would not come back to it.
    /// Where that may not answer, a child enters it.
    ///
    /// # Errors
    ///
    /// It does not answer ([`Error::is_silent`]).
    pub(crate) fn check_answers(&self) -> Result<()> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        self.check(directory, self.known).map_err(|errno| {
            let failed = self.not_kept(errno);
            failed.because("it does not answer").silent()
        })
    }

    /// Checks that the file system of an open directory answers, of which that is known. What else it answers than that it
    /// may be entered is seen when it is.
    ///
    /// # Errors
    ///
    /// ETIMEDOUT; or ECHILD: a child was killed that asked.
    fn check(&self, directory: &OpenDirectory, known: Option<Known>) -> Result<(), Errno> {
        let mount = known.map(|known| known.mount);
        let is_on_root = mount.is_some() && mount == self.root.map(|root| root.mount);
        if is_on_root || Asker::until(&self.deadline.borrow()).answers(&directory.0) {
            return Ok(());
        }
        match ask_to_enter(&self.deadline.borrow(), directory, directory.owner()) {
            Err(errno @ (Errno::TIMEDOUT | Errno::CHILD)) => Err(errno),
            _ => Ok(()),
        }
    }

    fn not_kept(&self, errno: Errno) -> Error {
        let path = self.path().unwrap_or("that was removed or is out of reach");
        Error::from_errno("keep", format_args!("the working directory {path}"), errno)
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
        let known = self.known.map(|known| known.owner);
        known.or_else(|| owner_of_mount(&self.directory.as_ref()?.0))
    }

    /// Moves to it at its path, if that leads to the very same directory in the present mount namespace. Returns whether
    /// it does.
    #[must_use]
    pub(crate) fn find_again(&self) -> bool {
        let there = self.location.open(&self.deadline.borrow());
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
        entered.map_err(|errno| self.not_kept(errno))
    }

    /// Makes it the calling thread's again, as [`WorkingDirectory::restore`] does, where the thread has just entered
    /// another mount namespace and is at the top of that.
    ///
    /// # Errors
    ///
    /// As [`WorkingDirectory::restore`].
    pub(crate) fn restore_in_view(&self) -> Result<()> {
        // The top of most hosts' working directories: nothing is to be opened for it.
        let is_top = self.path() == Some("/") && self.known.is_some();
        if is_top && Known::of_present().map(|known| known.identity) == self.location.identity {
            return Ok(());
        }
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
    /// Neither root nor its owner may enter it, or it does not answer.
    pub(crate) fn return_to(&self, before: &Location, left: &Location) -> Result<()> {
        let own = &self.location;
        // An identity that is not known, after a fault or on a user's FUSE, is no sign of it.
        let identities = own.identity.zip(left.identity);
        let has_moved = identities.is_some_and(|(present, left)| present != left);
        let wanted = if has_moved { own } else { before };
        let there = wanted
            .open_where_it_was(&self.deadline.borrow())
            .map(OpenDirectory);
        let answers = |directory: &OpenDirectory| self.check(directory, Known::of(&directory.0));
        let entered = match (&there, &self.directory) {
            (Some(there), _) => answers(there).and_then(|()| rustix::process::fchdir(&there.0)),
            (None, Some(directory)) if own.identity == wanted.identity => {
                answers(directory).and_then(|()| directory.enter())
            }
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

/// Opens the absolute path `path`, on which no link lies, and waits for it until the deadline at most; nothing where it
/// cannot be opened. What is cached is opened without asking anybody.
fn reopen(deadline: &Deadline, path: &str) -> Option<OwnedFd> {
    let Some(share) = deadline.share() else {
        return mount::reopen(path).ok();
    };
    let path = CString::new(path).ok()?;
    let open = |resolve| {
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | resolve;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        rustix::fs::openat2(CWD, path.as_c_str(), flags, Mode::empty(), resolve)
    };
    match open(ResolveFlags::CACHED) {
        Err(Errno::AGAIN) => {}
        opened => return opened.ok(),
    }
    let silent = Silent::Path(path.clone());
    if deadline.is_silent(&silent) {
        return None;
    }
    let work = |_: &mut [u8]| Ok((0, Some(open(ResolveFlags::empty())?)));
    #[allow(unsafe_code, reason = "what the child does is known here alone")]
    // SAFETY: it makes one system call, with a name that is there already.
    let answer = unsafe { question::ask(share, &[], work) };
    if answer.as_ref().err() == Some(&Errno::TIMEDOUT) {
        deadline.note_silent(silent);
    }
    answer.ok()?.file
}

/// Has a child enter a directory that may not answer, or as its owner where root may not.
#[allow(unsafe_code, reason = "what the child does is known here alone")]
fn ask_to_enter(
    deadline: &Deadline,
    OpenDirectory(directory): &OpenDirectory,
    owner: Option<(Uid, Gid)>,
) -> Result<(), Errno> {
    let work = |_: &mut [u8]| {
        match (rustix::process::fchdir(directory), owner) {
            (Err(Errno::ACCESS | Errno::PERM), Some((uid, gid))) => {
                become_and_enter(uid, gid, directory)?;
            }
            (entered, _) => entered?,
        }
        Ok((0, None))
    };
    let share = deadline.share().unwrap_or_default();
    // SAFETY: it makes at most five system calls, none with a name, and uses that one descriptor.
    unsafe { question::ask(share, &[directory.as_fd()], work) }.map(drop)
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
fn owner_of_mount(directory: impl AsFd) -> Option<(Uid, Gid)> {
    let id = mount::id_of(directory, ".").ok()?;
    let table = mount_table::read("/proc/thread-self/mountinfo").ok()?;
    let mount = table.iter().find(|mount| mount.id == id)?;
    let number = |name| mount.option(name)?.parse().ok();
    Some((
        Uid::from_raw(number("user_id")?),
        Gid::from_raw(number("group_id")?),
    ))
}
