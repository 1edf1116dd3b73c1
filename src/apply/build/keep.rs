//! Entries of a covered directory that stay visible in what covers it.

use super::{Build, Kept};
use crate::error::{Error, Result};
use crate::kernel::directory::{Draft, Form, Publication};
use crate::kernel::mount::{self, AttributeChange};
use crate::kernel::walk::{self, Place, file_type};
use crate::plan::{Step, View};
use crate::policy::value::Component;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::rc::Rc;

/// What covers a directory: the directory as its file system has it, and its detached mount.
#[derive(Clone, Copy)]
pub(super) struct Root<'a> {
    pub(super) directory: &'a Rc<OwnedFd>,
    pub(super) mount: &'a OwnedFd,
}

impl<'p> Build<'p> {
    /// Prepares each entry of `keep` that `covered` has; the missing ones are skipped. Their mount points
    /// are made in `root`, and used through its detached mount.
    pub(super) fn keep_entries(
        &mut self,
        step: &'p Step,
        keep: &[Component],
        covered: &Place,
        root: Root<'_>,
    ) -> Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for name in keep {
            let path = format!("{}/{name}", covered.path);
            kept.extend(self.keep_entry(step, name.as_str(), path, covered, root)?);
        }
        Ok(kept)
    }

    fn keep_entry(
        &mut self,
        step: &'p Step,
        name: &str,
        path: String,
        covered: &Place,
        root: Root<'_>,
    ) -> Result<Option<Kept>> {
        let Some((source, status)) = open_status(covered, name, &path)? else {
            self.note_missing(path);
            return Ok(None);
        };
        if file_type(&status) == FileType::Symlink {
            return Ok(self.not_kept(step, &path, "it is a symbolic link"));
        }
        let (at, found) = self.mount_point(step, name, &path, &status, root)?;
        if let Some(reason) = self.unfit(&found, &status) {
            return Ok(self.not_kept(step, &path, reason));
        }
        let copied = self.copy(&source, &status, &path);
        let mount = copied.map_err(clone_of_built)?;
        let travel = super::super::travel(self.plan.propagation);
        mount::prepare(&mount, true, AttributeChange::default(), travel, &path)?;
        Ok(Some(Kept {
            path,
            mount: Rc::new(mount),
            at,
        }))
    }

    fn not_kept(&mut self, step: &Step, path: &str, reason: &str) -> Option<Kept> {
        let origin = &step.origin;
        self.notes
            .push(format!("{path} not kept: {reason} ({origin})"));
        None
    }

    /// The entry of the same name in what covers the directory, made where it is missing.
    fn mount_point(
        &mut self,
        step: &'p Step,
        name: &str,
        path: &str,
        source: &Stat,
        root: Root<'_>,
    ) -> Result<(OwnedFd, Stat)> {
        if let Some(found) = open_status(root.mount, name, path)? {
            return Ok(found);
        }
        let parent = root.directory;
        let form = self.possible(Form::of(source));
        let mut draft = match file_type(source) {
            FileType::Directory => Draft::directory(parent, form, path)?.0,
            _ => Draft::file(parent, form, path)?,
        };
        if draft.publish(name, path)? == Publication::Done {
            match &step.view {
                View::Instance { instance, .. } => self.undo.push_within(draft, instance),
                // It goes with the memory that it is in.
                _ => draft.keep(),
            }
        }
        let missing = || Error::from_errno("open", path, Errno::NOENT);
        open_status(root.mount, name, path)?.ok_or_else(missing)
    }

    /// Why an entry of the instance cannot be a mount point. In an instance that several users share, a
    /// mount point of another user's could be renamed by that user, and the mount would move with it.
    fn unfit(&self, found: &Stat, source: &Stat) -> Option<&'static str> {
        let directory = |status| file_type(status) == FileType::Directory;
        if file_type(found) == FileType::Symlink {
            return Some("the instance has a symbolic link of that name");
        }
        if directory(found) != directory(source) {
            return Some("the instance has an entry of that name and of another type");
        }
        if ![0, self.uid, source.st_uid].contains(&found.st_uid) {
            return Some("the instance has an entry of that name that belongs to another user");
        }
        None
    }
}

/// A copy of what another step has built, which is detached as yet, is refused by older kernels.
fn clone_of_built(error: Error) -> Error {
    if error.is_invalid() {
        return error.because("keeping what another rule shows there needs Linux 6.15");
    }
    error
}

fn open_status(parent: impl AsFd, name: &str, path: &str) -> Result<Option<(OwnedFd, Stat)>> {
    let failed = |errno| Error::from_errno("open", path, errno);
    match walk::open_entry(parent, name) {
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(failed(errno)),
        Ok(entry) => {
            let status = rustix::fs::fstat(&entry).map_err(failed)?;
            Ok(Some((entry, status)))
        }
    }
}
