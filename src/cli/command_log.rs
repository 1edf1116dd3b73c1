//! The line of the system log about a command in a namespace: who runs it, where, as which user, and what it is.

use crate::cli::account::Account;
use crate::kernel::namespace::Identity;
use crate::kernel::process::credentials::Program;
use nix::unistd::{User, getuid};

/// The content of /proc/self/loginuid for a process that belongs to no login.
const NO_LOGIN: &str = "4294967295";

/// Writes the line for root, who enters a namespace of `user`.
pub fn write_entry(namespace: Identity, user: &str, account: &Account, program: &Program) {
    let (by, command) = (caller(), command(program));
    let name = &account.name;
    log::info!("{namespace} of {user} entered as {name} by {by}: {command}");
}

/// Writes the line for a user who enters a namespace of their own processes.
pub fn write_own(namespace: &str, account: &Account, program: &Program) {
    let (by, command) = (caller(), command(program));
    let name = &account.name;
    log::info!("{namespace} of {name} entered as {name} by {by}: {command}");
}

/// Writes the line for a command that has a new namespace.
pub fn write_run(namespace: Identity, account: &Account, program: &Program) {
    let (by, command) = (caller(), command(program));
    let name = &account.name;
    log::info!("{namespace} made for {name} by {by}: {command}");
}

/// Describes who this process belongs to: its user, who logged in, and on whose behalf sudo says to run.
fn caller() -> String {
    let uid = getuid();
    let user = User::from_uid(uid).ok().flatten();
    let name = user.map_or_else(|| format!("uid {uid}"), |user| user.name);
    let loginuid = std::fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    let login = match loginuid.trim() {
        "" | NO_LOGIN => None,
        login => Some(format!("login uid {login}")),
    };
    let sudo = std::env::var("SUDO_USER")
        .ok()
        .map(|user| format!("SUDO_USER {}", quoted(&user)));
    let more: Vec<String> = login.into_iter().chain(sudo).collect();
    if more.is_empty() {
        return name;
    }
    format!("{name} ({})", more.join(", "))
}

fn command(program: &Program) -> String {
    let words: Vec<String> = std::iter::once(&program.name)
        .chain(&program.arguments)
        .map(|word| quoted(&word.to_string_lossy()))
        .collect();
    words.join(" ")
}

/// A word as a shell would have to read it, so that it is seen where one ends.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinguished() {
        let table = [
            ("ls", "ls"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "'it'\"'\"'s'"),
            ("$(reboot)", "'$(reboot)'"),
        ];
        for (word, expected) in table {
            assert_eq!(quoted(word), expected);
        }
    }
}
