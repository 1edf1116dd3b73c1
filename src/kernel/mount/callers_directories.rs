//! The caller's directories: what a command that is run as somebody else, by sudo(8) for example, finds of the
//! session in which it was called, so that names mean the files that its caller sees.
//!
//! They are cloned in the caller's session and attached in the command's namespace. For an account with a view that
//! is a namespace of slaves, in which nothing travels anywhere. For root it is a copy of the host's, whose mounts are
//! peers of the host's: what root mounts there is on the host. A mount that is attached to a shared one appears on all
//! its peers, the host's too, so each mount that one of the directories goes on is taken out of its peer group until
//! they are in place (`MOVE_MOUNT_SET_GROUP`, Linux 5.15).

use crate::error::{Error, Result};
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::mount::mount_table::{Mount, OwnTable};
use crate::kernel::mount::{self, Extent, Preparation, Travel};
use crate::kernel::namespace::guard::{
    NamespaceGuard, PINS, forget_pins, leave_for_copy, separate, share_mounts,
};
use crate::path::ViewPath;
use crate::path::is_within;
use rustix::fd::OwnedFd;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The number of mounts that are followed from one to the one that it is on.
const DEEPEST: usize = 256;

/// The mounts of a session that are known.
#[derive(Debug, Clone, Copy)]
pub struct Attached<'r> {
    /// The paths at which the module attached something, without links.
    pub all: &'r [ViewPath],
    /// The paths of `all` at which commands find the same.
    pub inherited: &'r [ViewPath],
}

/// The mount table of the host, and the file in which that of another namespace is read once the thread is there.
#[derive(Debug)]
pub struct Host {
    table: OwnTable,
    mounts: Vec<Mount>,
}

/// Clones of the caller's directories and of what was mounted in the caller's session, attached nowhere yet.
#[derive(Debug, Default)]
pub struct CallersDirectories {
    /// Parents before children.
    clones: Vec<Clone>,
    /// Directories that cannot be shown, and why; a line each.
    remarks: Vec<String>,
}

/// A clone of one mount of the caller's session.
#[derive(Debug)]
struct Clone {
    /// The path in the caller's session, without links.
    path: String,
    mount: OwnedFd,
    /// Whether the policy gave it to the caller. What else was mounted in the session is worth a remark, no refusal.
    is_of_policy: bool,
    /// The mount of the session's, where others of the clones go on this one: it joins that again when they are in
    /// place, and until then nothing travels between the two.
    original: Option<OwnedFd>,
}

/// A mount of the host's on which one of the directories goes.
struct Parent {
    point: String,
    /// Its root, as the host has it.
    root: OwnedFd,
    /// Whether mounts travel to it or from it.
    is_propagated: bool,
    /// Whether it is here for the directory of pins, and none of the caller's.
    is_of_pins: bool,
}

impl Host {
    /// Reads the table, in the host's namespace.
    ///
    /// # Errors
    ///
    /// /proc does not show the calling thread.
    pub fn read() -> Result<Self> {
        let failed = |errno| Error::from_errno("read", "the mount table of the host", errno);
        let table = OwnTable::find().map_err(failed)?;
        let mounts = table.read().map_err(failed)?;
        Ok(Self { table, mounts })
    }

    /// Whether what is mounted in the present namespace appears in those that were made from it: whether its root
    /// directory is a shared mount.
    fn is_shared_here(&self) -> Result<bool> {
        let failed = |errno| Error::from_errno("read", "the mounts of the target's session", errno);
        let mounts = self.table.read().map_err(failed)?;
        let root = mounts.iter().find(|mount| mount.place() == Path::new("/"));
        Ok(root.is_some_and(|root| root.is_shared))
    }

    /// The mount of that number.
    fn mount(&self, id: u64, path: &str) -> Result<&Mount> {
        let mut mounts = self.mounts.iter();
        let missing = || {
            Error::new(
                "find",
                format_args!("the mount of {path}"),
                "it has changed",
            )
        };
        mounts.find(|mount| mount.id == id).ok_or_else(missing)
    }

    /// The mount that `path` leads to, opened at its root.
    fn parent_of(&self, path: &str) -> Result<Parent> {
        let mount = self.mount(mount::id_of(mount::reopen(path)?, path)?, path)?;
        self.parent(mount)
    }

    fn parent(&self, mount: &Mount) -> Result<Parent> {
        let point = point(mount)?;
        let root = mount::reopen(point)?;
        if mount::id_of(&root, point)? != mount.id {
            return Err(Error::new("use", point, "another mount covers it"));
        }
        Ok(Parent {
            point: point.to_owned(),
            root,
            is_propagated: mount.is_shared || mount.is_slave,
            is_of_pins: false,
        })
    }

