//! The rules for jails.

use super::accounts::Account;
use super::ini::Shells;
use crate::cli::host::Tree;
use crate::cli::import::policy::{Draft, Table, escaped, refusal};
use crate::cli::import::remark::Remark;
use crate::cli::outcome::reason;

/// The service that no jail has the program of.
const MANAGER: &str = "systemd-user";

/// Makes the rules for each jail, with all that are in it; remarks say what has to become of their accounts.
pub fn of(
    accounts: &[Account],
    shells: &Shells,
    tree: &Tree,
    remarks: &mut Vec<Remark>,
) -> Vec<Draft> {
    let mut jails: Vec<(&str, Vec<&Account>)> = Vec::new();
    for account in accounts {
        if let Some(reason) = refusal(&[&root(&account.jail, &[account])]) {
            remarks.push(Remark::left_public(&account.location, reason));
            continue;
        }
        remarks.push(Remark::different(
            &account.location,
            change(account, shells, tree),
        ));
        match jails.iter_mut().find(|(jail, _)| *jail == account.jail) {
            Some((_, members)) => members.push(account),
            None => jails.push((&account.jail, vec![account])),
        }
    }
    jails
        .iter()
        .flat_map(|(jail, members)| {
            [root(jail, members), hidden(members)].map(|table| (members, table))
        })
        .filter_map(|(members, table)| {
            let location = members.first()?.location.clone();
            Some(Draft { location, table })
        })
        .collect()
}

/// The rule for a root directory.
fn root(jail: &str, members: &[&Account]) -> Table {
    let lines = members.iter().map(|account| account.location.to_string());
    let table = Table::new("[[root]]")
        .comment(&lines.collect::<Vec<_>>().join(", "))
        .text("path", &escaped(jail));
    select(table, members)
}

/// The rule that hides the processes of others, which a jail without `/proc` does not show.
fn hidden(members: &[&Account]) -> Table {
    select(
        Table::new("[[isolate]]").text("processes", "hidden"),
        members,
    )
}

fn select(table: Table, members: &[&Account]) -> Table {
    let mut names: Vec<String> = Vec::new();
    for account in members {
        if !names.contains(&account.name) {
            names.push(account.name.clone());
        }
    }
    table
        .texts("users", &names)
        .texts("except_services", &[MANAGER.to_owned()])
}

/// What has to become of an account: its home and shell are those within the root directory.
fn change(account: &Account, shells: &Shells, tree: &Tree) -> String {
    let Account {
        name, jail, home, ..
    } = account;
    let shell = shells
        .of(name)
        .map_or_else(|| shell_in(account, tree), |shell| Ok(shell.to_owned()));
    let home = if is_plain(home) { home } else { "HOME" };
    let (shell, doubt) = match shell {
        Ok(shell) => (shell, String::new()),
        Err(reason) => (
            String::from("SHELL"),
            format!("; which shell that is, is not known: {reason}"),
        ),
    };
    format!(
        "the account names its home and shell as {jail} has them, once the policy is in force and not before: \
         `usermod --home {home} --shell {shell} {name}`{doubt}"
    )
}

/// The shell that the jail's own list of accounts names.
fn shell_in(account: &Account, tree: &Tree) -> Result<String, String> {
    let path = format!("{}/etc/passwd", account.jail);
    let text = tree
        .read(&path)
        .map_err(|e| format!("cannot read {path}: {}", reason(&e)))?;
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.first() == Some(&account.name.as_str()));
    let shell = line.as_ref().and_then(|fields| fields.get(6)).copied();
    shell
        .filter(|shell| is_plain(shell))
        .map(str::to_owned)
        .ok_or_else(|| format!("{path} has none for {}", account.name))
}

/// Whether a shell reads a path as it is written.
fn is_plain(path: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    path.starts_with('/') && path.chars().all(is_known)
}
