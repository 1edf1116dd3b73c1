//! Which file systems answer: those that are in this machine's memory or on its disks.

use crate::kernel::mount;
use crate::kernel::mount::mount_table::{self, Mount};
use crate::kernel::sys;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, Statx, StatxFlags};
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

/// The type that answers as what it is made of does.
const OVERLAY: &[u8] = b"overlay";

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

    /// Whether the table was read: it then tells more for less.
    pub(in crate::kernel) fn are_known(&self) -> bool {
        self.0.get().is_some()
    }

    /// Whether something that may not answer is mounted on the entry `name` of a directory. An automount trigger is a
    /// mount too, and is there as long as nothing was cached of it.
    pub(in crate::kernel) fn may_wait_at(&self, directory: BorrowedFd<'_>, name: &str) -> bool {
        let Some(table) = self.table() else {
            return true;
        };
        let has_name = |mount: &&Mount| mount.place().file_name().is_some_and(|last| last == name);
        let mut waiting = table
            .iter()
            .filter(has_name)
            .filter(|mount| !answers(mount, table))
            .peekable();
        // Usually there is none of that name, wherever.
        if waiting.peek().is_none() {
            return false;
        }
        match mount::id_of(directory, name) {
            Ok(id) => waiting.any(|mount| mount.parent == id),
            Err(_) => true,
        }
    }

    /// Whether the file system answers that an open mount shows. One that is in no table answers.
    ///
    /// The kernel tells the type of one mount without the table (Linux 6.8), which grows with the mounts of others. It is
    /// read for overlays, and for what is mounted nowhere.
    pub(in crate::kernel) fn answers(&self, file: BorrowedFd<'_>) -> bool {
        /// `STATX_MNT_ID_UNIQUE` (Linux 6.8).
        const UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let Ok(known) = rustix::fs::statx(file, "", flags, UNIQUE) else {
            return false;
        };
        let is_numbered = known.stx_mask & UNIQUE.bits() != 0;
        match is_numbered.then(|| sys::type_of_mount(known.stx_mnt_id)) {
            Some(Ok(kind)) if kind != OVERLAY => is_answering(&kind),
            Some(_) | None => self.answers_by_table(&known),
        }
    }

    fn answers_by_table(&self, known: &Statx) -> bool {
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
        && (mount.kind != OVERLAY || layers(mount).all(|layer| is_on_known(layer, table)))
}

fn is_known(mount: &Mount) -> bool {
    is_answering(&mount.kind)
}

fn is_answering(kind: &[u8]) -> bool {
    ANSWERING.iter().any(|known| known.as_bytes() == kind)
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
