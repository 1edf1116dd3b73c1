//! Which file systems answer: those that are in this machine's memory or on its disks.

use crate::kernel::mount;
use crate::kernel::mount::mount_table::{self, Mount};
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, StatxFlags};
use std::cell::OnceCell;
use std::path::Path;

/// The types of file systems that answer. A type that is not known may not: a server may stand behind it, a process or
/// another machine, and a child asks it.
const ANSWERING: &[&str] = &[
    "bcachefs",
    "binfmt_misc",
    "bpf",
    "btrfs",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "hugetlbfs",
    "iso9660",
    "jfs",
    "mqueue",
    "nilfs2",
    "nsfs",
    "ntfs3",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "rootfs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "udf",
    "vfat",
    "xfs",
    "zfs",
];

/// The options of an overlay that name the directories it is made of.
const LAYERS: &[&str] = &["lowerdir", "upperdir", "workdir"];

/// The mount table of the calling thread, read when something of it has to be known.
#[derive(Debug, Default)]
pub(in crate::kernel) struct Mounts(OnceCell<Option<Vec<Mount>>>);

impl Mounts {
    /// The table; nothing where /proc does not show it.
    fn table(&self) -> Option<&[Mount]> {
        let read = || mount_table::read("/proc/thread-self/mountinfo").ok();
        self.0.get_or_init(read).as_deref()
    }

    /// Whether something that may not answer is mounted on the entry `name` of a directory. An automount trigger is a
    /// mount too, and is there as long as nothing was cached of it.
    pub(in crate::kernel) fn may_wait_at(&self, directory: BorrowedFd<'_>, name: &str) -> bool {
        let (Some(table), Ok(id)) = (self.table(), mount::id_of(directory, name)) else {
            return true;
        };
        let is_there = |mount: &&Mount| {
            mount.parent == id && mount.place().file_name().is_some_and(|last| last == name)
        };
        table
            .iter()
            .filter(is_there)
            .any(|mount| !answers(mount, table))
    }

    /// Whether the file system answers that an open mount shows. One that is in no table answers.
    pub(in crate::kernel) fn answers(&self, file: BorrowedFd<'_>) -> bool {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let Ok(known) = rustix::fs::statx(file, "", flags, StatxFlags::empty()) else {
            return false;
        };
        let device = format!("{}:{}", known.stx_dev_major, known.stx_dev_minor);
        let Some(table) = self.table() else {
            return false;
        };
        let mut shown = table
            .iter()
            .filter(|mount| mount.device == device.as_bytes());
        shown.all(|mount| answers(mount, table))
    }
}

fn answers(mount: &Mount, table: &[Mount]) -> bool {
    is_known(mount)
        && (mount.kind != b"overlay" || layers(mount).all(|layer| is_on_known(layer, table)))
}

fn is_known(mount: &Mount) -> bool {
    ANSWERING.iter().any(|kind| kind.as_bytes() == mount.kind)
}

/// The directories that an overlay is made of, as whoever mounted it has named them.
fn layers(overlay: &Mount) -> impl Iterator<Item = &str> {
    let options = std::str::from_utf8(&overlay.options).unwrap_or_default();
    let named = options
        .split(',')
        .filter_map(|option| option.split_once('='));
    let layers = named.filter(|(name, _)| LAYERS.contains(&name.trim_end_matches('+')));
    layers.flat_map(|(_, value)| value.split(':'))
}

/// Whether a path is on a file system that answers, by its form alone.
fn is_on_known(path: &str, table: &[Mount]) -> bool {
    let above = table.iter().filter(|mount| mount.is_above(path));
    let length = |mount: &&Mount| Path::components(mount.place()).count();
    above.max_by_key(length).is_none_or(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_answers_as_its_layers_do() {
        let table = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
                     2 1 0:40 / /net rw - nfs4 server:/ rw\n\
                     3 1 0:41 / /a rw - overlay o rw,lowerdir=/srv/low:/usr,upperdir=/srv/up,workdir=/srv/work\n\
                     4 1 0:42 / /b rw - overlay o rw,lowerdir=/srv/low:/net/x\n\
                     5 1 0:43 / /c rw - overlay o rw,lowerdir+=/net/x,lowerdir+=/srv\n\
                     6 1 0:44 / /d rw - fuse.sshfs s rw\n\
                     7 1 0:45 / /e rw - autofs a rw,fd=5\n\
                     8 1 0:46 / /f rw - something s rw\n";
        let table: Vec<Mount> = mount_table::parse(table.as_bytes()).collect();
        let answering = table.iter().filter(|mount| answers(mount, &table));
        let ids: Vec<u64> = answering.map(|mount| mount.id).collect();
        assert_eq!(ids, [1, 3]);
    }
}
