//! The second and third phase of a login: it leaves for a new namespace, and attaches what was prepared.

use super::isolation::OtherNamespaces;
use super::prepared::{Made, Prepared};
use super::travel::travel;
use crate::error::Result;
use crate::kernel::namespace::guard::{
    NamespaceGuard, leave_for_empty, leave_for_new, share_mounts,
};
use crate::kernel::namespace::kind::{Kind, Namespaces};
use crate::kernel::namespace::{Namespace, Root};
use crate::plan::Plan;
use crate::policy::value::Propagation;

/// The new namespaces that the thread has left for, which end before it returns.
pub(super) struct Left<'p> {
    pub(super) namespaces: Namespaces,
    pub(super) guard: NamespaceGuard,
    pub(super) others: OtherNamespaces<'p>,
    pub(super) made: Made,
    /// The root directory that it had.
    pub(super) root: Root,
}

/// Second phase: leaves for a new namespace. Isolation is made ready before: a network namespace by its name, say, is
/// one of the host's. `own` is the present one, if it is open.
pub(super) fn leave<'p>(
    plan: &'p Plan,
    prepared: &Prepared<'_>,
    own: Option<&Namespace>,
) -> Result<Left<'p>> {
    let root = Root::own()?;
    let others = OtherNamespaces::prepare(plan)?;
    let (mut guard, made) = leave_for_view(plan, prepared, own, &others.new_kinds())?;
    others.enter(&mut guard)?;
    Ok(Left {
        namespaces: guard.present()?,
        guard,
        others,
        made,
        root,
    })
}

/// Leaves for an empty namespace where what is built can stand alone, and attaches that before: a kernel that makes empty
/// namespaces attaches to detached trees, too (Linux 6.15). Otherwise it leaves for a copy of the caller's.
fn leave_for_view(
    plan: &Plan,
    prepared: &Prepared<'_>,
    own: Option<&Namespace>,
    with: &[Kind],
) -> Result<(NamespaceGuard, Made)> {
    let copy = || leave_for_new(own, travel(plan.propagation), with);
    if !prepared.can_stand_alone() {
        return Ok((copy()?, Made::Copy));
    }
    prepared.attach_covers()?;
    match leave_for_empty(own, with)? {
        Some(guard) => {
            log::debug!("the namespace of the root directory begins empty");
            Ok((guard, Made::Empty))
        }
        None => {
            log::debug!(
                "the kernel makes no empty namespace: that of the root directory begins as a copy"
            );
            Ok((copy()?, Made::CopyForTree))
        }
    }
}

/// Third phase: attaches the mounts, parents first. Their targets are opened again, and are the same as before: a
/// directory that was opened in the old namespace is refused in the new one (EINVAL).
pub(super) fn attach(plan: &Plan, prepared: &mut Prepared<'_>, left: &Left<'_>) -> Result<()> {
    prepared.attach(left.made)?;
    left.others.attach()?;
    if let Some(proc) = left.others.proc() {
        prepared.attach_in(proc)?;
    }
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

/// A bug in the middle of a login, in the module that the tests build for it.
#[cfg(feature = "forced-panic")]
#[allow(clippy::panic, reason = "this is what the feature is for")]
fn forced_panic() {
    panic!("a panic was asked for");
}
