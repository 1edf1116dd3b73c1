//! Another root directory: a copy of its mounts, beneath which everything else is built.

use super::Build;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{Draft, Form};
use crate::kernel::fs::walk::{self, Place, Walker, file_type, identity};
use crate::kernel::mount::root;
use crate::kernel::mount::{self, AttributeChange};
use crate::plan::{self, Step, View};
use crate::policy::value::is_within;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Stat};
use std::rc::Rc;

/// How many links one after the other may lead to where name servers are told.
const MAX_LINKS: usize = 8;

/// A new root directory, not yet attached.
pub(super) struct NewRoot {
    /// The directory, as the caller sees it.
    place: Place,
    mount: Rc<OwnedFd>,
    walker: Walker,
}

impl<'p> Build<'p> {
    /// Prepares the plan's root directory, if it has one, and gives the steps that are to be taken.
    pub(super) fn begin(&mut self) -> Result<Vec<&'p Step>> {
        let plan = self.plan;
        let Some(wanted) = &plan.root else {
            return Ok(plan.steps.iter().collect());
        };
        match self.open_root(wanted) {
            Err(missing) if wanted.optional && missing.is_missing() => {
                self.notes.push(format!("/ stays as it is: {missing}"));
                self.missing.push(wanted.path.to_string());
                Ok(plan.steps.iter().collect())
            }
            Err(error) => Err(error.at(&wanted.origin)),
            Ok(root) => {
                self.note_source(wanted.path.as_str(), &root.place);
                self.root = Some(root);
                Ok(wanted.steps_with(&plan.steps).collect())
            }
        }
    }

    /// The host process lives in it as root, and loads what it finds there: no user has a part in it, nor
    /// in the way to it, unless the caller has no other rights than that user's.
    fn open_root(&self, wanted: &plan::NewRoot) -> Result<NewRoot> {
        let path = wanted.path.as_str();
        if !wanted.has_fstab_steps {
            return Err(Error::new("use", path, "its fstab has not been read"));
        }
        let walker = self.walker.trusting(self.trust.of_root());
        let place = walker.open(path, &[])?;
        if !place.is_directory() {
            return Err(Error::new("use", path, "it is not a directory"));
        }
        walker.vet(&place, path)?;
        let mount = Rc::new(mount::clone_tree(&place, true, path)?);
        let travel = super::super::travel(self.plan.propagation);
        mount::prepare(&mount, true, AttributeChange::default(), travel, path)?;
        Ok(NewRoot {
            place,
            walker: Walker::within(Rc::clone(&mount), self.trust)?,
            mount,
        })
    }

    /// The walker for paths of the session's.
    pub(super) fn inside(&self) -> &Walker {
        self.root.as_ref().map_or(&self.walker, |root| &root.walker)
    }

    /// Whether the step is the root directory's, not a rule's.
    pub(super) fn is_of_root(&self, step: &Step) -> bool {
        let root = self.plan.root.as_ref();
        root.is_some_and(|root| root.steps.iter().any(|own| std::ptr::eq(own, step)))
    }

    /// Whether the step is one that every root gets, of which nobody has to be told.
    pub(super) fn is_of_every_root(&self, step: &Step) -> bool {
        let root = self.plan.root.as_ref();
        self.is_of_root(step) && root.is_some_and(|root| root.origin == step.origin)
    }

    /// A path of the session's, as the caller has it.
    pub(super) fn as_caller_has(&self, path: &str) -> String {
        let root = self.root.as_ref().map_or("", |root| &root.place.path);
        format!("{root}{path}")
    }

    /// A copy of what the session would see at a path without the step that is built. Before Linux 6.15 nothing
    /// detached can be copied, but what is the new root directory's own can be where the caller sees it.
    pub(super) fn copy(&self, shown: &OwnedFd, status: &Stat, path: &str) -> Result<OwnedFd> {
        match mount::clone_tree(shown, true, path) {
            Err(refused) if refused.is_invalid() => {
                let same = self.seen_by_caller(status, path).ok_or(refused)?;
                mount::clone_tree(same, true, path)
            }
            copied => copied,
        }
    }

    /// What the session would see at a path, where the caller sees it: nothing unless it is the new root
    /// directory's own.
    pub(super) fn seen_by_caller(&self, status: &Stat, path: &str) -> Option<Place> {
        self.root.as_ref()?;
        let same = self.walker.open(&self.as_caller_has(path), &[]).ok();
        same.filter(|same| identity(&same.status) == identity(status))
    }

    /// Attaches the new root directory over itself, in the new namespace.
    pub(super) fn attach_root(&self) -> Result<()> {
        let Some(root) = &self.root else {
            return Ok(());
        };
        mount::attach(
            &root.mount,
            super::same_place(&root.place)?,
            &root.place.path,
        )
    }

    /// Makes it the root directory, with everything attached.
    pub(super) fn enter_root(&self) -> Result<()> {
        match &self.root {
            Some(root) => root::pivot(&root.mount, &root.place.path),
            None => Ok(()),
        }
    }

    /// Where the session looks for name servers, if it finds nothing there, and the host's.
    pub(super) fn locate_name_servers(
        &mut self,
        step: &'p Step,
    ) -> Result<Option<(Place, Option<Place>)>> {
        let path = step.path.as_str();
        let own = match walk::open_plainly(path) {
            Err(missing) if missing.is_missing() => {
                self.missing.push(path.to_owned());
                return Ok(None);
            }
            own => own?,
        };
        if file_type(&own.status) != FileType::RegularFile {
            return Ok(None);
        }
        match self.inside().open(path, &self.covers) {
            Err(missing) if missing.is_missing() => {}
            // What was made for an earlier session.
            Ok(empty) if is_empty_file(&empty) => return Ok(Some((empty, Some(own)))),
            found => return found.map(|_| None),
        }
        let landing = self.landing(path.to_owned())?;
        let (parent, name) = landing.rsplit_once('/').unwrap_or(("", path));
        self.make_directories(parent)?;
        let (parent, _) = self.inside().open_parent(&landing, &self.covers)?;
        let mut draft = Draft::file(&parent.descriptor, form(0o644), &landing)?;
        draft.publish(name, &landing)?;
        self.settle(draft, &parent.path);
        let place = self.inside().open(&landing, &self.covers)?;
        Ok(Some((place, Some(own))))
    }

    /// Where the links at a path lead, although nothing is there.
    fn landing(&self, mut path: String) -> Result<String> {
        for _ in 0..MAX_LINKS {
            let (parent, name) = match self.inside().open_parent(&path, &self.covers) {
                Err(missing) if missing.is_missing() => return Ok(path),
                found => found?,
            };
            let Ok(target) = rustix::fs::readlinkat(&parent, name, Vec::new()) else {
                return Ok(path);
            };
            path = joined(&parent.path, &target.to_string_lossy());
        }
        Err(Error::new("use", path, "too many links lead there"))
    }

    /// Makes the directories of a path that are missing, in memory only: what is on disk is the
    /// administrator's.
    fn make_directories(&mut self, path: &str) -> Result<()> {
        let missing = match self.inside().open(path, &self.covers) {
            Err(missing) if missing.is_missing() => missing,
            found => return found.map(drop),
        };
        let in_memory = |view: &super::BuiltView<'_>| {
            matches!(view.step.view, View::Memory { .. }) && is_within(path, view.target.path())
        };
        let Some((above, name)) = path.rsplit_once('/') else {
            return Err(missing);
        };
        if !self.views.iter().any(in_memory) {
            return Err(missing);
        }
        self.make_directories(above)?;
        let (parent, _) = self.inside().open_parent(path, &self.covers)?;
        let (mut draft, _) = Draft::directory(&parent.descriptor, form(0o755), path)?;
        draft.publish(name, path)?;
        draft.keep();
        Ok(())
    }
}

fn is_empty_file(place: &Place) -> bool {
    file_type(&place.status) == FileType::RegularFile && place.status.st_size == 0
}

fn form(mode: u32) -> Form {
    Form {
        mode,
        uid: 0,
        gid: 0,
    }
}

/// Where a link's target leads from the directory that holds the link, whose path has no links.
fn joined(directory: &str, target: &str) -> String {
    let mut names: Vec<&str> = match target.starts_with('/') {
        true => Vec::new(),
        false => directory
            .split('/')
            .filter(|name| !name.is_empty())
            .collect(),
    };
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn a_target_is_joined_to_the_directory_of_its_link() {
        for (directory, target, expected) in [
            ("/etc", "../run/resolv.conf", "/run/resolv.conf"),
            ("/etc", "/run/resolv.conf", "/run/resolv.conf"),
            ("/etc", "./a//b", "/etc/a/b"),
            ("", "../../a", "/a"),
        ] {
            assert_eq!(joined(directory, target), expected, "{directory} {target}");
        }
    }
}
