//! The needs of a directory that is to be a system's root: what every program expects there, and its fstab.

use super::fstab::Fstab;
use super::{FileSystem, Medium, NewRoot, Plan, Shape, Step, View};
use crate::error::Location;
use crate::path::AbsPath;
use crate::policy::value::{Attributes, Mode, Size, attribute};

impl Plan {
    /// The path of its root's fstab, if it has one.
    #[must_use]
    pub fn fstab(&self) -> Option<&str> {
        let root = self.root.as_ref();
        root.and_then(|root| root.fstab.as_ref())
            .map(AbsPath::as_str)
    }

    /// Adds the mounts of its root's fstab, in their order; they take the place of what every root gets at
    /// the same paths.
    pub(crate) fn add_fstab_steps(&mut self, fstab: Fstab) {
        if let Some(root) = &mut self.root {
            root.steps.retain(|step| !is_covered(step, &fstab.steps));
            root.steps.extend(fstab.steps);
            root.has_fstab_steps = true;
        }
    }
}

impl NewRoot {
    /// Every step, in the order in which they are taken, with those of rules.
    pub(crate) fn steps_with<'p>(&'p self, rules: &'p [Step]) -> impl Iterator<Item = &'p Step> {
        self.steps.iter().chain(rules)
    }
}

/// The steps that every root gets, unless one of `others` covers their path.
pub(super) fn base(location: &Location, others: &[Step]) -> Vec<Step> {
    let all = [
        step("/dev", View::Devices, location),
        optional(of_kind("/dev/mqueue", "mqueue", location)),
        step("/dev/pts", View::Terminals, location),
        with_programs(step("/dev/shm", memory(Mode::STICKY), location)),
        of_kind("/proc", "proc", location),
        step("/run", memory(Mode::OPEN), location),
        read_only(of_kind("/sys", "sysfs", location)),
        read_only(optional(step(
            "/etc/resolv.conf",
            View::NameServers,
            location,
        ))),
    ];
    let mut steps: Vec<Step> = all.into_iter().flatten().collect();
    steps.retain(|step| !is_covered(step, others));
    steps
}

/// Whether `others` have something else at the path, or above it.
fn is_covered(step: &Step, others: &[Step]) -> bool {
    others.iter().any(|other| step.path.is_within(&other.path))
}

/// A step of which nothing is trusted to be there already.
fn step(path: &str, view: View, location: &Location) -> Option<Step> {
    let devices = matches!(view, View::Devices | View::Terminals);
    let no_devices = if devices { 0 } else { attribute::NO_DEV };
    let attributes = attribute::NO_SUID | attribute::NO_EXEC | no_devices;
    Some(Step {
        path: AbsPath::new(path).ok()?,
        view,
        attributes: Attributes::asking_for(attributes),
        propagation: None,
        create: true,
        optional: false,
        inherit: false,
        location: location.clone(),
    })
}

fn of_kind(path: &str, kind: &str, location: &Location) -> Option<Step> {
    let view = View::FileSystem(FileSystem {
        kind: kind.to_owned(),
        medium: Medium::Named(kind.to_owned()),
        options: Vec::new(),
    });
    step(path, view, location)
}

fn optional(step: Option<Step>) -> Option<Step> {
    step.map(|step| Step {
        optional: true,
        ..step
    })
}

/// Shared memory may hold what is run.
fn with_programs(step: Option<Step>) -> Option<Step> {
    step.map(|step| Step {
        attributes: step.attributes.without(attribute::NO_EXEC),
        ..step
    })
}

fn read_only(step: Option<Step>) -> Option<Step> {
    step.map(|step| Step {
        attributes: Attributes::asking_for(attribute::READ_ONLY).or(step.attributes),
        ..step
    })
}

fn memory(mode: Mode) -> View {
    View::Memory {
        size: Size::default(),
        inodes: None,
        shape: Shape {
            mode: Some(mode),
            owner: Some(0),
            group: Some(0),
        },
        keep: Vec::new(),
    }
}
