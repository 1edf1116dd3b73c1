//! Everything a plan needs, made in the caller's namespace with nothing visible to anybody; dropped, it
//! is gone again.

mod account;
mod belief;
mod hooks;
mod keep;
mod root;
mod store;
mod systems;
mod undo;
mod views;

use super::{Applied, Held, SessionDirectory};
use crate::error::{Error, Result};
use crate::kernel::fs::device::Multiplexer;
use crate::kernel::fs::directory::{Draft, Form, Publication};
use crate::kernel::fs::entries::Found;
use crate::kernel::fs::unseen;
use crate::kernel::fs::walk::{Cover, Place, Trust, Walker, identity};
use crate::kernel::mount::{self, AttributeChange, Travel};
use crate::kernel::namespace::Identity;
use crate::plan::{Plan, Step, View};
use crate::policy::value::{AbsPath, Propagation, is_within};
use account::Owner;
use root::NewRoot;
use rustix::fd::OwnedFd;
use std::rc::Rc;
use store::Store;
use undo::Undo;

pub use account::note_change;
pub use belief::check_beliefs;
use views::form_of;

/// A plan's mounts, not yet attached. The order of the fields is the order in which they are undone.
pub(super) struct Build<'p> {
    views: Vec<BuiltView<'p>>,
    covers: Vec<Cover>,
    undo: Undo<'p>,
    store: Option<Store>,
    /// A directory of the store vanished under this login's hands.
    overtaken: bool,
    /// For paths of the caller's; [`Build::inside`] is for those of the session.
    walker: Walker,
    trust: Trust,
    root: Option<NewRoot>,
    /// How terminals are opened in the directory for devices, where it is built.
    multiplexer: Option<Multiplexer>,
    plan: &'p Plan,
    uid: u32,
    /// Whose the instances are that are kept by the user's id, where that is known.
    owner: Option<Owner>,
    instances: Vec<Held>,
    sources: Vec<Held>,
    kept: Vec<Found>,
    /// How many entries the patterns of `keep` have matched so far.
    matches: usize,
    missing: Vec<String>,
    session_directories: Vec<SessionDirectory>,
    notes: Vec<String>,
    lacks_volume: bool,
}

/// What keeps a login from being refused because root may not look for the path or the source of its rule.
const UNSEEN: &str = "`optional = true` leaves the rule out";

/// One step's mount.
struct BuiltView<'p> {
    step: &'p Step,
    mount: Rc<OwnedFd>,
    target: Target,
    kept: Vec<Kept>,
}

/// Where a mount goes.
enum Target {
    /// A place of the host's; it is opened again in the new namespace and must still be the same. Held
    /// open, it cannot lose its inode number to another one meanwhile.
    Host(Place),
    /// A place in a mount that was built before; its descriptor stays good.
    Built(Place),
}

/// An entry of the covered directory that stays visible.
struct Kept {
    path: String,
    mount: Rc<OwnedFd>,
    at: OwnedFd,
}

impl Target {
    fn path(&self) -> &str {
        match self {
            Self::Host(place) | Self::Built(place) => &place.path,
        }
    }
}

impl<'p> Build<'p> {
    pub(super) fn new(plan: &'p Plan, trust: Trust) -> Result<Self> {
        Ok(Self {
            views: Vec::with_capacity(plan.steps.len()),
            covers: Vec::new(),
            undo: Undo::default(),
            store: None,
            overtaken: false,
            walker: Walker::new(trust)?,
            root: None,
            multiplexer: None,
            plan,
            uid: trust.uid(),
            owner: None,
            trust,
            instances: Vec::new(),
            sources: Vec::new(),
            kept: Vec::new(),
            matches: 0,
            missing: Vec::new(),
            session_directories: Vec::new(),
            notes: Vec::new(),
            lacks_volume: false,
        })
    }

