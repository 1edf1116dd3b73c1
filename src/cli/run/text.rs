//! The text of an option: its parts, its paths, and what is said when it is not understood.

use crate::policy::template::PathTemplate;

/// The message about an option: what is wrong, and what would be right, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError(pub String);

/// Says that the `value` of an option is wrong.
pub fn usage_error(option: &str, value: &str, reason: impl std::fmt::Display) -> UsageError {
    UsageError(format!("{option} {value}: {reason}"))
}

/// The parts between colons; `\:` is a colon in one of them, and `\\` a backslash.
pub fn split(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut rest = text.chars().peekable();
    while let Some(sign) = rest.next() {
        match (sign, rest.peek()) {
            ('\\', Some(next @ (':' | '\\'))) => {
                part.push(*next);
                rest.next();
            }
            (':', _) => parts.push(std::mem::take(&mut part)),
            _ => part.push(sign),
        }
    }
    parts.push(part);
    parts
}

/// A path outside: a relative one is meant from the working directory.
///
/// # Errors
///
/// It cannot be the path of a rule.
pub fn host_path(text: &str) -> Result<PathTemplate, String> {
    template(&absolute(text)?)
}

/// The absolute path that `text` means outside. Slashes at the end, as the Tab key leaves them, say nothing.
///
/// # Errors
///
/// It is empty or not UTF-8.
pub fn absolute(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("a path must not be empty".to_owned());
    }
    let path = std::path::absolute(text).map_err(|reason| reason.to_string())?;
    let text = path.to_str().ok_or("a path must be UTF-8")?;
    let trimmed = text.trim_end_matches('/');
    Ok(if trimmed.is_empty() { "/" } else { trimmed }.to_owned())
}

/// A path inside. Where the command begins there is not where `jns` is, so it has to be absolute.
///
/// # Errors
///
/// It cannot be the path of a rule.
pub fn inside_path(text: &str) -> Result<PathTemplate, String> {
    template(&absolute_inside(text)?)
}

/// A path inside that something is bound to, which may be a file in `/proc`.
///
/// # Errors
///
/// Nothing can be bound to it.
pub fn bound_path(text: &str) -> Result<PathTemplate, String> {
    PathTemplate::plain_to_bind_to(&absolute_inside(text)?).map_err(str::to_owned)
}

fn absolute_inside(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!(
            "a path must be absolute, \"{text}\" does not begin with a slash"
        ));
    }
    absolute(text)
}

fn template(path: &str) -> Result<PathTemplate, String> {
    PathTemplate::plain(path).map_err(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_between_colons() {
        let table: &[(&str, &[&str])] = &[
            ("", &[""]),
            ("/a", &["/a"]),
            ("/a:/b:ro", &["/a", "/b", "ro"]),
            ("/a::", &["/a", "", ""]),
            (r"/a\:b:/c", &["/a:b", "/c"]),
            (r"/a\\:/b", &[r"/a\", "/b"]),
            (r"/a\b:/c\", &[r"/a\b", r"/c\"]),
        ];
        for (text, parts) in table {
            assert_eq!(split(text), *parts, "{text}");
        }
    }

    #[test]
    fn paths_are_what_was_typed() {
        let directory = std::env::current_dir().unwrap();
        let here = directory.to_str().unwrap();
        let table = [
            (host_path("/a//b/./c/"), Ok("/a/b/c".to_owned())),
            (host_path("x/"), Ok(format!("{here}/x"))),
            (host_path("."), Ok(here.to_owned())),
            (host_path("/{user}"), Ok("/{{user}}".to_owned())),
            (inside_path("/{a"), Ok("/{{a".to_owned())),
            (
                host_path("../x"),
                Err("a path must not have `.` or `..` in it"),
            ),
            (
                host_path("/"),
                Err("the root directory cannot be used here"),
            ),
            (
                inside_path("//"),
                Err("the root directory cannot be used here"),
            ),
            (host_path(""), Err("a path must not be empty")),
            (
                inside_path("/proc/self"),
                Err("a path must not be in /proc"),
            ),
            (bound_path("/proc/cpuinfo"), Ok("/proc/cpuinfo".to_owned())),
            (bound_path("/proc/self/maps"), Err("it is a process's own")),
            (bound_path("/proc/sys"), Err("/proc/sys cannot be covered")),
            (
                inside_path("x"),
                Err("a path must be absolute, \"x\" does not begin with a slash"),
            ),
        ]
        .map(|(found, expected)| {
            let found = found.map(|path| path.to_string());
            (found, expected.map_err(str::to_owned))
        });
        for (found, expected) in table {
            assert_eq!(found, expected);
        }
    }
}
