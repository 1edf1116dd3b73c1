//! Entries of a directory that are meant by a name or a pattern, and how to know later whether the same are meant.

use crate::kernel::deadline::Deadline;
use crate::kernel::fs::asker::{Asker, Opened, Parent};
use crate::kernel::fs::directory::{names, open_directory};
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::reach::reach;
use crate::kernel::fs::unseen::is_substitute;
use crate::kernel::fs::walk::file_type;
use crate::kernel::fs::wildcard::{self, Token};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Dir, FileType, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The number of entries that a pattern shows at most: each takes a mount, and two descriptors while it is made.
pub(crate) const MOST_MATCHES: usize = 256;

/// The number of names of a directory that are compared with a pattern: whoever may fill the directory must not hold a
/// login.
const MOST_NAMES: usize = 16_384;

/// The names of the entries of a directory that are meant: one name, or those that a pattern matches. As in a shell, a
/// `*` or `?` at the start matches no leading dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Names(Vec<Piece>);

/// The entries that are meant by a path below a directory: names that lead to a directory, and those of its entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamesPath {
    /// The directories on the way.
    pub directories: Vec<String>,
    /// The entries of the last one.
    pub names: Names,
}

/// A part of a name, or of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Piece {
    /// This very text.
    Text(String),
    /// `?`: any one character.
    One,
    /// `*`: any number of characters, none included.
    Many,
}

/// The owners whose entries are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Root's, and those of the user with this id: in a directory that everybody may write to, who made an entry
    /// first would serve everybody.
    RootAnd(u32),
    /// Everybody's.
    All,
}

/// The reason why an entry is not meant although it has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwanted {
    /// A symbolic link.
    Link,
    /// An entry that belongs to the user with this id.
    Foreign(u32),
    /// Not even root may look at it: a file system of a user's is mounted there (fuse(4)), or its program has ended.
    Closed,
    /// It does not answer in its time.
    Silent,
}

/// An entry that was opened (`O_PATH`), or why it is not to be had; nothing where there is none.
pub type Judged = Option<Result<(OwnedFd, Stat), Unwanted>>;

/// The entries of a directory that are meant.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The names of those to be had, in byte order, at most [`MOST_MATCHES`].
    pub names: Vec<String>,
    /// The entries that have the name and are not to be had.
    pub unwanted: Vec<(String, Unwanted)>,
    /// The number of further entries that are to be had.
    pub more: usize,
    /// Whether the directory has more names than are looked at.
    pub is_cut: bool,
}

/// The entries that were found in a directory of the host's. Whoever joins a namespace that shows them has to find
/// them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The path of the directory.
    pub directory: String,
    /// The names that were looked for.
    pub names: Names,
    /// The entries that there were, in byte order of the names.
    pub entries: Vec<Entry>,
}

/// An entry as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The device that it is on, as stat(2) numbers it.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
}

impl Names {
    /// Makes the names that are `name` alone, in which nothing is a pattern.
    #[must_use]
    pub fn plain(name: &str) -> Self {
        Self(vec![Piece::Text(name.to_owned())])
    }

