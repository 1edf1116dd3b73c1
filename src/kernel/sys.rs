//! The raw system calls that no crate wraps. One of the two files that may hold `unsafe`; whoever calls an
//! `unsafe fn` of it says at the call why its contract is kept.
#![allow(unsafe_code)]

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions};
use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;

/// `struct mount_attr` of mount_setattr(2), version 0 (Linux 5.12).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::kernel) struct MountAttr {
    pub(in crate::kernel) attr_set: u64,
    pub(in crate::kernel) attr_clr: u64,
    pub(in crate::kernel) propagation: u64,
    pub(in crate::kernel) userns_fd: u64,
}

/// `NS_GET_OWNER_UID` of ioctl_nsfs(2) (Linux 4.11).
const NS_GET_OWNER_UID: libc::c_ulong = 0xb704;
/// `NS_GET_NSTYPE` of ioctl_nsfs(2).
const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
/// `NS_GET_MNTNS_ID` of ioctl_nsfs(2) (Linux 6.11): `_IOR(NSIO, 5, __u64)`.
const NS_GET_MNTNS_ID: libc::c_ulong = 0x8008_b705;

/// Requests to a file that stands for a namespace, or to a pidfd, to open another namespace: those of ioctl(2) without an argument
/// that are answered with a new descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernel) enum NamespaceRequest {
    /// The user namespace that owns a namespace: `NS_GET_USERNS` of ioctl_nsfs(2).
    Owner,
    /// The user namespace in which another one was made: `NS_GET_PARENT` of ioctl_nsfs(2).
    Parent,
    /// The IPC namespace of a process: `PIDFD_GET_IPC_NAMESPACE` (Linux 6.11).
    Ipc,
    /// The mount namespace of a process: `PIDFD_GET_MNT_NAMESPACE` (Linux 6.11).
    Mount,
    /// The network namespace of a process: `PIDFD_GET_NET_NAMESPACE` (Linux 6.11).
    Net,
    /// The user namespace of a process: `PIDFD_GET_USER_NAMESPACE` (Linux 6.11).
    User,
    /// The UTS namespace of a process: `PIDFD_GET_UTS_NAMESPACE` (Linux 6.11).
    Uts,
}

impl NamespaceRequest {
    /// Its number: `_IO(NSIO, N)`, or `_IO(PIDFS_IOCTL_MAGIC, N)`.
    fn number(self) -> libc::c_ulong {
        match self {
            Self::Owner => 0xb701,
            Self::Parent => 0xb702,
            Self::Ipc => 0xff02,
            Self::Mount => 0xff03,
            Self::Net => 0xff04,
            Self::User => 0xff09,
            Self::Uts => 0xff0a,
        }
    }
}

/// mount_setattr(2) on the very mount that `mount` is the root of.
pub(in crate::kernel) fn mount_setattr(
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

/// The namespace that `request` opens by `file`, a namespace or a pidfd, without /proc.
pub(in crate::kernel) fn open_namespace(
    file: BorrowedFd<'_>,
    request: NamespaceRequest,
) -> Result<OwnedFd, Errno> {
    // SAFETY: every request takes no argument and, where the kernel and the file know it, is answered with a new
    // descriptor (close-on-exec) or an error; where they do not, with ENOTTY or EINVAL.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), request.number(), 0) };
    if answer < 0 {
        return Err(last_errno());
    }
    // SAFETY: a non-negative answer is a descriptor that was made for this call and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(answer) })
}

/// The id, here, of the user who has made a user namespace.
pub(in crate::kernel) fn maker_of_user_namespace(namespace: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut uid: libc::uid_t = 0;
    // SAFETY: the request writes one uid_t, and `uid` is one, live and writable for the call.
    let answer = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) };
    if answer < 0 {
        return Err(last_errno());
    }
    Ok(uid)
}

/// The `CLONE_NEW*` flag of the namespace's type.
pub(in crate::kernel) fn type_of_namespace(namespace: BorrowedFd<'_>) -> Result<i32, Errno> {
    // SAFETY: the request takes no argument; files that do not know it answer with an error.
    let answer = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_NSTYPE, 0) };
    if answer < 0 {
        return Err(last_errno());
    }
    Ok(answer)
}

