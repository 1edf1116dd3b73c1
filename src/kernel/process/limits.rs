//! Limits that a process of root's has from whoever started su(1): with them, users would decide where a program of
//! root's breaks off.

use crate::kernel::sys::{BlockedSignals, forget_signal};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit, setrlimit};
use std::sync::{Mutex, PoisonError};

/// The limits that end a program, or make its calls fail, in the middle of what it does.
const LIFTED: [Resource; 6] = [
    Resource::As,
    Resource::Cpu,
    Resource::Data,
    Resource::Fsize,
    Resource::Nproc,
    Resource::Rss,
];

/// Limits that a process gets at least, as from Linux itself: the size of its stack in bytes, and how many descriptors.
const RAISED: [(Resource, u64); 2] = [(Resource::Stack, 8 << 20), (Resource::Nofile, 1024)];

/// Lifts those of the calling process as far as it may: all the way with CAP_SYS_RESOURCE. It makes system calls and
/// nothing else.
pub(in crate::kernel) fn lift() {
    for resource in LIFTED {
        raise(resource, None);
    }
    for (resource, least) in RAISED {
        raise(resource, Some(least));
    }
}

/// Raises a limit to at least that; nothing stands for none.
fn raise(resource: Resource, least: Option<u64>) {
    let Rlimit { current, maximum } = getrlimit(resource);
    let raised = |limit: Option<u64>| Some(limit?.max(least?));
    let wanted = Rlimit {
        current: raised(current),
        maximum: raised(maximum),
    };
    let allowed = Rlimit {
        current: match (raised(current), maximum) {
            (Some(wanted), Some(maximum)) => Some(wanted.min(maximum)),
            (wanted, maximum) => wanted.or(maximum),
        },
        maximum,
    };
    let _ = setrlimit(resource, wanted).or_else(|_| setrlimit(resource, allowed));
}

/// The number of threads that write at this moment, and the limit that was lifted for them.
static WRITERS: Mutex<(usize, Option<Rlimit>)> = Mutex::new((0, None));

/// Writes to files of root's own whatever size a file may have (`RLIMIT_FSIZE`, setrlimit(2)): beyond that, the kernel
/// ends the process by SIGXFSZ. The limit is one of the whole process, and is what it was when the last thread has
/// written; where it cannot be lifted (without CAP_SYS_RESOURCE), a write that is too long fails, and the signal is not
/// delivered.
pub(in crate::kernel) fn without_size_limit<T>(write: impl FnOnce() -> T) -> T {
    let Some(_lifted) = SizeLimit::lift() else {
        return write();
    };
    let blocked = BlockedSignals::begin();
    let written = write();
    // As long as it is blocked: a SIGXFSZ that waits is taken away before it can reach the host.
    if blocked.is_ok() {
        forget_signal(libc::SIGXFSZ);
    }
    written
}

/// The limit of the size of files, lifted. Dropped by the last of those who have it, it is there again.
struct SizeLimit;

impl SizeLimit {
    /// Lifts it; nothing where there is none.
    fn lift() -> Option<Self> {
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, before) = &mut *writers;
        if *count == 0 {
            *before = Some(lift_size()?);
        }
        *count = count.saturating_add(1);
        Some(Self)
    }
}

/// Lifts the limit and returns the one of before; nothing where there is none. It is read by the
/// call that changes it, which may fail; rustix takes for granted that the one that only reads does not.
fn lift_size() -> Option<Rlimit> {
    const NONE: Rlimit = Rlimit {
        current: None,
        maximum: None,
    };
    let before = prlimit(None, Resource::Fsize, NONE).unwrap_or_else(|_| {
        let before = getrlimit(Resource::Fsize);
        raise(Resource::Fsize, None);
        before
    });
    before.current.map(|_| before)
}

impl Drop for SizeLimit {
    fn drop(&mut self) {
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, before) = &mut *writers;
        *count = count.saturating_sub(1);
        if let Some(limit) = before.take_if(|_| *count == 0) {
            let _ = setrlimit(Resource::Fsize, limit);
        }
    }
}
