//! How entries of directories are opened without waiting for a file system that never answers.
//!
//! `RESOLVE_CACHED` of openat2(2) (Linux 5.12) has the kernel answer EAGAIN in place of asking a file system, and with
//! `RESOLVE_NO_XDEV` what it opens lies on the very mount of its directory. So what is cached, on a file system that is
//! known to answer, is opened with no call more than otherwise; the root of another mount with three more. Where nothing is
//! cached the file system of the directory is asked, in a copy of its mount, on which nothing is mounted: it has no such
//! entry, or caches it now. What still cannot be opened then has something mounted on it that is to be waited for, an
//! automount trigger above all. The mount table, which grows with the mounts of others, is read for that alone, and where no
//! mount can be copied. Where it confirms this, and below a mount that may not answer, a child asks.

use crate::kernel::deadline::{Deadline, Silent};
use crate::kernel::fs::acl::{Holders, holders_of_group_bits};
use crate::kernel::fs::answering::Mounts;
use crate::kernel::fs::open::{self, PLACE};
use crate::kernel::fs::unseen::status_of_entry;
use crate::kernel::fs::whole::write_whole;
use crate::kernel::mount::{Extent, clone_tree};
use crate::kernel::process::question::{self, LONGEST, Worked};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, MemfdFlags, OFlags, RawDir, ResolveFlags, SeekFrom, Stat, memfd_create,
};
use rustix::io::Errno;
use std::cell::OnceCell;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::rc::Rc;

/// The longest name of an entry, in bytes (path_resolution(7)).
const LONGEST_NAME: usize = 255;

/// The numbers of a status that an answer has.
const NUMBERS: usize = 14;

/// The number of bytes that are copied at once.
const PART: usize = 8192;

/// The name of the memory that a child fills (memfd_create(2)).
const MEMORY: &CStr = c"jns";

/// Opens entries until a deadline. Without one, it waits for whatever answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker {
    deadline: Deadline,
    mounts: Rc<Mounts>,
}

/// An entry of a directory, opened as a place (`O_PATH`) and never followed.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) descriptor: OwnedFd,
    pub(crate) status: Stat,
    /// The facts about it, where its file system may not answer another time.
    pub(crate) asked: Option<Facts>,
}

/// The facts about a file on a file system that may not answer, asked when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The flags of its mount, as statfs(2) has them.
    pub(crate) mount_flags: u64,
    /// The holders of the rights that its group bits say, if it is a directory.
    pub(crate) holders: Holders,
    /// The target, if it is a link.
    pub(crate) target: Vec<u8>,
}

/// A file on a file system that may not answer, copied to memory.
#[derive(Debug)]
pub(crate) struct CopiedFile {
    /// The status that it had before it was read.
    pub(crate) before: Stat,
    /// The status that it had then.
    pub(crate) after: Stat,
    /// What was read.
    pub(crate) text: OwnedFd,
}

/// A directory whose entries are opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parent<'p> {
    pub(crate) directory: BorrowedFd<'p>,
    /// Its status, where its file system may not answer another time; nothing where it answers.
    pub(crate) asked: Option<&'p Stat>,
    /// The place to keep a copy of its mount for other entries; nothing where there are none.
    pub(crate) copy: Option<&'p Copied>,
}

/// A copy of a directory's mount, on which nothing is mounted, once it is made; nothing in it where none can be made.
pub(crate) type Copied = OnceCell<Option<OwnedFd>>;

/// What a path leads to, opened as a place (`O_PATH`).
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) descriptor: Rc<OwnedFd>,
    /// Its status, where its file system may not answer another time.
    pub(crate) asked: Option<Stat>,
    /// A copy of its mount.
    pub(crate) copy: Copied,
}

impl Reached {
    /// What is on a file system that answers.
    pub(crate) fn answering(descriptor: OwnedFd) -> Self {
        Self {
            descriptor: Rc::new(descriptor),
            asked: None,
            copy: Copied::new(),
        }
    }

