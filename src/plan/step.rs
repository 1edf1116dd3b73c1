//! The steps of a plan: paths, and the views that appear there.

use super::json;
use super::program::{Helper, as_argv};
use crate::error::Location;
use crate::login::Label;
use crate::path::AbsPath;
use crate::policy::store::Parent;
use crate::policy::value::{Attributes, Mode, Names, NamesPath, Propagation, Size};
use serde::{Serialize, Serializer};

/// One path of the session's view, and what appears there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The path that is covered, templates expanded.
    pub path: AbsPath,
    /// The view that appears there.
    #[serde(flatten)]
    pub view: View,
    /// The mount attributes that the rule names or its kind implies; every other one is inherited from
    /// the mount that is covered.
    #[serde(rename = "options", serialize_with = "json::attributes")]
    pub attributes: Attributes,
    /// The direction in which mounts travel, where it is not the plan's.
    #[serde(serialize_with = "json::word_or_null")]
    pub propagation: Option<Propagation>,
    /// Make `path` if it is missing.
    pub create: bool,
    /// Skip the step, with a log line, when its path or source does not exist.
    pub optional: bool,
    /// Whether commands that the user runs as somebody else find it too.
    pub inherit: bool,
    /// The rule's place in the policy.
    #[serde(flatten)]
    pub location: Location,
}

/// The view that appears at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "view", rename_all = "lowercase")]
pub enum View {
    /// A directory on disk that is the user's, the group's or the session's own.
    Instance {
        /// The directory.
        #[serde(flatten)]
        instance: Instance,
        /// Its mode, owner and group.
        shape: Shape,
        /// Entries of the covered directory that stay visible.
        #[serde(serialize_with = "json::keep")]
        keep: Vec<Names>,
    },
    /// An empty file system in memory.
    Memory {
        /// The most it may hold.
        size: Size,
        /// The most files it may hold; one for each 4 KiB of `size` when the rule says nothing.
        inodes: Option<u64>,
        /// Mode, owner and group of its root.
        shape: Shape,
        /// Entries of the covered directory that stay visible.
        #[serde(serialize_with = "json::keep")]
        keep: Vec<Names>,
    },
    /// Another file or directory of the host.
    Bind {
        /// Its path.
        source: AbsPath,
        /// Whether what is mounted beneath it appears too.
        recursive: bool,
    },
    /// The directory that the path showed, with what is written to it in a layer that is the user's, the group's or
    /// the session's own (overlayfs).
    Overlay {
        /// The directory that holds the layer.
        #[serde(flatten, serialize_with = "as_layer")]
        layer: Instance,
    },
    /// A file system of its own.
    #[serde(rename = "file system")]
    FileSystem(FileSystem),
    /// The devices that every program expects, and nothing of the hardware.
    Devices,
    /// The terminals of the host's, of which the session has one, or will get one.
    Terminals,
    /// The file that names the host's name servers, where there is none.
    #[serde(rename = "name servers")]
    NameServers,
    /// Nothing: an empty read-only directory, or an unreadable empty file.
    Nothing {
        /// What stays visible below the covered directory, with the directories on the way, in which nothing else is.
        #[serde(serialize_with = "json::keep")]
        keep: Vec<NamesPath>,
    },
}

/// A file system, as an fstab(5) entry describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSystem {
    /// Its type, such as `tmpfs`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its device, or a name.
    #[serde(rename = "source")]
    pub medium: Medium,
    /// Its options: a word, or a name and a value.
    #[serde(rename = "parameters", serialize_with = "json::parameters")]
    pub options: Vec<(String, Option<String>)>,
}

/// The medium of a file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Medium {
    /// A block device of the host's.
    Device(AbsPath),
    /// Nothing that has a path, or nothing at all: what findmnt(8) shows as its source.
    Named(String),
}

/// The directory that a `[[private]]` rule shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// The directory itself. Its parent is made for root alone where it is missing, and in the plan's store all
    /// that is missing.
    pub directory: AbsPath,
    /// The SELinux label that it gets when it is created.
    #[serde(rename = "label", serialize_with = "as_context")]
    pub labelling: Labelling,
    /// The demands on the directory that holds it.
    #[serde(serialize_with = "json::parent")]
    pub parent: Parent,
    /// The time for which it lasts.
    pub lifetime: Lifetime,
    /// The program that is run when it is created.
    #[serde(serialize_with = "as_argv")]
    pub hook: Option<Helper>,
}

