//! Volumes: file systems that programs open in the new namespace.

use super::prepared::Prepared;
use super::subject::Subject;
use super::{believed, conflicts};
use crate::error::{Error, Result};
use crate::kernel::fs::walk::{Place, Trust, Walker};
use crate::kernel::mount::volume::{Opening, Programs};
use crate::kernel::namespace::guard::{AtOrigin, NamespaceGuard};
use crate::kernel::namespace::{Namespace, Root};
use crate::kernel::process::helper::Purpose;
use crate::kernel::process::{self, Process};
use crate::plan::{Plan, Volume};

/// The thread's new namespace, as seen from the one that it came from, whose /proc shows all processes.
pub(super) struct Inside<'d> {
    pub(super) guard: &'d NamespaceGuard,
    pub(super) present: &'d Namespace,
    /// The thread's root directory there.
    pub(super) root: Root,
}

impl Inside<'_> {
    /// The other processes in the new namespace.
    fn processes(&self) -> Result<Vec<Process>> {
        let inode = self.present.identity().inode;
        let look = |_: &NamespaceGuard| process::of_namespace(inode);
        match self.guard.work(self.present, self.root, look)? {
            AtOrigin::Done(found) => found,
            AtOrigin::NotLeft(error) => Err(error),
            AtOrigin::Elsewhere => look(self.guard),
        }
    }
}

/// Opens the plan's volumes in the new namespace, in which the thread is.
pub(super) fn open_volumes(
    plan: &Plan,
    subject: &Subject<'_>,
    prepared: &mut Prepared<'_>,
    inside: &Inside<'_>,
) -> Result<Opening> {
    let mut opening = Opening::default();
    if plan.volumes.is_empty() {
        return Ok(opening);
    }
    let census = || inside.processes();
    opening.add_new(&census)?;
    for volume in &plan.volumes {
        let opened = open_volume(volume, subject, prepared, |path, input| {
            let facts = [("JNS_PATH", volume.path.as_str())];
            let purpose = || Purpose::Volume(volume.path.to_string());
            let helper = |program| subject.helper(program, purpose(), &facts);
            let close = volume.close.as_ref().map(helper);
            let programs = Programs {
                open: &helper(&volume.open).within(&subject.deadline),
                input,
                close,
            };
            let opened = opening.open(path, programs, &census);
            opened.map_err(|error| error.at_key(&volume.location, "open"))
        });
        opened.map_err(|error| error.at_key(&volume.location, "path"))?;
    }
    Ok(opening)
}

/// Finds the mount point of a volume, and opens it there by `open`, which is given the path without links and what the
/// program reads.
pub(super) fn open_volume(
    volume: &Volume,
    subject: &Subject<'_>,
    prepared: &mut Prepared<'_>,
    open: impl FnOnce(&str, &[u8]) -> Result<()>,
) -> Result<()> {
    let trust = subject.trust_of_mount_points(volume.open.run_as);
    let walker = Walker::new(trust)?.until(&subject.deadline);
    let place = match walker.open(volume.path.as_str(), &[]) {
        Err(absent) if volume.optional && absent.is_absent() => {
            prepared.findings.leave_out_volume(&volume.path, &absent);
            return Ok(());
        }
        found => found?,
    };
    check_place(volume, subject, &place)?;
    believed::check_served(volume, &place, &prepared.context)?;
    conflicts::check_volume(
        &volume.path,
        &place.path,
        prepared.view(),
        &prepared.instances,
    )?;
    match subject.input(volume.password) {
        Err(unknown) if volume.optional || subject.may_lack_password() => {
            prepared.findings.leave_out_volume(&volume.path, &unknown);
            Ok(())
        }
        Err(unknown) => Err(unknown.at_key(&volume.location, "password")),
        Ok(input) => open(&place.path, input),
    }
}

fn check_place(volume: &Volume, subject: &Subject<'_>, place: &Place) -> Result<()> {
    let refused = |reason: &str| Err(Error::new("open", &volume.path, reason));
    if !place.is_directory() {
        return refused("it is not a directory");
    }
    let by_root = subject.trust_of_mount_points(volume.open.run_as) == Trust::User(0);
    if by_root && place.status.st_uid != 0 {
        return refused("root would mount on a directory that is not root's");
    }
    Ok(())
}
