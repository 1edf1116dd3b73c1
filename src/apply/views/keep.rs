//! Entries of a covered directory that stay visible in what covers it (`keep`).

use crate::apply::context::Context;
use crate::apply::covers::{Covered, VisibleEntry};
use crate::apply::findings::{Findings, Matches};
use crate::apply::instances::Instances;
use crate::apply::session_view::SessionView;
use crate::apply::travel::travel;
use crate::error::{Error, Result};
use crate::kernel::fs::asker::{Asker, Copied, Parent};
use crate::kernel::fs::directory::{Draft, Form, Publication, open_directory};
use crate::kernel::fs::entries::{
    Entry, Found, MOST_MATCHES, Names, NamesPath, Owners, Search, Unwanted,
};
use crate::kernel::fs::unseen::status_of_entry;
use crate::kernel::fs::walk::{self, Trust, file_type};
use crate::kernel::mount::{self, Extent, Preparation};
use crate::path::is_within;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The number of entries that a pattern matches, and that do not stay visible, which are reported one by one.
const MOST_TOLD: usize = 8;

/// The directory whose entries stay visible, and what they stay visible in.
pub(super) struct KeptFrom<'k, 'p> {
    covered: &'k Covered<'k, 'p>,
    /// The covered directory, or one below it.
    source: Source<'k>,
    root: Root<'k>,
    /// The directories in the cover that lead to where the entries stay visible.
    levels: &'k [String],
    view: SessionView<'k, 'p>,
}

/// A directory that has entries which stay visible.
#[derive(Clone, Copy)]
struct Source<'k> {
    path: &'k str,
    parent: Parent<'k>,
}

/// The form of a directory on the way to what stays visible: for everybody to see into, as the hidden directory itself.
const LEVEL: Form = Form {
    mode: 0o555,
    uid: 0,
    gid: 0,
};

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

/// Prepares each entry that `keep` means and the directory has; the missing ones are skipped. Their mount points are made
/// in the root, and used through its detached mount.
pub(super) fn keep_entries<'p>(
    from: &KeptFrom<'_, 'p>,
    keep: &[Names],
    instances: &mut Instances<'p>,
    findings: &mut Findings,
) -> Result<Vec<VisibleEntry>> {
    let source = from.source;
    let copy = Copied::new();
    let directory = Parent {
        copy: Some(&copy),
        ..source.parent
    };
    let mut visible = Vec::new();
    let mut seen = BTreeSet::new();
    for names in keep {
        let search = names
            .search(
                directory,
                owners(from.view.context),
                from.view.context.walker.asker(),
            )
            .map_err(|errno| Error::from_errno("look for entries in", source.path, errno))?;
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
            directory: source.path.to_owned(),
            names: names.clone(),
            entries,
        };
        findings.note_visible(found, from.view);
    }
    Ok(visible)
}

/// Prepares each entry that `paths` mean below the covered directory; the missing ones are skipped, with the directories on
/// the way to them. What lies in an entry that is visible itself is visible with that.
pub(super) fn keep_paths<'p>(
    from: &KeptFrom<'_, 'p>,
    paths: &[NamesPath],
    instances: &mut Instances<'p>,
    findings: &mut Findings,
) -> Result<Vec<VisibleEntry>> {
    let (near, mut far): (Vec<_>, Vec<_>) = paths.iter().partition(|p| p.directories.is_empty());
    let near: Vec<Names> = near.iter().map(|path| path.names.clone()).collect();
    let mut visible = keep_entries(from, &near, instances, findings)?;
    far.sort_by_key(|path| path.directories.len());
    for path in far {
        let directory = format!("{}/{}", from.source.path, path.directories.join("/"));
        let shows = |entry: &VisibleEntry| is_within(&directory, &entry.path);
        if visible.iter().any(shows) {
            continue;
        }
        for entry in keep_below(from, path, instances, findings)? {
            if !visible.iter().any(|other| other.path == entry.path) {
                visible.push(entry);
            }
        }
    }
    Ok(visible)
}

/// Prepares the entries of a directory below the covered one. Each directory on the way is opened in the one before it, and
/// judged as an entry that stays visible is.
fn keep_below<'p>(
    from: &KeptFrom<'_, 'p>,
    NamesPath { directories, names }: &NamesPath,
    instances: &mut Instances<'p>,
    findings: &mut Findings,
) -> Result<Vec<VisibleEntry>> {
    let asker = from.view.context.walker.asker();
    let mut path = from.source.path.to_owned();
    let mut here: Option<(OwnedFd, Stat)> = None;
    for name in directories {
        let entered = {
            let parent = below(here.as_ref(), asker).unwrap_or(from.source.parent);
            from.enter(
                Source {
                    path: &path,
                    parent,
                },
                name,
                findings,
            )?
        };
        let Some(entered) = entered else {
            return Ok(Vec::new());
        };
        here = Some(entered);
        path = format!("{path}/{name}");
    }
    let deeper = KeptFrom {
        covered: from.covered,
        source: Source {
            path: &path,
            parent: below(here.as_ref(), asker).unwrap_or(from.source.parent),
        },
        root: from.root,
        levels: directories,
        view: from.view,
    };
    keep_entries(&deeper, std::slice::from_ref(names), instances, findings)
}

