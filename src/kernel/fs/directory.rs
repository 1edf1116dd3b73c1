//! Directories and files that the module makes: finished before anybody can see them under their name.

use crate::error::{Error, Result};
pub use crate::kernel::fs::form::{Form, Writer};
use crate::kernel::fs::identity::FileIdentity;
pub(crate) use crate::kernel::fs::open::sorted_names;
pub use crate::kernel::fs::open::{names, open_directory};
use crate::kernel::fs::removal::remove_tree;
use crate::kernel::fs::walk::{self, file_type};
use crate::store::layout::is_random_name;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::Errno;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A directory or file that was made for one login. Dropped, it is removed again (a directory only when
/// it is empty); [`Draft::keep`] lets it stay.
#[derive(Debug)]
pub struct Draft {
    parent: Rc<OwnedFd>,
    name: String,
    flags: AtFlags,
    /// Whether what is in a directory that has no name yet goes with it.
    is_filled: bool,
    /// Device and inode of a directory that may be filled.
    identity: Option<FileIdentity>,
}

/// Without it, of two logins that make one directory each, the second could take away the first one's.
const NO_NOREPLACE: &str = "its file system cannot rename without replacing (RENAME_NOREPLACE of \
                            renameat2(2)), as NFS cannot; a local one can";

/// The result of publishing an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// The entry has its name now.
    Done,
    /// Somebody else published an entry of that name first.
    Preceded,
}

impl Draft {
    /// Makes an empty directory of the given form under a temporary name, and opens it for reading.
    ///
    /// # Errors
    ///
    /// Any of the steps failed, or somebody exchanged the new directory; `path` names what it will be.
    pub fn directory(parent: &Rc<OwnedFd>, form: Form, path: &str) -> Result<(Self, OwnedFd)> {
        let failed = |errno| Error::from_errno("create", path, errno);
        let name = temporary_name().map_err(failed)?;
        rustix::fs::mkdirat(parent, &name, Mode::RWXU).map_err(failed)?;
        let mut draft = Self::made(parent, name, FileType::Directory);
        let directory = open_directory(parent, &draft.name).map_err(failed)?;
        draft.identity = Some(check_untouched(&directory, path)?);
        shape(&directory, form).map_err(failed)?;
        Ok((draft, directory))
    }

    /// Makes an empty file of the given form under a temporary name.
    ///
    /// # Errors
    ///
    /// Any of the steps failed.
    pub fn file(parent: &Rc<OwnedFd>, form: Form, path: &str) -> Result<Self> {
        let failed = |errno| Error::from_errno("create", path, errno);
        let name = temporary_name().map_err(failed)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(parent, &name, flags, Mode::RUSR).map_err(failed)?;
        let draft = Self::made(parent, name, FileType::RegularFile);
        shape(&file, form).map_err(failed)?;
        Ok(draft)
    }

    fn made(parent: &Rc<OwnedFd>, name: String, kind: FileType) -> Self {
        let flags = match kind.is_dir() {
            true => AtFlags::REMOVEDIR,
            false => AtFlags::empty(),
        };
        let parent = Rc::clone(parent);
        Self {
            parent,
            name,
            flags,
            is_filled: false,
            identity: None,
        }
    }

    /// Gives it its name, unless there is an entry of that name.
    ///
    /// # Errors
    ///
    /// renameat2(2) failed; the file system may lack RENAME_NOREPLACE, as NFS does.
    pub(crate) fn publish(&mut self, name: &str, path: &str) -> Result<Publication> {
        let parent = &self.parent;
        match rustix::fs::renameat_with(parent, &self.name, parent, name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                name.clone_into(&mut self.name);
                Ok(Publication::Done)
            }
            Err(Errno::EXIST) => Ok(Publication::Preceded),
            Err(Errno::INVAL) => Err(Error::new("create", path, NO_NOREPLACE)),
            Err(errno) => Err(Error::from_errno("create", path, errno)),
        }
    }

    /// Takes its name from a directory again, so that it is removed with what was put into it meanwhile. What cannot
    /// be taken away stays: it is as good as one that a login has used.
    pub(crate) fn withdraw(&mut self) {
        let Ok(name) = temporary_name() else { return };
        let Self { parent, .. } = &self;
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(parent, &self.name, parent, &name, flags) {
            Ok(()) => {
                self.name = name;
                self.is_filled = true;
            }
            Err(errno) => log::warn!("{}", Error::from_errno("remove", &self.name, errno)),
        }
    }

    /// Its present name in the directory that holds it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says that somebody is about to put something into the new directory: as long as that has no name, it is
    /// removed with what is in it.
    pub(crate) fn expect_content(&mut self) {
        self.is_filled = true;
    }

    fn remove(&self) -> Result<()> {
        let Self {
            parent,
            name,
            identity,
            ..
        } = self;
        match rustix::fs::unlinkat(parent, name, self.flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => match identity {
                Some(made) if self.is_filled && is_temporary(name) => {
                    remove_tree(parent, name, *made, name)
                }
                // Another login has begun to use a directory that this one made.
                _ => Ok(()),
            },
            Err(errno) => Err(Error::from_errno("remove", name, errno)),
        }
    }

    /// Lets it stay.
    pub fn keep(mut self) {
        self.name.clear();
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        if let Err(error) = self.remove() {
            log::warn!("{error}");
        }
    }
}

