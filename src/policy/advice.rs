//! What to write in place of a value that has not the form that its key wants: without quotes, or with too many.

/// The form of a value that a key wants.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// A string that `guess` finds for a text.
    String { guess: Guess },
    /// A list of such strings, which a text may hold several of.
    List { guess: Guess, between: Between },
    /// `true` or `false`.
    Boolean,
    /// A whole number of at least 1.
    Count,
}

/// Finds the string that is meant by a text; nothing where it can be none.
pub(super) type Guess = fn(&str) -> Option<String>;

/// What stands between the words of a text that should have been a list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Between {
    /// Commas, as in the options of mount(8).
    Commas,
    /// Spaces, as on a command line.
    Spaces,
}

/// The longest advice, in characters: it is the end of a line that is read.
const LONGEST: usize = 120;

/// Returns the line `key = value` that is meant by `written`, the value as it stands in the file; nothing where it is not
/// certain.
pub(super) fn advise(key: &str, form: Form, written: &str) -> Option<String> {
    let value = match form {
        Form::String { guess } => guess(unwrap_single(written)?).and_then(|text| quote(&text))?,
        Form::List { guess, between } => list(guess, between, written)?,
        Form::Boolean => boolean(unquote(written)?)?.to_owned(),
        Form::Count => count(unquote(written)?)?,
    };
    let is_bare = |c: char| c.is_ascii_alphanumeric() || ['_', '-'].contains(&c);
    let line = format!("{key} = {value}");
    let fits = line.chars().count() <= LONGEST && key.chars().all(is_bare);
    fits.then(|| format!("write `{line}`"))
}

/// The value that stands behind `=` in the rest of a line, up to a comment.
pub(super) fn value_in(rest: &str) -> Option<&str> {
    let value = rest.trim_start().strip_prefix('=')?;
    let has_quotes = value.contains(['"', '\'']);
    let uncommented = match value.split_once('#') {
        Some((before, _)) if !has_quotes => before,
        Some(_) | None => value,
    };
    Some(uncommented.trim())
}

fn list(guess: Guess, between: Between, written: &str) -> Option<String> {
    let (text, between) = match inside(written) {
        Some(inside) => (inside, Between::Commas),
        None => (unquote(written)?, between),
    };
    let words: Vec<&str> = match between {
        Between::Commas => text.split(',').map(str::trim).collect(),
        // What quotes mean to a shell is not guessed.
        Between::Spaces if text.contains(['"', '\'', '\\']) => return None,
        Between::Spaces => text.split_whitespace().collect(),
    };
    let words = words.into_iter().filter(|word| !word.is_empty());
    let quoted: Option<Vec<String>> = words
        .map(|word| guess(unquote(word)?).and_then(|text| quote(&text)))
        .collect();
    Some(format!("[{}]", quoted?.join(", ")))
}

fn boolean(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some("true"),
        "false" | "no" | "off" | "0" => Some("false"),
        _ => None,
    }
}

fn count(text: &str) -> Option<String> {
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = text.parse().ok().filter(|_| is_decimal)?;
    (number > 0).then(|| number.to_string())
}

/// The text of a string, or of the only string of a list.
fn unwrap_single(written: &str) -> Option<&str> {
    unquote(inside(written).map_or(written, str::trim))
}

/// What a list has between its brackets.
fn inside(written: &str) -> Option<&str> {
    written.strip_prefix('[')?.strip_suffix(']')
}

/// The text between quotes, or one without any. One that has an end in it is not guessed at.
fn unquote(written: &str) -> Option<&str> {
    let quoted = ['"', '\''].into_iter().find_map(|quote| {
        let inside = written.strip_prefix(quote)?;
        inside.strip_suffix(quote)
    });
    quoted
        .or(Some(written))
        .filter(|text| quote(text).is_some())
}

/// The text as a TOML string, unless that would need an escape.
fn quote(text: &str) -> Option<String> {
    let is_plain = |c: char| !c.is_control() && !['"', '\'', '\\'].contains(&c);
    text.chars().all(is_plain).then(|| format!("\"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_is_meant() {
        let string = Form::String { guess: any };
        let between = Between::Commas;
        let list = Form::List {
            guess: any,
            between,
        };
        let between = Between::Spaces;
        let command = Form::List {
            guess: any,
            between,
        };
        for (form, written, expected) in [
            (string, "/tmp", "\"/tmp\""),
            (string, "[\"/tmp\"]", "\"/tmp\""),
            (string, "\"/tmp", ""),
            (string, "a\\b", ""),
            (list, "alice", "[\"alice\"]"),
            (list, "\"alice\"", "[\"alice\"]"),
            (
                list,
                "'ro,nosuid, nodev'",
                "[\"ro\", \"nosuid\", \"nodev\"]",
            ),
            (list, "[alice, \"@staff\", ]", "[\"alice\", \"@staff\"]"),
            (list, "[\"a\" \"b\"]", ""),
            (list, "[a,\n \"b\"]", "[\"a\", \"b\"]"),
            (list, "[a, # one\nb]", ""),
            (list, "[\"a,b\"]", ""),
            (list, "\"\"", "[]"),
            (
                command,
                "\"/bin/echo  a,b {user}\"",
                "[\"/bin/echo\", \"a,b\", \"{user}\"]",
            ),
            (command, "\"/bin/sh -c 'a b'\"", ""),
            (command, "[/bin/echo, 1]", "[\"/bin/echo\", \"1\"]"),
            (Form::Boolean, "\"yes\"", "true"),
            (Form::Boolean, "False", "false"),
            (Form::Boolean, "0", "false"),
            (Form::Boolean, "2", ""),
            (Form::Count, "'10'", "10"),
            (Form::Count, "010", "10"),
            (Form::Count, "1k", ""),
            (Form::Count, "0", ""),
        ] {
            let expected = (!expected.is_empty()).then(|| format!("write `k = {expected}`"));
            assert_eq!(advise("k", form, written), expected, "{form:?} {written}");
        }
        assert_eq!(advise("a b", string, "x"), None);
        assert_eq!(advise("k", string, &"x".repeat(LONGEST)), None);
    }

    #[test]
    fn the_value_of_a_line() {
        for (rest, expected) in [
            (" = 0700", Some("0700")),
            ("=0700 # mine", Some("0700")),
            (" = \"a#b\"", Some("\"a#b\"")),
            (".b = 1", None),
            ("", None),
        ] {
            assert_eq!(value_in(rest), expected, "{rest}");
        }
    }
}
