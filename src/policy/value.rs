//! Small types at the edge of the language, so that bad states cannot be spelled further in.

use super::fields::{Item, Vocabulary, Word, shortened, unknown_word};
use super::report::Fault;
use crate::kernel::mount::attribute::Choice;
use crate::path::AbsPath;
use std::fmt;
use std::time::Duration;

pub use crate::kernel::fs::entries::{Names, NamesPath};
pub use crate::kernel::mount::attribute;

/// The name of a variable of the environment: letters, digits and `_`, no digit first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableName(pub String);

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

/// The mount attributes that are named: each has a value, or is left as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The bits `MOUNT_ATTR_*` of those that are named.
    named: u64,
    /// Their values, within these bits.
    bits: u64,
}

impl Default for Size {
    /// Never unbounded.
    fn default() -> Self {
        Self::Percent(10)
    }
}

impl Size {
    /// The number of bytes that it is on a machine with `memory` bytes of memory.
    #[must_use]
    pub fn in_bytes(self, memory: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => {
                let hundredth = memory.checked_div(100).unwrap_or(0);
                hundredth.saturating_mul(u64::from(percent))
            }
        }
    }
}

impl Mode {
    /// The mode of `/tmp`: everybody may make files, and remove their own alone.
    pub(crate) const STICKY: Self = Self(0o1777);

    /// The mode of most directories: everybody may look into it.
    pub const OPEN: Self = Self(0o755);

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

    /// Whether everybody may write.
    #[must_use]
    pub(crate) const fn is_open_to_all(self) -> bool {
        self.0 & 0o002 != 0
    }
}

impl Word for AbsPath {
    fn parse(text: &str) -> Result<Self, Fault> {
        Self::new(text).map_err(Fault::new)
    }
}

impl Word for VariableName {
    fn parse(text: &str) -> Result<Self, Fault> {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if text.is_empty()
            || text.starts_with(|c: char| c.is_ascii_digit())
            || !text.chars().all(good)
        {
            return Err(Fault::new(
                "a variable's name is letters, digits and `_`, and does not start with a digit",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Word for Mode {
    fn parse(text: &str) -> Result<Self, Fault> {
        let octal = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let bits = u32::from_str_radix(text, 8).ok().filter(|_| octal);
        bits.and_then(Self::from_bits).ok_or_else(|| {
            Fault::new("a mode is an octal number of at most \"7777\", such as \"1777\"")
        })
    }

    /// A number is octal however it is written: as in C (0700), as in TOML (0o700), as for chmod(1) (700).
    fn guess(text: &str) -> Option<String> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        Self::parse(digits).ok().map(|mode| mode.to_string())
    }
}

impl Word for Size {
    fn parse(text: &str) -> Result<Self, Fault> {
        let size = match text.strip_suffix('%') {
            Some(percent) => decimal(percent).and_then(percentage).map(Self::Percent),
            None => bytes(text).map(Self::Bytes),
        };
        size.ok_or_else(|| {
            Fault::new("a size is a number with K, M, G or T, such as \"512M\", or a part of the memory from \"1%\" to \"100%\"")
        })
    }

    fn guess(text: &str) -> Option<String> {
        match Self::parse(text).ok()? {
            Self::Bytes(bytes) if bytes < PAGE => Some(format!("{bytes}M")),
            Self::Bytes(_) | Self::Percent(_) => Some(text.to_owned()),
        }
    }
}

/// A file system in memory holds no file in less than this, in bytes: a smaller number is one of mebibytes.
const PAGE: u64 = 4096;

fn percentage(number: u64) -> Option<u8> {
    let percent = u8::try_from(number).ok()?;
    (1..=100).contains(&percent).then_some(percent)
}

/// A number of bytes, more than none: to tmpfs(5), 0 means "without a limit".
fn bytes(text: &str) -> Option<u64> {
    let suffixes = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let unit = suffixes
        .iter()
        .find(|(suffix, _)| text.ends_with([*suffix, suffix.to_ascii_lowercase()]));
    let (digits, power) = match unit {
        Some((_, power)) => (text.get(..text.len().saturating_sub(1))?, *power),
        None => (text, 0),
    };
    let bytes = decimal(digits)?.checked_mul(1_u64.checked_shl(power)?)?;
    (bytes > 0).then_some(bytes)
}

fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

impl Word for Duration {
    fn parse(text: &str) -> Result<Self, Fault> {
        let parsed = humantime::parse_duration(text).ok();
        parsed
            .filter(|duration| !duration.is_zero())
            .ok_or_else(|| {
                Fault::new(format!("\"{}\" is not a length of time", shortened(text)))
                    .help("write it as \"10s\" or \"1m 30s\"")
            })
    }

    fn guess(text: &str) -> Option<String> {
        guess_time::<Self>(text)
    }
}

/// Finds the length of time that is meant by a text: seconds, where it is a number alone.
pub(super) fn guess_time<T: Word>(text: &str) -> Option<String> {
    let time = match decimal(text) {
        Some(seconds) => format!("{seconds}s"),
        None => text.to_owned(),
    };
    T::parse(&time).is_ok().then_some(time)
}

impl Vocabulary for Propagation {
    const WORDS: &'static [(&'static str, Self)] =
        &[("slave", Self::Slave), ("private", Self::Private)];
}

impl Attributes {
    /// Makes attributes of which the `bits` alone are named, and asked for.
    #[must_use]
    pub fn asking_for(bits: u64) -> Self {
        Self { named: bits, bits }
    }

    /// Makes attributes of which the `bits` alone are named, and forbidden.
    #[must_use]
    pub fn forbidding(bits: u64) -> Self {
        Self {
            named: bits,
            bits: 0,
        }
    }

    /// Adds the values that `others` have where nothing was said.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            named: self.named | others.named,
            bits: self.bits | (others.bits & !self.named),
        }
    }