/// The text that temporary names begin with.
pub const TEMPORARY: &str = ".jns-";

/// A name that no other file has, `.jns-` and 16 hexadecimal digits: for what gets its own name when it is
/// finished, or was given up.
///
/// # Errors
///
/// The error number of getrandom(2).
pub(crate) fn temporary_name() -> Result<String, Errno> {
    let mut bits = [0_u8; 8];
    rustix::rand::getrandom(&mut bits, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{TEMPORARY}{:016x}", u64::from_ne_bytes(bits)))
}

/// A name of the same form, made of the time: for a directory in which nobody but root makes anything, and where an entry
/// of that name is found to be there.
#[must_use]
pub(crate) fn name_of_now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = since.map_or(0, |since| since.as_nanos());
    // The last 64 bits: it takes 584 years until they come again.
    let low = u64::try_from(nanoseconds & u128::from(u64::MAX)).unwrap_or_default();
    format!("{TEMPORARY}{low:016x}")
}

/// Whether a name could be one of [`temporary_name`]'s.
#[must_use]
pub(crate) fn is_temporary(name: &str) -> bool {
    name.strip_prefix(TEMPORARY).is_some_and(is_random_name)
}

/// Checks that a new directory is the one that was made, and gives its device and inode. Where a user may write to the
/// parent, the entry can be exchanged before it is opened: only an empty directory of root's own may be given away.
fn check_untouched(directory: &OwnedFd, path: &str) -> Result<FileIdentity> {
    let failed = |errno| Error::from_errno("create", path, errno);
    let status = rustix::fs::fstat(directory).map_err(failed)?;
    let empty = names(Dir::read_from(directory).map_err(failed)?)
        .next()
        .is_none();
    if status.st_uid != rustix::process::geteuid().as_raw() || !empty {
        return Err(Error::new(
            "create",
            path,
            "somebody exchanged the new directory",
        ));
    }
    Ok(FileIdentity::of(&status))
}

/// Gives what is open its owner, group and mode.
fn shape(file: &OwnedFd, form: Form) -> Result<(), Errno> {
    // The owner before the mode: chown(2) takes the set-user-ID and set-group-ID bits away.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the room that changes owners"
    )]
    rustix::fs::fchown(
        file,
        Some(Uid::from_raw(form.uid)),
        Some(Gid::from_raw(form.gid)),
    )?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(form.mode))
}

/// The demands on an existing instance.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedInstance {
    /// The form that it should have.
    pub form: Form,
    /// The user whose session shows it.
    pub user: u32,
    /// Whether the user could have put another directory in its place.
    pub is_replaceable: bool,
}

impl ExpectedInstance {
    /// Verifies an existing instance, and returns its status. A wrong mode or group, and an owner that is root where the
    /// user should be or the other way round, are repaired; another owner is refused.
    ///
    /// Where the user could have put another directory in its place, a directory of root's is never changed: it may
    /// be one that root keeps closed.
    ///
    /// # Errors
    ///
    /// It belongs to somebody else, or the repair failed.
    pub fn verify(&self, directory: &OwnedFd, path: &str) -> Result<Stat> {
        let failed = |errno| Error::from_errno("repair", path, errno);
        let status = rustix::fs::fstat(directory).map_err(failed)?;
        let found = Form::of(&status);
        if found == self.form {
            return Ok(status);
        }
        if !self.may_repair(found) {
            return Err(Error::new("use", path, difference(found, self.form)));
        }
        // What is open as a place alone (`O_PATH`) answers fchown(2) with EBADF.
        let opened = open_directory(directory, ".").map_err(failed)?;
        shape(&opened, self.form).map_err(failed)?;
        rustix::fs::fstat(directory).map_err(failed)
    }

