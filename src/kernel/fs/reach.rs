//! Paths that lead somewhere by whatever links, reached without waiting for a file system that never answers.

use crate::kernel::fs::asker::{Asker, Copied, Reached};
use crate::kernel::fs::walk::{Place, Trust, Walker};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat, StatxAttributes, StatxFlags};
use rustix::io::Errno;

/// The flags of a place that is not to be read.
const PLACE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// Opens what the absolute path leads to, as any program does.
///
/// # Errors
///
/// The error number of openat(2); ETIMEDOUT: it does not answer.
pub(crate) fn reach(asker: &Asker, path: &str) -> Result<Reached, Errno> {
    if asker.deadline().left().is_none() {
        return rustix::fs::openat(CWD, path, PLACE, Mode::empty()).map(Reached::answering);
    }
    let cached = |resolve| rustix::fs::openat2(CWD, path, PLACE, Mode::empty(), resolve);
    // On the mount of the root directory, which answers.
    match cached(ResolveFlags::CACHED | ResolveFlags::NO_XDEV) {
        Err(Errno::AGAIN | Errno::XDEV) => {}
        opened => return opened.map(Reached::answering),
    }
    match cached(ResolveFlags::CACHED) {
        Ok(opened) if asker.answers(&opened) => Ok(Reached::answering(opened)),
        Ok(_) | Err(Errno::AGAIN) => walk(asker, path),
        Err(errno) => Err(errno),
    }
}

/// The status of what the absolute path leads to.
///
/// # Errors
///
/// As [`reach`].
pub(crate) fn status(asker: &Asker, path: &str) -> Result<Stat, Errno> {
    if asker.deadline().left().is_none() {
        return rustix::fs::stat(path);
    }
    let reached = reach(asker, path)?;
    match reached.asked {
        Some(status) => Ok(status),
        None => rustix::fs::fstat(&reached.descriptor),
    }
}

/// The number of the mount on which that lies which the absolute path leads to, and whether it is that mount's root
/// (Linux 5.8). Its file system is not asked.
///
/// # Errors
///
/// As [`reach`], for the way to it.
pub(crate) fn mount_of(asker: &Asker, path: &str) -> Result<(u64, bool), Errno> {
    let cached = rustix::fs::openat2(CWD, path, PLACE, Mode::empty(), ResolveFlags::CACHED);
    let opened = match cached {
        Err(Errno::AGAIN) => walk(asker, path),
        opened => opened.map(Reached::answering),
    };
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let status =
        |reached: Reached| rustix::fs::statx(&reached.descriptor, "", flags, StatxFlags::empty());
    let status = opened.and_then(status)?;
    let is_root = status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    Ok((status.stx_mnt_id, is_root))
}

/// A directory of root's, in which nothing is mounted that may not answer while it does so itself: what lies below it is
/// examined by a name relative to it.
#[derive(Debug)]
pub(crate) struct Below<'p> {
    path: &'p str,
    directory: Option<Reached>,
}

impl<'p> Below<'p> {
    /// Opens the directory at the absolute path `path`.
    #[must_use]
    pub(crate) fn open(asker: &Asker, path: &'p str) -> Self {
        let directory = reach(asker, path).ok();
        Self {
            path,
            directory: directory.filter(|directory| directory.asked.is_none()),
        }
    }

    /// The status of what the absolute path leads to, whether below it or not.
    ///
    /// # Errors
    ///
    /// As [`status`].
    pub(crate) fn status(&self, asker: &Asker, path: &str) -> Result<Stat, Errno> {
        let name = path
            .strip_prefix(self.path)
            .and_then(|rest| rest.strip_prefix('/'));
        match (&self.directory, name) {
            (Some(directory), Some(name)) => {
                rustix::fs::statat(&directory.descriptor, name, AtFlags::empty())
            }
            (None, _) | (_, None) => status(asker, path),
        }
    }
}

/// Walks as the kernel does, one component at a time.
fn walk(asker: &Asker, path: &str) -> Result<Reached, Errno> {
    let walker = Walker::new(Trust::Caller(0)).map_err(|_| Errno::PERM)?;
    let opened = walker.asking(asker).open(path, &[]);
    opened
        .map(of_place)
        .map_err(|error| match (error.is_missing(), error.is_silent()) {
            (true, _) => Errno::NOENT,
            (_, true) => Errno::TIMEDOUT,
            (false, false) => Errno::PERM,
        })
}

/// What a walk has opened.
pub(crate) fn of_place(place: Place) -> Reached {
    Reached {
        asked: (!place.answers()).then_some(place.status),
        descriptor: place.descriptor,
        copy: Copied::new(),
    }
}
