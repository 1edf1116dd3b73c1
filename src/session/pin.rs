//! Pins: files under `/run/jns/ns` to which namespaces are bound in the vault, so that they live and can be joined: a
//! mount namespace has the pin `KEY`, what goes with it `KEY.ipc`, `KEY.uts` and `KEY.net`. At `KEY.init` the first
//! process of the PID namespace that goes with it hears.
//!
//! On the host, the file `KEY` holds the number of the namespace. It is made before the namespace is bound to it, and
//! its removal takes away what is bound: a file without a namespace is no pin, and there is no pin without a file.
//! Joining looks nowhere else, and never for "a process of that user": who prepares a namespace with a false
//! `/etc/passwd` would own whoever joins it.
//!
//! Versions before the vault bound namespaces to the same files in the host's table. They are found and removed there
//! until the machine is started again; none is made.

use super::ledger::{NamespaceRecord, OtherNamespaceRecord};
use super::pin_key::PinKey;
use super::runtime::Runtime;
pub use super::vault::DIRECTORY;
use super::vault::{self, Vault};
use crate::error::{Error, Result};
use crate::kernel::fs::directory::is_temporary;
use crate::kernel::mount::{self, Extent};
use crate::kernel::namespace::guard::{
    NamespaceGuard, PINS, leave_by_way_of, leave_for, leave_for_all,
};
use crate::kernel::namespace::kind::{Kind, Namespaces, OtherNamespace};
use crate::kernel::namespace::{Namespace, OwnUserNamespace};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;

/// The namespace of a pin, as far as it is known without the vault.
#[derive(Debug)]
pub(super) enum Bound {
    /// The pin is in the vault, of a namespace of this number.
    InVault(u64),
    /// The pin is in the host's table, where an earlier version has made it.
    OnHost(Namespace),
}

impl Bound {
    /// Finds what is bound to the pin `key`; nothing where there is no such pin.
    ///
    /// # Errors
    ///
    /// Its file cannot be read, or belongs to a namespace of another user namespace.
    pub(super) fn find(runtime: &Runtime, key: &PinKey) -> Result<Option<Self>> {
        let name = key.to_string();
        let Some(file) = open_pin(runtime, &format!("{DIRECTORY}/{name}"), &name)? else {
            return Ok(None);
        };
        let mut number = [0; 20];
        match rustix::io::read(&file, &mut number) {
            Ok(length) => Ok(number
                .get(..length)
                .and_then(parse_number)
                .map(Self::InVault)),
            // A namespace has nothing to be read.
            Err(Errno::INVAL) => match Namespace::from_file(file) {
                Some(found) if !found.is_of_own_user_namespace() => Err(foreign(&name)),
                found => Ok(found.map(Self::OnHost)),
            },
            Err(errno) => Err(failed("read", &name, errno)),
        }
    }

    /// The number of the namespace.
    pub(super) fn inode(&self) -> u64 {
        match self {
            Self::InVault(inode) => *inode,
            Self::OnHost(namespace) => namespace.identity().inode,
        }
    }

    /// Whether a record is of that namespace, as far as that is known.
    pub(super) fn is_of(&self, record: &NamespaceRecord) -> bool {
        match self {
            Self::InVault(inode) => record.namespace.inode == *inode,
            Self::OnHost(namespace) => record.namespace == namespace.identity(),
        }
    }

    /// Leaves the mount namespace `here` for the namespaces of the record, by their pins. Nothing where they are not what
    /// is bound to these.
    ///
    /// # Errors
    ///
    /// They cannot be entered, or are of another user namespace. The thread is then where it was.
    pub(super) fn leave_for(
        self,
        (runtime, here): (&Runtime, &Namespace),
        record: &NamespaceRecord,
    ) -> Result<Option<(Namespaces, NamespaceGuard)>> {
        // What is known by its number need not be compared with it. In the vault there is no /proc.
        let is_known = record.vault.is_some() && record.companions.is_empty();
        let own = match is_known {
            true => OwnUserNamespace::default(),
            false => OwnUserNamespace::find()?,
        };
        if let Self::OnHost(mount) = self {
            let on_host = Place {
                directory: runtime,
                prefix: HOST,
                own: &own,
            };
            let found = on_host.namespaces_with(mount, record)?;
            let entered = found.map(|found| leave_for_all(&found).map(|guard| (found, guard)));
            return entered.transpose();
        }
        let Some(vault) = Vault::find_known(runtime, record.vault, &own)? else {
            return Ok(None);
        };
        let kinds: Vec<Kind> = record.companions.iter().map(|other| other.kind).collect();
        leave_by_way_of(here, &vault, &kinds, || {
            // Its root directory is the working directory now (setns(2)).
            let inside = Place {
                directory: CWD,
                prefix: "",
                own: &own,
            };
            inside.namespaces_of(record)
        })
    }
}

/// Reads the number of the namespace that the pin `key` is or was made of; nothing where none is written.
///
/// # Errors
///
/// Its file cannot be read, or belongs to a namespace of another user namespace.
pub fn number(runtime: &Runtime, key: &PinKey) -> Result<Option<u64>> {
    Ok(Bound::find(runtime, key)?.map(|bound| bound.inode()))
}