/// The number of a mount namespace, which no other has until the machine is started again.
pub(in crate::kernel) fn id_of_mount_namespace(namespace: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut id = 0_u64;
    // SAFETY: the request writes one u64, and `id` is one, live and writable for the call.
    let answer = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_MNTNS_ID, &raw mut id) };
    if answer < 0 {
        return Err(last_errno());
    }
    Ok(id)
}

/// `struct mnt_id_req` of statmount(2), its first version.
#[repr(C)]
struct MountRequest {
    size: u32,
    spare: u32,
    mount: u64,
    wanted: u64,
}

/// The type of the file system of a mount in the calling thread's namespace, by statmount(2) (Linux 6.8); `mount` is the
/// number that no other mount ever has (`STATX_MNT_ID_UNIQUE` of statx(2)). No file system is asked.
///
/// # Errors
///
/// ENOSYS or EPERM: the kernel or a filter does not know the call; ENOENT: there is no such mount.
pub(in crate::kernel) fn type_of_mount(mount: u64) -> Result<Vec<u8>, Errno> {
    /// The number of statmount(2), the same on every architecture.
    const STATMOUNT: libc::c_long = 457;
    /// `STATMOUNT_FS_TYPE`.
    const TYPE: u64 = 0x20;
    /// The offset of `fs_type` in `struct statmount`: where its text begins in those behind the structure.
    const FIELD: usize = 36;
    /// The size of the structure.
    const TEXTS: usize = 512;
    let request = MountRequest {
        size: 24,
        spare: 0,
        mount,
        wanted: TYPE,
    };
    let mut answer = [0_u8; 1024];
    // SAFETY: the request is live and of the size that it says, and the kernel writes no more than the size of `answer`.
    let status = unsafe {
        libc::syscall(
            STATMOUNT,
            std::ptr::from_ref(&request),
            answer.as_mut_ptr(),
            answer.len(),
            0,
        )
    };
    if status != 0 {
        return Err(last_errno());
    }
    let field = answer.get(FIELD..).and_then(<[u8]>::first_chunk::<4>);
    let offset = field.map_or(0, |bytes| u32::from_ne_bytes(*bytes) as usize);
    let text = answer
        .get(TEXTS.saturating_add(offset)..)
        .unwrap_or_default();
    Ok(text.iter().copied().take_while(|byte| *byte != 0).collect())
}

fn last_errno() -> Errno {
    let number = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(number.unwrap_or(libc::EIO))
}

/// Converts an error number of nix into rustix's.
pub(in crate::kernel) fn of_nix(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

/// Marks every descriptor from `first` on to be closed at execve(2) (Linux 5.11).
pub(in crate::kernel) fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    // SAFETY: descriptors are marked, and stay open for those who own them.
    unsafe { close_range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }
}

/// Closes every descriptor but those of `left_open` (Linux 5.9).
///
/// # Safety
///
/// Nothing in this process uses or drops another descriptor from now on. That can be so in a process that
/// [`clone_process`] has made: what its original holds is never used nor dropped there.
pub(in crate::kernel) unsafe fn close_all_but(left_open: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let numbers = || left_open.iter().map(|file| file.as_raw_fd().unsigned_abs());
    let mut first = 0;
    // Without a list of them: a copy of a process that had several threads may not allocate.
    while let Some(number) = numbers().filter(|number| first <= *number).min() {
        if let Some(last) = number.checked_sub(1).filter(|last| first <= *last) {
            // SAFETY: no number of a descriptor that stays open is in the range, and the caller answers for the others.
            unsafe { close_range(first, last, 0) }?;
        }
        first = number.saturating_add(1);
    }
    // SAFETY: as above.
    unsafe { close_range(first, u32::MAX, 0) }
}

