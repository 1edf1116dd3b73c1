//! What a policy does not carry of the configuration it was made from, or does differently.

#![allow(dead_code)]

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

    fn new(origin: &Origin, fate: Fate, message: impl Into<String>) -> Self {
        Self {
            origin: origin.clone(),
            fate,
            message: message.into(),
        }
    }

    /// `FILE:LINE: left out: why`.
    pub fn render(&self, screen: Screen) -> String {
        let fate = match self.fate {
            Fate::LeftOut => screen.paint(Tone::Bad, "left out"),
            Fate::Different => screen.paint(Tone::Warning, "different"),
        };
        let origin = harmless(&self.origin.to_string());
        format!("{origin}: {fate}: {}", harmless(&self.message))
    }

    /// The remark as JSON.
    pub fn as_json(&self) -> Value {
        json!({
            "fate": match self.fate {
                Fate::LeftOut => "left-out",
                Fate::Different => "different",
            },
            "file": self.origin.file.as_ref(),
            "line": self.origin.line,
            "message": self.message,
        })
    }
}
