//! Pins: files under `/run/jns/ns` to which namespaces are bound, so that they live and can be joined: a mount
//! namespace has the pin `KEY`, what goes with it `KEY.ipc`, `KEY.uts` and `KEY.net`. At `KEY.init` the first process
//! of the PID namespace that goes with it hears.
//!
//! The directory is a mount of its own to which nothing travels, and which new namespaces do without: were it
//! copied into the namespaces that are bound in it, each would keep all others alive. Joining looks nowhere else,
//! and never for "a process of that user": who prepares a namespace with a false `/etc/passwd` would own whoever
//! joins it.

use super::ledger::{NamespaceRecord, OtherNamespaceRecord};
use super::lock::Lock;
use super::pin_key::PinKey;
use super::runtime::Runtime;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::is_temporary;
use crate::kernel::mount::{self, AttributeChange, Extent, Preparation};
use crate::kernel::namespace::Namespace;
use crate::kernel::namespace::guard::PINS;
use crate::kernel::namespace::kind::{Kind, Namespaces, OtherNamespace};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;

/// The directory of pins in `/run/jns`: [`PINS`].
pub const DIRECTORY: &str = "ns";

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
        match crate::kernel::fs::walk::open_entry(runtime, DIRECTORY) {
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
        let mut directory = runtime.directory(DIRECTORY)?;
        if !mount::is_mount_root(&directory, PINS)? {
            directory = mount_on_itself(runtime)?;
        }
        // Each time: `mount --make-rshared /`, which container engines ask for, reaches it too.
        let change = AttributeChange::default();
        mount::prepare(&directory, Preparation::of_private_mount(change), PINS)?;
        Ok(Self(directory))
    }

    /// The namespace that is bound to the pin `key`; nothing where none is.
    ///
    /// # Errors
    ///
    /// What is bound there is not a mount namespace of this user namespace, or cannot be opened.
    pub fn namespace(&self, key: &PinKey) -> Result<Option<Namespace>> {
        let name = key.to_string();
        let Some(file) = self.open_pin(&name)? else {
            return Ok(None);
        };
        let Some(namespace) = Namespace::from_file(file) else {
            return Ok(None);
        };
        if namespace.is_of_own_user_namespace() {
            return Ok(Some(namespace));
        }
        Err(foreign(&name))
    }

    /// The namespaces of a record, if they are what is bound to its pins; nothing where it has none.
    ///
    /// # Errors
    ///
    /// As [`Pins::namespace`].
    pub fn namespaces_of(&self, record: &NamespaceRecord) -> Result<Option<Namespaces>> {
        match self.namespace_of(record)? {
            Some(mount) => self.namespaces_with(mount, record),
            None => Ok(None),
        }
    }

    /// The namespaces of a record whose mount namespace is `mount`, with those that are bound to its other pins; nothing
    /// where one of those is another one.
    ///
    /// # Errors
    ///
    /// As [`Pins::namespace`].
    pub fn namespaces_with(
        &self,
        mount: Namespace,
        record: &NamespaceRecord,
    ) -> Result<Option<Namespaces>> {
        let Some(key) = &record.pin else {
            return Ok(None);
        };
        let others: Option<Vec<OtherNamespace>> = record
            .companions
            .iter()
            .map(|other| self.open_other(key, other))
            .collect::<Result<_>>()?;
        Ok(others.map(|others| Namespaces { mount, others }))
    }

    fn open_other(
        &self,
        key: &PinKey,
        record: &OtherNamespaceRecord,
    ) -> Result<Option<OtherNamespace>> {
        let name = key.other(record.kind);
        let Some(file) = self.open_pin(&name)? else {
            return Ok(None);
        };
        let found = OtherNamespace::from_file(record.kind, file);
        let Some(other) = found.filter(|found| found.inode() == record.inode) else {
            return Ok(None);
        };
        if other.is_of_own_user_namespace() {
            return Ok(Some(other));
        }
        Err(foreign(&name))
    }

    fn open_pin(&self, name: &str) -> Result<Option<OwnedFd>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => Ok(None),
            other => other.map(Some).map_err(|errno| failed("open", name, errno)),
        }
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

    /// Binds a namespace to the pin `key`, and before it what goes with it to pins of its own: what has the
    /// name `key` is complete.
    ///
    /// # Errors
    ///
    /// The kernel refuses it: from inside a namespace it binds only namespaces that are younger
    /// ([`Error::is_loop`]; outside the initial one, Linux 6.18 may take a younger one for an older). Nothing
    /// is bound then.
    pub fn bind(&self, key: &PinKey, namespaces: &Namespaces) -> Result<()> {
        let mut others = namespaces.others.iter();
        let bound = others
            .try_for_each(|other| self.bind_file(&key.other(other.kind()), other))
            .and_then(|()| self.bind_file(&key.to_string(), &namespaces.mount));
        bound.inspect_err(|_| {
            let _ = self.remove(key);
        })
    }

    fn bind_file(&self, name: &str, namespace: impl AsFd) -> Result<()> {
        let path = format!("{PINS}/{name}");
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&self.0, name, flags | OFlags::CREATE, Mode::empty());
        let file = made.map_err(|errno| failed("create", name, errno))?;
        let pin = mount::clone_tree(namespace, Extent::Mount, &path)?;
        mount::attach(&pin, &file, &path)
    }

    /// Takes the pin `key` away, and then those that go with it; what is bound to them lives on if a process
    /// is in it.
    ///
    /// # Errors
    ///
    /// One cannot be unmounted or removed.
    pub fn remove(&self, key: &PinKey) -> Result<()> {
        self.remove_file(&key.to_string())?;
        self.remove_others(key)
    }

    /// Takes away what was left of a pin that is gone.
    ///
    /// # Errors
    ///
    /// As [`Pins::remove`].
    pub fn remove_others(&self, key: &PinKey) -> Result<()> {
        let mut kinds = Kind::ALL.into_iter();
        kinds.try_for_each(|kind| self.remove_file(&key.other(kind)))?;
        self.remove_file(&key.init())
    }

    fn remove_file(&self, name: &str) -> Result<()> {
        let unlink = || rustix::fs::unlinkat(&self.0, name, AtFlags::empty());
        // Most of them do not exist, and a file on which something is mounted here is busy (unlink(2)).
        let removed = match unlink() {
            Err(Errno::BUSY) => {
                mount::detach(&format!("{PINS}/{name}"))?;
                unlink()
            }
            removed => removed,
        };
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed("remove", name, errno)),
        }
    }

    /// Lists what is in their directory, read once.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn list(runtime: &Runtime) -> Result<Listing> {
        let mut listing = Listing::default();
        for name in runtime.list(DIRECTORY)? {
            if let Some(key) = PinKey::parse(&name) {
                listing.pins.push(key);
            } else if let Some(key) = PinKey::of_other(&name) {
                listing.broken.insert(key);
            } else if !is_temporary(&name) {
                listing.foreign.push(name);
            }
        }
        for key in &listing.pins {
            listing.broken.remove(key);
        }
        Ok(listing)
    }
}

