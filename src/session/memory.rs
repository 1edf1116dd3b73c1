//! The usage of file systems in memory, as the kernel has it.

use crate::kernel::mount::mount_table::{Mount, OwnTable};
use crate::kernel::mount::reopen;
use crate::kernel::namespace::Namespace;
use crate::kernel::namespace::guard::leave_for;
use crate::path::ViewPath;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, StatxFlags};
use serde::Serialize;

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The path of the file system.
    pub path: String,
    /// The number of bytes that it holds.
    pub used: u64,
    /// The number of bytes that it may hold.
    pub size: u64,
}

/// The file systems in memory at these paths of a namespace; none where it cannot be entered.
///
/// It is entered, because a path by way of a process begins at that process's root directory, which its user
/// may have changed.
pub fn memory(namespace: &Namespace, paths: &[ViewPath]) -> Vec<Memory> {
    let (Ok(table), Ok(_away)) = (OwnTable::find(), leave_for(namespace)) else {
        return Vec::new();
    };
    let mounts = table.read().unwrap_or_default();
    let found = paths.iter().map(ViewPath::as_str).filter_map(|path| {
        // Whoever serves such a file system could let this process wait for ever.
        let slow = |mount: &Mount| mount.kind.starts_with(b"fuse") && mount.is_above(path);
        if mounts.iter().any(slow) {
            return None;
        }
        let place = reopen(path).ok()?;
        let status = rustix::fs::statx(
            &place,
            "",
            AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC,
            StatxFlags::MNT_ID,
        );
        let id = status.ok()?.stx_mnt_id;
        let own = |mount: &Mount| mount.id == id && mount.point == path.as_bytes();
        let mount = mounts.iter().find(|mount| own(mount))?;
        (mount.kind == b"tmpfs").then(|| usage_of(&place, path))?
    });
    found.collect()
}

fn usage_of(place: &OwnedFd, path: &str) -> Option<Memory> {
    let status = rustix::fs::fstatvfs(place).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(status.f_frsize);
    Some(Memory {
        path: path.to_owned(),
        used: bytes(status.f_blocks.saturating_sub(status.f_bfree)),
        size: bytes(status.f_blocks),
    })
}
