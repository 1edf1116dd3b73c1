//! Covers: the mounts that hide what their paths showed, detached until they are attached in the new namespace.

use crate::error::{Error, Result};
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::unseen;
use crate::kernel::fs::walk::{self, Cover, Place};
use crate::kernel::mount::{self, Extent, Preparation, Travel};
use crate::path::ViewPath;
use crate::path::is_within;
use crate::plan::{Step, View};
use crate::policy::value::Propagation;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::rc::Rc;

/// The covers that are built so far, parents first. The order of the fields is the order in which they are undone.
pub(super) struct Covers<'p> {
    views: Vec<BuiltView<'p>>,
    /// The mounts of `views` in the form that a walker needs, with the entries that stay visible.
    mounts: Vec<Cover>,
}

/// A step, and what it covers.
pub(super) struct Covered<'c, 'p> {
    pub(super) step: &'p Step,
    pub(super) place: &'c Place,
    /// The attributes `MOUNT_ATTR_*` of the mount that it is on.
    pub(super) attributes: u64,
}

/// One step's mount.
pub(super) struct BuiltView<'p> {
    pub(super) step: &'p Step,
    pub(super) mount: Rc<OwnedFd>,
    pub(super) target: Target,
    pub(super) visible: Vec<VisibleEntry>,
}

/// The place that a mount goes to.
pub(super) enum Target {
    /// A place of the host's; it is opened again in the new namespace and must still be the same. As long as it is
    /// open, it cannot lose its inode number to another one.
    Host(Place),
    /// A place in a mount that was built before; its descriptor stays good.
    Built(Place),
    /// A place in `/proc`, where the session gets one of its own, which is attached after all covers: what is at that
    /// path in there.
    OwnProc(Place),
}

/// The path where processes are seen.
pub(super) const PROC: &str = "/proc";

/// An entry of the covered directory that stays visible.
pub(super) struct VisibleEntry {
    pub(super) path: String,
    pub(super) mount: Rc<OwnedFd>,
    /// The mount point in what covers the directory.
    pub(super) point: OwnedFd,
}

impl Target {
    /// Returns the path of the place, without links.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Host(place) | Self::Built(place) | Self::OwnProc(place) => &place.path,
        }
    }
}

impl<'p> Covers<'p> {
    /// Without any, with room for as many as the plan has steps.
    pub(super) fn with_capacity(steps: usize) -> Self {
        Self {
            views: Vec::with_capacity(steps),
            mounts: Vec::new(),
        }
    }

    /// Adds what was built: from here on paths lead through it.
    pub(super) fn add(&mut self, built: BuiltView<'p>) {
        self.mounts.push(Cover {
            path: built.target.path().to_owned(),
            root: Rc::clone(&built.mount),
        });
        self.mounts.extend(built.visible.iter().map(|entry| Cover {
            path: entry.path.clone(),
            root: Rc::clone(&entry.mount),
        }));
        self.views.push(built);
    }

    pub(super) fn views(&self) -> &[BuiltView<'p>] {
        &self.views
    }

    /// Through which mounts a walker has to go.
    pub(super) fn mounts(&self) -> &[Cover] {
        &self.mounts
    }

    /// Whether what this path shows is built by this login, so that it is not the host's.
    pub(super) fn have(&self, path: &str) -> bool {
        let mut mounts = self.mounts.iter();
        mounts.any(|cover| is_within(path, &cover.path))
    }

    /// Attaches them to their targets, in the new namespace, but for those in a `/proc` of the session's own.
    pub(super) fn attach(&self) -> Result<()> {
        let attach = |view: &BuiltView<'_>| view.attach().map_err(|e| e.at(&view.step.location));
        self.views.iter().try_for_each(attach)
    }

    /// Attaches those in a `/proc` of the session's own, which is attached by now.
    pub(super) fn attach_in(&self, proc: &OwnedFd) -> Result<()> {
        self.views.iter().try_for_each(|view| match &view.target {
            Target::Host(_) | Target::Built(_) => Ok(()),
            Target::OwnProc(place) => view
                .attach_in(proc, place)
                .map_err(|error| error.at(&view.step.location)),
        })
    }

