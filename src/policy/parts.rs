//! The parts of a rule, whatever its kind. Every question about the templates and values of a rule is asked here, so
//! that a new kind or key has its answers by being taken apart once.

use super::rule::{
    Bind, Env, Hide, Hook, Init, Isolate, Kind, Medium, Overlay, Ownership, Per, Private, Root,
    Tmpfs, Volume,
};
use super::store::{Hashed, Store};
use super::template::{
    Fact, HostnameTemplate, KeptTemplate, NameTemplate, NamesTemplate, PathTemplate, Template,
};
use std::collections::BTreeMap;

/// The templates of a rule, each as what it becomes, and whose its instance is.
#[derive(Debug, Clone, Copy, Default)]
struct Parts<'r> {
    /// The path that is covered.
    path: Option<&'r PathTemplate>,
    /// The path that is looked up on the host: the source of a bind, the fstab of a root.
    source: Option<&'r PathTemplate>,
    /// The instance or layer that the rule names itself.
    store: Option<&'r PathTemplate>,
    /// The facts of which the name of that is made, where it is hashed.
    hashed: &'static [Fact],
    per: Option<Per>,
    init: Option<&'r Init>,
    ownership: Option<&'r Ownership>,
    keep: &'r [NamesTemplate],
    kept_paths: &'r [KeptTemplate],
    /// Programs with their arguments, each by its key.
    commands: [Option<(&'static str, &'r Vec<Template>)>; 2],
    hostname: Option<&'r HostnameTemplate>,
    variables: Option<&'r BTreeMap<String, Template>>,
    /// The part of the store that the rule shows.
    store_use: Option<StoreUse>,
    /// The namespaces of its own that a session gets by it.
    isolation: Option<&'r Isolate>,
    /// The volume that it opens.
    volume: Option<&'r Volume>,
    /// Whether it keeps something from users.
    restricts: bool,
}

/// The part of a store that a rule shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreUse {
    /// A directory of the user's, the group's or the session's own.
    Instance,
    /// The layer of what is written to over what was there.
    Layer,
}

impl<'r> Parts<'r> {
    /// Takes a rule apart. Nothing of a kind is left out by `..`: a key that is added has to be placed here.
    fn of(kind: &'r Kind) -> Self {
        match kind {
            Kind::Private(rule) => Self::of_private(rule),
            Kind::Tmpfs(rule) => Self::of_tmpfs(rule),
            Kind::Bind(rule) => Self::of_bind(rule),
            Kind::Hide(rule) => Self::of_hide(rule),
            Kind::Overlay(rule) => Self::of_overlay(rule),
            Kind::Isolate(rule) => Self::of_isolate(rule),
            Kind::Root(rule) => Self::of_root(rule),
            Kind::Volume(rule) => Self::of_volume(rule),
            Kind::Env(rule) => Self::of_env(rule),
            Kind::Hook(rule) => Self::of_hook(rule),
        }
    }

    fn of_tmpfs(rule: &'r Tmpfs) -> Self {
        let Tmpfs {
            path,
            size: _,
            inodes: _,
            ownership,
            create: _,
            keep,
            init,
            options: _,
        } = rule;
        Self {
            path: Some(path),
            ownership: Some(ownership),
            keep,
            init: init.as_ref(),
            ..Self::default()
        }
    }

    fn of_bind(rule: &'r Bind) -> Self {
        let Bind {
            source,
            path,
            recursive: _,
            create: _,
            options: _,
        } = rule;
        Self {
            path: Some(path),
            source: Some(source),
            ..Self::default()
        }
    }

    fn of_hide(rule: &'r Hide) -> Self {
        let Hide {
            path,
            keep,
            options: _,
        } = rule;
        Self {
            path: Some(path),
            kept_paths: keep,
            restricts: true,
            ..Self::default()
        }
    }

    fn of_overlay(rule: &'r Overlay) -> Self {
        let Overlay {
            path,
            per,
            store,
            options: _,
        } = rule;
        Self {
            path: Some(path),
            store: store.as_ref(),
            per: Some(*per),
            store_use: Some(StoreUse::Layer),
            ..Self::default()
        }
    }

    fn of_isolate(rule: &'r Isolate) -> Self {
        let Isolate {
            processes: _,
            ipc: _,
            hostname,
            network: _,
        } = rule;
        Self {
            hostname: hostname.as_ref(),
            isolation: Some(rule),
            restricts: true,
            ..Self::default()
        }
    }

    fn of_root(rule: &'r Root) -> Self {
        let Root { path, fstab } = rule;
        Self {
            path: Some(path),
            source: fstab.as_ref(),
            ..Self::default()
        }
    }

    fn of_volume(rule: &'r Volume) -> Self {
        let Volume {
            path,
            open,
            close,
            run_as: _,
            password: _,
            timeout: _,
        } = rule;
        Self {
            path: Some(path),
            commands: [
                Some(("open", open)),
                close.as_ref().map(|close| ("close", close)),
            ],
            volume: Some(rule),
            ..Self::default()
        }
    }

    fn of_env(rule: &'r Env) -> Self {
        let Env { set } = rule;
        Self {
            variables: Some(set),
            ..Self::default()
        }
    }

    fn of_hook(rule: &'r Hook) -> Self {
        let Hook {
            when: _,
            run,
            run_as: _,
            timeout: _,
            on_failure: _,
        } = rule;
        Self {
            commands: [Some(("run", run)), None],
            ..Self::default()
        }
    }

