//! A plan as text: one line a step.

use super::{
    FileSystem, Helper, Hook, Init, Instance, Ipc, Isolation, Labelling, Lifetime, Network,
    NewRoot, OnFailure,
};
use super::{Medium, Parent, Password, Plan, Processes, RunAs, Shape, Step, View, Volume, Wanted};
use crate::error::{Location, harmless};
use crate::policy::value::Size;
use crate::policy::word_of;
use std::fmt;

/// The columns of a line: what is covered, by what, with which mount attributes, and why.
type Row = [String; 4];

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root.iter().map(root_row);
        let own = self.root.iter().flat_map(|root| &root.steps);
        let steps = own.map(row).chain(self.steps.iter().map(rule_row));
        let volumes = self.volumes.iter().map(volume_row);
        let hooks = self.hooks.iter().map(hook_row);
        let inits = self.inits.iter().map(init_row);
        let variables = self.environment.iter().map(|(name, variable)| {
            let value = format!("is {}", harmless(&variable.value));
            [
                format!("${name}"),
                value,
                String::new(),
                visible_location(&variable.location),
            ]
        });
        let rows: Vec<Row> = root
            .chain(steps)
            .chain(isolation_rows(&self.isolation))
            .chain(volumes)
            .chain(inits)
            .chain(hooks)
            .chain(variables)
            .collect();
        f.write_str(&aligned(&rows))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&aligned(&[row(self)]))
    }
}

fn root_row(root: &NewRoot) -> Row {
    let fstab = root
        .fstab
        .as_ref()
        .map(|fstab| format!("with the file systems of {fstab}"));
    let optional = root.optional.then(|| "optional".to_owned());
    let words: Vec<String> = std::iter::once(format!("the root directory is {}", root.path))
        .chain(fstab)
        .chain(optional)
        .collect();
    [
        "/".to_owned(),
        harmless(&words.join(", ")),
        String::new(),
        visible_location(&root.location),
    ]
}

fn isolation_rows(isolation: &Isolation) -> Vec<Row> {
    let Isolation {
        processes,
        ipc,
        hostname,
        network,
    } = isolation;
    let rows = [
        wanted_row(
            "processes",
            processes.as_ref(),
            |processes| match processes {
                Processes::Own => "its own, which end with it".to_owned(),
                Processes::Hidden => "those of other users are hidden".to_owned(),
                Processes::Shared => "the host's".to_owned(),
            },
        ),
        wanted_row("ipc", ipc.as_ref(), |ipc| match ipc {
            Ipc::Own => "its own".to_owned(),
            Ipc::Shared => "the host's".to_owned(),
        }),
        wanted_row("hostname", hostname.as_ref(), |name| {
            format!("is {}", harmless(name))
        }),
        wanted_row("network", network.as_ref(), |network| match network {
            Network::None => "none but the loopback".to_owned(),
            Network::Named(name) => format!("that of {}", harmless(name)),
            Network::Shared => "the host's".to_owned(),
        }),
    ];
    rows.into_iter().flatten().collect()
}

fn wanted_row<T>(
    subject: &str,
    wanted: Option<&Wanted<T>>,
    words: impl Fn(&T) -> String,
) -> Option<Row> {
    wanted.map(|wanted| {
        [
            subject.to_owned(),
            words(&wanted.value),
            String::new(),
            visible_location(&wanted.location),
        ]
    })
}

fn volume_row(volume: &Volume) -> Row {
    let password = match volume.password {
        Password::Login => Some("with the login password".to_owned()),
        Password::None => None,
    };
    let close = volume
        .close
        .as_ref()
        .map(|close| format!("closed by {}", helper(close)));
    let optional = volume.optional.then(|| "optional".to_owned());
    let words: Vec<String> = std::iter::once(format!("volume opened by {}", helper(&volume.open)))
        .chain(password)
        .chain(close)
        .chain(optional)
        .chain(inheritance(false, volume.inherit))
        .collect();
    [
        harmless(volume.path.as_str()),
        words.join(", "),
        String::new(),
        visible_location(&volume.location),
    ]
}

fn init_row(init: &Init) -> Row {
    let (program, failure) = (helper(&init.helper), failure(init.on_failure));
    let path = harmless(init.path.as_str());
    [
        "init".to_owned(),
        format!("prepares {path} at every login by {program}, {failure}"),
        String::new(),
        visible_location(&init.location),
    ]
}

fn failure(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Deny => "denies the login if it fails",
        OnFailure::Warn => "warns if it fails",
    }
}

fn hook_row(hook: &Hook) -> Row {
    let failure = failure(hook.on_failure);
    [
        format!("hook {}", word_of(hook.when)),
        format!("runs {}, {failure}", helper(&hook.helper)),
        String::new(),
        visible_location(&hook.location),
    ]
}

fn helper(helper: &Helper) -> String {
    let run_as = match helper.run_as {
        RunAs::User => "the user",
        RunAs::Root => "root",
    };
    let command = harmless(&helper.argv.join(" "));
    let timeout = helper.timeout.as_secs_f64();
    format!("{command} as {run_as} within {timeout} s")
}

