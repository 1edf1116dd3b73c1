//! Everything a plan needs, made in the caller's namespace with nothing visible to anybody; dropped, it
//! is gone again.

use super::account::Owner;
use super::applied::Applied;
use super::context::Context;
use super::covers::{BuiltView, Covers};
use super::findings::Findings;
use super::hooks::Execution;
use super::instances::Instances;
use super::located::Located;
use super::root::NewRoot;
use super::runtime_directory::RuntimeDirectory;
use super::session_view::SessionView;
use super::subject::Subject;
use super::{believed, conflicts, hooks, places, views};
use crate::error::{Error, Result};
use crate::kernel::fs::directory::Publication;
use crate::kernel::mount::runtime_directory::PARENT as RUNTIME_DIRECTORIES;
use crate::kernel::namespace::guard::knows_empty;
use crate::kernel::namespace::{Identity, check_capabilities};
use crate::path::ViewPath;
use crate::plan::{Plan, Sharing, Step, View};
use rustix::fd::OwnedFd;

/// The number of times that a login starts again because another one made the same instance at the same moment, or
/// failed and took back a directory of the store that both had begun to use, or because the host mounted or unmounted
/// something on one of its paths while it was prepared.
pub(super) const ATTEMPTS: usize = 32;

/// The advice that keeps a login from being refused because root may not look for the path or the source of its rule.
const UNSEEN: &str = "`optional = true` leaves the rule out";

/// The new namespace that the thread has left for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// A copy of the caller's.
    Copy,
    /// A copy of the caller's, where the covers are attached to the tree of the root directory already.
    CopyForTree,
    /// An empty one, for such a tree.
    Empty,
}

/// A plan's mounts, not yet attached. The order of the fields is the order in which they are undone.
pub(super) struct Prepared<'p> {
    covers: Covers<'p>,
    pub(super) instances: Instances<'p>,
    pub(super) context: Context<'p>,
    root: Option<NewRoot>,
    runtime_directory: RuntimeDirectory,
    pub(super) findings: Findings,
}

impl<'p> Prepared<'p> {
    /// Nothing is made as yet.
    pub(super) fn new(plan: &'p Plan, subject: &Subject<'_>) -> Result<Self> {
        if !plan.is_empty() {
            check_capabilities()?;
        }
        Ok(Self {
            covers: Covers::with_capacity(plan.steps.len()),
            instances: Instances::new(Owner::of(subject)),
            context: Context::new(plan, subject.trust, &subject.deadline)?,
            root: None,
            runtime_directory: RuntimeDirectory::default(),
            findings: Findings::default(),
        })
    }

    /// The session's view as far as it is built.
    pub(super) fn view(&self) -> SessionView<'_, 'p> {
        SessionView {
            context: &self.context,
            covers: &self.covers,
            root: self.root.as_ref(),
        }
    }

    /// The view, and what changes while it is added to.
    fn parts(&mut self) -> (SessionView<'_, 'p>, &mut Instances<'p>, &mut Findings) {
        let view = SessionView {
            context: &self.context,
            covers: &self.covers,
            root: self.root.as_ref(),
        };
        (view, &mut self.instances, &mut self.findings)
    }

    /// Builds the root directory, and then every step. Paths that are missing and have to be made come last: the
    /// host sees them at once, and other logins use them at once, so they are not made for a login that fails
    /// anyway.
    pub(super) fn build(&mut self) -> Result<()> {
        let later = self.build_found(Self::add)?;
        later.into_iter().try_for_each(|step| self.add(step))
    }

    /// Builds the root directory, and adds every step whose path is there by `add`. Returns those whose path is missing and
    /// has to be made, with what lies below them.
    pub(super) fn build_found(
        &mut self,
        mut add: impl FnMut(&mut Self, &'p Step) -> Result<()>,
    ) -> Result<Vec<&'p Step>> {
        let mut later: Vec<&'p Step> = Vec::new();
        for step in self.begin()? {
            let below = |missing: &&Step| step.path.is_within(&missing.path);
            if later.iter().any(below) || places::has_to_be_made(step, self.view()) {
                later.push(step);
            } else {
                add(self, step)?;
            }
        }
        Ok(later)
    }