fn parse_number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The place of the pins below `/run/jns`.
const HOST: &str = "ns/";

/// A directory through which pins are opened: the names of the pins begin with `prefix` there.
#[derive(Debug, Clone, Copy)]
struct Place<'p, D> {
    directory: D,
    prefix: &'static str,
    own: &'p OwnUserNamespace,
}

impl<D: AsFd + Copy> Place<'_, D> {
    /// The namespace that is bound to the pin `key`; nothing where none is.
    fn namespace(self, key: &PinKey) -> Result<Option<Namespace>> {
        let name = key.to_string();
        match self.open(&name)? {
            Some(file) => self.vetted(file, &name),
            None => Ok(None),
        }
    }

    /// The namespace that an open file stands for, if it belongs to the user namespace of the calling thread.
    fn vetted(self, file: OwnedFd, name: &str) -> Result<Option<Namespace>> {
        match Namespace::from_file(file) {
            Some(found) if !self.own.owns(&found)? => Err(foreign(name)),
            found => Ok(found),
        }
    }

    /// The namespace of a record, if that is what is bound to its pin.
    fn namespace_of(self, record: &NamespaceRecord) -> Result<Option<Namespace>> {
        let Some(key) = &record.pin else {
            return Ok(None);
        };
        let name = key.to_string();
        let Some(file) = self.open(&name)? else {
            return Ok(None);
        };
        // The module has made what it has written the record of, and nothing else has its number.
        let file = match Namespace::known(file, record.namespace) {
            Ok(known) => return Ok(Some(known)),
            Err(file) => file,
        };
        let bound = self.vetted(file, &name)?;
        Ok(bound.filter(|bound| bound.identity() == record.namespace))
    }

    fn namespaces_of(self, record: &NamespaceRecord) -> Result<Option<Namespaces>> {
        match self.namespace_of(record)? {
            Some(mount) => self.namespaces_with(mount, record),
            None => Ok(None),
        }
    }

    /// The namespaces of a record whose mount namespace is `mount`, with those that are bound to its other pins; nothing
    /// where one of those is another one.
    fn namespaces_with(
        self,
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
        self,
        key: &PinKey,
        record: &OtherNamespaceRecord,
    ) -> Result<Option<OtherNamespace>> {
        let name = key.other(record.kind);
        let Some(file) = self.open(&name)? else {
            return Ok(None);
        };
        let found = OtherNamespace::from_file(record.kind, file);
        match found.filter(|found| found.inode() == record.inode) {
            Some(found) if !self.own.owns(&found)? => Err(foreign(&name)),
            found => Ok(found),
        }
    }

    fn open(self, name: &str) -> Result<Option<OwnedFd>> {
        open_pin(self.directory, &format!("{}{name}", self.prefix), name)
    }
}

fn open_pin(directory: impl AsFd, path: &str, name: &str) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(directory, path, flags, Mode::empty()) {
        Err(Errno::NOENT) => Ok(None),
        opened => opened
            .map(Some)
            .map_err(|errno| failed("open", name, errno)),
    }
}

/// The pins, as they are opened from outside of the vault.
#[derive(Debug)]
pub struct Pins {
    runtime: Runtime,
    /// The root directory of the vault; nothing where there is none.
    vault: Option<OwnedFd>,
    own: OwnUserNamespace,
}

impl Pins {
    /// Opens the vault, if there is one. The thread is in it for a moment.
    ///
    /// # Errors
    ///
    /// There is something else in its place, or it cannot be entered.
    pub fn find(runtime: &Runtime) -> Result<Self> {
        let own = OwnUserNamespace::find()?;
        let vault = Vault::find(runtime, &own)?;
        Ok(Self {
            runtime: runtime.clone(),
            vault: vault.map(|vault| vault.root()).transpose()?,
            own,
        })
    }

    fn in_vault(&self) -> Option<Place<'_, &OwnedFd>> {
        let vault = self.vault.as_ref();
        vault.map(|directory| Place {
            directory,
            prefix: "",
            own: &self.own,
        })
    }

    fn on_host(&self) -> Place<'_, &Runtime> {
        Place {
            directory: &self.runtime,
            prefix: HOST,
            own: &self.own,
        }
    }

    /// The namespace that is bound to the pin `key`; nothing where none is.
    ///
    /// # Errors
    ///
    /// What is bound there is not of this user namespace, or cannot be opened.
    pub fn namespace(&self, key: &PinKey) -> Result<Option<Namespace>> {
        let in_vault = self.in_vault().map(|place| place.namespace(key));
        match in_vault.transpose()?.flatten() {
            Some(found) => Ok(Some(found)),
            None => self.on_host().namespace(key),
        }
    }

    /// The namespace of a record, if that is what is bound to its pin; nothing where it has none.
    ///
    /// # Errors
    ///
    /// As [`Pins::namespace`].
    pub fn namespace_of(&self, record: &NamespaceRecord) -> Result<Option<Namespace>> {
        let in_vault = self.in_vault().map(|place| place.namespace_of(record));
        match in_vault.transpose()?.flatten() {
            Some(found) => Ok(Some(found)),
            None => self.on_host().namespace_of(record),
        }
    }

    /// The namespaces of a record, if they are what is bound to its pins; nothing where it has none.
    ///
    /// # Errors
    ///
    /// As [`Pins::namespace`].
    pub fn namespaces_of(&self, record: &NamespaceRecord) -> Result<Option<Namespaces>> {
        let in_vault = self.in_vault().map(|place| place.namespaces_of(record));
        match in_vault.transpose()?.flatten() {
            Some(found) => Ok(Some(found)),
            None => self.on_host().namespaces_of(record),
        }
    }
}

