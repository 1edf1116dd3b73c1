//! Reaching a path so that nobody else decided where it leads: one component at a time, by descriptor,
//! each judged by who could replace it. What was reached is used by its descriptor; no name is looked up
//! twice.

use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::acl::{Holders, holders_of_group_bits};
use crate::kernel::fs::asker::{Asker, Facts, Opened, Parent};
use crate::kernel::fs::form::{Form, Writer};
pub(crate) use crate::kernel::fs::open::{find_directory, open_below, open_entry};
use crate::kernel::fs::unseen::{self, is_closed_fuse};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::rc::Rc;

/// The number of links that the kernel follows (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// The users who may have had a hand in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Root alone: every directory on the way is root's and writable by nobody else.
    Root,
    /// Root, and below their own directories the user with this id. Directories that others may write
    /// are passed when they are sticky and the entry is root's or the user's, as `/tmp/x` is.
    User(u32),
    /// Whoever the kernel lets in, for a process that has the rights of the user with this id and no
    /// others: in a user namespace of that user's, files of root show the number that stands for everybody
    /// else. Links of others in sticky directories that all may write are not followed all the same, as
    /// where `fs.protected_symlinks` is set (proc_sys_fs(5)).
    Caller(u32),
}

impl Trust {
    /// Trusts root alone, as far as the process has other rights than its caller's. Unlike
    /// [`Trust::Root`], in sticky directories as well.
    #[must_use]
    pub fn of_root(self) -> Self {
        match self {
            Self::Caller(_) => self,
            Self::Root | Self::User(_) => Self::User(0),
        }
    }

    /// The user that it is about; root where it is about no user.
    #[must_use]
    pub fn uid(self) -> u32 {
        match self {
            Self::Root => 0,
            Self::User(uid) | Self::Caller(uid) => uid,
        }
    }
}

/// A file or directory that a path led to.
#[derive(Debug, Clone)]
pub struct Place {
    /// An `O_PATH` descriptor.
    pub descriptor: Rc<OwnedFd>,
    /// The path without links.
    pub path: String,
    /// Its status when it was opened.
    pub status: Stat,
    /// Whether it is, or lies below, a directory that the user owns.
    theirs: bool,
    /// The facts about it that were asked when it was opened, where its file system may not answer.
    asked: Option<Rc<Facts>>,
}

/// A mount that will stand at a path of the session's view although the caller cannot see it yet.
#[derive(Debug, Clone)]
pub struct Cover {
    /// The path where it will stand, without links.
    pub path: String,
    /// The root of the mount.
    pub root: Rc<OwnedFd>,
}

/// Walks paths from the root directory as it was when the walker was made.
#[derive(Debug)]
pub struct Walker {
    root: Place,
    trust: Trust,
    asker: Asker,
}

impl Place {
    /// Whether it is a directory.
    #[must_use]
    pub(crate) fn is_directory(&self) -> bool {
        file_type(&self.status) == FileType::Directory
    }

    /// Whether it is, or lies below, a directory that the user owns, whose entries the user may replace.
    #[must_use]
    pub(crate) fn is_users(&self) -> bool {
        self.theirs
    }

    /// Whether its file system answers whatever it is asked.
    #[must_use]
    pub(crate) fn answers(&self) -> bool {
        self.asked.is_none()
    }

    /// The flags of the mount that it is on, as statfs(2) has them, where its file system may not answer.
    #[must_use]
    pub(crate) fn mount_flags(&self) -> Option<u64> {
        self.asked.as_ref().map(|facts| facts.mount_flags)
    }

    /// As a directory whose entries are opened.
    #[must_use]
    pub(crate) fn as_parent(&self) -> Parent<'_> {
        Parent {
            directory: self.as_fd(),
            asked: self.asked.as_ref().map(|_| &self.status),
            copy: None,
        }
    }

    /// Whether somebody else than its owner and root may make entries in it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        is_shared(Trust::User(0), self)
    }

    /// Whether it is root's, and sticky where somebody else may make entries in it, be it a group of root's own.
    fn is_safe_to_name_entries_of(&self) -> bool {
        self.status.st_uid == 0 && (!is_shared(Trust::Root, self) || is_sticky(&self.status))
    }
}

impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The kind of file a status is of.
#[must_use]
pub fn file_type(status: &Stat) -> FileType {
    FileType::from_raw_mode(status.st_mode)
}

impl Walker {
    /// A walker from the caller's root directory.
    ///
    /// # Errors
    ///
    /// The root directory cannot be opened.
    pub fn new(trust: Trust) -> Result<Self> {
        let failed = |errno| Error::from_errno("open", "/", errno);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open("/", flags, Mode::empty()).map_err(failed)?;
        let status = rustix::fs::fstat(&descriptor).map_err(failed)?;
        let root = Place {
            descriptor: Rc::new(descriptor),
            path: String::new(),
            status,
            theirs: false,
            // Without its own root directory, no machine has a login.
            asked: None,
        };
        Ok(Self {
            root,
            trust,
            asker: Asker::default(),
        })
    }

    /// Walks until the deadline, and waits for no file system longer.
    #[must_use]
    pub fn until(self, deadline: &Deadline) -> Self {
        let asker = Asker::until(deadline);
        Self { asker, ..self }
    }

    /// Walks by what another one has found out.
    #[must_use]
    pub(crate) fn asking(self, asker: &Asker) -> Self {
        let asker = asker.clone();
        Self { asker, ..self }
    }

    /// How it opens entries.
    #[must_use]
    pub(crate) fn asker(&self) -> &Asker {
        &self.asker
    }

    /// A walker from the root directory of a mount that nobody sees yet.
    ///
    /// # Errors
    ///
    /// It cannot be examined.
    pub fn within(root: Rc<OwnedFd>, trust: Trust) -> Result<Self> {
        let status = rustix::fs::fstat(&root)
            .map_err(|errno| Error::from_errno("examine", "the new root directory", errno))?;
        Ok(Self::below(root, status, trust))
    }

    fn below(root: Rc<OwnedFd>, status: Stat, trust: Trust) -> Self {
        let root = Place {
            descriptor: root,
            path: String::new(),
            status,
            theirs: is_users(trust, &status),
            asked: None,
        };
        Self {
            root,
            trust,
            asker: Asker::default(),
        }
    }

    /// A walker from the root directory of a mount that nobody sees yet and that shows `place`, which this one has opened.
    #[must_use]
    pub(crate) fn within_copy(&self, root: Rc<OwnedFd>, place: &Place, trust: Trust) -> Self {
        let mut walker = Self::below(root, place.status, trust);
        walker.root.asked.clone_from(&place.asked);
        walker.asker = self.asker.clone();
        walker
    }

    /// A walker from the same root directory that trusts somebody else.
    #[must_use]
    pub(crate) fn trusting(&self, trust: Trust) -> Self {
        Self {
            root: self.root.clone(),
            trust,
            asker: self.asker.clone(),
        }
    }

    /// Refuses a directory in which somebody who is not trusted could replace something.
    ///
    /// # Errors
    ///
    /// Who could; `path` names it.
    pub(crate) fn vet(&self, directory: &Place, path: &str) -> Result<()> {
        may_hold(self.trust, directory).map_err(|reason| Error::new("use", path, reason))
    }

    /// Opens the absolute path `path`, as it will be once `covers` are mounted.
    ///
    /// # Errors
    ///
    /// A component is missing ([`Error::is_missing`]), cannot be opened, or could be replaced by somebody
    /// who is not trusted.
    pub fn open(&self, path: &str, covers: &[Cover]) -> Result<Place> {
        self.open_and_judge(path, covers).map(|(place, _)| place)
    }

