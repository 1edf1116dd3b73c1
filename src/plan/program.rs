//! Programs that are run for a session.

use super::json;
use crate::error::Location;
use crate::path::AbsPath;
use crate::policy::rule::{OnFailure, Password, RunAs, When};
use crate::policy::word_of;
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;

/// A program that is run for a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Helper {
    /// The program, absolute, and its arguments, templates expanded.
    pub argv: Vec<String>,
    /// The user who runs it.
    pub run_as: RunAs,
    /// The time that it may take.
    pub timeout: Duration,
}

/// A file system that helpers open and close, which only the namespace sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// The path at which it appears.
    pub path: AbsPath,
    /// The helper that opens it.
    #[serde(serialize_with = "as_document")]
    pub open: Helper,
    /// The helper that closes it; it is unmounted when absent.
    #[serde(serialize_with = "as_document_or_null")]
    pub close: Option<Helper>,
    /// The password that the opening helper reads on standard input.
    #[serde(serialize_with = "json::word")]
    pub password: Password,
    /// Leave it out, with a log line, when its path does not exist.
    pub optional: bool,
    /// Whether commands that the user runs as somebody else find it too.
    pub inherit: bool,
    /// The rule's place in the policy.
    #[serde(flatten)]
    pub location: Location,
}

/// A program that prepares what a path shows, at every login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Init {
    /// The path.
    pub path: AbsPath,
    /// The directory on disk that the path shows; nothing where it shows memory.
    pub instance: Option<AbsPath>,
    /// The program, without the arguments that it is given.
    #[serde(rename = "run", serialize_with = "as_document")]
    pub helper: Helper,
    /// The effect of its failure.
    #[serde(serialize_with = "json::word")]
    pub on_failure: OnFailure,
    /// The rule's place in the policy.
    #[serde(flatten)]
    pub location: Location,
}

/// A program that is run at a moment of the session's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// The moment at which it is run.
    #[serde(serialize_with = "json::word")]
    pub when: When,
    /// The program.
    #[serde(rename = "run", serialize_with = "as_document")]
    pub helper: Helper,
    /// The effect of its failure.
    #[serde(serialize_with = "json::word")]
    pub on_failure: OnFailure,
    /// The rule's place in the policy.
    #[serde(flatten)]
    pub location: Location,
}

/// A helper without the forms that records have.
#[derive(Serialize)]
struct HelperDocument<'p> {
    argv: &'p [String],
    #[serde(rename = "as")]
    run_as: &'static str,
    /// Seconds.
    timeout: f64,
}

impl<'p> From<&'p Helper> for HelperDocument<'p> {
    fn from(helper: &'p Helper) -> Self {
        Self {
            argv: &helper.argv,
            run_as: word_of(helper.run_as),
            timeout: helper.timeout.as_secs_f64(),
        }
    }
}

fn as_document<S: Serializer>(helper: &Helper, serializer: S) -> Result<S::Ok, S::Error> {
    HelperDocument::from(helper).serialize(serializer)
}

fn as_document_or_null<S: Serializer>(
    helper: &Option<Helper>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let document = helper.as_ref().map(HelperDocument::from);
    document.serialize(serializer)
}

/// The program and its arguments alone.
pub(super) fn as_argv<S: Serializer>(
    helper: &Option<Helper>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let argv = helper.as_ref().map(|helper| &helper.argv);
    argv.serialize(serializer)
}