    /// Prepares the plan's root directory, if it has one, and gives the steps that are to be taken.
    fn begin(&mut self) -> Result<Vec<&'p Step>> {
        let plan = self.context.plan;
        let Some(wanted) = &plan.root else {
            return Ok(plan.steps.iter().collect());
        };
        match NewRoot::open(wanted, &self.context) {
            Err(missing) if wanted.optional && (missing.is_missing() || missing.is_silent()) => {
                self.findings.leave_out_root(wanted, &missing);
                Ok(plan.steps.iter().collect())
            }
            Err(error) => Err(error.at_key(&wanted.location, "path")),
            Ok(root) => {
                self.findings
                    .note_source(wanted.path.as_str(), root.place());
                self.root = Some(root);
                Ok(wanted.steps_with(&plan.steps).collect())
            }
        }
    }

    pub(super) fn add(&mut self, step: &'p Step) -> Result<()> {
        self.try_add(step).map_err(|error| error.at(&step.location))
    }

    fn try_add(&mut self, step: &'p Step) -> Result<()> {
        let (view, instances, findings) = self.parts();
        let located = match places::locate(step, view, instances, findings) {
            Err(absent) if step.optional && absent.is_absent() => {
                findings.leave_out(step, &absent, view);
                return Ok(());
            }
            Err(error) => return Err(error.advise_where_unseen(UNSEEN)),
            Ok(None) => return Ok(()),
            Ok(Some(located)) => located,
        };
        if let Some(built) = self.build_view(&located)? {
            self.covers.add(built);
        }
        Ok(())
    }

    /// Builds what a step shows at its place; nothing where the step is left out.
    fn build_view(&mut self, located: &Located<'p>) -> Result<Option<BuiltView<'p>>> {
        let (step, place) = (located.step, &located.place);
        let (view, instances, findings) = self.parts();
        conflicts::check_target(step, place, view)
            .map_err(|error| error.at_key(&step.location, "path"))?;
        if let Some(source) = &located.source {
            let checked = believed::check_source(step, place, source, view.context);
            checked.map_err(|error| error.at_key(&step.location, "source"))?;
        }
        let built = match views::build(located, view, instances, findings) {
            Err(absent) if is_absent_part(step, &absent) => {
                findings.leave_out(step, &absent, view);
                return Ok(None);
            }
            built => built?,
        };
        believed::check_view(place, &built, view.context)?;
        Ok(Some(built))
    }

    /// Whether the step is built, and not left out.
    pub(super) fn has(&self, step: &Step) -> bool {
        let mut built = self.covers.views().iter();
        built.any(|built| std::ptr::eq(built.step, step))
    }

    /// Takes a step whose path is missing, on what would be made there, and takes it back. Returns whether it is not left
    /// out.
    pub(super) fn try_missing(&mut self, step: &'p Step) -> Result<bool> {
        self.try_unnamed(step)
            .map_err(|error| error.at(&step.location))
    }

    fn try_unnamed(&mut self, step: &'p Step) -> Result<bool> {
        let (view, _, findings) = self.parts();
        let (_draft, located) = match places::locate_unnamed(step, view) {
            Err(absent) if step.optional && absent.is_absent() => {
                findings.leave_out(step, &absent, view);
                return Ok(false);
            }
            located => located.map_err(|error| {
                error
                    .advise_where_unseen(UNSEEN)
                    .at_key(&step.location, "path")
            })?,
        };
        Ok(self.build_view(&located)?.is_some())
    }

    /// Whether the session needs a namespace of its own: not where everything was left out.
    pub(super) fn has_to_leave(&self) -> bool {
        let plan = self.context.plan;
        let has_more = !plan.isolation.is_empty() || !plan.volumes.is_empty();
        let is_empty = self.covers.views().is_empty() && self.root.is_none();
        !is_empty || has_more || plan.sharing == Sharing::Command
    }

    /// Whether the session lives in another root directory.
    pub(super) fn has_own_root(&self) -> bool {
        self.root.is_some()
    }

    /// Prepares the user's runtime directory, where the session is to have that alone. Last of all, since its making on the
    /// host is not undone.
    pub(super) fn prepare_runtime_directory(&mut self) {
        let attached = self.covers.attached();
        self.runtime_directory =
            RuntimeDirectory::prepare(&self.context, attached, &mut self.findings);
    }

    /// Whether what is built can be entered as it is, without anything of the host's: the session has a root directory of
    /// its own, and the kernel makes empty namespaces.
    pub(super) fn can_stand_alone(&self) -> bool {
        self.has_own_root() && knows_empty()
    }

    /// Attaches the covers: in the new namespace, or to the tree of the root directory, while that is detached.
    pub(super) fn attach_covers(&self) -> Result<()> {
        self.covers.attach()
    }

    /// Attaches what is not attached yet in the new namespace, which is of the kind `made`, and makes the root directory
    /// of the session's own, if it has one, that of the thread.
    pub(super) fn attach(&mut self, made: Made) -> Result<()> {
        // First: no cover is about it, and none is shared as yet.
        self.runtime_directory.attach(&mut self.findings)?;
        match (&self.root, made) {
            (None, _) => self.attach_covers(),
            (Some(root), Made::Empty) => root.enter_in_empty(),
            (Some(root), Made::Copy) => {
                root.attach()?;
                self.attach_covers()?;
                root.enter()
            }
            (Some(root), Made::CopyForTree) => {
                root.attach()?;
                root.enter()
            }
        }
    }

    /// Attaches what is in a `/proc` of the session's own, which is attached by now.
    pub(super) fn attach_in(&self, proc: &OwnedFd) -> Result<()> {
        self.covers.attach_in(proc)
    }

    /// Takes those mounts out of their peer groups again that the fstab wants private.
    pub(super) fn unshare_private(&self) -> Result<()> {
        self.covers.unshare_private()
    }

    /// Runs the programs of new instances, in the new namespace.
    pub(super) fn run_hooks(
        &mut self,
        subject: &Subject<'_>,
        execution: Execution<'_>,
    ) -> Result<()> {
        hooks::run_hooks(self.context.plan, &mut self.instances, subject, execution)
    }

    /// Gives the new instances their names ([`Instances::publish`]).
    pub(super) fn publish(&mut self) -> Result<Publication> {
        self.instances.publish()
    }

    /// Runs the programs that prepare what is shown. An instance for which one of them has failed loses its name again.
    pub(super) fn run_inits(
        &mut self,
        subject: &Subject<'_>,
        execution: Execution<'_>,
    ) -> Result<()> {
        let ran = hooks::run_inits(
            &self.covers,
            &self.instances,
            &self.context,
            subject,
            execution,
        );
        if ran.is_err() {
            self.instances.withdraw();
        }
        ran
    }

    /// Lets everything stay that was made, and returns what it is.
    pub(super) fn finish(&mut self, namespace: Identity) -> Applied {
        let root = || self.root.iter().map(|_| ViewPath::root());
        let own_runtime_directory = self.runtime_directory.attached(&self.context);
        let runtime = own_runtime_directory
            .iter()
            .map(|_| ViewPath::walked(RUNTIME_DIRECTORIES));
        let mut applied = Applied {
            paths: root().chain(self.covers.paths()).collect(),
            attached: root()
                .chain(self.covers.attached())
                .chain(runtime)
                .collect(),
            inherited: self.covers.inherited(),
            own_runtime_directory,
            ..Applied::nothing_in(namespace)
        };
        self.instances.stay(&mut applied);
        self.findings.move_to(&mut applied);
        applied
    }
}

/// Whether a part of a view that may be absent is: what does not answer, a store for example, and of a file system its
/// device, or the kernel's knowledge of its type.
fn is_absent_part(step: &Step, error: &Error) -> bool {
    let system = matches!(step.view, View::FileSystem(_));
    let is_absent = system && (error.is_missing() || error.is_unsupported());
    step.optional && (is_absent || error.is_silent())
}