    /// Makes the names that these pieces match together.
    #[must_use]
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (_, Piece::Text(text)) if text.is_empty() => {}
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (Some(Piece::Many), Piece::Many) => {}
                (_, piece) => joined.push(piece),
            }
        }
        Self(joined)
    }

    /// The pieces of a text in which `*` and `?` are patterns.
    pub fn pieces(text: &str) -> impl Iterator<Item = Piece> {
        text.split_inclusive(['*', '?']).flat_map(|part| {
            let (before, wild) = match (part.strip_suffix('*'), part.strip_suffix('?')) {
                (Some(before), _) => (before, Some(Piece::Many)),
                (_, Some(before)) => (before, Some(Piece::One)),
                _ => (part, None),
            };
            std::iter::once(Piece::Text(before.to_owned())).chain(wild)
        })
    }

    /// The name, where only one is meant.
    #[must_use]
    pub(crate) fn single(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text(name)] => Some(name),
            _ => None,
        }
    }

    /// The number of entries that it can show at most.
    #[must_use]
    pub fn most(&self) -> usize {
        match self.single() {
            Some(_) => 1,
            None => MOST_MATCHES,
        }
    }

    /// Looks for the entries in a directory.
    ///
    /// # Errors
    ///
    /// The error number of openat(2) or getdents64(2): what is not there is no error.
    pub(crate) fn search(
        &self,
        directory: Parent<'_>,
        owners: Owners,
        asker: &Asker,
    ) -> Result<Search, Errno> {
        let mut search = Search::default();
        let matching = match self.single() {
            Some(name) => BTreeSet::from([name.to_owned()]),
            None => self.matching(directory.directory, &mut search)?,
        };
        for name in matching {
            match owners.find(directory, &name, asker)? {
                None => {}
                Some(Err(unwanted)) => search.unwanted.push((name, unwanted)),
                Some(Ok(_)) if search.names.len() < MOST_MATCHES => search.names.push(name),
                Some(Ok(_)) => search.more = search.more.saturating_add(1),
            }
        }
        Ok(search)
    }

    /// The names in a directory that match. One that is not UTF-8 matches nothing.
    fn matching(
        &self,
        directory: impl AsFd,
        search: &mut Search,
    ) -> Result<BTreeSet<String>, Errno> {
        let tokens = self.tokens();
        let mut found = BTreeSet::new();
        let listed = names(Dir::new(open_directory(directory, ".")?)?);
        for (number, name) in listed.enumerate() {
            if number >= MOST_NAMES {
                search.is_cut = true;
                break;
            }
            let name = name?.into_string();
            found.extend(name.ok().filter(|name| self.matches(&tokens, name)));
        }
        Ok(found)
    }

    fn matches(&self, tokens: &[Token], name: &str) -> bool {
        let says_dot = matches!(self.0.first(), Some(Piece::Text(text)) if text.starts_with('.'));
        (says_dot || !name.starts_with('.')) && wildcard::matches(tokens, name)
    }

    fn tokens(&self) -> Vec<Token> {
        let pieces = self.0.iter();
        let tokens = pieces.flat_map(|piece| match piece {
            Piece::Text(text) => text.chars().map(Token::Literal).collect(),
            Piece::One => vec![Token::One],
            Piece::Many => vec![Token::Many],
        });
        tokens.collect()
    }
}

impl Owners {
    /// Opens an entry, not followed where it is a link, unless it is not to be had; nothing where there is none.
    ///
    /// # Errors
    ///
    /// The error number of openat(2) or fstat(2).
    pub(crate) fn find(
        self,
        directory: Parent<'_>,
        name: &str,
        asker: &Asker,
    ) -> Result<Judged, Errno> {
        // A file system of the user's own is theirs, whether or not it lets root look at it.
        let uid = match self {
            Self::RootAnd(uid) => uid,
            Self::All => rustix::process::geteuid().as_raw(),
        };
        match asker.open_entry(directory, name, uid) {
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::ACCESS | Errno::NOTCONN) => Ok(Some(Err(Unwanted::Closed))),
            Err(Errno::TIMEDOUT) if asker.deadline().left().is_some() => {
                Ok(Some(Err(Unwanted::Silent)))
            }
            Err(errno) => Err(errno),
            Ok(opened) if self == Self::All && is_substitute(&opened.status) => {
                Ok(Some(Err(Unwanted::Closed)))
            }
            Ok(Opened {
                descriptor, status, ..
            }) => Ok(Some(self.judge(&status).map(|()| (descriptor, status)))),
        }
    }

    fn judge(self, status: &Stat) -> Result<(), Unwanted> {
        let owner = status.st_uid;
        match self {
            _ if file_type(status) == FileType::Symlink => Err(Unwanted::Link),
            Self::RootAnd(uid) if ![0, uid].contains(&owner) => Err(Unwanted::Foreign(owner)),
            Self::RootAnd(_) | Self::All => Ok(()),
        }
    }
}

impl Entry {
    /// Describes the entry `name` by its status, which distinguishes it from another one.
    #[must_use]
    pub fn new(name: &str, status: &Stat) -> Self {
        let FileIdentity { device, inode } = FileIdentity::of(status);
        Self {
            name: name.to_owned(),
            device,
            inode,
        }
    }
}

impl Found {
    /// Whether of `all` the same is found now, for the user `uid`. A directory is opened once for what stands one behind
    /// the other in `all`.
    #[must_use]
    pub fn are_current(all: &[Self], uid: u32, deadline: &Deadline) -> bool {
        Self::are_current_by(all, uid, &Asker::until(deadline))
    }

    /// Whether it is so, as `asker` finds.
    #[must_use]
    pub(crate) fn are_current_by(all: &[Self], uid: u32, asker: &Asker) -> bool {
        let in_one = all.chunk_by(|one, next| one.directory == next.directory);
        let are_there = |found: &[Self]| Self::are_in_one(found, Owners::RootAnd(uid), asker);
        in_one.into_iter().all(|found| are_there(found) == Ok(true))
    }

