//! The statements of sudoers(5) about sudoedit's sessions.

use super::tree::Tree;
use std::collections::BTreeMap;
use std::io;

/// The file that sudo reads first.
const MAIN: &str = "/etc/sudoers";

/// The number of files that sudo reads one inside the other (sudoers(5)).
const DEEPEST: usize = 128;

/// The kinds of lines that name commands (`Cmd_Alias` since sudo 1.9.0).
const ALIASES: [&str; 2] = ["Cmnd_Alias", "Cmd_Alias"];

/// Whether no PAM session is opened for sudoedit, by a line such as `Defaults!sudoedit !pam_session`.
///
/// # Errors
///
/// A file cannot be read: there is no sudo, or only root may.
pub fn is_sudoedit_without_session(tree: &Tree) -> io::Result<bool> {
    let main = tree.read(MAIN)?;
    let mut lines = Vec::new();
    collect(tree, &main, &[MAIN], &mut lines)?;
    Ok(!opens_session(&lines))
}

/// Collects the lines of the last of `files`, and of those that it includes, in sudo's order. The others are what it is
/// included by: sudo refuses a file that includes itself, and here it is not read again.
fn collect(tree: &Tree, text: &str, files: &[&str], lines: &mut Vec<String>) -> io::Result<()> {
    let file = files.last().copied().unwrap_or(MAIN);
    for line in logical_lines(text) {
        let mut paths = included(tree, &line, file);
        paths.retain(|path| files.len() < DEEPEST && !files.contains(&path.as_str()));
        for path in paths {
            let inner = [files, &[path.as_str()]].concat();
            collect(tree, &optional(tree, &path)?, &inner, lines)?;
        }
        lines.push(line);
    }
    Ok(())
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
    let path = beside(file, &with_host(tree, path.trim().trim_matches('"')));
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

/// A path with the short host name in place of `%h`, the only escape: `%%` is two characters of a name.
fn with_host(tree: &Tree, path: &str) -> String {
    let Some(name) = path.contains("%h").then(|| host_name(tree)).flatten() else {
        return path.to_owned();
    };
    path.replace("%h", name.split('.').next().unwrap_or_default())
}

/// The name of the running host, or what hostname(5) says for a system that does not run.
fn host_name(tree: &Tree) -> Option<String> {
    if tree.is_host() {
        let names = rustix::system::uname();
        return Some(names.nodename().to_string_lossy().into_owned());
    }
    let text = tree.read("/etc/hostname").ok()?;
    let mut lines = text.lines().map(str::trim);
    lines
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
}

/// A path as a line of `file` means it.
fn beside(file: &str, path: &str) -> String {
    match (path.starts_with('/'), file.rsplit_once('/')) {
        (false, Some((directory, _))) => format!("{directory}/{path}"),
        _ => path.to_owned(),
    }
}

/// Lists of commands by the names of their aliases, which hold in all files, above the definition as well.
type Aliases<'a> = BTreeMap<&'a str, &'a str>;

/// Whether the lines give sudoedit a session. Of lines for everything and of lines for commands the last one holds,
/// and those for commands hold over the others.
fn opens_session(lines: &[String]) -> bool {
    let lines: Vec<&str> = lines.iter().map(|line| without_comment(line)).collect();
    let aliases: Aliases<'_> = lines.iter().flat_map(|line| definitions(line)).collect();
    let defaults = || {
        lines
            .iter()
            .filter_map(|line| line.strip_prefix("Defaults"))
    };
    let of_all = defaults().filter(|said| said.starts_with(char::is_whitespace));
    let of_commands = defaults().filter_map(|said| {
        let (commands, parameters) = split_list(said.strip_prefix('!')?);
        (matches(&aliases, commands, &[]) == Some(true)).then_some(parameters)
    });
    let mut settings = of_all.chain(of_commands).filter_map(setting);
    settings.next_back().unwrap_or(true)
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

/// The aliases that a line defines: `Cmnd_Alias NAME = LIST : NAME = LIST`.
fn definitions(line: &str) -> Vec<(&str, &str)> {
    let mut kinds = ALIASES.iter().filter_map(|kind| line.strip_prefix(kind));
    let Some(said) = kinds
        .next()
        .filter(|said| said.starts_with(char::is_whitespace))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut rest = Some(said);
    while let Some(said) = rest {
        let (definition, after) = split_definition(said);
        found.extend(definition);
        rest = after;
    }
    found
}

/// The first definition of a line, and the text of the others. A colon that no name and `=` follow is of a digest.
fn split_definition(said: &str) -> (Option<(&str, &str)>, Option<&str>) {
    let mut colons = said.match_indices(':').map(|(at, _)| said.split_at(at));
    let others = colons.find(|(_, others)| is_definition(others.trim_start_matches(':')));
    let (definition, others) = others.unzip();
    let (name, list) = definition.unwrap_or(said).split_once('=').unzip();
    let trimmed = name.map(str::trim).zip(list.map(str::trim));
    (trimmed, others.map(|others| others.trim_start_matches(':')))
}

fn is_definition(said: &str) -> bool {
    let name = said.split_once('=').map(|(name, _)| name.trim());
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(is_of_name)
    })
}

