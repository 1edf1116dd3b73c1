//! The setting of an import: what decides about lines besides themselves.

use super::accounts::Accounts;
use super::module::Module;
use crate::cli::host::Tree;
use crate::cli::outcome::reason;
use crate::error::{Error, Result};

/// The facts that decide about lines besides themselves.
#[derive(Debug)]
pub struct Setting {
    /// The system whose configuration it is.
    pub tree: Tree,
    /// The arguments of the module.
    pub module: Module,
    /// Whether the system has SELinux, without which the methods `context` and `level` are `user`.
    pub selinux: bool,
    /// The accounts that lines name.
    pub accounts: Accounts,
}

impl Setting {
    /// Looks for SELinux on a system, whose module has those arguments.
    ///
    /// # Errors
    ///
    /// It cannot be found out whether the system has SELinux, or which accounts it has.
    pub fn of(tree: Tree, module: Module) -> Result<Self> {
        let found = tree
            .find(SELINUX)
            .map_err(|e| Error::new("examine", SELINUX, reason(&e)))?;
        Ok(Self {
            selinux: found.is_some(),
            accounts: Accounts::of(&tree)?,
            tree,
            module,
        })
    }
}

/// The file that is there where the kernel has SELinux.
const SELINUX: &str = "/sys/fs/selinux/enforce";
