//! What sudoers(5) says of sudoedit's sessions.

use super::tree::Tree;
use std::io;

/// What sudo reads first.
const MAIN: &str = "/etc/sudoers";

/// How many files sudo reads one inside the other.
const DEEPEST: usize = 128;

/// Whether no PAM session is opened for sudoedit, by a line such as `Defaults!sudoedit !pam_session`.
///
/// # Errors
///
/// A file cannot be read: there is no sudo, or only root may.
pub fn spare_sudoedit(tree: &Tree) -> io::Result<bool> {
    let main = tree.read(MAIN)?;
    does_text(tree, &main, MAIN, DEEPEST)
}

fn does_text(tree: &Tree, text: &str, file: &str, deepest: usize) -> io::Result<bool> {
    let Some(deepest) = deepest.checked_sub(1) else {
        return Ok(false);
    };
    for line in logical_lines(text) {
        if is_for_sudoedit(&line) {
            return Ok(true);
        }
        for path in included(tree, &line, file) {
            if does_text(tree, &optional(tree, &path)?, &path, deepest)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The text of a file, or none where it is missing, as for sudo.
fn optional(tree: &Tree, path: &str) -> io::Result<String> {
    match tree.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        text => text,
    }
}

/// Lines, continued over a backslash at the end.
fn logical_lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    joined.lines().map(|line| line.trim().to_owned()).collect()
}

/// The files that a line includes. sudo skips names with a dot, and those that end in `~`.
fn included(tree: &Tree, line: &str, file: &str) -> Vec<String> {
    let said = line.strip_prefix(['#', '@']).unwrap_or_default();
    let Some((word, path)) = said.split_once(char::is_whitespace) else {
        return Vec::new();
    };
    let path = beside(file, path.trim().trim_matches('"'));
    match word {
        "include" => vec![path],
        "includedir" => {
            let names = tree.list(&path).into_iter();
            let read = names.filter(|name| !name.contains('.') && !name.ends_with('~'));
            read.map(|name| format!("{path}/{name}")).collect()
        }
        _ => Vec::new(),
    }
}

/// A path as a line of `file` means it.
fn beside(file: &str, path: &str) -> String {
    match (path.starts_with('/'), file.rsplit_once('/')) {
        (false, Some((directory, _))) => format!("{directory}/{path}"),
        _ => path.to_owned(),
    }
}

/// Whether a line says `!pam_session`, for sudoedit or for everything.
fn is_for_sudoedit(line: &str) -> bool {
    let Some(said) = line.strip_prefix("Defaults") else {
        return false;
    };
    let said = said.split('#').next().unwrap_or_default();
    let spaced = said.replace(',', " , ");
    let mut words = match spaced.strip_prefix('!') {
        Some(rest) => rest.split_whitespace().peekable(),
        None if said.starts_with(char::is_whitespace) => {
            return spaced.split_whitespace().any(|word| word == "!pam_session");
        }
        None => return false,
    };
    let mut commands: Vec<&str> = words.next().into_iter().collect();
    while words.next_if_eq(&",").is_some() {
        commands.extend(words.next());
    }
    let names_it = commands
        .iter()
        .any(|command| ["sudoedit", "ALL"].contains(command));
    names_it && words.any(|word| word == "!pam_session")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_about_sudoedit() {
        let table = [
            ("Defaults!sudoedit !pam_session", true),
            ("Defaults! sudoedit  !pam_session # why", true),
            ("Defaults!/bin/x, sudoedit env_reset, !pam_session", true),
            ("Defaults!ALL !pam_session", true),
            ("Defaults !pam_session", true),
            ("Defaults env_reset,!pam_session", true),
            ("Defaults!sudoedit pam_session", false),
            ("Defaults!sudoedit !pam_setcred", false),
            ("Defaults!/bin/x !pam_session", false),
            ("Defaults:alice !pam_session", false),
            ("Defaults", false),
            ("Defaults!", false),
            ("# Defaults!sudoedit !pam_session", false),
            ("alice ALL = sudoedit /etc/motd", false),
        ];
        for (line, expected) in table {
            assert_eq!(is_for_sudoedit(line), expected, "{line}");
        }
    }

    /// Whether sudoers of these files, beneath /etc, spare sudoedit; an error by its kind.
    fn of(files: &[(&str, &str)]) -> Result<bool, io::ErrorKind> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join("etc").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        spare_sudoedit(&Tree::under(root.path()).unwrap()).map_err(|error| error.kind())
    }

    #[test]
    fn files_are_followed_as_sudo_follows_them() {
        let line = "Defaults!sudoedit !pam_session\n";
        let directory = "@includedir /etc/sudoers.d\n";
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[("sudoers", line)], true),
            (
                &[("sudoers", "Defaults!sudoedit \\\n !pam_session\n")],
                true,
            ),
            (&[("sudoers", directory), ("sudoers.d/jns", line)], true),
            (
                &[("sudoers", "#includedir sudoers.d"), ("sudoers.d/a", line)],
                true,
            ),
            (&[("sudoers", "@include \"more\"\n"), ("more", line)], true),
            (
                &[("sudoers", directory), ("sudoers.d/jns.old", line)],
                false,
            ),
            (&[("sudoers", directory), ("sudoers.d/jns~", line)], false),
            (&[("sudoers", ""), ("sudoers.d/jns", line)], false),
            (&[("sudoers", "@include sudoers\n")], false),
            (&[("sudoers", "@include none\n@includedir none\n")], false),
        ];
        for (files, expected) in table {
            assert_eq!(of(files), Ok(*expected), "{files:?}");
        }
        assert_eq!(of(&[]), Err(io::ErrorKind::NotFound));
    }

    #[test]
    fn the_example_says_it() {
        let example = include_str!("../../../conf/sudoers.d/jns");
        assert_eq!(of(&[("sudoers", example)]), Ok(true));
    }
}
