//! Entering a new mount namespace, and coming back as if nothing had happened.

use super::mount::Travel;
use super::sys;
use super::walk::identity;
use crate::error::{Error, Result};
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::PidfdFlags;
use rustix::thread::CapabilitySet;

/// The calling thread's own entry: in a threaded host, namespaces are each thread's.
const OWN_NAMESPACE: &str = "/proc/thread-self/ns/mnt";

/// Magic number of the file system that namespaces are files of (statfs(2)).
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// Where the calling thread stood: its mount namespace, root and working directory.
#[derive(Debug)]
struct Origin {
    namespace: OwnedFd,
    root: OwnedFd,
    directory: OwnedFd,
}

/// The calling thread is in a new mount namespace. Dropped, it takes the thread back to where it stood;
/// only [`Departure::commit`] lets it stay.
#[derive(Debug)]
pub struct Departure {
    origin: Option<Origin>,
}

/// Leaves for a new mount namespace, a copy of the present one, in which mounts travel as `travel` says.
/// The host never sees what is mounted there. [`check_capabilities`] has to succeed before.
///
/// # Errors
///
/// CAP_SYS_ADMIN is missing, the way back could not be secured, the kernel has no memory or the limit of
/// namespaces is reached, or `/` is not a mount point. Nothing has changed then.
pub fn leave_for_new(travel: Travel) -> Result<Departure> {
    let origin = Origin::remember()?;
    #[allow(clippy::disallowed_methods, reason = "this is the room that unshares")]
    nix::sched::unshare(CloneFlags::CLONE_NEWNS).map_err(|e| refused("create", e))?;
    let departure = Departure {
        origin: Some(origin),
    };
    separate(travel)?;
    Ok(departure)
}

/// Whether the process may leave for a new namespace and come back: unshare(2) needs CAP_SYS_ADMIN; the
/// way back by setns(2) needs CAP_SYS_CHROOT as well, and a login that could not be undone must not begin.
///
/// # Errors
///
/// Which capability it lacks.
pub fn check_capabilities() -> Result<()> {
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

fn refused(verb: &'static str, errno: nix::errno::Errno) -> Error {
    let reason = match errno {
        nix::errno::Errno::ENOSPC => {
            "the limit in /proc/sys/user/max_mnt_namespaces is reached".to_owned()
        }
        errno => errno.desc().to_owned(),
    };
    Error::new(verb, "a mount namespace", reason)
}

fn separate(travel: Travel) -> Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::from_bits_retain(travel.flag());
    #[allow(clippy::disallowed_methods, reason = "this is the room that mounts")]
    nix::mount::mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).map_err(|errno| {
        let reason = match errno {
            nix::errno::Errno::EINVAL => "/ is not a mount point; is this a chroot?",
            errno => errno.desc(),
        };
        Error::new("separate mounts below", "/", reason)
    })
}

impl Origin {
    fn remember() -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |path| {
            rustix::fs::open(path, flags, Mode::empty())
                .map_err(|errno| Error::from_errno("remember", path, errno))
        };
        Ok(Self {
            namespace: own_namespace()?,
            root: open("/")?,
            directory: open(".").or_else(|_| open("/proc/thread-self/cwd"))?,
        })
    }

    /// setns(2) puts root and working directory at the top of the namespace, so both are given back.
    fn return_to(&self) -> std::result::Result<(), Errno> {
        #[allow(
            clippy::disallowed_methods,
            reason = "this is the room that changes namespaces"
        )]
        nix::sched::setns(&self.namespace, CloneFlags::CLONE_NEWNS)
            .map_err(|errno| Errno::from_raw_os_error(errno as i32))?;
        let (top, root) = (rustix::fs::stat("/")?, rustix::fs::fstat(&self.root)?);
        if identity(&top) != identity(&root) {
            rustix::process::fchdir(&self.root)?;
            rustix::process::chroot(".")?;
        }
        rustix::process::fchdir(&self.directory)
    }
}

impl Departure {
    /// Stays in the new namespace.
    pub fn commit(mut self) {
        self.origin = None;
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        let Some(origin) = self.origin.take() else {
            return;
        };
        if let Err(errno) = origin.return_to() {
            let reason = errno.kind();
            log::error!("cannot return to the host's mount namespace: {reason}");
        }
    }
}

/// The calling thread's mount namespace, by /proc or, without it, by a pidfd (Linux 6.11).
fn own_namespace() -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let by_proc = rustix::fs::open(OWN_NAMESPACE, flags, Mode::empty()).ok();
    match by_proc.filter(is_namespace) {
        Some(namespace) => Ok(namespace),
        None => namespace_by_pidfd().map_err(|errno| {
            let reason = match errno {
                Errno::NOTTY | Errno::INVAL | Errno::NOSYS => {
                    "/proc is not mounted, and this kernel names namespaces only there \
                     (a pidfd does since Linux 6.11)"
                        .to_owned()
                }
                errno => errno.kind().to_string(),
            };
            Error::new("find", "the mount namespace of this process", reason)
        }),
    }
}

fn is_namespace(file: &OwnedFd) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|status| status.f_type == NSFS_MAGIC)
}

fn namespace_by_pidfd() -> std::result::Result<OwnedFd, Errno> {
    /// `PIDFD_THREAD` (Linux 6.9).
    const THREAD: PidfdFlags = PidfdFlags::from_bits_retain(libc::O_EXCL.cast_unsigned());
    let pidfd = rustix::process::pidfd_open(rustix::thread::gettid(), THREAD)?;
    sys::pidfd_mount_namespace(pidfd.as_fd())
}

/// The name of the calling thread's mount namespace as `ls -l /proc/self/ns` shows it: `mnt:[4026531841]`.
///
/// # Errors
///
/// The kernel does not say.
pub fn name() -> Result<String> {
    let namespace = own_namespace()?;
    let status = rustix::fs::fstat(&namespace)
        .map_err(|errno| Error::from_errno("name", "the mount namespace", errno))?;
    Ok(format!("mnt:[{}]", status.st_ino))
}

/// The working directory's path, where it has one below the root directory. What is not UTF-8 in it is
/// replaced: such a path still tells whether it lies below another one.
#[must_use]
pub fn working_directory() -> Option<String> {
    let path = rustix::process::getcwd(Vec::new()).ok()?;
    let path = path.to_string_lossy().into_owned();
    path.starts_with('/').then_some(path)
}

/// Moves the working directory to the same path as the namespace shows it now, or to `/` where the path
/// does not exist there, so that the session does not stand in a directory its view has covered.
///
/// # Errors
///
/// fchdir(2) failed.
pub fn enter_directory(path: &str) -> Result<()> {
    let directory = super::mount::reopen(path).or_else(|_| super::mount::reopen("/"))?;
    let moved = rustix::process::fchdir(&directory).or_else(|_| {
        let root = super::mount::reopen("/").map_err(|_| Errno::NOENT)?;
        rustix::process::fchdir(&root)
    });
    moved.map_err(|errno| Error::from_errno("enter", path, errno))
}
