//! The note in the store that directories were used: that of the user, or the group, has the time of the last login.

use super::clock::TOUCHED;
use crate::path::AbsPath;
use rustix::fs::{AtFlags, CWD};
use std::path::Path;

/// Notes that the directories at these paths of the calling thread's view are used now, where they lie in `store`: what
/// holds them gets the present time, by which the collector sees that somebody has begun to use it. What cannot be noted
/// is not.
pub(super) fn note_use<'p>(store: &AbsPath, directories: impl IntoIterator<Item = &'p str>) {
    let mut holders: Vec<&Path> = directories
        .into_iter()
        .filter_map(|directory| Path::new(directory).parent())
        .filter(|holder| holder.starts_with(store.as_str()) && *holder != Path::new(store.as_str()))
        .collect();
    holders.dedup();
    for holder in holders {
        let _ = rustix::fs::utimensat(CWD, holder, &TOUCHED, AtFlags::SYMLINK_NOFOLLOW);
    }
}
