//! What a policy does not carry of the configuration it was made from, or does differently.

use crate::cli::terminal::{Screen, Tone, harmless};
use crate::error::Origin;
use serde_json::{Value, json};

/// What became of something in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The policy has nothing for it.
    LeftOut,
    /// The policy does it in another way.
    Different,
    /// The policy does the same, and that is hardly what was meant.
    Doubtful,
}

const FATES: [(Fate, &str, &str, Tone); 3] = [
    (Fate::LeftOut, "left out", "left-out", Tone::Bad),
    (Fate::Different, "different", "different", Tone::Warning),
    (Fate::Doubtful, "doubtful", "doubtful", Tone::Warning),
];

impl Fate {
    /// In a sentence and in JSON, and how it is painted.
    fn said(self) -> (&'static str, &'static str, Tone) {
        let found = FATES.iter().find(|(fate, ..)| *fate == self);
        found.map_or(("", "", Tone::Faint), |(_, text, key, tone)| {
            (text, key, *tone)
        })
    }
}

/// One thing that will not be as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The line it is about.
    pub origin: Origin,
    /// What became of it.
    pub fate: Fate,
    /// What it is, and why, in one line.
    pub message: String,
}

impl Remark {
    /// Something that the policy has nothing for.
    pub fn left_out(origin: &Origin, message: impl Into<String>) -> Self {
        Self::new(origin, Fate::LeftOut, message)
    }

    /// Something that the policy does in another way.
    pub fn different(origin: &Origin, message: impl Into<String>) -> Self {
        Self::new(origin, Fate::Different, message)
    }

    /// Something that the policy does as well, and that is hardly what was meant.
    pub fn doubtful(origin: &Origin, message: impl Into<String>) -> Self {
        Self::new(origin, Fate::Doubtful, message)
    }

    fn new(origin: &Origin, fate: Fate, message: impl Into<String>) -> Self {
        Self {
            origin: origin.clone(),
            fate,
            message: message.into(),
        }
    }

    /// `FILE:LINE: left out: why`.
    pub fn render(&self, screen: Screen) -> String {
        let (fate, _, tone) = self.fate.said();
        let fate = screen.paint(tone, fate);
        let origin = harmless(&self.origin.to_string());
        format!("{origin}: {fate}: {}", harmless(&self.message))
    }

    /// The remark as JSON.
    pub fn as_json(&self) -> Value {
        json!({
            "fate": self.fate.said().1,
            "file": self.origin.file.as_ref(),
            "line": self.origin.line,
            "message": self.message,
        })
    }
}
