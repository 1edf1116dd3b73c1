//! pam_tmpdir's configuration as a policy that keeps each user's temporary directory where it is.

use super::imported::Imported;
use super::input::{self, Input};
use super::policy::{Policy, Table, escaped, refusal};
use super::remark::Remark;
use crate::cli::arguments::ImportPamTmpdir;
use crate::error::{Error, Location, Result};
use crate::path::AbsPath;
use crate::plan::tidy;
use std::path::Path;

/// The one file that pam_tmpdir reads. It need not exist.
const FILE: &str = "/etc/security/tmpdir.conf";

/// The directory of the users' directories when the file names no other place.
const DIRECTORY: &str = "/tmp/user";

/// The variables that pam_tmpdir sets, in its order.
const VARIABLES: &[&str] = &["TMP", "TMPDIR", "TEMP", "TEMPDIR"];

/// Reads the configuration that the arguments name.
///
/// # Errors
///
/// The file cannot be read as text, or names a directory for which there can be no rules.
pub fn run(arguments: &ImportPamTmpdir) -> Result<Imported> {
    let mut remarks = Vec::new();
    let input = match &arguments.file {
        None if matches!(Path::new(FILE).try_exists(), Ok(false)) => None,
        file => Some(input::read(file.as_deref().unwrap_or(FILE))?),
    };
    let location = input
        .as_ref()
        .map_or_else(without_file, |input| input.at(0));
    let found = input.and_then(|input| setting(&input, &mut remarks));
    let directory = match found {
        Some((at, value)) => path(&value).map_err(|reason| {
            Error::new("import", format_args!("`tmpdir={value}`"), reason).at(&at)
        })?,
        None => DIRECTORY.to_owned(),
    };
    remarks.extend(differences(&location, &directory));
    let policy = Policy {
        head: vec![format!(
            "What pam_tmpdir does by {location}, in a mount namespace of the user's."
        )],
        rules: rules(&directory),
        ..Policy::default()
    };
    Ok(Imported { policy, remarks })
}

fn without_file() -> Location {
    Location::new(FILE, 0)
}

/// The directory that `tmpdir=` names, or why there can be no rules for it.
fn path(value: &str) -> Result<String, String> {
    let path = AbsPath::new(&tidy(value))?.to_string();
    let rules = rules(&path);
    match refusal(&rules.iter().collect::<Vec<_>>()) {
        Some(reason) => Err(reason),
        None => Ok(path),
    }
}

/// Finds the setting of the file, and its line. pam_tmpdir (0.09) reads two lines for each that it looks at, so every
/// second one is nothing to it. It takes the first `tmpdir=` of the others, and blanks as part of a word.
fn setting(input: &Input, remarks: &mut Vec<Remark>) -> Option<(Location, String)> {
    let mut found = None;
    for (location, line) in input.lines() {
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let reason = match key {
            "tmpdir" if location.line.is_multiple_of(2) => {
                "pam_tmpdir passes over every second line, so it has never been in force"
            }
            "tmpdir" if found.is_some() => "the first one counts",
            "tmpdir" => {
                found = Some((location, value.to_owned()));
                continue;
            }
            _ => "`tmpdir` is all that pam_tmpdir knows, with no blanks around it",
        };
        remarks.push(Remark::left_out(&location, reason));
    }
    found
}

fn rules(directory: &str) -> Vec<Table> {
    let instance = format!("{}/{{uid}}", escaped(directory));
    let private = Table::new("[[private]]")
        .comment(
            "The directory appears where it is: no file moves, and no program finds another path.",
        )
        .text("path", &instance)
        .text("store", &instance)
        .text("mode", "0700")
        .text("owner", "{user}")
        .flag("create", true)
        .flag("optional", true);
    let variables = VARIABLES.iter().map(|name| (*name, instance.as_str()));
    vec![
        private,
        Table::new("[[env]]").texts_by_name("set", variables),
    ]
}

/// Lists what no rule does as pam_tmpdir does it.
fn differences(location: &Location, directory: &str) -> Vec<Remark> {
    let parent = format!(
        "{directory} is not made at login: let systemd-tmpfiles make it at boot, by a line \
         `d {directory} 0711 root root` in /etc/tmpfiles.d"
    );
    let exempt = "root and system accounts (uid 1-999) have neither the directory nor the variables: they are \
                  exempt from namespaces where [settings] does not say otherwise";
    let nosuid = "the directory is nosuid and nodev";
    let messages = [parent.as_str(), exempt, nosuid];
    messages
        .map(|message| Remark::different(location, message))
        .to_vec()
}
