//! A copy of this process that is to be a command, and the signals between the two.

use crate::kernel::sys::{self, Difference};
use rustix::io::Errno;
use rustix::process::Pid;

/// Starts a copy of this process, which has one thread, that ends with the status that `child` gives. SIGCHLD reports
/// its end.
///
/// # Errors
///
/// EINVAL: the process has several threads. Or the kernel makes no process.
pub(crate) fn start_copy(child: impl FnOnce() -> u8) -> Result<Pid, Errno> {
    let child = || i32::from(child());
    let copy = sys::clone_single(Difference::None, libc::SIGCHLD, child)?;
    Ok(copy.pid)
}

/// Lets children of this process be waited for, even where whoever started it has them forgotten (SIGCHLD ignored).
pub(crate) fn remember_ended_children() {
    sys::reset_signal(libc::SIGCHLD);
}

/// Lets every signal reach the calling thread.
pub(crate) fn let_signals_through() {
    sys::let_signals_through();
}

/// Sends a signal by its number, a real-time signal for example, to a process.
///
/// # Errors
///
/// There is no such process, or this one may not.
pub(crate) fn send_signal(process: Pid, signal: i32) -> Result<(), Errno> {
    sys::send_signal(process, signal)
}
