//! The fourth word of a line: the users that it is about.

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
pub fn read(word: Option<&str>, notes: &mut Notes<'_>) -> Users {
    let word = word.unwrap_or_default();
    match word.strip_prefix('~') {
        Some(names) => Users::Only(listed(names, notes)),
        None => Users::Except(listed(word, notes)),
    }
}

/// Names as pam_namespace looks them up: what names no user says nothing.
fn listed(names: &str, notes: &mut Notes<'_>) -> Vec<String> {
    let names = names
        .split(',')
        .filter(|name| !name.is_empty())
        .filter(|name| is_user(name, notes));
    names.fold(Vec::new(), |mut list, name| {
        if !list.iter().any(|known| known == name) {
            list.push(name.to_owned());
        }
        list
    })
}

fn is_user(name: &str, notes: &mut Notes<'_>) -> bool {
    match word::<Principal>(name) {
        Ok(Principal::User(_)) => return true,
        Ok(Principal::Group(_)) => notes.doubtful(format!(
            "`{name}` is no user's name, and pam_namespace passes over it; a rule could name the group"
        )),
        Ok(Principal::Everyone | Principal::Uids(..)) | Err(_) => notes.doubtful(format!(
            "`{name}` is no user's name, and pam_namespace passes over it{}",
            advice(name)
        )),
    }
    false
}

fn advice(name: &str) -> String {
    match name.parse::<u32>() {
        Ok(uid) => format!("; a rule could say \"uid:{uid}\""),
        Err(_) => String::new(),
    }
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
