//! Leaving for other namespaces, and coming back as if nothing had happened.

use crate::error::{Error, Result};
use crate::kernel::fs::working_directory::OpenDirectory;
use crate::kernel::mount::{self, Travel};
use crate::kernel::namespace::kind::{Kind, Namespaces, OtherNamespace};
use crate::kernel::namespace::{self, Namespace, Root};
use crate::kernel::sys;
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, MountAttrFlags};
use std::sync::Arc;

/// The directory in which namespaces are bound to files, in the vault. Where an earlier version bound them in the host's
/// table, it is a mount of its own, and new namespaces do without it.
pub(crate) const PINS: &str = "/run/jns/ns";

/// `UNSHARE_EMPTY_MNTNS` of unshare(2) (Linux 7.1), which neither libc nor nix names.
const EMPTY: CloneFlags = CloneFlags::from_bits_retain(0x0010_0000);

/// The place where the calling thread stood: its mount namespace, root and working directory, and the other namespaces
/// that it has left.
#[derive(Debug)]
struct Origin {
    namespace: Arc<OwnedFd>,
    root: OwnedFd,
    directory: OpenDirectory,
    others: Vec<OtherNamespace>,
}

/// The calling thread is in another mount namespace, and perhaps in others of the namespaces that can go with
/// one. Dropped, it takes the thread back to where it stood; only [`NamespaceGuard::commit`] lets it stay.
#[derive(Debug)]
pub struct NamespaceGuard {
    origin: Option<Origin>,
}

/// The end of work at the origin, the namespace that was left.
#[derive(Debug)]
pub enum AtOrigin<T> {
    /// Work that was run, and its result.
    Done(T),
    /// Work that was not run: the thread's root directory is not that of the namespace it came from.
    Elsewhere,
    /// Work that was not run: the thread could not leave.
    NotLeft(Error),
}

/// Leaves for a new mount namespace, a copy of the present one, in which mounts travel as `travel` says, and
/// for new namespaces of the kinds `with`, in one step. The host never sees what is mounted there. The present one is
/// `own`, if it is open already.
/// [`crate::kernel::namespace::check_capabilities`] has to succeed before.
///
/// A new IPC namespace undoes what the thread's `SEM_UNDO` asks for (semop(2)).
///
/// # Errors
///
/// CAP_SYS_ADMIN is missing, the way back could not be secured, the kernel has no memory or the limit of
/// namespaces is reached, or `/` is not a mount point. Nothing has changed then.
pub(crate) fn leave_for_new(
    own: Option<&Namespace>,
    travel: Travel,
    with: &[Kind],
) -> Result<NamespaceGuard> {
    let guard = copy_from(own, with)?;
    separate(travel)?;
    // Not before: as long as the copy's mounts are peers of the host's, the host would lose its pins with them.
    forget_pins();
    Ok(guard)
}

/// Leaves for a new mount namespace, a copy of the present one, whose mounts are peers of those that they are copies
/// of: what is mounted in either appears in both, where the mount that it is on is shared (mount_namespaces(7)). The
/// copy holds alive what is pinned in [`PINS`] until [`forget_pins`]. Otherwise as [`leave_for_new`].
///
/// # Errors
///
/// As [`leave_for_new`].
pub(in crate::kernel) fn leave_for_copy() -> Result<NamespaceGuard> {
    copy_from(None, &[])
}

fn copy_from(own: Option<&Namespace>, with: &[Kind]) -> Result<NamespaceGuard> {
    let origin = Origin::remember(own, with)?;
    unshare(CloneFlags::CLONE_NEWNS, with).map_err(|errno| not_created(with, errno))?;
    Ok(NamespaceGuard {
        origin: Some(origin),
    })
}

/// Leaves for a new mount namespace that is empty, and for new namespaces of the kinds `with`, in one step; nothing where
/// the kernel makes none (before Linux 7.1). Root and working directory are then an empty directory in which nobody can
/// make anything. Otherwise as [`leave_for_new`].
///
/// # Errors
///
/// As [`leave_for_new`].
pub(crate) fn leave_for_empty(
    own: Option<&Namespace>,
    with: &[Kind],
) -> Result<Option<NamespaceGuard>> {
    let origin = Origin::remember(own, with)?;
    match unshare(CloneFlags::CLONE_NEWNS | EMPTY, with) {
        // A flag that the kernel does not know.
        Err(nix::errno::Errno::EINVAL) => Ok(None),
        Err(errno) => Err(not_created(with, errno)),
        Ok(()) => Ok(Some(NamespaceGuard {
            origin: Some(origin),
        })),
    }
}

