//! The rules: what each kind may say, typed and checked.

use super::fields::Vocabulary;
use super::pattern::{Glob, Host};
pub use super::per::Per;
use super::principal::Listed;
use super::store::Store;
use super::template::{
    HostnameTemplate, KeptTemplate, NameTemplate, NamesTemplate, PathTemplate, Template,
};
use super::value::{Attributes, Mode, Size};
use crate::error::{Error, Location, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One element of an array of tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The line of its header, with those of its keys.
    pub location: Location,
    /// The logins that it is about.
    pub selectors: Selectors,
    /// `optional`: skip it when its path or source does not exist.
    pub optional: bool,
    /// `inherit`: whether commands that the user runs as somebody else find what it shows; absent for what its kind
    /// implies.
    pub inherit: Option<bool>,
    /// The kind of the rule.
    pub kind: Kind,
}

/// The logins that a rule is about: all selectors that stand must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selectors {
    /// `users`; everybody when absent.
    pub users: Option<Vec<Listed>>,
    /// `except`; wins over `users`.
    pub except: Vec<Listed>,
    /// `services`.
    pub services: Option<Vec<Glob>>,
    /// `except_services`; wins over `services`.
    pub except_services: Vec<Glob>,
    /// `ttys`.
    pub ttys: Option<Vec<Glob>>,
    /// `rhosts`.
    pub rhosts: Option<Vec<Host>>,
}

/// The effect of a rule, with the keys of its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `[[private]]`
    Private(Private),
    /// `[[tmpfs]]`
    Tmpfs(Tmpfs),
    /// `[[bind]]`
    Bind(Bind),
    /// `[[hide]]`
    Hide(Hide),
    /// `[[overlay]]`
    Overlay(Overlay),
    /// `[[isolate]]`
    Isolate(Isolate),
    /// `[[root]]`
    Root(Root),
    /// `[[volume]]`
    Volume(Volume),
    /// `[[env]]`
    Env(Env),
    /// `[[hook]]`
    Hook(Hook),
}

/// The place where a private directory lives: `medium`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Medium {
    /// On disk.
    Disk {
        /// The instance itself; a name under `settings.store` when absent.
        store: Option<Store>,
    },
    /// In memory.
    Memory {
        /// The most it may hold.
        size: Size,
        /// The most files it may hold; one for each 4 KiB of `size` when absent.
        inodes: Option<u64>,
    },
}

/// `mode`, `owner` and `group` as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Permission bits.
    pub mode: Option<Mode>,
    /// A user name or a decimal id.
    pub owner: Option<NameTemplate>,
    /// A group name or a decimal id.
    pub group: Option<NameTemplate>,
}

/// `[[private]]`: each user, session or group has a directory of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Private {
    /// The directory that is covered.
    pub path: PathTemplate,
    /// The owner: each user, group or session.
    pub per: Per,
    /// The medium that it lives on.
    pub medium: Medium,
    /// Its mode, owner and group.
    pub ownership: Ownership,
    /// Make `path` if it is missing.
    pub create: bool,
    /// Entries of the covered directory that stay visible.
    pub keep: Vec<NamesTemplate>,
    /// Run when an instance is created.
    pub hook: Option<Vec<Template>>,
    /// Run at every login.
    pub init: Option<Init>,
    /// Mount attributes.
    pub options: Attributes,
}

/// `[[tmpfs]]`: an empty memory file system.
#[derive(Debug, Clone, PartialEq)]
pub struct Tmpfs {
    /// The directory that is covered.
    pub path: PathTemplate,
    /// The most it may hold.
    pub size: Size,
    /// The most files it may hold; one for each 4 KiB of `size` when absent.
    pub inodes: Option<u64>,
    /// Mode, owner and group of its root.
    pub ownership: Ownership,
    /// Make `path` if it is missing.
    pub create: bool,
    /// Entries of the covered directory that stay visible.
    pub keep: Vec<NamesTemplate>,
    /// Run at every login.
    pub init: Option<Init>,
    /// Mount attributes.
    pub options: Attributes,
}

/// `init`: a program that prepares what a path shows, as pam_namespace runs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Init {
    /// The program; its arguments are the path, the instance, whether that is new, and the user.
    pub program: PathTemplate,
    /// The meaning of its failure.
    pub on_failure: OnFailure,
}