    /// As a directory whose entries are opened.
    #[must_use]
    pub(crate) fn as_parent(&self) -> Parent<'_> {
        Parent {
            directory: self.descriptor.as_fd(),
            asked: self.asked.as_ref(),
            copy: Some(&self.copy),
        }
    }
}

impl Asker {
    /// Opens entries until the deadline.
    #[must_use]
    pub(crate) fn until(deadline: &Deadline) -> Self {
        Self {
            deadline: deadline.clone(),
            mounts: Rc::default(),
        }
    }

    /// The deadline.
    #[must_use]
    pub(crate) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Whether the file system of an open mount answers, as far as the mount table knows it. One that is in no table was
    /// made by this login.
    #[must_use]
    pub(crate) fn answers(&self, mount: impl AsFd) -> bool {
        self.deadline.left().is_none() || self.mounts.answers(mount.as_fd())
    }

    /// Opens the entry `name` of a directory, for the user `uid` ([`status_of_entry`]).
    ///
    /// # Errors
    ///
    /// The error number of openat(2) or fstat(2); ETIMEDOUT: nobody has answered in the time that one question may take.
    pub(crate) fn open_entry(
        &self,
        parent: Parent<'_>,
        name: &str,
        uid: u32,
    ) -> Result<Opened, Errno> {
        let directory = parent.directory;
        if self.deadline.left().is_none() {
            return open_plainly(directory, name, uid);
        }
        if parent.asked.is_none() {
            match self.open_answering(parent, name) {
                Err(Errno::AGAIN) if self.mounts.may_wait_at(directory, name) => {}
                Err(Errno::AGAIN) => return open_plainly(directory, name, uid),
                Ok(None) => {}
                Ok(Some(opened)) => return plain(directory, name, opened, uid),
                Err(errno) => return Err(errno),
            }
        }
        self.ask_for_entry(parent, name, uid)
    }

    /// Opens an entry that is cached; nothing where it is on another mount than its directory, which may not answer.
    fn open_answering(&self, parent: Parent<'_>, name: &str) -> Result<Option<OwnedFd>, Errno> {
        let cached = |resolve| open_cached(parent.directory, name, ResolveFlags::CACHED | resolve);
        // Where one entry was not cached, the next one is usually missing as well, as on a file system in memory.
        if parent.is_copied() {
            parent.look_beneath(name)?;
        }
        match cached(ResolveFlags::NO_XDEV) {
            Err(Errno::AGAIN | Errno::XDEV) if self.mounts.are_known() => {
                return Err(Errno::AGAIN);
            }
            Err(Errno::AGAIN | Errno::XDEV) => {}
            opened => return opened.map(Some),
        }
        let opened = cached(ResolveFlags::empty()).or_else(|errno| match errno {
            Errno::AGAIN => parent
                .look_beneath(name)
                .and_then(|()| cached(ResolveFlags::empty())),
            errno => Err(errno),
        })?;
        Ok(self.mounts.answers(opened.as_fd()).then_some(opened))
    }

    /// Opens the file `name` of a directory for what `flags` say; nothing where its file system may not answer.
    ///
    /// # Errors
    ///
    /// As [`Asker::open_entry`].
    pub(crate) fn open_file(
        &self,
        parent: Parent<'_>,
        name: &str,
        flags: OFlags,
    ) -> Result<Option<OwnedFd>, Errno> {
        let (directory, mode) = (parent.directory, rustix::fs::Mode::empty());
        if parent.asked.is_some() {
            return Ok(None);
        }
        if self.deadline.left().is_some() {
            let resolve = ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
            match rustix::fs::openat2(directory, name, flags, mode, resolve) {
                Err(Errno::AGAIN | Errno::XDEV) => {}
                opened => return opened.map(Some),
            }
            if self.open_entry(parent, name, 0)?.asked.is_some() {
                return Ok(None);
            }
        }
        rustix::fs::openat(directory, name, flags, mode).map(Some)
    }

