//! A plan, as an administrator and as a program reads it.

use crate::cli::terminal::harmless;
use crate::error::Origin;
use crate::plan::{
    Helper, Hook, Init, Instance, Isolation, Lifetime, Medium, NewRoot, Parent, Plan, Shape,
    Sharing, Step, View, Volume, Wanted,
};
use crate::policy::value::{AbsPath, Names, Propagation};
use crate::policy::word_of;
use serde_json::{Map, Value, json};

/// The steps of a plan, a line each.
pub fn steps(plan: &Plan) -> String {
    let shown = plan.to_string();
    let lines = shown.lines().map(|step| harmless(step) + "\n");
    lines.collect()
}

/// A plan as JSON.
pub fn value(plan: &Plan) -> Value {
    let environment: Map<String, Value> = plan
        .environment
        .iter()
        .map(|(name, said)| {
            (
                name.clone(),
                with_place(json!({ "value": said.value }), &said.origin),
            )
        })
        .collect();
    json!({
        "propagation": match plan.propagation {
            Propagation::Slave => "slave",
            Propagation::Private => "private",
        },
        "store": plan.store.as_str(),
        "namespace": sharing(&plan.sharing),
        "digest": plan.digest(),
        "root": plan.root.as_ref().map(root),
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "isolation": isolation(&plan.isolation),
        "volumes": plan.volumes.iter().map(volume).collect::<Vec<_>>(),
        "inits": plan.inits.iter().map(init).collect::<Vec<_>>(),
        "hooks": plan.hooks.iter().map(hook).collect::<Vec<_>>(),
        "environment": environment,
    })
}

/// Who has the namespace, and which rule is the reason why it is the session's own.
fn sharing(sharing: &Sharing) -> Value {
    match sharing {
        Sharing::User => json!({ "of": "user", "because": null }),
        Sharing::Command => json!({ "of": "command", "because": null }),
        Sharing::Session { because } => json!({
            "of": "session",
            "because": because.as_ref().map(|origin| with_place(json!({}), origin)),
        }),
    }
}

fn root(root: &NewRoot) -> Value {
    let value = json!({
        "path": root.path.as_str(),
        "fstab": root.fstab.as_ref().map(AbsPath::as_str),
        "steps": root.steps.iter().map(step).collect::<Vec<_>>(),
        "optional": root.optional,
    });
    with_place(value, &root.origin)
}

/// What is the session's own; null is the host's.
fn isolation(isolation: &Isolation) -> Value {
    json!({
        "processes": isolation.processes.as_ref().map(|wanted| said(wanted, word_of(wanted.value))),
        "ipc": isolation.ipc.as_ref().map(|wanted| said(wanted, word_of(wanted.value))),
        "hostname": isolation.hostname.as_ref().map(|wanted| said(wanted, &wanted.value)),
        "network": isolation.network.as_ref().map(|wanted| said(wanted, &wanted.value.word())),
    })
}

fn said<T>(wanted: &Wanted<T>, value: &str) -> Value {
    with_place(json!({ "value": value }), &wanted.origin)
}

fn volume(volume: &Volume) -> Value {
    let value = json!({
        "path": volume.path.as_str(),
        "open": helper(&volume.open),
        "close": volume.close.as_ref().map(helper),
        "password": word_of(volume.password),
        "optional": volume.optional,
        "inherit": volume.inherit,
    });
    with_place(value, &volume.origin)
}

fn hook(hook: &Hook) -> Value {
    let value = json!({
        "when": word_of(hook.when),
        "run": helper(&hook.helper),
        "on_failure": word_of(hook.on_failure),
    });
    with_place(value, &hook.origin)
}

fn init(init: &Init) -> Value {
    let value = json!({
        "path": init.path.as_str(),
        "instance": init.instance.as_ref().map(AbsPath::as_str),
        "run": helper(&init.helper),
        "on_failure": word_of(init.on_failure),
    });
    with_place(value, &init.origin)
}

fn helper(helper: &Helper) -> Value {
    json!({
        "argv": helper.argv,
        "as": word_of(helper.run_as),
        "timeout": helper.timeout.as_secs_f64(),
    })
}

fn lifetime(instance: &Instance) -> &'static str {
    match instance.lifetime {
        Lifetime::Kept => "kept",
        Lifetime::Session => "session",
    }
}

fn step(step: &Step) -> Value {
    let mut value = json!({
        "path": step.path.as_str(),
        "options": step.attributes.words(),
        "propagation": step.propagation.map(word_of),
        "create": step.create,
        "optional": step.optional,
        "inherit": step.inherit,
    });
    if let (Some(object), Value::Object(view)) = (value.as_object_mut(), view(&step.view)) {
        object.extend(view);
    }
    with_place(value, &step.origin)
}

fn view(view: &View) -> Value {
    match view {
        View::Instance {
            instance,
            shape: s,
            keep: k,
        } => json!({
            "view": "instance",
            "directory": instance.directory.as_str(),
            "parent": Some(instance.parent).filter(|parent| *parent == Parent::Any).map(word_of),
            "label": instance.labelling.own().map(|label| &label.context),
            "lifetime": lifetime(instance),
            "hook": instance.hook.as_ref().map(|hook| &hook.argv),
            "shape": shape(s),
            "keep": keep(k),
        }),
        View::Memory {
            size,
            inodes,
            shape: s,
            keep: k,
        } => json!({
            "view": "memory",
            "size": size.to_string(),
            "inodes": inodes,
            "shape": shape(s),
            "keep": keep(k),
        }),
        View::Bind { source, recursive } => json!({
            "view": "bind",
            "source": source.as_str(),
            "recursive": recursive,
        }),
        View::Overlay { layer } => json!({
            "view": "overlay",
            "directory": layer.directory.as_str(),
            "lifetime": lifetime(layer),
        }),
        View::FileSystem(system) => json!({
            "view": "file system",
            "type": system.kind,
            "source": match &system.medium {
                Medium::Device(device) => device.as_str(),
                Medium::Named(name) => name,
            },
            "options": system.options.iter().map(|(key, value)| match value {
                Some(value) => format!("{key}={value}"),
                None => key.clone(),
            }).collect::<Vec<_>>(),
        }),
        View::Devices => json!({ "view": "devices" }),
        View::Terminals => json!({ "view": "terminals" }),
        View::NameServers => json!({ "view": "name servers" }),
        View::Nothing { keep: k } => json!({ "view": "nothing", "keep": keep(k) }),
    }
}

/// Mode, owner and group; null is the covered directory's.
fn shape(shape: &Shape) -> Value {
    json!({
        "mode": shape.mode.map(|mode| mode.to_string()),
        "owner": shape.owner,
        "group": shape.group,
    })
}

fn keep(all: &[Names]) -> Vec<String> {
    all.iter().map(Names::to_string).collect()
}

/// `value`, which is an object, with the file and line it comes from.
pub fn with_place(mut value: Value, origin: &Origin) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.insert("file".into(), origin.file.as_ref().into());
        object.insert("line".into(), origin.line.into());
    }
    value
}
