//! The raw system calls that no crate wraps. One of the two files that may hold `unsafe`.
#![allow(unsafe_code)]

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;

/// `struct mount_attr` of mount_setattr(2), version 0 (Linux 5.12).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MountAttr {
    pub(super) attr_set: u64,
    pub(super) attr_clr: u64,
    pub(super) propagation: u64,
    pub(super) userns_fd: u64,
}

/// `NS_GET_USERNS` of ioctl_nsfs(2).
const NS_GET_USERNS: libc::c_ulong = 0xb701;
/// `NS_GET_NSTYPE` of ioctl_nsfs(2).
const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
/// `NS_GET_MNTNS_ID` of ioctl_nsfs(2) (Linux 6.11): `_IOR(NSIO, 5, __u64)`.
const NS_GET_MNTNS_ID: libc::c_ulong = 0x8008_b705;

/// `PIDFD_GET_MNT_NAMESPACE` (Linux 6.11): `_IO(PIDFS_IOCTL_MAGIC, 3)`.
const PIDFD_GET_MNT_NAMESPACE: libc::c_ulong = 0xff03;

/// mount_setattr(2) on the very mount that `mount` is the root of.
pub(super) fn mount_setattr(
    mount: BorrowedFd<'_>,
    recursive: bool,
    attr: &MountAttr,
) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the descriptor is open for the call, the path is a NUL-terminated literal, and `attr` is a
    // live `struct mount_attr` of the size that is passed; the kernel only reads it.
    let status = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

/// The mount namespace of the process behind `pidfd`, without /proc.
pub(super) fn pidfd_mount_namespace(pidfd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    new_descriptor(pidfd, PIDFD_GET_MNT_NAMESPACE)
}

/// The user namespace that owns the namespace.
pub(super) fn owner_of_namespace(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    new_descriptor(namespace, NS_GET_USERNS)
}

/// The `CLONE_NEW*` flag of the namespace's type.
pub(super) fn type_of_namespace(namespace: BorrowedFd<'_>) -> Result<i32, Errno> {
    // SAFETY: the request takes no argument; files that do not know it answer with an error.
    let answer = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_NSTYPE, 0) };
    if answer < 0 {
        return Err(last_errno());
    }
    Ok(answer)
}

/// The number of a mount namespace, which no other has until the machine is started again.
pub(super) fn id_of_mount_namespace(namespace: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut id = 0_u64;
    // SAFETY: the request writes one u64, and `id` is one, live and writable for the call.
    let answer = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_MNTNS_ID, &raw mut id) };
    if answer < 0 {
        return Err(last_errno());
    }
    Ok(id)
}

fn new_descriptor(file: BorrowedFd<'_>, request: libc::c_ulong) -> Result<OwnedFd, Errno> {
    // SAFETY: the requests that are passed take no argument and, where the kernel knows them, answer with
    // a new descriptor (close-on-exec) or an error; where it does not, it answers ENOTTY or EINVAL.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), request, 0) };
    if answer < 0 {
        return Err(last_errno());
    }
    // SAFETY: a non-negative answer is a descriptor that was made for this call and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(answer) })
}

fn last_errno() -> Errno {
    let number = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(number.unwrap_or(libc::EIO))
}

/// Marks every descriptor from `first` on to be closed at execve(2) (Linux 5.11).
pub(super) fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    // SAFETY: the flag is set on descriptors, none is closed here: whoever owns one keeps it.
    let status = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

/// Gives the process a session keyring of its own, empty, without a name.
pub(super) fn join_new_session_keyring() -> Result<(), Errno> {
    /// `KEYCTL_JOIN_SESSION_KEYRING` of keyctl(2).
    const JOIN_SESSION_KEYRING: libc::c_int = 1;
    let unnamed: *const libc::c_char = std::ptr::null();
    // SAFETY: the operation takes a name, or null for none.
    let keyring = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, unnamed) };
    if keyring < 0 {
        return Err(last_errno());
    }
    Ok(())
}
