//! The report to which every stage of the parser adds the faults that it finds.

use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::text::{LIMIT, Text, first_bad_byte};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The diagnostics found so far, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Report {
    found: Vec<(usize, Diagnostic)>,
    errors: usize,
    warnings: usize,
    unreadable_lines: BTreeSet<(usize, usize)>,
}

/// A fault of one value, before it is known where that value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The fault in words.
    pub message: String,
    /// Advice what to do about it.
    pub help: Option<String>,
    /// The bytes of the value that are wrong; all of it when absent.
    pub within: Option<Range<usize>>,
}

impl Fault {
    /// A fault of the whole value.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            within: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Narrows it to these bytes of the value.
    #[must_use]
    pub fn within(mut self, bytes: Range<usize>) -> Self {
        self.within = Some(bytes);
        self
    }

    fn diagnostic(self, severity: Severity, text: &Text<'_>, span: &Range<usize>) -> Diagnostic {
        Diagnostic {
            severity,
            file: text.name().clone(),
            place: Some(text.place(span)),
            message: self.message,
            help: self.help,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl Report {
    /// The number of errors, and of warnings, that are listed: a file of random bytes has one a line.
    pub const LISTED: usize = 100;

    /// Decodes the text of the file `name`, the `rank`th of its policy, unless its bytes are too many or not UTF-8, which is reported.
    pub(crate) fn decode<'t>(
        &mut self,
        rank: usize,
        name: &str,
        bytes: &'t [u8],
    ) -> Option<Text<'t>> {
        let fault = |place, message: &str, help: &str| Diagnostic {
            severity: Severity::Error,
            file: Arc::from(name),
            place,
            message: message.to_owned(),
            help: Some(help.to_owned()),
        };
        if bytes.len() > LIMIT {
            self.add(
                rank,
                fault(
                    None,
                    "the file is larger than 1 MiB",
                    "use groups or ranges of user ids instead of long lists",
                ),
            );
            return None;
        }
        let Ok(body) = std::str::from_utf8(bytes) else {
            let place = first_bad_byte(bytes);
            self.add(
                rank,
                fault(
                    place,
                    "the file is not UTF-8 text",
                    "save it as UTF-8, not as Latin-1 or UTF-16",
                ),
            );
            return None;
        };
        Some(Text::new(rank, name, body))
    }

    /// Adds an error of the grammar. One a line is enough: those after it, and what the line then seems
    /// to mean, follow from it.
    pub(crate) fn syntax_error(&mut self, text: &Text<'_>, span: &Range<usize>, message: &str) {
        let line = (text.rank(), text.line(span.start));
        if !self.unreadable_lines.contains(&line) {
            self.error(text, span, Fault::new(message));
            self.unreadable_lines.insert(line);
        }
    }

    /// Adds what is meant to the error of the grammar in the line of `span`, where there is one.
    pub(super) fn help_unreadable(
        &mut self,
        text: &Text<'_>,
        span: &Range<usize>,
        help: impl FnOnce() -> Option<String>,
    ) {
        if !self.is_unreadable(text, span) {
            return;
        }
        let (rank, line) = (text.rank(), text.line(span.start));
        let is_there = |(of, found): &&mut (usize, Diagnostic)| {
            *of == rank && found.place.as_ref().is_some_and(|place| place.line == line)
        };
        if let Some((_, found)) = self.found.iter_mut().find(is_there) {
            found.help = found.help.take().or_else(help);
        }
    }

    /// Adds an error at `span` of `text`.
    pub fn error(&mut self, text: &Text<'_>, span: &Range<usize>, fault: Fault) {
        self.error_with(text, span, || fault);
    }

    /// Adds an error at `span` of `text`; a fault that is not listed is not made.
    pub(crate) fn error_with(
        &mut self,
        text: &Text<'_>,
        span: &Range<usize>,
        fault: impl FnOnce() -> Fault,
    ) {
        if self.has_room_at(Severity::Error, text, span) {
            let diagnostic = fault().diagnostic(Severity::Error, text, span);
            self.found.push((text.rank(), diagnostic));
        }
    }

    /// Adds a warning at `span` of `text`.
    pub fn warning(&mut self, text: &Text<'_>, span: &Range<usize>, fault: Fault) {
        if self.has_room_at(Severity::Warning, text, span) {
            let diagnostic = fault.diagnostic(Severity::Warning, text, span);
            self.found.push((text.rank(), diagnostic));
        }
    }

    /// Adds a diagnostic of the file with that `rank` among the files of the policy.
    pub fn add(&mut self, rank: usize, diagnostic: Diagnostic) {
        if self.has_room(diagnostic.severity) {
            self.found.push((rank, diagnostic));
        }
    }

    /// Whether no more errors are listed.
    pub(crate) fn is_full(&self) -> bool {
        self.errors >= Self::LISTED
    }

    /// Counts an error that is not listed anyway.
    pub(crate) fn count_error(&mut self) {
        self.errors = self.errors.saturating_add(1);
    }

    /// Whether an error is among them.
    pub(crate) fn is_refusal(&self) -> bool {
        self.errors > 0
    }

    /// All of them, by file, line and column.
    pub fn finish(mut self) -> Diagnostics {
        self.found.sort_by_key(|(rank, diagnostic)| {
            let place = diagnostic.place.as_ref();
            (*rank, place.map(|place| (place.line, place.column)))
        });
        let total = self.errors.saturating_add(self.warnings);
        Diagnostics {
            more: total.saturating_sub(self.found.len()),
            list: self.found.into_iter().map(|(_, found)| found).collect(),
        }
    }

    fn has_room_at(&mut self, severity: Severity, text: &Text<'_>, span: &Range<usize>) -> bool {
        // A line that cannot be read counts for nothing: what it seems to mean follows from the error in it.
        !self.is_unreadable(text, span) && self.has_room(severity)
    }

    fn is_unreadable(&self, text: &Text<'_>, span: &Range<usize>) -> bool {
        let line = (text.rank(), text.line(span.start));
        self.unreadable_lines.contains(&line)
    }

    fn has_room(&mut self, severity: Severity) -> bool {
        let count = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count = count.saturating_add(1);
        *count <= Self::LISTED
    }
}
