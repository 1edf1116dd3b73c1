//! Everything a plan needs, made in the caller's namespace with nothing visible to anybody; dropped, it
//! is gone again.

mod keep;
mod store;

use super::attributes::{like_covered, like_covered_and_source};
use super::{Applied, SessionDirectory};
use crate::error::{Error, Result};
use crate::kernel::directory::{Draft, Form, Publication};
use crate::kernel::mount::{self, AttributeChange, Memory, Travel, attribute};
use crate::kernel::walk::{Cover, Place, Trust, Walker};
use crate::plan::{Instance, Lifetime, Plan, Shape, Step, View};
use crate::policy::value::{Component, Size};
use keep::Root;
use rustix::fd::OwnedFd;
use rustix::fs::Stat;
use std::rc::Rc;
use store::Store;

/// A plan's mounts, not yet attached. The order of the fields is the order in which they are undone.
pub(super) struct Build<'p> {
    views: Vec<BuiltView<'p>>,
    covers: Vec<Cover>,
    undo: Undo<'p>,
    store: Option<Store>,
    /// A directory of the store vanished under this login's hands.
    overtaken: bool,
    walker: Walker,
    plan: &'p Plan,
    uid: u32,
    session_directories: Vec<SessionDirectory>,
    notes: Vec<String>,
}

/// One step's mount.
struct BuiltView<'p> {
    step: &'p Step,
    mount: Rc<OwnedFd>,
    target: Target,
    kept: Vec<Kept>,
}

/// Where a mount goes.
enum Target {
    /// A place of the host's; it is opened again in the new namespace and must still be the same.
    Host { path: String, identity: (u64, u64) },
    /// A place in a mount that was built before; its descriptor stays good.
    Built { path: String, place: Place },
}

/// An entry of the covered directory that stays visible.
struct Kept {
    path: String,
    mount: Rc<OwnedFd>,
    at: OwnedFd,
}

/// What was made for this login, removed last one first: what lies in a directory before the directory.
#[derive(Default)]
struct Undo<'p>(Vec<Provisional<'p>>);

/// An entry that was made for this login.
struct Provisional<'p> {
    draft: Draft,
    reach: Reach<'p>,
}

