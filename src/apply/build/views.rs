//! The mount of one step, detached: what the user's word becomes in the kernel's few.

use super::keep::Root;
use super::{Build, BuiltView, Kept};
use crate::apply::attributes::{like_covered, like_covered_and_source};
use crate::error::{Error, Result};
use crate::kernel::fs::directory::{Form, open_directory};
use crate::kernel::fs::label;
use crate::kernel::fs::walk::{Place, Trust};
use crate::kernel::mount::attribute;
use crate::kernel::mount::overlay::{Layer, Options};
use crate::kernel::mount::{self, AttributeChange, Memory, Travel};
use crate::plan::{Instance, Shape, Step, View};
use crate::policy::value::{Names, Size};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::Stat;
use rustix::io::Errno;
use std::rc::Rc;

/// A mount, and what stays visible of what it covers.
type Covering = (Rc<OwnedFd>, Vec<Kept>);

impl<'p> Build<'p> {
    pub(super) fn build(
        &mut self,
        step: &'p Step,
        place: &Place,
        source: Option<Place>,
    ) -> Result<BuiltView<'p>> {
        let covered = match self.is_of_root(step) {
            true => 0,
            false => mount::attributes_of(place, step.path.as_str())?,
        };
        let (mount, kept) = match (&step.view, source) {
            (View::Instance { shape, keep, .. }, _) => self.instance(
                step,
                place,
                self.possible(form_of(shape, &place.status)),
                keep,
                covered,
            )?,
            (View::Bind { recursive, .. }, Some(source)) => (
                self.bind(step, place, &source, *recursive, covered)?,
                vec![],
            ),
            (View::NameServers, Some(source)) => {
                (self.bind(step, place, &source, false, covered)?, vec![])
            }
            (View::Overlay { layer }, _) => (self.overlay(step, layer, place, covered)?, vec![]),
            (View::FileSystem(system), _) => (self.file_system(step, system)?, vec![]),
            (View::Devices, _) => self.devices(step)?,
            (View::Terminals, _) => (self.terminals(step)?, vec![]),
            (View::Memory { .. } | View::Nothing { .. }, _) if place.is_directory() => {
                self.memory(step, place, covered)?
            }
            (View::Memory { .. } | View::Nothing { .. }, _) => (self.hidden(step)?, vec![]),
            (View::Bind { .. } | View::NameServers, None) => {
                return Err(Error::new(
                    "bind",
                    &step.path,
                    "its source was not looked for",
                ));
            }
        };
        Ok(BuiltView {
            step,
            mount,
            target: self.target(place),
            kept,
        })
    }

    fn instance(
        &mut self,
        step: &'p Step,
        place: &Place,
        form: Form,
        keep: &[Names],
        covered: u64,
    ) -> Result<Covering> {
        let directory = Rc::new(self.open_instance(step, place, form)?);
        let mount = mount::clone_tree(&directory, false, step.path.as_str())?;
        let root = Root {
            directory: &directory,
            mount: &mount,
        };
        let kept = self.keep_entries(step, keep, place, root)?;
        prepare_instance(&mount, step, covered)?;
        Ok((Rc::new(mount), kept))
    }

    /// A file system in memory, writable until its mount points are made.
    fn memory(&mut self, step: &'p Step, place: &Place, covered: u64) -> Result<Covering> {
        let path = step.path.as_str();
        let attributes = like_covered(&step.attributes, covered).bits();
        let (memory, keep, read_only) = match &step.view {
            View::Nothing { keep } => (nothing_of(keep), keep, attribute::READ_ONLY),
            View::Memory {
                size,
                inodes,
                shape,
                keep,
            } => {
                let form = self.possible(form_of(shape, &place.status));
                (
                    memory_of(*size, *inodes, form),
                    keep,
                    attributes & attribute::READ_ONLY,
                )
            }
            View::Instance { .. }
            | View::Bind { .. }
            | View::Overlay { .. }
            | View::FileSystem(_)
            | View::Devices
            | View::Terminals
            | View::NameServers => {
                return Err(Error::new("cover", path, "it is not memory"));
            }
        };
        let mount = mount::memory(&memory, attributes & !attribute::READ_ONLY, path)?;
        let mount = Rc::new(mount);
        if let View::Memory { .. } = &step.view {
            self.label_memory(&mount, place, path)?;
        }
        let root = Root {
            directory: &mount,
            mount: &mount,
        };
        let kept = self.keep_entries(step, keep, place, root)?;
        if read_only != 0 {
            let change = AttributeChange::default().set(read_only);
            mount::prepare(&mount, false, change, Travel::Neither, path)?;
        }
        Ok((mount, kept))
    }

    fn bind(
        &mut self,
        step: &Step,
        place: &Place,
        source: &Place,
        recursive: bool,
        covered: u64,
    ) -> Result<Rc<OwnedFd>> {
        let path = step.path.as_str();
        if place.is_directory() != source.is_directory() {
            let reason = "source and path must be both directories or both files";
            return Err(Error::new("bind", path, reason));
        }
        let mount = mount::clone_tree(source, recursive, &source.path)?;
        let change = like_covered_and_source(&step.attributes, covered);
        let travel = crate::apply::travel(step.propagation.unwrap_or(self.plan.propagation));
        mount::prepare(&mount, recursive, change, travel, path)?;
        let named = step.view.source().map(|source| source.as_str());
        self.note_source(named.unwrap_or(&source.path), source);
        Ok(Rc::new(mount))
    }

    fn overlay(
        &mut self,
        step: &'p Step,
        layer: &'p Instance,
        place: &Place,
        covered: u64,
    ) -> Result<Rc<OwnedFd>> {
        let (path, directory) = (step.path.as_str(), layer.directory.as_str());
        self.note_shown(place);
        let lower =
            open_directory(place, ".").map_err(|errno| Error::from_errno("open", path, errno))?;
        let (opened, is_new) = self.open_layer(layer, place)?;
        let form = self.possible(form_of(&Shape::default(), &place.status));
        let layer = Layer::open(Rc::new(opened), form, directory)?;
        if is_new {
            self.label_like(layer.upper(), place, directory)?;
        }
        let options = Options {
            attributes: like_covered(&step.attributes, covered).bits(),
            is_new,
            without_rights: matches!(self.trust, Trust::Caller(_)),
            path,
        };
        match layer.mount(&lower, options) {
            // Before Linux 6.15, nothing detached can be below an overlay, as the new root directory is.
            Err(refused) if refused.is_invalid() => {
                let same = self.seen_by_caller(&place.status, path);
                let same = same.and_then(|same| open_directory(&same, ".").ok());
                layer.mount(&same.ok_or(refused)?, options)
            }
            mounted => mounted,
        }
        .map(Rc::new)
    }

    /// What covers a hidden file: an empty one that nobody may read.
    fn hidden(&mut self, step: &'p Step) -> Result<Rc<OwnedFd>> {
        let path = step.path.as_str();
        let file = match self.trust {
            Trust::Root | Trust::User(_) => self.hidden_file()?,
            // A caller without rights has no store. A device on a mount without devices cannot be opened.
            Trust::Caller(_) => mount::reopen("/dev/null")?,
        };
        let mount = mount::clone_tree(file, false, path)?;
        let change = AttributeChange::default().set(
            attribute::READ_ONLY | attribute::NO_SUID | attribute::NO_DEV | attribute::NO_EXEC,
        );
        mount::prepare(&mount, false, change, Travel::Neither, path)?;
        Ok(Rc::new(mount))
    }
}

