//! From the rules that apply to the steps of a plan.

use super::root::base;
use super::{
    Helper, Hook, Init, Instance, Labelling, Lifetime, NewRoot, Plan, Shape, Sharing, Step,
    Variable,
};
use super::{Isolation, View, Volume, Wanted};
use crate::error::{Error, Location, Result};
use crate::login::{Accounts, Login};
use crate::path::{AbsPath, Component};
use crate::policy::rule::{
    Bind, Env, Hide, Hook as HookRule, Ipc, Isolate, Medium, Network, Overlay, Ownership, Per,
    Private, Processes, Root, RunAs, Tmpfs, Volume as VolumeRule,
};
use crate::policy::store::{Parent, Store};
use crate::policy::template::{Fact, KeptTemplate, NameTemplate, NamesTemplate, Template};
use crate::policy::value::{Attributes, Names, NamesPath, attribute};
use crate::policy::{Decision, Kind, Namespaces, Policy, Rule, Ruling, Selection, select};
use crate::policy::{HELPER_TIMEOUT, covers_store, lacks_labels, word_of};
use crate::store::layout::{Owner, name_instance};
use std::collections::BTreeMap;
use std::time::Duration;

impl Plan {
    /// The plan of `login` under `policy`: its rules selected, their templates expanded, sorted with
    /// parents first. An exempt login, and one that no rule matches, has no steps.
    ///
    /// # Errors
    ///
    /// A template's value does not fit into a path, two paths or instances collide, an owner is unknown,
    /// or a rule that applies is not supported yet.
    pub fn new(policy: &Policy, login: &Login, accounts: &dyn Accounts) -> Result<Self> {
        plan(policy, &select(policy, login), login, accounts)
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
        plan(policy, selection, login, accounts)
    }
}

/// The plan that the rules of `selection` make together.
fn plan(
    policy: &Policy,
    selection: &Selection<'_>,
    login: &Login,
    accounts: &dyn Accounts,
) -> Result<Plan> {
    let builder = Builder {
        store: &policy.settings.store,
        login,
        accounts,
    };
    let mut plan = Plan {
        propagation: policy.settings.propagation,
        store: policy.settings.store.clone(),
        root: None,
        steps: Vec::new(),
        isolation: Isolation::default(),
        volumes: Vec::new(),
        hooks: Vec::new(),
        inits: Vec::new(),
        sharing: Sharing::User,
        environment: BTreeMap::new(),
    };
    let mut own = None;
    for ruling in selection.effective() {
        refuse(ruling)?;
        own = own.or_else(|| is_of_session(ruling.rule).then(|| ruling.rule.location.clone()));
        builder.add(ruling, &mut plan)?;
    }
    // `Path` of the standard library would do the same: `/a-b` comes after `/a/b`, so that what lies
    // beneath a path stands right behind it.
    plan.steps
        .sort_by(|one, other| one.path.components().cmp(other.path.components()));
    plan.inits
        .sort_by(|one, other| one.path.components().cmp(other.path.components()));
    plan.volumes
        .sort_by(|one, other| one.path.components().cmp(other.path.components()));
    distinct_instances(&plan.steps)?;
    if let Some(root) = &mut plan.root {
        root.steps = base(&root.location, &plan.steps);
    }
    separate_volumes(&plan)?;
    plan.sharing = match policy.settings.namespace {
        Namespaces::User if own.is_none() => Sharing::User,
        Namespaces::User => Sharing::Session { because: own },
        Namespaces::Session => Sharing::Session { because: None },
    };
    Ok(plan)
}

/// Whether a rule gives each session something of its own to see, so that no two sessions can share a
/// namespace.
fn is_of_session(rule: &Rule) -> bool {
    let is_seen = match rule.kind {
        Kind::Env(_) | Kind::Hook(_) => false,
        Kind::Private(_)
        | Kind::Tmpfs(_)
        | Kind::Bind(_)
        | Kind::Hide(_)
        | Kind::Overlay(_)
        | Kind::Isolate(_)
        | Kind::Root(_)
        | Kind::Volume(_) => true,
    };
    is_seen && (rule.kind.per() == Some(Per::Session) || rule.kind.mentions(&[Fact::Session]))
}

fn refuse(ruling: &Ruling<'_>) -> Result<()> {
    if let Decision::Fails(error) = &ruling.decision {
        return Err(error.clone());
    }
    let Rule { kind, location, .. } = ruling.rule;
    match (kind.label(), lacks_labels()) {
        (Some(per), Some(reason)) => {
            let part = format!("`per = \"{}\"`", word_of(per));
            Err(Error::new("apply", part, reason).at_key(location, "per"))
        }
        _ => Ok(()),
    }
}

