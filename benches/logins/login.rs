//! The kinds of login that are compared.

use serde::Serialize;

/// A kind of login, with three private directories but for [`Login::Base`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// pam_unix, which stands in every stack, and nothing else.
    Base,
    /// The system calls that no module can leave out (limit.c).
    Limit,
    /// The first login that a user ever has: directories are made.
    VeryFirst,
    /// A login when the user's directories are there, and no namespace.
    First,
    /// A login after the policy has changed, beside the namespace of before, in which nothing runs.
    Changed,
    /// A login that joins the namespace of a session of the user's.
    Later,
    /// pam_namespace without a script.
    Peer,
    /// pam_namespace with the script that its package installs.
    PeerWithInit,
}

/// Those of the main table, in the order of its rows.
pub const ALL: [Login; 7] = [
    Login::Base,
    Login::Limit,
    Login::VeryFirst,
    Login::First,
    Login::Later,
    Login::Peer,
    Login::PeerWithInit,
];

impl Login {
    /// The name in tables and pictures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "pam_unix alone",
            Self::Limit => "the kernel alone",
            Self::VeryFirst => "pam_jns, a user's very first login",
            Self::First => "pam_jns, a first login",
            Self::Changed => "pam_jns, the first login under a new policy",
            Self::Later => "pam_jns, a later login",
            Self::Peer => "pam_namespace without a script",
            Self::PeerWithInit => "pam_namespace with its namespace.init",
        }
    }

    /// The PAM service whose stack it goes through.
    pub fn service(self) -> &'static str {
        match self {
            Self::Base => "bench-unix",
            Self::Limit => "bench-limit",
            Self::VeryFirst | Self::First | Self::Later => "bench-jns",
            Self::Changed => "bench-changed",
            Self::Peer | Self::PeerWithInit => "bench-namespace",
        }
    }

    /// Whether pam_namespace has to be installed for it.
    pub fn is_of_peer(self) -> bool {
        matches!(self, Self::Peer | Self::PeerWithInit)
    }
}
