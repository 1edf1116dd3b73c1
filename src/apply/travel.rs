//! The direction in which mounts travel between the host and a session.

use crate::kernel::mount::Travel;
use crate::policy::value::Propagation;

/// Gives the direction as mounts are prepared with it.
pub(super) fn travel(propagation: Propagation) -> Travel {
    match propagation {
        Propagation::Slave => Travel::FromHost,
        Propagation::Private => Travel::Neither,
    }
}
