//! The names of pins.

use crate::error::{Error, Result};
use crate::kernel::namespace::guard::PINS;
use crate::kernel::namespace::kind::Kind;
use crate::policy::Sha256;
use crate::store::layout::{is_hexadecimal, parse_id};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The end of the name of a socket at which the first process of a PID namespace hears.
const INIT: &str = "init";

/// The number of hexadecimal digits of a digest in the name of a pin.
const DIGITS: usize = 32;

/// The name of a pin: `1000-` and 32 hexadecimal digits, which are the user's id and a digest of what tells the
/// namespace from that user's others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PinKey {
    uid: u32,
    digits: String,
}

impl PinKey {
    /// Names the pin of a namespace of the user `uid`; `view` is what distinguishes it from that user's others.
    #[must_use]
    pub fn new(uid: u32, view: &Sha256) -> Self {
        Self {
            uid,
            digits: format!("{view:.DIGITS$}"),
        }
    }

    /// The pin of that name; nothing for a name of another form.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (uid, digits) = name.split_once('-')?;
        let is_digest = is_hexadecimal(digits, DIGITS);
        let uid = parse_id(uid).filter(|_| is_digest)?;
        Some(Self {
            uid,
            digits: digits.to_owned(),
        })
    }

    /// The user's id.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The path at which the first process of the PID namespace hears that goes with it.
    #[must_use]
    pub fn init_address(&self) -> String {
        format!("{PINS}/{}", self.init())
    }

    /// The path of the pin.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{PINS}/{self}")
    }

    /// The pin of the mount namespace that the pin `name` goes with; nothing for a name of another form.
    pub(super) fn of_other(name: &str) -> Option<Self> {
        let (key, kind) = name.rsplit_once('.')?;
        let is_kind = Kind::ALL.into_iter().any(|known| known.name() == kind);
        Self::parse(key).filter(|_| is_kind || kind == INIT)
    }

    /// The name of the pin of another namespace that goes with it.
    pub(super) fn other(&self, kind: Kind) -> String {
        format!("{self}.{}", kind.name())
    }

    /// The name of the socket of the first process that goes with it.
    pub(super) fn init(&self) -> String {
        format!("{self}.{INIT}")
    }
}

impl fmt::Display for PinKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.uid, self.digits)
    }
}

impl From<PinKey> for String {
    fn from(key: PinKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for PinKey {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::parse(&name).ok_or_else(|| {
            Error::new(
                "read",
                "the name of a pin",
                "it is not an id and 32 hexadecimal digits",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_form() {
        let digest = "0123456789abcdef0123456789abcdef";
        for (key, uid) in [
            (format!("1000-{digest}"), Some(1000)),
            (format!("0-{digest}"), Some(0)),
            (format!("01-{digest}"), None),
            (format!("+1-{digest}"), None),
            (format!("4294967296-{digest}"), None),
            (format!("1000-{digest}0"), None),
            (format!("1000{digest}"), None),
            ("1000-../../../../etc/passwd".to_owned(), None),
            (String::new(), None),
        ] {
            let parsed = PinKey::parse(&key);
            assert_eq!(parsed.as_ref().map(PinKey::uid), uid, "{key}");
            assert!(
                parsed.is_none_or(|parsed| parsed.to_string() == key),
                "{key}"
            );
        }
    }

    #[test]
    fn what_goes_with_a_pin_has_its_name() {
        let key = "1000-0123456789abcdef0123456789abcdef";
        for (name, of) in [
            (format!("{key}.ipc"), Some(key)),
            (format!("{key}.net"), Some(key)),
            (format!("{key}.init"), Some(key)),
            (format!("{key}.mnt"), None),
            (format!("{key}."), None),
            (key.to_owned(), None),
            ("1000-0.ipc".to_owned(), None),
        ] {
            let found = PinKey::of_other(&name).map(|key| key.to_string());
            assert_eq!(found.as_deref(), of, "{name}");
        }
    }
}
