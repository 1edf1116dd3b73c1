//! One lock for each user: around joining, creating and removing that user's namespaces.

use super::clock::{TOUCHED, now};
use super::runtime::{PATH, Runtime};
use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::walk::{file_type, open_below};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Timespec};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// The directory of locks in `/run/jns`.
pub const DIRECTORY: &str = "lock";

/// The number of times that a lock which is held is asked for again, before a login goes on without.
pub const TRIES: u32 = 400;

/// Between two tries, in nanoseconds: two seconds in all. The lock is held for a few milliseconds, unless
/// a user stops the su(1) that they started in the middle of it.
const PAUSE: i64 = 5_000_000;

/// The time between two looks at what the sessions of a user have left that were killed.
const PERIOD: Duration = Duration::from_secs(600);

/// A held lock; dropped, it is free again. The kernel frees it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    file: OwnedFd,
}

impl Lock {
    /// Takes the lock of the user `uid`, together with others who join; nothing while somebody has it alone.
    ///
    /// # Errors
    ///
    /// It is not a file of root's, or cannot be made.
    pub fn to_join(runtime: &Runtime, uid: u32) -> Result<Option<Self>> {
        Self::ask(
            runtime,
            &uid.to_string(),
            FlockOperation::NonBlockingLockShared,
        )
    }

    /// Takes the lock of the user `uid` alone; nothing while somebody else has it.
    ///
    /// # Errors
    ///
    /// As [`Lock::to_join`].
    pub fn to_change(runtime: &Runtime, uid: u32) -> Result<Option<Self>> {
        Self::ask(
            runtime,
            &uid.to_string(),
            FlockOperation::NonBlockingLockExclusive,
        )
    }

    /// Turns a lock that joining took into one that changes; nothing while somebody else has it too, or has it alone by
    /// now: flock(2) gives the first one up before it takes the other.
    ///
    /// # Errors
    ///
    /// flock(2) failed.
    pub fn upgraded(self, uid: u32) -> Result<Option<Self>> {
        self.taken(&uid.to_string(), FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes the lock of the user `uid`, together with others who join.
    ///
    /// # Errors
    ///
    /// As [`Lock::to_join`], or somebody has it alone for longer than two seconds, or half of the time that is left until
    /// the deadline.
    pub fn wait_to_join(runtime: &Runtime, uid: u32, deadline: &Deadline) -> Result<Self> {
        let operation = FlockOperation::NonBlockingLockShared;
        Self::wait(runtime, &uid.to_string(), operation, deadline)
    }

    /// Takes the lock of the user `uid` alone.
    ///
    /// # Errors
    ///
    /// As [`Lock::wait_to_join`], or somebody has it for that long.
    pub fn wait_to_change(runtime: &Runtime, uid: u32, deadline: &Deadline) -> Result<Self> {
        let operation = FlockOperation::NonBlockingLockExclusive;
        Self::wait(runtime, &uid.to_string(), operation, deadline)
    }

    /// Takes the lock around the directory of pins, for which there is one.
    ///
    /// # Errors
    ///
    /// As [`Lock::wait_to_change`].
    pub fn of_pins(runtime: &Runtime, deadline: &Deadline) -> Result<Self> {
        let operation = FlockOperation::NonBlockingLockExclusive;
        Self::wait(runtime, "pins", operation, deadline)
    }

    /// Takes the lock around collecting what sessions have left behind, for which there is one.
    ///
    /// # Errors
    ///
    /// As [`Lock::to_join`], or it is held for longer than two seconds.
    pub fn to_collect(runtime: &Runtime) -> Result<Self> {
        let operation = FlockOperation::NonBlockingLockExclusive;
        Self::wait(runtime, "gc", operation, &Deadline::none())
    }

    fn wait(
        runtime: &Runtime,
        name: &str,
        operation: FlockOperation,
        deadline: &Deadline,
    ) -> Result<Self> {
        let (most, began) = (deadline.share(), Instant::now());
        for tried in 0..TRIES {
            // Where no time is left, a lock that nobody has is had all the same.
            if tried > 0 && most.is_some_and(|most| began.elapsed() > most) {
                break;
            }
            if let Some(lock) = Self::ask(runtime, name, operation)? {
                return Ok(lock);
            }
            pause();
        }
        Err(held(name, began.elapsed()))
    }

    fn ask(runtime: &Runtime, name: &str, operation: FlockOperation) -> Result<Option<Self>> {
        let file = open(runtime, name)?;
        Self { file }.taken(name, operation)
    }

    fn taken(self, name: &str, operation: FlockOperation) -> Result<Option<Self>> {
        match rustix::fs::flock(&self.file, operation) {
            Ok(()) => Ok(Some(self)),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(errno) => Err(failed(name, errno)),
        }
    }
}

/// Whether the user `uid` is due for what is done once in [`PERIOD`]: so long ago was it done last, as the time of the
/// user's lock says, which is set to now then. A user who has no lock yet gets one, and is not due.
///
/// # Errors
///
/// The lock cannot be examined or made.
pub(super) fn is_due(runtime: &Runtime, uid: u32) -> Result<bool> {
    let name = uid.to_string();
    let path = format!("{DIRECTORY}/{name}");
    let status = match rustix::fs::statat(runtime, &path, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return open(runtime, &name).map(|_| false),
        status => status.map_err(|errno| failed(&name, errno))?,
    };
    let last = u64::try_from(status.st_mtime).unwrap_or_default();
    if last.abs_diff(now()) < PERIOD.as_secs() {
        return Ok(false);
    }
    rustix::fs::utimensat(runtime, &path, &TOUCHED, AtFlags::SYMLINK_NOFOLLOW)
        .map(|()| true)
        .map_err(|errno| failed(&name, errno))
}

/// Returns how often a lock is asked for that whoever has it may keep for `longer` than usual.
#[must_use]
pub fn tries(longer: Duration) -> u32 {
    let pause = Duration::from_nanos(PAUSE.unsigned_abs());
    let more = longer
        .as_nanos()
        .checked_div(pause.as_nanos())
        .and_then(|more| u32::try_from(more).ok());
    TRIES.saturating_add(more.unwrap_or(0))
}

/// Says that the lock `name` was held whenever it was asked for, for `time`.
#[must_use]
pub fn held(name: &str, time: Duration) -> Error {
    let tenths = time.as_millis().div_euclid(100);
    let (seconds, tenths) = (tenths.div_euclid(10), tenths.rem_euclid(10));
    let reason = format!("another process has held it for {seconds}.{tenths} seconds");
    failed(name, Errno::WOULDBLOCK).because(reason)
}

/// Waits until a lock is worth asking for again.
pub fn pause() {
    let pause = Timespec {
        tv_sec: 0,
        tv_nsec: PAUSE,
    };
    let _ = rustix::thread::nanosleep(&pause);
}

fn open(runtime: &Runtime, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CREATE;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = runtime.with_directory(DIRECTORY, || {
        open_below(runtime, &format!("{DIRECTORY}/{name}"), flags, mode)
            .map_err(|errno| failed(name, errno))
    })?;
    let status = rustix::fs::fstat(&file).map_err(|errno| failed(name, errno))?;
    if file_type(&status) != FileType::RegularFile || status.st_uid != 0 {
        let reason = "it is not a file of root's";
        return Err(failed(name, Errno::INVAL).because(reason));
    }
    Ok(file)
}

fn failed(name: &str, errno: Errno) -> Error {
    Error::from_errno("lock", format_args!("{PATH}/{DIRECTORY}/{name}"), errno)
}
