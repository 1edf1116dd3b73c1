//! The policy language: where it is read, what it may say, which rules a login selects.
//!
//! ```text
//!  files ──► text ──► TOML tree ──► fields ──► Settings, Rules ──► checks across rules ──► Policy
//!                          every stage reports to one list of diagnostics
//! ```

pub mod diagnostic;
pub mod pattern;
pub mod principal;
pub mod rule;
pub mod select;
pub mod settings;
pub mod source;
pub mod template;
pub mod value;

use crate::error::Origin;
use crate::login::{Accounts, Needs};

pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity};
pub use rule::{Kind, Rule, Selectors};
pub use select::{Exemption, Ruling, Selection, Verdict, select};
pub use settings::{Enforcement, Namespaces, Settings};
pub use source::Source;

/// A whole policy: the settings in force and every rule of every file, in order.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The settings; a later file's key has replaced an earlier file's.
    pub settings: Settings,
    /// The rules of all files, in the order in which they were written.
    pub rules: Vec<Rule>,
}

/// A policy without errors, and what is doubtful about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// What an administrator should look at although logins go on.
    pub warnings: Diagnostics,
}

/// A name that a principal of the policy mentions although there is no such user or group: `alice` or
/// `@group`, and where it stands.
pub type UnknownPrincipal = (String, Origin);

impl Policy {
    /// Reads and checks the files of `source`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of the files.
    pub fn load(source: &Source) -> Result<Loaded, Diagnostics> {
        let _ = source;
        todo!()
    }

    /// Checks policy files that were read already: the name of each and its bytes, in order.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of the files.
    pub fn parse(files: &[(&str, &[u8])]) -> Result<Loaded, Diagnostics> {
        let _ = files;
        todo!()
    }

    /// Which facts about a login this policy needs.
    #[must_use]
    pub fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Names that stand in `exempt`, `users` or `except` although no such user or group exists, each
    /// once, in the order in which they stand. No more than `limit` names are looked up: each can ask a
    /// directory server.
    #[must_use]
    pub fn unknown_principals(
        &self,
        accounts: &dyn Accounts,
        limit: usize,
    ) -> Vec<UnknownPrincipal> {
        let _ = (accounts, limit);
        Vec::new()
    }
}