/// Splits what follows `Defaults!` into the list of commands and the parameters: the list ends with the first word that
/// has no comma behind it, nor one before the next.
fn split_list(said: &str) -> (&str, &str) {
    let mut end = 0;
    for word in said.split_inclusive(char::is_whitespace) {
        let list = said.get(..end).unwrap_or_default().trim();
        let goes_on = list.is_empty() || list.ends_with(',') || word.starts_with(',');
        if !goes_on && !word.trim().is_empty() {
            break;
        }
        end = end.saturating_add(word.len());
    }
    said.split_at_checked(end).unwrap_or((said, ""))
}

/// Whether a list of commands means every file that sudoedit edits: the last member that says something of it decides.
/// It is the list of the last of the aliases in `through`, none of which is followed again.
fn matches(aliases: &Aliases<'_>, list: &str, through: &[&str]) -> Option<bool> {
    let mut members = list.split(',').rev();
    members.find_map(|member| {
        let command = member.trim_start_matches(|c: char| c == '!' || c.is_whitespace());
        let (negations, command) =
            member.split_at_checked(member.len().checked_sub(command.len())?)?;
        let is_meant = negations.matches('!').count().is_multiple_of(2);
        let found = match command.trim_end() {
            "sudoedit" | "ALL" => true,
            of_file if of_file.starts_with("sudoedit ") => (!is_meant).then_some(true)?,
            name => {
                let list = aliases.get(name).filter(|_| !through.contains(&name))?;
                matches(aliases, list, &[through, &[name]].concat())?
            }
        };
        Some(found == is_meant)
    })
}

