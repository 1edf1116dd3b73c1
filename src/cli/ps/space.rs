//! The usage of users' directories on disk, counted file by file.

use super::census::{Census, Usage, Volume};
use crate::cli::terminal::Progress;
use crate::kernel::fs::directory::names;
use crate::kernel::fs::identity::FileIdentity;
use crate::session::ledger::Shown;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags, Stat};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

/// The depth to which a tree is counted: one descriptor is open for each level.
const DEEPEST: usize = 256;

/// The time that the count may be silent, and between two lines that show where it is.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts every directory on disk that the namespaces of `census` show, each once.
pub fn count(census: &mut Census) {
    let mut progress = CountProgress::default();
    let mut known: BTreeMap<FileIdentity, Option<Usage>> = BTreeMap::new();
    let users = census.users.iter_mut();
    for entry in users.flat_map(|user| &mut user.namespaces) {
        let Some(record) = &entry.record else {
            continue;
        };
        for instance in &record.instances {
            let used = *known
                .entry(instance.identity())
                .or_insert_with(|| count_instance(instance, &mut progress));
            let path = instance.path.to_string();
            entry.volumes.push(Volume { path, used });
        }
    }
}

/// Nothing where another directory has its path by now, or none.
fn count_instance(instance: &Shown, progress: &mut CountProgress) -> Option<Usage> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = rustix::fs::open(instance.path.as_str(), flags, Mode::empty()).ok()?;
    let status = rustix::fs::fstat(&top).ok()?;
    if FileIdentity::of(&status) != instance.identity() {
        return None;
    }
    let mut count = Count {
        usage: Usage {
            bytes: bytes_of(&status),
            more: false,
        },
        linked: BTreeSet::new(),
        progress,
        path: instance.path.as_str(),
    };
    count.tree(top);
    Some(count.usage)
}

/// Shows what is counted, once that takes long.
#[derive(Debug)]
struct CountProgress {
    printed: Instant,
    progress: Option<Progress>,
}

impl Default for CountProgress {
    fn default() -> Self {
        Self {
            printed: Instant::now(),
            progress: None,
        }
    }
}

impl CountProgress {
    fn show(&mut self, path: &str) {
        if self.printed.elapsed() >= PAUSE {
            self.printed = Instant::now();
            let progress = self
                .progress
                .get_or_insert_with(|| Progress::new("counting"));
            progress.show(path);
        }
    }
}

/// A count under way. It stays on one file system, follows no link, and never goes up.
struct Count<'a> {
    usage: Usage,
    /// The inodes of files with several names, each to be counted once.
    linked: BTreeSet<u64>,
    progress: &'a mut CountProgress,
    path: &'a str,
}

impl Count<'_> {
    fn tree(&mut self, top: OwnedFd) {
        let mut open = vec![self.level(top)];
        while let Some((directory, names)) = open.last_mut() {
            let Some(name) = names.pop() else {
                open.pop();
                continue;
            };
            let below = self.entry(directory, &name);
            if let Some(below) = below {
                if open.len() >= DEEPEST {
                    self.usage.more = true;
                } else {
                    open.push(self.level(below));
                }
            }
        }
    }

    /// A directory, and the names in it that are still to be counted.
    fn level(&mut self, directory: OwnedFd) -> (OwnedFd, Vec<CString>) {
        let read: Result<Vec<CString>, _> =
            Dir::read_from(&directory).and_then(|open| names(open).collect());
        self.usage.more |= read.is_err();
        (directory, read.unwrap_or_default())
    }

    /// Counts an entry, and opens it if it is a directory.
    fn entry(&mut self, parent: &OwnedFd, name: &CStr) -> Option<OwnedFd> {
        self.progress.show(self.path);
        let status = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_directory = status.st_mode & libc::S_IFMT == libc::S_IFDIR;
        if is_directory || status.st_nlink < 2 || self.linked.insert(status.st_ino) {
            self.usage.bytes = self.usage.bytes.saturating_add(bytes_of(&status));
        }
        is_directory.then(|| self.open(parent, name))?
    }

    fn open(&mut self, parent: &OwnedFd, name: &CStr) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
        let opened = rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve);
        self.usage.more |= opened.is_err();
        opened.ok()
    }
}

fn bytes_of(status: &Stat) -> u64 {
    u64::try_from(status.st_blocks)
        .unwrap_or(0)
        .saturating_mul(512)
}

/// `512 B`, `1.5 KiB`, `3.0 GiB`.
pub fn readable(bytes: u64) -> String {
    let mut unit = "B";
    let (mut whole, mut tenths) = (bytes, 0);
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if whole < 1024 {
            break;
        }
        tenths = (whole % 1024).saturating_mul(10) / 1024;
        whole /= 1024;
        unit = next;
    }
    if unit == "B" {
        return format!("{whole} B");
    }
    format!("{whole}.{tenths} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::ViewPath;

    #[test]
    fn sizes_are_readable() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (3 << 30, "3.0 GiB"),
            (u64::MAX, "16383.9 PiB"),
        ];
        for (bytes, expected) in table {
            assert_eq!(readable(bytes), expected);
        }
    }

    fn counted(path: &std::path::Path) -> Option<Usage> {
        let path = path.to_str().unwrap();
        let FileIdentity { device, inode } = FileIdentity::of(&rustix::fs::stat(path).unwrap());
        let instance = Shown {
            path: ViewPath::new(path).unwrap(),
            device,
            inode,
            form: None,
        };
        count_instance(&instance, &mut CountProgress::default())
    }

    #[test]
    fn a_file_with_two_names_counts_once_and_a_link_leads_nowhere() {
        let top = tempfile::tempdir().unwrap();
        let empty = counted(top.path()).unwrap();
        std::fs::write(top.path().join("file"), [1; 65536]).unwrap();
        let one = counted(top.path()).unwrap();
        std::fs::hard_link(top.path().join("file"), top.path().join("again")).unwrap();
        std::os::unix::fs::symlink("/", top.path().join("root")).unwrap();
        let all = counted(top.path()).unwrap();
        assert!(one.bytes >= empty.bytes + 65536 && !all.more);
        assert!(all.bytes < one.bytes + 65536, "{one:?} {all:?}");
    }

    #[test]
    fn a_tree_deeper_than_descriptors_go_is_counted_in_part() {
        let top = tempfile::tempdir().unwrap();
        let mut path = top.path().to_path_buf();
        for _ in 0..DEEPEST + 2 {
            path.push("d");
        }
        std::fs::create_dir_all(&path).unwrap();
        assert!(counted(top.path()).unwrap().more);
    }

    #[test]
    fn another_directory_of_that_name_is_not_counted() {
        let top = tempfile::tempdir().unwrap();
        let instance = Shown {
            path: ViewPath::new(top.path().to_str().unwrap()).unwrap(),
            device: 0,
            inode: 0,
            form: None,
        };
        assert_eq!(
            count_instance(&instance, &mut CountProgress::default()),
            None
        );
    }
}
