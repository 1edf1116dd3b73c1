//! The text of a policy file, and the way from byte offsets to lines and columns.

use super::diagnostic::Place;
use crate::error::Location;
use std::ops::Range;
use std::sync::Arc;

/// The largest policy file that is read, in bytes.
pub const LIMIT: usize = 1024 * 1024;

/// A policy file as text.
#[derive(Debug)]
pub struct Text<'t> {
    rank: usize,
    name: Arc<str>,
    body: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Text<'t> {
    /// The text of the file `name`, the `rank`th of its policy; a byte order mark is not part of it.
    pub fn new(rank: usize, name: &str, body: &'t str) -> Self {
        let body = body.strip_prefix('\u{feff}').unwrap_or(body);
        let after_ends = body
            .match_indices('\n')
            .map(|(at, end)| at.saturating_add(end.len()));
        let line_starts = std::iter::once(0).chain(after_ends).collect();
        Self {
            rank,
            name: Arc::from(name),
            body,
            line_starts,
        }
    }

    /// The file's position among the files of the policy.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// The file's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// All of the text.
    pub fn body(&self) -> &'t str {
        self.body
    }

    /// The text at `span`; nothing if that is not in the file.
    pub(crate) fn slice(&self, span: &Range<usize>) -> &'t str {
        self.body.get(span.clone()).unwrap_or_default()
    }

    /// The text from `offset` to the end of its line.
    pub(super) fn rest_of_line(&self, offset: usize) -> &'t str {
        let rest = self.body.get(offset..).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }

    /// The line of the byte at `offset`, counted from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// The place of what stands at `offset` in the policy.
    pub fn location(&self, offset: usize) -> Location {
        Location::in_file(Arc::clone(&self.name), self.line(offset))
    }

    /// Line, column and width of `span`, as much of it as stands on its first line.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let line = self.line(span.start);
        let line_start = self.start_of(line);
        let text = self.line_text(line_start);
        let line_end = line_start.saturating_add(text.len());
        let start = span.start.min(line_end);
        let column = self.characters(line_start..start).saturating_add(1);
        let width = self.characters(start..span.end.min(line_end));
        Place::in_line(line, text, column, width)
    }

    /// The bytes of the line with that number, counted from 1, without the blanks around it.
    pub(crate) fn line_span(&self, line: usize) -> Range<usize> {
        let start = self.start_of(line);
        let text = self.line_text(start);
        let blanks = text.len().saturating_sub(text.trim_start().len());
        let end = start.saturating_add(text.trim_end().len());
        start.saturating_add(blanks)..end
    }

    fn start_of(&self, line: usize) -> usize {
        let index = line.saturating_sub(1);
        self.line_starts.get(index).copied().unwrap_or_default()
    }

    fn line_text(&self, start: usize) -> &'t str {
        let rest = self.body.get(start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        line.strip_suffix('\r').unwrap_or(line)
    }

    fn characters(&self, bytes: Range<usize>) -> usize {
        self.slice(&bytes).chars().count()
    }
}

/// The place of the first byte that is not UTF-8, if there is one.
pub(crate) fn first_bad_byte(bytes: &[u8]) -> Option<Place> {
    let good = std::str::from_utf8(bytes).err()?.valid_up_to();
    let (before, after) = bytes.split_at_checked(good)?;
    let line_end = before.iter().rposition(|byte| *byte == b'\n');
    let line_start = line_end.map_or(0, |at| at.saturating_add(1));
    let head = String::from_utf8_lossy(before.get(line_start..).unwrap_or_default());
    let tail = after
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = format!("{head}{}", String::from_utf8_lossy(tail));
    let number = before.split(|byte| *byte == b'\n').count();
    let column = head.chars().count().saturating_add(1);
    Some(Place::in_line(number, &line, column, 1))
}