/// `[[bind]]`: something else appears here.
#[derive(Debug, Clone, PartialEq)]
pub struct Bind {
    /// The path that appears.
    pub source: PathTemplate,
    /// The path where the source appears.
    pub path: PathTemplate,
    /// Whether what is mounted beneath the source appears too.
    pub recursive: bool,
    /// Make `path` if it is missing.
    pub create: bool,
    /// Mount attributes.
    pub options: Attributes,
}

/// `[[hide]]`: nothing is here.
#[derive(Debug, Clone, PartialEq)]
pub struct Hide {
    /// The directory or file that is covered.
    pub path: PathTemplate,
    /// What stays visible below the covered directory.
    pub keep: Vec<KeptTemplate>,
    /// Mount attributes.
    pub options: Attributes,
}

/// `[[overlay]]`: writes go to a layer of one's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    /// The directory that is covered.
    pub path: PathTemplate,
    /// The owner of the layer.
    pub per: Per,
    /// The layer's directory.
    pub store: Option<PathTemplate>,
    /// Mount attributes.
    pub options: Attributes,
}

/// `[[isolate]]`: more than mounts. What is absent is left to other rules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Isolate {
    /// The processes that are seen.
    pub processes: Option<Processes>,
    /// The System V IPC and POSIX queues that are seen: whose they are.
    pub ipc: Option<Ipc>,
    /// The host name of a UTS namespace.
    pub hostname: Option<HostnameTemplate>,
    /// The network that the session has.
    pub network: Option<Network>,
}

/// `isolate.processes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {
    /// The host's.
    Shared,
    /// A private `/proc` that shows only the user's own.
    Hidden,
    /// A PID namespace.
    Own,
}

/// `isolate.ipc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipc {
    /// The host's.
    Shared,
    /// An IPC namespace.
    Own,
}

/// `isolate.network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// The host's.
    Shared,
    /// Loopback only.
    None,
    /// The named network namespace under `/run/netns`.
    Named(String),
}

impl Network {
    /// The word that stands for it in a policy.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Shared => "shared".to_owned(),
            Self::None => "none".to_owned(),
            Self::Named(name) => format!("name:{name}"),
        }
    }
}

/// `[[root]]`: the session lives in another root directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// The new root directory.
    pub path: PathTemplate,
    /// An fstab(5) file mounted beneath it.
    pub fstab: Option<PathTemplate>,
}

/// `[[volume]]`: a file system that only this user's sessions can see.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// The path where it appears.
    pub path: PathTemplate,
    /// The helper that opens it.
    pub open: Vec<Template>,
    /// The helper that closes it.
    pub close: Option<Vec<Template>>,
    /// The user who runs the helpers.
    pub run_as: RunAs,
    /// The password that the helper reads on standard input.
    pub password: Password,
    /// The time that a helper may take.
    pub timeout: Duration,
}

/// `as`: who runs a helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunAs {
    /// The user of the session.
    User,
    /// Root.
    Root,
}

/// `volume.password`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Password {
    /// The login password.
    Login,
    /// Nothing.
    None,
}

/// `[[env]]`: the session's environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Env {
    /// Names and values.
    pub set: BTreeMap<String, Template>,
}

/// `[[hook]]`: a program run for a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// The moment at which it is run.
    pub when: When,
    /// The program, absolute, and its arguments.
    pub run: Vec<Template>,
    /// The user who runs it.
    pub run_as: RunAs,
    /// The time that it may take.
    pub timeout: Duration,
    /// The meaning of its failure.
    pub on_failure: OnFailure,
}

/// `hook.when`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// An instance was created.
    Created,
    /// The session opens.
    Open,
    /// The session closes.
    Close,
}

/// `on_failure` of a hook or an `init`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// The login is refused.
    Deny,
    /// A line is logged.
    Warn,
}

impl OnFailure {
    /// Decides what a hook's failure comes to: it is passed to `warn` when nobody is refused for it.
    ///
    /// # Errors
    ///
    /// The failure, when the session is refused.
    pub(crate) fn deny_or_warn(self, ran: Result<()>, warn: impl FnOnce(&Error)) -> Result<()> {
        match (ran, self) {
            (Err(error), Self::Warn) => {
                warn(&error);
                Ok(())
            }
            (ran, _) => ran,
        }
    }
}

impl Private {
    /// The instance that the rule names itself.
    #[must_use]
    pub fn store(&self) -> Option<&Store> {
        match &self.medium {
            Medium::Disk { store } => store.as_ref(),
            Medium::Memory { .. } => None,
        }
    }
}

