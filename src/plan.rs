//! What a login will get: an ordered list of steps, made without looking at the world.
//!
//! `jns explain`, the debug log, the golden files and `observe` mode print the very [`Plan`] that
//! [`crate::apply`] executes.

mod build;
mod fstab;
mod isolation;
mod program;
mod root;
mod show;

use crate::error::{Origin, Result};
use crate::login::{Accounts, Login};
use crate::path::AbsPath;
use crate::policy::value::{Attributes, Mode, Names, Propagation, Size};
use crate::policy::{Policy, Selection, Sha256, select};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use crate::login::Label;
pub(crate) use crate::policy::believed::{REASON as BELIEVED, is_believed};
pub use crate::policy::rule::{Ipc, Network, OnFailure, Password, Processes, RunAs, When};
pub use crate::policy::store::Parent;
pub use fstab::Fstab;
pub(crate) use fstab::tidy;
pub use isolation::{Isolation, Wanted};
pub use program::{Helper, Hook, Init, Volume};

/// Everything that is done for one login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The direction in which mounts travel between the host and the session.
    pub propagation: Propagation,
    /// The directory of instances (`settings.store`).
    pub store: AbsPath,
    /// The directory that is the session's root; its paths are then those below it.
    pub root: Option<NewRoot>,
    /// The steps, parents before children, one a path.
    pub steps: Vec<Step>,
    /// The namespaces that it has of its own besides the mount namespace.
    pub isolation: Isolation,
    /// File systems that helpers open, parents before children.
    pub volumes: Vec<Volume>,
    /// Programs that are run for it, in the order of the policy.
    pub hooks: Vec<Hook>,
    /// Programs that prepare what the steps show, in the order of the steps.
    pub inits: Vec<Init>,
    /// The sessions that have the namespace.
    pub sharing: Sharing,
    /// The session's environment by name.
    pub environment: BTreeMap<String, Variable>,
}

/// The sessions that have a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sharing {
    /// The logins of one user that have the same plan, together (`settings.namespace = "user"`).
    User,
    /// Each session has its own.
    Session {
        /// The rule that wants it, because it is another one in each session; absent where the settings say
        /// so (`namespace = "session"`).
        because: Option<Origin>,
    },
    /// The command for which it is made, even where nothing is covered in it.
    Command,
}

/// A variable of the session's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its value, templates expanded.
    pub value: String,
    /// The rule's place in the policy.
    pub origin: Origin,
}

/// Another root directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRoot {
    /// The directory, templates expanded.
    pub path: AbsPath,
    /// An fstab(5) file whose file systems are mounted beneath it.
    pub fstab: Option<AbsPath>,
    /// Whether [`Plan::add_fstab_steps`] has read it into `steps`.
    pub has_fstab_steps: bool,
    /// Steps that come before those of the rules: what every system has, and the fstab's file systems, in
    /// this order. Their mount attributes are those that are named, whatever they cover.
    pub steps: Vec<Step>,
    /// Keep the host's root, with a log line, when the directory does not exist.
    pub optional: bool,
    /// The rule's place in the policy.
    pub origin: Origin,
}

/// One path of the session's view, and what appears there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The path that is covered, templates expanded.
    pub path: AbsPath,
    /// The view that appears there.
    pub view: View,
    /// The mount attributes that the rule names or its kind implies; every other one is inherited from
    /// the mount that is covered.
    pub attributes: Attributes,
    /// The direction in which mounts travel, where it is not the plan's.
    pub propagation: Option<Propagation>,
    /// Make `path` if it is missing.
    pub create: bool,
    /// Skip the step, with a log line, when its path or source does not exist.
    pub optional: bool,
    /// Whether commands that the user runs as somebody else find it too.
    pub inherit: bool,
    /// The rule's place in the policy.
    pub origin: Origin,
}

/// The view that appears at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// A directory on disk that is the user's, the group's or the session's own.
    Instance {
        /// The directory.
        instance: Instance,
        /// Its mode, owner and group.
        shape: Shape,
        /// Entries of the covered directory that stay visible.
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
        keep: Vec<Names>,
    },
    /// Another file or directory of the host.
    Bind {
        /// Its path.
        source: AbsPath,
        /// Also what is mounted beneath it.
        recursive: bool,
    },
    /// What the path showed, with what is written to it in a layer that is the user's, the group's or the
    /// session's own (overlayfs).
    Overlay {
        /// The directory that holds the layer.
        layer: Instance,
    },
    /// A file system of its own.
    FileSystem(FileSystem),
    /// The devices that every program expects, and nothing of the hardware.
    Devices,
    /// The terminals of the host's, of which the session has one, or will get one.
    Terminals,
    /// The file that names the host's name servers, where there is none.
    NameServers,
    /// Nothing: an empty read-only directory, or an unreadable empty file.
    Nothing {
        /// Entries of the covered directory that stay visible.
        keep: Vec<Names>,
    },
}

/// A file system, as an fstab(5) entry describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its type, such as `tmpfs`.
    pub kind: String,
    /// Its device, or a name.
    pub medium: Medium,
    /// Its options: a word, or a name and a value.
    pub options: Vec<(String, Option<String>)>,
}

/// The medium of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Medium {
    /// A block device of the host's.
    Device(AbsPath),
    /// Nothing that has a path, or nothing at all: what findmnt(8) shows as its source.
    Named(String),
}

/// The directory that a `[[private]]` rule shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The directory itself. Its parent is made for root alone where it is missing, and in the plan's store all
    /// that is missing.
    pub directory: AbsPath,
    /// The SELinux label that it gets when it is created.
    pub labelling: Labelling,
    /// The demands on the directory that holds it.
    pub parent: Parent,
    /// The time for which it lasts.
    pub lifetime: Lifetime,
    /// The program that is run when it is created.
    pub hook: Option<Helper>,
}

