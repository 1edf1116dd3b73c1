//! The mounts that there are: which instances some mount namespace shows, and where something is mounted.

use crate::error::Result;
use crate::kernel::fs::directory::TEMPORARY;
use crate::kernel::mount::mount_table::{self, Mount};
use crate::kernel::mount::overlay::layer_of;
use crate::kernel::namespace::{Namespace, Root};
use crate::session::census::{Task, processes, threads, unless_gone};
use crate::session::pin;
use crate::session::pin_key::PinKey;
use crate::store::layout::OwnerKind;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The place of a directory of a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The id of the mount that it is on.
    pub(super) mount: u64,
    /// The device of its file system, as stat(2) numbers it.
    pub(super) device: u64,
}

/// A viewer of a mount: one process of a mount namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Viewer {
    /// A process in the mount namespace.
    pub(super) pid: u32,
    /// The user in whose user namespace the mounts are that user's to make; nothing for root's.
    maker: Option<u32>,
}

impl Viewer {
    /// Whether what it sees matters to the user `uid`. In a user namespace of their own, others mount what they like,
    /// name it as they like, and see nothing that they would miss.
    fn concerns(&self, uid: Option<u32>) -> bool {
        let Self { pid: _, maker } = self;
        maker.is_none_or(|maker| maker == 0 || uid.is_none_or(|uid| uid == maker))
    }
}

/// The content of the mount tables of all processes.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    /// `session/0123456789abcdef`, `user/1000`, `.jns-0123456789abcdef`: what of a store is mounted somewhere,
    /// each with the device that it is on, and who sees it.
    shown: BTreeMap<(Vec<u8>, Vec<u8>), Vec<Viewer>>,
    /// The layers that overlays write to, each with the device as stat(2) numbers it, and who sees it.
    layers: BTreeMap<(u64, Vec<u8>), Vec<Viewer>>,
    /// `ns/1000-…`: the pins that something is mounted on, anywhere.
    covered: BTreeMap<Vec<u8>, Vec<Viewer>>,
    /// Mount points of the present namespace.
    points: Vec<Vec<u8>>,
    /// The devices of its mounts, by their ids.
    devices: BTreeMap<u64, Vec<u8>>,
}

impl Mounts {
    /// Reads the mount table of one process for each mount namespace and root directory: a process in a
    /// chroot does not see what is mounted outside. It looks twice, so that one that starts another and ends
    /// in between is not missed.
    ///
    /// # Errors
    ///
    /// Some process may not be looked at.
    pub(super) fn take() -> Result<Self> {
        let mut mounts = Self::default();
        let mut known = BTreeSet::new();
        for tasks in [processes, threads] {
            for task in tasks()? {
                if let Some(place) = place_of(&task)?
                    && !known.contains(&place)
                    && let Some(table) = read(&task.path_of("mountinfo"))?
                {
                    known.insert(place);
                    let viewer = viewer(task.pid);
                    table.iter().for_each(|mount| mounts.note(mount, viewer));
                }
            }
        }
        let own = read("/proc/thread-self/mountinfo")?.unwrap_or_default();
        for mount in own {
            mounts.devices.insert(mount.id, mount.device);
            mounts.points.push(mount.point);
        }
        Ok(mounts)
    }

    fn note(&mut self, mount: &Mount, viewer: Viewer) {
        for name in names(&mount.root) {
            let viewers = self.shown.entry((mount.device.clone(), name));
            viewers.or_default().push(viewer);
        }
        if mount.kind == b"overlay"
            && let Some((device, path)) = layer_of(&mount.source)
        {
            for name in names(path) {
                let viewers = self.layers.entry((device, name));
                viewers.or_default().push(viewer);
            }
        }
        for name in names(&mount.point).filter(|name| name.starts_with(b"ns/")) {
            self.covered.entry(name).or_default().push(viewer);
        }
    }

    /// Whether `name` of a store, such as `session/0123456789abcdef`, or something in it, is mounted somewhere.
    /// The store is at `place`; another file system may have the same name.
    pub(super) fn show(&self, place: Place, name: &str) -> bool {
        self.show_of(place, name, None)
    }

    /// Whether `name` of a store, or something in it, is mounted somewhere, where that matters to the user `uid`, if
    /// it is about one.
    pub(super) fn show_of(&self, place: Place, name: &str, uid: Option<u32>) -> bool {
        // What was mounted since is not known.
        let is_known = self.devices.contains_key(&place.mount);
        !is_known || self.viewers(place, name, uid).next().is_some()
    }

    /// Lists who sees it, one process for each mount namespace and root directory.
    pub(super) fn viewers(
        &self,
        place: Place,
        name: &str,
        uid: Option<u32>,
    ) -> impl Iterator<Item = Viewer> {
        let name = name.as_bytes().to_vec();
        let layers = self.layers.get(&(place.device, name.clone()));
        let device = self.devices.get(&place.mount).cloned();
        let shown = device.and_then(|device| self.shown.get(&(device, name)));
        let all = layers.into_iter().chain(shown).flatten().copied();
        all.filter(move |viewer| viewer.concerns(uid))
    }

    /// Whether something is mounted on the pin `key`, in whatever namespace where it matters to its user.
    pub(super) fn cover_pin(&self, key: &PinKey) -> bool {
        let covered = self.covered.get(format!("ns/{key}").as_bytes());
        let mut viewers = covered.into_iter().flatten();
        viewers.any(|viewer| viewer.concerns(Some(key.uid())))
    }

    /// Whether something is mounted on the path, or below it, in the present namespace.
    pub(super) fn hold_mount_in(&self, path: &str) -> bool {
        let within = |point: &Vec<u8>| {
            let point = Path::new(std::ffi::OsStr::from_bytes(point));
            point.starts_with(path)
        };
        self.points.iter().any(within)
    }
}

