//! The raw system calls that no crate wraps. One of the two files that may hold `unsafe`.
#![allow(unsafe_code)]

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions};
use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;

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
/// `NS_GET_PARENT` of ioctl_nsfs(2).
const NS_GET_PARENT: libc::c_ulong = 0xb702;
/// `NS_GET_OWNER_UID` of ioctl_nsfs(2) (Linux 4.11).
const NS_GET_OWNER_UID: libc::c_ulong = 0xb704;
/// `NS_GET_NSTYPE` of ioctl_nsfs(2).
const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
/// `NS_GET_MNTNS_ID` of ioctl_nsfs(2) (Linux 6.11): `_IOR(NSIO, 5, __u64)`.
const NS_GET_MNTNS_ID: libc::c_ulong = 0x8008_b705;

/// `PIDFD_GET_IPC_NAMESPACE` (Linux 6.11): `_IO(PIDFS_IOCTL_MAGIC, 2)`.
pub(super) const PIDFD_GET_IPC_NAMESPACE: libc::c_ulong = 0xff02;
/// `PIDFD_GET_MNT_NAMESPACE` (Linux 6.11): `_IO(PIDFS_IOCTL_MAGIC, 3)`.
pub(super) const PIDFD_GET_MNT_NAMESPACE: libc::c_ulong = 0xff03;
/// `PIDFD_GET_NET_NAMESPACE` (Linux 6.11): `_IO(PIDFS_IOCTL_MAGIC, 4)`.
pub(super) const PIDFD_GET_NET_NAMESPACE: libc::c_ulong = 0xff04;
/// `PIDFD_GET_USER_NAMESPACE` (Linux 6.11): `_IO(PIDFS_IOCTL_MAGIC, 9)`.
pub(super) const PIDFD_GET_USER_NAMESPACE: libc::c_ulong = 0xff09;
/// `PIDFD_GET_UTS_NAMESPACE` (Linux 6.11): `_IO(PIDFS_IOCTL_MAGIC, 10)`.
pub(super) const PIDFD_GET_UTS_NAMESPACE: libc::c_ulong = 0xff0a;

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

/// The namespace that `request`, a `PIDFD_GET_*_NAMESPACE`, opens of the process behind `pidfd`, without
/// /proc.
pub(super) fn namespace_of_pidfd(
    pidfd: BorrowedFd<'_>,
    request: libc::c_ulong,
) -> Result<OwnedFd, Errno> {
    new_descriptor(pidfd, request)
}

/// The user namespace that owns the namespace.
pub(super) fn owner_of_namespace(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    new_descriptor(namespace, NS_GET_USERNS)
}

/// The user namespace in which another one was made.
pub(super) fn parent_of_namespace(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    new_descriptor(namespace, NS_GET_PARENT)
}

/// The id, here, of the user who has made a user namespace.
pub(super) fn maker_of_user_namespace(namespace: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut uid: libc::uid_t = 0;
    // SAFETY: the request writes one uid_t, and `uid` is one, live and writable for the call.
    let answer = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) };
    if answer < 0 {
        return Err(last_errno());
    }
    Ok(uid)
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

