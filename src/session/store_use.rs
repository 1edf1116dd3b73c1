//! The note in the store that directories were used: that of the user, or the group, has the time of the last login.

use super::clock::now;
use crate::path::AbsPath;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};
use std::path::Path;

/// The number of seconds for which a note is good enough: what is removed was not used for days.
const GRAIN: u64 = 3600;

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: UTIME_NOW,
};

/// Notes that the directories at these paths of the calling thread's view are used now, where they lie in `store`: what
/// holds them gets the present time, unless it has one of the last hour. What cannot be noted is not.
pub(super) fn note_use<'p>(store: &AbsPath, directories: impl IntoIterator<Item = &'p str>) {
    let mut holders: Vec<&Path> = directories
        .into_iter()
        .filter_map(|directory| Path::new(directory).parent())
        .filter(|holder| holder.starts_with(store.as_str()) && *holder != Path::new(store.as_str()))
        .collect();
    holders.dedup();
    for holder in holders {
        let noted = rustix::fs::lstat(holder).ok();
        let noted = noted.and_then(|status| u64::try_from(status.st_mtime).ok());
        if noted.is_some_and(|noted| noted.abs_diff(now()) >= GRAIN) {
            let now = Timestamps {
                last_access: NOW,
                last_modification: NOW,
            };
            let _ = rustix::fs::utimensat(CWD, holder, &now, AtFlags::SYMLINK_NOFOLLOW);
        }
    }
}
