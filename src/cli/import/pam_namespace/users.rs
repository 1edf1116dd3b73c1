//! The fourth word of a line: the users that it is about.

use super::accounts::Accounts;
use super::notes::Notes;
use crate::cli::import::policy::Table;
use crate::policy::principal::Principal;
use crate::policy::word;

/// The users that a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// Everybody but these.
    Except(Vec<String>),
    /// These alone.
    Only(Vec<String>),
}

/// Reads the fourth word, names with commas between them; behind `~`, those that the line is about.
pub fn read(word: Option<&str>, accounts: &Accounts, notes: &mut Notes<'_>) -> Users {
    let word = word.unwrap_or_default();
    match word.strip_prefix('~') {
        Some(names) => Users::Only(listed(names, accounts, notes)),
        None => Users::Except(listed(word, accounts, notes)),
    }
}

/// Names as pam_namespace looks them up: what names no user says nothing.
fn listed(names: &str, accounts: &Accounts, notes: &mut Notes<'_>) -> Vec<String> {
    let names = names
        .split(',')
        .filter(|name| !name.is_empty())
        .filter_map(|name| user(name, accounts, notes));
    names.fold(Vec::new(), |mut list, name| {
        if !list.contains(&name) {
            list.push(name);
        }
        list
    })
}

/// The word of the language for a user, whom pam_namespace knows by the user id.
fn user(name: &str, accounts: &Accounts, notes: &mut Notes<'_>) -> Option<String> {
    let found = word::<Principal>(name);
    let is_word = matches!(found, Ok(Principal::User(_)));
    if is_word && !is_decimal(name) {
        let id = accounts.shared_id(name);
        return Some(id.map_or_else(|| name.to_owned(), by_id));
    }
    match accounts.id(name) {
        Ok(Some(_)) if is_word && accounts.shared_id(name).is_none() => {
            return Some(name.to_owned());
        }
        Ok(Some(id)) => return Some(by_id(id)),
        Ok(None) => notes.doubtful(format!(
            "`{name}` is no user's name, and pam_namespace passes over it{}",
            advice(name, found.ok())
        )),
        Err(reason) => notes.left_public(format!("cannot look up the user `{name}`: {reason}")),
    }
    None
}

fn by_id(id: u32) -> String {
    format!("uid:{id}")
}

/// What a word that names no user may have been meant for.
fn advice(name: &str, found: Option<Principal>) -> String {
    match (found, name.parse::<u32>()) {
        (Some(Principal::Group(_)), _) => String::from("; a rule could name the group"),
        (Some(Principal::User(_)), Ok(id)) => format!("; a rule could say \"{}\"", by_id(id)),
        (Some(Principal::User(_) | Principal::Everyone | Principal::Uids(..)) | None, _) => {
            String::new()
        }
    }
}

fn is_decimal(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

impl Users {
    /// Whether it is about nobody.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Only(names) if names.is_empty())
    }

    /// Whether both are about the same, in whatever order they name them.
    pub fn are(&self, others: &Self) -> bool {
        let same = |these: &[String], those: &[String]| {
            these.len() == those.len() && these.iter().all(|name| those.contains(name))
        };
        match (self, others) {
            (Self::Except(these), Self::Except(those)) | (Self::Only(these), Self::Only(those)) => {
                same(these, those)
            }
            _ => false,
        }
    }

    /// `table` with the selector that stands for it.
    pub fn add(&self, table: Table) -> Table {
        match self {
            Self::Except(names) => table.filled_texts("except", names),
            Self::Only(names) => table.texts("users", names),
        }
    }
}
