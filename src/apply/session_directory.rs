//! Directories that end with their session.

use crate::error::Result;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::removal;
use crate::kernel::fs::walk::{Place, Trust, Walker};
use crate::kernel::mount::{self, Travel};
use crate::kernel::namespace::guard::leave_for_new;
use crate::path::AbsPath;

/// A directory that lives as long as its session, and how to know it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDirectory {
    /// Its path.
    pub path: AbsPath,
    /// The path at which the session sees it, without links.
    pub view: String,
    /// The device and inode it had when it was made.
    pub identity: FileIdentity,
    /// Whether the directory that holds it was made for the same session.
    pub enclosed: bool,
}

/// Removes a directory that ended with its session: the very one that was made, by descriptor.
///
/// `trust` is the user that the session was opened for.
///
/// # Errors
///
/// It is another one by now, or not all of it can be removed; the rest stays in the store.
pub fn remove_session_directory(directory: &SessionDirectory, trust: Trust) -> Result<()> {
    let path = directory.path.as_str();
    let (parent, name) = Walker::new(trust)?.open_parent(path, &[])?;
    match removal::remove_tree(&parent, name, directory.identity, path) {
        Err(busy) if busy.is_busy() => remove_unseen(directory, &parent, name)?,
        other => other?,
    }
    match path.rsplit_once('/') {
        Some((enclosing, _)) if directory.enclosed => remove_if_empty(enclosing, trust),
        _ => Ok(()),
    }
}

/// Something is mounted in the directory as this namespace sees it, by the user's sshfs for example. The
/// same is done in a short-lived namespace that does not see it.
fn remove_unseen(directory: &SessionDirectory, parent: &Place, name: &str) -> Result<()> {
    let _guard = leave_for_new(None, Travel::Neither, &[])?;
    mount::detach(&directory.view)?;
    removal::remove_tree(parent, name, directory.identity, directory.path.as_str())
}

/// The session's directory in the store goes with the last of its instances.
fn remove_if_empty(path: &str, trust: Trust) -> Result<()> {
    let (parent, name) = Walker::new(trust)?.open_parent(path, &[])?;
    removal::remove_if_empty(&parent, name, path)
}