    fn of_private(rule: &'r Private) -> Self {
        let Private {
            path,
            per,
            medium,
            ownership,
            create: _,
            keep,
            hook,
            init,
            options: _,
        } = rule;
        let (store, hashed, store_use) = match medium {
            Medium::Disk { store: Some(store) } => {
                let Store {
                    path,
                    hashed,
                    parent: _,
                } = store;
                let name = |Hashed { hash: _, name }: &Hashed| *name;
                let hashed = hashed.as_ref().map_or(&[][..], name);
                (Some(path), hashed, Some(StoreUse::Instance))
            }
            Medium::Disk { store: None } => (None, &[][..], Some(StoreUse::Instance)),
            Medium::Memory { size: _, inodes: _ } => (None, &[][..], None),
        };
        Self {
            path: Some(path),
            store,
            hashed,
            per: Some(*per),
            init: init.as_ref(),
            ownership: Some(ownership),
            keep,
            commands: [hook.as_ref().map(|hook| ("hook", hook)), None],
            store_use,
            ..Self::default()
        }
    }

    /// Whether a template has one of `facts`. Each part is named, so that none is forgotten: what holds `{session}`
    /// and were not seen to would let one session join another's namespace.
    fn mention(self, facts: &[Fact]) -> bool {
        let Self {
            path,
            source,
            store,
            hashed,
            per: _,
            init,
            ownership,
            keep,
            kept_paths,
            commands,
            hostname,
            variables,
            store_use: _,
            isolation: _,
            volume: _,
            restricts: _,
        } = self;
        let program = init.map(
            |Init {
                 program,
                 on_failure: _,
             }| program,
        );
        let mut paths = [path, source, store, program].into_iter().flatten();
        let commands = commands.into_iter().flatten().flat_map(|(_, argv)| argv);
        let mut texts = commands.chain(variables.into_iter().flat_map(BTreeMap::values));
        paths.any(|path| path.mentions(facts))
            || texts.any(|text| text.mentions(facts))
            || keep.iter().any(|names| names.mentions(facts))
            || kept_paths.iter().any(|path| path.mentions(facts))
            || owners(ownership).any(|name| name.mentions(facts))
            || hostname.is_some_and(|name| name.mentions(facts))
            || hashed.iter().any(|fact| facts.contains(fact))
    }
}

fn owners(ownership: Option<&Ownership>) -> impl Iterator<Item = &NameTemplate> {
    ownership.into_iter().flat_map(|ownership| {
        let Ownership {
            mode: _,
            owner,
            group,
        } = ownership;
        [owner, group].into_iter().flatten()
    })
}

impl Kind {
    /// The path that the rule covers, for kinds that have one.
    #[must_use]
    pub fn path(&self) -> Option<&PathTemplate> {
        Parts::of(self).path
    }

    /// The instance or the layer that the rule names itself, and whose it is.
    #[must_use]
    pub fn store(&self) -> Option<(Per, &PathTemplate)> {
        let Parts { per, store, .. } = Parts::of(self);
        per.zip(store)
    }

    /// The owner of the instance or the layer; nothing for kinds that have none.
    #[must_use]
    pub fn per(&self) -> Option<Per> {
        Parts::of(self).per
    }

    /// The program that is run at every login for what the rule shows.
    #[must_use]
    pub fn init(&self) -> Option<&Init> {
        Parts::of(self).init
    }

    /// The `owner` and the `group` of the rule, where they stand.
    pub fn owners(&self) -> impl Iterator<Item = &NameTemplate> {
        owners(Parts::of(self).ownership)
    }

    /// The programs that the rule runs, where they are the same for every login, each by the key that names it.
    #[must_use]
    pub fn programs(&self) -> Vec<(&'static str, String)> {
        let Parts { commands, init, .. } = Parts::of(self);
        let commands = commands.into_iter().flatten();
        let programs = commands.filter_map(|(key, argv)| Some((key, argv.first()?.literal()?)));
        let init = init.and_then(|init| init.program.literal());
        let init = init.map(|path| ("init", path.to_string()));
        programs.chain(init).collect()
    }

    /// The `mode`, `owner` and `group` of the rule; nothing for kinds that have none.
    #[must_use]
    pub(crate) fn ownership(&self) -> Option<&Ownership> {
        Parts::of(self).ownership
    }

    /// Returns what of the store the rule shows; nothing for kinds that need none.
    #[must_use]
    pub(crate) fn store_use(&self) -> Option<StoreUse> {
        Parts::of(self).store_use
    }

    /// The namespaces of its own that a session gets by the rule.
    #[must_use]
    pub(crate) fn isolation(&self) -> Option<&Isolate> {
        Parts::of(self).isolation
    }

    /// The volume that the rule opens.
    #[must_use]
    pub(crate) fn volume(&self) -> Option<&Volume> {
        Parts::of(self).volume
    }

    /// Whether the rule keeps something from users: what is hidden, and what is outside of a session's own namespaces.
    #[must_use]
    pub(crate) fn restricts(&self) -> bool {
        Parts::of(self).restricts
    }

    /// Whether a template of the rule has one of `facts`.
    #[must_use]
    pub(crate) fn mentions(&self, facts: &[Fact]) -> bool {
        Parts::of(self).mention(facts)
    }

    /// The `per` of a rule whose instances follow from the session's SELinux context.
    #[must_use]
    pub fn label(&self) -> Option<Per> {
        self.per().filter(|per| per.basis().is_some())
    }
}