    /// Builds the root directory, and then every step. Paths that are missing and have to be made come last: the
    /// host sees them at once, and other logins use them at once, so they are not made for a login that fails
    /// anyway.
    pub(super) fn add_all(&mut self) -> Result<()> {
        let mut later: Vec<&'p Step> = Vec::new();
        for step in self.begin()? {
            let below = |missing: &&Step| step.path.is_within(&missing.path);
            if later.iter().any(below) || self.has_to_be_made(step) {
                later.push(step);
            } else {
                self.add(step)?;
            }
        }
        later.into_iter().try_for_each(|step| self.add(step))
    }

    fn has_to_be_made(&self, step: &Step) -> bool {
        let found = || self.inside().open(step.path.as_str(), &self.covers);
        step.create && found().is_err_and(|error| error.is_missing())
    }

    fn add(&mut self, step: &'p Step) -> Result<()> {
        self.try_add(step).map_err(|error| error.at(&step.origin))
    }

    fn try_add(&mut self, step: &'p Step) -> Result<()> {
        let found = match step.view == View::NameServers {
            true => self.locate_name_servers(step),
            false => self.locate(step).map(Some),
        };
        let (place, source) = match found {
            Err(absent) if step.optional && absent.is_absent() => {
                self.leave_out(step, &absent);
                return Ok(());
            }
            Ok(None) => return Ok(()),
            Ok(Some(found)) => found,
            Err(error) => return Err(error.advise_where_unseen(UNSEEN)),
        };
        self.check_target(step, &place)?;
        if let Some(source) = &source {
            self.check_source(step, &place, source)?;
        }
        let built = match self.build(step, &place, source) {
            Err(absent) if is_absent_system(step, &absent) => {
                self.leave_out(step, &absent);
                return Ok(());
            }
            built => built?,
        };
        self.check_view(&place, &built)?;
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

    fn leave_out(&mut self, step: &Step, reason: &Error) {
        if !self.is_of_every_root(step) {
            self.notes.push(format!("{} left out: {reason}", step.path));
            self.note_left_out(step);
        }
    }

    /// A namespace that lacks the step is of no use to other logins once there is what the step needs.
    fn note_left_out(&mut self, step: &Step) {
        let source = step.view.source().map(AbsPath::as_str);
        let is_absent = |path: &&str| {
            let found = self.walker.open(path, &[]);
            found.is_err_and(|error| error.is_absent())
        };
        match source.filter(is_absent) {
            Some(source) if self.root.is_some() => self.missing.push(source.to_owned()),
            Some(source) => self.note_missing(source.to_owned()),
            None => self.note_missing(step.path.to_string()),
        }
    }

    /// What this login builds is not the host's: a path in it says nothing there.
    fn note_missing(&mut self, path: String) {
        if !self
            .covers
            .iter()
            .any(|cover| is_within(&path, &cover.path))
        {
            self.missing.push(self.as_caller_has(&path));
        }
    }

    /// Notes a place of the caller's that the session sees, by the path that led there: who joins its namespace looks
    /// whether that still leads there, by way of the same links or others.
    fn note_source(&mut self, path: &str, place: &Place) {
        self.sources.push(Held {
            path: path.to_owned(),
            identity: identity(&place.status),
            form: None,
        });
    }

    /// The same of a place of the session's, which is no place of the caller's where this login builds it.
    fn note_shown(&mut self, place: &Place) {
        let built = |cover: &Cover| is_within(&place.path, &cover.path);
        if !self.covers.iter().any(built) {
            self.sources.push(Held {
                path: self.as_caller_has(&place.path),
                identity: identity(&place.status),
                form: None,
            });
        }
    }

    /// The step's path, made where the rule says so, and a bind's source. Sources are the caller's own
    /// view, whatever the plan puts on top of them.
    fn locate(&mut self, step: &'p Step) -> Result<(Place, Option<Place>)> {
        let source = match &step.view {
            View::Bind { source, .. } => Some(self.walker.open(source.as_str(), &[])?),
            // A device is opened by the file system that is on it.
            View::FileSystem(_)
            | View::Instance { .. }
            | View::Memory { .. }
            | View::Overlay { .. }
            | View::Devices
            | View::Terminals
            | View::NameServers
            | View::Nothing { .. } => None,
        };
        let place = match self.inside().open(step.path.as_str(), &self.covers) {
            Err(missing) if step.create && missing.is_missing() => {
                self.create_path(step, source.as_ref())?
            }
            other => other?,
        };
        Ok((place, source))
    }

    fn create_path(&mut self, step: &'p Step, source: Option<&Place>) -> Result<Place> {
        let path = step.path.as_str();
        let (parent, name) = self.inside().open_parent(path, &self.covers)?;
        let file = source.is_some_and(|source| !source.is_directory());
        let form = self.possible(created_form(step, &parent, file, self.uid));
        self.check_new_path(step, &parent, name, form)?;
        let mut draft = if file {
            Draft::file(&parent.descriptor, form, path)?
        } else {
            Draft::directory(&parent.descriptor, form, path)?.0
        };
        if draft.publish(name, path)? == Publication::Done {
            self.settle(draft, &parent.path);
        }
        self.inside().open(path, &self.covers)
    }

    /// The form that something can be given: a caller without rights has no ids but their own.
    fn possible(&self, form: Form) -> Form {
        match self.trust {
            Trust::Root | Trust::User(_) => form,
            Trust::Caller(uid) => Form {
                mode: form.mode,
                uid,
                gid: rustix::process::getegid().as_raw(),
            },
        }
    }

    /// What was made on the host stays: another login may have mounted something on it by now, which
    /// rmdir(2) would take away. What was made in a new instance goes with that instance.
    fn settle(&mut self, draft: Draft, parent: &str) {
        let holds = |view: &&BuiltView<'_>| is_within(parent, view.target.path());
        let holder = self.views.iter().rev().find(holds);
        match holder.map(|view| &view.step.view) {
            Some(View::Instance { instance, .. }) => self.undo.push_within(draft, instance),
            _ => draft.keep(),
        }
    }

    fn check_target(&self, step: &Step, place: &Place) -> Result<()> {
        let refused = |reason: String| Err(Error::new("cover", &step.path, reason));
        let same =
            |view: &&BuiltView<'_>| view.target.path() == place.path && !self.is_of_root(view.step);
        if let Some(other) = self.views.iter().find(same) {
            let (path, origin) = (&other.step.path, &other.step.origin);
            return refused(format!("it is the same place as {path} of {origin}"));
        }
        let wants_directory = !matches!(
            step.view,
            View::Bind { .. } | View::Nothing { .. } | View::NameServers
        );
        if wants_directory && !place.is_directory() {
            return refused("it is not a directory".to_owned());
        }
        if self.root.is_none() && is_within(self.plan.store.as_str(), &place.path) {
            return refused(format!("the store {} would vanish", self.plan.store));
        }
        Ok(())
    }

    fn target(&self, place: &Place) -> Target {
        let built = |cover: &Cover| is_within(&place.path, &cover.path);
        if self.root.is_some() || self.covers.iter().any(built) {
            Target::Built(place.clone())
        } else {
            Target::Host(place.clone())
        }
    }

    /// Refuses a plan in which a link leads one step's path below a later step's, which would cover it, or
    /// the store below any.
    pub(super) fn check_order(&self) -> Result<()> {
        let store = self.store.as_ref().filter(|_| self.root.is_none());
        let store = store.map(|store| store.path.as_str());
        let mut later = self.views.iter();
        while let Some(view) = later.next() {
            let (real, step) = (view.target.path(), view.step);
            let refused = |reason| Err(Error::new("cover", &step.path, reason).at(&step.origin));
            if store.is_some_and(|store| is_within(store, real)) {
                return refused(format!("the store {} would vanish", self.plan.store));
            }
            if let Some(other) = later.clone().find(|other| self.hides(other, view)) {
                let cover = &other.step.path;
                return refused(format!(
                    "it leads to {real}, which {cover} covers; name it by that path"
                ));
            }
        }
        Ok(())
    }

    /// Whether a view takes another one away that was built before. Rules may cover what the root directory
    /// has, and an fstab the same place twice, as mount(8) does it.
    fn hides(&self, later: &BuiltView<'_>, view: &BuiltView<'_>) -> bool {
        let (path, real) = (later.target.path(), view.target.path());
        let by_rule = self.is_of_root(view.step) && !self.is_of_root(later.step);
        let twice = self.is_of_root(later.step) && path == real;
        is_within(real, path) && !by_rule && !twice
    }

    /// Whether a step failed because another login took back a directory that it had made for itself.
    pub(super) fn was_overtaken(&self) -> bool {
        self.overtaken
    }

    /// Whether nothing is to be attached: no step is left.
    pub(super) fn is_empty(&self) -> bool {
        self.views.is_empty() && self.root.is_none()
    }

    /// Whether the session lives in another root directory.
    pub(super) fn has_own_root(&self) -> bool {
        self.root.is_some()
    }

    /// Refuses a volume that would cover what a step shows, or the store, at `real`, where its path leads.
    pub(super) fn check_volume(&self, path: &AbsPath, real: &str) -> Result<()> {
        let covered = |view: &&BuiltView<'_>| is_within(view.target.path(), real);
        if let Some(view) = self.views.iter().find(covered) {
            let (step, origin) = (&view.step.path, &view.step.origin);
            let reason = format!("it would cover {step} of {origin}");
            return Err(Error::new("open", path, reason));
        }
        let store = self.store.as_ref().map(|store| store.path.as_str());
        let store = store.unwrap_or(self.plan.store.as_str());
        if is_within(store, real) {
            let reason = format!("the store {} would vanish", self.plan.store);
            return Err(Error::new("open", path, reason));
        }
        Ok(())
    }

    /// Notes that a volume is not opened although the plan has it.
    pub(super) fn leave_out_volume(&mut self, path: &AbsPath, reason: &Error) {
        self.notes.push(format!("{path} left out: {reason}"));
        self.lacks_volume = true;
    }

    /// Attaches everything, in the new namespace.
    pub(super) fn attach(&self) -> Result<()> {
        self.attach_root()?;
        self.views
            .iter()
            .try_for_each(|view| attach_view(view).map_err(|error| error.at(&view.step.origin)))?;
        self.enter_root()
    }

    /// Takes those mounts out of their peer groups again that the fstab wants private.
    pub(super) fn unshare_private(&self) -> Result<()> {
        let is_private =
            |view: &&BuiltView<'_>| view.step.propagation == Some(Propagation::Private);
        self.views.iter().filter(is_private).try_for_each(|view| {
            let recursive = matches!(view.step.view, View::Bind { recursive, .. } if recursive);
            let (change, path) = (AttributeChange::default(), view.step.path.as_str());
            mount::prepare(&view.mount, recursive, change, Travel::Neither, path)
        })
    }

    /// The paths that are covered, parents before children.
    fn paths(&self) -> Vec<String> {
        let root = self.root.iter().map(|_| "/".to_owned());
        let views = self.views.iter().map(|view| view.step.path.to_string());
        root.chain(views).collect()
    }

    /// Where something is attached, by paths without links. What stays visible in what commands find too is not among
    /// it: they find that with it.
    fn attached(&self) -> Vec<String> {
        let root = self.root.iter().map(|_| "/".to_owned());
        let views = self.views.iter().flat_map(|view| {
            let kept = view.kept.iter().filter(|_| !view.step.inherit);
            let kept = kept.map(|kept| kept.path.clone());
            std::iter::once(view.target.path().to_owned()).chain(kept)
        });
        root.chain(views).collect()
    }

    fn inherited(&self) -> Vec<String> {
        let inherited = self.views.iter().filter(|view| view.step.inherit);
        inherited
            .map(|view| view.target.path().to_owned())
            .collect()
    }

    /// Gives the new instances their names; not all of them where another login was first with one.
    ///
    /// What has to be removed then is removed when the build is dropped, and that has to be after the way
    /// back: in the new namespace something is mounted in it. That includes an instance that got its name
    /// before the renaming of a later one failed, which takes an I/O error or a full file system.
    pub(super) fn publish(&mut self) -> Result<bool> {
        while let Some((draft, instance)) = self.undo.next_instance() {
            let path = instance.directory.as_str();
            let name = path.rsplit('/').next().unwrap_or(path);
            if draft.publish(name, path)? == Publication::Preceded {
                self.undo.keep_public();
                return Ok(false);
            }
            self.undo.have_published(instance);
        }
        Ok(true)
    }

    /// Lets everything stay that was made, and tells what it is.
    pub(super) fn finish(&mut self, namespace: Identity) -> Applied {
        self.undo.keep_public();
        Applied {
            namespace,
            paths: self.paths(),
            attached: self.attached(),
            inherited: self.inherited(),
            notes: std::mem::take(&mut self.notes),
            instances: std::mem::take(&mut self.instances),
            sources: std::mem::take(&mut self.sources),
            kept: std::mem::take(&mut self.kept),
            missing: std::mem::take(&mut self.missing),
            session_directories: std::mem::take(&mut self.session_directories),
            init: None,
            volumes: Vec::new(),
            lacks_volume: self.lacks_volume,
        }
    }
}

/// Whether a file system that may be absent is: its device, or the kernel's knowledge of its type.
fn is_absent_system(step: &Step, error: &Error) -> bool {
    let system = matches!(step.view, View::FileSystem(_));
    step.optional && system && (error.is_missing() || error.is_unsupported())
}

fn attach_view(view: &BuiltView<'_>) -> Result<()> {
    let path = view.step.path.as_str();
    match &view.target {
        Target::Built(place) => mount::attach(&view.mount, place, path)?,
        Target::Host(place) => mount::attach(&view.mount, same_place(place)?, path)?,
    }
    view.kept
        .iter()
        .try_for_each(|kept| mount::attach(&kept.mount, &kept.at, &kept.path))
}

/// A place of the caller's namespace, opened again in the new one: a descriptor from before unshare(2)
/// is of the old namespace, and move_mount(2) refuses it (EINVAL, seen on Linux 6.18).
fn same_place(before: &Place) -> Result<OwnedFd> {
    let path = before.path.as_str();
    let place = mount::reopen(path)?;
    let same = unseen::is_same(&place, identity(&before.status));
    if same.map_err(|errno| Error::from_errno("examine", path, errno))? {
        return Ok(place);
    }
    let reason = "it was exchanged while the session was prepared";
    Err(Error::new("mount on", path, reason))
}

/// The form of a path that did not exist. Where the rule says nothing: below a directory of the user's
/// it is the user's alone; else what is covered by a private directory is as open as `/tmp`, and a
/// mount point for a bind is root's.
fn created_form(step: &Step, parent: &Place, file: bool, uid: u32) -> Form {
    let shape = step.view.shape();
    let default = match (parent.is_users(), shape) {
        (true, _) => (if file { 0o600 } else { 0o700 }, uid, parent.status.st_gid),
        (false, Some(_)) => (0o1777, 0, 0),
        (false, None) => (if file { 0o644 } else { 0o755 }, 0, 0),
    };
    let shape = shape.copied().unwrap_or_default();
    Form {
        mode: shape.mode.map_or(default.0, |mode| mode.bits()),
        uid: shape.owner.unwrap_or(default.1),
        gid: shape.group.unwrap_or(default.2),
    }
}