    /// Takes back what was said about those of the `bits`.
    #[must_use]
    pub fn without(self, bits: u64) -> Self {
        Self {
            named: self.named & !bits,
            bits: self.bits & !bits,
        }
    }

    /// The value of the attribute that has the bits `field`, if it is named.
    #[must_use]
    pub fn value(&self, field: u64) -> Option<u64> {
        (self.named & field == field).then_some(self.bits & field)
    }

    /// Whether `bit` is asked for.
    #[must_use]
    pub(crate) fn asks_for(&self, bit: u64) -> bool {
        self.value(bit) == Some(bit)
    }

    /// Whether `bit` is forbidden.
    #[must_use]
    pub fn forbids(&self, bit: u64) -> bool {
        self.value(bit) == Some(0)
    }

    /// Adds the word `item` of `options`.
    ///
    /// # Errors
    ///
    /// The word is unknown, repeats another one or contradicts it.
    pub fn add(&mut self, item: &Item<'_>) -> Result<(), Fault> {
        let known = attribute::words();
        let Some((_, choice)) = known.clone().find(|(word, _)| *word == item.text) else {
            return Err(unknown_word(item.text, known.map(|(word, _)| word)));
        };
        if self.value(choice.field).is_some() {
            let message = format!("\"{}\" repeats or contradicts an earlier word", item.text);
            return Err(Fault::new(message));
        }
        *self = self.or(choice.into());
        Ok(())
    }

    /// The attributes that `words` name together.
    ///
    /// # Errors
    ///
    /// A word is unknown, repeats another one or contradicts it.
    pub fn of_words<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, String> {
        let mut attributes = Self::default();
        for text in words {
            let item = Item { text, span: 0..0 };
            let added = attributes.add(&item);
            added.map_err(|fault| fault.to_string())?;
        }
        Ok(attributes)
    }

    /// Adds `nosuid` and `nodev` where nothing was said about them.
    #[must_use]
    pub(crate) fn without_privileges(self) -> Self {
        self.or(Self::asking_for(attribute::NO_SUID | attribute::NO_DEV))
    }

    /// The words that are set.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        let set = |(_, choice): &(_, Choice)| self.value(choice.field) == Some(choice.bits);
        let words = attribute::words().filter(set);
        words.map(|(word, _)| word).collect()
    }
}

impl From<Choice> for Attributes {
    fn from(Choice { field, bits }: Choice) -> Self {
        Self { named: field, bits }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("1", Some(Size::Bytes(1))),
            ("4096", Some(Size::Bytes(4096))),
            ("1K", Some(Size::Bytes(1024))),
            ("1k", Some(Size::Bytes(1024))),
            ("512M", Some(Size::Bytes(512 << 20))),
            ("2G", Some(Size::Bytes(2 << 30))),
            ("1T", Some(Size::Bytes(1 << 40))),
            ("16777215T", Some(Size::Bytes(16_777_215 << 40))),
            ("16777216T", None),
            ("1%", Some(Size::Percent(1))),
            ("100%", Some(Size::Percent(100))),
            ("0%", None),
            ("101%", None),
            ("0", None),
            ("0M", None),
            ("", None),
            ("M", None),
            ("%", None),
            ("+1M", None),
            ("-1", None),
            (" 1M", None),
            ("1 M", None),
            ("1.5G", None),
            ("1P", None),
            ("1MB", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(Size::parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn modes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("700", Some(0o700)),
            ("0700", Some(0o700)),
            ("1777", Some(0o1777)),
            ("07777", Some(0o7777)),
            ("10000", None),
            ("8", None),
            ("+700", None),
            ("u=rwx", None),
        ] {
            assert_eq!(Mode::parse(text).ok().map(Mode::bits), expected, "{text}");
        }
    }

    /// Each word sets what its own word shows, and nothing else.
    #[test]
    fn options_are_shown_as_they_were_written() {
        for (word, _) in attribute::words() {
            let mut attributes = Attributes::default();
            let item = Item {
                text: word,
                span: 0..0,
            };
            attributes.add(&item).unwrap();
            assert_eq!(attributes.words(), [word]);
        }
    }

    #[test]
    fn what_is_said_about_privileges_stays() {
        let said = Attributes::forbidding(attribute::NO_SUID);
        assert_eq!(said.without_privileges().words(), ["suid", "nodev"]);
    }
}
