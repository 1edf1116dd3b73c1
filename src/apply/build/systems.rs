//! File systems that are neither an instance nor plain memory: an fstab's, and those of every root.

use super::{Build, Kept};
use crate::apply::attributes::{like_covered, like_covered_and_source};
use crate::error::{Error, Result};
use crate::kernel::fs::device::{self, Multiplexer};
use crate::kernel::fs::walk::{Trust, file_type};
use crate::kernel::mount::attribute;
use crate::kernel::mount::filesystem;
use crate::kernel::mount::{self, AttributeChange, Memory, Travel};
use crate::plan::{FileSystem, Medium, Step};
use rustix::fd::OwnedFd;
use rustix::fs::FileType;
use std::rc::Rc;

/// A mount, and what is mounted in it.
type Filled = (Rc<OwnedFd>, Vec<Kept>);

/// Types of which there is one in each namespace of a kind: who may not mount it anew can show the caller's.
const OF_THE_KERNEL: &[&str] = &["proc", "sysfs", "mqueue"];

/// Options of overlayfs that name directories.
const LAYERS: &[&str] = &["lowerdir", "lowerdir+", "datadir+", "upperdir", "workdir"];

/// The socket that syslog(3) writes to.
const LOG: &str = "log";

/// What the empty directory for devices may hold.
const DEVICES: Memory = Memory {
    bytes: 64 * 1024,
    inodes: 64,
    mode: 0o755,
    uid: 0,
    gid: 0,
};

impl<'p> Build<'p> {
    pub(super) fn file_system(
        &mut self,
        step: &'p Step,
        system: &FileSystem,
    ) -> Result<Rc<OwnedFd>> {
        let path = step.path.as_str();
        let source = self.source(system)?;
        self.vet_layers(system)?;
        let wanted = filesystem::FileSystem {
            kind: &system.kind,
            source: &source,
            options: &system.options,
            read_only: matches!(system.medium, Medium::Device(_))
                && step.attributes.asks_for(attribute::READ_ONLY),
        };
        let attributes = like_covered(&step.attributes, 0).bits();
        let made = match wanted.mount(attributes, path) {
            // It is writable where it is mounted already; here the mount is read-only.
            Err(busy) if busy.is_busy() && wanted.read_only => filesystem::FileSystem {
                read_only: false,
                ..wanted
            }
            .mount(attributes, path)?,
            Err(refused) if refused.is_forbidden() => self.of_caller(step, system, refused)?,
            made => made?,
        };
        Ok(Rc::new(made))
    }

    /// What the kernel is to mount. Only root has a part in the way to a device, so that its path still leads
    /// there when the kernel looks it up.
    fn source(&mut self, system: &FileSystem) -> Result<String> {
        let device = match &system.medium {
            Medium::Named(name) => return Ok(name.clone()),
            Medium::Device(device) => device.as_str(),
        };
        let place = self.by_root().open(device, &[])?;
        if file_type(&place.status) != FileType::BlockDevice {
            return Err(Error::new("mount", device, "it is not a block device"));
        }
        self.note_source(device, &place);
        Ok(place.path)
    }

    /// The kernel looks these up by their paths, too.
    fn vet_layers(&mut self, system: &FileSystem) -> Result<()> {
        let layers = system
            .options
            .iter()
            .filter(|(key, _)| system.kind == "overlay" && LAYERS.contains(&key.as_str()));
        for (key, value) in layers {
            let value = value.as_deref().unwrap_or_default();
            let many = key == "lowerdir";
            let directories = value.split(|character| many && character == ':');
            for directory in directories.filter(|directory| !directory.is_empty()) {
                let layer = self.by_root().open(directory, &[])?;
                self.note_source(directory, &layer);
            }
        }
        Ok(())
    }

    fn by_root(&self) -> crate::kernel::fs::walk::Walker {
        self.walker.trusting(self.trust.of_root())
    }

    fn of_caller(&self, step: &Step, system: &FileSystem, refused: Error) -> Result<OwnedFd> {
        let path = step.path.as_str();
        let known = OF_THE_KERNEL.contains(&system.kind.as_str());
        if !known || !matches!(self.trust, Trust::Caller(_)) {
            return Err(refused);
        }
        let mount = mount::clone_tree(&self.walker.open(path, &[])?, true, path)?;
        let change = like_covered_and_source(&step.attributes, 0);
        mount::prepare(&mount, true, change, Travel::Neither, path)?;
        Ok(mount)
    }

    /// The devices of every program: the host's own, since who is in a user namespace cannot make any.
    pub(super) fn devices(&mut self, step: &'p Step) -> Result<Filled> {
        let path = step.path.as_str();
        let attributes = like_covered(&step.attributes, 0).bits();
        let mount = Rc::new(mount::memory(&DEVICES, attributes, path)?);
        self.multiplexer = Some(device::make_nodes(&mount, path)?);
        let mut shown = Vec::new();
        for name in device::NODES {
            shown.extend(self.device(&mount, name)?);
        }
        shown.extend(self.device(&mount, LOG)?);
        Ok((mount, shown))
    }

    /// A device of the host's, or the socket of its log; nothing where the host has none.
    fn device(&mut self, directory: &OwnedFd, name: &str) -> Result<Option<Kept>> {
        let path = format!("/dev/{name}");
        let place = match self.walker.open(&path, &[]) {
            Err(missing) if missing.is_missing() => {
                self.missing.push(path);
                return Ok(None);
            }
            found => found?,
        };
        self.note_source(&path, &place);
        let mount = mount::clone_tree(&place, false, &path)?;
        let change = AttributeChange::default().set(attribute::NO_SUID | attribute::NO_EXEC);
        mount::prepare(&mount, false, change, Travel::Neither, &path)?;
        Ok(Some(Kept {
            at: device::mount_point(directory, name, &path)?,
            mount: Rc::new(mount),
            path,
        }))
    }

    /// The host's terminals: a session begins on one of them, or gets one from its host process. Where users
    /// could open no more of them, for want of a device that does, they get an instance of their own.
    pub(super) fn terminals(&mut self, step: &'p Step) -> Result<Rc<OwnedFd>> {
        let path = step.path.as_str();
        if self.multiplexer == Some(Multiplexer::Link) && !self.is_open_to_all("/dev/pts/ptmx") {
            return self.own_terminals(step);
        }
        let own = match self.walker.open(path, &[]) {
            Err(missing) if missing.is_missing() => return self.own_terminals(step),
            found => found?,
        };
        let mount = mount::clone_tree(&own, false, path)?;
        let change = like_covered_and_source(&step.attributes, 0);
        mount::prepare(&mount, false, change, Travel::Neither, path)?;
        self.note_source(path, &own);
        Ok(Rc::new(mount))
    }

    fn is_open_to_all(&self, path: &str) -> bool {
        let found = self.walker.open(path, &[]);
        found.is_ok_and(|place| place.status.st_mode & 0o666 == 0o666)
    }

    fn own_terminals(&mut self, step: &'p Step) -> Result<Rc<OwnedFd>> {
        let option = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        let instance = FileSystem {
            kind: "devpts".to_owned(),
            medium: Medium::Named("devpts".to_owned()),
            options: vec![option("ptmxmode", "0666"), option("mode", "620")],
        };
        self.file_system(step, &instance)
    }
}
