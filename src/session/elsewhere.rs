//! Sessions that begin in another mount namespace than the host's and the module's own: a batch job's, a container's,
//! that of a systemd unit with `PrivateTmp=`.

use super::ledger::NamespaceRecord;
use super::runtime::Runtime;
use crate::error::{Error, Result};
use crate::kernel::namespace::{Identity, Namespace, inode_of_process};

/// The mount namespace of the calling thread, where it is neither that of the first process nor one that the ledger
/// has as the module's; nothing where it is. The thread has returned to the origin of the session that it was in, if
/// it could. In a container with a /proc of its own, the first process is the container's.
///
/// # Errors
///
/// It cannot be known: /proc is not mounted or does not show the first process, or the ledger cannot be read.
pub fn find() -> Result<Option<Identity>> {
    find_strange(Namespace::own()?.identity())
}

/// Finds the mount namespace of the process `pid`, in which sessions would begin that it opens, where it is neither
/// that of the first process nor one that the ledger has as the module's. Nothing where it is, and where the process
/// has ended or does not show its namespace.
///
/// # Errors
///
/// As [`find`].
pub fn of_process(pid: u32) -> Result<Option<Identity>> {
    match Namespace::of_process(pid) {
        Some(namespace) => find_strange(namespace.identity()),
        None => Ok(None),
    }
}

fn find_strange(namespace: Identity) -> Result<Option<Identity>> {
    let failed = |errno| {
        let object = "the mount namespace of the first process";
        Error::from_errno("find", object, errno)
    };
    let first = inode_of_process(1).map_err(failed)?;
    if namespace.inode == first || is_of_session(namespace)? {
        return Ok(None);
    }
    Ok(Some(namespace))
}

/// Whether the module has made it: a session that cannot be left is not left alone to another user.
fn is_of_session(namespace: Identity) -> Result<bool> {
    let Some(runtime) = Runtime::find()? else {
        return Ok(false);
    };
    let record = NamespaceRecord::read(&runtime, namespace.inode)?;
    Ok(record.is_some_and(|record| record.namespace == namespace))
}