/// Whether the kernel makes empty mount namespaces (Linux 7.1). unshare(2) says so only by making one, so it is asked
/// for what came with that, `FSMOUNT_NAMESPACE` of fsmount(2): an older kernel refuses the flag before it looks for the
/// descriptor, which is none.
#[must_use]
pub(crate) fn knows_empty() -> bool {
    const NAMESPACE: FsMountFlags = FsMountFlags::from_bits_retain(2);
    let answer = rustix::mount::fsmount(rustix::fs::CWD, NAMESPACE, MountAttrFlags::empty());
    answer.is_err_and(|errno| errno == Errno::BADF)
}

/// Puts the thread into a new mount namespace, as the flags `mount` of unshare(2) say, and into new namespaces of the
/// kinds `with`. The way back is opened before: /proc and a pidfd name the present namespaces alone.
fn unshare(mount: CloneFlags, with: &[Kind]) -> nix::Result<()> {
    let kinds = with.iter().map(|kind| kind.flag());
    let flags = kinds.fold(mount, |all, flag| all | flag);
    // All in one call: unshare(2) makes every one of them or leaves the thread where it was.
    #[allow(clippy::disallowed_methods, reason = "this is the room that unshares")]
    nix::sched::unshare(flags)
}

/// Takes the pins that an earlier version made out of a copy of a mount namespace. It has copies of all of them, except
/// of those that pin mount namespaces, and these would keep everybody's IPC, UTS and network namespaces alive as long as
/// it lives itself.
pub(in crate::kernel) fn forget_pins() {
    match mount::detach(PINS) {
        // EINVAL and ENOENT: no earlier version has pinned one since the machine was started.
        Err(error) if !error.is_invalid() && !error.is_missing() => log::debug!("{error}"),
        _ => {}
    }
}

/// Leaves for an existing mount namespace; root and working directory are then its top.
///
/// # Errors
///
/// CAP_SYS_ADMIN or CAP_SYS_CHROOT is missing, or the way back could not be secured. Nothing has changed
/// then, except that a thread of a threaded process has a working directory and umask of its own.
pub fn leave_for(namespace: impl AsFd) -> Result<NamespaceGuard> {
    leave(Origin::remember(None, &[])?, namespace)
}

fn leave(origin: Origin, namespace: impl AsFd) -> Result<NamespaceGuard> {
    let failed =
        |errno: nix::errno::Errno| Error::new("enter", "another mount namespace", errno.desc());
    match enter(&namespace, CloneFlags::CLONE_NEWNS) {
        // setns(2) wants a thread that shares its root and working directory with no other, and says so with EINVAL.
        Err(nix::errno::Errno::EINVAL) => {
            #[allow(clippy::disallowed_methods, reason = "this is the room that unshares")]
            nix::sched::unshare(CloneFlags::CLONE_FS).map_err(failed)?;
            enter(&namespace, CloneFlags::CLONE_NEWNS).map_err(failed)?;
        }
        entered => entered.map_err(failed)?,
    }
    Ok(NamespaceGuard {
        origin: Some(origin),
    })
}

/// Leaves for an existing mount namespace and those that go with it.
///
/// # Errors
///
/// As [`leave_for`]. The thread is then where it was.
pub(crate) fn leave_for_all(namespaces: &Namespaces) -> Result<NamespaceGuard> {
    // The /proc in there need not show this process.
    let kinds: Vec<Kind> = namespaces.others.iter().map(OtherNamespace::kind).collect();
    let guard = leave(Origin::remember(None, &kinds)?, &namespaces.mount)?;
    // With the guard made: where one of them cannot be entered, it takes the thread back from all.
    let mut others = namespaces.others.iter();
    others.try_for_each(enter_other)?;
    Ok(guard)
}

/// Leaves the mount namespace `own` for namespaces that are found by `find` from inside the mount namespace `between`, at
/// its top, where it has no /proc. The way back leads to where the thread stood at first, in the namespaces of the kinds
/// `kinds` too. Nothing where `find` finds nothing; the thread is then where it was.
///
/// # Errors
///
/// As [`leave_for`], or those of `find`. The thread is then where it was.
pub(crate) fn leave_by_way_of(
    own: &Namespace,
    between: impl AsFd,
    kinds: &[Kind],
    find: impl FnOnce() -> Result<Option<Namespaces>>,
) -> Result<Option<(Namespaces, NamespaceGuard)>> {
    let guard = leave(Origin::remember(Some(own), kinds)?, between)?;
    let Some(namespaces) = find()? else {
        return Ok(None);
    };
    guard.go_on_to(&namespaces.mount)?;
    let mut others = namespaces.others.iter();
    others.try_for_each(enter_other)?;
    Ok(Some((namespaces, guard)))
}