    /// Opens the absolute path `path`, as [`Walker::open`] does, and judges whether it is safe to name: every directory on
    /// the way, the last component apart, is root's, and is sticky where its group or others may write.
    ///
    /// # Errors
    ///
    /// As [`Walker::open`].
    pub fn open_and_judge(&self, path: &str, covers: &[Cover]) -> Result<(Place, bool)> {
        let mut walk = Walk {
            asked: path,
            trust: self.trust,
            asker: &self.asker,
            covers,
            trail: vec![self.root.clone()],
            ahead: names_reversed(path),
            links: 0,
            is_safe: true,
        };
        while let Some(name) = walk.ahead.pop() {
            walk.step(&name)?;
        }
        let place = walk.trail.pop().ok_or_else(|| nowhere(path))?;
        Ok((place, walk.is_safe))
    }

    /// Opens the directory that holds the last component of `path`, and gives that component's name.
    ///
    /// # Errors
    ///
    /// As [`Walker::open`]; or the parent is not a directory.
    pub(crate) fn open_parent<'p>(
        &self,
        path: &'p str,
        covers: &[Cover],
    ) -> Result<(Place, &'p str)> {
        let (parent, name) = path.rsplit_once('/').ok_or_else(|| nowhere(path))?;
        let place = self.open(parent, covers)?;
        if !place.is_directory() {
            return Err(Error::from_errno("open", path, Errno::NOTDIR));
        }
        may_hold(self.trust, &place).map_err(|reason| Error::new("use", path, reason))?;
        Ok((place, name))
    }
}

/// Opens a path as any program does, wherever links lead, whoever made them: for what every program reads and
/// nobody has to trust.
///
/// # Errors
///
/// openat(2) failed.
pub(crate) fn open_plainly(path: &str) -> Result<Place> {
    let failed = |errno| Error::from_errno("open", path, errno);
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let descriptor = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
    Ok(Place {
        status: rustix::fs::fstat(&descriptor).map_err(failed)?,
        descriptor: Rc::new(descriptor),
        path: path.to_owned(),
        theirs: false,
        asked: None,
    })
}

fn nowhere(path: &str) -> Error {
    Error::new("open", path, "it is not an absolute path")
}

fn names_reversed(path: &str) -> Vec<String> {
    let names = path
        .split('/')
        .filter(|name| !name.is_empty() && *name != ".");
    names.rev().map(str::to_owned).collect()
}

/// One walk under way.
struct Walk<'a> {
    asked: &'a str,
    trust: Trust,
    asker: &'a Asker,
    covers: &'a [Cover],
    /// From the root directory to where the walk stands; never empty.
    trail: Vec<Place>,
    /// The names still to come, next one last.
    ahead: Vec<String>,
    links: u32,
    /// Whether all directories so far are safe to name entries of.
    is_safe: bool,
}