fn distinct_instances(steps: &[Step]) -> Result<()> {
    let mut seen: BTreeMap<&AbsPath, &Step> = BTreeMap::new();
    for step in steps {
        let Some(instance) = step.view.instance() else {
            continue;
        };
        if let Some(first) = seen.insert(&instance.directory, step) {
            let (directory, path) = (&instance.directory, &first.path);
            let reason = format!(
                "its instance {directory} is that of {path} too, {}",
                first.location
            );
            return Err(Error::new("cover", &step.path, reason).at_key(&step.location, "store"));
        }
    }
    Ok(())
}

/// Volumes are opened when all steps are in place: what one covers would be there in vain.
fn separate_volumes(plan: &Plan) -> Result<()> {
    for volume in &plan.volumes {
        let refused = |reason: String| {
            Err(Error::new("open", &volume.path, reason).at_key(&volume.location, "path"))
        };
        let covered = |step: &&Step| step.path.is_within(&volume.path);
        if let Some(step) = plan.steps.iter().find(covered) {
            return refused(format!("it would cover {} of {}", step.path, step.location));
        }
        if let Some(reason) = covers_store(&volume.path, &plan.store) {
            return refused(reason);
        }
    }
    Ok(())
}

/// A rule that applies to a login, and the path that it covers.
#[derive(Clone, Copy)]
struct Covering<'r> {
    rule: &'r Rule,
    path: &'r AbsPath,
}

impl<'r> Covering<'r> {
    /// Takes them out of a ruling. Every rule of a kind that has a path was given it when it was selected.
    fn of(ruling: &'r Ruling<'_>) -> Result<Self> {
        let (path, rule) = (ruling.path.as_ref(), ruling.rule);
        let missing =
            || Error::new("apply", rule.kind.header(), "it has no path").at(&rule.location);
        Ok(Self {
            rule,
            path: path.ok_or_else(missing)?,
        })
    }

    /// The step that shows `view` at the path, which is not made where it is missing.
    fn step(&self, view: View, attributes: Attributes) -> Step {
        let Self { rule, path } = self;
        Step {
            path: (*path).clone(),
            view,
            attributes,
            propagation: None,
            create: false,
            optional: rule.optional,
            inherit: rule.is_inherited(),
            location: rule.location.clone(),
        }
    }
}

struct Builder<'a> {
    store: &'a AbsPath,
    login: &'a Login,
    accounts: &'a dyn Accounts,
}

