//! The outcome of a verb, and the one place that prints it.

use crate::error::harmless;
use crate::error::steers;
use std::io::{self, Write};
use std::process::ExitCode;

/// The exit status of a verb that found nothing wrong.
pub const CLEAN: u8 = 0;
/// The exit status of a verb that found something wrong, or could not do what it was asked.
pub const FAULT: u8 = 1;

/// The text and the exit status a verb ends with.
#[derive(Debug, Default)]
pub struct Outcome {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
    /// The exit status.
    pub status: u8,
}

impl Outcome {
    /// A report on standard output.
    pub fn report(out: String) -> Self {
        Self {
            out,
            err: String::new(),
            status: CLEAN,
        }
    }

    /// Reports a document on standard output as JSON, its keys in the order of the alphabet: ended by a newline, and as
    /// harmless on a terminal as text is.
    pub fn json(document: &impl serde::Serialize) -> Self {
        match serde_json::to_value(document) {
            Ok(value) => Self::report(format!("{}\n", escaped(&format!("{value:#}")))),
            Err(error) => Self::failure(error),
        }
    }

    /// A failure as JSON: a document with the reason under `error`.
    pub fn json_failure(reason: impl std::fmt::Display) -> Self {
        Self::json(&serde_json::json!({ "error": reason.to_string() })).failing_if(true)
    }

    /// Sets the status to [`FAULT`], if something is wrong.
    pub fn failing_if(self, is_wrong: bool) -> Self {
        match is_wrong {
            true => Self {
                status: FAULT,
                ..self
            },
            false => self,
        }
    }

    /// A failure, printed on standard error in one line, whatever is in the reason.
    pub fn failure(reason: impl std::fmt::Display) -> Self {
        Self {
            out: String::new(),
            err: format!("jns: {}\n", harmless(&reason.to_string())),
            status: FAULT,
        }
    }

    /// Writes the text and gives the status. A reader that went away is no failure of the verb's: the
    /// status stays what was found. Any other refusal to take the text is.
    pub fn print(self) -> ExitCode {
        let said = emit(&mut io::stderr().lock(), &self.err)
            .and_then(|()| emit(&mut io::stdout().lock(), &self.out));
        match said {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                ExitCode::from(FAULT.max(self.status))
            }
            _ => ExitCode::from(self.status),
        }
    }
}

/// Tells the user something while the verb still works. Nobody is left to tell where that cannot be said.
pub fn say(text: &str) {
    let _ = emit(&mut io::stderr().lock(), text);
}

/// An error without Rust's "(os error 13)".
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// A JSON document in which characters that steer a terminal are written as escapes. It holds them in strings
/// alone, none of them takes more than one `\u`, and the newlines between its lines stay.
fn escaped(document: &str) -> String {
    let shown = |c: char| match c {
        '\n' => c.to_string(),
        c if steers(c) => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    document.chars().map(shown).collect()
}

fn emit(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_the_systems_words() {
        let error = io::Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(reason(&error), "No such file or directory");
        assert_eq!(reason(&io::Error::other("not a file")), "not a file");
    }

    #[test]
    fn json_says_the_same_and_steers_no_terminal() {
        let hostile = "\u{1b}[2J\u{7f}\u{9b}31m\n\u{202e}\u{feff}größe \\ \"";
        let value = serde_json::json!({ "name": hostile });
        let shown = Outcome::json(&value).out;
        assert!(!shown.contains(|c| c != '\n' && steers(c)), "{shown:?}");
        assert_eq!(shown.lines().count(), 3);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"),
            value
        );
    }

    #[test]
    fn a_failure_is_one_line() {
        let printed = Outcome::failure("cannot find user a\nb\u{1b}[2J: no such account").err;
        assert_eq!(
            printed,
            "jns: cannot find user a\\u{a}b\\u{1b}[2J: no such account\n"
        );
    }
}
