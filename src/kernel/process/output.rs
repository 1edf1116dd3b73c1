//! The output of a program, read line by line and within bounds.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// The number of lines of one program that are passed on.
const LINES: usize = 50;

/// The longest line that is passed on whole, in bytes.
const LONGEST: usize = 1000;

/// The number of bytes that are read at a time.
const CHUNK: usize = 4096;

/// The number of reads once the program has ended: as much as a pipe holds (pipe(7)), and no more, since
/// something that it has left behind may be writing for ever.
const LAST_CHUNKS: usize = 16;

/// The reading end of a pipe that a program writes to.
pub(in crate::kernel) struct Output<'t> {
    pipe: OwnedFd,
    lines: Lines<'t>,
}

impl<'t> Output<'t> {
    /// `pipe` does not block.
    pub(in crate::kernel) fn new(pipe: OwnedFd, each_line: &'t mut dyn FnMut(&str)) -> Self {
        let lines = Lines {
            each_line,
            begun: Vec::new(),
            count: 0,
            left_out: 0,
        };
        Self { pipe, lines }
    }

    pub(in crate::kernel) fn source(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Reads what is there, up to [`CHUNK`]; `false` where there is nothing.
    pub(in crate::kernel) fn read(&mut self) -> bool {
        let mut buffer = [0; CHUNK];
        let count = rustix::io::read(&self.pipe, &mut buffer).unwrap_or(0);
        buffer
            .iter()
            .take(count)
            .for_each(|byte| self.lines.add(*byte));
        count > 0
    }

    /// Reads what is left, and passes on what was not.
    pub(in crate::kernel) fn finish(&mut self) {
        for _ in 0..LAST_CHUNKS {
            if !self.read() {
                break;
            }
        }
        self.lines.finish();
    }
}

struct Lines<'t> {
    each_line: &'t mut dyn FnMut(&str),
    begun: Vec<u8>,
    count: usize,
    left_out: usize,
}

impl Lines<'_> {
    fn add(&mut self, byte: u8) {
        if byte == b'\n' {
            self.end_line();
        } else if self.begun.len() < LONGEST && self.count < LINES {
            self.begun.push(byte);
        }
    }

    fn end_line(&mut self) {
        if self.count >= LINES {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let text = String::from_utf8_lossy(&self.begun);
        let line = text.trim_end();
        if !line.is_empty() {
            (self.each_line)(line);
            self.count = self.count.saturating_add(1);
        }
        self.begun.clear();
    }

    fn finish(&mut self) {
        if !self.begun.is_empty() {
            self.end_line();
        }
        if self.left_out > 0 {
            (self.each_line)(&format!("({} more lines)", self.left_out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_on(text: &[u8]) -> Vec<String> {
        let mut passed_on = Vec::new();
        let mut each_line = |line: &str| passed_on.push(line.to_owned());
        let mut lines = Lines {
            each_line: &mut each_line,
            begun: Vec::new(),
            count: 0,
            left_out: 0,
        };
        text.iter().for_each(|byte| lines.add(*byte));
        lines.finish();
        passed_on
    }

    #[test]
    fn lines_are_passed_on_one_by_one() {
        for (text, expected) in [
            (&b""[..], vec![]),
            (b"\n\n \n", vec![]),
            (b"one", vec!["one"]),
            (b"one\r\n\ntwo\n", vec!["one", "two"]),
            (b"\xff\x1b[31m", vec!["\u{fffd}\u{1b}[31m"]),
        ] {
            assert_eq!(passed_on(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_left_out() {
        let long = passed_on(&[b'x'; 100_000]);
        assert_eq!(long, ["x".repeat(LONGEST)]);
        let many = passed_on(&b"y\n".repeat(1000));
        assert_eq!(many.len(), LINES + 1);
        assert_eq!(many.last().unwrap(), "(950 more lines)");
    }
}