impl Walk<'_> {
    fn step(&mut self, name: &str) -> Result<()> {
        if name == ".." {
            // Back on the trail, not by the kernel's `..`: that stays in the root of a cover, which is attached nowhere
            // yet, and leads elsewhere once somebody has moved the directory.
            if self.trail.len() > 1 {
                self.trail.pop();
            }
            return Ok(());
        }
        let here = self.trail.last().ok_or_else(|| nowhere(self.asked))?;
        if !here.is_directory() {
            return Err(self.failed(Errno::NOTDIR));
        }
        if self.asker.deadline().check().is_err() {
            return Err(Error::new(
                "open",
                self.asked,
                "the time that the session has is up",
            ));
        }
        let place = self
            .enter(here, name)
            .map_err(|errno| self.not_opened(here, name, errno))?;
        // The entry is judged when it is open: what its name leads to later makes no difference.
        self.judge(here, &place)?;
        self.is_safe &= here.is_safe_to_name_entries_of();
        if file_type(&place.status) == FileType::Symlink {
            return self.follow(&place);
        }
        // Covers come after the judgement, which is of the entry that the caller sees at this path.
        let seen = self.covered(place)?;
        self.trail.push(seen);
        Ok(())
    }

    /// Opens `name` in `parent` without following a link.
    fn enter(&self, parent: &Place, name: &str) -> Result<Place, Errno> {
        let opened = self
            .asker
            .open_entry(parent.as_parent(), name, self.trust.uid())?;
        let Opened {
            descriptor,
            status,
            asked,
        } = opened;
        Ok(Place {
            descriptor: Rc::new(descriptor),
            path: format!("{}/{name}", parent.path),
            theirs: parent.theirs || is_users(self.trust, &status),
            status,
            asked: asked.map(Rc::new),
        })
    }

    fn judge(&self, parent: &Place, entry: &Place) -> Result<()> {
        let refused = |reason: String| Error::new("use", self.asked, reason);
        may_hold(self.trust, parent).map_err(refused)?;
        may_be_entry(self.trust, parent, &entry.status)
            .map_err(|reason| refused(format!("{} {reason}", entry.path)))
    }

    fn follow(&mut self, link: &Place) -> Result<()> {
        self.links = self.links.saturating_add(1);
        if self.links > MAX_LINKS {
            return Err(self.failed(Errno::LOOP));
        }
        // The link that was judged is read by its descriptor, as the empty path does (readlink(2)): its name may be
        // another one's by now.
        let target_bytes = match &link.asked {
            Some(facts) => facts.target.clone(),
            None => rustix::fs::readlinkat(link, "", Vec::new())
                .map_err(|errno| self.failed(errno))?
                .into_bytes(),
        };
        let target = std::str::from_utf8(&target_bytes).map_err(|_| {
            Error::new(
                "use",
                self.asked,
                "a link on the way has a target that is not UTF-8",
            )
        })?;
        if target.starts_with('/') {
            self.trail.truncate(1);
        }
        // What is left of the path comes after the names of the link.
        self.ahead.extend(names_reversed(target));
        Ok(())
    }

    fn covered(&self, place: Place) -> Result<Place> {
        let Some(cover) = self.covers.iter().rev().find(|c| c.path == place.path) else {
            return Ok(place);
        };
        let examined = match self.asker.answers(&cover.root) {
            true => rustix::fs::fstat(&cover.root).map(|status| (status, None)),
            false => self
                .asker
                .examine(&cover.root)
                .map(|(status, facts)| (status, Some(Rc::new(facts)))),
        };
        let (status, asked) = match examined {
            // The root of a user's FUSE, closed to root (fuse(4)).
            Err(Errno::ACCESS) => (place.status, place.asked),
            known => known.map_err(|errno| self.failed(errno))?,
        };
        Ok(Place {
            asked,
            descriptor: Rc::clone(&cover.root),
            theirs: place.theirs || is_users(self.trust, &status),
            status,
            path: place.path,
        })
    }

    /// Explains why an entry of `here` cannot be opened. Of a directory of the user's that lets nobody but the user in, root
    /// knows nothing: the kernel asks neither CAP_DAC_OVERRIDE nor the server of a FUSE file system (fuse(4)).
    fn not_opened(&self, here: &Place, name: &str, errno: Errno) -> Error {
        let failed = self.failed(errno);
        if errno == Errno::TIMEDOUT && self.asker.deadline().left().is_some() {
            let silent = format!("{}/{name} does not answer", here.path);
            return failed.because(silent).silent();
        }
        let is_caller = matches!(self.trust, Trust::Caller(_));
        if is_caller || errno != Errno::ACCESS || !here.theirs {
            return failed;
        }
        // One that may not answer has told by its status that it lets nobody in.
        let is_closed = match here.answers() {
            true => is_closed_fuse(here),
            false => unseen::is_substitute(&here.status),
        };
        match is_closed {
            true => failed.because(unseen::advice(&here.path)).unseen(),
            false => failed.unseen(),
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::from_errno("open", self.asked, errno)
    }
}

fn is_users(trust: Trust, status: &Stat) -> bool {
    match trust {
        Trust::Root => false,
        Trust::User(uid) => uid != 0 && status.st_uid == uid,
        Trust::Caller(uid) => status.st_uid == uid,
    }
}

