//! The user that the programs of a plan are run for, and who is trusted with what they find.

use super::prepared::Prepared;
use crate::apply::Subject;
use crate::cli::command::SERVICE;
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::walk::Trust;
use crate::kernel::process::secret::Secret;
use crate::session::subject_of;

/// The trust in paths in a user namespace of the caller's, in which the caller is root.
pub const CALLER: Trust = Trust::Caller(0);

/// The user that the programs of a plan are run for.
///
/// # Errors
///
/// The account database failed.
pub fn subject<'c>(prepared: &'c Prepared, password: Option<&'c Secret>) -> Result<Subject<'c>> {
    if prepared.is_root {
        return subject_of(
            &prepared.login,
            prepared.plan.helpers(),
            password,
            &Deadline::none(),
        );
    }
    Ok(Subject {
        trust: CALLER,
        user: &prepared.login.user,
        service: SERVICE,
        password,
        ..Subject::of(0)
    })
}