    /// Has a child open the file `name` of a directory for what `flags` say, and copy it to memory as far as one byte past
    /// `limit`. What is no regular file is not read.
    ///
    /// # Errors
    ///
    /// As [`Asker::open_entry`], or the error number of read(2).
    pub(crate) fn copy_file(
        &self,
        parent: Parent<'_>,
        name: &str,
        flags: OFlags,
        limit: usize,
    ) -> Result<CopiedFile, Errno> {
        let directory = parent.directory;
        let work = |space: &mut [u8]| {
            let file = rustix::fs::openat(directory, name, flags, rustix::fs::Mode::empty())?;
            let before = rustix::fs::fstat(&file)?;
            let memory = memfd_create(MEMORY, MemfdFlags::CLOEXEC)?;
            if FileType::from_raw_mode(before.st_mode).is_file() {
                copy(&file, &memory, limit.saturating_add(1))?;
            }
            let after = rustix::fs::fstat(&file)?;
            let length = describe(file.as_fd(), &before, space)?;
            let rest = space.get_mut(length..).unwrap_or_default();
            let all = length.saturating_add(describe(file.as_fd(), &after, rest)?);
            Ok((all, Some(memory)))
        };
        let answer = self.ask(parent.silence_of(name)?, &[directory], work)?;
        let middle = answer.bytes.len() / 2;
        let (before, after) = answer.bytes.split_at_checked(middle).ok_or(Errno::CHILD)?;
        Ok(CopiedFile {
            before: read(before)?.0,
            after: read(after)?.0,
            text: rewound(answer.file)?,
        })
    }