    /// The mount on which the directory of pins is one; nothing where no namespace was pinned yet.
    fn parent_of_pins(&self) -> Result<Option<Parent>> {
        let mut mounts = self.mounts.iter();
        let Some(pins) = mounts.find(|mount| mount.place() == Path::new(PINS)) else {
            return Ok(None);
        };
        let parent = self.parent(self.mount(pins.parent, PINS)?)?;
        Ok(Some(Parent {
            is_of_pins: true,
            ..parent
        }))
    }
}

fn point(mount: &Mount) -> Result<&str> {
    let place = mount.place();
    let unreadable = || Error::new("use", place.display(), "its path is not UTF-8");
    place.to_str().ok_or_else(unreadable)
}

impl CallersDirectories {
    /// Clones them, in the namespace of the caller's session.
    ///
    /// # Errors
    ///
    /// The mounts cannot be read, or one that the policy gave the caller cannot be cloned.
    pub(crate) fn clone_here(host: &Host, attached: Attached<'_>) -> Result<Self> {
        let failed = |errno| Error::from_errno("read", "the mounts of the caller's session", errno);
        let session = host.table.read().map_err(failed)?;
        let mut directories = Self::default();
        // Parents come before children, and each is cloned by itself: a recursive clone would take along what the policy
        // does not give.
        for found in inherited(&session, &host.mounts, attached) {
            match clone(found) {
                Ok(None) => {}
                Ok(Some((path, original, mount))) => directories.clones.push(Clone {
                    is_of_policy: attached.has_given(found),
                    path,
                    mount,
                    original: (found.is_shared || found.is_slave).then_some(original),
                }),
                Err(error) if attached.has_given(found) => return Err(error),
                Err(error) => directories.leave_out(&found.place().display(), &error),
            }
        }
        // When all of them are cloned: which ones others go on is known then.
        directories.set_apart()?;
        Ok(directories)
    }

