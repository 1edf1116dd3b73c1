//! Entries of a covered directory that stay visible in what covers it (`keep`).

use crate::apply::context::Context;
use crate::apply::covers::{Covered, VisibleEntry};
use crate::apply::findings::{Findings, Matches};
use crate::apply::instances::Instances;
use crate::apply::session_view::SessionView;
use crate::apply::travel::travel;
use crate::error::{Error, Result};
use crate::kernel::fs::asker::{Copied, Parent};
use crate::kernel::fs::directory::{Draft, Form, Publication};
use crate::kernel::fs::entries::{Entry, Found, MOST_MATCHES, Names, Owners, Search, Unwanted};
use crate::kernel::fs::unseen::status_of_entry;
use crate::kernel::fs::walk::{self, Trust, file_type};
use crate::kernel::mount::{self, Extent, Preparation};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The number of entries that a pattern matches, and that do not stay visible, which are reported one by one.
const MOST_TOLD: usize = 8;

/// The entries of a covered directory that stay visible, and what they stay visible in.
pub(super) struct KeptFrom<'k, 'p> {
    pub(super) covered: &'k Covered<'k, 'p>,
    pub(super) keep: &'k [Names],
    pub(super) root: Root<'k>,
    pub(super) view: SessionView<'k, 'p>,
}

/// The cover of a directory: the directory as its file system has it, and its detached mount.
#[derive(Clone, Copy)]
pub(super) struct Root<'a> {
    pub(super) directory: &'a Rc<OwnedFd>,
    pub(super) mount: &'a OwnedFd,
}

/// An entry of the covered directory, opened.
struct OpenedEntry {
    name: String,
    /// Its path in the covered directory.
    path: String,
    descriptor: OwnedFd,
    status: Stat,
}

/// Prepares each entry that `keep` means and the covered directory has; the missing ones are skipped. Their mount points
/// are made in the root, and used through its detached mount.
pub(super) fn keep_entries<'p>(
    from: &KeptFrom<'_, 'p>,
    instances: &mut Instances<'p>,
    findings: &mut Findings,
) -> Result<Vec<VisibleEntry>> {
    let covered = from.covered.place;
    let copy = Copied::new();
    let directory = Parent {
        copy: Some(&copy),
        ..covered.as_parent()
    };
    let mut visible = Vec::new();
    let mut seen = BTreeSet::new();
    for names in from.keep {
        let search = names
            .search(
                directory,
                owners(from.view.context),
                from.view.context.walker.asker(),
            )
            .map_err(|errno| Error::from_errno("look for entries in", &covered.path, errno))?;
        from.refuse_silent(&search)?;
        from.note_unwanted(names, &search, findings);
        let mut entries = Vec::new();
        for name in search.names {
            let Some(entry) = from.open(directory, name, findings)? else {
                continue;
            };
            entries.push(Entry::new(&entry.name, &entry.status));
            if from.may_show_more(names, findings) && seen.insert(entry.name.clone()) {
                visible.extend(from.show(entry, instances, findings)?);
            }
        }
        let found = Found {
            directory: covered.path.clone(),
            names: names.clone(),
            entries,
        };
        findings.note_visible(found, from.view);
    }
    Ok(visible)
}

/// A caller without rights sees of other users' files that they are not their own, and root's are among those.
fn owners(context: &Context<'_>) -> Owners {
    match context.trust {
        Trust::Root | Trust::User(_) => Owners::RootAnd(context.uid()),
        Trust::Caller(_) => Owners::All,
    }
}