    /// Whether of `all`, which are of one directory, the same is found now.
    fn are_in_one(all: &[Self], owners: Owners, asker: &Asker) -> Result<bool, Errno> {
        let path = all.first().map_or("", |first| &first.directory);
        let directory = reach(asker, path)?;
        for found in all {
            if found.look_again(directory.as_parent(), owners, asker)? != found.entries {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn look_again(
        &self,
        directory: Parent<'_>,
        owners: Owners,
        asker: &Asker,
    ) -> Result<Vec<Entry>, Errno> {
        let names = match self.names.single() {
            Some(name) => vec![name.to_owned()],
            None => self.names.search(directory, owners, asker)?.names,
        };
        let mut entries = Vec::new();
        for name in names {
            if let Some(Ok((_, status))) = owners.find(directory, &name, asker)? {
                entries.push(Entry::new(&name, &status));
            }
        }
        Ok(entries)
    }
}

impl fmt::Display for Names {
    /// Writes it as a policy has it; a character that is no pattern has a backslash before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(&text.replace('*', "\\*").replace('?', "\\?")),
            Piece::One => f.write_str("?"),
            Piece::Many => f.write_str("*"),
        })
    }
}

impl fmt::Display for NamesPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut directories = self.directories.iter();
        directories.try_for_each(|name| write!(f, "{}/", Names::plain(name)))?;
        self.names.fmt(f)
    }
}

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("it is a symbolic link"),
            Self::Foreign(uid) => write!(f, "it belongs to uid {uid}, not to root or the user"),
            Self::Closed => f.write_str("root may not look at it, as in a user's file system"),
            Self::Silent => f.write_str("it does not answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Names {
        Names::new(Names::pieces(text))
    }

    fn matched(pattern: &str, name: &str) -> bool {
        let names = names(pattern);
        names.matches(&names.tokens(), name)
    }

    #[test]
    fn patterns_and_what_they_match() {
        for (pattern, name, expected) in [
            (".X*-lock", ".X0-lock", true),
            (".X*-lock", ".X11-unix", false),
            (".X?", ".X1", true),
            (".X?", ".X", false),
            ("*", "a", true),
            ("*", ".a", false),
            ("?a", ".a", false),
            (".*", ".a", true),
            ("**", "a", true),
            ("a[b]*", "a[b]c", true),
            ("a[b]*", "ab", false),
            ("*.sock", "x.sock", true),
            ("*.sock", ".sock", false),
        ] {
            assert_eq!(matched(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn only_a_text_without_patterns_is_one_name() {
        for (text, single) in [
            (".X11-unix", true),
            ("a*", false),
            ("?", false),
            ("a[b]", true),
        ] {
            assert_eq!(names(text).single().is_some(), single, "{text}");
            assert_eq!(names(text).to_string(), text);
        }
        let star = Names::plain("*");
        assert_eq!(star.single(), Some("*"));
        assert_eq!(star.to_string(), "\\*");
    }

    #[test]
    fn what_is_remembered_is_read_again() {
        for names in [names(".X*-?ock"), Names::plain("*"), names("a")] {
            let text = serde_json::to_string(&names).unwrap();
            assert_eq!(
                serde_json::from_str::<Names>(&text).unwrap(),
                names,
                "{text}"
            );
        }
    }

    /// A pattern shows no more than it may, the first ones, and says how many are left.
    #[test]
    fn a_pattern_has_an_end() {
        let scratch = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        for number in 0..MOST_MATCHES + 3 {
            std::fs::write(scratch.path().join(format!("x{number:04}")), "").unwrap();
        }
        std::os::unix::fs::symlink("x0000", scratch.path().join("x")).unwrap();
        let directory = std::fs::File::open(scratch.path()).unwrap();
        let found = names("x*")
            .search(
                Parent {
                    directory: directory.as_fd(),
                    asked: None,
                    copy: None,
                },
                Owners::RootAnd(uid),
                &Asker::default(),
            )
            .unwrap();
        assert_eq!((found.names.len(), found.more), (MOST_MATCHES, 3));
        assert_eq!(found.names.first().map(String::as_str), Some("x0000"));
        assert_eq!(found.unwanted, [("x".to_owned(), Unwanted::Link)]);
        assert!(!found.is_cut);
    }
}
