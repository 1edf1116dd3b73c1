//! Digests, by which policies and plans are known again.

use crate::error::Error;
use crate::store::layout::is_hexadecimal;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// The number of hexadecimal digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

/// A SHA-256, by which a text is known again: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256(String);

impl Sha256 {
    /// Computes that of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(hexadecimal(&hmac_sha256::Hash::hash(bytes)))
    }
}

impl TryFrom<String> for Sha256 {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        match is_hexadecimal(&text, SHA256_DIGITS) {
            true => Ok(Self(text)),
            false => Err(Error::new(
                "read",
                "a SHA-256",
                "it has not 64 hexadecimal digits",
            )),
        }
    }
}

impl fmt::Display for Sha256 {
    /// Writes the digits; a precision writes that many of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The MD5 of `bytes` in hexadecimal: for names that have to be those which others gave, and for nothing else.
#[must_use]
pub(crate) fn md5(bytes: &[u8]) -> String {
    hexadecimal(&Md5::digest(bytes))
}

fn hexadecimal(digest: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_digest_is_the_one_that_sha256sum_and_md5sum_print() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let blocks = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        assert_eq!(super::Sha256::of(b"").to_string(), empty);
        assert_eq!(super::Sha256::of(&[b'a'; 1_000_000]).to_string(), blocks);
        assert_eq!(super::md5(b""), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn a_digest_is_read_in_its_one_form() {
        let read = |text: &str| serde_json::from_str::<super::Sha256>(&format!("\"{text}\""));
        assert_eq!(read(&"0f".repeat(32)).unwrap().to_string(), "0f".repeat(32));
        for wrong in [
            String::new(),
            "0f".repeat(31),
            "0f".repeat(33),
            "..".repeat(32),
        ] {
            let error = read(&wrong).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits"), "{wrong}: {error}");
        }
    }
}