    /// Takes those mounts out of their peer groups again that the fstab wants private.
    pub(super) fn unshare_private(&self) -> Result<()> {
        let is_private =
            |view: &&BuiltView<'_>| view.step.propagation == Some(Propagation::Private);
        self.views.iter().filter(is_private).try_for_each(|view| {
            let private = Preparation::of_travel(extent(&view.step.view), Travel::Neither);
            mount::prepare(&view.mount, private, view.step.path.as_str())
        })
    }

    /// The paths of their steps, parents before children.
    pub(super) fn paths(&self) -> impl Iterator<Item = ViewPath> {
        self.views
            .iter()
            .map(|view| ViewPath::from(&view.step.path))
    }

    /// Lists the paths where something is attached, without links. What stays visible in what commands find too is not
    /// among them: they find that with it.
    pub(super) fn attached(&self) -> impl Iterator<Item = ViewPath> {
        self.views.iter().flat_map(|view| {
            let visible = view.visible.iter().filter(|_| !view.step.inherit);
            let paths = visible.map(|entry| ViewPath::walked(&entry.path));
            std::iter::once(ViewPath::walked(view.target.path())).chain(paths)
        })
    }

    /// Lists the paths where something is attached and commands find the same.
    pub(super) fn inherited(&self) -> Vec<ViewPath> {
        let inherited = self.views.iter().filter(|view| view.step.inherit);
        inherited
            .map(|view| ViewPath::walked(view.target.path()))
            .collect()
    }
}

impl BuiltView<'_> {
    fn attach(&self) -> Result<()> {
        let path = self.step.path.as_str();
        match &self.target {
            Target::Built(place) => mount::attach(&self.mount, place, path)?,
            Target::Host(place) => mount::attach(&self.mount, reopen_same(place)?, path)?,
            Target::OwnProc(_) => return Ok(()),
        }
        self.visible
            .iter()
            .try_for_each(|entry| mount::attach(&entry.mount, &entry.point, &entry.path))
    }
}

impl BuiltView<'_> {
    /// Attaches it to the file of a procfs that `place` is of another one.
    fn attach_in(&self, proc: &OwnedFd, place: &Place) -> Result<()> {
        let path = self.step.path.as_str();
        let names = place.path.trim_start_matches(PROC).trim_start_matches('/');
        let at = walk::open_below(proc, names, OFlags::PATH, Mode::empty())
            .map_err(|errno| Error::from_errno("open", path, errno))?;
        mount::attach(&self.mount, at, path)
    }
}

/// The mounts of a source that appear: everything beneath it where a bind is recursive.
pub(super) fn extent(view: &View) -> Extent {
    match view {
        View::Bind {
            recursive: true, ..
        } => Extent::Tree,
        View::Bind { .. }
        | View::Instance { .. }
        | View::Memory { .. }
        | View::Overlay { .. }
        | View::FileSystem(_)
        | View::Devices
        | View::Terminals
        | View::NameServers
        | View::Nothing { .. } => Extent::Mount,
    }
}

/// Opens a place of the caller's namespace again, in the new one: a descriptor from before unshare(2)
/// is of the old namespace, and move_mount(2) refuses it (EINVAL, seen on Linux 6.18).
///
/// # Errors
///
/// It is another one by now, or gone ([`Error::is_stale`]): the host has mounted or unmounted something there, say.
pub(super) fn reopen_same(before: &Place) -> Result<OwnedFd> {
    let path = before.path.as_str();
    let exchanged = || {
        let error = Error::from_errno("mount on", path, Errno::STALE);
        error.because("it was exchanged while the session was prepared")
    };
    let place = mount::reopen(path).map_err(|error| match error.is_missing() {
        true => exchanged(),
        false => error,
    })?;
    let same = unseen::is_same(&place, FileIdentity::of(&before.status));
    match same.map_err(|errno| Error::from_errno("examine", path, errno))? {
        true => Ok(place),
        false => Err(exchanged()),
    }
}
