//! Paths and names whose form was checked once.

use crate::error::Error;
use crate::store::layout::DEFAULT_STORE;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fmt;

/// An absolute path without `.`, `..`, repeated or trailing slashes, that is not `/` itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AbsPath(String);

/// The path of a place in a view: `/`, or an absolute path of the form of [`AbsPath`], of any length. A walk has found it,
/// or it is an [`AbsPath`] in a view whose root directory is another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ViewPath(String);

/// One name in a directory: not empty, not `.` or `..`, without a slash or NUL, at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Component(String);

impl AbsPath {
    /// The path `text`, or what is wrong with it.
    ///
    /// # Errors
    ///
    /// A sentence fragment saying which rule the text breaks.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        check_names(text)?;
        if text.len() > 4095 {
            return Err("a path is at most 4095 bytes long");
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names in the path, from the root down.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }

    /// Whether `self` is `ancestor` or lies beneath it.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        is_within(&self.0, ancestor.as_str())
    }
}

fn check_names(text: &str) -> Result<(), &'static str> {
    let Some(rest) = text.strip_prefix('/') else {
        return Err("a path must be absolute");
    };
    if rest.is_empty() {
        return Err("the root directory cannot be used here");
    }
    if text.contains('\0') {
        return Err("a path cannot hold a NUL");
    }
    for name in rest.split('/') {
        match name {
            "" => return Err("a path must not have repeated or trailing slashes"),
            "." | ".." => return Err("a path must not have `.` or `..` in it"),
            long if long.len() > 255 => {
                return Err("a name in a path is at most 255 bytes long");
            }
            _ => {}
        }
    }
    Ok(())
}

impl ViewPath {
    /// The path `text`, or what is wrong with it.
    ///
    /// # Errors
    ///
    /// A sentence fragment saying which rule the text breaks.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        match text {
            "/" => Ok(Self::root()),
            _ => check_names(text).map(|()| Self(text.to_owned())),
        }
    }

    /// The root directory.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path that a walk has found, of the names on the way: `/one/two`, and nothing for the root directory.
    #[must_use]
    pub(crate) fn walked(names: &str) -> Self {
        match names {
            "" => Self::root(),
            _ => Self(names.to_owned()),
        }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&AbsPath> for ViewPath {
    fn from(path: &AbsPath) -> Self {
        Self(path.0.clone())
    }
}

impl AsRef<OsStr> for ViewPath {
    fn as_ref(&self) -> &OsStr {
        self.0.as_ref()
    }
}

impl PartialEq<str> for ViewPath {
    fn eq(&self, text: &str) -> bool {
        self.0 == text
    }
}

impl PartialEq<&str> for ViewPath {
    fn eq(&self, text: &&str) -> bool {
        self.0 == *text
    }
}

impl TryFrom<String> for ViewPath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::new(&text).map_err(|reason| Error::new("use the path", &text, reason))
    }
}

impl fmt::Display for ViewPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `path` is `ancestor` or lies beneath it, both absolute without `.`, `..`, repeated and trailing slashes.
/// Nothing but itself lies within `/`.
#[must_use]
pub fn is_within(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Says why nothing may be bound over a path in `/proc`, as far as its name tells; nothing where a file may. Beneath a
/// process's own directory every program finds itself, and writing below `/proc/sys` is how root sets the kernel.
#[must_use]
pub(crate) fn refusal_in_proc(path: &str) -> Option<&'static str> {
    let below = path.strip_prefix("/proc")?;
    let name = match below.strip_prefix('/') {
        Some(names) => names.split('/').next().unwrap_or_default(),
        None if below.is_empty() => "",
        None => return None,
    };
    let is_pid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    match name {
        "" => Some("in /proc a file alone can be covered"),
        "sys" => Some("/proc/sys cannot be covered"),
        // The last two are links to the second.
        "self" | "thread-self" | "mounts" | "net" => Some("it is a process's own"),
        _ => is_pid.then_some("it is a process's own"),
    }
}

impl AbsPath {
    /// The directory of instances unless `settings.store` says otherwise.
    #[must_use]
    pub(crate) fn default_store() -> Self {
        Self(DEFAULT_STORE.to_owned())
    }

    /// Whether it is `/proc` or in it.
    #[must_use]
    pub(crate) fn is_in_proc(&self) -> bool {
        self.components().next() == Some("proc")
    }
}

impl TryFrom<String> for AbsPath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::new(&text).map_err(|reason| Error::new("use the path", &text, reason))
    }
}

impl Component {
    /// The name `text`, or what is wrong with it.
    ///
    /// # Errors
    ///
    /// A sentence fragment saying which rule the text breaks.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        match text {
            "" => Err("a name must not be empty"),
            "." | ".." => Err("a name must not be `.` or `..`"),
            _ if text.contains(['/', '\0']) => Err("a name must not hold a slash or NUL"),
            _ if text.len() > 255 => Err("a name is at most 255 bytes long"),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_was_checked() {
        for (text, is_right) in [
            ("/a/b", true),
            ("/", false),
            ("a", false),
            ("/a/../b", false),
            ("", false),
        ] {
            let read = serde_json::from_str::<AbsPath>(&format!("\"{text}\""));
            assert_eq!(
                read.ok().map(|path| path.to_string()),
                is_right.then(|| text.to_owned())
            );
        }
        assert_eq!(
            AbsPath::new("/"),
            Err("the root directory cannot be used here")
        );
    }

    #[test]
    fn a_path_of_a_view_may_be_its_root() {
        for (text, is_right) in [
            ("/", true),
            ("/a", true),
            ("/a/", false),
            ("//", false),
            ("", false),
        ] {
            let read = serde_json::from_str::<ViewPath>(&format!("\"{text}\""));
            assert_eq!(read.is_ok(), is_right, "{text}");
        }
        assert_eq!(ViewPath::walked(""), ViewPath::root());
    }

    #[test]
    fn paths_within_paths() {
        for (path, ancestor, expected) in [
            ("/a", "/a", true),
            ("/a/b", "/a", true),
            ("/ab", "/a", false),
            ("/a", "/a/b", false),
            ("/a", "/", false),
        ] {
            let within = AbsPath(path.to_owned()).is_within(&AbsPath(ancestor.to_owned()));
            assert_eq!(within, expected, "{path} in {ancestor}");
        }
    }

    #[test]
    fn a_path_in_proc_is_judged_by_its_first_name() {
        for (path, expected) in [
            ("/proc", true),
            ("/proc/1", true),
            ("/process", false),
            ("/a/proc", false),
        ] {
            assert_eq!(AbsPath(path.to_owned()).is_in_proc(), expected, "{path}");
        }
    }
}
