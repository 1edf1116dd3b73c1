//! Colour where there is a terminal to show it, and text that cannot steer one.

use crate::error::harmless;
use std::io::{IsTerminal, Write};

/// The way in which a report is shown.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Whether colours are used.
    pub colour: bool,
}

/// The meaning of a piece of text, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Right: as it should be.
    Good,
    /// Worth knowing.
    Faint,
    /// Worth acting on.
    Warning,
    /// Wrong.
    Bad,
    /// A heading.
    Strong,
}

impl Screen {
    /// Colour on a terminal only, and never against `NO_COLOR` (<https://no-color.org>) or on a terminal
    /// that says it has none.
    pub fn detect() -> Self {
        Self::of(&std::io::stdout())
    }

    /// Decides about colour like [`Screen::detect`], for standard error.
    pub fn for_errors() -> Self {
        Self::of(&std::io::stderr())
    }

    fn of(stream: &impl IsTerminal) -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            colour: stream.is_terminal() && !forbidden && !dumb,
        }
    }

    /// `text` in its colour.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Faint => "2",
            Tone::Warning => "33",
            Tone::Bad => "1;31",
            Tone::Strong => "1",
        };
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A line on standard error that shows what is being done, where that is a terminal; gone with the value.
#[derive(Debug)]
pub struct Progress {
    deed: &'static str,
    shown: bool,
}

impl Progress {
    /// Tells nothing yet.
    pub fn new(deed: &'static str) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let shown = std::io::stderr().is_terminal() && !dumb;
        Self { deed, shown }
    }

    /// Tells what it is done to now.
    pub fn show(&self, object: &str) {
        // Longer than the line, it would leave its beginning behind.
        let object: String = harmless(object).chars().take(60).collect();
        self.replace(&format!("{} {object} …", self.deed));
    }

    fn replace(&self, text: &str) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.replace("");
    }
}

/// "1 rule", "2 rules".
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_only_where_it_is_wanted() {
        let plain = Screen { colour: false }.paint(Tone::Bad, "x");
        let coloured = Screen { colour: true }.paint(Tone::Bad, "x");
        assert_eq!(plain, "x");
        assert_eq!(coloured, "\x1b[1;31mx\x1b[0m");
    }

    #[test]
    fn nouns_agree_with_their_number() {
        let said: Vec<String> = [0, 1, 2].map(|n| count(n, "rule")).into();
        assert_eq!(said, ["0 rules", "1 rule", "2 rules"]);
    }
}
