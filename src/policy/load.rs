//! A policy as a whole: read and checked, and what it asks of a login.

use super::diagnostic::Diagnostics;
use super::digest::Sha256;
use super::principal::{Listed, Principal};
use super::report::Report;
use super::rule::Rule;
use super::settings::Settings;
use super::source::{Read, Source, Watched};
use super::template::Fact;
use super::text::Text;
use super::{check, document};
use crate::error::Location;
use crate::kernel::deadline::Deadline;
use crate::login::{Accounts, Needs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
    /// Faults that an administrator should look at although logins go on.
    pub warnings: Diagnostics,
    /// The files that it was read from: the name of each, and the SHA-256 of its text in hexadecimal.
    pub files: Vec<(String, Sha256)>,
}

/// Facts besides the policy, the account and the service that decide what a login gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependence {
    /// The terminal: some rule has `ttys`.
    pub tty: bool,
    /// The remote host: some rule has `rhosts`.
    pub rhost: bool,
    /// Accounts besides the login's own: some owner or group is looked up by its name.
    pub accounts: bool,
    /// SELinux: some rule gives each context or level its own.
    pub labels: bool,
}

/// A name that a principal of the policy mentions although there is no such user or group: `alice` or
/// `@group`, and where it stands.
pub type UnknownPrincipal = (String, Location);

impl Policy {
    /// Reads and checks the files of `source`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of the files.
    pub fn load(source: &Source) -> Result<Loaded, Diagnostics> {
        Self::load_until(&Deadline::none(), source).map(|(loaded, _)| loaded)
    }

    /// Reads and checks the files of `source`, and waits for them until the deadline at most. All that decides what the
    /// policy says is told as well, as it was before it was read: while none of it changes, reading the policy again gives
    /// the same.
    ///
    /// # Errors
    ///
    /// As [`Policy::load`].
    pub(crate) fn load_until(
        deadline: &Deadline,
        source: &Source,
    ) -> Result<(Loaded, Vec<Watched>), Diagnostics> {
        let mut report = Report::default();
        let Read { files, watched } = source.read(deadline, &mut report);
        let files = files
            .iter()
            .map(|(rank, (name, bytes))| (*rank, name.as_str(), bytes.as_slice()));
        parse(files, report).map(|loaded| (loaded, watched))
    }

    /// Checks policy files that were read already: the name of each and its bytes, in order.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of the files.
    pub fn parse(files: &[(&str, &[u8])]) -> Result<Loaded, Diagnostics> {
        let ranked = files.iter().enumerate();
        parse(
            ranked.map(|(rank, (name, bytes))| (rank, *name, *bytes)),
            Report::default(),
        )
    }

    /// The facts about a login that this policy needs.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let is_group = |listed: &Listed| matches!(listed.principal, Principal::Group(_));
        Needs {
            groups: self.principals().any(is_group),
            group_name: self
                .rules
                .iter()
                .any(|rule| rule.kind.mentions(&[Fact::Group])),
        }
    }

    /// Whether some volume is opened with the login password.
    #[must_use]
    pub(crate) fn wants_password(&self) -> bool {
        self.rules.iter().any(|rule| rule.kind.wants_password())
    }

    /// The facts besides the policy, the account and the service that decide what a login gets.
    #[must_use]
    pub(crate) fn dependence(&self) -> Dependence {
        let any = |test: fn(&Rule) -> bool| self.rules.iter().any(test);
        Dependence {
            tty: any(|rule| rule.selectors.ttys.is_some()),
            rhost: any(|rule| rule.selectors.rhosts.is_some()),
            labels: any(|rule| rule.kind.label().is_some()),
            accounts: any(|rule| rule.kind.owners().any(|name| !name.is_of_login())),
        }
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
        let mut seen = BTreeSet::new();
        let named = self
            .principals()
            .filter(|listed| listed.principal.is_name());
        let distinct = named.filter(|listed| seen.insert(&listed.principal));
        let unknown = distinct
            .take(limit)
            .filter(|listed| listed.principal.is_unknown(accounts));
        let with_place = |listed: &Listed| (listed.principal.to_string(), listed.location.clone());
        unknown.map(with_place).collect()
    }

    fn principals(&self) -> impl Iterator<Item = &Listed> {
        let of_rules = self.rules.iter().flat_map(|rule| {
            let users = rule.selectors.users.iter().flatten();
            users.chain(&rule.selectors.except)
        });
        self.settings.exempt.iter().chain(of_rules)
    }
}

fn parse<'f>(
    files: impl Iterator<Item = (usize, &'f str, &'f [u8])>,
    mut report: Report,
) -> Result<Loaded, Diagnostics> {
    let mut texts: Vec<Text<'f>> = Vec::new();
    let mut digests = Vec::new();
    for (rank, name, bytes) in files {
        texts.extend(report.decode(rank, name, bytes));
        digests.push((name.to_owned(), Sha256::of(bytes)));
    }
    let mut settings = Settings::default();
    let mut drafts = Vec::new();
    for text in &texts {
        document::read(text, &mut settings, &mut drafts, &mut report);
    }
    check::across(&drafts, &settings, &texts, &mut report);
    let refused = report.is_refusal();
    let diagnostics = report.finish();
    if refused {
        return Err(diagnostics);
    }
    let rules = drafts.into_iter().map(|draft| draft.rule).collect();
    Ok(Loaded {
        policy: Policy { settings, rules },
        warnings: diagnostics,
        files: digests,
    })
}
