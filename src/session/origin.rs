//! The way back: from inside a namespace of ours to the one that its first session came from, so that
//! su(1) and sudo(8) open their sessions there and nothing stacks.

use super::ledger::NamespaceRecord;
use super::pin::Pins;
use super::process;
use super::runtime::Runtime;
use crate::error::{Error, Result};
use crate::kernel::departure::{Departure, leave_for};
use crate::kernel::namespace::{Identity, Namespace, Root, inode_of_process, own_inode};

/// How many descriptors are open at once on the way, and a few more.
const DESCRIPTORS: usize = 16;

/// How many ancestors of the calling process are looked at.
const ANCESTORS: usize = 64;

/// Takes the calling thread back to the namespace that its session came from. Nothing where it is in no
/// namespace of ours, or where something else confines it as well: a chroot, a container, a sandbox.
///
/// The namespace is looked for where the first process and the ancestors of this one are; what it must be is
/// read in the ledger there, which no user can reach or cover, and a namespace of another user namespace is
/// never entered.
///
/// # Errors
///
/// The kernel does not say where the thread is, or the process may not open enough files to look for the way.
pub fn return_to_origin() -> Result<Option<Departure>> {
    // Without /proc there is no way to find out.
    let Ok(own_inode) = own_inode() else {
        return Ok(None);
    };
    if inode_of_process(1) == Ok(own_inode) {
        return Ok(None);
    }
    let (own, root) = (Namespace::own()?, Root::own()?);
    check_descriptors(&own)?;
    let mut tried = vec![own_inode];
    for pid in std::iter::once(1).chain(Ancestors::of_own()) {
        let Some(candidate) = Namespace::of_process(pid) else {
            continue;
        };
        let inode = candidate.identity().inode;
        if tried.contains(&inode) || !candidate.is_of_own_user_namespace() {
            continue;
        }
        tried.push(inode);
        let Ok(departure) = leave_for(&candidate) else {
            continue;
        };
        if is_ours(&own, root, candidate.identity()).unwrap_or(false) {
            return Ok(Some(departure));
        }
    }
    Ok(None)
}

/// A user who leaves su(1) few descriptors must not decide by that where its session begins.
fn check_descriptors(own: &Namespace) -> Result<()> {
    let spare = (0..DESCRIPTORS).map(|_| rustix::io::fcntl_dupfd_cloexec(own, 0));
    let enough = spare.collect::<std::result::Result<Vec<_>, _>>();
    let failed = |errno| Error::from_errno("look for", "the namespace of before", errno);
    enough.map(drop).map_err(failed)
}

/// Whether the ledger of the present namespace, `origin`, says that `inner` was made from it, by a session
/// that saw the whole of it, and that the session's root directory there is `root`.
fn is_ours(inner: &Namespace, root: Root, origin: Identity) -> Result<bool> {
    let Some(runtime) = Runtime::find()? else {
        return Ok(false);
    };
    let identity = inner.identity();
    let Some(record) = NamespaceRecord::read(&runtime, identity.inode)? else {
        return Ok(false);
    };
    let same = record.namespace == identity && record.origin == origin && record.root == root;
    if !same || record.origin_root != Root::own()? {
        return Ok(false);
    }
    let is_known = identity.id.is_some() || is_pinned(&runtime, &record)?;
    if !is_known {
        log::warn!(
            "cannot leave {identity}: before Linux 6.11 only a pinned namespace is known again; \
             the session keeps what is mounted there"
        );
    }
    Ok(is_known)
}

/// On kernels that reuse all numbers of namespaces, only one that is still bound is known to be the same.
fn is_pinned(runtime: &Runtime, record: &NamespaceRecord) -> Result<bool> {
    let Some(pins) = Pins::find(runtime)? else {
        return Ok(false);
    };
    Ok(pins.namespace_of(record)?.is_some())
}

/// The ancestors of the calling process, parent first.
struct Ancestors(u32);

impl Ancestors {
    fn of_own() -> impl Iterator<Item = u32> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self(u32::try_from(pid).unwrap_or(0)).take(ANCESTORS)
    }
}

impl Iterator for Ancestors {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0 = process::parent_of(self.0).filter(|parent| *parent > 1)?;
        Some(self.0)
    }
}
