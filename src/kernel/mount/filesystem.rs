//! File systems that are made for a session: detached, and with the kernel's own words where it refuses.

use crate::error::{Error, Result};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

/// The source of every file system of the module's in mount tables.
pub const SOURCE: &str = "jns";

/// A file system that is being made.
#[derive(Debug)]
pub(in crate::kernel) struct Recipe<'a> {
    context: OwnedFd,
    verb: &'static str,
    path: &'a str,
}

impl<'a> Recipe<'a> {
    /// Begins one of the type `kind`; `verb` and `path` are of the messages.
    pub(in crate::kernel) fn new(kind: &str, verb: &'static str, path: &'a str) -> Result<Self> {
        #[allow(clippy::disallowed_methods, reason = "this is the room that mounts")]
        let opened = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC);
        let context = opened.map_err(|errno| match errno {
            Errno::NODEV => {
                let reason = format!("this kernel has no {kind} file system");
                Error::from_errno(verb, path, errno).because(reason)
            }
            errno => Error::from_errno(verb, path, errno),
        })?;
        Ok(Self {
            context,
            verb,
            path,
        })
    }

    /// Sets an option that has a value.
    pub(in crate::kernel) fn set(&self, key: &str, value: &str) -> Result<()> {
        rustix::mount::fsconfig_set_string(&self.context, key, value)
            .map_err(|errno| self.refused(errno))
    }

    /// Sets an option that has none.
    pub(in crate::kernel) fn set_flag(&self, key: &str) -> Result<()> {
        rustix::mount::fsconfig_set_flag(&self.context, key).map_err(|errno| self.refused(errno))
    }

    /// Sets an option to an open file.
    pub(in crate::kernel) fn set_file(&self, key: &str, file: &OwnedFd) -> Result<()> {
        rustix::mount::fsconfig_set_fd(&self.context, key, file)
            .map_err(|errno| self.refused(errno))
    }

    /// Makes it, and a mount of it with the attributes `MOUNT_ATTR_*`, detached.
    pub(in crate::kernel) fn mount(self, attributes: u64) -> Result<OwnedFd> {
        rustix::mount::fsconfig_create(&self.context).map_err(|errno| self.refused(errno))?;
        let bits = u32::try_from(attributes).unwrap_or(0);
        let flags = MountAttrFlags::from_bits_retain(bits);
        rustix::mount::fsmount(&self.context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
            .map_err(|errno| Error::from_errno(self.verb, self.path, errno))
    }

    fn refused(&self, errno: Errno) -> Error {
        let error = Error::from_errno(self.verb, self.path, errno);
        match kernel_message(&self.context) {
            Some(message) => error.because(message),
            None => error,
        }
    }
}

/// Reads what the kernel says about a failed step; such a text begins with its level, "e " or "w ".
fn kernel_message(context: &OwnedFd) -> Option<String> {
    let mut buffer = [0_u8; 512];
    let count = rustix::io::read(context, &mut buffer).ok()?;
    let text = std::str::from_utf8(buffer.get(..count)?).ok()?;
    Some(
        text.strip_prefix("e ")
            .or_else(|| text.strip_prefix("w "))
            .unwrap_or(text)
            .trim_end()
            .to_owned(),
    )
}

/// A file system, as an fstab(5) entry describes it.
#[derive(Debug, Clone, Copy)]
pub struct FileSystem<'f> {
    /// Its type.
    pub kind: &'f str,
    /// The source that is mounted: a device's path, or a word.
    pub source: &'f str,
    /// Its options: a word, or a name and a value.
    pub options: &'f [(String, Option<String>)],
    /// Whether it is read-only itself, besides the mount.
    pub read_only: bool,
}

impl FileSystem<'_> {
    /// A mount of it with the attributes `MOUNT_ATTR_*`, detached, for `path`.
    ///
    /// # Errors
    ///
    /// The kernel refused it, in its own words where it gives any.
    pub fn mount(&self, attributes: u64, path: &str) -> Result<OwnedFd> {
        let recipe = Recipe::new(self.kind, "mount on", path)?;
        recipe.set("source", self.source)?;
        for (key, value) in self.options {
            match value {
                Some(value) => recipe.set(key, value)?,
                None => recipe.set_flag(key)?,
            }
        }
        if self.read_only {
            recipe.set_flag("ro")?;
        }
        recipe.mount(attributes)
    }
}

/// A detached /proc of the calling process's PID namespace.
///
/// # Errors
///
/// The kernel refused it, in its own words where it gives any: in a user namespace, where parts of the /proc that
/// it came with are covered.
pub fn proc(attributes: u64, path: &str) -> Result<OwnedFd> {
    proc_recipe(path)?.mount(attributes)
}

/// A detached /proc of the calling process's PID namespace, in which users see their own processes alone
/// (`hidepid=invisible` of proc(5), of one mount alone since Linux 5.8).
///
/// # Errors
///
/// As [`proc`].
pub(crate) fn hiding_proc(attributes: u64, path: &str) -> Result<OwnedFd> {
    let recipe = proc_recipe(path)?;
    recipe.set("hidepid", "invisible")?;
    recipe.mount(attributes)
}

fn proc_recipe(path: &str) -> Result<Recipe<'_>> {
    let recipe = Recipe::new("proc", "make a process file system for", path)?;
    recipe.set("source", SOURCE)?;
    Ok(recipe)
}

/// A detached file system of the message queues of the calling thread's IPC namespace (mq_overview(7)).
///
/// # Errors
///
/// The kernel refused it, in its own words where it gives any.
pub(crate) fn message_queues(attributes: u64, path: &str) -> Result<OwnedFd> {
    let recipe = Recipe::new("mqueue", "make a file system of message queues for", path)?;
    recipe.set("source", SOURCE)?;
    recipe.mount(attributes)
}

/// Whether an open directory or file is on a file system of message queues.
///
/// # Errors
///
/// fstatfs(2) failed.
pub(crate) fn is_of_message_queues(file: impl AsFd, path: &str) -> Result<bool> {
    const MQUEUE_MAGIC: u64 = 0x1980_0202;
    let status =
        rustix::fs::fstatfs(file).map_err(|errno| Error::from_errno("examine", path, errno))?;
    Ok(u64::try_from(status.f_type) == Ok(MQUEUE_MAGIC))
}
