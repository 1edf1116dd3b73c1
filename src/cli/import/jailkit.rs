//! jailkit's jails as root directories: the accounts whose shell is jk_chrootsh(8), and its configuration.

mod accounts;
mod ini;
mod jails;

use super::imported::Imported;
use super::input::{self, Input};
use super::policy::{Policy, accepted};
use super::remark::Remark;
use crate::cli::arguments::ImportJailkit;
use crate::cli::host::Tree;
use crate::error::Result;
use ini::Shells;

/// The files of a system, in the order in which they are read. Only the first has to exist.
const FILES: [&str; 4] = [
    "/etc/passwd",
    "/etc/jailkit/jk_chrootsh.ini",
    "/etc/jailkit/jk_lsh.ini",
    "/etc/jailkit/jk_init.ini",
];

/// Reads the files that the arguments name.
///
/// # Errors
///
/// A file cannot be read as text.
pub fn run(arguments: &ImportJailkit) -> Result<Imported> {
    let tree = Tree::host();
    let inputs = match arguments.files.as_slice() {
        [] => {
            let is_there = |path: &&str| *path == "/etc/passwd" || tree.exists(path);
            let there = FILES.into_iter().filter(is_there);
            there.map(input::read).collect::<Result<Vec<Input>>>()?
        }
        files => files
            .iter()
            .map(|name| input::read(name))
            .collect::<Result<_>>()?,
    };
    Ok(import(&inputs, &tree))
}

fn import(inputs: &[Input], tree: &Tree) -> Imported {
    let mut remarks = Vec::new();
    let mut shells = Shells::default();
    let (inis, lists): (Vec<&Input>, Vec<&Input>) =
        inputs.iter().partition(|input| ini::is_one(&input.file));
    for input in inis {
        ini::read(input, &mut shells, &mut remarks);
    }
    let mut accounts = Vec::new();
    for input in &lists {
        accounts.extend(accounts::jailed(input, &mut remarks));
    }
    let drafts = jails::of(&accounts, &shells, tree, &mut remarks);
    let rules = accepted(drafts, &mut remarks);
    if let Some(first) = lists.first().filter(|_| !rules.is_empty()) {
        remarks.extend(DIFFERENT.map(|message| Remark::different(&first.at(0), message)));
    }
    let place = |remark: &Remark| {
        let file = inputs
            .iter()
            .position(|input| input.file == remark.location.file);
        (file, remark.location.line)
    };
    remarks.sort_by_key(place);
    Imported {
        policy: Policy {
            head: vec![
                "The jails of jailkit, for sessions of the accounts whose shell is jk_chrootsh.".to_owned(),
                "All sessions are in the jail, of whatever service, but for the user manager of systemd.".to_owned(),
            ],
            rules,
            ..Policy::default()
        },
        remarks,
    }
}

/// What differs of each jail.
const DIFFERENT: [&str; 4] = [
    "/proc, /sys, /dev and /run are there as [[root]] shows them, whatever the jail has; others' processes are hidden",
    "sessions of services that run no shell, cron's and sudo's, are in the jail too",
    "sessions keep their environment: jk_chrootsh empties it",
    "the program that opens the session, such as sshd, is in the jail too, and finds there what it needs",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Every jailed account has a rule or a remark of its line, and what is printed is a policy.
        #[test]
        fn what_is_printed_is_a_policy(
            lines in prop::collection::vec((
                prop::sample::select(vec!["alice", "bob", "*", "@staff", "uid:5", "", "root", "a b"]),
                prop::sample::select(vec!["1000", "5", "x", "0"]),
                prop::sample::select(vec!["/srv/j/./home/a", "/./home", "/srv/{j}//./x", "/home/a", "/srv/../x/./y", "/proc/1/./x"]),
            ), 0..8),
        ) {
            let line = |(name, uid, home): &(&str, &str, &str)| format!("{name}:x:{uid}:1::{home}:/usr/sbin/jk_chrootsh\n");
            let text: String = lines.iter().map(line).collect();
            let input = Input { file: Arc::from("p"), text };
            let (_root, tree) = Tree::of_files(Vec::<(&str, &str)>::new());
            let found = import(&[input], &tree);
            let printed = found.policy.to_string();
            let judged = crate::policy::Policy::parse(&[("p", printed.as_bytes())]);
            prop_assert!(judged.is_ok(), "{:?}\n{}", judged.err(), printed);
            for line in (1..).take(lines.len()) {
                prop_assert!(found.remarks.iter().any(|remark| remark.location.line == line));
            }
        }
    }
}