    /// Has a child list the names in a directory whose status was asked, `.` and `..` among them, each with a zero byte
    /// behind it, to memory.
    ///
    /// # Errors
    ///
    /// The error number of open(2) or getdents64(2); ETIMEDOUT: nobody has answered.
    pub(crate) fn list(&self, directory: BorrowedFd<'_>, status: &Stat) -> Result<OwnedFd, Errno> {
        let work = |_: &mut [u8]| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(directory, c".", flags, rustix::fs::Mode::empty())?;
            let memory = memfd_create(MEMORY, MemfdFlags::CLOEXEC)?;
            let mut space = [MaybeUninit::uninit(); PART];
            let mut entries = RawDir::new(&opened, &mut space);
            while let Some(entry) = entries.next() {
                write_whole(&memory, entry?.file_name().to_bytes_with_nul())?;
            }
            Ok((0, Some(memory)))
        };
        let silent = Silent::FileSystem(status.st_dev);
        rewound(self.ask(silent, &[directory], work)?.file)
    }

    /// The status of what `file` is open for, a mount that may not answer.
    ///
    /// # Errors
    ///
    /// As [`Asker::open_entry`].
    pub(crate) fn examine(&self, file: impl AsFd) -> Result<(Stat, Facts), Errno> {
        let file = file.as_fd();
        let work = |space: &mut [u8]| {
            let status = rustix::fs::fstat(file)?;
            Ok((describe(file, &status, space)?, None))
        };
        let share = self.deadline.share().unwrap_or_default();
        let answer = self.put(share, &[file], work)?;
        read(&answer.bytes)
    }

    fn ask_for_entry(&self, parent: Parent<'_>, name: &str, uid: u32) -> Result<Opened, Errno> {
        if name.len() > LONGEST_NAME {
            return Err(Errno::NAMETOOLONG);
        }
        let directory = parent.directory;
        let work = |space: &mut [u8]| {
            let entry = open::open_entry(directory, name)?;
            let status = status_of_entry(directory, name, &entry, uid)?;
            Ok((describe(entry.as_fd(), &status, space)?, Some(entry)))
        };
        let answer = self.ask(parent.silence_of(name)?, &[directory], work)?;
        let (status, facts) = read(&answer.bytes)?;
        Ok(Opened {
            descriptor: answer.file.ok_or(Errno::CHILD)?,
            status,
            asked: Some(facts),
        })
    }

    /// Has a child do what may not be answered, once: what has not answered is not asked again.
    fn ask(
        &self,
        silent: Silent,
        open: &[BorrowedFd<'_>],
        work: impl Fn(&mut [u8]) -> Worked,
    ) -> Result<question::Answer, Errno> {
        if self.deadline.is_silent(&silent) {
            return Err(Errno::TIMEDOUT);
        }
        let share = self.deadline.share().unwrap_or_default();
        self.put(share, open, work).inspect_err(|errno| {
            if *errno == Errno::TIMEDOUT {
                self.deadline.note_silent(silent);
            }
        })
    }

    #[allow(unsafe_code, reason = "what the child does is known here alone")]
    fn put(
        &self,
        within: std::time::Duration,
        open: &[BorrowedFd<'_>],
        work: impl Fn(&mut [u8]) -> Worked,
    ) -> Result<question::Answer, Errno> {
        // SAFETY: the works of this file make system calls by names shorter than what rustix copies to the heap, and use
        // no descriptor but those of `open` and their own.
        unsafe { question::ask(within, open, work) }
    }
}

impl Parent<'_> {
    /// Whether a copy of its mount is there already.
    fn is_copied(&self) -> bool {
        self.copy.is_some_and(|copy| copy.get().is_some())
    }

    /// Has the file system of the directory look for the entry `name`, whatever is mounted on that, so that it is cached. A
    /// mount keeps its place cached: on what is not there at all nothing is mounted.
    ///
    /// # Errors
    ///
    /// ENOENT: it has no such entry; another one where it cannot be looked for. None is given where the mount cannot be copied.
    fn look_beneath(&self, name: &str) -> Result<(), Errno> {
        let copy = || clone_tree(self.directory, Extent::Mount, name).ok();
        let made;
        let copy = match self.copy {
            Some(kept) => kept.get_or_init(copy).as_ref(),
            None => {
                made = copy();
                made.as_ref()
            }
        };
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        copy.map_or(Ok(()), |copy| {
            rustix::fs::statat(copy, name, flags).map(drop)
        })
    }

    /// What is known not to answer once its entry `name` has not: that, or its file system.
    fn silence_of(&self, name: &str) -> Result<Silent, Errno> {
        Ok(match self.asked {
            Some(status) => Silent::FileSystem(status.st_dev),
            None => {
                let status = rustix::fs::fstat(self.directory)?;
                Silent::Entry(status.st_dev, status.st_ino, name.to_owned())
            }
        })
    }
}

/// Opens an entry as far as it is cached.
fn open_cached(
    directory: BorrowedFd<'_>,
    name: &str,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let open =
        |flags| rustix::fs::openat2(directory, name, flags, rustix::fs::Mode::empty(), resolve);
    // In the order of [`open::open_entry`].
    match open(PLACE | OFlags::DIRECTORY) {
        Err(Errno::NOTDIR) => open(PLACE),
        other => other,
    }
}

fn open_plainly(directory: BorrowedFd<'_>, name: &str, uid: u32) -> Result<Opened, Errno> {
    plain(directory, name, open::open_entry(directory, name)?, uid)
}

fn plain(
    directory: BorrowedFd<'_>,
    name: &str,
    descriptor: OwnedFd,
    uid: u32,
) -> Result<Opened, Errno> {
    Ok(Opened {
        status: status_of_entry(directory, name, &descriptor, uid)?,
        descriptor,
        asked: None,
    })
}

/// Copies a file from where it is read, but no more than `most` bytes. In the child.
fn copy(from: &OwnedFd, to: &OwnedFd, most: usize) -> Result<(), Errno> {
    let mut bytes = [0_u8; PART];
    let mut left = most;
    while left > 0 {
        match rustix::io::read(from, &mut bytes) {
            Err(Errno::INTR) => {}
            Ok(0) => break,
            count => {
                let count = count?.min(left);
                write_whole(to, bytes.get(..count).unwrap_or_default())?;
                left = left.saturating_sub(count);
            }
        }
    }
    Ok(())
}

