//! Pins: files under `/run/jns/ns` to which namespaces are bound, so that they live and can be joined.
//!
//! The directory is a mount of its own to which nothing travels: were it copied into the namespaces that
//! are bound in it, each would keep all others alive. Joining looks nowhere else, and never for "a process
//! of that user": who prepares a namespace with a false `/etc/passwd` would own whoever joins it.

use super::ledger::NamespaceRecord;
use super::lock::Lock;
use super::runtime::{PATH, Runtime};
use crate::error::{Error, Result};
use crate::kernel::mount::{self, AttributeChange, Travel};
use crate::kernel::namespace::Namespace;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// The directory of pins in `/run/jns`.
pub const DIRECTORY: &str = "ns";

/// How many hexadecimal digits of a digest are in the name of a pin.
const DIGITS: usize = 32;

/// The name of a pin: of the user `uid`, and of what makes a namespace another one, as a digest.
#[must_use]
pub fn key(uid: u32, digest: &str) -> String {
    format!("{uid}-{digest:.DIGITS$}")
}

/// The user of a pin, `1000-` and 32 hexadecimal digits; nothing for any other name.
#[must_use]
pub fn uid_of(key: &str) -> Option<u32> {
    let (uid, digest) = key.split_once('-')?;
    let is_digest = digest.len() == DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    id(uid).filter(|_| is_digest)
}

/// A user's or group's id as it stands in names: decimal, without leading zeros.
#[must_use]
pub fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id: &u32| id.to_string() == text)
}

/// The opened directory of pins.
#[derive(Debug)]
pub struct Pins(OwnedFd);

impl Pins {
    /// Opens the directory as it is; nothing where no namespace was pinned yet.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub fn find(runtime: &Runtime) -> Result<Option<Self>> {
        match crate::kernel::walk::open_entry(runtime, DIRECTORY) {
            Ok(directory) => Ok(Some(Self(directory))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed("open", "", errno)),
        }
    }

    /// Opens the directory, made a mount of its own to which nothing travels.
    ///
    /// # Errors
    ///
    /// It cannot be made, or not be mounted.
    pub fn open(runtime: &Runtime) -> Result<Self> {
        let path = format!("{PATH}/{DIRECTORY}");
        let mut directory = runtime.directory(DIRECTORY)?;
        if !mount::is_mount_root(&directory, &path)? {
            directory = mount_on_itself(runtime, &path)?;
        }
        // Each time: `mount --make-rshared /`, which container engines ask for, reaches it too.
        let change = AttributeChange::default();
        mount::prepare(&directory, false, change, Travel::Neither, &path)?;
        Ok(Self(directory))
    }

    /// The namespace that is bound to the pin `key`; nothing where none is.
    ///
    /// # Errors
    ///
    /// What is bound there is not a mount namespace of this user namespace, or cannot be opened.
    pub fn namespace(&self, key: &str) -> Result<Option<Namespace>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.0, key, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(|errno| failed("open", key, errno))?,
        };
        let Some(namespace) = Namespace::from_file(file) else {
            return Ok(None);
        };
        if namespace.is_of_own_user_namespace() {
            return Ok(Some(namespace));
        }
        let reason = "it is the namespace of another user namespace";
        Err(failed("join", key, Errno::PERM).because(reason))
    }

    /// The namespace of a record, if that is what is bound to its pin; nothing where it has none.
    ///
    /// # Errors
    ///
    /// As [`Pins::namespace`].
    pub fn namespace_of(&self, record: &NamespaceRecord) -> Result<Option<Namespace>> {
        let Some(key) = &record.pin else {
            return Ok(None);
        };
        let bound = self.namespace(key)?;
        Ok(bound.filter(|bound| bound.identity() == record.namespace))
    }

    /// Binds a namespace to the pin `key`.
    ///
    /// # Errors
    ///
    /// The kernel refuses it: from inside a namespace it binds only namespaces that are younger
    /// ([`Error::is_loop`]; outside the initial one, Linux 6.18 may take a younger one for an older).
    pub fn bind(&self, key: &str, namespace: &Namespace) -> Result<()> {
        let path = format!("{PATH}/{DIRECTORY}/{key}");
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&self.0, key, flags | OFlags::CREATE, Mode::empty());
        let file = made.map_err(|errno| failed("create", key, errno))?;
        let pin = mount::clone_tree(namespace.as_fd(), false, &path);
        let bound = pin.and_then(|pin| mount::attach(&pin, &file, &path));
        bound.inspect_err(|_| {
            let _ = rustix::fs::unlinkat(&self.0, key, AtFlags::empty());
        })
    }

    /// Takes the pin `key` away; what is bound to it lives on if a process is in it.
    ///
    /// # Errors
    ///
    /// It cannot be unmounted or removed.
    pub fn remove(&self, key: &str) -> Result<()> {
        let path = format!("{PATH}/{DIRECTORY}/{key}");
        match mount::detach(&path) {
            Err(error) if !error.is_invalid() && !error.is_missing() => return Err(error),
            _ => {}
        }
        match rustix::fs::unlinkat(&self.0, key, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed("remove", key, errno)),
        }
    }

    /// The names of all pins, in byte order.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn list(runtime: &Runtime) -> Result<Vec<String>> {
        runtime.list(DIRECTORY)
    }
}

/// Once between two starts of the machine, and so under a lock: two mounts would hide each other's pins.
fn mount_on_itself(runtime: &Runtime, path: &str) -> Result<OwnedFd> {
    let _lock = Lock::of_pins(runtime)?;
    let directory = runtime.directory(DIRECTORY)?;
    if mount::is_mount_root(&directory, path)? {
        return Ok(directory);
    }
    let copy = mount::clone_tree(&directory, false, path)?;
    mount::attach(&copy, &directory, path)?;
    runtime.directory(DIRECTORY)
}

fn failed(verb: &'static str, key: &str, errno: Errno) -> Error {
    Error::from_errno(verb, format_args!("{PATH}/{DIRECTORY}/{key}"), errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_form() {
        let digest = "0123456789abcdef0123456789abcdef";
        for (key, uid) in [
            (format!("1000-{digest}"), Some(1000)),
            (format!("0-{digest}"), Some(0)),
            (format!("01-{digest}"), None),
            (format!("+1-{digest}"), None),
            (format!("4294967296-{digest}"), None),
            (format!("1000-{digest}0"), None),
            (format!("1000{digest}"), None),
            ("1000-../../../../etc/passwd".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(uid_of(&key), uid, "{key}");
        }
    }
}
