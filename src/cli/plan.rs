//! A plan, as an administrator and as a program reads it.

use crate::error::Location;
use crate::error::harmless;
use crate::path::AbsPath;
use crate::plan::{
    FileSystem, Helper, Hook, Init, Instance, Isolation, Lifetime, Medium, NewRoot, Parent, Plan,
    Shape, Sharing, Step, Variable, View, Volume, Wanted,
};
use crate::policy::value::{Names, Propagation};
use crate::policy::word_of;
use serde_json::{Map, Value, json};

/// The steps of a plan, a line each.
pub fn steps(plan: &Plan) -> String {
    let shown = plan.to_string();
    let lines = shown.lines().map(|step| harmless(step) + "\n");
    lines.collect()
}

/// A plan as JSON. It is taken apart by name, as is all that it is made of: what is added to a plan has to be placed here.
pub fn value(plan: &Plan) -> Value {
    let Plan {
        propagation,
        store,
        root: new_root,
        steps,
        isolation: own,
        volumes,
        hooks,
        inits,
        sharing: namespace,
        environment,
    } = plan;
    json!({
        "propagation": match propagation {
            Propagation::Slave => "slave",
            Propagation::Private => "private",
        },
        "store": store.as_str(),
        "namespace": sharing(namespace),
        "digest": plan.digest(),
        "root": new_root.as_ref().map(root),
        "steps": all(steps, step),
        "isolation": isolation(own),
        "volumes": all(volumes, volume),
        "inits": all(inits, init),
        "hooks": all(hooks, hook),
        "environment": environment.iter().map(variable).collect::<Map<_, _>>(),
    })
}

fn all<T>(list: &[T], value: impl Fn(&T) -> Value) -> Vec<Value> {
    list.iter().map(value).collect()
}

fn variable((name, variable): (&String, &Variable)) -> (String, Value) {
    let Variable { value, location } = variable;
    (
        name.clone(),
        with_place(json!({ "value": value }), location),
    )
}

/// Returns who has the namespace, and which rule is the reason why it is the session's own.
fn sharing(sharing: &Sharing) -> Value {
    match sharing {
        Sharing::User => json!({ "of": "user", "because": null }),
        Sharing::Command => json!({ "of": "command", "because": null }),
        Sharing::Session { because } => json!({
            "of": "session",
            "because": because.as_ref().map(|location| with_place(json!({}), location)),
        }),
    }
}

fn root(root: &NewRoot) -> Value {
    let NewRoot {
        path,
        fstab,
        has_fstab_steps: _,
        steps,
        optional,
        location,
    } = root;
    let value = json!({
        "path": path.as_str(),
        "fstab": fstab.as_ref().map(AbsPath::as_str),
        "steps": all(steps, step),
        "optional": optional,
    });
    with_place(value, location)
}

/// Returns what is the session's own; null is the host's.
fn isolation(isolation: &Isolation) -> Value {
    let Isolation {
        processes,
        ipc,
        hostname,
        network,
    } = isolation;
    json!({
        "processes": processes.as_ref().map(|wanted| said(wanted, word_of(wanted.value))),
        "ipc": ipc.as_ref().map(|wanted| said(wanted, word_of(wanted.value))),
        "hostname": hostname.as_ref().map(|wanted| said(wanted, &wanted.value)),
        "network": network.as_ref().map(|wanted| said(wanted, &wanted.value.word())),
    })
}

fn said<T>(wanted: &Wanted<T>, value: &str) -> Value {
    with_place(json!({ "value": value }), &wanted.location)
}

fn volume(volume: &Volume) -> Value {
    let Volume {
        path,
        open,
        close,
        password,
        optional,
        inherit,
        location,
    } = volume;
    let value = json!({
        "path": path.as_str(),
        "open": helper(open),
        "close": close.as_ref().map(helper),
        "password": word_of(*password),
        "optional": optional,
        "inherit": inherit,
    });
    with_place(value, location)
}

fn hook(hook: &Hook) -> Value {
    let Hook {
        when,
        helper: program,
        on_failure,
        location,
    } = hook;
    let value = json!({
        "when": word_of(*when),
        "run": helper(program),
        "on_failure": word_of(*on_failure),
    });
    with_place(value, location)
}

fn init(init: &Init) -> Value {
    let Init {
        path,
        instance,
        helper: program,
        on_failure,
        location,
    } = init;
    let value = json!({
        "path": path.as_str(),
        "instance": instance.as_ref().map(AbsPath::as_str),
        "run": helper(program),
        "on_failure": word_of(*on_failure),
    });
    with_place(value, location)
}

fn helper(helper: &Helper) -> Value {
    let Helper {
        argv,
        run_as,
        timeout,
    } = helper;
    json!({
        "argv": argv,
        "as": word_of(*run_as),
        "timeout": timeout.as_secs_f64(),
    })
}

fn lifetime(lifetime: Lifetime) -> &'static str {
    match lifetime {
        Lifetime::Kept => "kept",
        Lifetime::Session => "session",
    }
}

fn step(step: &Step) -> Value {
    let Step {
        path,
        view: shown,
        attributes,
        propagation,
        create,
        optional,
        inherit,
        location,
    } = step;
    let mut value = json!({
        "path": path.as_str(),
        "options": attributes.words(),
        "propagation": propagation.map(word_of),
        "create": create,
        "optional": optional,
        "inherit": inherit,
    });
    if let (Some(object), Value::Object(view)) = (value.as_object_mut(), view(shown)) {
        object.extend(view);
    }
    with_place(value, location)
}

fn view(view: &View) -> Value {
    match view {
        View::Instance {
            instance:
                Instance {
                    directory,
                    labelling,
                    parent,
                    lifetime: duration,
                    hook,
                },
            shape: s,
            keep: k,
        } => json!({
            "view": "instance",
            "directory": directory.as_str(),
            "parent": Some(*parent).filter(|parent| *parent == Parent::Any).map(word_of),
            "label": labelling.own().map(|label| &label.context),
            "lifetime": lifetime(*duration),
            "hook": hook.as_ref().map(|hook| &hook.argv),
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
            "lifetime": lifetime(layer.lifetime),
        }),
        View::FileSystem(system) => file_system(system),
        View::Devices => json!({ "view": "devices" }),
        View::Terminals => json!({ "view": "terminals" }),
        View::NameServers => json!({ "view": "name servers" }),
        View::Nothing { keep: k } => json!({ "view": "nothing", "keep": keep(k) }),
    }
}

fn file_system(system: &FileSystem) -> Value {
    let FileSystem {
        kind,
        medium,
        options,
    } = system;
    let option = |(key, value): &(String, Option<String>)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.clone(),
    };
    json!({
        "view": "file system",
        "type": kind,
        "source": match medium {
            Medium::Device(device) => device.as_str(),
            Medium::Named(name) => name,
        },
        "options": options.iter().map(option).collect::<Vec<_>>(),
    })
}

/// Mode, owner and group; null is the covered directory's.
fn shape(shape: &Shape) -> Value {
    let Shape { mode, owner, group } = shape;
    json!({
        "mode": mode.map(|mode| mode.to_string()),
        "owner": owner,
        "group": group,
    })
}

fn keep(names: &[Names]) -> Vec<String> {
    names.iter().map(Names::to_string).collect()
}

/// `value`, which is an object, with the file and line it comes from.
pub fn with_place(mut value: Value, location: &Location) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.insert("file".into(), location.file.as_ref().into());
        object.insert("line".into(), location.line.into());
    }
    value
}