/// The SELinux label that an instance gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labelling {
    /// The label of the covered directory, if it has one.
    Covered,
    /// The label of the covered directory, because this machine has no SELinux: the rule is by context or level, and
    /// works by user.
    Lacking,
    /// One that follows from the session's context.
    Own(Label),
}

impl Labelling {
    /// The label that follows from the session's context, if it has one.
    #[must_use]
    pub fn own(&self) -> Option<&Label> {
        match self {
            Self::Own(label) => Some(label),
            Self::Covered | Self::Lacking => None,
        }
    }
}

/// The time for which an instance lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// Until an administrator removes it: `per = "user"` and `per = "group"`.
    Kept,
    /// Until the session ends: `per = "session"`.
    Session,
}

/// Mode, owner and group of a directory that is made; what is absent is that of the covered directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Permission bits.
    pub mode: Option<Mode>,
    /// Owner's user id.
    pub owner: Option<u32>,
    /// Owning group's id.
    pub group: Option<u32>,
}

impl View {
    /// Whether it is scratch space: what commands find that the user runs as somebody else, unless the rule says
    /// otherwise.
    #[must_use]
    pub(crate) fn is_scratch(&self) -> bool {
        match self {
            Self::Instance { .. } | Self::Memory { .. } => true,
            Self::Bind { .. }
            | Self::Overlay { .. }
            | Self::FileSystem(_)
            | Self::Devices
            | Self::Terminals
            | Self::NameServers
            | Self::Nothing { .. } => false,
        }
    }

    /// The directory on disk that is somebody's own, if it has one.
    #[must_use]
    pub fn instance(&self) -> Option<&Instance> {
        match self {
            Self::Instance { instance, .. } | Self::Overlay { layer: instance } => Some(instance),
            Self::Memory { .. }
            | Self::Bind { .. }
            | Self::FileSystem(_)
            | Self::Devices
            | Self::Terminals
            | Self::NameServers
            | Self::Nothing { .. } => None,
        }
    }

    /// The file or directory of the host without which it cannot be shown, besides its path.
    #[must_use]
    pub fn source(&self) -> Option<&AbsPath> {
        match self {
            Self::Bind { source, .. } => Some(source),
            Self::FileSystem(system) => match &system.medium {
                Medium::Device(device) => Some(device),
                Medium::Named(_) => None,
            },
            Self::Instance { .. }
            | Self::Memory { .. }
            | Self::Overlay { .. }
            | Self::Devices
            | Self::Terminals
            | Self::NameServers
            | Self::Nothing { .. } => None,
        }
    }

    /// The mode, owner and group that the rule wants for the root of what appears; nothing for what has its own.
    #[must_use]
    pub fn shape(&self) -> Option<&Shape> {
        match self {
            Self::Instance { shape, .. } | Self::Memory { shape, .. } => Some(shape),
            Self::Bind { .. }
            | Self::Overlay { .. }
            | Self::FileSystem(_)
            | Self::Devices
            | Self::Terminals
            | Self::NameServers
            | Self::Nothing { .. } => None,
        }
    }
}

#[derive(Serialize)]
struct LayerDocument<'p> {
    directory: &'p AbsPath,
    lifetime: Lifetime,
}

/// The label that follows from the session's context; null for that of the covered directory.
fn as_context<S: Serializer>(labelling: &Labelling, serializer: S) -> Result<S::Ok, S::Error> {
    let context = labelling.own().map(|label| &label.context);
    context.serialize(serializer)
}

/// The directory of an overlay's layer, which has no label, demand or hook of its own.
fn as_layer<S: Serializer>(layer: &Instance, serializer: S) -> Result<S::Ok, S::Error> {
    let document = LayerDocument {
        directory: &layer.directory,
        lifetime: layer.lifetime,
    };
    document.serialize(serializer)
}
