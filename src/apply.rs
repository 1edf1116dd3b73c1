//! Runs a plan: all of it, or nothing.
//!
//! Everything that can fail for a human reason is done in the caller's namespace, by descriptor, with
//! nothing visible to anybody: paths are vetted, instances made under temporary names, mounts built
//! detached. Then the thread leaves for a new namespace, attaches what was built, and gives the new
//! instances their names. Whatever fails on the way, dropping what was built puts everything back.

mod account;
mod attributes;
mod believed;
mod conflicts;
mod context;
mod covers;
mod findings;
mod forms;
mod fstab;
mod hooks;
mod instances;
mod isolation;
mod places;
mod prepared;
mod root;
mod session_directory;
mod session_view;
mod store;
mod subject;
mod undo;
mod views;
mod volumes;

use crate::error::{Error, Result};
use crate::kernel::fs::directory::{Form, Publication};
use crate::kernel::fs::entries::Found;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::init::{Known, Membership};
use crate::kernel::mount::Travel;
use crate::kernel::mount::volume::{Opening, Volume};
use crate::kernel::namespace::guard::{NamespaceGuard, leave_for_new, share_mounts};
use crate::kernel::namespace::kind::Namespaces;
use crate::kernel::namespace::{self, Identity, Namespace, Root};
use crate::kernel::process::Process;
use crate::plan::{Plan, Sharing};
use crate::policy::value::Propagation;
use isolation::OtherNamespaces;
use prepared::Prepared;
use volumes::{Inside, open_volumes};

pub use believed::check_beliefs;
pub use fstab::read_fstab;
pub use session_directory::{SessionDirectory, remove_session_directory};
pub use subject::Subject;

pub(crate) use account::note_change;
pub(crate) use fstab::LIMIT as FSTAB_LIMIT;
pub(crate) use subject::InitTarget;

/// How often a login starts again because another one made the same instance at the same moment, or
/// failed and took back a directory of the store that both had begun to use.
const ATTEMPTS: usize = 32;

/// What a login got.
#[derive(Debug)]
pub struct Applied {
    /// The namespace that it is in.
    pub namespace: Identity,
    /// The paths that were covered, in order.
    pub paths: Vec<String>,
    /// Where something was attached, by paths without links, but for what stays visible in what is inherited.
    pub attached: Vec<String>,
    /// Those of them at which commands find the same that the user runs as somebody else.
    pub inherited: Vec<String>,
    /// Why a step was left out, or an entry does not stay visible; a line each.
    pub notes: Vec<String>,
    /// The directories of the user's, the group's or the session's own that appear in the namespace.
    pub instances: Vec<ShownPath>,
    /// What of the host appears elsewhere in it.
    pub sources: Vec<ShownPath>,
    /// What `keep` has found in directories of the host that are covered.
    pub kept: Vec<Found>,
    /// What would have appeared in it too, had it existed: paths in the view of the host.
    pub missing: Vec<String>,
    /// The directories that end with the session.
    pub session_directories: Vec<SessionDirectory>,
    /// The first process of the PID namespace of its own, and what to end it by; nothing where it has none.
    pub init: Option<(Process, Known)>,
    /// The volumes that were opened in it.
    pub volumes: Vec<Volume>,
    /// Whether a volume was left out that another login may be able to open.
    pub(crate) lacks_volume: bool,
}

/// A plan's namespace, with the calling thread in it. Dropped, the thread goes back to where it stood; the
/// instances that were made stay, since others may use them by now; its volumes are closed.
#[derive(Debug)]
pub struct Entered {
    /// What the login got.
    pub applied: Applied,
    /// Nothing where the plan leaves everything as it is.
    pub session_guard: Option<SessionGuard>,
}

/// The namespaces that the thread has left for, and the way back. Dropped, it goes back, and with it who had no other
/// reason to be there.
#[derive(Debug)]
pub struct SessionGuard {
    // What is in the namespaces goes before they do.
    /// The volumes that were opened there.
    pub opening: Opening,
    /// The need of this process for the session's own PID namespace, if it has one.
    pub membership: Option<Membership>,
    /// The namespaces that it is in now.
    pub namespaces: Namespaces,
    /// The way back.
    pub guard: NamespaceGuard,
}