/// Returns what parameters say of PAM sessions, if anything.
fn setting(parameters: &str) -> Option<bool> {
    let words = parameters.split([',', ' ', '\t']);
    let mut settings = words.filter_map(|word| {
        let name = word.trim_start_matches('!');
        let negations = word.len().saturating_sub(name.len());
        (name == "pam_session").then_some(negations.is_multiple_of(2))
    });
    settings.next_back()
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
            ("Defaults!sudoedit !!pam_session", false),
            ("Defaults!sudoedit !pam_session, pam_session", false),
            ("Defaults!!sudoedit !pam_session", false),
            ("Defaults!ALL,!sudoedit !pam_session", false),
            ("Defaults!!sudoedit, ALL !pam_session", true),
            ("Defaults!/bin/x , sudoedit !pam_session", true),
            ("Defaults!/bin/x ,/bin/y !pam_session", false),
            ("Defaults!EDIT !pam_session", false),
            ("Defaults!sudoedit_not !pam_session", false),
            ("Defaults@host !pam_session", false),
            ("Defaults", false),
            ("Defaults!", false),
            ("# Defaults!sudoedit !pam_session", false),
            ("alice ALL = sudoedit /etc/motd", false),
        ];
        for (line, expected) in table {
            assert_eq!(!opens_session(&[line.to_owned()]), expected, "{line}");
        }
    }

    /// Lines of sudoers, and whether sudoedit has no session by them.
    const ALIASED: &[(&str, bool)] = &[
        (
            "Cmnd_Alias EDIT = sudoedit\nDefaults!EDIT !pam_session",
            true,
        ),
        (
            "Cmd_Alias EDIT=/bin/x, sudoedit\nDefaults!EDIT !pam_session",
            true,
        ),
        (
            "Defaults!EDIT !pam_session\nCmnd_Alias EDIT = sudoedit",
            true,
        ),
        (
            "Cmnd_Alias OTHER = /bin/x : EDIT = /bin/y, sudoedit : MORE = /bin/z\nDefaults!EDIT !pam_session",
            true,
        ),
        (
            "Cmnd_Alias INNER = sudoedit : OUTER = /bin/x, INNER\nDefaults!/bin/y, OUTER env_reset, !pam_session",
            true,
        ),
        ("Cmnd_Alias EDIT = ALL\nDefaults!EDIT !pam_session", true),
        (
            "Cmnd_Alias EDIT = sha224:aGVsbG8= /bin/x, sudoedit : OTHER = /bin/y\nDefaults!EDIT !pam_session",
            true,
        ),
        (
            "Cmnd_Alias EDIT = \\\n /bin/x, \\\n sudoedit\nDefaults!EDIT !pam_session",
            true,
        ),
        (
            "Cmnd_Alias EDIT = /bin/x\nDefaults!EDIT !pam_session",
            false,
        ),
        (
            "Cmnd_Alias EDIT = sudoedit /etc/motd\nDefaults!EDIT !pam_session",
            false,
        ),
        (
            "Cmnd_Alias EDIT = sudoedit, !sudoedit /etc/motd\nDefaults!EDIT !pam_session",
            false,
        ),
        (
            "Cmnd_Alias EDIT = sudoedit, ! sudoedit\nDefaults!EDIT !pam_session",
            false,
        ),
        (
            "Cmnd_Alias EDIT = !sudoedit\nDefaults!!EDIT !pam_session",
            true,
        ),
        (
            "Cmnd_Alias EDIT = sudoedit\nDefaults!ALL,!EDIT !pam_session",
            false,
        ),
        (
            "Cmnd_Alias EDIT = EDIT, EDIT\nDefaults!EDIT !pam_session",
            false,
        ),
        (
            "Cmnd_Alias EDIT = sudoedit, !sudoedit /a!b\nDefaults!EDIT !pam_session",
            false,
        ),
        (
            "# Cmnd_Alias EDIT = sudoedit\nDefaults!EDIT !pam_session",
            false,
        ),
        (
            "User_Alias EDIT = sudoedit\nDefaults!EDIT !pam_session",
            false,
        ),
        (
            "Cmnd_Alias EDIT = sudoedit\nDefaults:EDIT !pam_session",
            false,
        ),
        // The last one holds, and one for a command over one for all.
        (
            "Defaults!sudoedit !pam_session\nDefaults!sudoedit pam_session",
            false,
        ),
        (
            "Defaults!sudoedit pam_session\nDefaults!sudoedit !pam_session",
            true,
        ),
        (
            "Defaults !pam_session\nDefaults!sudoedit pam_session",
            false,
        ),
        ("Defaults!sudoedit !pam_session\nDefaults pam_session", true),
        ("Defaults !pam_session\nDefaults pam_session", false),
    ];

    #[test]
    fn aliases_and_orders() {
        for (text, expected) in ALIASED {
            assert_eq!(of(&[("sudoers", text)]), Ok(*expected), "{text}");
        }
    }

    /// An include, the file with the line, the host's name, and whether the line is found.
    const HOSTS: &[(&str, &str, &str, bool)] = &[
        ("@include /etc/sudoers.%h", "sudoers.box", "box\n", true),
        (
            "@include sudoers.%h",
            "sudoers.box",
            "box.example.org\n",
            true,
        ),
        (
            "#include \"sudoers.%h\"",
            "sudoers.box",
            "# a name\n\n box\n",
            true,
        ),
        ("@include %h/%h", "box/box", "box\n", true),
        (
            "@includedir /etc/sudoers.%h",
            "sudoers.box/jns",
            "box\n",
            true,
        ),
        (
            "@includedir /etc/sudoers.%h",
            "sudoers.other/jns",
            "box\n",
            false,
        ),
        ("@include sudoers.%h", "sudoers.box", "other\n", false),
        ("@include sudoers.%h", "sudoers.%h", "box\n", false),
        ("@include sudoers.%%", "sudoers.%%", "box\n", true),
        ("@include sudoers.%%", "sudoers.%", "box\n", false),
    ];

    #[test]
    fn includes_may_have_the_hosts_name() {
        let line = "Defaults!sudoedit !pam_session\n";
        for (include, file, name, expected) in HOSTS {
            let files = [("sudoers", *include), (*file, line), ("hostname", *name)];
            assert_eq!(of(&files), Ok(*expected), "{include} {file} {name}");
        }
    }

    #[test]
    fn the_running_host_has_its_own_name() {
        let name = host_name(&Tree::host()).unwrap();
        let known = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(name, known.trim_end());
    }

    /// Whether sudoers of these files, beneath /etc, leave sudoedit without a session; an error by its kind.
    fn of(files: &[(&str, &str)]) -> Result<bool, io::ErrorKind> {
        let path = |(name, text): &(_, _)| (format!("etc/{name}"), *text);
        let (_root, tree) = Tree::of_files(files.iter().map(path));
        is_sudoedit_without_session(&tree).map_err(|error| error.kind())
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
            (
                &[("sudoers", "@include sudoers\n@include sudoers\n")],
                false,
            ),
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
