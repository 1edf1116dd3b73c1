//! A mount namespace in which one directory is all there is, and the one mount by which it is held. Others are bound in
//! it: the kernel binds a mount namespace only in an older one.

use crate::error::{Error, Result};
use crate::kernel::mount::{self, AttributeChange, Extent, Preparation, Travel, root};
use crate::kernel::namespace::guard::{self, leave_for, leave_for_copy};
use crate::kernel::namespace::{Identity, Namespace};
use crate::kernel::process::processor::Processors;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// The number of covers that are taken away at once. Each is of somebody who was killed.
const COVERS: usize = 4;

/// Makes a mount namespace whose root directory is `directory`, which is found at `path`, and that holds no other mount.
/// Nothing is mounted on entries of the directory there, and nothing travels to it.
///
/// # Errors
///
/// The namespace cannot be made, or its root directory be changed: that of the first file system of the machine, the
/// initramfs, cannot (pivot_root(2)).
pub(crate) fn make(directory: &OwnedFd, path: &str) -> Result<Namespace> {
    let view = mount::clone_tree(directory, Extent::Mount, path)?;
    make_private(&view, path)?;
    let origin = Namespace::own()?.identity();
    let guard = leave_for_copy()?;
    // While there is a /proc: before Linux 6.11 that alone names it.
    let made = Namespace::own()?;
    let place = mount::reopen(path)?;
    // To its top, where the thread comes from a chroot: all of it is to be separated and taken away.
    guard.go_on_to(&made)?;
    guard::separate(Travel::Neither)?;
    mount::attach(&view, place, path)?;
    root::pivot(&view, path)?;
    Ok(oldest(made, origin))
}

/// Goes on from the namespace that was made, in which the thread is, to copies of it on all processors, and returns
/// that which the kernel takes for the oldest of those that it takes for younger than `origin`. Linux 6.18 takes the
/// numbers by which it distinguishes that from a batch of each processor's: what is made later on one of them has a
/// higher number than what was made there now, and so than the lowest.
fn oldest(made: Namespace, origin: Identity) -> Namespace {
    let rank = |found: &Namespace| {
        let id = found.identity().id;
        (id <= origin.id, id)
    };
    if made.identity().id.is_none() {
        return made;
    }
    let Some(mut processors) = Processors::all() else {
        return made;
    };
    let mut oldest = made;
    while processors.move_on() {
        match guard::copy_own().and_then(|()| Namespace::own()) {
            Ok(copy) if rank(&copy) < rank(&oldest) => oldest = copy,
            Ok(_) => {}
            Err(error) => log::debug!("{error}"),
        }
    }
    oldest
}

/// Binds a mount namespace to the file at `path`, where nothing is mounted. It is then the one mount there, and no new
/// namespace gets a copy of it (mount_namespaces(7)).
///
/// # Errors
///
/// The kernel refuses it: the namespace is not younger than the present one (ELOOP), or the file is not of the present
/// one.
pub(crate) fn hold(namespace: impl AsFd, path: &str) -> Result<()> {
    let mount = mount::clone_tree(&namespace, Extent::Mount, path)?;
    match mount::attach(&mount, mount::reopen(path)?, path) {
        Err(error) if error.is_invalid() => hold_on_shared(namespace.as_fd(), path),
        attached => {
            attached?;
            make_private(&mount, path)
        }
    }
}

/// Takes the covers away that are left beneath the mount by which `namespace` is held at `path`, where somebody was killed
/// who bound it. They are unmounted in a copy of the present namespace, which has them and not what they are beneath, and
/// that travels; where it takes that away too, it is bound again.
///
/// # Errors
///
/// They cannot be unmounted, or it cannot be bound again.
pub(crate) fn uncover(namespace: impl AsFd, path: &str) -> Result<()> {
    {
        let _guard = leave_for_copy()?;
        detach_all(path)?;
    }
    match mount::is_mount_root(mount::reopen(path)?, path)? {
        true => Ok(()),
        false => hold(namespace, path),
    }
}

/// Takes away what is mounted at `path`: covers of somebody who was killed.
///
/// # Errors
///
/// There is too much of it.
pub(crate) fn detach_all(path: &str) -> Result<()> {
    for _ in 0..=COVERS {
        if !mount::is_mount_root(mount::reopen(path)?, path)? {
            return Ok(());
        }
        mount::detach(path)?;
    }
    Err(Error::new("use", path, "too much is mounted there"))
}

fn make_private(mount: &OwnedFd, path: &str) -> Result<()> {
    let private = Preparation::of_private_mount(AttributeChange::default());
    mount::prepare(mount, private, path)
}

/// A mount namespace can be bound only where that does not travel to other namespaces, and `/run` is shared on most
/// hosts. So the file is covered by a private mount of itself, which is made in a copy of the namespace, from where it
/// travels to this one, and is unmounted there when the namespace is bound on it: that travels as well and takes the
/// cover away beneath what is on it. Where it has taken that away too, the cover stays.
fn hold_on_shared(namespace: BorrowedFd<'_>, path: &str) -> Result<()> {
    let copy = cover(path)?;
    let bound = bind_on_cover(namespace, path);
    let uncover = || {
        let _guard = leave_for(&copy)?;
        mount::detach(path)
    };
    // The namespace is held with a cover beneath it as well.
    uncover().unwrap_or_else(|error| log::warn!("{error}: it is mounted there twice"));
    if bound.is_ok() && !mount::is_mount_root(mount::reopen(path)?, path)? {
        cover(path)?;
        return bind_on_cover(namespace, path);
    }
    bound
}

/// Covers the file at `path` by a mount of itself, and returns the copy of the present namespace from where that has
/// travelled.
fn cover(path: &str) -> Result<Namespace> {
    let _guard = leave_for_copy()?;
    let copy = Namespace::own()?;
    let file = mount::reopen(path)?;
    let cover = mount::clone_tree(&file, Extent::Mount, path)?;
    mount::attach(&cover, &file, path)?;
    Ok(copy)
}

fn bind_on_cover(namespace: BorrowedFd<'_>, path: &str) -> Result<()> {
    let cover = mount::reopen(path)?;
    make_private(&cover, path)?;
    let mount = mount::clone_tree(namespace, Extent::Mount, path)?;
    mount::attach(&mount, &cover, path)?;
    make_private(&mount, path)
}
