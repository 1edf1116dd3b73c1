//! The accounts that are in a jail: lines of passwd(5).

use crate::cli::import::input::Input;
use crate::cli::import::remark::Remark;
use crate::error::Location;
use crate::plan::tidy;
use crate::policy::principal::Principal;
use crate::policy::settings::is_exempt_by_default;
use crate::policy::word;

/// The program that takes its user into a jail.
const SHELL: &str = "jk_chrootsh";

/// An account in a jail.
#[derive(Debug)]
pub struct Account {
    /// The line.
    pub location: Location,
    /// The user.
    pub name: String,
    /// The directory that becomes the root directory.
    pub jail: String,
    /// The home, as the jail has it.
    pub home: String,
}

/// Reads the accounts that are in a jail; remarks tell of those for which there is no rule.
pub fn jailed(input: &Input, remarks: &mut Vec<Remark>) -> Vec<Account> {
    let lines = input
        .lines()
        .filter(|(_, line)| line.contains(SHELL) && !line.starts_with('#'));
    lines
        .filter_map(|(location, line)| account(&location, line, remarks))
        .collect()
}

fn account(location: &Location, line: &str, remarks: &mut Vec<Remark>) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, _, _, home, shell] = fields[..] else {
        remarks.push(Remark::left_public(
            location,
            "it is no account of passwd(5)",
        ));
        return None;
    };
    if shell.rsplit('/').next() != Some(SHELL) {
        return None;
    }
    // jk_chrootsh takes the last one.
    let Some((jail, home)) = home.rsplit_once("/./") else {
        remarks.push(Remark::left_out(
            location,
            "its home has no `/./`, so jk_chrootsh lets nobody in",
        ));
        return None;
    };
    if name == "root" || !matches!(word::<Principal>(name), Ok(Principal::User(_))) {
        let message = format!(
            "no rule takes `{name}` into a root directory: it is root, or no user's name in a policy"
        );
        remarks.push(Remark::left_public(location, message));
        return None;
    }
    if uid.parse().map_or(true, is_exempt_by_default) {
        let message = format!(
            "{name} stays with jk_chrootsh: its user id is {uid}, and root and system accounts (uid 1-999) are exempt \
             where [settings] does not say otherwise"
        );
        remarks.push(Remark::left_out(location, message));
        return None;
    }
    Some(Account {
        location: location.clone(),
        name: name.to_owned(),
        jail: without_dots(&format!("{jail}/")),
        home: without_dots(&format!("/{home}")),
    })
}

/// A path without repeated slashes and `.`, as chroot(2) understands it.
fn without_dots(path: &str) -> String {
    let names: Vec<&str> = path.split('/').filter(|name| *name != ".").collect();
    tidy(&names.join("/"))
}
