//! Mounts that root may cover, and not look at: a user's FUSE file system without `allow_root` (mount.fuse3(8)).

use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::open::find_directory;
use rustix::fd::AsFd;
use rustix::fs::{
    AtFlags, FsWord, Mode, Stat, StatxAttributes, StatxFlags, fstat, fstatfs, makedev,
};
use rustix::io::Errno;

/// The inode number of what cannot be looked at: no file has it.
const INODE: u64 = 0;

/// The type of a FUSE file system (statfs(2)).
const FUSE: FsWord = 0x6573_5546;

/// The status of the entry `name` of `parent`, which `entry` is open for, if only as a place (`O_PATH`).
///
/// The root of a mount that does not let root look at it gets one that says what the kernel knows by itself, its device
/// and whether it is a directory, and that it is the user's, `uid`, and closed to others.
///
/// # Errors
///
/// The error number of fstat(2).
pub(crate) fn status_of_entry(
    parent: impl AsFd,
    name: &str,
    entry: impl AsFd,
    uid: u32,
) -> Result<Stat, Errno> {
    let refused = match fstat(&entry) {
        Err(refused @ Errno::ACCESS) => refused,
        other => return other,
    };
    let device = device_of_mount(&entry).ok_or(refused)?;
    let is_directory = find_directory(&parent, name).is_ok();
    let kind = if is_directory {
        libc::S_IFDIR
    } else {
        libc::S_IFREG
    };
    let mut status = fstat(&parent)?;
    status.st_dev = device;
    status.st_ino = INODE;
    status.st_mode = kind | Mode::RWXU.bits();
    status.st_uid = uid;
    status.st_gid = 0;
    status.st_size = 0;
    Ok(status)
}

/// Whether a status is one that was made for what cannot be looked at ([`status_of_entry`]).
#[must_use]
pub(crate) fn is_substitute(status: &Stat) -> bool {
    status.st_ino == INODE
}

/// Whether an open file is the one that is known by that.
///
/// # Errors
///
/// The error number of fstat(2).
pub(crate) fn is_same(file: impl AsFd, wanted: FileIdentity) -> Result<bool, Errno> {
    match fstat(&file) {
        Err(Errno::ACCESS) if wanted.inode == INODE => {
            Ok(device_of_mount(&file) == Some(wanted.device))
        }
        Err(errno) => Err(errno),
        Ok(found) => Ok(FileIdentity::of(&found) == wanted),
    }
}

/// Whether a directory is of a FUSE file system that does not let the process in. No server is asked: the kernel
/// refuses by itself, and says the type by itself.
#[must_use]
pub(crate) fn is_closed_fuse(directory: impl AsFd) -> bool {
    let is_fuse = || fstatfs(&directory).is_ok_and(|known| known.f_type == FUSE);
    fstat(&directory).err() == Some(Errno::ACCESS) && is_fuse()
}

/// Explains why root finds nothing in the directory `path`, of which [`is_closed_fuse`], and what its user can do.
#[must_use]
pub fn advice(path: &str) -> String {
    format!(
        "{path} is a FUSE file system that does not let root in; with allow_root it does (mount.fuse3(8))"
    )
}

/// The device of the mount whose root is open; nothing for any other file. Its file system is not asked: where nothing
/// is wanted of it, FUSE answers for it (Linux 4.18).
fn device_of_mount(file: impl AsFd) -> Option<u64> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let known = rustix::fs::statx(file, "", flags, StatxFlags::empty()).ok()?;
    let is_root = known.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    is_root.then(|| makedev(known.stx_dev_major, known.stx_dev_minor))
}