    /// Takes those on which others go out of their peer groups: what is attached to a peer of the session's mount is
    /// mounted in the session once more.
    fn set_apart(&mut self) -> Result<()> {
        let paths: Vec<String> = self.clones.iter().map(|clone| clone.path.clone()).collect();
        for clone in &mut self.clones {
            let is_within = |path: &String| is_strictly_within(path, &clone.path);
            if !paths.iter().any(is_within) {
                clone.original = None;
            }
            if clone.original.is_some() {
                keep_apart(&clone.mount, &clone.path)?;
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &dyn std::fmt::Display, error: &Error) {
        self.remarks
            .push(format!("{path} of the caller's session left out: {error}"));
    }

    /// Takes the remarks on what could not be shown, and why; a line each.
    pub(crate) fn take_remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// The paths of those that the policy gave the caller.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let given = self.clones.iter().filter(|clone| clone.is_of_policy);
        given.map(|clone| clone.path.as_str())
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clones.is_empty()
    }

    /// Goes on from the namespace that `guard` has entered to a copy of it, of slaves, and attaches them there.
    ///
    /// # Errors
    ///
    /// There is no namespace to be had, or one that the policy gave the caller has no place here.
    pub(crate) fn attach_in_copy(
        &mut self,
        host: &Host,
        guard: &NamespaceGuard,
        travel: Travel,
    ) -> Result<()> {
        // Asked before the copy is left for, of whose mounts none is shared.
        let is_shared = host.is_shared_here()?;
        guard.go_on_to_copy(travel)?;
        self.attach_here()?;
        // Peer groups begin when everything is in place: what is attached to a shared mount is propagated.
        match is_shared {
            true => share_mounts(),
            false => Ok(()),
        }
    }

    /// Attaches them in the present namespace, which is the command's alone and whose mounts are nobody's peers.
    ///
    /// # Errors
    ///
    /// One that the policy gave the caller has no place here.
    pub(crate) fn attach_here(&mut self) -> Result<()> {
        self.attach_all(None)
    }

    /// Attaches them, on mounts of these numbers alone, if any are given, and on what is attached here.
    fn attach_all(&mut self, mut apart: Option<BTreeSet<u64>>) -> Result<()> {
        let clones = std::mem::take(&mut self.clones);
        for clone in clones {
            match clone.attach(apart.as_mut()) {
                Ok(()) => self.clones.push(clone),
                Err(error) if clone.is_of_policy => return Err(error),
                Err(error) => self.leave_out(&clone.path, &error),
            }
        }
        // Back into the peer groups when all of them are attached: one may go on another, which has to be nobody's peer
        // until then.
        let clones = self.clones.iter();
        let joined = clones.filter_map(|clone| Some((clone.original.as_ref()?, clone)));
        let remarks =
            joined.filter_map(|(original, clone)| join(original, &clone.mount, &clone.path));
        self.remarks.extend(remarks);
        Ok(())
    }

    /// Leaves the host's namespace for a copy of it, and attaches them there, so that they appear nowhere else. What
    /// is mounted in the copy appears on the host, and what the host mounts in the copy.
    ///
    /// # Errors
    ///
    /// As [`CallersDirectories::attach_here`]. The thread is then where it was.
    pub(crate) fn enter_hosts_view(&mut self, host: &Host) -> Result<NamespaceGuard> {
        // Both are asked of the host's own mounts, before the thread leaves for the copies of them.
        self.leave_out_what_the_host_lacks();
        let parents = self.parents(host)?;
        let guard = leave_for_copy()?;
        if !mount::knows_peer_groups() {
            self.remarks.push(format!(
                "what is mounted in this session stays in it: {OLD_KERNEL}"
            ));
            // First of all: as long as the copy's mounts are peers of the host's, the host would lose its pins.
            separate(Travel::FromHost)?;
            forget_pins();
            self.attach_here()?;
            return Ok(guard);
        }
        // As long as one of them is a peer of the host's, what is attached to it or taken from it is on the host too:
        // the directories, and the pins that are forgotten here.
        let copies: Vec<OwnedFd> = parents
            .iter()
            .map(Parent::set_apart)
            .collect::<Result<_>>()?;
        let with_parents = || copies.iter().zip(&parents);
        let apart: BTreeSet<u64> = with_parents()
            .map(|(copy, parent)| mount::id_of(copy, &parent.point))
            .collect::<Result<_>>()?;
        forget_pins_on(&apart);
        self.attach_all(Some(apart))?;
        // Last of all. What joins a peer group is propagated to from then on; what is on it already stays where it is.
        let remarks = with_parents()
            .filter(|(_, parent)| parent.is_propagated)
            .filter_map(|(copy, parent)| join(&parent.root, copy, &parent.point));
        self.remarks.extend(remarks);
        self.remark_on_private(&parents);
        Ok(guard)
    }

    fn remark_on_private(&mut self, parents: &[Parent]) {
        let is_private = |parent: &&Parent| !parent.is_propagated && !parent.is_of_pins;
        let private = parents.iter().filter(is_private);
        let points: Vec<&str> = private.map(|parent| parent.point.as_str()).collect();
        if !points.is_empty() {
            self.remarks.push(format!(
                "what is mounted on {} in this session stays in it: {PRIVATE}",
                points.join(" ")
            ));
        }
    }

    /// Leaves out what has no place on the host. A place in one of the others is there once that is attached.
    fn leave_out_what_the_host_lacks(&mut self) {
        let clones = std::mem::take(&mut self.clones);
        let paths: Vec<String> = clones.iter().map(|clone| clone.path.clone()).collect();
        for clone in clones {
            let mut above = paths.iter();
            let is_placed =
                clone.is_of_policy || above.any(|above| is_strictly_within(&clone.path, above));
            match mount::reopen(&clone.path) {
                Err(error) if !is_placed => self.leave_out(&clone.path, &error),
                _ => self.clones.push(clone),
            }
        }
    }

    /// The mounts of the host's on which they go, each once, and that on which the directory of pins is.
    fn parents(&self, host: &Host) -> Result<Vec<Parent>> {
        let is_within = |path: &str| {
            let mut others = self.clones.iter();
            others.any(|other| is_strictly_within(path, &other.path))
        };
        let on_host = self.clones.iter().filter(|clone| !is_within(&clone.path));
        let of_clones = on_host.map(|clone| host.parent_of(&clone.path));
        let mut distinct = BTreeMap::new();
        // That of the pins comes last: where it is one of the others too, it is one of the caller's.
        for found in of_clones.chain(host.parent_of_pins().transpose()) {
            let parent = found?;
            distinct.entry(parent.point.clone()).or_insert(parent);
        }
        Ok(distinct.into_values().collect())
    }
}

fn is_strictly_within(path: &str, other: &str) -> bool {
    path != other && (other == "/" || is_within(path, other))
}

/// Takes a mount out of its peer group, and from behind its master.
fn keep_apart(mount: &OwnedFd, path: &str) -> Result<()> {
    let private = Preparation::of_travel(Extent::Mount, Travel::Neither);
    mount::prepare(mount, private, path)
}

/// Lets mounts travel again between a mount and its copy; a line where that fails.
fn join(original: &OwnedFd, copy: &OwnedFd, point: &str) -> Option<String> {
    let joined = mount::join_peer_group(original, copy, point);
    let error = joined.err()?;
    Some(format!(
        "what is mounted on {point} in this session stays in it: {error}"
    ))
}

/// Forgets the pins ([`forget_pins`]), unless the mount that the directory of pins is on is none of these, and still a peer of the host's:
/// the host would lose its pins. That is so where the first namespace was pinned a moment ago.
fn forget_pins_on(apart: &BTreeSet<u64>) {
    let directory = Path::new(PINS).parent().and_then(Path::to_str);
    let mount = directory.and_then(|path| mount::id_of(mount::reopen(path).ok()?, path).ok());
    if mount.is_some_and(|mount| apart.contains(&mount)) {
        forget_pins();
    }
}

/// The reason why nothing of another namespace reaches a mount.
const PRIVATE: &str = "that is private on the host (`mount --make-rshared /`, as systemd does it)";

/// The reason why peer groups cannot be joined.
const OLD_KERNEL: &str = "the kernel is older than Linux 5.15";

impl Parent {
    /// Takes its copy in the present namespace out of its peer group, and opens that.
    fn set_apart(&self) -> Result<OwnedFd> {
        let point = self.point.as_str();
        let failed = |errno| Error::from_errno("examine", point, errno);
        let copy = mount::reopen(point)?;
        // The same path, looked up in the copy of the namespace. Its mounts have numbers of their own, so the directory is
        // what is compared.
        let status = rustix::fs::fstat(&copy).map_err(failed)?;
        let on_host = rustix::fs::fstat(&self.root).map_err(failed)?;
        if FileIdentity::of(&status) != FileIdentity::of(&on_host) {
            return Err(Error::new("use", point, "another mount has come there"));
        }
        keep_apart(&copy, point)?;
        Ok(copy)
    }
}

impl Clone {
    /// Attaches it at its path. Where that is on none of the mounts `apart`, if there are any, it would appear on the
    /// peers of the one that it is on: another one has come there meanwhile.
    fn attach(&self, apart: Option<&mut BTreeSet<u64>>) -> Result<()> {
        let path = self.path.as_str();
        let place = mount::reopen(path)?;
        let Some(apart) = apart else {
            return mount::attach(&self.mount, place, path);
        };
        if !apart.contains(&mount::id_of(&place, path)?) {
            return Err(Error::new("use", path, "another mount has come there"));
        }
        // Children may go on it: it is nobody's peer until all are attached.
        apart.insert(mount::id_of(&self.mount, path)?);
        mount::attach(&self.mount, place, path)
    }
}

impl Attached<'_> {
    fn has_given(&self, mount: &Mount) -> bool {
        is_one_of(self.inherited, mount)
    }
}

