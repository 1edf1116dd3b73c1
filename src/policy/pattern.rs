//! Patterns over the service, the terminal and the remote host.

use super::fields::{Word, shortened};
use super::report::Fault;
use crate::kernel::fs::wildcard::{self, Token};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A shell-style pattern: `*`, `?`, `[a-z]`, `[!a-z]`. As in fnmatch(3) without flags, `*` and `?` match
/// a slash too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob {
    written: String,
    tokens: Vec<Token>,
}

/// A pattern over remote hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A pattern over the name, whatever its case, or over the address as it is written.
    Named(Glob),
    /// A block of addresses: the first one and the length of the prefix in bits.
    Block(IpAddr, u8),
}

/// The longest pattern in bytes: matching takes the product of both lengths in the worst case.
const LONGEST: usize = 255;

impl Glob {
    /// A pattern that matches `text` and nothing else.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self {
            written: text.to_owned(),
            tokens: text.chars().map(Token::Literal).collect(),
        }
    }

    /// Whether all of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        wildcard::matches(&self.tokens, text)
    }
}

impl Word for Glob {
    fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Err(Fault::new("an empty pattern matches nothing"));
        }
        if text.len() > LONGEST {
            return Err(Fault::new("a pattern is at most 255 bytes long"));
        }
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            tokens.push(match character {
                '*' => Token::Many,
                '?' => Token::One,
                '[' => class(&mut rest)?,
                literal => Token::Literal(literal),
            });
        }
        Ok(Self {
            written: text.to_owned(),
            tokens,
        })
    }
}

/// The set after a `[`. A `]` that stands first in it, and a `-` that stands first or last, are members.
fn class(rest: &mut std::str::Chars<'_>) -> Result<Token, Fault> {
    let negated = rest.as_str().starts_with(['!', '^']);
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    while let Some(low) = rest.next() {
        if low == ']' && !ranges.is_empty() {
            return Ok(Token::Class { negated, ranges });
        }
        let high = range_end(rest).unwrap_or(low);
        if high < low {
            let range = shortened(&format!("{low}-{high}"));
            return Err(Fault::new(format!(
                "the range `{range}` of the pattern is empty"
            )));
        }
        ranges.push((low, high));
    }
    Err(Fault::new("a `[` of the pattern has no `]`").help("write `[[]` for a bracket"))
}

/// The upper end, if what follows is `-` and something else than the end of the set.
fn range_end(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let mut ahead = rest.clone();
    let dash = ahead.next().filter(|character| *character == '-');
    let high = dash
        .and_then(|_| ahead.next())
        .filter(|character| *character != ']')?;
    *rest = ahead;
    Some(high)
}

impl Host {
    /// Whether `rhost`, a name or an address, matches.
    #[must_use]
    pub fn matches(&self, rhost: &str) -> bool {
        match self {
            Self::Named(glob) => glob.matches(&rhost.to_ascii_lowercase()),
            Self::Block(first, prefix) => {
                address(rhost).is_some_and(|host| masked(host, *prefix) == *first)
            }
        }
    }
}

/// The address that `rhost` is; an IPv4 address written as IPv6 is that IPv4 address, and the zone
/// (`fe80::1%eth0`) does not matter.
fn address(rhost: &str) -> Option<IpAddr> {
    let without_zone = rhost.split('%').next().unwrap_or(rhost);
    let address: IpAddr = without_zone.parse().ok()?;
    Some(address.to_canonical())
}

/// `host` with all bits after `prefix` cleared.
fn masked(host: IpAddr, prefix: u8) -> IpAddr {
    let width = u32::from(prefix);
    match host {
        IpAddr::V4(v4) => {
            let mask = u32::MAX
                .checked_shl(32_u32.saturating_sub(width))
                .unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128_u32.saturating_sub(width))
                .unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl Word for Host {
    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some((first, prefix)) = text.split_once('/') {
            return block(first, prefix);
        }
        match address(text) {
            Some(address) => Ok(Self::Block(address, bits(address))),
            None => Ok(Self::Named(Glob::parse(&text.to_ascii_lowercase())?)),
        }
    }
}

fn block(first: &str, prefix: &str) -> Result<Host, Fault> {
    let malformed =
        || Fault::new("expected an address and the length of a prefix, such as \"10.0.0.0/8\"");
    let first: IpAddr = first.parse().map_err(|_| malformed())?;
    let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u8 = prefix
        .parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(malformed)?;
    if prefix > bits(first) {
        return Err(Fault::new(format!(
            "the prefix is longer than the {} bits of the address",
            bits(first)
        )));
    }
    let start = masked(first, prefix);
    if start != first {
        let fault = Fault::new(format!("{first} is not the first address of its block"));
        return Err(fault.help(format!("did you mean \"{start}/{prefix}\"?")));
    }
    Ok(canonical_block(first, prefix))
}

/// A block inside `::ffff:0:0/96` is a block of IPv4 addresses, because that is what hosts are judged as.
fn canonical_block(first: IpAddr, prefix: u8) -> Host {
    match (first.to_canonical(), prefix.checked_sub(96)) {
        (IpAddr::V4(v4), Some(short)) if first.is_ipv6() => Host::Block(IpAddr::V4(v4), short),
        _ => Host::Block(first, prefix),
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(glob) => glob.fmt(f),
            Self::Block(first, prefix) => write!(f, "{first}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("sshd", "sshd", true),
            ("sshd", "sshd2", false),
            ("sshd", "ssh", false),
            ("SSHD", "sshd", false),
            ("su*", "su", true),
            ("su*", "su-l", true),
            ("su*", "sudo", true),
            ("*", "", true),
            ("*", "a/b", true),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("a*a", "a", false),
            ("?", "", false),
            ("?", "ü", true),
            ("tty?", "tty10", false),
            ("tty[0-9]", "tty7", true),
            ("tty[0-9]", "ttyS", false),
            ("tty[!0-9]", "ttyS", true),
            ("tty[^0-9]", "tty7", false),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            ("[[]", "[", true),
            ("[*]", "*", true),
            ("[*]", "x", false),
            ("a[b", "a[b", false),
        ] {
            let matched = Glob::parse(pattern).is_ok_and(|glob| glob.matches(text));
            assert_eq!(matched, expected, "{pattern} on {text}");
        }
    }

    /// A pattern on which a matcher that tries everything would not come back.
    #[test]
    fn many_stars_are_quick() {
        let glob = Glob::parse(&"*a".repeat(100)).unwrap();
        assert!(!glob.matches(&"a".repeat(99)));
        assert!(glob.matches(&"a".repeat(10_000)));
        assert!(!glob.matches(&format!("{}b", "a".repeat(10_000))));
    }

    #[test]
    fn hosts() {
        for (pattern, rhost, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "10.example.org", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("192.0.2.1/32", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.10", false),
            ("2001:db8::/32", "2001:DB8:0:0::5", true),
            ("2001:db8::/32", "2001:db9::5", false),
            ("::/0", "2001:db8::1", true),
            ("::1", "0:0:0:0:0:0:0:1", true),
            ("fe80::/10", "fe80::1%eth0", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("*.example.org", "host.example.org", true),
            ("*.example.org", "HOST.Example.Org", true),
            ("*.Example.org", "host.example.org", true),
            ("*.example.org", "example.org", false),
            ("192.0.2.*", "192.0.2.77", true),
        ] {
            let host = Host::parse(pattern).unwrap();
            assert_eq!(host.matches(rhost), expected, "{pattern} on {rhost}");
        }
    }
}