impl SessionGuard {
    /// Stays, for as long as the session of that name does.
    pub fn commit(self, session: &str) {
        self.opening.keep();
        if let Some(membership) = self.membership {
            membership.stay(session);
        }
        self.guard.commit();
    }
}

/// A directory or file that a namespace shows, and how to know it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPath {
    /// Its path in the view of the host, as it led there.
    pub path: String,
    /// Its device and inode.
    pub identity: FileIdentity,
    /// The form that it was given, or found to have; nothing for what the user, or the host, may give another.
    pub form: Option<Form>,
}

/// Brings the calling thread into a new namespace with the view that `plan` describes for `subject`. For one with
/// [`crate::kernel::fs::walk::Trust::Caller`], all that is made is the caller's own.
/// It then works in `directory`, the working directory that the session begins in: at its path where that leads to
/// the same one in that view. In a new root directory that does not have it, that is `/`.
///
/// # Errors
///
/// The reason, with the policy line where one is to blame; the thread is then in its old namespace, root
/// and working directory, and nothing that was made for it is left.
pub fn enter(plan: &Plan, subject: &Subject<'_>, directory: &WorkingDirectory) -> Result<Entered> {
    for _ in 0..ATTEMPTS {
        if let Some(entered) = attempt(plan, subject, directory)? {
            return Ok(entered);
        }
    }
    let reason = "other logins keep making or removing the same instances";
    Err(Error::new("open", "the session", reason))
}

/// One login in five phases; nothing where another login has made or removed an instance meanwhile, and it has to be
/// tried again. Whatever fails, what was done before is undone as values are dropped: first the thread returns, then
/// what was made for the login is removed, which from inside could be covered.
fn attempt(
    plan: &Plan,
    subject: &Subject<'_>,
    directory: &WorkingDirectory,
) -> Result<Option<Entered>> {
    let Some(prepared) = prepare(plan, subject)? else {
        return Ok(None);
    };
    let has_more = !plan.isolation.is_empty() || !plan.volumes.is_empty();
    if prepared.is_empty() && !has_more && plan.sharing != Sharing::Command {
        return stay(prepared, directory);
    }
    let left = leave(plan)?;
    attach(plan, &prepared, &left)?;
    // Only now do all paths show what the session will see there: the one that leads to the directory, too.
    match prepared.has_own_root() {
        true => directory.restore_within_new_root()?,
        false => directory.restore()?,
    }
    complete(plan, subject, prepared, left)
}

/// First phase, in the caller's namespace: vets every path, makes instances under temporary names, and builds every
/// mount detached. What can fail for a reason of the policy's or of this machine's fails here, where nobody sees any of
/// it. Nothing is given where another login was faster.
fn prepare<'p>(plan: &'p Plan, subject: &Subject<'_>) -> Result<Option<Prepared<'p>>> {
    if !plan.is_empty() {
        namespace::check_capabilities()?;
    }
    let mut prepared = Prepared::new(plan, subject)?;
    match prepared.build() {
        Err(_) if prepared.instances.is_overtaken() => return Ok(None),
        built => built?,
    }
    conflicts::check_order(prepared.view(), &prepared.instances)?;
    Ok(Some(prepared))
}

/// Takes the place of the other phases where a plan covers nothing: its instances get their names.
fn stay(mut prepared: Prepared<'_>, directory: &WorkingDirectory) -> Result<Option<Entered>> {
    let namespace = Namespace::own()?.identity();
    directory.restore()?;
    Ok(match prepared.publish()? {
        Publication::Preceded => None,
        Publication::Done => Some(Entered {
            applied: prepared.finish(namespace),
            session_guard: None,
        }),
    })
}

/// The new namespaces that the thread has left for, which end before it returns.
struct Left<'p> {
    namespaces: Namespaces,
    guard: NamespaceGuard,
    others: OtherNamespaces<'p>,
    /// The root directory that it had.
    root: Root,
}

