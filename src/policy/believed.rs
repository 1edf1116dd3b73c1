//! Directories whose content root believes: programs, libraries, accounts, and what the system keeps and says about itself.
//! A rule that shows something of the user's there lets the user choose who may become root.

use super::rule::{Bind, Kind, Ownership, Private, RunAs, Tmpfs, Volume};
use super::template::{Fact, NameTemplate, PathTemplate};
use super::value::Mode;
use crate::path::is_within;

/// The directories; besides these, every one of the root directory whose name begins with [`LIBRARIES`].
const DIRECTORIES: [&str; 7] = [
    "/etc", "/usr", "/bin", "/sbin", "/boot", "/var/lib", "/proc",
];

const LIBRARIES: &str = "/lib";

/// The words for a path of which [`is_believed`].
pub const REASON: &str = "root believes what is there";

/// The key of a rule that would let the user choose what root believes, and in which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The key.
    pub key: Key,
    /// The thing that the user could do, as in "the user …".
    pub message: String,
}

/// The keys that can say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `source` of a bind.
    Source,
    /// `store` of an instance.
    Store,
    /// The `path` itself.
    Path,
}

/// Whether root believes what the absolute path `path`, without `.`, `..` and repeated slashes, shows: it is one of
/// the directories, lies in one, or has one in it.
#[must_use]
pub(crate) fn is_believed(path: &str) -> bool {
    let within = |directory: &&str| is_within(path, directory);
    DIRECTORIES.iter().any(within) || is_library(path) || holds_believed(path)
}

/// Whether the path is one of the directories, or has one in it: nobody but root may ever write there.
fn holds_believed(path: &str) -> bool {
    let is_top = path.matches('/').count() == 1;
    DIRECTORIES
        .iter()
        .any(|directory| is_within(directory, path))
        || is_top && is_library(path)
}

fn is_library(path: &str) -> bool {
    path.starts_with(LIBRARIES)
}

/// Finds what of a rule would let the user choose what root believes, as far as the policy alone shows: what a login
/// finds at the source of a bind may show more.
#[must_use]
pub(crate) fn doubt(kind: &Kind) -> Option<Doubt> {
    let written = kind.path()?;
    let path = written.sample();
    if !is_believed(&path) {
        return None;
    }
    let (key, what) = match kind {
        Kind::Bind(Bind { source, .. }) => (Key::Source, source_doubt(source)?),
        Kind::Private(private) => private_doubt(private, &path)?,
        Kind::Tmpfs(Tmpfs { ownership, .. }) => (Key::Path, open_doubt(ownership, &path)?),
        Kind::Volume(Volume { run_as, .. }) => (Key::Path, volume_doubt(*run_as)?),
        // What is written to a layer has the owner and the mode of what is below, nothing is nobody's, and a root
        // directory is judged by who owns it.
        Kind::Overlay(_) | Kind::Hide(_) | Kind::Root(_) => return None,
        Kind::Isolate(_) | Kind::Env(_) | Kind::Hook(_) => return None,
    };
    let message = format!("{what}, and at {written} {REASON}");
    Some(Doubt { key, message })
}

fn source_doubt(source: &PathTemplate) -> Option<&'static str> {
    let is_users = source.mentions(&[Fact::Home]);
    is_users.then_some("the source is the user's")
}

fn private_doubt(private: &Private, path: &str) -> Option<(Key, &'static str)> {
    let store = private.store().map(|store| &store.path);
    if store.is_some_and(|store| store.mentions(&[Fact::Home])) {
        return Some((Key::Store, "the instance is in the user's home"));
    }
    open_doubt(&private.ownership, path).map(|what| (Key::Path, what))
}

/// Below the directories some are open to users by themselves; a login looks whether the covered one is.
fn open_doubt(ownership: &Ownership, path: &str) -> Option<&'static str> {
    let Ownership { mode, owner, .. } = ownership;
    let is_open = mode.is_some_and(Mode::is_open_to_all);
    let of_user = |owner: &NameTemplate| owner.mentions(&[Fact::User, Fact::Uid]);
    let is_users = is_open || owner.as_ref().is_some_and(of_user);
    (holds_believed(path) && is_users).then_some("the user could write to it")
}

fn volume_doubt(run_as: RunAs) -> Option<&'static str> {
    (run_as == RunAs::User).then_some("the user serves what is in it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_believes() {
        for (path, believed, holds_believed) in [
            ("/etc", true, true),
            ("/etc/ld.so.preload", true, false),
            ("/etcetera", false, false),
            ("/usr/local/bin", true, false),
            ("/lib", true, true),
            ("/lib64", true, true),
            ("/lib64/security", true, false),
            ("/boot", true, true),
            ("/proc/cpuinfo", true, false),
            ("/process", false, false),
            ("/var", true, true),
            ("/var/lib", true, true),
            ("/var/lib/dpkg", true, false),
            ("/var/library", false, false),
            ("/var/tmp", false, false),
            ("/tmp", false, false),
            ("/home/alice/etc", false, false),
            ("/opt/lib", false, false),
        ] {
            assert_eq!(is_believed(path), believed, "{path}");
            assert_eq!(super::holds_believed(path), holds_believed, "{path}");
        }
    }
}
