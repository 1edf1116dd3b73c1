//! Mounts, built detached and attached by descriptor (Linux 5.12).

pub mod attribute;
pub mod callers_directories;
pub mod filesystem;
pub mod mount_table;
pub mod overlay;
pub mod root;
pub mod runtime_directory;
pub mod volume;

use crate::error::{Error, Result};
use crate::kernel::mount::filesystem::{Recipe, SOURCE};
use crate::kernel::sys::{self, MountAttr};
use nix::mount::MntFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags};

/// Attributes of a mount, as mount_setattr(2) has them: some to set, some to clear, the rest untouched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttributeChange {
    set: u64,
    clear: u64,
}

/// The direction in which mounts that are made on one side of a namespace border travel to the other
/// (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Travel {
    /// Mounts of the host appear here.
    FromHost,
    /// None do.
    Neither,
}

/// The mounts that a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// One mount, and none of those that are mounted beneath it.
    Mount,
    /// A mount and everything that is mounted beneath it.
    Tree,
}

/// The changes that a detached mount gets before it is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preparation {
    /// The mounts that get them.
    pub extent: Extent,
    /// The attributes to set and to clear.
    pub change: AttributeChange,
    /// The direction in which mounts travel from then on.
    pub travel: Travel,
}

impl Preparation {
    /// Changes the attributes of one mount, to which and from which nothing travels.
    #[must_use]
    pub(crate) fn of_private_mount(change: AttributeChange) -> Self {
        Self {
            extent: Extent::Mount,
            change,
            travel: Travel::Neither,
        }
    }

    /// Changes nothing but the direction in which mounts travel.
    #[must_use]
    pub(crate) fn of_travel(extent: Extent, travel: Travel) -> Self {
        Self {
            extent,
            change: AttributeChange::default(),
            travel,
        }
    }
}

impl Travel {
    /// The propagation type as mount(2) and mount_setattr(2) number it.
    pub(super) fn flag(self) -> libc::c_ulong {
        match self {
            Self::FromHost => libc::MS_SLAVE,
            Self::Neither => libc::MS_PRIVATE,
        }
    }
}

impl AttributeChange {
    /// Sets `bits`, taking them out of what is cleared.
    #[must_use]
    pub fn set(self, bits: u64) -> Self {
        Self {
            set: self.set | bits,
            clear: self.clear & !bits,
        }
    }

    /// Clears `bits`, taking them out of what is set.
    #[must_use]
    pub fn clear(self, bits: u64) -> Self {
        Self {
            set: self.set & !bits,
            clear: self.clear | bits,
        }
    }

    /// Gives the attribute of the bits `field` the value `bits`. Of the access time, the kernel wants the whole field
    /// cleared with it.
    #[must_use]
    pub fn give(self, field: u64, bits: u64) -> Self {
        let cleared = match field {
            attribute::ACCESS_TIME => field,
            field => field & !bits,
        };
        Self {
            set: (self.set & !field) | bits,
            clear: (self.clear & !field) | cleared,
        }
    }

    /// The attributes to set.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.set
    }
}

/// The attributes of the mount on which an open file lies, as `MOUNT_ATTR_*` bits. A read-only file
/// system counts as a read-only mount.
///
/// # Errors
///
/// fstatfs(2) failed.
pub(crate) fn attributes_of(file: impl AsFd, path: &str) -> Result<u64> {
    let status =
        rustix::fs::fstatfs(file).map_err(|errno| Error::from_errno("examine", path, errno))?;
    let flags = u64::try_from(status.f_flags).unwrap_or(0);
    Ok(attribute::of_flags(flags))
}

/// Makes a detached copy of the mount at an open directory or file; of a tree, what is mounted beneath it too.
///
/// # Errors
///
/// open_tree(2) failed; `path` names the object in the message.
pub(crate) fn clone_tree(place: impl AsFd, extent: Extent, path: &str) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, extent == Extent::Tree);
    #[allow(clippy::disallowed_methods, reason = "this is the room that mounts")]
    rustix::mount::open_tree(place, "", flags)
        .map_err(|errno| Error::from_errno("clone", path, errno))
}