/// Second phase: leaves for a copy of the namespace. Isolation is made ready before: a network namespace by its name,
/// say, is one of the host's.
fn leave(plan: &Plan) -> Result<Left<'_>> {
    let root = Root::own()?;
    let others = OtherNamespaces::prepare(plan)?;
    let mut guard = leave_for_new(travel(plan.propagation), &others.new_kinds())?;
    others.enter(&mut guard)?;
    Ok(Left {
        namespaces: guard.present()?,
        guard,
        others,
        root,
    })
}

/// Third phase: attaches the mounts, parents first. Their targets are opened again, and are the same as before: a
/// directory that was opened in the old namespace is refused in the new one (EINVAL).
fn attach(plan: &Plan, prepared: &Prepared<'_>, left: &Left<'_>) -> Result<()> {
    prepared.attach()?;
    left.others.attach()?;
    // Not before: pivot_root(2) refuses a new root whose parent is shared (EINVAL).
    if plan.propagation == Propagation::Slave {
        share_mounts()?;
        prepared.unshare_private()?;
    }
    // From here on children are born inside: the programs of the next phase, and the user's.
    left.others.enter_processes()?;
    #[cfg(feature = "forced-panic")]
    forced_panic();
    Ok(())
}

/// Fourth and fifth phase: opens volumes and runs the programs of new instances, in the view and before anybody else can
/// find them; then gives the instances their names, from where on other logins use them. What prepares at every login
/// comes last, since it is told the names.
fn complete(
    plan: &Plan,
    subject: &Subject<'_>,
    mut prepared: Prepared<'_>,
    left: Left<'_>,
) -> Result<Option<Entered>> {
    let inside = Inside {
        guard: &left.guard,
        present: &left.namespaces.mount,
        root: left.root,
    };
    let opening = open_volumes(plan, subject, &mut prepared, &inside)?;
    prepared.run_hooks(subject)?;
    if prepared.publish()? == Publication::Preceded {
        return Ok(None);
    }
    prepared.run_inits(subject)?;
    let Left {
        namespaces,
        guard,
        mut others,
        root: _,
    } = left;
    let mut applied = prepared.finish(namespaces.mount.identity());
    applied.sources.extend(others.sources());
    applied.attached.extend(others.points());
    let (init, membership) = others.take_init();
    applied.init = init;
    let session_guard = SessionGuard {
        opening,
        membership,
        namespaces,
        guard,
    };
    Ok(Some(Entered {
        applied: applied.with_volumes(plan, session_guard.opening.volumes()),
        session_guard: Some(session_guard),
    }))
}

/// A bug in the middle of a login, in the module that the tests build for it.
#[cfg(feature = "forced-panic")]
#[allow(clippy::panic, reason = "this is what the feature is for")]
fn forced_panic() {
    panic!("a panic was asked for");
}

impl Applied {
    /// A login in a namespace without anything of its own.
    fn nothing_in(namespace: Identity) -> Self {
        Self {
            namespace,
            paths: Vec::new(),
            attached: Vec::new(),
            inherited: Vec::new(),
            notes: Vec::new(),
            instances: Vec::new(),
            sources: Vec::new(),
            kept: Vec::new(),
            missing: Vec::new(),
            session_directories: Vec::new(),
            init: None,
            volumes: Vec::new(),
            lacks_volume: false,
        }
    }

    fn with_volumes(mut self, plan: &Plan, volumes: &[Volume]) -> Self {
        let paths = || volumes.iter().map(|volume| volume.path.clone());
        self.paths.extend(paths());
        self.attached.extend(paths());
        let is_inherited = |path: &String| {
            let mut inherited = plan.volumes.iter().filter(|volume| volume.inherit);
            inherited.any(|volume| volume.path.as_str() == path)
        };
        self.inherited.extend(paths().filter(is_inherited));
        self.volumes = volumes.to_vec();
        self
    }
}

fn travel(propagation: Propagation) -> Travel {
    match propagation {
        Propagation::Slave => Travel::FromHost,
        Propagation::Private => Travel::Neither,
    }
}