impl<'p> KeptFrom<'_, 'p> {
    /// Opens an entry that was found, and judges it again: somebody may have exchanged it since.
    fn open(
        &self,
        directory: Parent<'_>,
        name: String,
        findings: &mut Findings,
    ) -> Result<Option<OpenedEntry>> {
        let covered = self.covered.place;
        let path = format!("{}/{name}", covered.path);
        let context = self.view.context;
        let found = owners(context).find(directory, &name, context.walker.asker());
        match found.map_err(|errno| Error::from_errno("open", &path, errno))? {
            None => Ok(None),
            Some(Ok((descriptor, status))) => Ok(Some(OpenedEntry {
                name,
                path,
                descriptor,
                status,
            })),
            Some(Err(unwanted)) => {
                findings.note_hidden(self.covered.step, &path, unwanted);
                Ok(None)
            }
        }
    }

    /// Whether an entry can be visible besides those that patterns have shown so far; a name always can.
    fn may_show_more(&self, names: &Names, findings: &mut Findings) -> bool {
        if names.single().is_some() {
            return true;
        }
        match findings.count_match() {
            Matches::Permitted => true,
            Matches::FirstTooMany => {
                let path = format!("{}/{names}", self.covered.place.path);
                let reason = format!("patterns of keep show {MOST_MATCHES} entries at most");
                findings.note_hidden(self.covered.step, &path, reason);
                false
            }
            Matches::TooMany => false,
        }
    }

    /// Refuses the rule where an entry does not answer, unless it is optional: then the entry is not kept.
    fn refuse_silent(&self, search: &Search) -> Result<()> {
        let silent = |(_, unwanted): &&(String, Unwanted)| *unwanted == Unwanted::Silent;
        match search.unwanted.iter().find(silent) {
            Some((name, unwanted)) if !self.covered.step.optional => {
                let path = format!("{}/{name}", self.covered.place.path);
                Err(Error::new("keep", path, unwanted).silent())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn note_unwanted(&self, names: &Names, search: &Search, findings: &mut Findings) {
        let (step, directory) = (self.covered.step, &self.covered.place.path);
        for (name, unwanted) in search.unwanted.iter().take(MOST_TOLD) {
            findings.note_hidden(step, &format!("{directory}/{name}"), unwanted);
        }
        let untold = search.unwanted.len().saturating_sub(MOST_TOLD);
        let path = format!("{directory}/{names}");
        if untold > 0 {
            let reason = format!("{untold} more entries are links or belong to others");
            findings.note_hidden(step, &path, reason);
        }
        if search.more > 0 {
            let reason = format!(
                "{} entries beyond the first {MOST_MATCHES} in byte order",
                search.more
            );
            findings.note_hidden(step, &path, reason);
        }
        if search.is_cut {
            let reason = "the directory has too many entries, and not all were looked at";
            findings.note_hidden(step, &path, reason);
        }
    }

    /// Prepares an entry; nothing where what covers the directory has another one of its name.
    fn show(
        &self,
        entry: OpenedEntry,
        instances: &mut Instances<'p>,
        findings: &mut Findings,
    ) -> Result<Option<VisibleEntry>> {
        let (point, found) = self.mount_point(&entry, instances)?;
        if let Some(reason) = self.unfit(&found, &entry.status) {
            findings.note_hidden(self.covered.step, &entry.path, reason);
            return Ok(None);
        }
        let path = entry.path;
        let copied = self.view.copy(&entry.descriptor, &entry.status, &path);
        let mount = copied.map_err(clone_of_built)?;
        let travel = travel(self.view.context.plan.propagation);
        mount::prepare(&mount, Preparation::of_travel(Extent::Tree, travel), &path)?;
        Ok(Some(VisibleEntry {
            path,
            mount: Rc::new(mount),
            point,
        }))
    }

    /// Opens the entry of the same name in what covers the directory, made where it is missing.
    fn mount_point(
        &self,
        entry: &OpenedEntry,
        instances: &mut Instances<'p>,
    ) -> Result<(OwnedFd, Stat)> {
        if let Some(found) = self.open_in_root(entry)? {
            return Ok(found);
        }
        let (name, path) = (entry.name.as_str(), entry.path.as_str());
        let parent = self.root.directory;
        let form = self.view.context.permitted_form(Form::of(&entry.status));
        let mut draft = match file_type(&entry.status) == FileType::Directory {
            true => Draft::directory(parent, form, path)?.0,
            false => Draft::file(parent, form, path)?,
        };
        if draft.publish(name, path)? == Publication::Done {
            match self.covered.step.view.instance() {
                Some(instance) => instances.settle_within(draft, instance),
                // It goes with the memory that it is in.
                None => draft.keep(),
            }
        }
        let missing = || Error::from_errno("open", path, Errno::NOENT);
        self.open_in_root(entry)?.ok_or_else(missing)
    }

    fn open_in_root(&self, entry: &OpenedEntry) -> Result<Option<(OwnedFd, Stat)>> {
        let (parent, name) = (self.root.mount.as_fd(), entry.name.as_str());
        let failed = |errno| Error::from_errno("open", &entry.path, errno);
        match walk::open_entry(parent, name) {
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed(errno)),
            Ok(found) => {
                let uid = self.view.context.uid();
                let status = status_of_entry(parent, name, &found, uid).map_err(failed)?;
                Ok(Some((found, status)))
            }
        }
    }

    /// Returns the reason why an entry of the instance cannot be a mount point. In an instance that several users
    /// share, a mount point of another user's could be renamed by that user, and the mount would move with it.
    fn unfit(&self, found: &Stat, source: &Stat) -> Option<&'static str> {
        let directory = |status| file_type(status) == FileType::Directory;
        if file_type(found) == FileType::Symlink {
            return Some("the instance has a symbolic link of that name");
        }
        if directory(found) != directory(source) {
            return Some("the instance has an entry of that name and of another type");
        }
        if ![0, self.view.context.uid(), source.st_uid].contains(&found.st_uid) {
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
