//! The features of this kernel, tried without changing anything: descriptors are opened and closed, detached mounts
//! made and dropped, and calls made with arguments that no kernel accepts.

use crate::kernel::mount::filesystem;
use crate::kernel::namespace::guard::knows_empty;
use crate::kernel::sys::{self, NamespaceRequest};
use rustix::fd::AsFd;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{FsOpenFlags, MoveMountFlags, OpenTreeFlags};
use rustix::process::PidfdFlags;

/// One feature, and whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// The system call or file, as administrators find it in manuals.
    pub name: &'static str,
    /// The release of Linux that brought it.
    pub since: (u32, u32),
    /// The result of trying it.
    pub presence: Presence,
}

/// The result of trying a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A feature that works.
    Works,
    /// The kernel, or a system call filter, says that there is no such call.
    Missing,
    /// A feature that is refused with EPERM, as without privileges and under some filters.
    Forbidden,
    /// A feature that failed with something else.
    Failed(Errno),
}

/// Tries everything that the module needs.
#[must_use]
pub fn features() -> Vec<Feature> {
    let feature = |name, since, presence| Feature {
        name,
        since,
        presence,
    };
    vec![
        feature("openat2", (5, 6), openat2()),
        feature("open_tree", (5, 2), open_tree()),
        feature("fsopen", (5, 2), fsopen()),
        feature("move_mount", (5, 2), move_mount()),
        feature("mount_setattr", (5, 12), mount_setattr()),
    ]
}

/// The release of the running kernel, as uname(2) has it, such as `6.12.3-amd64`.
#[must_use]
pub fn release() -> String {
    let names = rustix::system::uname();
    names.release().to_string_lossy().into_owned()
}

/// Whether the file system at `/proc` is the kernel's process information.
#[must_use]
pub fn has_proc() -> bool {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    rustix::fs::statfs("/proc")
        .is_ok_and(|facts| u64::try_from(facts.f_type) == Ok(PROC_SUPER_MAGIC))
}

/// Whether the kernel has file systems of that type, or loads what it needs for them. Without privileges that
/// cannot be told.
#[must_use]
#[allow(clippy::disallowed_methods)]
pub fn has_file_system(kind: &str) -> bool {
    !matches!(
        rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC),
        Err(Errno::NODEV)
    )
}

/// Whether the calling thread's mount namespace can be had where `/proc` is not mounted: by a pidfd, or by a
/// `/proc` that is made for it.
#[must_use]
pub fn has_namespace_without_proc() -> bool {
    let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty());
    let by_pidfd =
        own.is_ok_and(|pidfd| sys::open_namespace(pidfd.as_fd(), NamespaceRequest::Mount).is_ok());
    by_pidfd || filesystem::proc(0, "/proc").is_ok()
}

/// Whether the kernel makes empty mount namespaces. Without privileges that cannot be told.
#[must_use]
pub fn has_empty_namespaces() -> bool {
    knows_empty()
}

fn openat2() -> Presence {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    judge(rustix::fs::openat2(CWD, "/", flags, Mode::empty(), resolve))
}

/// Clones the mount at `/`, alone, and drops the clone.
#[allow(clippy::disallowed_methods)]
fn open_tree() -> Presence {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    judge(rustix::mount::open_tree(CWD, "/", flags))
}

/// Begins a tmpfs that is never made.
#[allow(clippy::disallowed_methods)]
fn fsopen() -> Presence {
    judge(rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC))
}

/// Moves nothing: an empty path without the flag that permits one is ENOENT, after the check of privileges.
#[allow(clippy::disallowed_methods)]
fn move_mount() -> Presence {
    let tried = rustix::mount::move_mount(CWD, "", CWD, "", MoveMountFlags::empty());
    match judge(tried) {
        Presence::Failed(Errno::NOENT) => Presence::Works,
        other @ (Presence::Works
        | Presence::Missing
        | Presence::Forbidden
        | Presence::Failed(_)) => other,
    }
}

/// Changes nothing: without an attribute the call returns after the check of privileges.
fn mount_setattr() -> Presence {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let tried = rustix::fs::open("/", flags, Mode::empty())
        .and_then(|root| sys::mount_setattr(root.as_fd(), false, &sys::MountAttr::default()));
    judge(tried)
}

fn judge<T>(tried: rustix::io::Result<T>) -> Presence {
    match tried {
        Ok(_) => Presence::Works,
        Err(Errno::NOSYS) => Presence::Missing,
        Err(Errno::PERM | Errno::ACCESS) => Presence::Forbidden,
        Err(errno) => Presence::Failed(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_meaning() {
        let table = [
            (Ok(()), Presence::Works),
            (Err(Errno::NOSYS), Presence::Missing),
            (Err(Errno::PERM), Presence::Forbidden),
            (Err(Errno::IO), Presence::Failed(Errno::IO)),
        ];
        for (tried, presence) in table {
            assert_eq!(judge(tried), presence);
        }
    }

    #[test]
    fn this_kernel_knows_every_call() {
        for feature in features() {
            assert!(
                matches!(feature.presence, Presence::Works | Presence::Forbidden),
                "{feature:?}"
            );
        }
    }
}
