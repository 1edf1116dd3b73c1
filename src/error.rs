//! Failures, in one shape: `cannot <verb> <object>: <reason>`.

use std::fmt;

/// A failure, made where its cause is known and logged once, where the hook or the command ends. It is one pointer wide:
/// every `?` moves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Failure>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    verb: &'static str,
    object: String,
    reason: String,
    cause: Cause,
    location: Option<Location>,
}

/// The part of a failure that callers ask for beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Nothing is asked.
    Stated,
    /// The kernel's error number.
    Number(i32),
    /// Root may not look there (EACCES), in a directory of the user's.
    Unseen,
    /// It did not answer in its time (ETIMEDOUT).
    Silent,
}

/// A result whose failure is an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The place in a policy that something comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Location {
    /// The policy file's path, as the administrator names it, or `built-in`.
    pub file: std::sync::Arc<str>,
    /// The line, counted from 1; 0 for what has no lines, an option of the command line.
    pub line: usize,
    /// The lines of the keys, where it is a rule's.
    #[serde(skip)]
    keys: Option<std::sync::Arc<KeyLines>>,
}

/// The keys that stand in a rule, each with its line, counted from 1.
pub type KeyLines = [(&'static str, usize)];

impl Error {
    /// "cannot `verb` `object`: `reason`".
    pub fn new(verb: &'static str, object: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::caused(verb, &object, &reason, Cause::Stated)
    }

    fn caused(
        verb: &'static str,
        object: &dyn fmt::Display,
        reason: &dyn fmt::Display,
        cause: Cause,
    ) -> Self {
        Self(Box::new(Failure {
            verb,
            object: object.to_string(),
            reason: reason.to_string(),
            cause,
            location: None,
        }))
    }

    /// Returns the error "cannot `verb` `object`" with the kernel's error number as the reason.
    pub fn from_errno(
        verb: &'static str,
        object: impl fmt::Display,
        errno: rustix::io::Errno,
    ) -> Self {
        let text = std::io::Error::from_raw_os_error(errno.raw_os_error()).to_string();
        let reason = text.split(" (os error").next().unwrap_or(&text);
        Self::caused(verb, &object, &reason, Cause::Number(errno.raw_os_error()))
    }

    /// Adds the policy line that asked for what failed. The innermost location stays.
    #[must_use]
    pub fn at(mut self, location: &Location) -> Self {
        self.0.location.get_or_insert_with(|| location.clone());
        self
    }

    /// Adds the line of the key that asked for what failed, of the rule at `location`. The innermost location stays.
    #[must_use]
    pub fn at_key(self, location: &Location, key: &str) -> Self {
        self.at(&location.of_key(key))
    }

    /// Adds a place in the policy that is known as text alone.
    #[must_use]
    pub fn of(self, location: &str) -> Self {
        let reason = format!("{} ({location})", self.0.reason);
        self.because(reason)
    }

    /// Whether the cause is that something does not exist (ENOENT).
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.errno() == Some(libc::ENOENT)
    }

    /// Marks the failure as that of something that root may not look for in a directory of the user's.
    #[must_use]
    pub fn unseen(mut self) -> Self {
        self.0.cause = Cause::Unseen;
        self
    }

    /// Marks the failure as that of something that did not answer in the time that it had.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.0.cause = Cause::Silent;
        self
    }

    /// Whether the cause is that something did not answer in its time.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.0.cause == Cause::Silent
    }

    /// Adds what an administrator can do, if the cause is that root may not look there.
    #[must_use]
    pub fn advise_where_unseen(self, advice: &str) -> Self {
        match self.0.cause == Cause::Unseen {
            true => {
                let reason = format!("{}; {advice}", self.0.reason);
                self.because(reason)
            }
            false => self,
        }
    }

    /// Whether the cause is that something does not exist, that root may not look for it where the user could have
    /// taken it away, or that it does not answer. None of them keeps a user from what is optional.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.is_missing() || matches!(self.0.cause, Cause::Unseen | Cause::Silent)
    }

    /// Whether the cause is that the caller may not do it (EPERM).
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.errno() == Some(libc::EPERM)
    }

    /// Whether the cause is that something is in use (EBUSY, EXDEV: something is mounted there).
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.errno(), Some(libc::EBUSY | libc::EXDEV))
    }

    /// Whether the kernel does not know what was asked for (ENODEV).
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.errno() == Some(libc::ENODEV)
    }

    /// Whether some of it was done, and more is left to do (ENOBUFS, ENOTEMPTY).
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        matches!(self.errno(), Some(libc::ENOBUFS | libc::ENOTEMPTY))
    }

    /// Whether the kernel does not take such an argument (EINVAL).
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.errno() == Some(libc::EINVAL)
    }

    /// Whether the cause is that something would hold itself (ELOOP).
    #[must_use]
    pub fn is_loop(&self) -> bool {
        self.errno() == Some(libc::ELOOP)
    }

    /// Whether the cause is that something was exchanged since it was looked at (ESTALE).
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.errno() == Some(libc::ESTALE)
    }

    /// Whether the cause is that another process holds a lock (EAGAIN).
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.errno() == Some(libc::EAGAIN)
    }

    /// Whether the reason is the error number's alone.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        let text = self
            .errno()
            .map(|errno| std::io::Error::from_raw_os_error(errno).to_string());
        text.is_some_and(|text| text.split(" (os error").next() == Some(self.0.reason.as_str()))
    }

    /// Names what could not be done for the same reason: "cannot `verb` `object`".
    #[must_use]
    pub fn keeping_from(mut self, verb: &'static str, object: impl fmt::Display) -> Self {
        self.0.verb = verb;
        self.0.object = object.to_string();
        self
    }

    fn errno(&self) -> Option<i32> {
        match self.0.cause {
            Cause::Stated => None,
            Cause::Number(number) => Some(number),
            Cause::Unseen => Some(libc::EACCES),
            Cause::Silent => Some(libc::ETIMEDOUT),
        }
    }

    /// Replaces the reason by one in better words than the error number's.
    #[must_use]
    pub fn because(mut self, reason: impl fmt::Display) -> Self {
        self.0.reason = reason.to_string();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {}: {}",
            self.0.verb, self.0.object, self.0.reason
        )?;
        match &self.0.location {
            Some(location) => write!(f, " ({location})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl Location {
    /// A line of `file`, counted from 1.
    #[must_use]
    pub fn new(file: &str, line: usize) -> Self {
        Self::in_file(std::sync::Arc::from(file), line)
    }

    /// A line of a file whose name is shared, counted from 1.
    #[must_use]
    pub fn in_file(file: std::sync::Arc<str>, line: usize) -> Self {
        let keys = None;
        Self { file, line, keys }
    }

    /// The place of a rule, whose keys have these lines.
    #[must_use]
    pub fn with_keys(self, keys: &KeyLines) -> Self {
        let keys = Some(std::sync::Arc::from(keys));
        Self { keys, ..self }
    }

    /// The place of a rule's key; the rule's own for a key that does not stand there.
    #[must_use]
    pub fn of_key(&self, key: &str) -> Self {
        let mut lines = self.keys.iter().flat_map(|keys| keys.iter());
        let found = lines.find(|(name, _)| *name == key);
        let line = found.map_or(self.line, |(_, line)| *line);
        Self::in_file(self.file.clone(), line)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// Writes control characters in `text` as escapes such as `\u{1b}`, so that a name from a file or the account database
/// cannot move the cursor of the administrator who reads it, or turn the direction of writing around.
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match steers(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    shown
}

/// Whether terminals and log viewers act upon a character instead of showing it.
#[must_use]
pub fn steers(c: char) -> bool {
    let is_invisible = matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    c.is_control() || is_invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_sent() {
        assert_eq!(harmless("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\\u{a}c");
        assert_eq!(harmless("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(harmless("größe"), "größe");
    }
}