fn below<'d>(directory: Option<&'d (OwnedFd, Stat)>, asker: &Asker) -> Option<Parent<'d>> {
    directory.map(|(descriptor, status)| Parent {
        directory: descriptor.as_fd(),
        asked: (!asker.answers(descriptor)).then_some(status),
        copy: None,
    })
}

/// A caller without rights sees of other users' files that they are not their own, and root's are among those.
fn owners(context: &Context<'_>) -> Owners {
    match context.trust {
        Trust::Root | Trust::User(_) => Owners::RootAnd(context.uid()),
        Trust::Caller(_) => Owners::All,
    }
}

impl<'k, 'p> KeptFrom<'k, 'p> {
    /// The covered directory.
    pub(super) fn covered(
        covered: &'k Covered<'k, 'p>,
        root: Root<'k>,
        view: SessionView<'k, 'p>,
    ) -> Self {
        Self {
            covered,
            source: Source {
                path: &covered.place.path,
                parent: covered.place.as_parent(),
            },
            root,
            levels: &[],
            view,
        }
    }

    /// Opens the directory `name` on the way to what stays visible; nothing where there is none to be had.
    fn enter(
        &self,
        source: Source<'_>,
        name: &str,
        findings: &mut Findings,
    ) -> Result<Option<(OwnedFd, Stat)>> {
        let (step, context) = (self.covered.step, self.view.context);
        let path = format!("{}/{name}", source.path);
        let found = owners(context).find(source.parent, name, context.walker.asker());
        let (opened, refused) =
            match found.map_err(|errno| Error::from_errno("open", &path, errno))? {
                None => (None, None),
                Some(Ok(opened)) => (Some(opened), None),
                Some(Err(Unwanted::Silent)) if !step.optional => {
                    return Err(Error::new("keep", path, Unwanted::Silent).silent());
                }
                Some(Err(unwanted)) => (None, Some(unwanted.to_string())),
            };
        let entries = opened.iter().map(|(_, status)| Entry::new(name, status));
        let found = Found {
            directory: source.path.to_owned(),
            names: Names::plain(name),
            entries: entries.collect(),
        };
        findings.note_visible(found, self.view);
        let is_directory = |(_, status): &(OwnedFd, Stat)| file_type(status) == FileType::Directory;
        let is_other = opened.as_ref().is_some_and(|opened| !is_directory(opened));
        let other = is_other.then(|| "it is not a directory".to_owned());
        if let Some(reason) = refused.or(other) {
            findings.note_hidden(step, &path, reason);
        }
        Ok(opened.filter(is_directory))
    }

    /// Opens an entry that was found, and judges it again: somebody may have exchanged it since.
    fn open(
        &self,
        directory: Parent<'_>,
        name: String,
        findings: &mut Findings,
    ) -> Result<Option<OpenedEntry>> {
        let path = format!("{}/{name}", self.source.path);
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
                let path = format!("{}/{names}", self.source.path);
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
                let path = format!("{}/{name}", self.source.path);
                Err(Error::new("keep", path, unwanted).silent())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn note_unwanted(&self, names: &Names, search: &Search, findings: &mut Findings) {
        let (step, directory) = (self.covered.step, self.source.path);
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
        let level = self.level()?;
        let root = match &level {
            Some(directory) => Root {
                directory,
                mount: directory,
            },
            None => self.root,
        };
        if let Some(found) = self.open_in(root, entry)? {
            return Ok(found);
        }
        let (name, path) = (entry.name.as_str(), entry.path.as_str());
        let form = self.view.context.permitted_form(Form::of(&entry.status));
        let mut draft = match file_type(&entry.status) == FileType::Directory {
            true => Draft::directory(root.directory, form, path)?.0,
            false => Draft::file(root.directory, form, path)?,
        };
        if draft.publish(name, path)? == Publication::Done {
            match self.covered.step.view.instance() {
                Some(instance) => instances.settle_within(draft, instance),
                // It goes with the memory that it is in.
                None => draft.keep(),
            }
        }
        let missing = || Error::from_errno("open", path, Errno::NOENT);
        self.open_in(root, entry)?.ok_or_else(missing)
    }

    /// Opens the directory of the cover that stands for the source, and makes those that are missing on the way; nothing
    /// where that is the cover's root. The cover is memory, and goes with them.
    fn level(&self) -> Result<Option<Rc<OwnedFd>>> {
        let mut level: Option<Rc<OwnedFd>> = None;
        for name in self.levels {
            let parent = level.as_ref().unwrap_or(self.root.directory);
            level = Some(Rc::new(self.open_level(parent, name)?));
        }
        Ok(level)
    }

    fn open_level(&self, parent: &Rc<OwnedFd>, name: &str) -> Result<OwnedFd> {
        let path = self.source.path;
        let failed = |errno| Error::from_errno("open", path, errno);
        match open_directory(parent, name) {
            Err(Errno::NOENT) => {}
            opened => return opened.map_err(failed),
        }
        let form = self.view.context.permitted_form(LEVEL);
        let mut draft = Draft::directory(parent, form, path)?.0;
        draft.publish(name, path)?;
        draft.keep();
        open_directory(parent, name).map_err(failed)
    }

    fn open_in(&self, root: Root<'_>, entry: &OpenedEntry) -> Result<Option<(OwnedFd, Stat)>> {
        let (parent, name) = (root.mount.as_fd(), entry.name.as_str());
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
