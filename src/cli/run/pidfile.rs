//! `--pidfile`: whole or not there, and gone with the command.

use super::error::RunError;
use super::text::{absolute, usage_error};
use crate::error::{Error, Result};
use crate::kernel::fs::directory::temporary_name;
use crate::kernel::fs::file::write_public;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::walk::{Place, Trust, Walker};
use rustix::fs::AtFlags;

/// The place where the file will be. Its directory is held open, whatever is mounted over it inside.
#[derive(Debug)]
pub struct Reserved {
    directory: Place,
    name: String,
    path: String,
}

/// The written file. Dropped, it is removed, unless another one has its name by then.
#[derive(Debug)]
pub struct Pidfile {
    at: Reserved,
    identity: FileIdentity,
}

impl Reserved {
    /// Opens the directory of the file.
    ///
    /// # Errors
    ///
    /// It cannot be the path of a file, its directory does not exist or could be replaced by somebody who is not
    /// trusted, or nothing can be written there.
    pub fn at(file: &str, trust: Trust) -> Result<Self, RunError> {
        let wrong = |reason: String| usage_error("--pidfile", file, reason);
        let path = absolute(file).map_err(wrong)?;
        let asked = |error: Error| error.of("--pidfile");
        let opened = Walker::new(trust)?.open_parent(&path, &[]);
        let (directory, name) = opened.map_err(asked)?;
        let name = name.to_owned();
        let reserved = Self {
            directory,
            name,
            path,
        };
        reserved.try_out().map_err(asked)?;
        Ok(reserved)
    }

    /// Finds out before the command runs that nothing can be written there.
    fn try_out(&self) -> Result<()> {
        let failed = |errno| Error::from_errno("write", &self.path, errno);
        let name = temporary_name().map_err(failed)?;
        write_public(&self.directory, &name, b"", &self.path)?;
        rustix::fs::unlinkat(&self.directory, &name, AtFlags::empty()).map_err(failed)
    }

    /// Writes the number of a process, in place of whatever has the file's name.
    ///
    /// # Errors
    ///
    /// It cannot be written; what was there is there as before.
    pub fn write(self, pid: i32) -> Result<Pidfile> {
        let text = format!("{pid}\n");
        write_public(&self.directory, &self.name, text.as_bytes(), &self.path)?;
        let identity = self.identity()?;
        Ok(Pidfile { at: self, identity })
    }

    fn identity(&self) -> Result<FileIdentity> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let status = rustix::fs::statat(&self.directory, &self.name, flags);
        status
            .map(|status| FileIdentity::of(&status))
            .map_err(|errno| Error::from_errno("examine", &self.path, errno))
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        if self.at.identity() == Ok(self.identity) {
            let _ = rustix::fs::unlinkat(&self.at.directory, &self.at.name, AtFlags::empty());
        }
    }
}