impl Rule {
    /// Whether commands that the user runs as somebody else, by sudo(8) for example, find what the rule shows.
    #[must_use]
    pub(crate) fn is_inherited(&self) -> bool {
        self.inherit.unwrap_or_else(|| self.kind.is_scratch())
    }
}

impl Kind {
    /// Whether what the rule shows is scratch space of the user's: what names in a command's arguments are about.
    #[must_use]
    pub(crate) fn is_scratch(&self) -> bool {
        match self {
            Self::Private(_) | Self::Tmpfs(_) => true,
            Self::Bind(_)
            | Self::Hide(_)
            | Self::Overlay(_)
            | Self::Isolate(_)
            | Self::Root(_)
            | Self::Volume(_)
            | Self::Env(_)
            | Self::Hook(_) => false,
        }
    }

    /// Whether the rule shows something at a path, which others can be shown there too.
    #[must_use]
    pub(crate) fn is_inheritable(&self) -> bool {
        match self {
            Self::Private(_)
            | Self::Tmpfs(_)
            | Self::Bind(_)
            | Self::Hide(_)
            | Self::Overlay(_)
            | Self::Volume(_) => true,
            Self::Isolate(_) | Self::Root(_) | Self::Env(_) | Self::Hook(_) => false,
        }
    }

    /// The time that each program may take that is run while the session opens; nothing where no key of the rule says it.
    #[must_use]
    pub(crate) fn opening_timeout(&self) -> Option<Duration> {
        match self {
            Self::Volume(volume) => Some(volume.timeout),
            Self::Hook(hook) => (hook.when != When::Close).then_some(hook.timeout),
            Self::Private(_)
            | Self::Tmpfs(_)
            | Self::Bind(_)
            | Self::Hide(_)
            | Self::Overlay(_)
            | Self::Isolate(_)
            | Self::Root(_)
            | Self::Env(_) => None,
        }
    }

    /// Whether the rule makes its path where that is missing; nothing for kinds that never do.
    #[must_use]
    pub(crate) fn makes_path(&self) -> Option<bool> {
        match self {
            Self::Private(Private { create, .. })
            | Self::Tmpfs(Tmpfs { create, .. })
            | Self::Bind(Bind { create, .. }) => Some(*create),
            Self::Hide(_)
            | Self::Overlay(_)
            | Self::Isolate(_)
            | Self::Root(_)
            | Self::Volume(_)
            | Self::Env(_)
            | Self::Hook(_) => None,
        }
    }

    /// Whether a program of the rule is given the login password.
    #[must_use]
    pub(crate) fn wants_password(&self) -> bool {
        match self {
            Self::Volume(volume) => volume.password == Password::Login,
            Self::Private(_)
            | Self::Tmpfs(_)
            | Self::Bind(_)
            | Self::Hide(_)
            | Self::Overlay(_)
            | Self::Isolate(_)
            | Self::Root(_)
            | Self::Env(_)
            | Self::Hook(_) => false,
        }
    }

    /// The rule's header, such as `[[private]]`.
    #[must_use]
    pub fn header(&self) -> &'static str {
        match self {
            Self::Private(_) => "[[private]]",
            Self::Tmpfs(_) => "[[tmpfs]]",
            Self::Bind(_) => "[[bind]]",
            Self::Hide(_) => "[[hide]]",
            Self::Overlay(_) => "[[overlay]]",
            Self::Isolate(_) => "[[isolate]]",
            Self::Root(_) => "[[root]]",
            Self::Volume(_) => "[[volume]]",
            Self::Env(_) => "[[env]]",
            Self::Hook(_) => "[[hook]]",
        }
    }
}

impl Vocabulary for Processes {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("shared", Self::Shared),
        ("hidden", Self::Hidden),
        ("own", Self::Own),
    ];
}

impl Vocabulary for Ipc {
    const WORDS: &'static [(&'static str, Self)] = &[("shared", Self::Shared), ("own", Self::Own)];
}

impl Vocabulary for RunAs {
    const WORDS: &'static [(&'static str, Self)] = &[("user", Self::User), ("root", Self::Root)];
}

impl Vocabulary for Password {
    const WORDS: &'static [(&'static str, Self)] = &[("login", Self::Login), ("none", Self::None)];
}

impl Vocabulary for When {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("created", Self::Created),
        ("open", Self::Open),
        ("close", Self::Close),
    ];
}

impl Vocabulary for OnFailure {
    const WORDS: &'static [(&'static str, Self)] = &[("deny", Self::Deny), ("warn", Self::Warn)];
}
