//! The source that a policy is read from.

use super::diagnostic::{Diagnostic, Severity};
use super::report::Report;
pub use super::text::LIMIT;
use crate::error::Error;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::file::{self, TrustedDirectory, Version};
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

impl Source {
    /// Reads the files; what cannot be read is reported and left out, with its rank kept.
    pub(super) fn read(&self, report: &mut Report) -> Vec<(usize, File)> {
        let files = match self {
            Self::File(path) => vec![named(path, file::read_trusted(path, LIMIT))],
            Self::System => system_files(),
        };
        let mut read = Vec::new();
        for (rank, file) in files.into_iter().enumerate() {
            match file {
                Ok(file) => read.push((rank, file)),
                Err((name, error)) => report.add(rank, unreadable(&name, &error)),
            }
        }
        read
    }
}

/// A file or directory that decides what a policy says: its path, and what tells whether it is the one it
/// was; nothing where it does not exist.
pub type Watched = (String, Option<Version>);

impl Source {
    /// The files and directories that decide what the policy says, as they are now. While none of it changes, reading the
    /// policy again gives the same.
    #[must_use]
    pub fn watched(&self) -> Vec<Watched> {
        let mut paths = match self {
            Self::File(path) => vec![path.clone()],
            Self::System => vec![SYSTEM_FILE.to_owned(), DROP_INS.to_owned()],
        };
        if *self == Self::System {
            paths.extend(drop_in_paths());
        }
        let deadline = &Deadline::none();
        paths.iter().map(|path| watch(path, deadline)).collect()
    }
}

/// A file that decides what a plan says, as it is now.
#[must_use]
pub(crate) fn watch(path: &str, deadline: &Deadline) -> Watched {
    (path.to_owned(), Version::until(deadline, path))
}

type Fetched = Result<File, (String, Error)>;

fn named(path: &str, read: Result<Vec<u8>, Error>) -> Fetched {
    match read {
        Ok(bytes) => Ok((path.to_owned(), bytes)),
        Err(error) => Err((path.to_owned(), error)),
    }
}

/// The files of the system. The directory that holds them is walked to once.
fn system_files() -> Vec<Fetched> {
    let (directory, name) = match TrustedDirectory::holding(Trust::Root, SYSTEM_FILE) {
        Ok(found) => found,
        Err(error) => return vec![named(SYSTEM_FILE, Err(error)).or_else(built_in)],
    };
    let first = named(SYSTEM_FILE, directory.read(name, LIMIT)).or_else(built_in);
    std::iter::once(first).chain(drop_ins(&directory)).collect()
}

fn built_in((name, error): (String, Error)) -> Fetched {
    if error.is_missing() {
        return Ok((BUILT_IN_NAME.to_owned(), BUILT_IN.as_bytes().to_owned()));
    }
    Err((name, error))
}

fn drop_ins(security: &TrustedDirectory) -> Vec<Fetched> {
    let name = DROP_INS.rsplit('/').next().unwrap_or_default();
    let opened = security.directory(name);
    let listed = opened.and_then(|directory| Ok((directory.names()?, directory)));
    match listed {
        Ok((names, directory)) => {
            let drop_ins = names.iter().filter(|name| is_drop_in(name));
            let read =
                |name: &String| named(&format!("{DROP_INS}/{name}"), directory.read(name, LIMIT));
            drop_ins.map(read).collect()
        }
        Err(error) if error.is_missing() => Vec::new(),
        Err(error) => vec![Err((DROP_INS.to_owned(), error))],
    }
}

fn is_drop_in(name: &str) -> bool {
    name.ends_with(".toml") && !name.starts_with('.')
}

/// The paths of the drop-ins, in any order. Whether they can be trusted is seen when they are read.
fn drop_in_paths() -> Vec<String> {
    let listed = std::fs::read_dir(DROP_INS).into_iter().flatten();
    let names = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let drop_ins = names.filter(|name| is_drop_in(name));
    drop_ins.map(|name| format!("{DROP_INS}/{name}")).collect()
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
