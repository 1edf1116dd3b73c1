//! The reasons why there is nothing to explain.

use crate::cli::outcome::{FAULT, Outcome};
use crate::cli::source::{diagnostic_as_json, render};
use crate::cli::terminal::Screen;
use crate::error::Error;
use crate::policy::Diagnostics;
use serde_json::{Value, json};

/// The reason why there is nothing to explain.
#[derive(Debug)]
pub enum Refusal {
    /// The policy has errors.
    Policy(Diagnostics),
    /// The policy cannot be read by this user, or the login's facts cannot be had.
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// The answer for a login whose policy has errors.
const REFUSED: &str = "the policy has errors, and every login but root's is refused";

impl Refusal {
    /// Reports it as one JSON document.
    pub fn into_json(self) -> Outcome {
        match self {
            Self::Policy(diagnostics) => {
                let list: Vec<Value> = diagnostics.list.iter().map(diagnostic_as_json).collect();
                Outcome::json(&json!({ "error": REFUSED, "diagnostics": list })).failing_if(true)
            }
            Self::Other(reason) => Outcome::json_failure(reason),
        }
    }

    /// Reports it on standard error.
    pub fn into_text(self) -> Outcome {
        match self {
            Self::Policy(diagnostics) => {
                let shown = render(&diagnostics, Screen::for_errors());
                Outcome {
                    out: String::new(),
                    err: format!("{shown}jns: {REFUSED}\n"),
                    status: FAULT,
                }
            }
            Self::Other(reason) => Outcome::failure(reason),
        }
    }
}