impl Builder<'_> {
    fn add(&self, ruling: &Ruling<'_>, plan: &mut Plan) -> Result<()> {
        let rule = ruling.rule;
        match &rule.kind {
            Kind::Env(env) => plan.environment.extend(self.variables(env, &rule.location)),
            Kind::Isolate(isolate) => self.isolate(isolate, rule, &mut plan.isolation)?,
            Kind::Hook(hook) => plan.hooks.push(self.hook(hook, rule)),
            Kind::Volume(volume) => {
                plan.volumes
                    .push(self.volume(volume, Covering::of(ruling)?));
            }
            // Several may be selected, with different paths; the last one wins.
            Kind::Root(root) => plan.root = Some(self.root(root, Covering::of(ruling)?)?),
            Kind::Private(private) => {
                self.add_step(ruling, plan, |covering| self.private(private, covering))?;
            }
            Kind::Tmpfs(tmpfs) => {
                self.add_step(ruling, plan, |covering| {
                    self.tmpfs(tmpfs, covering).map(Some)
                })?;
            }
            Kind::Bind(bind) => {
                self.add_step(ruling, plan, |covering| self.bind(bind, covering).map(Some))?;
            }
            Kind::Hide(hide) => {
                self.add_step(ruling, plan, |covering| self.hide(hide, covering).map(Some))?;
            }
            Kind::Overlay(overlay) => {
                self.add_step(ruling, plan, |covering| {
                    self.overlay(overlay, covering).map(Some)
                })?;
            }
        }
        Ok(())
    }

    /// Adds what `make` gives for the path that the rule covers, with its `init`.
    fn add_step(
        &self,
        ruling: &Ruling<'_>,
        plan: &mut Plan,
        make: impl FnOnce(Covering<'_>) -> Result<Option<Step>>,
    ) -> Result<()> {
        let covering = Covering::of(ruling)?;
        let Covering { rule, path } = covering;
        if let Some(reason) = covers_store(path, self.store) {
            return Err(Error::new("cover", path, reason).at_key(&rule.location, "path"));
        }
        if let Some(step) = make(covering)? {
            plan.inits.extend(self.init(&step, rule)?);
            plan.steps.push(step);
        }
        Ok(())
    }

    fn init(&self, step: &Step, rule: &Rule) -> Result<Option<Init>> {
        let Some(init) = rule.kind.init() else {
            return Ok(None);
        };
        let program = init
            .program
            .expand(self.login)
            .map_err(|reason| misfit("init", &init.program, reason, rule))?;
        let instance = step.view.instance();
        Ok(Some(Init {
            path: step.path.clone(),
            instance: instance.map(|instance| instance.directory.clone()),
            helper: Helper {
                argv: vec![program.to_string()],
                run_as: RunAs::Root,
                timeout: HELPER_TIMEOUT,
            },
            on_failure: init.on_failure,
            location: rule.location.clone(),
        }))
    }

    fn isolate(&self, isolate: &Isolate, rule: &Rule, isolation: &mut Isolation) -> Result<()> {
        let Isolate {
            processes,
            ipc,
            hostname,
            network,
        } = isolate;
        let at = |key| rule.location.of_key(key);
        override_key(
            &mut isolation.processes,
            *processes,
            Processes::Shared,
            at("processes"),
        );
        override_key(&mut isolation.ipc, *ipc, Ipc::Shared, at("ipc"));
        override_key(
            &mut isolation.network,
            network.clone(),
            Network::Shared,
            at("network"),
        );
        if let Some(template) = hostname {
            let name = template.expand(self.login);
            let value = name.map_err(|reason| misfit("hostname", template, reason, rule))?;
            let location = at("hostname");
            isolation.hostname = Some(Wanted { value, location });
        }
        Ok(())
    }

    fn root(&self, root: &Root, Covering { rule, path }: Covering<'_>) -> Result<NewRoot> {
        let fstab = root.fstab.as_ref().map(|template| {
            let expanded = template.expand(self.login);
            expanded.map_err(|reason| misfit("fstab", template, reason, rule))
        });
        Ok(NewRoot {
            path: path.clone(),
            has_fstab_steps: fstab.is_none(),
            fstab: fstab.transpose()?,
            steps: Vec::new(),
            optional: rule.optional,
            location: rule.location.clone(),
        })
    }

    fn volume(&self, volume: &VolumeRule, Covering { rule, path }: Covering<'_>) -> Volume {
        let helper = |argv: &Vec<Template>| self.program(argv, volume.run_as, volume.timeout);
        Volume {
            path: path.clone(),
            open: helper(&volume.open),
            close: volume.close.as_ref().map(helper),
            password: volume.password,
            optional: rule.optional,
            inherit: rule.is_inherited(),
            location: rule.location.clone(),
        }
    }

    fn hook(&self, hook: &HookRule, rule: &Rule) -> Hook {
        Hook {
            when: hook.when,
            helper: self.program(&hook.run, hook.run_as, hook.timeout),
            on_failure: hook.on_failure,
            location: rule.location.clone(),
        }
    }

    fn program(&self, argv: &[Template], run_as: RunAs, timeout: Duration) -> Helper {
        Helper {
            argv: self.words(argv),
            run_as,
            timeout,
        }
    }

    fn words(&self, argv: &[Template]) -> Vec<String> {
        argv.iter().map(|word| word.text(self.login)).collect()
    }

    /// The step of a `[[private]]`; nothing where an optional one has no path.
    fn private(&self, private: &Private, covering: Covering<'_>) -> Result<Option<Step>> {
        let rule = covering.rule;
        let shape = self.shape(&private.ownership, rule)?;
        let keep = self.keep(&private.keep, rule)?;
        let view = match &private.medium {
            Medium::Memory { size, inodes } => View::Memory {
                size: *size,
                inodes: *inodes,
                shape,
                keep,
            },
            Medium::Disk { store } => {
                let instance = match self.private_instance(store.as_ref(), private.per, covering) {
                    // Its path, of which the label is asked, is not there to be covered.
                    Err(missing) if rule.optional && missing.is_missing() => return Ok(None),
                    made => made?,
                };
                let hook = private.hook.as_ref();
                View::Instance {
                    instance: Instance {
                        hook: hook.map(|argv| self.program(argv, RunAs::Root, HELPER_TIMEOUT)),
                        ..instance
                    },
                    shape,
                    keep,
                }
            }
        };
        let attributes = private.options.without_privileges();
        Ok(Some(Step {
            create: private.create,
            ..covering.step(view, attributes)
        }))
    }

    fn tmpfs(&self, tmpfs: &Tmpfs, covering: Covering<'_>) -> Result<Step> {
        let rule = covering.rule;
        let shape = self.shape(&tmpfs.ownership, rule)?;
        let view = View::Memory {
            size: tmpfs.size,
            inodes: tmpfs.inodes,
            shape: Shape {
                mode: shape.mode,
                owner: shape.owner.or(Some(0)),
                group: shape.group.or(Some(0)),
            },
            keep: self.keep(&tmpfs.keep, rule)?,
        };
        let attributes = tmpfs.options.without_privileges();
        Ok(Step {
            create: tmpfs.create,
            ..covering.step(view, attributes)
        })
    }

    fn bind(&self, bind: &Bind, covering: Covering<'_>) -> Result<Step> {
        let source = bind.source.expand(self.login);
        let view = View::Bind {
            source: source
                .map_err(|reason| misfit("source", &bind.source, reason, covering.rule))?,
            recursive: bind.recursive,
        };
        Ok(Step {
            create: bind.create,
            ..covering.step(view, bind.options)
        })
    }

    fn hide(&self, hide: &Hide, covering: Covering<'_>) -> Result<Step> {
        let view = View::Nothing {
            keep: self.kept_paths(&hide.keep, covering)?,
        };
        let read_only = Attributes::asking_for(attribute::READ_ONLY);
        Ok(covering.step(view, read_only.or(hide.options.without_privileges())))
    }

    fn overlay(&self, overlay: &Overlay, covering: Covering<'_>) -> Result<Step> {
        let Covering { rule, path } = covering;
        let directory = match &overlay.store {
            Some(template) => template
                .expand(self.login)
                .map_err(|reason| misfit("store", template, reason, rule))?,
            None => self.default_instance(overlay.per, None, covering)?,
        };
        if directory == *path {
            let reason = "the layer would be what it is on";
            return Err(
                Error::new("use the store", directory, reason).at_key(&rule.location, "store")
            );
        }
        let layer = self.instance(directory, overlay.per, rule)?;
        let view = View::Overlay { layer };
        Ok(covering.step(view, overlay.options))
    }

    fn private_instance(
        &self,
        store: Option<&Store>,
        per: Per,
        covering: Covering<'_>,
    ) -> Result<Instance> {
        let rule = covering.rule;
        let labelling = self.labelling(per, covering)?;
        let label = labelling.own().map(|label| label.context.as_str());
        let directory = match store {
            Some(store) => store
                .expand(self.login, label)
                .map_err(|reason| misfit("store", &store.path, reason, rule))?,
            None => self.default_instance(per, label, covering)?,
        };
        Ok(Instance {
            labelling,
            parent: store.map_or_else(Parent::default, |store| store.parent),
            ..self.instance(directory, per, rule)?
        })
    }

    fn labelling(&self, per: Per, Covering { rule, path }: Covering<'_>) -> Result<Labelling> {
        let Some(basis) = per.basis() else {
            return Ok(Labelling::Covered);
        };
        let label = self
            .accounts
            .label(self.login, path.as_str(), basis)
            .map_err(|error| error.at_key(&rule.location, "per"))?;
        Ok(label.map_or(Labelling::Lacking, Labelling::Own))
    }

    /// The instance in `directory`.
    fn instance(&self, directory: AbsPath, per: Per, rule: &Rule) -> Result<Instance> {
        if self.store.is_within(&directory) {
            let reason = format!("everybody's instances are in it ({})", self.store);
            return Err(
                Error::new("use the store", directory, reason).at_key(&rule.location, "store")
            );
        }
        let lifetime = match per {
            Per::Session => Lifetime::Session,
            Per::User | Per::Group | Per::Context | Per::Level => Lifetime::Kept,
        };
        Ok(Instance {
            directory,
            labelling: Labelling::Covered,
            parent: Parent::default(),
            lifetime,
            hook: None,
        })
    }

    /// The directory under the store for an instance of `path` whose rule names none.
    fn default_instance(
        &self,
        per: Per,
        label: Option<&str>,
        Covering { rule, path }: Covering<'_>,
    ) -> Result<AbsPath> {
        let failed = |reason: String| {
            Error::new("name the instance of", path, reason).at_key(&rule.location, "path")
        };
        let name = name_instance(path.as_str(), label).ok_or_else(|| {
            failed("the path is too long for a name; give the rule a `store`".to_owned())
        })?;
        let directory = format!("{}/{name}", self.owner_of_instance(per).path(self.store));
        AbsPath::new(&directory).map_err(|reason| failed(reason.to_owned()))
    }

    /// The owner of the instances of a rule.
    fn owner_of_instance(&self, per: Per) -> Owner<'_> {
        match per {
            Per::Session => Owner::Session(self.login.session.as_str()),
            Per::Group => Owner::Group(self.login.gid),
            Per::User | Per::Context | Per::Level => Owner::User(self.login.uid),
        }
    }

    fn shape(&self, ownership: &Ownership, rule: &Rule) -> Result<Shape> {
        let owner = ownership.owner.as_ref().map(|name| self.owner(name, rule));
        let group = ownership.group.as_ref().map(|name| self.group(name, rule));
        Ok(Shape {
            mode: ownership.mode,
            owner: owner.transpose()?,
            group: group.transpose()?,
        })
    }

    fn owner(&self, template: &NameTemplate, rule: &Rule) -> Result<u32> {
        let name = self.name("owner", template, rule)?;
        if name.as_str() == self.login.user {
            return Ok(self.login.uid);
        }
        let uid = id(name.as_str()).or_else(|| self.accounts.uid(name.as_str()));
        uid.ok_or_else(|| nobody("owner", &name, "no such user", rule))
    }

    fn group(&self, template: &NameTemplate, rule: &Rule) -> Result<u32> {
        let name = self.name("group", template, rule)?;
        let own = self
            .login
            .groups
            .iter()
            .find(|group| group.name == name.as_str());
        // The account's own groups first: they are known without asking a directory server.
        own.map(|group| group.gid)
            .or_else(|| id(name.as_str()))
            .or_else(|| self.accounts.gid(name.as_str()))
            .ok_or_else(|| nobody("group", &name, "no such group", rule))
    }

    fn keep(&self, templates: &[NamesTemplate], rule: &Rule) -> Result<Vec<Names>> {
        let mut all: Vec<Names> = Vec::new();
        for template in templates {
            let names = template
                .expand(self.login)
                .map_err(|reason| misfit("keep", template, reason, rule))?;
            if !all.contains(&names) {
                all.push(names);
            }
        }
        Ok(all)
    }

    /// What stays visible below a hidden path. A home elsewhere is not hidden: with an optional rule it is left out.
    fn kept_paths(
        &self,
        templates: &[KeptTemplate],
        Covering { rule, path }: Covering<'_>,
    ) -> Result<Vec<NamesPath>> {
        let mut all: Vec<NamesPath> = Vec::new();
        for template in templates {
            let refused = |reason| misfit("keep", template, reason, rule);
            match template.expand(self.login, path).map_err(refused)? {
                Some(kept) if all.contains(&kept) => {}
                Some(kept) => all.push(kept),
                None if rule.optional => {}
                None => {
                    let home = &self.login.home;
                    let reason = format!("the home {home} does not lie below {path}");
                    return Err(refused(reason));
                }
            }
        }
        Ok(all)
    }

    fn name(&self, key: &str, template: &NameTemplate, rule: &Rule) -> Result<Component> {
        let name = template.expand(self.login);
        name.map_err(|reason| misfit(key, template, reason, rule))
    }

    fn variables(&self, env: &Env, location: &Location) -> Vec<(String, Variable)> {
        let variable = |(name, template): (&String, &crate::policy::template::Template)| {
            let value = template.text(self.login);
            let location = location.clone();
            (name.clone(), Variable { value, location })
        };
        env.set.iter().map(variable).collect()
    }
}

/// Replaces what an earlier rule said with what a key of a rule says.
fn override_key<T: PartialEq>(
    wanted: &mut Option<Wanted<T>>,
    said: Option<T>,
    host: T,
    location: Location,
) {
    if let Some(value) = said {
        *wanted = (value != host).then_some(Wanted { value, location });
    }
}

fn misfit(key: &str, template: impl std::fmt::Display, reason: String, rule: &Rule) -> Error {
    Error::new("use", format_args!("the {key} {template}"), reason).at_key(&rule.location, key)
}

fn nobody(key: &str, name: &Component, reason: &str, rule: &Rule) -> Error {
    Error::new("find", format_args!("the {key} {name}"), reason).at_key(&rule.location, key)
}

/// A decimal user or group id; the highest number means "none" to the kernel.
fn id(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|_| digits);
    id.filter(|id| *id != u32::MAX)
}