/// Pins namespaces: writes the file of the pin `key`, goes on to the vault, which is older than they are, and binds them
/// there. The thread has come to the namespace that holds the vault by the way of `there`, which leads it back.
///
/// # Errors
///
/// The kernel refuses it: from inside a namespace it binds only namespaces that are younger ([`Error::is_loop`]). Nothing
/// is bound then.
pub(super) fn bind_by_way_of(
    there: &NamespaceGuard,
    (runtime, vault): (&Runtime, &Vault),
    key: &PinKey,
    namespaces: &Namespaces,
) -> Result<()> {
    let number = namespaces.mount.identity().inode.to_string();
    let written = runtime.write(DIRECTORY, &key.to_string(), number.as_bytes());
    let bound = written
        .and_then(|()| there.go_on_to(vault))
        .and_then(|()| bind_here(key, namespaces));
    bound.inspect_err(|_| {
        let _ = remove(runtime, key);
    })
}

/// Pins namespaces, as a login does.
///
/// # Errors
///
/// The vault cannot be entered, or the kernel refuses it, as where they are older than the vault ([`Error::is_loop`]).
pub fn bind(runtime: &Runtime, vault: &Vault, key: &PinKey, namespaces: &Namespaces) -> Result<()> {
    let guard = leave_for(&Namespace::own()?)?;
    bind_by_way_of(&guard, (runtime, vault), key, namespaces)
}

/// Binds namespaces to their pins, in the vault, where the thread is; that of the mount namespace last: what has the
/// name `key` is complete.
fn bind_here(key: &PinKey, namespaces: &Namespaces) -> Result<()> {
    let mut others = namespaces.others.iter();
    let bound = others
        .try_for_each(|other| bind_file(&key.other(other.kind()), other))
        .and_then(|()| bind_file(&key.to_string(), &namespaces.mount));
    bound.inspect_err(|_| {
        // From inside alone they keep their files from being removed.
        let others = namespaces.others.iter();
        others.for_each(|other| drop(mount::detach(&format!("/{}", key.other(other.kind())))));
    })
}

fn bind_file(name: &str, namespace: impl AsFd) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(CWD, name, flags | OFlags::CREATE, Mode::RUSR);
    let file = made.map_err(|errno| failed("create", name, errno))?;
    let path = format!("{PINS}/{name}");
    let pin = mount::clone_tree(namespace, Extent::Mount, &path)?;
    mount::attach(&pin, &file, &path)
}

/// Takes the pin `key` away, and then those that go with it; what is bound to them lives on if a process is in it.
///
/// # Errors
///
/// One cannot be unmounted or removed.
pub fn remove(runtime: &Runtime, key: &PinKey) -> Result<()> {
    remove_alone(runtime, key)?;
    remove_others(runtime, key)
}

/// Takes the pin `key` away, with which nothing goes.
///
/// # Errors
///
/// As [`remove`].
pub(super) fn remove_alone(runtime: &Runtime, key: &PinKey) -> Result<()> {
    remove_file(runtime, &key.to_string())
}

/// Takes away what was left of a pin that is gone.
///
/// # Errors
///
/// As [`remove`].
pub fn remove_others(runtime: &Runtime, key: &PinKey) -> Result<()> {
    let mut kinds = Kind::ALL.into_iter();
    kinds.try_for_each(|kind| remove_file(runtime, &key.other(kind)))?;
    remove_file(runtime, &key.init())
}

fn remove_file(runtime: &Runtime, name: &str) -> Result<()> {
    let unlink = || rustix::fs::unlinkat(runtime, format!("{HOST}{name}"), AtFlags::empty());
    // Most of them do not exist, and a file on which something is mounted in the host's table is busy (unlink(2)).
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

/// Lists what is in the directory of pins, read once.
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
        } else if !is_temporary(&name) && name != vault::FILE {
            listing.foreign.push(name);
        }
    }
    for key in &listing.pins {
        listing.broken.remove(key);
    }
    Ok(listing)
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

fn foreign(key: &str) -> Error {
    let reason = "it is the namespace of another user namespace";
    failed("join", key, Errno::PERM).because(reason)
}

fn failed(verb: &'static str, key: &str, errno: Errno) -> Error {
    Error::from_errno(verb, format_args!("{PINS}/{key}"), errno)
}
