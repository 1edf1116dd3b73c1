//! jailkit's own files: jk_chrootsh.ini, jk_lsh.ini and jk_init.ini.

use crate::cli::import::input::Input;
use crate::cli::import::remark::Remark;
use crate::error::Location;
use std::collections::BTreeMap;

/// The shells within their jails, by user, that jk_chrootsh.ini names.
#[derive(Debug, Default)]
pub struct Shells(BTreeMap<String, String>);

impl Shells {
    /// The shell of a user.
    pub fn of(&self, user: &str) -> Option<&str> {
        self.0.get(user).map(String::as_str)
    }
}

/// Whether a file is one of jailkit's own, and no list of accounts.
pub fn is_one(file: &str) -> bool {
    file.ends_with(".ini")
}

/// Reads a file; remarks say what no rule stands for.
pub fn read(input: &Input, shells: &mut Shells, remarks: &mut Vec<Remark>) {
    let mut section = String::new();
    for (location, line) in input.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        match line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(name) => {
                section = name.trim().to_owned();
                remarks.extend(of_section(input, &section, &location));
            }
            None => setting(input, &section, line, &location, shells, remarks),
        }
    }
}

/// What is told of a section as a whole.
fn of_section(input: &Input, section: &str, location: &Location) -> Option<Remark> {
    let message = match is_chrootshs(input) {
        true => return None,
        false if input.file.ends_with("jk_lsh.ini") => {
            format!(
                "[{section}]: no rule limits commands; jk_lsh goes on to do so, by the file in the jail"
            )
        }
        false => format!(
            "[{section}]: what jk_init has copied stays in the jail, and no rule copies files"
        ),
    };
    Some(Remark::left_out(location, message))
}

fn is_chrootshs(input: &Input) -> bool {
    input.file.ends_with("jk_chrootsh.ini")
}

/// A line within a section of jk_chrootsh.ini. Those of the other files are told of with their sections.
fn setting(
    input: &Input,
    section: &str,
    line: &str,
    location: &Location,
    shells: &mut Shells,
    remarks: &mut Vec<Remark>,
) {
    if !is_chrootshs(input) {
        return;
    }
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    let is_users = !section.starts_with("group ") && section != "DEFAULT";
    match (key.trim(), value.trim()) {
        ("injail_shell" | "injail_login_shell", shell) if is_users && shell.starts_with('/') => {
            shells.0.insert(section.to_owned(), shell.to_owned());
        }
        (key, _) => {
            let message = format!("no rule has anything for `{key}` of [{section}]");
            remarks.push(Remark::left_out(location, message));
        }
    }
}
