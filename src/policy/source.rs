//! Where a policy is read from.

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
pub const SYSTEM_FILE: &str = "/etc/security/jns.toml";

/// The directory of drop-ins; names that do not end in `.toml` or that start with a dot are passed over.
pub const DROP_INS: &str = "/etc/security/jns.d";

/// The name under which diagnostics and origins mention the built-in default.
pub const BUILT_IN_NAME: &str = "built-in";

/// The built-in default: the very text of `conf/jns.toml`.
pub const BUILT_IN: &str = include_str!("../../conf/jns.toml");

/// The largest policy file that is read, in bytes.
pub const LIMIT: usize = 1024 * 1024;