/// close_range(2).
///
/// # Safety
///
/// Unless `flags` say that descriptors are only marked, nothing in this process uses or drops one of the range from
/// now on.
unsafe fn close_range(first: u32, last: u32, flags: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: the call takes three numbers, and the caller answers for the descriptors.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if status == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

/// Gives the process a session keyring of its own, empty, without a name.
pub(in crate::kernel) fn join_new_session_keyring() -> Result<(), Errno> {
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
pub(in crate::kernel) struct Child {
    /// Its number, which no other process has before it was waited for.
    pub(in crate::kernel) pid: Pid,
    /// A pidfd, readable once it has ended.
    pub(in crate::kernel) pidfd: OwnedFd,
}

/// The difference of a copy of this process from one that fork(2) makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernel) enum Difference {
    /// Nothing.
    None,
    /// The copy is the first process of a new PID namespace: `CLONE_NEWPID`.
    PidNamespace,
    /// The copy has the calling thread's very root and working directory: `CLONE_FS`.
    SharedDirectories,
}

impl Difference {
    /// The flags of clone(2) that make it.
    fn flags(self) -> libc::c_int {
        match self {
            Self::None => 0,
            Self::PidNamespace => libc::CLONE_NEWPID,
            Self::SharedDirectories => libc::CLONE_FS,
        }
    }
}

/// Starts a copy of this process, which has one thread, as [`clone_process`] does.
///
/// # Errors
///
/// EINVAL: the process has several threads. Or the kernel makes no process.
pub(in crate::kernel) fn clone_single(
    difference: Difference,
    signal: libc::c_int,
    child: impl FnOnce() -> libc::c_int,
) -> Result<Child, Errno> {
    check_single()?;
    // SAFETY: there is no other thread that could hold a lock, and none can begin before the copy is made.
    unsafe { clone_process(difference, signal, child) }
}

/// Checks that this process has one thread.
///
/// # Errors
///
/// EINVAL: it has several.
pub(in crate::kernel) fn check_single() -> Result<(), Errno> {
    // Asks for nothing that a process with one thread does not have already (unshare(2)).
    #[allow(clippy::disallowed_methods, reason = "this is the room that unshares")]
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_THREAD).map_err(of_nix)
}