/// Who may know of an entry that was made for this login.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach<'p> {
    /// It has its name, and others may already use it.
    Public,
    /// A new instance: it has no name until everything else has worked; then it gets its own.
    Instance(&'p Instance),
    /// It is in that new instance.
    Within(&'p Instance),
}

impl<'p> Undo<'p> {
    fn push(&mut self, draft: Draft) {
        let reach = Reach::Public;
        self.0.push(Provisional { draft, reach });
    }

    /// The same for an entry of an instance.
    fn push_within(&mut self, draft: Draft, instance: &'p Instance) {
        let is_new = |made: &Provisional<'_>| made.reach == Reach::Instance(instance);
        let reach = if self.0.iter().any(is_new) {
            Reach::Within(instance)
        } else {
            Reach::Public
        };
        self.0.push(Provisional { draft, reach });
    }

    /// A new instance that has no name yet. The session's own come last: nobody can be first with those, so
    /// that a login that has to start again has not made them yet.
    fn next_instance(&mut self) -> Option<(&mut Draft, &'p Instance)> {
        let unnamed = self.0.iter_mut().filter_map(|made| match made.reach {
            Reach::Instance(instance) => Some((&mut made.draft, instance)),
            Reach::Public | Reach::Within(_) => None,
        });
        unnamed.min_by_key(|(_, instance)| instance.lifetime == Lifetime::Session)
    }

    fn have_published(&mut self, instance: &Instance) {
        for made in &mut self.0 {
            if matches!(made.reach, Reach::Instance(of) | Reach::Within(of) if of == instance) {
                made.reach = Reach::Public;
            }
        }
    }

    /// Lets stay what others may already use.
    fn keep_public(&mut self) {
        let all = std::mem::take(&mut self.0);
        for made in all {
            match made.reach {
                Reach::Public => made.draft.keep(),
                Reach::Instance(_) | Reach::Within(_) => self.0.push(made),
            }
        }
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        while let Some(provisional) = self.0.pop() {
            drop(provisional);
        }
    }
}

impl Target {
    fn path(&self) -> &str {
        match self {
            Self::Host { path, .. } | Self::Built { path, .. } => path,
        }
    }
}

fn identity(status: &Stat) -> (u64, u64) {
    (status.st_dev, status.st_ino)
}

fn is_within(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl<'p> Build<'p> {
    pub(super) fn new(plan: &'p Plan, uid: u32) -> Result<Self> {
        Ok(Self {
            views: Vec::with_capacity(plan.steps.len()),
            covers: Vec::new(),
            undo: Undo::default(),
            store: None,
            overtaken: false,
            walker: Walker::new(Trust::User(uid))?,
            plan,
            uid,
            session_directories: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Builds one step.
    pub(super) fn add(&mut self, step: &'p Step) -> Result<()> {
        self.try_add(step).map_err(|error| error.at(&step.origin))
    }

    fn try_add(&mut self, step: &'p Step) -> Result<()> {
        let found = self.locate(step);
        let (place, source) = match found {
            Err(missing) if step.optional && missing.is_missing() => {
                self.notes
                    .push(format!("{} left out: {missing}", step.path));
                return Ok(());
            }
            other => other?,
        };
        self.check_target(step, &place)?;
        let built = self.build(step, &place, source)?;
        self.covers.push(Cover {
            path: place.path.clone(),
            root: Rc::clone(&built.mount),
        });
        self.covers.extend(built.kept.iter().map(|kept| Cover {
            path: kept.path.clone(),
            root: Rc::clone(&kept.mount),
        }));
        self.views.push(built);
        Ok(())
    }

    /// The step's path, made where the rule says so, and a bind's source. Sources are the caller's own
    /// view, whatever the plan puts on top of them.
    fn locate(&mut self, step: &'p Step) -> Result<(Place, Option<Place>)> {
        let source = match &step.view {
            View::Bind { source, .. } => Some(self.walker.open(source.as_str(), &[])?),
            _ => None,
        };
        let place = match self.walker.open(step.path.as_str(), &self.covers) {
            Err(missing) if step.create && missing.is_missing() => {
                self.create_path(step, source.as_ref())?
            }
            other => other?,
        };
        Ok((place, source))
    }

    fn create_path(&mut self, step: &'p Step, source: Option<&Place>) -> Result<Place> {
        let path = step.path.as_str();
        let (parent, name) = self.walker.open_parent(path, &self.covers)?;
        let file = source.is_some_and(|source| !source.is_directory());
        let form = created_form(step, &parent, file, self.uid);
        let mut draft = if file {
            Draft::file(&parent.descriptor, form, path)?
        } else {
            Draft::directory(&parent.descriptor, form, path)?.0
        };
        if draft.publish(name, path)? == Publication::Done {
            self.undo.push(draft);
        }
        self.walker.open(path, &self.covers)
    }

    fn check_target(&self, step: &Step, place: &Place) -> Result<()> {
        let refused = |reason: String| Err(Error::new("cover", &step.path, reason));
        if let Some(other) = self.views.iter().find(|v| v.target.path() == place.path) {
            let (path, origin) = (&other.step.path, &other.step.origin);
            return refused(format!("it is the same place as {path} of {origin}"));
        }
        let wants_directory = !matches!(step.view, View::Bind { .. } | View::Nothing { .. });
        if wants_directory && !place.is_directory() {
            return refused("it is not a directory".to_owned());
        }
        if is_within(self.plan.store.as_str(), &place.path) {
            return refused(format!("the store {} would vanish", self.plan.store));
        }
        Ok(())
    }

    fn build(
        &mut self,
        step: &'p Step,
        place: &Place,
        source: Option<Place>,
    ) -> Result<BuiltView<'p>> {
        let path = step.path.as_str();
        let covered = mount::attributes_of(place, path)?;
        let (mount, kept) = match (&step.view, source) {
            (View::Instance { shape, keep, .. }, _) => {
                let form = form_of(shape, &place.status);
                let directory = Rc::new(self.open_instance(step, place, form)?);
                let mount = mount::clone_tree(&directory, false, path)?;
                let root = Root {
                    directory: &directory,
                    mount: &mount,
                };
                let kept = self.keep_entries(step, keep, place, root)?;
                prepare_instance(&mount, step, covered)?;
                (Rc::new(mount), kept)
            }
            (View::Bind { recursive, .. }, Some(source)) => (
                Rc::new(self.build_bind(step, place, &source, *recursive, covered)?),
                vec![],
            ),
            (View::Nothing { .. } | View::Bind { .. }, _) if !place.is_directory() => {
                (Rc::new(self.build_hidden_file(step)?), vec![])
            }
            (
                View::Memory {
                    size,
                    inodes,
                    shape,
                    keep,
                },
                _,
            ) => {
                let form = form_of(shape, &place.status);
                let change = like_covered(&step.attributes, covered);
                self.build_memory(step, place, &memory_of(*size, *inodes, form), change, keep)?
            }
            (View::Nothing { keep }, _) => {
                let change = like_covered(&step.attributes, covered).set(attribute::READ_ONLY);
                self.build_memory(step, place, &nothing_of(keep.len()), change, keep)?
            }
            (View::Bind { .. }, None) => {
                return Err(Error::new("bind", path, "it has no source"));
            }
        };
        Ok(BuiltView {
            step,
            mount,
            target: self.target(place),
            kept,
        })
    }

    fn target(&self, place: &Place) -> Target {
        let path = place.path.clone();
        if self
            .covers
            .iter()
            .any(|cover| is_within(&path, &cover.path))
        {
            let place = place.clone();
            return Target::Built { path, place };
        }
        let identity = identity(&place.status);
        Target::Host { path, identity }
    }

    fn build_memory(
        &mut self,
        step: &'p Step,
        place: &Place,
        memory: &Memory,
        change: AttributeChange,
        keep: &[Component],
    ) -> Result<(Rc<OwnedFd>, Vec<Kept>)> {
        let path = step.path.as_str();
        let writable = change.bits() & !attribute::READ_ONLY;
        let mount = Rc::new(mount::memory(memory, writable, path)?);
        let root = Root {
            directory: &mount,
            mount: &mount,
        };
        let kept = self.keep_entries(step, keep, place, root)?;
        if change.bits() & attribute::READ_ONLY != 0 {
            let read_only = AttributeChange::default().set(attribute::READ_ONLY);
            mount::prepare(&mount, false, read_only, Travel::Neither, path)?;
        }
        Ok((mount, kept))
    }

    fn build_bind(
        &self,
        step: &Step,
        place: &Place,
        source: &Place,
        recursive: bool,
        covered: u64,
    ) -> Result<OwnedFd> {
        let path = step.path.as_str();
        if place.is_directory() != source.is_directory() {
            let reason = "source and path must be both directories or both files";
            return Err(Error::new("bind", path, reason));
        }
        let mount = mount::clone_tree(source, recursive, &source.path)?;
        let change = like_covered_and_source(&step.attributes, covered);
        mount::prepare(
            &mount,
            recursive,
            change,
            super::travel(self.plan.propagation),
            path,
        )?;
        Ok(mount)
    }

    fn build_hidden_file(&mut self, step: &'p Step) -> Result<OwnedFd> {
        let path = step.path.as_str();
        let file = self.hidden_file()?;
        let mount = mount::clone_tree(file, false, path)?;
        let change = AttributeChange::default().set(
            attribute::READ_ONLY | attribute::NO_SUID | attribute::NO_DEV | attribute::NO_EXEC,
        );
        mount::prepare(&mount, false, change, Travel::Neither, path)?;
        Ok(mount)
    }

    /// Refuses a plan in which a link leads one step's path below a later step's, which would cover it, or
    /// the store below any.
    pub(super) fn check_order(&self) -> Result<()> {
        let store = self.store.as_ref().map(|store| store.path.as_str());
        let mut later = self.views.iter();
        while let Some(view) = later.next() {
            let (real, step) = (view.target.path(), view.step);
            let refused = |reason| Err(Error::new("cover", &step.path, reason).at(&step.origin));
            if store.is_some_and(|store| is_within(store, real)) {
                return refused(format!("the store {} would vanish", self.plan.store));
            }
            if let Some(other) = later
                .clone()
                .find(|other| is_within(real, other.target.path()))
            {
                let cover = &other.step.path;
                return refused(format!(
                    "it leads to {real}, which {cover} covers; name it by that path"
                ));
            }
        }
        Ok(())
    }

    /// Whether a step failed because another login took back a directory that it had made for itself.
    pub(super) fn was_overtaken(&self) -> bool {
        self.overtaken
    }

    /// Whether nothing is to be attached: no step is left.
    pub(super) fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Whether the path lies in what the plan covers.
    pub(super) fn covers(&self, path: &str) -> bool {
        self.views
            .iter()
            .any(|view| is_within(path, view.target.path()))
    }

    /// Attaches everything, in the new namespace.
    pub(super) fn attach(&self) -> Result<()> {
        self.views
            .iter()
            .try_for_each(|view| attach_view(view).map_err(|error| error.at(&view.step.origin)))
    }

    /// Gives the new instances their names. `None`: another login was first with one of them.
    ///
    /// What has to be removed then is removed when the build is dropped, and that has to be after the way
    /// back: in the new namespace something is mounted in it.
    pub(super) fn publish(&mut self, namespace: String) -> Result<Option<Applied>> {
        while let Some((draft, instance)) = self.undo.next_instance() {
            let path = instance.directory.as_str();
            let name = path.rsplit('/').next().unwrap_or(path);
            if draft.publish(name, path)? == Publication::Preceded {
                self.undo.keep_public();
                return Ok(None);
            }
            self.undo.have_published(instance);
        }
        self.undo.keep_public();
        Ok(Some(Applied {
            namespace,
            paths: self
                .views
                .iter()
                .map(|view| view.step.path.to_string())
                .collect(),
            notes: std::mem::take(&mut self.notes),
            session_directories: std::mem::take(&mut self.session_directories),
        }))
    }
}

/// In a container with a user namespace of its own, the attributes that the store's mount came with are
/// locked (mount_namespaces(7)). Then they stay, and only restrictions are added.
fn prepare_instance(mount: &OwnedFd, step: &Step, covered: u64) -> Result<()> {
    let prepare =
        |change| mount::prepare(mount, false, change, Travel::Neither, step.path.as_str());
    match prepare(like_covered(&step.attributes, covered)) {
        Err(locked) if locked.is_forbidden() => {
            prepare(like_covered_and_source(&step.attributes, covered))
        }
        done => done,
    }
}

fn attach_view(view: &BuiltView<'_>) -> Result<()> {
    let path = view.step.path.as_str();
    match &view.target {
        Target::Built { place, .. } => mount::attach(&view.mount, place, path)?,
        Target::Host {
            path: real,
            identity,
        } => {
            mount::attach(&view.mount, same_place(real, *identity)?, path)?;
        }
    }
    view.kept
        .iter()
        .try_for_each(|kept| mount::attach(&kept.mount, &kept.at, &kept.path))
}

/// A place of the caller's namespace, opened again in the new one: a descriptor from before unshare(2)
/// is of the old namespace, and move_mount(2) refuses it (EINVAL, seen on Linux 6.18).
fn same_place(path: &str, before: (u64, u64)) -> Result<OwnedFd> {
    let place = mount::reopen(path)?;
    let status =
        rustix::fs::fstat(&place).map_err(|errno| Error::from_errno("examine", path, errno))?;
    if identity(&status) == before {
        return Ok(place);
    }
    let reason = "it was exchanged while the session was prepared";
    Err(Error::new("mount on", path, reason))
}

fn form_of(shape: &Shape, covered: &Stat) -> Form {
    Form {
        mode: shape
            .mode
            .map_or(covered.st_mode & 0o7777, |mode| mode.bits()),
        uid: shape.owner.unwrap_or(covered.st_uid),
        gid: shape.group.unwrap_or(covered.st_gid),
    }
}

/// The form of a path that did not exist. Where the rule says nothing: below a directory of the user's
/// it is the user's alone; else what is covered by a private directory is as open as `/tmp`, and a
/// mount point for a bind is root's.
fn created_form(step: &Step, parent: &Place, file: bool, uid: u32) -> Form {
    let default = match &step.view {
        _ if parent.is_users() => (if file { 0o600 } else { 0o700 }, uid, parent.status.st_gid),
        View::Instance { .. } | View::Memory { .. } => (0o1777, 0, 0),
        _ => (if file { 0o644 } else { 0o755 }, 0, 0),
    };
    let shape = match &step.view {
        View::Instance { shape, .. } | View::Memory { shape, .. } => *shape,
        _ => Shape::default(),
    };
    Form {
        mode: shape.mode.map_or(default.0, |mode| mode.bits()),
        uid: shape.owner.unwrap_or(default.1),
        gid: shape.group.unwrap_or(default.2),
    }
}

fn memory_of(size: Size, inodes: Option<u64>, form: Form) -> Memory {
    let bytes = match size {
        Size::Bytes(bytes) => bytes,
        Size::Percent(percent) => {
            let hundredth = mount::machine_memory().checked_div(100).unwrap_or(0);
            hundredth.saturating_mul(u64::from(percent))
        }
    };
    let each_page = bytes.checked_div(4096).unwrap_or(0).max(2);
    Memory {
        bytes,
        inodes: inodes.unwrap_or(each_page),
        mode: form.mode,
        uid: form.uid,
        gid: form.gid,
    }
}

/// An empty directory for everybody to see into; its kept entries are mount points in it.
fn nothing_of(kept: usize) -> Memory {
    Memory {
        bytes: 4096,
        inodes: u64::try_from(kept).unwrap_or(u64::MAX).saturating_add(2),
        mode: 0o555,
        uid: 0,
        gid: 0,
    }
}
