//! From the options to the rules that they stand for: the same that a policy file would hold, with the option
//! in place of a file and a line.

use super::text::{UsageError, bound_path, host_path, inside_path, split, usage_error};
use super::volume;
use crate::cli::arguments::{self, Run};
use crate::error::Location;
use crate::policy::rule::{
    Bind, Env, Hide, Ipc, Isolate, Medium, Overlay, Ownership, Per, Private, Processes, Root, Tmpfs,
};
use crate::policy::template::{HostnameTemplate, Template};
use crate::policy::value::{Attributes, Mode, Size, VariableName};
use crate::policy::{Kind, Rule, Selectors, word};
use std::collections::{BTreeMap, BTreeSet};

/// The words of `--bind` for whether it shows what is mounted beneath its source, as of systemd-nspawn(1).
const RECURSIVE: [(&str, bool); 2] = [("rbind", true), ("norbind", false)];

/// The rules of all options.
///
/// # Errors
///
/// An option is not what it should be.
pub fn rules(run: &Run) -> Result<Vec<Rule>, UsageError> {
    let view = &run.view;
    let mut rules = Vec::new();
    add(&mut rules, "--root", view.root.as_ref(), |dir| {
        root(dir, view.fstab.as_deref())
    })?;
    add(&mut rules, "--private", &view.private, private)?;
    add(&mut rules, "--tmpfs", &view.tmpfs, tmpfs)?;
    add(&mut rules, "--bind", &view.bind, bind)?;
    add(&mut rules, "--hide", &view.hide, hide)?;
    add(&mut rules, "--overlay", &view.overlay, overlay)?;
    add(&mut rules, "--volume", &view.volume, volume::rule)?;
    distinct_paths(&rules)?;
    rules.extend(isolation(run)?);
    add(&mut rules, "--env", &run.identity.env, env)?;
    Ok(rules)
}

fn add<'a>(
    rules: &mut Vec<Rule>,
    option: &'static str,
    values: impl IntoIterator<Item = &'a String>,
    read: impl Fn(&str) -> Result<Kind, String>,
) -> Result<(), UsageError> {
    for value in values {
        let kind = read(value).map_err(|reason| usage_error(option, value, reason))?;
        rules.push(rule(option, kind));
    }
    Ok(())
}

fn rule(option: &str, kind: Kind) -> Rule {
    Rule {
        location: Location::new(option, 0),
        selectors: Selectors::default(),
        optional: false,
        inherit: None,
        kind,
    }
}

/// Of two options for one path the first would have no effect.
fn distinct_paths(rules: &[Rule]) -> Result<(), UsageError> {
    let mut seen = BTreeSet::new();
    for rule in rules {
        let is_root = matches!(rule.kind, Kind::Root(_));
        if let Some(path) = rule.kind.path().filter(|_| !is_root)
            && !seen.insert(path.to_string())
        {
            let reason = "another option is for the same path; leave one of them out".to_owned();
            return Err(usage_error(&rule.location.file, &path.to_string(), reason));
        }
    }
    Ok(())
}

fn private(text: &str) -> Result<Kind, String> {
    Ok(Kind::Private(Private {
        path: inside_path(text)?,
        per: Per::User,
        medium: Medium::Disk { store: None },
        ownership: Ownership::default(),
        create: false,
        keep: Vec::new(),
        hook: None,
        init: None,
        options: Attributes::default(),
    }))
}

fn tmpfs(text: &str) -> Result<Kind, String> {
    const FORM: &str = "it is written PATH[:SIZE], such as /tmp:512M";
    let (path, size) = match split(text).as_slice() {
        [path] => (inside_path(path)?, Size::default()),
        [path, size] => (inside_path(path)?, word(size)?),
        _ => return Err(FORM.to_owned()),
    };
    let ownership = Ownership {
        mode: Some(Mode::STICKY),
        ..Ownership::default()
    };
    Ok(Kind::Tmpfs(Tmpfs {
        path,
        size,
        inodes: None,
        ownership,
        create: false,
        keep: Vec::new(),
        init: None,
        options: Attributes::default(),
    }))
}

fn bind(text: &str) -> Result<Kind, String> {
    const FORM: &str =
        "it is written SRC:DST[:OPTIONS], such as /opt/lib:/usr/lib or /etc/a:/etc/b:ro,nosuid";
    let parts = split(text);
    let (source, path, options) = match parts.as_slice() {
        [source, path] => (source, path, ""),
        [source, path, options] => (source, path, options.as_str()),
        _ => return Err(FORM.to_owned()),
    };
    let words = options.split(',').filter(|word| !word.is_empty());
    let (about_depth, attributes): (Vec<&str>, Vec<&str>) =
        words.partition(|word| RECURSIVE.iter().any(|(known, _)| known == word));
    let said = RECURSIVE
        .iter()
        .find(|(known, _)| about_depth.last() == Some(known));
    Ok(Kind::Bind(Bind {
        source: host_path(source)?,
        path: bound_path(path)?,
        recursive: said.is_none_or(|(_, recursive)| *recursive),
        create: false,
        options: Attributes::of_words(attributes)?,
    }))
}

fn hide(text: &str) -> Result<Kind, String> {
    Ok(Kind::Hide(Hide {
        path: inside_path(text)?,
        keep: Vec::new(),
        options: Attributes::default(),
    }))
}

fn overlay(text: &str) -> Result<Kind, String> {
    Ok(Kind::Overlay(Overlay {
        path: inside_path(text)?,
        per: Per::User,
        store: None,
        options: Attributes::default(),
    }))
}

fn root(directory: &str, fstab: Option<&str>) -> Result<Kind, String> {
    let fstab = fstab.map(host_path).transpose();
    Ok(Kind::Root(Root {
        path: host_path(directory)?,
        fstab: fstab.map_err(|reason| format!("--fstab: {reason}"))?,
    }))
}

fn env(text: &str) -> Result<Kind, String> {
    const FORM: &str = "it is written NAME=VALUE";
    let (name, value) = text.split_once('=').ok_or(FORM)?;
    let VariableName(name) = word(name)?;
    let set = BTreeMap::from([(name, Template::plain(value))]);
    Ok(Kind::Env(Env { set }))
}

/// Each key is a rule of its own, so that each has its own option to name.
fn isolation(run: &Run) -> Result<Vec<Rule>, UsageError> {
    let arguments::Isolation {
        processes,
        ipc,
        hostname,
        network,
        ..
    } = &run.isolation;
    let mut rules = Vec::new();
    if run.view.root.is_some() {
        let implied = Isolate {
            processes: Some(Processes::Own),
            ipc: Some(Ipc::Own),
            ..Isolate::default()
        };
        rules.push(rule("--root", Kind::Isolate(implied)));
    }
    add(&mut rules, "--processes", processes, |text| {
        let processes = Some(word(text)?);
        Ok(isolate(|rule| rule.processes = processes))
    })?;
    add(&mut rules, "--ipc", ipc, |text| {
        let ipc = Some(word(text)?);
        Ok(isolate(|rule| rule.ipc = ipc))
    })?;
    add(&mut rules, "--hostname", hostname, |text| {
        let name = Some(HostnameTemplate::plain(text)?);
        Ok(isolate(|rule| rule.hostname = name))
    })?;
    add(&mut rules, "--network", network, |text| {
        let network = Some(word(text)?);
        Ok(isolate(|rule| rule.network = network))
    })?;
    Ok(rules)
}

fn isolate(say: impl FnOnce(&mut Isolate)) -> Kind {
    let mut rule = Isolate::default();
    say(&mut rule);
    Kind::Isolate(rule)
}
