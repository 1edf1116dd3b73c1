//! The mounts of a namespace, as proc_pid_mountinfo(5) lists them.

use rustix::buffer::spare_capacity;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A mount, in bytes: paths need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its number.
    pub id: u64,
    /// The number of the mount that it is mounted on.
    pub parent: u64,
    /// Whether mounts on it appear in its peers too (`shared` of mount_namespaces(7)).
    pub is_shared: bool,
    /// Whether mounts on another one, its master, appear on it.
    pub is_slave: bool,
    /// The device of its file system, such as `8:1`; not always what stat(2) says of its files.
    pub device: Vec<u8>,
    /// The path of its file system that it shows.
    pub root: Vec<u8>,
    /// The path of the mount point.
    pub point: Vec<u8>,
    /// The type of its file system.
    pub kind: Vec<u8>,
    /// The source that is mounted, as the file system calls it.
    pub source: Vec<u8>,
    /// The options of the file system.
    pub options: Vec<u8>,
}

impl Mount {
    /// Whether `path` is this mount's, or lies below it.
    #[must_use]
    pub fn is_above(&self, path: &str) -> bool {
        Path::new(path).starts_with(self.place())
    }

    /// The value of an option of the file system that is written `NAME=VALUE`.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        let mut options = std::str::from_utf8(&self.options).ok()?.split(',');
        options.find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    /// Its path.
    #[must_use]
    pub fn place(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.point))
    }
}

/// Reads a table, `/proc/PID/mountinfo`.
///
/// # Errors
///
/// The error number: ENOENT, ESRCH or EINVAL when the process has ended or is about to.
pub fn read(path: &str) -> Result<Vec<Mount>, Errno> {
    /// The room for a table of the usual size: a table tells no size beforehand, and asking for it is a call more.
    const ROOM: usize = 16 * 1024;
    /// As much as one read(2) of a table gives.
    const PAGE: usize = 4096;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let mut table = Vec::with_capacity(ROOM);
    loop {
        table.reserve(PAGE);
        match rustix::io::read(&file, spare_capacity(&mut table)) {
            Ok(0) => return Ok(parse(&table).collect()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The file in which the calling thread's own table is read, wherever the thread has gone since and whatever it has as
/// /proc there.
#[derive(Debug)]
pub struct OwnTable(OwnedFd);

impl OwnTable {
    /// Finds it.
    ///
    /// # Errors
    ///
    /// The error number of open(2): /proc does not show this thread.
    pub fn find() -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open("/proc/thread-self", flags, Mode::empty()).map(Self)
    }

    /// Reads the table of the namespace in which the thread is now.
    ///
    /// # Errors
    ///
    /// The error number of open(2) or read(2).
    pub fn read(&self) -> Result<Vec<Mount>, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.0, "mountinfo", flags, Mode::empty())?;
        let mut table = Vec::new();
        std::fs::File::from(file)
            .read_to_end(&mut table)
            .map_err(|reason| Errno::from_io_error(&reason).unwrap_or(Errno::IO))?;
        Ok(parse(&table).collect())
    }
}

/// Takes a table apart. What is not a mount's line is left out.
pub fn parse(table: &[u8]) -> impl Iterator<Item = Mount> {
    table.split(|byte| *byte == b'\n').filter_map(mount)
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let (id, parent) = (number()?, number()?);
    let device = fields.next()?.to_vec();
    let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
    fields.next()?;
    // As many optional fields as there are, and a dash behind them.
    let mut optional = fields.by_ref().take_while(|field| *field != b"-");
    let (mut is_shared, mut is_slave) = (false, false);
    optional.by_ref().for_each(|field| {
        is_shared |= field.starts_with(b"shared:");
        is_slave |= field.starts_with(b"master:");
    });
    Some(Mount {
        id,
        parent,
        is_shared,
        is_slave,
        device,
        root,
        point,
        kind: unescape(fields.next()?),
        source: unescape(fields.next()?),
        options: unescape(fields.next()?),
    })
}

/// `\040` is a space: three octal digits stand for what would end a field or a line.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| byte == b'\\').and_then(octal);
        text.push(octal.unwrap_or(byte));
        rest = match octal {
            Some(_) => behind.get(3..).unwrap_or_default(),
            None => behind,
        };
    }
    text
}

fn octal(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<Mount> {
        parse(text.as_bytes()).collect()
    }

    #[test]
    fn a_line_is_taken_apart() {
        let line = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue";
        let expected = Mount {
            id: 36,
            parent: 35,
            is_shared: true,
            is_slave: true,
            device: b"98:0".to_vec(),
            root: b"/mnt1".to_vec(),
            point: b"/mnt 2".to_vec(),
            kind: b"ext3".to_vec(),
            source: b"/dev/root".to_vec(),
            options: b"rw,errors=continue".to_vec(),
        };
        assert_eq!(expected.option("errors"), Some("continue"));
        assert_eq!(expected.option("error"), None);
        assert_eq!(parsed(line), [expected]);
        assert_eq!(parsed("36 35 98:0\n\nx - y\n36 35 98:0 / / rw"), []);
    }

    #[test]
    fn a_mount_is_above_what_lies_below_it() {
        let table = [
            ("/", "/tmp", true),
            ("/tmp", "/tmp", true),
            ("/tmp", "/tmp/a", true),
            ("/tmp", "/tmpfile", false),
            ("/tmp/a", "/tmp", false),
        ];
        for (point, path, expected) in table {
            let mounts = parsed(&format!("1 1 0:1 / {point} rw - tmpfs none rw"));
            let mount = mounts.first().unwrap();
            assert_eq!(mount.is_above(path), expected, "{point} {path}");
        }
    }

    #[test]
    fn escapes_are_octal() {
        for (field, text) in [
            ("/a\\040b", "/a b"),
            ("/a\\134040", "/a\\040"),
            ("/a\\012", "/a\n"),
            ("/a\\", "/a\\"),
            ("/a\\04", "/a\\04"),
            ("/a\\999", "/a\\999"),
            ("", ""),
        ] {
            assert_eq!(unescape(field.as_bytes()), text.as_bytes(), "{field}");
        }
    }
}
