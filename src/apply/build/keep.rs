//! Entries of a covered directory that stay visible in what covers it.

use super::{Build, Kept};
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{Draft, Form, Publication};
use crate::kernel::fs::entries::{Entry, Found, MOST_MATCHES, Names, Owners, Search};
use crate::kernel::fs::unseen::status_of_entry;
use crate::kernel::fs::walk::{self, Cover, Place, Trust, file_type};
use crate::kernel::mount::{self, AttributeChange};
use crate::plan::Step;
use crate::policy::value::is_within;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What covers a directory: the directory as its file system has it, and its detached mount.
#[derive(Clone, Copy)]
pub(super) struct Root<'a> {
    pub(super) directory: &'a Rc<OwnedFd>,
    pub(super) mount: &'a OwnedFd,
}

/// How many entries that a pattern matches and that are not kept are told one by one.
const MOST_TOLD: usize = 8;

impl<'p> Build<'p> {
    /// Prepares each entry that `keep` means and `covered` has; the missing ones are skipped. Their mount points
    /// are made in `root`, and used through its detached mount.
    pub(super) fn keep_entries(
        &mut self,
        step: &'p Step,
        keep: &[Names],
        covered: &Place,
        root: Root<'_>,
    ) -> Result<Vec<Kept>> {
        let mut kept = Vec::new();
        let mut seen = BTreeSet::new();
        for names in keep {
            let search = names.search(covered, self.owners());
            let search = search
                .map_err(|errno| Error::from_errno("look for entries in", &covered.path, errno))?;
            self.note_unwanted(step, names, &search, covered);
            let mut entries = Vec::new();
            for name in search.names {
                let Some((entry, status)) = self.open_kept(step, covered, &name)? else {
                    continue;
                };
                entries.push(Entry::new(&name, &status));
                if self.may_keep_more(step, names, covered) && seen.insert(name.clone()) {
                    kept.extend(self.keep_entry(step, &name, (entry, status), covered, root)?);
                }
            }
            self.note_kept(covered, names, entries);
        }
        Ok(kept)
    }

    /// A caller without rights sees of other users' files that they are not their own, and root's are among those.
    fn owners(&self) -> Owners {
        match self.trust {
            Trust::Root | Trust::User(_) => Owners::RootAnd(self.uid),
            Trust::Caller(_) => Owners::All,
        }
    }

    /// Opens an entry that was found, and judges it again: somebody may have exchanged it since.
    fn open_kept(
        &mut self,
        step: &Step,
        covered: &Place,
        name: &str,
    ) -> Result<Option<(OwnedFd, Stat)>> {
        let path = format!("{}/{name}", covered.path);
        let found = self.owners().find(covered, name);
        match found.map_err(|errno| Error::from_errno("open", &path, errno))? {
            None => Ok(None),
            Some(Ok(opened)) => Ok(Some(opened)),
            Some(Err(unwanted)) => {
                self.note_not_kept(step, &path, unwanted);
                Ok(None)
            }
        }
    }

    /// Whether an entry can be kept besides those that patterns have shown so far; a name always can.
    fn may_keep_more(&mut self, step: &Step, names: &Names, covered: &Place) -> bool {
        if names.single().is_some() {
            return true;
        }
        self.matches = self.matches.saturating_add(1);
        if self.matches == MOST_MATCHES.saturating_add(1) {
            let reason = format!("patterns of keep show {MOST_MATCHES} entries at most");
            self.note_not_kept(step, &format!("{}/{names}", covered.path), reason);
        }
        self.matches <= MOST_MATCHES
    }

    /// Notes what was found for those who join the namespace later. What this login builds is not the host's.
    fn note_kept(&mut self, covered: &Place, names: &Names, entries: Vec<Entry>) {
        let built = |cover: &Cover| is_within(&covered.path, &cover.path);
        if !self.covers.iter().any(built) {
            self.kept.push(Found {
                directory: self.as_caller_has(&covered.path),
                names: names.clone(),
                entries,
            });
        }
    }

    fn note_unwanted(&mut self, step: &Step, names: &Names, search: &Search, covered: &Place) {
        let directory = &covered.path;
        for (name, unwanted) in search.unwanted.iter().take(MOST_TOLD) {
            self.note_not_kept(step, &format!("{directory}/{name}"), unwanted);
        }
        let untold = search.unwanted.len().saturating_sub(MOST_TOLD);
        let path = format!("{directory}/{names}");
        if untold > 0 {
            let reason = format!("{untold} more entries are links or belong to others");
            self.note_not_kept(step, &path, reason);
        }
        if search.more > 0 {
            let reason = format!(
                "{} entries beyond the first {MOST_MATCHES} in byte order",
                search.more
            );
            self.note_not_kept(step, &path, reason);
        }
        if search.is_cut {
            let reason = "the directory has too many entries, and not all were looked at";
            self.note_not_kept(step, &path, reason);
        }
    }

    fn keep_entry(
        &mut self,
        step: &'p Step,
        name: &str,
        (source, status): (OwnedFd, Stat),
        covered: &Place,
        root: Root<'_>,
    ) -> Result<Option<Kept>> {
        let path = format!("{}/{name}", covered.path);
        let (at, found) = self.mount_point(step, name, &path, &status, root)?;
        if let Some(reason) = self.unfit(&found, &status) {
            self.note_not_kept(step, &path, reason);
            return Ok(None);
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

    fn note_not_kept(&mut self, step: &Step, path: &str, reason: impl std::fmt::Display) {
        let origin = &step.origin;
        self.notes
            .push(format!("{path} not kept: {reason} ({origin})"));
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
        if let Some(found) = self.open_status(root.mount, name, path)? {
            return Ok(found);
        }
        let parent = root.directory;
        let form = self.possible(Form::of(source));
        let mut draft = match file_type(source) == FileType::Directory {
            true => Draft::directory(parent, form, path)?.0,
            false => Draft::file(parent, form, path)?,
        };
        if draft.publish(name, path)? == Publication::Done {
            match step.view.instance() {
                Some(instance) => self.undo.push_within(draft, instance),
                // It goes with the memory that it is in.
                None => draft.keep(),
            }
        }
        let missing = || Error::from_errno("open", path, Errno::NOENT);
        self.open_status(root.mount, name, path)?
            .ok_or_else(missing)
    }

    fn open_status(
        &self,
        parent: impl AsFd,
        name: &str,
        path: &str,
    ) -> Result<Option<(OwnedFd, Stat)>> {
        let failed = |errno| Error::from_errno("open", path, errno);
        match walk::open_entry(&parent, name) {
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed(errno)),
            Ok(entry) => {
                let status = status_of_entry(parent, name, &entry, self.uid).map_err(failed)?;
                Ok(Some((entry, status)))
            }
        }
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
