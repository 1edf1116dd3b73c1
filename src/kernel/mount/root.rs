//! Another root directory: in the place of the old one, or in a namespace that is empty.

use crate::error::{Error, Result};
use crate::kernel::mount;
use crate::kernel::sys;
use nix::mount::MntFlags;
use rustix::fd::OwnedFd;

/// Makes `root`, the root of a mount that is attached somewhere in the present mount namespace, the root
/// directory, and takes the old one out of the namespace with all that is mounted beneath it. The calling
/// thread is then in the new root directory.
///
/// # Errors
///
/// pivot_root(2) or umount2(2) failed; the namespace is of no use then.
pub(crate) fn pivot(root: &OwnedFd, path: &str) -> Result<()> {
    let failed = |errno| Error::from_errno("make the root directory of", path, errno);
    rustix::process::fchdir(root).map_err(failed)?;
    // Both at one place: the old root is then mounted over the new one, and needs no directory in it.
    #[allow(clippy::disallowed_methods, reason = "this is the room that mounts")]
    nix::unistd::pivot_root(".", ".")
        .and_then(|()| nix::mount::umount2(".", MntFlags::MNT_DETACH))
        .map_err(|errno| failed(sys::of_nix(errno)))?;
    rustix::process::chdir("/").map_err(failed)
}

/// Makes `root`, the root of a detached tree of mounts, the root directory of the present mount namespace, which is
/// empty, and of the calling thread, which is then in it.
///
/// # Errors
///
/// move_mount(2) or chroot(2) failed; the namespace is of no use then.
pub(crate) fn enter_in_empty(root: &OwnedFd, path: &str) -> Result<()> {
    // On the empty directory, which is the working directory there.
    mount::attach(root, rustix::fs::CWD, path)?;
    let entered = rustix::process::fchdir(root).and_then(|()| rustix::process::chroot("."));
    entered.map_err(|errno| Error::from_errno("make the root directory of", path, errno))
}