impl Build<'_> {
    /// Gives what stands for `covered` the SELinux label of that. A caller without rights may label little, and
    /// what they make is labelled by the policy of the machine as all that they make.
    pub(super) fn label_like(&self, made: impl AsFd, covered: &Place, path: &str) -> Result<()> {
        match (label::copy(made, covered, path), self.trust) {
            (_, Trust::Caller(_)) => Ok(()),
            (labelled, _) => labelled,
        }
    }

    /// The same for the root of a file system in memory, which would have the label of such ones.
    fn label_memory(&self, mount: &OwnedFd, covered: &Place, path: &str) -> Result<()> {
        match open_directory(mount, ".") {
            Ok(root) => self.label_like(root, covered, path),
            // In a mode that keeps a caller without rights out.
            Err(Errno::ACCESS) => Ok(()),
            Err(errno) => Err(Error::from_errno("open", path, errno)),
        }
    }
}

/// In a container with a user namespace of its own, the attributes that the store's mount came with are
/// locked (mount_namespaces(7)). Then they stay, and only restrictions are added.
fn prepare_instance(mount: &OwnedFd, step: &Step, covered: u64) -> Result<()> {
    let prepare =
        |change| mount::prepare(mount, false, change, Travel::Neither, step.path.as_str());
    match prepare(like_covered(&step.attributes, covered)) {
        Err(locked) if locked.is_forbidden() => {
            prepare(like_covered_and_source(&step.attributes, covered))
        }
        done => done,
    }
}

pub(super) fn form_of(shape: &Shape, covered: &Stat) -> Form {
    Form {
        mode: shape
            .mode
            .map_or(covered.st_mode & 0o7777, |mode| mode.bits()),
        uid: shape.owner.unwrap_or(covered.st_uid),
        gid: shape.group.unwrap_or(covered.st_gid),
    }
}

fn memory_of(size: Size, inodes: Option<u64>, form: Form) -> Memory {
    let bytes = match size {
        Size::Bytes(bytes) => bytes,
        Size::Percent(percent) => {
            let hundredth = mount::machine_memory().checked_div(100).unwrap_or(0);
            hundredth.saturating_mul(u64::from(percent))
        }
    };
    let each_page = bytes.checked_div(4096).unwrap_or(0).max(2);
    Memory {
        bytes,
        inodes: inodes.unwrap_or(each_page),
        mode: form.mode,
        uid: form.uid,
        gid: form.gid,
    }
}

/// An empty directory for everybody to see into; its kept entries are mount points in it.
fn nothing_of(keep: &[Names]) -> Memory {
    let kept = keep.iter().map(Names::most).fold(2, usize::saturating_add);
    Memory {
        bytes: 4096,
        inodes: u64::try_from(kept).unwrap_or(u64::MAX),
        mode: 0o555,
        uid: 0,
        gid: 0,
    }
}
