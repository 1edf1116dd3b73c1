//! The fstab of a root directory, read before anything is done.

use crate::error::{Error, Result};
use crate::kernel::file;
use crate::kernel::walk::Trust;
use crate::plan::{Fstab, Plan};
use crate::policy::{Diagnostic, Diagnostics, Severity};

/// The largest fstab that is read, in bytes.
pub const LIMIT: usize = 1024 * 1024;

/// Reads the fstab of the plan's root directory, if it names one, into the plan. For [`Trust::Root`], it is
/// root's and nobody else's, as a policy file is.
///
/// # Errors
///
/// It cannot be read, is not trusted, or something in it is wrong.
pub fn read_fstab(plan: &mut Plan, trust: Trust) -> Result<()> {
    let root = plan.root.as_ref();
    let Some((path, origin)) = root.and_then(|root| Some((root.fstab.as_ref()?, &root.origin)))
    else {
        return Ok(());
    };
    let bytes = file::read_trusting(trust, path.as_str(), LIMIT).map_err(|e| e.at(origin))?;
    let fstab =
        Fstab::parse(path.as_str(), &bytes).map_err(|found| in_one_line(&found).at(origin))?;
    for warning in &fstab.warnings.list {
        log::debug!("{warning}");
    }
    plan.furnish(fstab);
    Ok(())
}

/// The first error, and how many more there are.
fn in_one_line(found: &Diagnostics) -> Error {
    let is_error = |one: &&Diagnostic| one.severity == Severity::Error;
    let Some(first) = found.list.iter().find(is_error) else {
        return Error::new("use", "the fstab", "something is wrong with it");
    };
    let place = first.place.as_ref();
    let place = place.map(|place| format!(":{}:{}", place.line, place.column));
    let help = first.help.as_ref().map(|help| format!("; {help}"));
    let rest = found.errors().saturating_sub(1).saturating_add(found.more);
    let more = (rest > 0).then(|| format!("; and {rest} more"));
    let reason = [Some(first.message.clone()), help, more];
    Error::new(
        "use",
        format_args!("{}{}", first.file, place.unwrap_or_default()),
        reason.into_iter().flatten().collect::<String>(),
    )
}