/// Gives a detached mount its attributes, and the direction in which mounts travel to it.
///
/// # Errors
///
/// mount_setattr(2) failed.
pub fn prepare(mount: &OwnedFd, preparation: Preparation, path: &str) -> Result<()> {
    let Preparation {
        extent,
        change,
        travel,
    } = preparation;
    let attr = MountAttr {
        attr_set: change.set,
        attr_clr: change.clear,
        // While the mount is detached: a copy of a shared mount is its peer (mount_namespaces(7)), so that what is
        // mounted in it would appear on the host.
        propagation: travel.flag(),
        ..MountAttr::default()
    };
    let recursive = extent == Extent::Tree;
    sys::mount_setattr(mount.as_fd(), recursive, &attr).map_err(|errno| match errno {
        Errno::NOSYS => Error::new(
            "prepare",
            path,
            "the kernel lacks mount_setattr(2), new in Linux 5.12",
        ),
        errno => Error::from_errno("set mount attributes for", path, errno),
    })
}

/// Whether an open directory or file is the root of a mount (Linux 5.8).
///
/// # Errors
///
/// statx(2) failed.
pub(crate) fn is_mount_root(place: impl AsFd, path: &str) -> Result<bool> {
    let status = rustix::fs::statx(place, "", AtFlags::EMPTY_PATH, StatxFlags::empty())
        .map_err(|errno| Error::from_errno("examine", path, errno))?;
    Ok(status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Whether something is mounted on a path, where links lead to. The file system is not asked: it may be a
/// user's.
#[must_use]
pub(crate) fn is_mount_point(path: &str) -> bool {
    let flags = AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    let status = rustix::fs::statx(rustix::fs::CWD, path, flags, StatxFlags::empty());
    status.is_ok_and(|status| status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Options of an empty file system in memory.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// The most it may hold, in bytes.
    pub bytes: u64,
    /// The most files it may hold.
    pub inodes: u64,
    /// Permission bits of its root.
    pub mode: u32,
    /// Owner of its root.
    pub uid: u32,
    /// Owning group of its root.
    pub gid: u32,
}

/// Makes a detached, empty file system in memory.
///
/// # Errors
///
/// The kernel refused it, in its own words where it gives any.
pub fn memory(memory: &Memory, attributes: u64, path: &str) -> Result<OwnedFd> {
    let recipe = Recipe::new("tmpfs", "make a memory file system for", path)?;
    let options = [
        ("source", SOURCE.to_owned()),
        ("size", memory.bytes.to_string()),
        ("nr_inodes", memory.inodes.to_string()),
        ("mode", format!("{:o}", memory.mode)),
        ("uid", memory.uid.to_string()),
        ("gid", memory.gid.to_string()),
    ];
    for (key, value) in &options {
        recipe.set(key, value)?;
    }
    recipe.mount(attributes)
}

/// Bytes of main memory of this machine.
#[must_use]
pub fn machine_memory() -> u64 {
    let info = rustix::system::sysinfo();
    u64::from(info.mem_unit).saturating_mul(info.totalram)
}

/// Attaches a detached mount over an open directory or file.
///
/// # Errors
///
/// move_mount(2) failed, for example because `target` is of another namespace (EINVAL).
pub fn attach(mount: impl AsFd, target: impl AsFd, path: &str) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    #[allow(clippy::disallowed_methods, reason = "this is the room that mounts")]
    rustix::mount::move_mount(mount, "", target, "", flags)
        .map_err(|errno| Error::from_errno("mount on", path, errno))
}

/// Takes what is mounted at `path`, with all that is mounted beneath it, out of this namespace.
///
/// # Errors
///
/// umount2(2) failed.
pub(crate) fn detach(path: &str) -> Result<()> {
    unmount(path).map_err(|errno| Error::from_errno("unmount", path, errno))
}

/// Takes the mount `id` out of this namespace, with all that is mounted beneath it, if it is at `path`. No link is
/// followed, and the path is walked once: what is exchanged meanwhile leads to no other mount. As umount2(2) knows no
/// descriptors, the calling thread is then in the directory that holds it.
///
/// # Errors
///
/// The path has a link in it or is missing, that directory cannot be entered, or umount2(2) failed.
pub(crate) fn detach_from(path: &str, id: u64) -> Result<()> {
    let failed = |errno| Error::from_errno("unmount", path, errno);
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = reopen(if parent.is_empty() { "/" } else { parent })?;
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    let found = rustix::fs::statx(&parent, name, flags, StatxFlags::empty()).map_err(failed)?;
    // Another mount has come there, or the one that is meant has been taken away already.
    if found.stx_mnt_id != id {
        return Ok(());
    }
    // A name without a slash in the working directory: umount2(2) would walk the whole path a second time.
    rustix::process::fchdir(&parent).map_err(failed)?;
    unmount(name).map_err(failed)
}

fn unmount(path: &str) -> Result<(), Errno> {
    // Detached at once: a plain umount2(2) fails with EBUSY as long as anybody has a file open there.
    let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
    #[allow(clippy::disallowed_methods, reason = "this is the room that mounts")]
    nix::mount::umount2(path, flags).map_err(sys::of_nix)
}

/// The number of the mount on which an open directory or file lies (Linux 5.8). The file system is not asked: it may
/// be a user's.
///
/// # Errors
///
/// statx(2) failed.
pub(crate) fn id_of(place: impl AsFd, path: &str) -> Result<u64> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    // Nothing is asked for: the kernel fills in the number of the mount by itself (Linux 5.8), and a FUSE server that
    // hangs is not waited for.
    rustix::fs::statx(place, "", flags, StatxFlags::empty())
        .map(|status| status.stx_mnt_id)
        .map_err(|errno| Error::from_errno("examine", path, errno))
}

/// `MOVE_MOUNT_SET_GROUP` of move_mount(2), which rustix does not name.
const SET_GROUP: MoveMountFlags = MoveMountFlags::from_bits_retain(libc::MOVE_MOUNT_SET_GROUP);

/// Puts the mount `to`, which is private, into the peer group and behind the master of `from`, a mount of the same
/// file system in whatever namespace. Both are open roots of mounts.
///
/// # Errors
///
/// move_mount(2) failed: EINVAL before Linux 5.15.
pub(crate) fn join_peer_group(from: impl AsFd, to: impl AsFd, path: &str) -> Result<()> {
    let flags = SET_GROUP
        | MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH
        | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    #[allow(clippy::disallowed_methods, reason = "this is the room that mounts")]
    rustix::mount::move_mount(from, "", to, "", flags)
        .map_err(|errno| Error::from_errno("share the mounts on", path, errno))
}

/// Whether the kernel knows [`join_peer_group`] (Linux 5.15). An older one refuses its flag before it looks for the
/// mounts, which are not there.
#[must_use]
pub(crate) fn knows_peer_groups() -> bool {
    #[allow(clippy::disallowed_methods, reason = "this is the room that mounts")]
    let answer = rustix::mount::move_mount(rustix::fs::CWD, "", rustix::fs::CWD, "", SET_GROUP);
    answer == Err(Errno::NOENT)
}

/// Opens a path that has no links (any more), or fails with ELOOP; an `O_PATH` descriptor.
///
/// # Errors
///
/// openat2(2) failed.
pub fn reopen(path: &str) -> Result<OwnedFd> {
    rustix::fs::openat2(
        rustix::fs::CWD,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )
    .map_err(|errno| Error::from_errno("open", path, errno))
}
