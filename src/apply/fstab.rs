//! The fstab of a root directory, read before anything is done.

use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::file;
use crate::kernel::fs::walk::Trust;
use crate::plan::{Fstab, Plan};

/// The largest fstab that is read, in bytes.
pub(crate) const LIMIT: usize = 1024 * 1024;

/// Reads the fstab of the plan's root directory, if it names one, into the plan. For [`Trust::Root`], it is
/// root's and nobody else's, as a policy file is.
///
/// # Errors
///
/// It cannot be read, is not trusted, or something in it is wrong.
pub fn read_fstab(plan: &mut Plan, trust: Trust, deadline: &Deadline) -> Result<()> {
    let root = plan.root.as_ref();
    let named = root.and_then(|root| Some((root.fstab.as_ref()?, &root.location, root.optional)));
    let Some((path, location, is_optional)) = named else {
        return Ok(());
    };
    let read = file::read_trusting_until(deadline, trust, path.as_str(), LIMIT);
    let bytes = match read.map_err(|error| error.at_key(location, "fstab")) {
        Err(silent) if is_optional && silent.is_silent() => {
            log::warn!("/ stays as it is: {silent}");
            plan.root = None;
            return Ok(());
        }
        read => read?,
    };
    let fstab =
        Fstab::of(path.as_str(), &bytes).map_err(|error| error.at_key(location, "fstab"))?;
    for warning in &fstab.warnings.list {
        log::debug!("{warning}");
    }
    plan.add_fstab_steps(fstab);
    Ok(())
}
