//! The plan of a login: an ordered list of steps, made without looking at the world.
//!
//! `jns explain`, the debug log, the golden files and `observe` mode print the very [`Plan`] that
//! [`crate::apply`] executes.

mod build;
mod fstab;
mod isolation;
mod json;
mod program;
mod root;
mod show;
mod step;

use crate::error::{Error, Location, Result};
use crate::path::AbsPath;
use crate::policy::Sha256;
use crate::policy::value::Propagation;
use serde::{Deserialize, Serialize, Serializer};
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
pub use step::{FileSystem, Instance, Labelling, Lifetime, Medium, Shape, Step, View};

/// Everything that is done for one login. Its JSON is that of `jns explain --json`, without the digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The direction in which mounts travel between the host and the session.
    #[serde(serialize_with = "json::word")]
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
    #[serde(rename = "namespace")]
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
        because: Option<Location>,
    },
    /// The command for which it is made, even where nothing is covered in it.
    Command,
}

/// A variable of the session's environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its value, templates expanded.
    pub value: String,
    /// The rule's place in the policy.
    #[serde(flatten)]
    pub location: Location,
}

/// Another root directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewRoot {
    /// The directory, templates expanded.
    pub path: AbsPath,
    /// An fstab(5) file whose file systems are mounted beneath it.
    pub fstab: Option<AbsPath>,
    /// Whether [`Plan::add_fstab_steps`] has read it into `steps`.
    #[serde(skip)]
    pub has_fstab_steps: bool,
    /// Steps that come before those of the rules: what every system has, and the fstab's file systems, in
    /// this order. Their mount attributes are those that are named, whatever they cover.
    pub steps: Vec<Step>,
    /// Keep the host's root, with a log line, when the directory does not exist.
    pub optional: bool,
    /// The rule's place in the policy.
    #[serde(flatten)]
    pub location: Location,
}

/// The name of what a namespace is made by: plans with the same digest give the same view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanDigest(Sha256);

impl TryFrom<String> for PlanDigest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Sha256::try_from(text).map(Self)
    }
}

impl fmt::Display for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Plan {
    /// Whether processes belong to the namespace, without which it is of no use: the first one of its own, or those
    /// that serve its volumes.
    #[must_use]
    pub(crate) fn needs_processes(&self) -> bool {
        self.isolation.has_own_processes() || !self.volumes.is_empty()
    }

    /// Returns the SHA-256 of what the namespace is made by, in hexadecimal. Plans with the same digest give the same
    /// view. Where in the policy the rules stand, the environment, hooks and inits make no difference.
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
            location: _,
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
                location: _,
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
        location: _,
    } = step;
    text.push_str(&format!(
        "\n{path:?} {view:?} {attributes:?} {propagation:?} {create} {optional} {inherit}"
    ));
}

/// Who has the namespace, and the rule that is the reason why it is the session's own.
#[derive(Serialize)]
struct SharingDocument<'p> {
    of: &'static str,
    because: Option<&'p Location>,
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
