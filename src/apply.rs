//! Runs a plan: all of it, or nothing.
//!
//! Everything that can fail for a human reason is done in the caller's namespace, by descriptor, with
//! nothing visible to anybody: paths are vetted, instances made under temporary names, mounts built
//! detached. Then the thread leaves for a new namespace, attaches what was built, and gives the new
//! instances their names. Whatever fails on the way, dropping what was built puts everything back.

mod account;
mod applied;
mod attributes;
mod believed;
mod conflicts;
mod context;
mod covers;
mod entered;
mod findings;
mod forms;
mod fstab;
mod hooks;
mod instances;
mod isolation;
mod left;
mod located;
mod places;
mod prepared;
mod replaceable;
mod root;
mod runtime_directory;
mod session_directory;
mod session_view;
mod store;
mod store_entry;
mod subject;
mod travel;
mod trial;
mod undo;
mod views;
mod volumes;

use crate::error::{Error, Result};
use crate::kernel::fs::directory::Publication;
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::namespace::Namespace;
use crate::plan::Plan;
use hooks::Execution;
use left::{Left, attach, leave};
use prepared::{ATTEMPTS, Prepared};
use volumes::{Inside, open_volumes};

pub use applied::{Applied, OwnRuntimeDirectory, ShownPath};
pub use believed::check_beliefs;
pub use entered::{Entered, SessionGuard};
pub use fstab::read_fstab;
pub use runtime_directory::may_hide_runtime_directories;
pub use session_directory::{SessionDirectory, remove_session_directory};
pub use subject::{Subject, USER_MANAGER};
pub use trial::{StepResult, Trial, TriedStep, try_plan};

pub(crate) use account::note_change;
pub(crate) use fstab::LIMIT as FSTAB_LIMIT;
pub(crate) use subject::InitTarget;

/// Brings the calling thread into a new namespace with the view that `plan` describes for `subject`. For one with
/// [`crate::kernel::fs::walk::Trust::Caller`], all that is made is the caller's own.
/// `own` is the present one, if it is open.
/// It then works in `directory`, the working directory that the session begins in: at its path where that leads to
/// the same one in that view. In a new root directory that does not have it, that is `/`.
///
/// # Errors
///
/// The reason, with the policy line where one is to blame; the thread is then in its old namespace, root
/// and working directory, and nothing that was made for it is left.
pub fn enter(
    plan: &Plan,
    subject: &Subject<'_>,
    directory: &WorkingDirectory,
    own: Option<&Namespace>,
) -> Result<Entered> {
    let reason = "other logins keep making or removing the same instances";
    let mut last = Error::new("open", "the session", reason);
    for _ in 0..ATTEMPTS {
        subject.deadline.check().map_err(|errno| {
            let reason = "the time that the session has is up";
            Error::from_errno("open", "the session", errno).because(reason)
        })?;
        match attempt(plan, subject, directory, own) {
            Ok(Some(entered)) => return Ok(entered),
            Ok(None) => {}
            Err(error) if error.is_stale() => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// One login in five phases; nothing where another login has made or removed an instance meanwhile, and it has to be
/// tried again. Whatever fails, what was done before is undone as values are dropped: first the thread returns, then
/// what was made for the login is removed, which from inside could be covered.
fn attempt(
    plan: &Plan,
    subject: &Subject<'_>,
    directory: &WorkingDirectory,
    own: Option<&Namespace>,
) -> Result<Option<Entered>> {
    let Some(mut prepared) = prepare(plan, subject)? else {
        return Ok(None);
    };
    if !prepared.has_to_leave() {
        return stay(prepared, directory);
    }
    prepared.prepare_runtime_directory();
    let left = leave(plan, &prepared, own)?;
    attach(plan, &mut prepared, &left)?;
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

/// Fourth and fifth phase: opens volumes and runs the programs of new instances, in the view and before anybody else can
/// find them; then gives the instances their names, from where on other logins use them. What prepares at every login
/// comes last, since it is given the names.
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
    let execution = Execution {
        run: &|helper| helper.within(&subject.deadline).run(b""),
        warn: &|error| log::warn!("{error}"),
    };
    prepared.run_hooks(subject, execution)?;
    if prepared.publish()? == Publication::Preceded {
        return Ok(None);
    }
    prepared.run_inits(subject, execution)?;
    let Left {
        namespaces,
        guard,
        mut others,
        made: _,
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