/// Goes on from the mount namespace that the thread is in to a copy of it.
///
/// # Errors
///
/// As [`leave_for_new`].
pub(super) fn copy_own() -> Result<()> {
    #[allow(clippy::disallowed_methods, reason = "this is the room that unshares")]
    nix::sched::unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| not_created(&[], errno))
}

fn enter(namespace: impl AsFd, kind: CloneFlags) -> nix::Result<()> {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the room that changes namespaces"
    )]
    nix::sched::setns(namespace.as_fd(), kind)
}

fn enter_other(other: &OtherNamespace) -> Result<()> {
    let kind = other.kind();
    let object = format_args!("the {} namespace", kind.name());
    enter(other, kind.flag()).map_err(|errno| Error::new("enter", object, errno.desc()))
}

fn not_created(with: &[Kind], errno: nix::errno::Errno) -> Error {
    let others: String = with
        .iter()
        .map(|kind| format!(", {}", kind.name()))
        .collect();
    let object = if with.is_empty() {
        "a mount namespace".to_owned()
    } else {
        format!("namespaces (mnt{others})")
    };
    let reason = match (errno == nix::errno::Errno::ENOSPC, with) {
        (true, []) => "the limit in /proc/sys/user/max_mnt_namespaces is reached",
        (true, _) => "a limit in /proc/sys/user is reached",
        (false, _) => errno.desc(),
    };
    Error::new("create", object, reason)
}

/// Lets what is mounted in the present namespace from now on appear in namespaces that were made from it before, such
/// as those of containers: every mount below `/` begins a peer group of its own. One that follows the host's goes on
/// following it, and gives nothing back (mount_namespaces(7), "slave and shared").
///
/// # Errors
///
/// `/` is not a mount point.
pub(crate) fn share_mounts() -> Result<()> {
    change_all(MsFlags::MS_SHARED, "share mounts below")
}

/// Makes every mount below `/` one to which mounts travel as `travel` says, and from which nothing does.
///
/// # Errors
///
/// `/` is not a mount point.
pub(in crate::kernel) fn separate(travel: Travel) -> Result<()> {
    change_all(
        MsFlags::from_bits_retain(travel.flag()),
        "separate mounts below",
    )
}

fn change_all(propagation: MsFlags, verb: &'static str) -> Result<()> {
    let flags = MsFlags::MS_REC | propagation;
    #[allow(clippy::disallowed_methods, reason = "this is the room that mounts")]
    nix::mount::mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).map_err(|errno| {
        // mount(2) changes the propagation of mounts, and a directory that is none gets EINVAL.
        let reason = match errno == nix::errno::Errno::EINVAL {
            true => "/ is not a mount point; is this a chroot?",
            false => errno.desc(),
        };
        Error::new(verb, "/", reason)
    })
}

impl Origin {
    fn remember(own: Option<&Namespace>, kinds: &[Kind]) -> Result<Self> {
        let others = kinds.iter().map(|kind| OtherNamespace::own(*kind));
        let namespace = match own {
            Some(own) => own.clone().into(),
            None => Arc::new(namespace::open_own()?),
        };
        Self::of(namespace, others.collect::<Result<_>>()?)
    }

    /// Opens the root and working directory of the thread, which is in the mount namespace `namespace`.
    fn of(namespace: Arc<OwnedFd>, others: Vec<OtherNamespace>) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let failed = |path| move |errno| Error::from_errno("remember", path, errno);
        Ok(Self {
            namespace,
            root: rustix::fs::open("/", flags, Mode::empty()).map_err(failed("/"))?,
            directory: OpenDirectory::own().map_err(failed("the working directory"))?,
            others,
        })
    }

    /// Goes back, and tries again what failed for want of memory: a thread that cannot go back is nowhere it should be.
    /// A working directory that root may not enter, as on FUSE or NFS, is not worth a login: then it is the
    /// root directory.
    fn return_to_surely(&self) -> Result<(), Errno> {
        let others = self.return_to_others();
        let wholly = self.return_to().or_else(|_| self.return_to());
        wholly.or_else(|errno| {
            self.return_to_root()?;
            log::warn!("cannot return to the working directory: {}", errno.kind());
            Ok(())
        })?;
        // Not before: whatever has become of the others, the thread has to be in its mount namespace.
        others
    }

    /// Goes back to each of them, whatever becomes of the others.
    fn return_to_others(&self) -> Result<(), Errno> {
        let back = |other: &OtherNamespace| {
            let once = || enter(other, other.kind().flag());
            once().or_else(|_| once())
        };
        let all: Vec<nix::Result<()>> = self.others.iter().map(back).collect();
        all.into_iter()
            .collect::<nix::Result<()>>()
            .map_err(sys::of_nix)
    }

    fn return_to(&self) -> Result<(), Errno> {
        self.return_to_root()?;
        // After the root directory, which was the working directory for chroot(2).
        self.directory.enter()
    }

    /// setns(2) puts root and working directory at the top of the namespace, so both are given back. A root
    /// that looks like the top may be another one: a chroot into a bind mount of it.
    fn return_to_root(&self) -> Result<(), Errno> {
        enter(&self.namespace, CloneFlags::CLONE_NEWNS).map_err(sys::of_nix)?;
        rustix::process::fchdir(&self.root)?;
        rustix::process::chroot(".")
    }
}

