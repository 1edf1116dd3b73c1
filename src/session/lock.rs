//! One lock for each user: around joining, creating and removing that user's namespaces.

use super::runtime::{PATH, Runtime};
use crate::error::{Error, Result};
use crate::kernel::walk::file_type;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Timespec};
use rustix::io::Errno;

/// How often a lock that is held is asked for again.
const TRIES: u32 = 400;

/// Between two tries, in nanoseconds: two seconds in all. The lock is held for a few milliseconds, unless
/// a user stops the su(1) that they started in the middle of it.
const PAUSE: i64 = 5_000_000;

/// A held lock; dropped, it is free again. The kernel frees it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: OwnedFd,
}

impl Lock {
    /// Takes the lock of the user `uid`, together with others who join.
    ///
    /// # Errors
    ///
    /// It is held for longer than two seconds ([`Error::is_held`]), or is not a file of root's.
    pub fn to_join(runtime: &Runtime, uid: u32) -> Result<Self> {
        Self::wait(
            runtime,
            &uid.to_string(),
            FlockOperation::NonBlockingLockShared,
        )
    }

    /// Takes the lock of the user `uid` alone.
    ///
    /// # Errors
    ///
    /// As [`Lock::to_join`].
    pub fn to_change(runtime: &Runtime, uid: u32) -> Result<Self> {
        Self::wait(
            runtime,
            &uid.to_string(),
            FlockOperation::NonBlockingLockExclusive,
        )
    }

    /// Takes the lock around the directory of pins, for which there is one.
    ///
    /// # Errors
    ///
    /// As [`Lock::to_join`].
    pub fn of_pins(runtime: &Runtime) -> Result<Self> {
        Self::wait(runtime, "pins", FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes the lock around collecting what sessions have left behind, for which there is one.
    ///
    /// # Errors
    ///
    /// As [`Lock::to_join`].
    pub fn to_collect(runtime: &Runtime) -> Result<Self> {
        Self::wait(runtime, "gc", FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes the lock of the user `uid` alone, if nobody holds it.
    ///
    /// # Errors
    ///
    /// As [`Lock::to_join`].
    pub fn try_to_change(runtime: &Runtime, uid: u32) -> Result<Option<Self>> {
        let file = open(runtime, &uid.to_string())?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(failed(&uid.to_string(), errno)),
        }
    }

    fn wait(runtime: &Runtime, name: &str, operation: FlockOperation) -> Result<Self> {
        let file = open(runtime, name)?;
        for _ in 0..TRIES {
            match rustix::fs::flock(&file, operation) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) => pause(),
                Err(errno) => return Err(failed(name, errno)),
            }
        }
        Err(failed(name, Errno::WOULDBLOCK).because("another process has held it for two seconds"))
    }
}

fn pause() {
    let pause = Timespec {
        tv_sec: 0,
        tv_nsec: PAUSE,
    };
    let _ = rustix::thread::nanosleep(&pause);
}

fn open(runtime: &Runtime, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = runtime.with_directory("lock", || {
        rustix::fs::openat(
            runtime,
            format!("lock/{name}"),
            flags | OFlags::CREATE,
            mode,
        )
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
    Error::from_errno("lock", format_args!("{PATH}/lock/{name}"), errno)
}
