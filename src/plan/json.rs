//! The forms that values of a policy have in a plan's JSON: the words of the policy, and null where there is nothing to
//! say.

use crate::policy::rule::{Ipc, Network, Processes};
use crate::policy::store::Parent;
use crate::policy::value::{Attributes, Mode, Size};
use crate::policy::{Vocabulary, word_of};
use serde::{Serialize, Serializer};

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

/// What stays visible, as the policy has it.
pub(super) fn keep<S: Serializer>(
    names: &[impl ToString],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(ToString::to_string))
}

/// The words that are set.
pub(super) fn attributes<S: Serializer>(
    attributes: &Attributes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    attributes.words().serialize(serializer)
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
