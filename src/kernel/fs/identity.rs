//! The identity of a file, whatever its path.

use rustix::fs::Stat;

/// The device that a file is on, as stat(2) numbers it, and its inode: what makes it the same file under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileIdentity {
    /// The device.
    pub device: u64,
    /// The inode.
    pub inode: u64,
}

impl FileIdentity {
    /// The identity of the file whose status that is.
    #[must_use]
    pub fn of(status: &Stat) -> Self {
        Self {
            device: status.st_dev,
            inode: status.st_ino,
        }
    }
}