/// The memory that a child has filled, to be read from its beginning.
fn rewound(memory: Option<OwnedFd>) -> Result<OwnedFd, Errno> {
    let memory = memory.ok_or(Errno::CHILD)?;
    rustix::fs::seek(&memory, SeekFrom::Start(0))?;
    Ok(memory)
}

/// Writes down what is to be known of a file, and returns how many bytes that are. In the child.
fn describe(file: BorrowedFd<'_>, status: &Stat, space: &mut [u8]) -> Result<usize, Errno> {
    let flags = rustix::fs::fstatfs(file).map(|known| known.f_flags)?;
    let kind = FileType::from_raw_mode(status.st_mode);
    let holders = match kind.is_dir() && status.st_mode & 0o020 != 0 {
        true => holders_of_group_bits(file, status),
        false => Holders::Group,
    };
    let numbers: [u64; NUMBERS] = [
        status.st_dev,
        status.st_ino,
        u64::from(status.st_mode),
        u64::from(status.st_nlink as u32),
        u64::from(status.st_uid),
        u64::from(status.st_gid),
        status.st_rdev,
        status.st_size.cast_unsigned(),
        status.st_mtime.cast_unsigned(),
        status.st_mtime_nsec,
        status.st_ctime.cast_unsigned(),
        status.st_ctime_nsec,
        flags.cast_unsigned(),
        holders.number(),
    ];
    let length = NUMBERS.saturating_mul(size_of::<u64>());
    let (head, rest) = space.split_at_mut_checked(length).ok_or(Errno::NOBUFS)?;
    for (bytes, number) in head.chunks_exact_mut(size_of::<u64>()).zip(numbers) {
        bytes.copy_from_slice(&number.to_ne_bytes());
    }
    if kind != FileType::Symlink {
        return Ok(length);
    }
    let mut buffer = [MaybeUninit::<u8>::uninit(); LONGEST];
    let (target, _) = rustix::fs::readlinkat_raw(file, c"", &mut buffer)?;
    let to = rest.get_mut(..target.len()).ok_or(Errno::NAMETOOLONG)?;
    to.copy_from_slice(target);
    Ok(length.saturating_add(target.len()))
}

/// Reads what [`describe`] has written.
fn read(bytes: &[u8]) -> Result<(Stat, Facts), Errno> {
    let length = NUMBERS.saturating_mul(size_of::<u64>());
    let (head, target) = bytes.split_at_checked(length).ok_or(Errno::CHILD)?;
    let mut numbers = [0_u64; NUMBERS];
    for (number, bytes) in numbers.iter_mut().zip(head.chunks_exact(size_of::<u64>())) {
        *number = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    }
    let [
        dev,
        ino,
        mode,
        nlink,
        uid,
        gid,
        rdev,
        size,
        mtime,
        mtime_nsec,
        ctime,
        ctime_nsec,
        mount_flags,
        holders,
    ] = numbers;
    let short = |number: u64| u32::try_from(number).map_err(|_| Errno::CHILD);
    // Nothing but the kernel makes a whole one.
    let mut status = rustix::fs::stat("/")?;
    status.st_dev = dev;
    status.st_ino = ino;
    status.st_mode = short(mode)?;
    status.st_nlink = nlink as _;
    status.st_uid = short(uid)?;
    status.st_gid = short(gid)?;
    status.st_rdev = rdev;
    status.st_size = size.cast_signed();
    status.st_mtime = mtime.cast_signed();
    status.st_mtime_nsec = mtime_nsec;
    status.st_ctime = ctime.cast_signed();
    status.st_ctime_nsec = ctime_nsec;
    let facts = Facts {
        mount_flags,
        holders: Holders::of_number(holders),
        target: target.to_vec(),
    };
    Ok((status, facts))
}
