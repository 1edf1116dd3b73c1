//! Access lists (acl(5)). Where a file has one, the group bits of its mode are the list's mask: what the users and
//! groups that it names may have at most.

use crate::kernel::fs::open::open_directory;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

/// The attribute that holds the list by which the kernel judges (xattr(7)). That of a directory's new entries, the
/// default list, lets nobody write to the directory itself.
const ATTRIBUTE: &str = "system.posix_acl_access";

/// The holders of the rights that the group bits of a mode say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holders {
    /// The file's group, and nobody else.
    Group,
    /// The users and groups that its access list names, too.
    Listed,
    /// Its access list cannot be read.
    Unknown,
}

impl Holders {
    /// The number that stands for it between a process and its copy.
    pub(in crate::kernel) fn number(self) -> u64 {
        match self {
            Self::Group => 0,
            Self::Listed => 1,
            Self::Unknown => 2,
        }
    }

    /// The one that such a number stands for.
    pub(in crate::kernel) fn of_number(number: u64) -> Self {
        match number {
            0 => Self::Group,
            1 => Self::Listed,
            _ => Self::Unknown,
        }
    }
}

/// Finds out who has the rights of the group bits of what `file` is open for, if only as a place (`O_PATH`);
/// `status` is that of it.
///
/// A directory is asked by a descriptor of its own, without /proc; anything else through /proc. File systems that
/// keep other lists (NFSv4) show none of them in this way.
#[must_use]
pub(crate) fn holders_of_group_bits(file: impl AsFd, status: &Stat) -> Holders {
    let none: &mut [u8] = &mut [];
    let size = match FileType::from_raw_mode(status.st_mode).is_dir() {
        true => open_directory(file, ".")
            .and_then(|opened| rustix::fs::fgetxattr(&opened, ATTRIBUTE, none)),
        false => {
            let itself = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
            rustix::fs::getxattr(itself, ATTRIBUTE, none)
        }
    };
    match size {
        Err(Errno::NODATA | Errno::NOTSUP) => Holders::Group,
        Ok(_) => Holders::Listed,
        Err(_) => Holders::Unknown,
    }
}