/// Refuses a `directory` that may hold no component at all: somebody untrusted may replace all of its entries.
fn may_hold(trust: Trust, directory: &Place) -> Result<(), String> {
    let Stat { st_uid, .. } = directory.status;
    let name = if directory.path.is_empty() {
        "/"
    } else {
        &directory.path
    };
    if directory.theirs || matches!(trust, Trust::Caller(_)) {
        return Ok(());
    }
    if st_uid != 0 {
        return Err(format!(
            "{name} belongs to uid {st_uid}, who could replace what is in it"
        ));
    }
    if trust != Trust::Root && is_sticky(&directory.status) {
        return Ok(());
    }
    match openness(trust, directory) {
        None => Ok(()),
        Some(openness) => Err(format!(
            "{name} is {openness}, who could replace what is in it"
        )),
    }
}

/// Refuses an entry that somebody untrusted may have put into its directory, which [`may_hold`] has let pass.
fn may_be_entry(trust: Trust, parent: &Place, entry: &Stat) -> Result<(), String> {
    let Stat { st_uid, .. } = *entry;
    let link = file_type(entry) == FileType::Symlink;
    if let Trust::Caller(uid) = trust {
        return may_follow(uid, parent, entry);
    }
    let trusted = st_uid == 0 || is_users(trust, entry);
    if parent.theirs && link {
        return Err("is a symbolic link below a directory that the user owns".to_owned());
    }
    if link && st_uid != 0 {
        return Err(format!(
            "is a symbolic link that belongs to uid {st_uid}, not to root"
        ));
    }
    if link && is_shared(trust, parent) {
        // Although root made it, others may have moved it here from a directory of theirs.
        return Err("is a symbolic link in a directory that others may write".to_owned());
    }
    if !trusted && (parent.theirs || is_shared(trust, parent)) {
        return Err(format!("belongs to uid {st_uid}, who could replace it"));
    }
    Ok(())
}

/// Refuses a link that the user `uid` should not follow: one that the kernel would not follow either.
fn may_follow(uid: u32, parent: &Place, entry: &Stat) -> Result<(), String> {
    let directory = &parent.status;
    let link = file_type(entry) == FileType::Symlink;
    let known = [uid, directory.st_uid].contains(&entry.st_uid);
    if !link || known || !is_sticky(directory) || directory.st_mode & 0o002 == 0 {
        return Ok(());
    }
    Err(format!(
        "is a symbolic link of uid {} in a directory that all may write",
        entry.st_uid
    ))
}

/// Whether somebody who is not root may make entries in a directory.
fn is_shared(trust: Trust, directory: &Place) -> bool {
    openness(trust, directory).is_some()
}

/// Names those that a directory is open to besides root; nothing where it is to nobody. A group of root's own does not
/// count except for policy files, but those that an access list names do.
fn openness(trust: Trust, directory: &Place) -> Option<&'static str> {
    let Stat {
        st_mode, st_gid, ..
    } = directory.status;
    let by_group = st_mode & 0o020 != 0;
    if st_mode & 0o002 != 0 || by_group && (st_gid != 0 || trust == Trust::Root) {
        return Some("writable by others than root");
    }
    // The bits of the group are the mask of every entry of the list (acl(5)): without this one, none may write.
    if !by_group {
        return None;
    }
    let holders = match &directory.asked {
        Some(facts) => facts.holders,
        None => holders_of_group_bits(directory, &directory.status),
    };
    match holders {
        Holders::Group => None,
        Holders::Listed => Some("writable by those whom its access list (acl(5)) names"),
        Holders::Unknown => Some("perhaps writable by those whom its access list (acl(5)) names"),
    }
}

/// Whether a writer may write to what `file` is open for, or could let themselves; `status` is that of it. Every group
/// but root's may be one of theirs, and so may every entry of an access list (acl(5)).
#[must_use]
pub(crate) fn is_writable_by(writer: Writer, file: impl AsFd, status: &Stat) -> bool {
    let by_group = || {
        let writes = status.st_mode & 0o020 != 0;
        writes && holders_of_group_bits(file, status) != Holders::Group
    };
    Form::of(status).is_open_to(writer) || by_group()
}

fn is_sticky(status: &Stat) -> bool {
    status.st_mode & 0o1000 != 0
}
