//! The vault: the mount namespace in which namespaces are pinned. It is held by one mount, at `/run/jns/ns/.vault`, so
//! that the host's table has one line for the pins of all users, and a new namespace gets a copy of none. Its root
//! directory is `/run/jns/ns`, and nothing else is in it: the file of a pin is one file on the host and in the vault, and
//! who removes it on the host takes away what is bound to it in the vault (mount_namespaces(7)). The directory cannot be
//! removed as long as the vault is held in it.
//!
//! Each namespace that sessions come from has a vault of its own: nothing of it travels.

use super::lock::Lock;
use super::runtime::{PATH, Runtime};
use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::mount::mount_table;
use crate::kernel::namespace::guard::{PINS, leave_for};
use crate::kernel::namespace::{Namespace, OwnUserNamespace, Root, is_numbered, number_of, vault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::sync::Arc;

/// The directory of pins in `/run/jns`, the vault's root directory: [`PINS`].
pub const DIRECTORY: &str = "ns";

/// The name of the file to which the vault is bound, in the directory of pins.
pub(super) const FILE: &str = ".vault";

/// Its name in `/run/jns`.
const NAME: &str = "ns/.vault";

/// The vault, open.
#[derive(Debug)]
pub struct Vault(Arc<OwnedFd>);

impl AsFd for Vault {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Vault {
    /// Opens it; nothing where none was made, or it was unmounted. `own` is the user namespace that it has to belong to.
    ///
    /// # Errors
    ///
    /// There is something else in its place.
    pub fn find(runtime: &Runtime, own: &OwnUserNamespace) -> Result<Option<Self>> {
        Self::find_known(runtime, None, own)
    }

    /// Opens it as [`Vault::find`] does. One that has the number `known` was vetted by who noted that.
    ///
    /// # Errors
    ///
    /// As [`Vault::find`].
    pub(super) fn find_known(
        runtime: &Runtime,
        known: Option<u64>,
        own: &OwnUserNamespace,
    ) -> Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(runtime, NAME, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened.map_err(|errno| failed("open", errno))?,
        };
        let is_known = known.is_some_and(|known| is_numbered(&file, known));
        if is_known || own.owns_mount_namespace(&file)? {
            return Ok(Some(Self(Arc::new(file))));
        }
        if is_bare(runtime)? {
            return Ok(None);
        }
        let reason = match Namespace::from_file(file) {
            Some(_) => "it is the namespace of another user namespace",
            None => "it is no mount namespace",
        };
        Err(failed("use", Errno::INVAL).because(reason))
    }

    /// Opens it, and makes it where there is none: whole before it is bound, so that who is killed leaves none.
    ///
    /// # Errors
    ///
    /// As [`Vault::find`], or it cannot be made.
    pub fn open(runtime: &Runtime) -> Result<Self> {
        Self::open_until(runtime, &Deadline::none())
    }

    /// Opens it as [`Vault::open`] does.
    ///
    /// # Errors
    ///
    /// As [`Vault::open`], or another login that makes it is not done by the deadline.
    pub(super) fn open_until(runtime: &Runtime, deadline: &Deadline) -> Result<Self> {
        let own = OwnUserNamespace::find()?;
        if let Some(found) = Self::find(runtime, &own)? {
            return Ok(found);
        }
        // Under a lock: of two vaults, each would lack the pins of the other.
        let _lock = Lock::of_pins(runtime, deadline)?;
        match Self::find(runtime, &own)? {
            Some(found) => Ok(found),
            None if is_in_chroot()? => {
                Err(Error::new("make", path(), "this process is in a chroot"))
            }
            None => Self::make(runtime).map_err(|error| Error::new("make", path(), error)),
        }
    }

    fn make(runtime: &Runtime) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::CREATE;
        let names = runtime.directory(DIRECTORY)?;
        rustix::fs::openat(&names, FILE, flags, Mode::RUSR)
            .map_err(|errno| failed("open", errno))?;
        vault::detach_all(&path())?;
        let made = vault::make(&names, PINS)?;
        vault::hold(&made, &path())?;
        Ok(Self(made.into()))
    }

    /// The number that no other namespace has until the machine is started again; nothing where the kernel gives none
    /// (Linux 6.11).
    pub(super) fn number(&self) -> Option<u64> {
        number_of(self)
    }

    /// Opens its root directory, through which pins are opened from outside.
    ///
    /// # Errors
    ///
    /// It cannot be entered.
    pub fn root(&self) -> Result<OwnedFd> {
        let _guard = leave_for(self)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open("/", flags, Mode::empty()).map_err(|errno| failed("enter", errno))
    }
}

/// Whether the thread's root directory is not the top of its mount namespace: what it mounts would be elsewhere for others.
fn is_in_chroot() -> Result<bool> {
    let root = Root::own()?;
    let _guard = leave_for(Namespace::own()?)?;
    Ok(Root::own()? != root)
}

/// Whether its file, or a cover of it that somebody who was killed has left, is all there is in its place.
fn is_bare(runtime: &Runtime) -> Result<bool> {
    let examined = |errno| failed("examine", errno);
    let status = rustix::fs::statat(runtime, NAME, AtFlags::SYMLINK_NOFOLLOW).map_err(examined)?;
    let around = rustix::fs::fstat(runtime).map_err(examined)?;
    let is_file = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
    Ok(is_file && status.st_dev == around.st_dev && status.st_uid == 0)
}

/// Counts the mounts that are in its place on the host, besides its own: those that bound a vault and were killed in
/// between have left them there.
///
/// # Errors
///
/// The mount table cannot be read.
pub fn count_covers(runtime: &Runtime) -> Result<usize> {
    let path = path();
    let table = mount_table::read("/proc/thread-self/mountinfo")
        .map_err(|errno| failed("examine", errno))?;
    let there = table
        .iter()
        .filter(|mount| mount.point == path.as_bytes())
        .count();
    let is_held = there > 0 && Vault::find(runtime, &OwnUserNamespace::find()?)?.is_some();
    Ok(there.saturating_sub(usize::from(is_held)))
}

/// Takes away what [`count_covers`] counts. With the lock around the directory of pins, nobody binds a vault meanwhile.
///
/// # Errors
///
/// Something else is in its place, or they cannot be unmounted.
pub fn remove_covers(runtime: &Runtime, _of_pins: &Lock) -> Result<()> {
    let own = OwnUserNamespace::find()?;
    for _ in 0..count_covers(runtime)? {
        match Vault::find(runtime, &own)? {
            Some(found) => vault::uncover(&found, &path())?,
            None => return vault::detach_all(&path()),
        }
    }
    Ok(())
}

/// Returns the path of the file.
pub fn path() -> String {
    format!("{PATH}/{NAME}")
}

fn failed(verb: &'static str, errno: Errno) -> Error {
    Error::from_errno(verb, path(), errno)
}
