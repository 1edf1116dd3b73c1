//! The source that a policy is read from.

use super::diagnostic::{Diagnostic, Severity};
use super::report::Report;
pub use super::text::LIMIT;
use crate::error::Error;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::asker::Asker;
use crate::kernel::fs::file::{TrustedDirectory, Version};
use crate::kernel::fs::walk::Trust;
use std::sync::Arc;

/// The files that make up a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `/etc/security/jns.toml`, or the built-in default where that does not exist, then
    /// `/etc/security/jns.d/*.toml` in byte order.
    System,
    /// This one file, without drop-ins and without the default.
    File(String),
}

/// The policy file of the system.
pub(crate) const SYSTEM_FILE: &str = "/etc/security/jns.toml";

/// The directory of drop-ins; names that do not end in `.toml` or that start with a dot are passed over.
pub const DROP_INS: &str = "/etc/security/jns.d";

/// The name under which diagnostics and locations mention the built-in default.
pub(crate) const BUILT_IN_NAME: &str = "built-in";

/// The built-in default: the very text of `conf/jns.toml`.
pub const BUILT_IN: &str = include_str!("../../conf/jns.toml");

/// A file of a policy: its name and its bytes.
pub type File = (String, Vec<u8>);

/// What is read of a policy.
pub(super) struct Read {
    /// The files that could be read, each with its rank.
    pub(super) files: Vec<(usize, File)>,
    /// All files and directories that decide what the policy says, as they were before they were read. While none of it
    /// changes, reading the policy again gives the same.
    pub(super) watched: Vec<Watched>,
}

impl Source {
    /// Reads the files until the deadline; what cannot be read is reported and left out, with its rank kept.
    pub(super) fn read(&self, deadline: &Deadline, report: &mut Report) -> Read {
        let (mut files, mut watched) = (Vec::new(), Vec::new());
        let fetched = match self {
            Self::File(path) => vec![named_file(deadline, path)],
            Self::System => system_files(deadline, &mut watched),
        };
        for (rank, file) in fetched.into_iter().enumerate() {
            match file {
                Ok((file, version)) => {
                    // What stands for a file that does not exist has another name.
                    let path = match file.0.as_str() {
                        BUILT_IN_NAME => SYSTEM_FILE,
                        path => path,
                    };
                    watched.push((path.to_owned(), version));
                    files.push((rank, file));
                }
                Err((name, error)) => report.add(rank, unreadable(&name, &error)),
            }
        }
        Read { files, watched }
    }
}

/// A file or directory that decides what a policy says: its path, and what tells whether it is the one it
/// was; nothing where it does not exist.
pub type Watched = (String, Option<Version>);

/// A file that decides what a plan says, as it is now. One that does not answer, and so is not read, is as good as none.
#[must_use]
pub(crate) fn watch(path: &str, deadline: &Deadline) -> Watched {
    let version = Version::find(&Asker::until(deadline), path);
    (path.to_owned(), version.unwrap_or_default())
}

/// Whether all of them are as they were. One that does not answer may be another one by now.
#[must_use]
pub(crate) fn are_unchanged(watched: &[Watched], deadline: &Deadline) -> bool {
    let asker = &Asker::until(deadline);
    let is_unchanged =
        |(path, version): &Watched| Version::find(asker, path).is_ok_and(|now| now == *version);
    watched.iter().all(is_unchanged)
}

/// A file and its version, nothing where it does not exist; or what is not read, and why.
type Fetched = Result<(File, Option<Version>), (String, Error)>;

fn named(path: &str, read: Result<(Vec<u8>, Version), Error>) -> Fetched {
    match read {
        Ok((bytes, version)) => Ok(((path.to_owned(), bytes), Some(version))),
        Err(error) => Err((path.to_owned(), error)),
    }
}

fn named_file(deadline: &Deadline, path: &str) -> Fetched {
    let holding = TrustedDirectory::holding_until(deadline, Trust::Root, path);
    let read = holding.and_then(|(directory, name)| directory.read_version(name, LIMIT));
    named(path, read)
}

/// The files of the system. The directory that holds them is walked to once.
fn system_files(deadline: &Deadline, watched: &mut Vec<Watched>) -> Vec<Fetched> {
    let (directory, name) =
        match TrustedDirectory::holding_until(deadline, Trust::Root, SYSTEM_FILE) {
            Ok(found) => found,
            Err(error) => {
                watched.push((DROP_INS.to_owned(), None));
                return vec![named(SYSTEM_FILE, Err(error)).or_else(built_in)];
            }
        };
    let first = named(SYSTEM_FILE, directory.read_version(name, LIMIT)).or_else(built_in);
    std::iter::once(first)
        .chain(drop_ins(&directory, watched))
        .collect()
}

fn built_in((name, error): (String, Error)) -> Fetched {
    if error.is_missing() {
        let text = BUILT_IN.as_bytes().to_owned();
        return Ok(((BUILT_IN_NAME.to_owned(), text), None));
    }
    Err((name, error))
}

fn drop_ins(security: &TrustedDirectory, watched: &mut Vec<Watched>) -> Vec<Fetched> {
    let name = DROP_INS.rsplit('/').next().unwrap_or_default();
    let (directory, version) = match security.open_directory(name) {
        Ok((directory, version)) => (Some(directory), Some(version)),
        Err(error) if error.is_missing() => (None, None),
        Err(error) => return vec![Err((DROP_INS.to_owned(), error))],
    };
    watched.push((DROP_INS.to_owned(), version));
    let Some(directory) = directory else {
        return Vec::new();
    };
    match directory.names() {
        Ok(names) => {
            let drop_ins = names.iter().filter(|name| is_drop_in(name));
            let read = |name: &String| {
                let path = format!("{DROP_INS}/{name}");
                named(&path, directory.read_version(name, LIMIT))
            };
            drop_ins.map(read).collect()
        }
        Err(error) => vec![Err((DROP_INS.to_owned(), error))],
    }
}

/// Whether a file of that name in [`DROP_INS`] is read.
#[must_use]
pub(crate) fn is_drop_in(name: &str) -> bool {
    name.ends_with(".toml") && !name.starts_with('.')
}

fn unreadable(name: &str, error: &Error) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        file: Arc::from(name),
        place: None,
        message: error.to_string(),
        help: None,
    }
}