impl NamespaceGuard {
    /// Goes on to a new mount namespace, a copy of the one that was entered, in which mounts travel as `travel` says.
    /// The way back leads to where the thread stood at first.
    ///
    /// # Errors
    ///
    /// As [`leave_for_new`]; where the thread is then, the guard's end alone puts right.
    pub(crate) fn go_on_to_copy(&self, travel: Travel) -> Result<()> {
        copy_own()?;
        separate(travel)
    }

    /// Goes on to another mount namespace, at whose top the thread is then. The way back leads to where it stood at
    /// first.
    ///
    /// # Errors
    ///
    /// setns(2) failed.
    pub(crate) fn go_on_to(&self, namespace: impl AsFd) -> Result<()> {
        enter(namespace, CloneFlags::CLONE_NEWNS)
            .map_err(|errno| Error::new("enter", "another mount namespace", errno.desc()))
    }

    /// Stays in the namespace that was entered.
    pub fn commit(mut self) {
        self.origin = None;
    }

    /// Enters a namespace besides the mount namespace.
    ///
    /// # Errors
    ///
    /// setns(2) failed, or the way back could not be secured: the thread is in the namespace of that kind that
    /// it was in.
    pub fn join(&mut self, other: &OtherNamespace) -> Result<()> {
        // Opened before: afterwards, the thread's own is the one that it has entered.
        let before = OtherNamespace::own(other.kind())?;
        enter_other(other)?;
        if let Some(origin) = &mut self.origin {
            origin.others.push(before);
        }
        Ok(())
    }

    /// The namespaces besides the mount namespace that were left, first one first.
    pub fn left(&self) -> impl Iterator<Item = &OtherNamespace> {
        let origin = self.origin.iter();
        origin.flat_map(|origin| &origin.others)
    }

    /// Opens the namespaces in which the thread is, of the kinds of which it has left one. They have to be found before
    /// its /proc becomes that of a PID namespace which the process is not in.
    ///
    /// # Errors
    ///
    /// As [`Namespace::own`].
    pub(crate) fn present(&self) -> Result<Namespaces> {
        let others = self.left().map(|before| OtherNamespace::own(before.kind()));
        Ok(Namespaces {
            others: others.collect::<Result<_>>()?,
            mount: Namespace::own()?,
        })
    }

    /// Does work in the namespace that was left, at its top, and comes back to where the thread is
    /// now, in `here`. The work is given the guard of that way, on which it may go on to a third namespace. It is not
    /// run where the thread's root, before it left, was `root` but is not the namespace's own: in a chroot.
    ///
    /// # Errors
    ///
    /// The thread cannot come back; dropping the guard takes it there.
    pub fn work<T>(
        &self,
        here: &Namespace,
        root: Root,
        work: impl FnOnce(&Self) -> T,
    ) -> Result<AtOrigin<T>> {
        let missing = || Error::new("find", "the namespace that was left", "it is forgotten");
        let origin = self.origin.as_ref().ok_or_else(missing)?;
        let present = Origin::of(here.clone().into(), Vec::new());
        let back = match present.and_then(|here| leave(here, &origin.namespace)) {
            Ok(back) => back,
            Err(error) => return Ok(AtOrigin::NotLeft(error)),
        };
        // setns(2) has led to the top of the namespace. A thread that came from a chroot has never seen that.
        let done = if Root::own() == Ok(root) {
            AtOrigin::Done(work(&back))
        } else {
            AtOrigin::Elsewhere
        };
        back.return_now()?;
        Ok(done)
    }

    fn return_now(mut self) -> Result<()> {
        let origin = self.origin.take();
        let returned = origin.map_or(Ok(()), |origin| origin.return_to_surely());
        returned.map_err(|errno| Error::from_errno("return to", "the new mount namespace", errno))
    }
}

impl Drop for NamespaceGuard {
    fn drop(&mut self) {
        let Some(origin) = self.origin.take() else {
            return;
        };
        if let Err(errno) = origin.return_to_surely() {
            let reason = errno.kind();
            log::error!("cannot return to the namespaces of before: {reason}");
        }
    }
}
