//! Patterns over the service, the terminal and the remote host.

use std::net::IpAddr;

/// A shell-style pattern: `*`, `?`, `[a-z]`, `[!a-z]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(String);

/// A pattern over remote hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A pattern over the name, or over the address as it is written.
    Named(Glob),
    /// A block of addresses: the first one and the length of the prefix in bits.
    Block(IpAddr, u8),
}
