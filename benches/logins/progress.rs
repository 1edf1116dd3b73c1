//! Progress on standard error: one line that is written over on a terminal, a line for each part elsewhere.

use std::cell::Cell;
use std::io::{IsTerminal, Write};

/// The part that is being measured.
pub struct Progress {
    is_terminal: bool,
    part: Cell<&'static str>,
}

impl Progress {
    /// Nothing is measured yet.
    pub fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let part = Cell::new("");
        Self { is_terminal, part }
    }

    /// Begins a part.
    pub fn begin(&self, part: &'static str) {
        self.part.set(part);
        if self.is_terminal {
            self.write_over(part);
        } else {
            eprintln!("{part}");
        }
    }

    /// Says how much of the part is done.
    pub fn show(&self, done: usize, all: usize) {
        if self.is_terminal {
            self.write_over(&format!("{}: {done} of {all}", self.part.get()));
        }
    }

    /// Says something that stays.
    pub fn say(&self, text: &str) {
        if self.is_terminal {
            self.write_over("");
        }
        eprintln!("{text}");
    }

    /// Ends the last part.
    pub fn end(&self) {
        if self.is_terminal {
            self.write_over("");
        }
    }

    fn write_over(&self, text: &str) {
        eprint!("\r\x1b[K{text}");
        // Nobody minds if a line is late.
        let _ = std::io::stderr().flush();
    }
}