fn row(step: &Step) -> Row {
    let mut words = vec![step.view.to_string()];
    if let Some(propagation) = step.propagation {
        words.push(word_of(propagation).to_owned());
    }
    if step.create {
        words.push("created if missing".to_owned());
    }
    if step.optional {
        words.push("optional".to_owned());
    }
    [
        harmless(step.path.as_str()),
        words.join(", "),
        step.attributes.words().join(","),
        visible_location(&step.location),
    ]
}

/// The line of a rule's step. What a new root directory has of itself is for no command of the user's.
fn rule_row(step: &Step) -> Row {
    let [path, words, attributes, location] = row(step);
    let inheritance = inheritance(step.view.is_scratch(), step.inherit);
    let words: Vec<String> = std::iter::once(words).chain(inheritance).collect();
    [path, words.join(", "), attributes, location]
}

/// Whether commands that the user runs as somebody else find something too, where that is not as usual.
fn inheritance(is_scratch: bool, inherit: bool) -> Option<String> {
    match (is_scratch, inherit) {
        (true, true) | (false, false) => None,
        (true, false) => Some("not for the user's commands as others".to_owned()),
        (false, true) => Some("for the user's commands as others too".to_owned()),
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Instance {
                instance,
                shape,
                keep,
            } => [vec![instance.to_string()], shape.words(), kept(keep)].concat(),
            Self::Memory {
                size,
                inodes,
                shape,
                keep,
            } => {
                let inodes = inodes.map(|inodes| format!("{inodes} files"));
                let size = format!("memory of {}", short(*size));
                let bounds = std::iter::once(size).chain(inodes).collect();
                [bounds, shape.words(), kept(keep)].concat()
            }
            Self::Bind { source, recursive } => {
                let whole = recursive.then(|| "with all beneath it".to_owned());
                let source = format!("bind of {}", harmless(source.as_str()));
                std::iter::once(source).chain(whole).collect()
            }
            Self::Overlay { layer } => {
                let place = harmless(layer.directory.as_str());
                let end = match layer.lifetime {
                    Lifetime::Kept => "",
                    Lifetime::Session => " for the session",
                };
                vec![
                    "what it shows".to_owned(),
                    format!("written to {place}{end}"),
                ]
            }
            Self::FileSystem(system) => vec![system.to_string()],
            Self::Devices => vec!["the devices that every program expects".to_owned()],
            Self::Terminals => vec!["the host's terminals".to_owned()],
            Self::NameServers => vec!["the host's name servers, where it has none".to_owned()],
            Self::Nothing { keep } => [vec!["nothing".to_owned()], kept(keep)].concat(),
        };
        f.write_str(&words.join(", "))
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file system of type {}", harmless(&self.kind))?;
        if let Medium::Device(device) = &self.medium {
            write!(f, " on {}", harmless(device.as_str()))?;
        }
        for (key, value) in &self.options {
            let value = value.iter().map(|value| format!("={}", harmless(value)));
            write!(f, ", {}{}", harmless(key), value.collect::<String>())?;
        }
        Ok(())
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "private {}", harmless(self.directory.as_str()))?;
        match self.lifetime {
            Lifetime::Kept => {}
            Lifetime::Session => f.write_str(" for the session")?,
        }
        match &self.labelling {
            Labelling::Covered => {}
            Labelling::Lacking => f.write_str(" by user, without SELinux")?,
            Labelling::Own(label) => write!(f, " labelled {}", harmless(&label.context))?,
        }
        match self.parent {
            Parent::Closed => {}
            Parent::Any => f.write_str(" in a parent of any mode")?,
        }
        match &self.hook {
            Some(hook) => write!(f, ", {} when it is created", harmless(&hook.argv.join(" "))),
            None => Ok(()),
        }
    }
}

/// A size with the largest unit that divides it.
fn short(size: Size) -> String {
    let Size::Bytes(bytes) = size else {
        return size.to_string();
    };
    let units = [("T", 40_u32), ("G", 30), ("M", 20), ("K", 10)];
    let divides = |(_, power): &&(&str, u32)| bytes.trailing_zeros() >= *power;
    match units.iter().find(divides) {
        Some((unit, power)) => format!("{}{unit}", bytes.checked_shr(*power).unwrap_or(0)),
        None => bytes.to_string(),
    }
}

impl Shape {
    fn words(&self) -> Vec<String> {
        let mode = self.mode.map(|mode| format!("mode {mode}"));
        let owner = self.owner.map(|owner| format!("owner {owner}"));
        let group = self.group.map(|group| format!("group {group}"));
        [mode, owner, group].into_iter().flatten().collect()
    }
}

fn kept(keep: &[impl ToString]) -> Vec<String> {
    let names: Vec<String> = keep
        .iter()
        .map(|names| harmless(&names.to_string()))
        .collect();
    let any = !names.is_empty();
    any.then(|| format!("keeps {}", names.join(" ")))
        .into_iter()
        .collect()
}

fn visible_location(location: &Location) -> String {
    harmless(&location.to_string())
}

fn aligned(rows: &[Row]) -> String {
    let mut widths = [0_usize; 4];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lines = rows.iter().map(|row| line(row, &widths));
    lines.collect::<Vec<_>>().join("\n")
}

fn line(row: &Row, widths: &[usize; 4]) -> String {
    let cells = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
