//! What is wrong with a policy, at its line and column.

use std::fmt;
use std::sync::Arc;

/// How bad it is.
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
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the administrator names it, or `built-in`.
    pub file: Arc<str>,
    /// Where in the file; absent when the file could not be read.
    pub place: Option<Place>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it, such as "did you mean `path`?".
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
    /// The whole line, without its end.
    pub text: String,
}

/// All that is wrong with a policy: errors and warnings by file, line and column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// The first of them, in order.
    pub list: Vec<Diagnostic>,
    /// How many more there were.
    pub more: usize,
}

impl Diagnostic {
    /// The lines for a terminal: the message as [`fmt::Display`] has it, the source line, and an
    /// underline; the last two are missing when the file could not be read. `colour` adds SGR sequences.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let _ = colour;
        self.to_string()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.list {
            writeln!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostics {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