/// The number of a process's mount namespace, and its root directory.
type Where = (u64, Root);

fn place_of(task: &Task) -> Result<Option<Where>> {
    let both = task.stat("ns/mnt")?.zip(task.root()?);
    Ok(both.map(|(namespace, root)| (namespace.st_ino, root)))
}

/// A process, and whose its mount namespace is.
fn viewer(pid: u32) -> Viewer {
    let namespace = Namespace::of_process(pid);
    Viewer {
        pid,
        maker: namespace.and_then(|namespace| namespace.maker()),
    }
}

/// A mount table; nothing where its process has ended.
fn read(path: &str) -> Result<Option<Vec<Mount>>> {
    match mount_table::read(path) {
        Ok(table) => Ok(Some(table)),
        // Of a process that is about to end.
        Err(Errno::INVAL) => Ok(None),
        Err(errno) => unless_gone(path)(errno),
    }
}

/// The names of the module's that a path goes through.
fn names(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let components = || path.split(|byte| *byte == b'/');
    let named = components()
        .zip(components().skip(1))
        .filter(|(parent, _)| is_parent(parent))
        .map(|(parent, name)| [parent, b"/", name].concat());
    let temporary = components()
        .filter(|name| name.starts_with(TEMPORARY.as_bytes()))
        .map(<[u8]>::to_vec);
    named.chain(temporary)
}

/// Whether a name is that of the parents of what has a name of the module's in a store, or of pins.
fn is_parent(name: &[u8]) -> bool {
    let mut kinds = OwnerKind::ALL.into_iter().map(OwnerKind::name);
    name == pin::DIRECTORY.as_bytes() || kinds.any(|kind| kind.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::mount::mount_table::parse;

    const TABLE: &[u8] = b"\
31 24 8:1 /lib/jns/user/1000/tmp /tmp rw - ext4 /dev/sda1 rw
32 24 8:1 /lib/jns/session/00ff00ff00ff00ff/a\\040b /a\\134b rw - ext4 /dev/sda1 rw
33 24 8:1 /lib/jns/user/.jns-0123456789abcdef/tmp//deleted /x rw - ext4 /dev/sda1 rw
36 24 0:50 / /opt rw - overlay jns:8:1:/lib/jns/group/100/opt rw
37 24 0:51 / /srv rw - tmpfs jns:8:1:/lib/jns/group/200/srv rw
34 24 0:4 mnt:[4026532211] /run/jns/ns/1000-0123456789abcdef0123456789abcdef rw - nsfs nsfs rw
35 24
";

    fn key(uid: u32) -> PinKey {
        PinKey::parse(&format!("{uid}-0123456789abcdef0123456789abcdef")).unwrap()
    }

    #[test]
    fn a_table_says_what_is_shown_and_what_is_covered() {
        let mut mounts = Mounts::default();
        let roots = Viewer {
            pid: 1,
            maker: None,
        };
        parse(TABLE).for_each(|mount| mounts.note(&mount, roots));
        mounts.devices = BTreeMap::from([(24, b"8:1".to_vec()), (25, b"8:2".to_vec())]);
        let at = |mount, minor| Place {
            mount,
            device: rustix::fs::makedev(8, minor),
        };
        for (name, shown) in [
            ("user/1000", true),
            ("user/100", false),
            ("user/.jns-0123456789abcdef", true),
            (".jns-0123456789abcdef", true),
            ("session/00ff00ff00ff00ff", true),
            ("session/a b", false),
            ("group/1000", false),
        ] {
            assert_eq!(mounts.show(at(24, 1), name), shown, "{name}");
            assert!(!mounts.show(at(25, 2), name), "on another device: {name}");
            assert!(
                mounts.show(at(26, 1), name),
                "on a mount that is not known: {name}"
            );
        }
        for (name, device, shown) in [
            ("group/100", 1, true),
            ("group/100", 2, false),
            ("group/200", 1, false),
        ] {
            assert_eq!(
                mounts.show(at(24, device), name),
                shown,
                "a layer: {name} {device}"
            );
        }
        let [covered, bare] = [1000, 1001].map(key);
        assert!(mounts.cover_pin(&covered) && !mounts.cover_pin(&bare));
    }

    #[test]
    fn in_a_user_namespace_of_anothers_nothing_is_seen_that_matters() {
        let mut mounts = Mounts::default();
        let bobs = Viewer {
            pid: 2,
            maker: Some(2002),
        };
        parse(TABLE).for_each(|mount| mounts.note(&mount, bobs));
        mounts.devices = BTreeMap::from([(24, b"8:1".to_vec())]);
        let place = Place {
            mount: 24,
            device: rustix::fs::makedev(8, 1),
        };
        for (uid, shown) in [(Some(1000), false), (Some(2002), true), (None, true)] {
            assert_eq!(mounts.show_of(place, "user/1000", uid), shown, "{uid:?}");
        }
        for (uid, covered) in [(1000, false), (2002, true)] {
            let key = key(uid);
            let name = format!("ns/{key}").into_bytes();
            mounts.covered.insert(name, vec![bobs]);
            assert_eq!(mounts.cover_pin(&key), covered, "{uid}");
        }
    }

    #[test]
    fn a_mount_below_a_path_is_in_it() {
        let points = vec![b"/store/user/1/tmp/x".to_vec()];
        let mounts = Mounts {
            points,
            ..Mounts::default()
        };
        for (path, within) in [
            ("/store/user/1", true),
            ("/store/user/1/tmp/x", true),
            ("/store/user/1/t", false),
            ("/store/user/11", false),
        ] {
            assert_eq!(mounts.hold_mount_in(path), within, "{path}");
        }
    }
}