    fn may_repair(&self, found: Form) -> bool {
        let (user, wanted) = (self.user, self.form.uid);
        match self.is_replaceable {
            true => found.uid == user && wanted == user,
            false => [0, user, wanted].contains(&found.uid),
        }
    }
}

fn difference(found: Form, wanted: Form) -> String {
    if found.uid != wanted.uid {
        return format!("it belongs to uid {}, not to uid {}", found.uid, wanted.uid);
    }
    let (found, wanted) = ((found.gid, found.mode), (wanted.gid, wanted.mode));
    format!(
        "its group and mode are {} {:04o}, not {} {:04o}",
        found.0, found.1, wanted.0, wanted.1
    )
}

/// Opens the directory `name` of root's own in `parent`, making it for root alone where it is missing.
///
/// # Errors
///
/// It is not a directory of root's, others may use it, or it cannot be made.
pub(crate) fn open_or_make_private(
    parent: &Rc<OwnedFd>,
    name: &str,
    path: &str,
) -> Result<(OwnedFd, Option<Draft>)> {
    let failed = |errno| Error::from_errno("open", path, errno);
    let mut draft = None;
    let directory = match walk::open_entry(parent, name) {
        Err(Errno::NOENT) => {
            draft = make_private(parent, name)
                .map_err(|errno| Error::from_errno("create", path, errno))?;
            walk::open_entry(parent, name).map_err(failed)?
        }
        other => other.map_err(failed)?,
    };
    let status = rustix::fs::fstat(&directory).map_err(failed)?;
    check_private(&status, &[], path)?;
    Ok((directory, draft))
}

/// Opens the directory `name` of root's own in `parent`, as [`open_or_make_private`] does, and lets a new one stay,
/// whatever becomes of the login that needs it.
///
/// # Errors
///
/// As [`open_or_make_private`].
pub(crate) fn ensure_private(parent: &Rc<OwnedFd>, name: &str, path: &str) -> Result<OwnedFd> {
    let (directory, draft) = open_or_make_private(parent, name, path)?;
    if let Some(draft) = draft {
        draft.keep();
    }
    Ok(directory)
}

/// Makes a directory of root's own with root's group and mode 0700, whatever the umask of the host process and, in
/// su(1), the group of its caller; nothing where it is there.
fn make_private(parent: &Rc<OwnedFd>, name: &str) -> Result<Option<Draft>, Errno> {
    const FORM: Form = Form {
        mode: 0o700,
        uid: 0,
        gid: 0,
    };
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Ok(()) => {
            let draft = Draft::made(parent, name.to_owned(), FileType::Directory);
            shape(&open_directory(parent, name)?, FORM)?;
            Ok(Some(draft))
        }
        Err(Errno::EXIST) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Checks that a directory is root's and that nobody else has rights in it, unless its mode is one of
/// `accepted`.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn check_private(status: &Stat, accepted: &[u32], path: &str) -> Result<()> {
    let refused = |reason: String| Err(Error::new("use", path, reason));
    if file_type(status) != FileType::Directory {
        return refused("it is not a directory".to_owned());
    }
    if status.st_uid != 0 {
        return refused(format!("it belongs to uid {}, not to root", status.st_uid));
    }
    let mode = status.st_mode & 0o7777;
    if mode & 0o077 != 0 && !accepted.contains(&mode) {
        return refused(format!(
            "its mode is {mode:04o}; root alone may use it (0700)"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_have_one_form() {
        for (name, temporary) in [
            (".jns-0123456789abcdef", true),
            (".jns-0123456789abcdeg", false),
            (".jns-0123456789abcdef0", false),
            (".jns-", false),
            ("jns-0123456789abcdef", false),
        ] {
            assert_eq!(is_temporary(name), temporary, "{name}");
        }
        assert!(is_temporary(&temporary_name().unwrap()));
    }
}
