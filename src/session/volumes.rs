//! The volumes of namespaces that nobody uses any more. The processes that serve them live in the namespace and
//! keep it alive, as it keeps their mounts: nothing of it would ever end by itself.

use super::census::Census;
use super::ledger::NamespaceRecord;
use super::lock::Lock;
use super::pin::Pins;
use super::runtime::Runtime;
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::mount::volume;
use crate::kernel::namespace::Namespace;
use crate::kernel::namespace::guard::leave_for;
use crate::kernel::process::Process;

/// Closes the volumes of `namespace`, in which the calling process has its last session, unless something else
/// is in there. It is called where the namespace was made, with the namespace left for a moment.
///
/// # Errors
///
/// It is not known who is in there, or the user's lock is held until the deadline.
pub fn close_after_last(namespace: &Namespace, deadline: &Deadline) -> Result<()> {
    let Some(runtime) = Runtime::find()? else {
        return Ok(());
    };
    let identity = namespace.identity();
    let record = NamespaceRecord::read(&runtime, identity.inode)?;
    let has_volumes =
        |record: &NamespaceRecord| record.namespace == identity && !record.volumes.is_empty();
    let Some(record) = record.filter(has_volumes) else {
        return Ok(());
    };
    let _lock = Lock::wait_to_change(&runtime, record.uid, deadline)?;
    if Census::take()?.is_used(&record) {
        log::debug!("{identity} is still in use, and so are its volumes");
        return Ok(());
    }
    close_in(namespace, &record)
}

/// Closes the volumes of a namespace that nobody uses: with the user's lock held, where it was made.
///
/// # Errors
///
/// It cannot be entered.
pub fn close(runtime: &Runtime, record: &NamespaceRecord) -> Result<()> {
    if record.volumes.is_empty() {
        return Ok(());
    }
    match find(runtime, record)? {
        Some(namespace) => close_in(&namespace, record),
        None => Ok(()),
    }
}

/// By its pin, or by one of those that serve its volumes.
fn find(runtime: &Runtime, record: &NamespaceRecord) -> Result<Option<Namespace>> {
    if let Some(namespace) = Pins::find(runtime)?.namespace_of(record)? {
        return Ok(Some(namespace));
    }
    let of_daemon = |daemon: &Process| Namespace::of_process(daemon.pid);
    let is_it = |found: &Namespace| {
        found.identity() == record.namespace && found.is_of_own_user_namespace()
    };
    Ok(daemons(record).filter_map(of_daemon).find(is_it))
}

fn daemons(record: &NamespaceRecord) -> impl Iterator<Item = &Process> {
    let all = record.volumes.iter().flat_map(|volume| &volume.daemons);
    all.filter(|daemon| daemon.is_alive())
}

fn close_in(namespace: &Namespace, record: &NamespaceRecord) -> Result<()> {
    let pidfds: Vec<_> = daemons(record).filter_map(Process::open_pidfd).collect();
    let guard = leave_for(namespace)?;
    volume::close(&record.volumes);
    drop(guard);
    volume::end(&pidfds);
    Ok(())
}