fn is_one_of(paths: &[ViewPath], mount: &Mount) -> bool {
    paths.iter().any(|path| mount.place() == Path::new(path))
}

/// A mount's path, the mount itself, and a clone of it; nothing where another mount covers it.
fn clone(found: &Mount) -> Result<Option<(String, OwnedFd, OwnedFd)>> {
    let path = point(found)?;
    let place = mount::reopen(path)?;
    // A path leads to the mount on top.
    if mount::id_of(&place, path)? != found.id {
        return Ok(None);
    }
    let cloned = mount::clone_tree(&place, Extent::Mount, path)?;
    Ok(Some((path.to_owned(), place, cloned)))
}

/// The mounts of a session that commands find too, parents before children: what the policy says, what is mounted
/// in that, and what was mounted in the session itself, which has no master on the host and is not the host's.
fn inherited<'t>(session: &'t [Mount], host: &[Mount], attached: Attached<'_>) -> Vec<&'t Mount> {
    let tables = Tables {
        by_id: session.iter().map(|mount| (mount.id, mount)).collect(),
        host: host.iter().map(what_it_shows).collect(),
        attached,
    };
    let session = session.iter();
    let mut found: Vec<&Mount> = session.filter(|mount| tables.is_inherited(mount)).collect();
    found.sort_by_key(|mount| mount.place().components().count());
    found
}

/// The file system of a mount, the part of it, and its path: by these a copy of a host's mount is known in a session.
type WhatItShows<'m> = (&'m [u8], &'m [u8], &'m [u8]);

fn what_it_shows(mount: &Mount) -> WhatItShows<'_> {
    (&mount.device, &mount.root, &mount.point)
}

