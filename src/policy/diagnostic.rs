//! Diagnostics of a policy: what is wrong, at its line and column.

use crate::error::{harmless, steers};
use std::fmt;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// The severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The policy is refused.
    Error,
    /// The policy works, and probably does not do what was meant.
    Warning,
}

/// One thing that is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The severity.
    pub severity: Severity,
    /// The file, as the administrator names it, or `built-in`.
    pub file: Arc<str>,
    /// The place in the file; absent when the file could not be read.
    pub place: Option<Place>,
    /// The message: what is wrong, in one line.
    pub message: String,
    /// The advice, such as "did you mean `path`?".
    pub help: Option<String>,
}

/// A place in a text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, counted from 1.
    pub line: usize,
    /// The first character, counted from 1.
    pub column: usize,
    /// The number of characters, at least 1.
    pub width: usize,
    /// The line; of a long one the part around the span, with `…` where it is cut.
    pub text: String,
    /// The number of characters of `text` before the span.
    pub indent: usize,
}

/// All that is wrong with a policy: errors and warnings by file, line and column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// The first of them, in order.
    pub list: Vec<Diagnostic>,
    /// The number of further diagnostics, at least: a file without sense is not read to its end.
    pub more: usize,
}

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const PLAIN: &str = "\u{1b}[0m";

/// The characters of a long line that are shown before and after the start of the span.
const BEFORE: usize = 40;
const AFTER: usize = 80;

impl Diagnostic {
    /// The message and the help, in one line that steers no terminal.
    #[must_use]
    pub fn one_line(&self) -> String {
        let help = self.help.iter().flat_map(|help| ["; ", help]);
        let said = std::iter::once(self.message.as_str()).chain(help);
        harmless(&said.collect::<String>())
    }

    /// The lines for a terminal: the message as [`fmt::Display`] has it, the source line, and an
    /// underline; the last two are missing when the file could not be read. `colour` adds SGR sequences.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let (start, end) = match (colour, self.severity) {
            (false, _) => ("", ""),
            (true, Severity::Error) => (RED, PLAIN),
            (true, Severity::Warning) => (YELLOW, PLAIN),
        };
        let Some(place) = &self.place else {
            return format!("{start}{self}{end}");
        };
        let line: String = place.text.chars().map(printable).collect();
        let (columns, width) = place.columns_in(&line);
        let (indent, underline) = (" ".repeat(columns), "^".repeat(width));
        format!("{start}{self}{end}\n  {line}\n  {indent}{start}{underline}{end}")
    }
}

impl Place {
    /// A place in `line` (without its end): `width` characters from `column` on.
    #[must_use]
    pub fn in_line(line_number: usize, line: &str, column: usize, width: usize) -> Self {
        let before = column.saturating_sub(1);
        let skipped = before.saturating_sub(BEFORE);
        let mut shown = line.chars().skip(skipped);
        let limit = BEFORE.saturating_add(AFTER);
        let mut text: String = shown.by_ref().take(limit).collect();
        let mut indent = before.saturating_sub(skipped);
        if shown.next().is_some() {
            text.push('…');
        }
        if skipped > 0 {
            text.insert(0, '…');
            indent = indent.saturating_add(1);
        }
        Self {
            line: line_number,
            column,
            width: width.max(1),
            text,
            indent,
        }
    }

    /// Counts the columns of a terminal that `line` takes before the span, and those in it, as far as it shows the
    /// span. An ideograph takes two, a combining mark none.
    fn columns_in(&self, line: &str) -> (usize, usize) {
        let columns = |characters: usize| {
            let shown: String = line.chars().take(characters).collect();
            shown.width()
        };
        let before = columns(self.indent);
        let behind_line = self.indent.saturating_sub(line.chars().count());
        let end = columns(self.indent.saturating_add(self.width));
        let width = end.saturating_sub(before).max(1);
        (before.saturating_add(behind_line), width)
    }
}

/// One printable character for each, so that the underline stays below what it is about.
fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        character if steers(character) => char::REPLACEMENT_CHARACTER,
        character => character,
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(place) = &self.place {
            write!(f, "{}:{}:", place.line, place.column)?;
        }
        if self.severity == Severity::Warning {
            write!(f, " warning:")?;
        }
        write!(f, " {}", self.one_line())
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = self.list.iter().map(Diagnostic::to_string).collect();
        if self.more > 0 {
            lines.push(format!("and {} more", self.more));
        }
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostics {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Counts the errors that are listed.
    #[must_use]
    pub fn errors(&self) -> usize {
        let errors = self
            .list
            .iter()
            .filter(|found| found.severity == Severity::Error);
        errors.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, column: usize, width: usize) -> String {
        let found = Diagnostic {
            severity: Severity::Error,
            file: Arc::from("p"),
            place: Some(Place::in_line(1, line, column, width)),
            message: "wrong".to_owned(),
            help: None,
        };
        let rendered = found.render(false);
        rendered.split_once('\n').unwrap().1.to_owned()
    }

    #[test]
    fn the_underline_stands_under_the_span() {
        for (line, column, width, expected) in [
            ("abc", 1, 1, "  abc\n  ^"),
            ("abc", 2, 2, "  abc\n   ^^"),
            ("abc", 4, 1, "  abc\n     ^"),
            ("abc", 2, 99, "  abc\n   ^^"),
            ("", 1, 1, "  \n  ^"),
            ("\tüa", 3, 1, "   üa\n    ^"),
            ("a\u{1b}\u{202e}b", 4, 1, "  a\u{fffd}\u{fffd}b\n     ^"),
        ] {
            assert_eq!(shown(line, column, width), expected, "{line:?}");
        }
    }

    #[test]
    fn the_underline_counts_columns_not_characters() {
        for (reason, line, column, width, expected) in [
            ("ideographs before", "漢字a", 3, 1, "  漢字a\n      ^"),
            ("ideographs in it", "a漢字b", 2, 2, "  a漢字b\n   ^^^^"),
            ("an emoji", "🔒a", 1, 1, "  🔒a\n  ^^"),
            (
                "an emoji by its selector",
                "❤\u{fe0f}a",
                3,
                1,
                "  ❤\u{fe0f}a\n    ^",
            ),
            (
                "a combining mark before",
                "e\u{301}a",
                3,
                1,
                "  e\u{301}a\n   ^",
            ),
            (
                "a combining mark in it",
                "ae\u{301}b",
                2,
                2,
                "  ae\u{301}b\n   ^",
            ),
            (
                "a combining mark alone",
                "e\u{301}",
                2,
                1,
                "  e\u{301}\n   ^",
            ),
            ("behind the line", "漢", 2, 1, "  漢\n    ^"),
            ("far behind the line", "漢", 4, 1, "  漢\n      ^"),
        ] {
            assert_eq!(shown(line, column, width), expected, "{reason}");
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_span() {
        let line = format!("{}WRONG{}", "a".repeat(1000), "b".repeat(1000));
        let expected = format!(
            "  …{}WRONG{}…\n   {}^^^^^",
            "a".repeat(40),
            "b".repeat(75),
            " ".repeat(40)
        );
        assert_eq!(shown(&line, 1001, 5), expected);
    }

    #[test]
    fn a_file_that_cannot_be_read_has_no_line() {
        let found = Diagnostic {
            severity: Severity::Error,
            file: Arc::from("/etc/p"),
            place: None,
            message: "cannot open /etc/p: Permission denied".to_owned(),
            help: Some("become root".to_owned()),
        };
        let expected = "/etc/p: cannot open /etc/p: Permission denied; become root";
        assert_eq!(found.render(false), expected);
    }
}
