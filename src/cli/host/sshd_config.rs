//! sshd's configuration, read as sshd_config(5) says: an include in its place, and what stands after `Match` for some
//! connections only.

use super::tree::Tree;
use crate::error::Location;

/// One line that has its turn, and the `Match` that it is under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its keyword, in small letters.
    pub keyword: String,
    /// The first word of its value.
    pub value: String,
    /// The criteria of the `Match`.
    pub condition: Option<String>,
    /// The line.
    pub location: Location,
}

/// The file that sshd reads first.
pub const MAIN: &str = "/etc/ssh/sshd_config";

/// The settings of a system's sshd, in the order in which it reads them; nothing where it has no configuration.
pub fn read(tree: &Tree) -> Option<Vec<Setting>> {
    tree.exists(MAIN).then(|| settings(tree, MAIN, None, &[]))
}

/// The settings of `file` and of what it includes, in place; `open` are the files that led to it.
fn settings(tree: &Tree, file: &str, outer: Option<String>, open: &[&str]) -> Vec<Setting> {
    let Ok(text) = tree.read(file) else {
        return Vec::new();
    };
    let inner = [open, &[file]].concat();
    let mut condition = outer;
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some((keyword, value)) = split(line) else {
            continue;
        };
        match keyword.as_str() {
            "match" => condition = matched(value),
            "include" => {
                let new = |target: &String| !inner.contains(&target.as_str());
                for target in targets(tree, &words(&value)).iter().filter(|t| new(t)) {
                    all.extend(settings(tree, target, condition.clone(), &inner));
                }
            }
            _ => all.push(Setting {
                value: words(&value).into_iter().next().unwrap_or_default(),
                keyword,
                condition: condition.clone(),
                location: Location::new(file, number),
            }),
        }
    }
    all
}

/// `Match all` ends what an earlier `Match` began.
fn matched(criteria: String) -> Option<String> {
    (!criteria.eq_ignore_ascii_case("all")).then_some(criteria)
}

/// The keyword in small letters, and the rest of a line; nothing for a comment.
fn split(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(line.len());
    let (keyword, rest) = line.split_at_checked(end)?;
    let value = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
    Some((keyword.to_ascii_lowercase(), value.to_owned()))
}

/// Words between blanks, without quotation marks, up to a comment.
fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = value.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

/// The files that an `Include` names, in byte order for each of its patterns.
fn targets(tree: &Tree, patterns: &[String]) -> Vec<String> {
    patterns
        .iter()
        .flat_map(|pattern| expand(tree, pattern))
        .collect()
}

fn expand(tree: &Tree, pattern: &str) -> Vec<String> {
    let absolute = if pattern.starts_with('/') {
        pattern.to_owned()
    } else {
        format!("/etc/ssh/{pattern}")
    };
    let Some((directory, wanted)) = absolute.rsplit_once('/') else {
        return Vec::new();
    };
    tree.list(directory)
        .into_iter()
        .filter(|name| is_like(wanted, name))
        .map(|name| format!("{directory}/{name}"))
        .collect()
}

/// Whether a name matches a pattern with `*` in it, which does not match a leading dot.
fn is_like(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*').peekable();
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let table = [
            ("*.conf", "a.conf", true),
            ("*.conf", ".a.conf", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("*", "x", true),
            ("a*a", "a", false),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(is_like(pattern, name), expected, "{pattern} {name}");
        }
    }
}
