//! Small types at the edge of the language, so that bad states cannot be spelled further in.

use std::fmt;

/// An absolute path without `.`, `..`, repeated or trailing slashes, that is not `/` itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsPath(String);

/// One name in a directory: not empty, not `.` or `..`, without a slash or NUL, at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Component(String);

/// Permission bits, at most 0o7777.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(u32);

/// The size of a file system in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Bytes.
    Bytes(u64),
    /// Percent of the machine's memory, 1 to 100.
    Percent(u8),
}

/// `settings.propagation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Host mounts appear in sessions, never the other way.
    Slave,
    /// Neither way.
    Private,
}

/// The mount attributes that are named: each is asked for, forbidden, or left as it is (`None`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `ro` / `rw`.
    pub read_only: Option<bool>,
    /// `nosuid` / `suid`.
    pub no_suid: Option<bool>,
    /// `nodev` / `dev`.
    pub no_dev: Option<bool>,
    /// `noexec` / `exec`.
    pub no_exec: Option<bool>,
    /// `nosymfollow` / `symfollow`.
    pub no_symfollow: Option<bool>,
    /// `noatime`, `relatime`, `strictatime`.
    pub access_time: Option<AccessTime>,
    /// `nodiratime`; there is no opposite word, `strictatime` and the others do not clear it.
    pub no_dir_atime: Option<bool>,
}

/// When reading a file updates its access time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTime {
    /// `noatime`: never.
    Never,
    /// `relatime`: when it is older than the last change, or than a day.
    Relative,
    /// `strictatime`: always.
    Always,
}

impl AbsPath {
    /// The path `text`, or what is wrong with it.
    ///
    /// # Errors
    ///
    /// A sentence fragment saying which rule the text breaks.
    pub fn new(text: &str) -> Result<Self, &'static str> {
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
        self.0
            .strip_prefix(ancestor.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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

impl Mode {
    /// Permission bits from a number of at most 0o7777.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits <= 0o7777 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
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

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}
