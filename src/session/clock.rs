//! The time, as the ledger has it.

use std::time::SystemTime;

/// Seconds since 1970; 0 where the clock stands before that.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
