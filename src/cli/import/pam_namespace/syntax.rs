//! A line of namespace.conf as pam_namespace takes it apart (Linux-PAM 1.1 to 1.7).

use crate::cli::import::policy::escaped;

/// The words of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Without their quotes and backslashes.
    pub list: Vec<String>,
    /// The last one has a quote that is not closed, and goes on to the end of the line.
    pub unclosed: bool,
}

/// The part of `line` that counts: what stands before the first `#`, be it within quotes.
pub fn uncommented(line: &str) -> &str {
    line.split('#')
        .next()
        .unwrap_or(line)
        .trim_start_matches(is_space)
}

/// Takes a line apart. Within quotes nothing but the next quote counts; outside, a backslash makes a control
/// character of `n`, `t` and `b`, and takes the meaning of anything else.
pub fn words(line: &str) -> Words {
    let mut words = Words::default();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            _ if words.unclosed && c != '"' => word.get_or_insert_default().push(c),
            '"' => {
                words.unclosed = !words.unclosed;
                word.get_or_insert_default();
            }
            _ if is_space(c) => words.list.extend(word.take()),
            '\\' => {
                let meant = chars.next().map_or('\\', unescaped);
                word.get_or_insert_default().push(meant);
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.list.extend(word);
    words
}

fn unescaped(c: char) -> char {
    match c {
        'n' => '\n',
        't' => '\t',
        'b' => '\u{8}',
        other => other,
    }
}

/// isspace(3) in the C locale.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

/// A path with what pam_namespace replaces in it, as a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The template.
    pub text: String,
    /// A `$` that stands for itself, with the name behind it.
    pub unknown: Option<String>,
}

/// Replaces `$HOME` and `$USER`, wherever they stand and whatever follows them: `$USERS` is the user's name and an
/// `S`.
pub fn template(word: &str) -> Template {
    let mut text = String::new();
    let mut unknown = None;
    let mut pieces = word.split('$');
    text.push_str(&escaped(pieces.next().unwrap_or_default()));
    for piece in pieces {
        let known = [("HOME", "{home}"), ("USER", "{user}")]
            .iter()
            .find_map(|(name, fact)| {
                let rest = piece.strip_prefix(name)?;
                Some((fact, rest))
            });
        match known {
            Some((fact, rest)) => text.push_str(&format!("{fact}{}", escaped(rest))),
            None => {
                text.push_str(&format!("${}", escaped(piece)));
                unknown.get_or_insert_with(|| format!("${}", name_in(piece)));
            }
        }
    }
    Template { text, unknown }
}

fn name_in(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// Removes repeated slashes and `.` from a path. A slash at the end stays, for what is put behind it.
pub fn tidied(path: &str) -> String {
    let (parents, last) = path.rsplit_once('/').unwrap_or(("", path));
    let names = parents.split('/').filter(|name| !matches!(*name, "" | "."));
    let mut tidy: String = names.map(|name| format!("/{name}")).collect();
    if path.starts_with("{home}") {
        tidy = tidy.trim_start_matches('/').to_owned();
    }
    if path.contains('/') {
        tidy.push('/');
    }
    tidy + last
}

/// Removes repeated slashes and `.` from a path that nothing is put behind, and the slash at its end.
pub fn whole(path: &str) -> String {
    let tidy = tidied(&format!("{path}/"));
    match tidy.trim_end_matches('/') {
        "" => String::from("/"),
        path => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart_as_pam_namespace_does_it() {
        let table: &[(&str, &[&str], bool)] = &[
            ("a b\tc", &["a", "b", "c"], false),
            (" \r\n", &[], false),
            (r#""a b" c"d e"f"#, &["a b", "cd ef"], false),
            (r#""a\" b"#, &[r"a\", "b"], false),
            (r#""" x"#, &["", "x"], false),
            (r#"a "b c"#, &["a", "b c"], true),
            (r"a\ b \n\t\b\x", &["a b", "\n\t\u{8}x"], false),
            ("a\\", &["a\\"], false),
            ("ü\u{a0}b c", &["ü\u{a0}b", "c"], false),
        ];
        for (line, list, unclosed) in table {
            let found = words(line);
            assert_eq!(found.list, *list, "{line}");
            assert_eq!(found.unclosed, *unclosed, "{line}");
        }
    }

    #[test]
    fn a_comment_begins_at_any_hash() {
        let table = [
            ("# a", ""),
            ("  a # b", "a "),
            ("a \"b # c\" d", "a \"b "),
            (" \t ", ""),
        ];
        for (line, expected) in table {
            assert_eq!(uncommented(line), expected, "{line}");
        }
    }

    #[test]
    fn variables_are_replaced_wherever_they_stand() {
        let table = [
            ("/tmp", "/tmp", None),
            ("$HOME/$USER.inst/i-", "{home}/{user}.inst/i-", None),
            ("/a/$USERS", "/a/{user}S", None),
            ("/a$HOME", "/a{home}", None),
            ("/a/$$USER$", "/a/${user}$", Some("$")),
            ("/$UID/{x}", "/$UID/{{x}}", Some("$UID")),
            ("/$user", "/$user", Some("$user")),
        ];
        for (word, text, unknown) in table {
            let found = template(word);
            assert_eq!(
                (found.text.as_str(), found.unknown.as_deref()),
                (text, unknown)
            );
        }
    }

    #[test]
    fn paths_are_tidied() {
        let table = [
            ("/tmp/", "/tmp", "/tmp/"),
            ("//a///b/./c", "/a/b/c", "/a/b/c"),
            ("/", "/", "/"),
            ("{home}", "{home}", "{home}"),
            ("{home}//x/", "{home}/x", "{home}/x/"),
            ("/inst/.", "/inst", "/inst/."),
            ("/t/inst-", "/t/inst-", "/t/inst-"),
        ];
        for (path, as_whole, as_prefix) in table {
            assert_eq!(whole(path), as_whole, "{path}");
            assert_eq!(tidied(path), as_prefix, "{path}");
        }
    }
}