/// The same error as this crate's calls give it.
pub(super) fn of_nix(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

/// Marks every descriptor from `first` on to be closed at execve(2) (Linux 5.11).
pub(super) fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    close_range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes every descriptor but those of `kept`, in a process that is a copy of another one and never uses the
/// others again (Linux 5.9).
pub(super) fn close_all_but(kept: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let numbers = kept.iter().map(|kept| kept.as_raw_fd().unsigned_abs());
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    let mut first = 0;
    for number in numbers {
        if let Some(last) = number.checked_sub(1).filter(|last| first <= *last) {
            close_range(first, last, 0)?;
        }
        first = number.saturating_add(1);
    }
    close_range(first, u32::MAX, 0)
}

fn close_range(first: u32, last: u32, flags: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: descriptors are marked, whose owners keep them, or the caller has said that their owners never
    // use them again.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
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

/// A process that this one has started.
#[derive(Debug)]
pub(super) struct Child {
    /// Its number, which no other has before it was waited for.
    pub(super) pid: Pid,
    /// A pidfd, readable once it has ended.
    pub(super) pidfd: OwnedFd,
}

/// Starts a copy of this process, with the calling thread alone, that runs `child` and exits with what it
/// gives. The parent gets `signal` when it ends; with 0, none, and waits for it with `__WALL` alone.
///
/// Other threads may hold locks of the C library that nobody will free in the copy: `child` makes system
/// calls and nothing else, no allocation above all.
pub(super) fn clone_process(
    signal: libc::c_int,
    child: impl FnOnce() -> libc::c_int,
) -> Result<Child, Errno> {
    clone_process_into(0, signal, child)
}

/// The same with more flags of clone(2): `CLONE_NEW*` for new namespaces that the copy is in, `CLONE_FS` for one that
/// has the calling thread's very root and working directory.
pub(super) fn clone_process_into(
    flags: libc::c_int,
    signal: libc::c_int,
    child: impl FnOnce() -> libc::c_int,
) -> Result<Child, Errno> {
    let mut pidfd: libc::c_int = -1;
    let arguments = libc::clone_args {
        flags: u64::from((flags | libc::CLONE_PIDFD).cast_unsigned()),
        pidfd: (&raw mut pidfd).addr() as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: u64::from(signal.unsigned_abs()),
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    let size = size_of::<libc::clone_args>();
    // SAFETY: the argument is a live `struct clone_args` of the size that is passed, its `pidfd` the address
    // of a live integer. Without CLONE_VM and with no stack given, the child returns on a copy of this one.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, std::ptr::from_ref(&arguments), size) };
    if pid == 0 {
        // What the host would do next is not for the copy to do.
        let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
        let status = status.unwrap_or(libc::EXIT_FAILURE);
        // SAFETY: it ends the process without running anything of the program's.
        unsafe { libc::_exit(status) }
    }
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
    let Some(pid) = pid.and_then(Pid::from_raw) else {
        return Err(last_errno());
    };
    // SAFETY: the kernel has made the descriptor for this call; it has no other owner.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Child { pid, pidfd })
}

impl Child {
    /// Waits until it has ended, whatever signal tells of it.
    pub(super) fn reap(&self) {
        self.exit_status();
    }

    /// Waits until it has ended, and gives its exit status; nothing where a signal ended it.
    pub(super) fn exit_status(&self) -> Option<i32> {
        let all = WaitIdOptions::from_bits_retain(libc::__WALL.cast_unsigned());
        let options = WaitIdOptions::EXITED | all;
        loop {
            match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Err(Errno::INTR) => {}
                ended => return ended.ok().flatten()?.exit_status(),
            }
        }
    }
}

/// No signal that can be held up reaches the calling thread as long as this is.
pub(super) struct SignalsHeld(libc::sigset_t);

impl SignalsHeld {
    pub(super) fn begin() -> Result<Self, Errno> {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: sigfillset(3) initialises the one set, pthread_sigmask(3) the other when it succeeds.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            let set = libc::SIG_SETMASK;
            match libc::pthread_sigmask(set, all.as_ptr(), before.as_mut_ptr()) {
                0 => Ok(Self(before.assume_init())),
                number => Err(Errno::from_raw_os_error(number)),
            }
        }
    }
}

impl Drop for SignalsHeld {
    fn drop(&mut self) {
        // SAFETY: the set is the one that pthread_sigmask(3) has given.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}

/// Takes a signal away that waits for the calling thread, which holds it up.
pub(super) fn forget_signal(signal: libc::c_int) {
    let at_once = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut one = MaybeUninit::uninit();
    // SAFETY: sigemptyset(3) initialises the set, and nobody asks for more about the signal than its number.
    unsafe {
        libc::sigemptyset(one.as_mut_ptr());
        libc::sigaddset(one.as_mut_ptr(), signal);
        libc::sigtimedwait(one.as_ptr(), std::ptr::null_mut(), &raw const at_once);
    }
}

/// Gives every signal its default effect in this process, those that the C library keeps for itself too: it
/// may have been started with them ignored. Only a child that is to be another program does it.
pub(super) fn reset_signals() {
    /// The kernel's number of signals.
    const SIGNALS: libc::c_int = 64;
    (1..=SIGNALS).for_each(reset_signal);
}

/// Gives one signal its default effect in this process.
pub(super) fn reset_signal(signal: libc::c_int) {
    /// The size of the kernel's set of signals in bytes.
    const SET: usize = 8;
    // More than a `struct sigaction` of the kernel's. Of all zeros, it says SIG_DFL.
    let default = [0_usize; 8];
    let before: *mut usize = std::ptr::null_mut();
    // SAFETY: the structure is live, larger than what the kernel reads, and no old one is asked for. It
    // fails for signals that are not to be changed.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            default.as_ptr(),
            before,
            SET,
        )
    };
}

/// Sends a signal by its number, a real-time signal for example, to a process.
pub(super) fn send_signal(process: Pid, signal: libc::c_int) -> Result<(), Errno> {
    // SAFETY: kill(2) takes two numbers.
    match unsafe { libc::kill(process.as_raw_nonzero().get(), signal) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// Lets every signal reach the calling thread.
pub(super) fn let_signals_through() {
    let mut none = MaybeUninit::uninit();
    // SAFETY: sigemptyset(3) initialises the set.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Words as execve(2) takes them.
pub(super) struct Words {
    pointers: Vec<*const c_char>,
    /// What they point to.
    _text: Vec<CString>,
}

impl Words {
    pub(super) fn new(text: Vec<CString>) -> Self {
        let end = std::iter::once(std::ptr::null());
        let pointers = text.iter().map(|word| word.as_ptr()).chain(end).collect();
        Self {
            pointers,
            _text: text,
        }
    }
}

/// execve(2), without allocating anything. It returns only when that fails.
pub(super) fn execute(path: &CStr, arguments: &Words, environment: &Words) -> Errno {
    let (arguments, environment) = (&arguments.pointers, &environment.pointers);
    // SAFETY: all of it are NUL-terminated strings, and lists of such with a null pointer at the end, alive
    // for the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    last_errno()
}

/// Memory of this process's own for a few bytes that are to leave no trace: it is not written to disk, not
/// part of a core file, and all zeros in a child. What of this the kernel refuses is done without.
#[derive(Debug)]
pub(super) struct Vault {
    address: std::ptr::NonNull<u8>,
    size: usize,
}

impl Vault {
    /// An empty one of at least `size` bytes, all zeros.
    pub(super) fn new(size: usize) -> Result<Self, Errno> {
        /// `MADV_WIPEONFORK` (Linux 4.14).
        const WIPE_ON_FORK: libc::c_int = 18;
        let size = size.max(1);
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping at a place of the kernel's choice touches none that there is.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), size, access, kind, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(last_errno());
        }
        // SAFETY: the range is the mapping that was just made, and nobody knows of it yet.
        unsafe {
            libc::mlock(address, size);
            libc::madvise(address, size, libc::MADV_DONTDUMP);
            libc::madvise(address, size, WIPE_ON_FORK);
        }
        let address = std::ptr::NonNull::new(address.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { address, size })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is of that size, readable, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.size) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and writable; nobody else has a reference to it.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.size) }
    }

    /// Overwrites all of it.
    pub(super) fn wipe(&mut self) {
        for byte in self.bytes_mut() {
            // SAFETY: it is a live byte; a volatile write is not left out because nobody reads it again.
            unsafe { std::ptr::write_volatile(byte, 0) };
        }
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.wipe();
        // SAFETY: the mapping is this one's alone, and there is no reference to it any more.
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.size) };
    }
}

/// Brings the loopback device of the calling thread's network namespace up (netdevice(7)).
pub(super) fn bring_loopback_up(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: `struct ifreq` is plain data, for which all zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP).unwrap_or_default();
    // SAFETY: the request reads one `struct ifreq`, and `request` is one, live for the call, whose name ends
    // with a zero.
    let status = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if status < 0 {
        return Err(last_errno());
    }
    Ok(())
}

/// Lets the kernel take away children that have ended, without anybody waiting for them.
pub(super) fn ignore_ended_children() {
    // SAFETY: the disposition is no function, and nobody else in this process waits for children.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}
