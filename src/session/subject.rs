//! The user that the programs of a plan are run for.

use crate::apply::Subject;
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::walk::Trust;
use crate::kernel::process::credentials::Credentials;
use crate::kernel::process::secret::Secret;
use crate::login::{Login, has_account, supplementary};
use crate::plan::{Helper, RunAs};
use nix::unistd::Gid;

/// The user that `helpers` are run for. The user's groups are asked for, which can be slow, where the user runs one of
/// them.
///
/// # Errors
///
/// The account database failed.
pub fn subject_of<'s, 'h>(
    login: &'s Login,
    mut helpers: impl Iterator<Item = &'h Helper>,
    password: Option<&'s Secret>,
    deadline: &Deadline,
) -> Result<Subject<'s>> {
    let groups = if helpers.any(|helper| helper.run_as == RunAs::User) {
        groups_of(login, deadline)?
    } else {
        vec![login.gid]
    };
    Ok(Subject {
        trust: Trust::User(login.uid),
        user: &login.user,
        home: &login.home,
        has_account,
        service: &login.service,
        credentials: Credentials {
            uid: login.uid,
            gid: login.gid,
            groups,
        },
        password,
        deadline: deadline.clone(),
    })
}

fn groups_of(login: &Login, deadline: &Deadline) -> Result<Vec<u32>> {
    let groups = supplementary(deadline, &login.user, Gid::from_raw(login.gid))?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}