/// The mounts of a session, of the host, and of the module.
struct Tables<'t> {
    by_id: BTreeMap<u64, &'t Mount>,
    host: BTreeSet<WhatItShows<'t>>,
    attached: Attached<'t>,
}

impl<'t> Tables<'t> {
    fn is_inherited(&self, mount: &'t Mount) -> bool {
        let mut at = mount;
        for _ in 0..DEEPEST {
            if is_one_of(self.attached.all, at) && self.is_lowest_of_session(at) {
                return self.attached.has_given(at);
            }
            if !at.is_slave && !self.is_hosts(at) {
                return true;
            }
            match self.below(at) {
                Some(below) => at = below,
                None => return false,
            }
        }
        false
    }

    /// Whether nothing is mounted at the same path beneath it but copies of the host's mounts: what the module
    /// attached there, or what that covers. What stands above it was mounted later, in the session.
    fn is_lowest_of_session(&self, mount: &'t Mount) -> bool {
        let beneath = self.below(mount).filter(|below| below.point == mount.point);
        beneath.is_none_or(|beneath| self.is_hosts(beneath))
    }

    /// The mount that it is mounted on.
    fn below(&self, mount: &Mount) -> Option<&'t Mount> {
        let below = self.by_id.get(&mount.parent).copied();
        below.filter(|below| below.id != mount.id)
    }

    fn is_hosts(&self, mount: &Mount) -> bool {
        self.host.contains(&what_it_shows(mount))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::mount::mount_table;

    const HOST: &str = "\
1 0 8:1 / / rw shared:1 - ext4 disk rw
2 1 0:5 / /proc rw - proc proc rw
3 1 0:6 / /dev/shm rw shared:2 - tmpfs shm rw
4 1 8:2 / /mnt/private rw - ext4 disk rw
5 1 8:3 / /home rw shared:3 - ext4 disk rw
";

    /// A session with two private directories, one entry that stays visible, a hidden directory, and mounts of the
    /// session's own in several places.
    const SESSION: &str = "\
101 100 8:1 / / rw shared:9 master:1 - ext4 disk rw
102 101 0:5 / /proc rw - proc proc rw
103 101 0:6 / /dev/shm rw shared:8 master:2 - tmpfs shm rw
104 101 8:2 / /mnt/private rw - ext4 disk rw
110 101 8:1 /store/tmp /tmp rw shared:10 - ext4 disk rw
111 110 8:1 /tmp/.X11-unix /tmp/.X11-unix rw shared:11 master:1 - ext4 disk rw
112 110 0:30 / /tmp/fuse rw shared:12 - fuse f rw
113 103 0:31 / /dev/shm rw shared:13 - tmpfs own rw
119 101 8:3 / /home rw shared:20 master:3 - ext4 disk rw
120 119 0:32 / /home rw shared:14 - tmpfs nothing ro
121 120 8:1 /home/alice /home/alice rw shared:15 master:1 - ext4 disk rw
122 121 0:33 / /home/alice/volume rw shared:16 - fuse g rw
123 121 0:34 / /home/alice/usb rw shared:17 master:30 - vfat h rw
130 101 8:1 /srv/other /srv/bound rw shared:18 - ext4 disk rw
131 130 0:35 / /srv/bound rw shared:19 - fuse i rw
";

    fn paths(text: &[&str]) -> Vec<ViewPath> {
        text.iter()
            .map(|path| ViewPath::new(path).unwrap())
            .collect()
    }

    #[test]
    fn commands_find_scratch_space_and_what_was_mounted_in_the_session() {
        let host: Vec<Mount> = mount_table::parse(HOST.as_bytes()).collect();
        let session: Vec<Mount> = mount_table::parse(SESSION.as_bytes()).collect();
        let all = paths(&["/tmp", "/dev/shm", "/home", "/srv/bound", "/proc"]);
        let scratch = paths(&["/tmp", "/dev/shm"]);
        let attached = Attached {
            all: &all,
            inherited: &scratch,
        };
        let found = inherited(&session, &host, attached);
        let ids: Vec<u64> = found.iter().map(|mount| mount.id).collect();
        // The hidden directory, what is bound, and the host's private mount are not among them.
        // Of two mounts at one path, the one that is covered is not cloned.
        assert_eq!(ids, [110, 103, 111, 112, 113, 131, 122]);
    }

    #[test]
    fn a_session_without_directories_passes_on_nothing_of_the_hosts() {
        let host: Vec<Mount> = mount_table::parse(HOST.as_bytes()).collect();
        let attached = Attached {
            all: &[],
            inherited: &[],
        };
        assert!(inherited(&host, &host, attached).is_empty());
    }
}