/// The contents of the directory of pins, without temporary names.
#[derive(Debug, Default)]
pub struct Listing {
    /// The pins of mount namespaces, in the byte order of their names.
    pub pins: Vec<PinKey>,
    /// The pins that are gone although something that goes with them is still there: a process was killed while it made
    /// or removed them.
    pub broken: BTreeSet<PinKey>,
    /// Names that the module gives to nothing, in byte order.
    pub foreign: Vec<String>,
}

/// Once between two starts of the machine, and so under a lock: two mounts would hide each other's pins.
fn mount_on_itself(runtime: &Runtime) -> Result<OwnedFd> {
    let _lock = Lock::of_pins(runtime)?;
    let directory = runtime.directory(DIRECTORY)?;
    if mount::is_mount_root(&directory, PINS)? {
        return Ok(directory);
    }
    let copy = mount::clone_tree(&directory, Extent::Mount, PINS)?;
    mount::attach(&copy, &directory, PINS)?;
    runtime.directory(DIRECTORY)
}

fn foreign(key: &str) -> Error {
    let reason = "it is the namespace of another user namespace";
    failed("join", key, Errno::PERM).because(reason)
}

fn failed(verb: &'static str, key: &str, errno: Errno) -> Error {
    Error::from_errno(verb, format_args!("{PINS}/{key}"), errno)
}