/// The SELinux label that an instance gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labelling {
    /// That of the covered directory, if it has one.
    Covered,
    /// That of the covered directory, because this machine has no SELinux: the rule is by context or level, and works by user.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until an administrator removes it: `per = "user"` and `per = "group"`.
    Kept,
    /// Until the session ends: `per = "session"`.
    Session,
}

/// Mode, owner and group of a directory that is made; what is absent is that of the covered directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// What a namespace is made by, as a name: plans with the same digest give the same view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanDigest(Sha256);

impl fmt::Display for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Plan {
    /// The plan of `login` under `policy`: its rules selected, their templates expanded, sorted with
    /// parents first. An exempt login, and one that no rule matches, has no steps.
    ///
    /// # Errors
    ///
    /// A template's value does not fit into a path, two paths or instances collide, an owner is unknown,
    /// or a rule that applies is not supported yet.
    pub fn new(policy: &Policy, login: &Login, accounts: &dyn Accounts) -> Result<Self> {
        build::plan(policy, &select(policy, login), login, accounts)
    }

    /// The plan of `login` under `policy` by rules that were selected already.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`].
    pub(crate) fn from_selection(
        policy: &Policy,
        selection: &Selection<'_>,
        login: &Login,
        accounts: &dyn Accounts,
    ) -> Result<Self> {
        build::plan(policy, selection, login, accounts)
    }

    /// Whether processes belong to the namespace, without which it is of no use: the first one of its own, or those
    /// that serve its volumes.
    #[must_use]
    pub(crate) fn needs_processes(&self) -> bool {
        self.isolation.has_own_processes() || !self.volumes.is_empty()
    }

    /// What the namespace is made by, as a SHA-256 in hexadecimal: plans with the same digest give the same
    /// view. Where in the policy the rules stand, the environment, hooks
    /// and inits make no difference.
    #[must_use]
    pub(crate) fn digest(&self) -> PlanDigest {
        let Self {
            sharing: _,
            store,
            propagation,
            root,
            steps,
            isolation,
            volumes,
            environment: _,
            hooks: _,
            inits: _,
        } = self;
        let mut text = format!("{propagation:?} {store:?}");
        steps.iter().for_each(|step| digest_step(&mut text, step));
        if let Some(NewRoot {
            path,
            fstab,
            has_fstab_steps: _,
            steps,
            optional,
            origin: _,
        }) = root
        {
            text.push_str(&format!("\nroot {path:?} {fstab:?} {optional}"));
            steps.iter().for_each(|step| digest_step(&mut text, step));
        }
        let Isolation {
            processes,
            ipc,
            hostname,
            network,
        } = isolation;
        text.push_str(&format!(
            "\nisolate {:?} {:?} {:?} {:?}",
            processes.as_ref().map(|wanted| wanted.value),
            ipc.as_ref().map(|wanted| wanted.value),
            hostname.as_ref().map(|wanted| &wanted.value),
            network.as_ref().map(|wanted| &wanted.value)
        ));
        for volume in volumes {
            let Volume {
                path,
                open,
                close,
                password,
                optional,
                inherit,
                origin: _,
            } = volume;
            text.push_str(&format!(
                "\nvolume {path:?} {open:?} {close:?} {password:?} {optional} {inherit}"
            ));
        }
        PlanDigest(Sha256::of(text.as_bytes()))
    }

    /// Turns it into the plan of a command that has the namespace to itself, even where nothing is covered in it.
    #[must_use]
    pub(crate) fn for_command(self) -> Self {
        Self {
            sharing: Sharing::Command,
            ..self
        }
    }

    /// The directories that are the user's, the group's or the session's own.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.steps.iter().filter_map(|step| step.view.instance())
    }

    /// Every program that is run before the session is there, and after it.
    pub fn helpers(&self) -> impl Iterator<Item = &Helper> {
        let volumes = self
            .volumes
            .iter()
            .flat_map(|volume| [&volume.open].into_iter().chain(&volume.close));
        let hooks = self.hooks.iter().map(|hook| &hook.helper);
        let inits = self.inits.iter().map(|init| &init.helper);
        volumes
            .chain(hooks)
            .chain(inits)
            .chain(self.instance_hooks())
    }

    fn instance_hooks(&self) -> impl Iterator<Item = &Helper> {
        self.instances()
            .filter_map(|instance| instance.hook.as_ref())
    }

    /// The time that the programs may take, all together, that make a namespace what it is.
    #[must_use]
    pub(crate) fn total_timeout(&self) -> Duration {
        let created = |hook: &&Hook| hook.when == When::Created;
        let volumes = self.volumes.iter().map(|volume| volume.open.timeout);
        let creating = self.hooks.iter().filter(created);
        let hooks = creating.map(|hook| hook.helper.timeout);
        let instances = self.instance_hooks().map(|hook| hook.timeout);
        let inits = self.inits.iter().map(|init| init.helper.timeout);
        let all = volumes.chain(hooks).chain(instances).chain(inits);
        all.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Whether the login gets the host's own view; its environment may still have variables to set, and hooks
    /// may have to be run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            root,
            steps,
            isolation,
            volumes,
            ..
        } = self;
        let alone = self.sharing == Sharing::Command;
        !alone && root.is_none() && steps.is_empty() && isolation.is_empty() && volumes.is_empty()
    }
}

fn digest_step(text: &mut String, step: &Step) {
    let Step {
        path,
        view,
        attributes,
        propagation,
        create,
        optional,
        inherit,
        origin: _,
    } = step;
    text.push_str(&format!(
        "\n{path:?} {view:?} {attributes:?} {propagation:?} {create} {optional} {inherit}"
    ));
}
