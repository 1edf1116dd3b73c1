//! Remarks about what a policy does not carry of the configuration it was made from, or does differently.

use crate::cli::terminal::{Screen, Tone};
use crate::error::Location;
use crate::error::harmless;
use serde_json::{Value, json};

/// The way in which the policy is not what the configuration was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The policy has nothing for it.
    LeftOut,
    /// The policy has nothing for it, and what was private, or covered, is so no longer.
    LeftPublic,
    /// The policy has nothing for it, and users or their programs miss something that they had.
    Lost,
    /// The policy does it in another way.
    Different,
    /// The policy does the same, and that is hardly what was meant.
    Doubtful,
}

const WORDS: [(Kind, &str, &str, Tone); 5] = [
    (Kind::LeftOut, "left out", "left-out", Tone::Bad),
    (Kind::LeftPublic, "left public", "left-public", Tone::Bad),
    (Kind::Lost, "lost", "lost", Tone::Bad),
    (Kind::Different, "different", "different", Tone::Warning),
    (Kind::Doubtful, "doubtful", "doubtful", Tone::Warning),
];

impl Kind {
    /// In a sentence and in JSON, and how it is painted.
    fn said(self) -> (&'static str, &'static str, Tone) {
        let found = WORDS.iter().find(|(kind, ..)| *kind == self);
        found.map_or(("", "", Tone::Faint), |(_, text, key, tone)| {
            (text, key, *tone)
        })
    }
}

/// One thing that will not be as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The line it is about.
    pub location: Location,
    /// The way in which it will not be as it was.
    pub kind: Kind,
    /// The message: what it is, and why, in one line.
    pub message: String,
}

impl Remark {
    /// Something that the policy has nothing for.
    pub fn left_out(location: &Location, message: impl Into<String>) -> Self {
        Self::new(location, Kind::LeftOut, message)
    }

    /// Something that the policy has nothing for, so that a directory that was private, or covered, is so no longer.
    pub fn left_public(location: &Location, message: impl Into<String>) -> Self {
        Self::new(location, Kind::LeftPublic, message)
    }

    /// Something that the policy has nothing for, and that users or their programs miss.
    pub fn lost(location: &Location, message: impl Into<String>) -> Self {
        Self::new(location, Kind::Lost, message)
    }

    /// Something that the policy does in another way.
    pub fn different(location: &Location, message: impl Into<String>) -> Self {
        Self::new(location, Kind::Different, message)
    }

    /// Something that the policy does as well, and that is hardly what was meant.
    pub fn doubtful(location: &Location, message: impl Into<String>) -> Self {
        Self::new(location, Kind::Doubtful, message)
    }

    fn new(location: &Location, kind: Kind, message: impl Into<String>) -> Self {
        Self {
            location: location.clone(),
            kind,
            message: message.into(),
        }
    }

    /// `FILE:LINE: left out: why`.
    pub fn render(&self, screen: Screen) -> String {
        let (kind, _, tone) = self.kind.said();
        let kind = screen.paint(tone, kind);
        let location = harmless(&self.location.to_string());
        format!("{location}: {kind}: {}", harmless(&self.message))
    }

    /// The remark as JSON.
    pub fn as_json(&self) -> Value {
        json!({
            "fate": self.kind.said().1,
            "file": self.location.file.as_ref(),
            "line": self.location.line,
            "message": self.message,
        })
    }
}
