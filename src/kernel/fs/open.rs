//! Entries of a directory, opened and listed: never by following a link.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CString;

/// Opens a directory for reading, never a link and never anything that could block.
///
/// # Errors
///
/// The error number of openat(2): ENOTDIR for a link as for a file.
pub fn open_directory(parent: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Opens the entry itself as an `O_PATH` descriptor, be it a directory, a file or a link.
///
/// # Errors
///
/// The error number of openat(2).
pub(crate) fn open_entry(parent: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    // A directory is asked for first: that makes the kernel mount what autofs has prepared there. A plain `O_PATH` shows
    // the empty trigger (open(2)).
    match find_directory(&parent, name) {
        Err(Errno::NOTDIR) => rustix::fs::openat(&parent, name, PLACE, Mode::empty()),
        other => other,
    }
}

/// Opens a directory as an `O_PATH` descriptor, and nothing else.
///
/// # Errors
///
/// The error number of openat(2): ENOTDIR for whatever is none, and for a link.
pub(crate) fn find_directory(parent: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(parent, name, PLACE | OFlags::DIRECTORY, Mode::empty())
}

/// The flags that open a place which is not to be read, and never where a link leads.
pub(in crate::kernel) const PLACE: OFlags =
    OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a file below `parent`, a directory of root's own. A link on the way is an error, whoever made it.
///
/// # Errors
///
/// The error number of openat2(2): ELOOP for a link.
pub(crate) fn open_below(
    parent: impl AsFd,
    path: &str,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat2(parent, path, flags, mode, ResolveFlags::NO_SYMLINKS)
}

/// The names in an open directory, without `.` and `..`, in no order; or the error number of getdents64(2).
pub fn names(directory: Dir) -> impl Iterator<Item = Result<CString, Errno>> {
    let names = directory.map(|entry| entry.map(|entry| entry.file_name().to_owned()));
    names.filter(|name| {
        let dots = |name: &CString| matches!(name.to_bytes(), b"." | b"..");
        !name.as_ref().is_ok_and(dots)
    })
}

/// The names in an open directory as text, in byte order, without `.` and `..`. Names that are not UTF-8 are left out.
///
/// # Errors
///
/// The error number of getdents64(2).
pub(crate) fn sorted_names(directory: Dir) -> Result<Vec<String>, Errno> {
    let all: Vec<CString> = names(directory).collect::<Result<_, Errno>>()?;
    let mut texts: Vec<String> = all
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .collect();
    texts.sort_unstable();
    Ok(texts)
}
