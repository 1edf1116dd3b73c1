//! The forms that a plan's values have in JSON: the words of the policy, and null where there is nothing to say.

use super::{Helper, Instance, Labelling, Lifetime, Sharing};
use crate::error::Location;
use crate::path::AbsPath;
use crate::policy::rule::{Ipc, Network, Processes};
use crate::policy::store::Parent;
use crate::policy::value::{Attributes, Mode, Names, Size};
use crate::policy::{Vocabulary, word_of};
use serde::{Serialize, Serializer};

/// A helper without the forms that records have.
#[derive(Serialize)]
struct HelperDocument<'p> {
    argv: &'p [String],
    #[serde(rename = "as")]
    run_as: &'static str,
    /// Seconds.
    timeout: f64,
}

#[derive(Serialize)]
struct LayerDocument<'p> {
    directory: &'p AbsPath,
    lifetime: Lifetime,
}

/// Who has the namespace, and the rule that is the reason why it is the session's own.
#[derive(Serialize)]
struct SharingDocument<'p> {
    of: &'static str,
    because: Option<&'p Location>,
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

impl Serialize for Sharing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (of, because) = match self {
            Self::User => ("user", None),
            Self::Command => ("command", None),
            Self::Session { because } => ("session", because.as_ref()),
        };
        SharingDocument { of, because }.serialize(serializer)
    }
}

impl Serialize for Processes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        word(self, serializer)
    }
}

impl Serialize for Ipc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        word(self, serializer)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.word())
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

pub(super) fn word<V, S>(value: &V, serializer: S) -> Result<S::Ok, S::Error>
where
    V: Vocabulary + PartialEq,
    S: Serializer,
{
    serializer.serialize_str(word_of(*value))
}

pub(super) fn word_or_null<V, S>(value: &Option<V>, serializer: S) -> Result<S::Ok, S::Error>
where
    V: Vocabulary + PartialEq,
    S: Serializer,
{
    value.map(word_of).serialize(serializer)
}

/// The demand on the parent directory; null where it is the usual one.
pub(super) fn parent<S: Serializer>(parent: &Parent, serializer: S) -> Result<S::Ok, S::Error> {
    let said = Some(*parent).filter(|parent| *parent == Parent::Any);
    word_or_null(&said, serializer)
}

/// The names that stay visible, as the policy has them.
pub(super) fn keep<S: Serializer>(names: &[Names], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(Names::to_string))
}

/// The words that are set.
pub(super) fn attributes<S: Serializer>(
    attributes: &Attributes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    attributes.words().serialize(serializer)
}

pub(super) fn helper<S: Serializer>(helper: &Helper, serializer: S) -> Result<S::Ok, S::Error> {
    HelperDocument::from(helper).serialize(serializer)
}

pub(super) fn helper_or_null<S: Serializer>(
    helper: &Option<Helper>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let document = helper.as_ref().map(HelperDocument::from);
    document.serialize(serializer)
}

/// The program and its arguments alone.
pub(super) fn argv<S: Serializer>(
    helper: &Option<Helper>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let argv = helper.as_ref().map(|helper| &helper.argv);
    argv.serialize(serializer)
}

/// The label that follows from the session's context; null for that of the covered directory.
pub(super) fn label<S: Serializer>(
    labelling: &Labelling,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let context = labelling.own().map(|label| &label.context);
    context.serialize(serializer)
}

/// The directory of an overlay's layer, which has no label, demand or hook of its own.
pub(super) fn layer<S: Serializer>(layer: &Instance, serializer: S) -> Result<S::Ok, S::Error> {
    let document = LayerDocument {
        directory: &layer.directory,
        lifetime: layer.lifetime,
    };
    document.serialize(serializer)
}

/// The parameters of a file system, as fsconfig(2) calls them and fstab(5) writes them.
pub(super) fn parameters<S: Serializer>(
    options: &[(String, Option<String>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(options.iter().map(|(key, value)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.clone(),
    }))
}