/// Starts a copy of this process, with the calling thread alone, that runs `child` and exits with what it
/// gives. The parent gets `signal` when it ends; with 0, none, and waits for it with `__WALL` alone.
///
/// # Safety
///
/// Other threads may hold locks of the C library that nobody will free in the copy. Where this process has some, or is
/// itself a copy of one that had, `child` and whatever it starts make system calls and nothing else: they take no
/// lock, and allocate nothing above all (signal-safety(7)).
pub(in crate::kernel) unsafe fn clone_process(
    difference: Difference,
    signal: libc::c_int,
    child: impl FnOnce() -> libc::c_int,
) -> Result<Child, Errno> {
    let mut pidfd: libc::c_int = -1;
    let arguments = libc::clone_args {
        flags: u64::from((difference.flags() | libc::CLONE_PIDFD).cast_unsigned()),
        pidfd: (&raw mut pidfd).expose_provenance() as u64,
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
    // of a live integer. No `Difference` is CLONE_VM, and no stack is given: the child returns on a copy of this one.
    let answer = unsafe { libc::syscall(libc::SYS_clone3, std::ptr::from_ref(&arguments), size) };
    if answer == 0 {
        // What the host would do next is not for the copy to do.
        let returned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
        let status = returned.unwrap_or(libc::EXIT_FAILURE);
        // SAFETY: it ends the process without running anything of the program's.
        unsafe { libc::_exit(status) }
    }
    let number = i32::try_from(answer).ok().filter(|number| *number > 0);
    let Some(pid) = number.and_then(Pid::from_raw) else {
        return Err(last_errno());
    };
    // SAFETY: the kernel has made the descriptor for this call; it has no other owner.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Child { pid, pidfd })
}

impl Child {
    /// Waits until it has ended, whatever signal it sends then.
    pub(in crate::kernel) fn reap(&self) {
        self.exit_status();
    }

    /// Waits until it has ended, and gives its exit status; nothing where a signal ended it.
    pub(in crate::kernel) fn exit_status(&self) -> Option<i32> {
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

/// A mask that lets no signal reach the calling thread, of those that can be blocked. Dropped, the mask is the one of before.
pub(in crate::kernel) struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    pub(in crate::kernel) fn begin() -> Result<Self, Errno> {
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

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the set is the one that pthread_sigmask(3) has given.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}

/// Takes a signal away that waits for the calling thread, which blocks it.
pub(in crate::kernel) fn forget_signal(signal: libc::c_int) {
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
pub(in crate::kernel) fn reset_signals() {
    /// The kernel's number of signals.
    const SIGNALS: libc::c_int = 64;
    (1..=SIGNALS).for_each(reset_signal);
}

/// Gives one signal its default effect in this process.
pub(in crate::kernel) fn reset_signal(signal: libc::c_int) {
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
pub(in crate::kernel) fn send_signal(process: Pid, signal: libc::c_int) -> Result<(), Errno> {
    // SAFETY: kill(2) takes two numbers.
    match unsafe { libc::kill(process.as_raw_nonzero().get(), signal) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// Lets every signal reach the calling thread.
pub(in crate::kernel) fn let_signals_through() {
    let mut none = MaybeUninit::uninit();
    // SAFETY: sigemptyset(3) initialises the set.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Words as execve(2) takes them.
pub(in crate::kernel) struct Words {
    pointers: Vec<*const c_char>,
    /// The text that they point to.
    _text: Vec<CString>,
}

impl Words {
    pub(in crate::kernel) fn new(text: Vec<CString>) -> Self {
        let end = std::iter::once(std::ptr::null());
        let pointers = text.iter().map(|word| word.as_ptr()).chain(end).collect();
        Self {
            pointers,
            _text: text,
        }
    }
}

/// execve(2), without allocating anything. It returns only when that fails.
pub(in crate::kernel) fn execute(path: &CStr, arguments: &Words, environment: &Words) -> Errno {
    let (arguments, environment) = (&arguments.pointers, &environment.pointers);
    // SAFETY: all of it are NUL-terminated strings, and lists of such with a null pointer at the end, alive
    // for the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    last_errno()
}

/// Memory of this process's own for a few bytes that are to leave no trace: it is not written to disk, not
/// part of a core file, and all zeros in a child. What of this the kernel refuses is done without.
#[derive(Debug)]
pub(in crate::kernel) struct Vault {
    address: std::ptr::NonNull<u8>,
    size: usize,
}

impl Vault {
    /// An empty one of at least `size` bytes, all zeros.
    pub(in crate::kernel) fn new(size: usize) -> Result<Self, Errno> {
        /// `MADV_WIPEONFORK` (Linux 4.14).
        const WIPE_ON_FORK: libc::c_int = 18;
        let size = size.max(1);
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping at a place of the kernel's choice touches none that there is.
        let mapping = unsafe { libc::mmap(std::ptr::null_mut(), size, access, kind, -1, 0) };
        if mapping == libc::MAP_FAILED {
            return Err(last_errno());
        }
        // SAFETY: the range is the mapping that was just made, and nobody knows of it yet.
        unsafe {
            libc::mlock(mapping, size);
            libc::madvise(mapping, size, libc::MADV_DONTDUMP);
            libc::madvise(mapping, size, WIPE_ON_FORK);
        }
        let address = std::ptr::NonNull::new(mapping.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { address, size })
    }

    pub(in crate::kernel) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is of that size, readable, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.size) }
    }

    pub(in crate::kernel) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and writable; nobody else has a reference to it.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.size) }
    }

    /// Overwrites all of it.
    pub(in crate::kernel) fn wipe(&mut self) {
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
pub(in crate::kernel) fn bring_loopback_up(socket: BorrowedFd<'_>) -> Result<(), Errno> {
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
pub(in crate::kernel) fn ignore_ended_children() {
    // SAFETY: the disposition is no function, and nobody else in this process waits for children.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}
