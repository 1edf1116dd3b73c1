//! The files that are imported: text of a bearable size, whoever owns it.

use crate::cli::host::Tree;
use crate::cli::outcome::reason;
use crate::error::{Error, Location, Result};
use std::io::{self, Read};
use std::sync::Arc;

/// The name of standard input, in remarks.
const STDIN: &str = "<stdin>";

/// More than any such file has, and little enough to read, in bytes.
const LIMIT: u64 = 1 << 20;

/// More than any line of such a file has, in bytes.
const LINE_LIMIT: usize = 1 << 16;

/// The text of one file.
#[derive(Debug, Clone)]
pub struct Input {
    /// The file, as the administrator names it.
    pub file: Arc<str>,
    /// The text of the file.
    pub text: String,
}

impl Input {
    /// The lines with their places, without the newlines.
    pub fn lines(&self) -> impl Iterator<Item = (Location, &str)> {
        (1..)
            .zip(self.text.split_terminator('\n'))
            .map(|(number, line)| (self.at(number), line))
    }

    /// A line of the file; 0 is the whole.
    pub fn at(&self, line: usize) -> Location {
        Location::in_file(Arc::clone(&self.file), line)
    }
}

/// Reads a file that an argument names; `-` is standard input.
///
/// # Errors
///
/// It cannot be read, is no regular file, is larger than 1 MiB, has a line of more than 64 KiB, or is not text:
/// it holds a NUL or is not UTF-8.
pub fn read(name: &str) -> Result<Input> {
    match name {
        "-" => input(STDIN, bytes(io::stdin().lock())),
        path => read_in(&Tree::host(), path),
    }
}

/// Reads a file of a system.
///
/// # Errors
///
/// As [`read`].
pub fn read_in(tree: &Tree, path: &str) -> Result<Input> {
    input(path, tree.file(path).and_then(bytes))
}

/// Makes the input of a `file` from `content`, which is in memory.
///
/// # Errors
///
/// As [`read`].
pub fn of(file: &str, content: &[u8]) -> Result<Input> {
    input(file, bytes(content))
}

fn input(file: &str, bytes: io::Result<Vec<u8>>) -> Result<Input> {
    let bytes = bytes.map_err(|e| Error::new("read", file, reason(&e)))?;
    let text = text(bytes).map_err(|reason| Error::new("read", file, reason))?;
    let file = Arc::from(file);
    Ok(Input { file, text })
}

fn bytes(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .take(LIMIT.saturating_add(1))
        .read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(size) if size <= LIMIT => Ok(bytes),
        _ => Err(io::Error::other("it is larger than 1 MiB")),
    }
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    let line_of = |at: usize| {
        let before = bytes.iter().take(at);
        before
            .filter(|byte| **byte == b'\n')
            .count()
            .saturating_add(1)
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(format!("line {} holds a NUL", line_of(at)));
    }
    let mut lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    if let Some((line, _)) = lines.find(|(_, line)| line.len() > LINE_LIMIT) {
        return Err(format!("line {line} is longer than 64 KiB"));
    }
    let wrong = std::str::from_utf8(&bytes)
        .err()
        .map(|e| line_of(e.valid_up_to()));
    String::from_utf8(bytes).map_err(|_| format!("line {} is not UTF-8", wrong.unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_read() {
        let long = "x".repeat(LINE_LIMIT + 1);
        let table: [(&[u8], Result<&str, &str>); 6] = [
            (b"", Ok("")),
            (b"a\r\nb", Ok("a\r\nb")),
            (b"a\nb\0", Err("line 2 holds a NUL")),
            (b"a\n\xff", Err("line 2 is not UTF-8")),
            (b"\xc3", Err("line 1 is not UTF-8")),
            (long.as_bytes(), Err("line 1 is longer than 64 KiB")),
        ];
        for (bytes, expected) in table {
            let found = text(bytes.to_vec());
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
    }

    #[test]
    fn what_is_no_regular_file_is_not_read() {
        for path in ["/dev/null", "/etc", "/nonexistent"] {
            let error = read(path).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("cannot read {path}: ")),
                "{error}"
            );
        }
    }

    #[test]
    fn lines_have_their_places() {
        let (file, text) = (Arc::from("f"), String::from("a\n\nb\n"));
        let input = Input { file, text };
        let lines: Vec<String> = input
            .lines()
            .map(|(at, line)| format!("{at} {line}"))
            .collect();
        assert_eq!(lines, ["f:1 a", "f:2 ", "f:3 b"]);
    }
}
