//! The time, as the ledger has it.

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};
use std::time::SystemTime;

const PRESENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: UTIME_NOW,
};

/// The present time, as utimensat(2) gives it to a file.
pub(super) const TOUCHED: Timestamps = Timestamps {
    last_access: PRESENT,
    last_modification: PRESENT,
};

/// Seconds since 1970; 0 where the clock stands before that.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
