//! fstab(5) as rules: binds, file systems in memory, and the root directory that they are for.

use super::imported::Imported;
use super::input::{self, Input};
use super::policy::{Policy, Table, escaped, refusal, with_help};
use super::remark::Remark;
use super::tmpfs::{HALF, number};
use crate::cli::arguments::ImportFstab;
use crate::error::{Error, Location, Result};
use crate::path::{AbsPath, is_within};
use crate::plan::{FileSystem, Fstab, Step, View};
use crate::policy::value::{Propagation, attribute};
use crate::policy::{Diagnostics, Severity};

/// The file systems that `[[root]]` brings along: the type, the place, and how it differs from what mount(8) would
/// mount there.
const PROVIDED: &[(&str, &str, Option<&str>)] = &[
    ("proc", "/proc", None),
    ("mqueue", "/dev/mqueue", None),
    ("sysfs", "/sys", Some("/sys is read-only")),
    (
        "devpts",
        "/dev/pts",
        Some("/dev/pts is the host's, so that a terminal keeps its name"),
    ),
    (
        "devtmpfs",
        "/dev",
        Some("/dev has the devices that every program needs, and no others"),
    ),
];

/// The places of which `[[root]]` shows what the host has there, as a bind of them would.
const SHOWN: &[&str] = &["/proc", "/dev/pts"];

/// The file systems of `[[root]]` that are empty but for what it puts there: what the root directory has beneath them is
/// not seen.
const EMPTY: &[&str] = &["/dev", "/run"];

/// The keys of `[[tmpfs]]` for what mount(8) calls otherwise.
const MEMORY: &[(&str, &str)] = &[
    ("size", "size"),
    ("mode", "mode"),
    ("uid", "owner"),
    ("gid", "group"),
];

/// Reads the fstab that the arguments name.
///
/// # Errors
///
/// It cannot be read as text, or the root directory is no absolute path.
pub fn run(arguments: &ImportFstab) -> Result<Imported> {
    let root = arguments.root.as_deref().map(root).transpose()?;
    Ok(import(root, &input::read(&arguments.file)?))
}

fn import(root: Option<Table>, input: &Input) -> Imported {
    let mut import = Import {
        root,
        ..Import::default()
    };
    for (location, line) in input.lines() {
        import.line(&location, line);
    }
    import.finish(input)
}

fn root(path: &str) -> Result<Table> {
    let path = AbsPath::new(path).map_err(|reason| Error::new("use", path, reason))?;
    let table = Table::new("[[root]]").text("path", &escaped(path.as_str()));
    match refusal(&[&table]) {
        Some(reason) => Err(Error::new("use", path, reason)),
        None => Ok(table),
    }
}

#[derive(Default)]
struct Import {
    root: Option<Table>,
    entries: Vec<Entry>,
    remarks: Vec<Remark>,
}

/// An entry that a rule stands for.
struct Entry {
    location: Location,
    path: AbsPath,
    /// Whether it shows what `[[root]]` shows there by itself.
    is_shown: bool,
    is_memory: bool,
    rule: Table,
}

impl Import {
    fn line(&mut self, location: &Location, line: &str) {
        let fstab = match Fstab::parse(&location.file, line.as_bytes()) {
            Ok(fstab) => fstab,
            Err(found) if self.is_of_host(line) => {
                return self.report(location, &found, Self::left_out);
            }
            Err(found) => return self.report(location, &found, Self::left_public),
        };
        let is_entry = !line.trim_start().is_empty() && !line.trim_start().starts_with('#');
        self.report(location, &fstab.warnings, Self::left_out);
        match fstab.steps.first() {
            Some(step) => self.step(location, step),
            None if is_entry && fstab.warnings.is_empty() => {
                self.left_out(location, "`noauto` keeps it from being mounted");
            }
            None => {}
        }
    }

    /// Whether a line is of a file system that sessions see, as the host has it mounted.
    fn is_of_host(&self, line: &str) -> bool {
        let mut words = line.split_whitespace().skip(2);
        let (kind, options) = (words.next(), words.next().unwrap_or_default());
        let is_own = |kind| matches!(kind, "none" | "tmpfs");
        let is_bind = options
            .split(',')
            .any(|word| matches!(word, "bind" | "rbind"));
        self.root.is_none() && kind.is_some_and(|kind| !is_own(kind)) && !is_bind
    }

    fn report(
        &mut self,
        location: &Location,
        found: &Diagnostics,
        add: fn(&mut Self, &Location, &str),
    ) {
        for one in &found.list {
            // The help of a warning is that the entry is left out.
            let help = one
                .help
                .as_deref()
                .filter(|_| one.severity == Severity::Error);
            add(self, location, &with_help(&one.message, help));
        }
    }

    fn step(&mut self, location: &Location, step: &Step) {
        let path = escaped(step.path.as_str());
        if self.is_processes(step) {
            return self.note_processes(location, step);
        }
        let rule = match &step.view {
            View::Bind { source, recursive } => Table::new("[[bind]]")
                .text("source", &escaped(source.as_str()))
                .text("path", &path)
                .flag("recursive", *recursive),
            View::FileSystem(system) if system.kind == "tmpfs" => {
                self.memory(location, step, system)
            }
            View::FileSystem(system) => return self.other(location, step, system),
            // An fstab has no rules, and what every root has is not of it.
            View::Instance { .. }
            | View::Memory { .. }
            | View::Overlay { .. }
            | View::Devices
            | View::Terminals
            | View::NameServers
            | View::Nothing { .. } => return,
        };
        self.note_propagation(location, step);
        self.entry(location, step, rule);
    }

    /// Whether a bind shows the host's `/proc` in a root directory, which has it anyway, and where no rule may.
    fn is_processes(&self, step: &Step) -> bool {
        self.root.is_some() && step.path.as_str() == "/proc" && is_shown(step)
    }

    fn note_processes(&mut self, location: &Location, step: &Step) {
        if step.attributes.asks_for(attribute::READ_ONLY) {
            self.different(location, "/proc is not read-only");
        }
        if matches!(
            step.view,
            View::Bind {
                recursive: true,
                ..
            }
        ) {
            self.different(
                location,
                "what the host has mounted below /proc is not there",
            );
        }
    }

    /// A file system in memory.
    fn memory(&mut self, location: &Location, step: &Step, system: &FileSystem) -> Table {
        let path = escaped(step.path.as_str());
        let mut table = Table::new("[[tmpfs]]").text("path", &path);
        if !system.options.iter().any(|(key, _)| key == "size") {
            table = table.text("size", HALF);
        }
        for (key, value) in &system.options {
            let known = MEMORY.iter().find(|(option, _)| option == key);
            let count = (key == "nr_inodes").then(|| value.as_deref().and_then(number));
            table = match (known, value, count.flatten()) {
                (Some((_, key)), Some(value), _) => table.text(key, value),
                (_, _, Some(count)) => table.number("inodes", Some(count)),
                _ => {
                    let message = format!("[[tmpfs]] has nothing for the option {key}");
                    self.different(location, &message);
                    table
                }
            };
        }
        if step.attributes != step.attributes.without_privileges() {
            self.different(
                location,
                "[[tmpfs]] is nosuid and nodev where nothing is said of them",
            );
        }
        table
    }

    /// A file system that no rule mounts.
    fn other(&mut self, location: &Location, step: &Step, system: &FileSystem) {
        let (kind, path) = (&system.kind, step.path.as_str());
        let is_it = |(known, place, _): &&(&str, &str, _)| known == kind && *place == path;
        let provided = PROVIDED.iter().find(is_it).filter(|_| self.root.is_some());
        match provided {
            Some((_, _, None)) => {}
            Some(("sysfs", _, _)) if step.attributes.asks_for(attribute::READ_ONLY) => {}
            Some((_, _, Some(how))) => self.different(location, how),
            None => {
                let what = format!("no rule mounts a file system of type {kind}");
                let else_ = match self.root {
                    Some(_) => "`fstab` in [[root]] does, for all of a file",
                    None => "sessions see what the host has mounted",
                };
                let message = with_help(&what, Some(else_));
                match self.root {
                    Some(_) => self.left_public(location, &message),
                    None => self.left_out(location, &message),
                }
            }
        }
    }

    fn note_propagation(&mut self, location: &Location, step: &Step) {
        if step.propagation == Some(Propagation::Private) {
            let message = "mounts of the host's travel to it as `propagation` in [settings] says";
            self.different(location, message);
        }
    }

    /// Adds the rule, if the language takes it.
    fn entry(&mut self, location: &Location, step: &Step, rule: Table) {
        let rule = rule
            .flag("create", step.create)
            .filled_texts("options", &self.options(step))
            .flag("optional", step.optional)
            .comment(&location.to_string());
        let tables: Vec<&Table> = self.root.iter().chain([&rule]).collect();
        match refusal(&tables) {
            Some(reason) => {
                self.remarks
                    .retain(|remark| remark.location.line != location.line);
                self.left_public(location, &reason);
            }
            None => self.entries.push(Entry {
                location: location.clone(),
                path: step.path.clone(),
                is_shown: is_shown(step),
                is_memory: matches!(step.view, View::FileSystem(_)),
                rule,
            }),
        }
    }

    /// The options of a rule. Devices and terminals work where mount(8) would bind them, whatever the root directory lies
    /// on, which a rule heeds where nothing is said. What else is mounted below `/dev` keeps its own options.
    fn options(&self, step: &Step) -> Vec<String> {
        let words = step.attributes.words().into_iter().map(String::from);
        let mut words: Vec<String> = words.collect();
        let is_said = words
            .iter()
            .any(|word| word.trim_start_matches("no") == "dev");
        if self.root.is_some() && shows_devices(&step.view) && !is_said {
            words.push(String::from("dev"));
        }
        words
    }

    /// The policy: what is mounted over later on is not seen in the end, or is, where rules are in another order.
    fn finish(mut self, input: &Input) -> Imported {
        let mut policy = Policy {
            head: head(&input.file),
            ..Policy::default()
        };
        let mut entries = std::mem::take(&mut self.entries);
        if let Some(root) = self.root.take() {
            policy.head.push(PATHS_IN_ROOT.to_owned());
            policy.rules.push(root);
            entries = fitted(entries);
        }
        let mut entries = entries.into_iter();
        while let Some(entry) = entries.next() {
            let rest = entries.as_slice();
            let same = rest.iter().find(|later| entry.path == later.path);
            let covers = |later: &&Entry| entry.path.is_within(&later.path);
            let later = same.or_else(|| rest.iter().find(covers));
            match later.map(|later| (later.location.line, later.path == entry.path)) {
                Some((line, true)) => {
                    self.left_out(&entry.location, &format!("line {line} mounts over it"));
                    continue;
                }
                Some((line, false)) => {
                    let message = format!("line {line} mounts over it, and here it is seen");
                    self.different(&entry.location, &message);
                }
                None => {}
            }
            policy.rules.push(entry.rule);
        }
        let mut remarks = self.remarks;
        remarks.sort_by_key(|remark| remark.location.line);
        Imported { policy, remarks }
    }

    fn left_out(&mut self, location: &Location, message: &str) {
        self.remarks.push(Remark::left_out(location, message));
    }

    fn left_public(&mut self, location: &Location, message: &str) {
        self.remarks.push(Remark::left_public(location, message));
    }

    fn different(&mut self, location: &Location, message: &str) {
        self.remarks.push(Remark::different(location, message));
    }
}

/// Whether a view shows the host's devices or terminals, and nothing that is mounted below them.
fn shows_devices(view: &View) -> bool {
    matches!(view, View::Bind { source, recursive: false } if ["/dev", "/dev/pts"].contains(&source.as_str()))
}

/// Whether a step is a bind of what `[[root]]` shows there by itself.
fn is_shown(step: &Step) -> bool {
    let path = step.path.as_str();
    let shows = |source: &AbsPath| *source == step.path && SHOWN.contains(&path);
    matches!(&step.view, View::Bind { source, .. } if shows(source))
}

/// The entries as rules beside a `[[root]]`: without what that shows by itself, and with a mount point where it shows
/// something empty.
fn fitted(entries: Vec<Entry>) -> Vec<Entry> {
    let paths: Vec<(AbsPath, bool)> = entries
        .iter()
        .map(|entry| (entry.path.clone(), entry.is_memory))
        .collect();
    let above = |path: &AbsPath| {
        let others = paths.iter().filter(|(other, _)| other != path);
        others
            .filter(|(other, _)| path.is_within(other))
            .max_by_key(|(other, _)| other.as_str().len())
    };
    let fit = |entry: Entry| match above(&entry.path) {
        None if entry.is_shown => None,
        None if is_in_empty(&entry.path) => Some(entry.with_mount_point()),
        Some((_, true)) => Some(entry.with_mount_point()),
        Some((_, false)) | None => Some(entry),
    };
    entries.into_iter().filter_map(fit).collect()
}

/// Whether a path lies beneath what `[[root]]` shows empty.
fn is_in_empty(path: &AbsPath) -> bool {
    let path = path.as_str();
    EMPTY
        .iter()
        .any(|empty| path != *empty && is_within(path, empty))
}

impl Entry {
    /// The entry with a rule that makes its mount point.
    fn with_mount_point(self) -> Self {
        Self {
            rule: self.rule.flag_once("create"),
            ..self
        }
    }
}

/// The line that the head has besides, where there is a root directory.
const PATHS_IN_ROOT: &str = "Paths are in the root directory; sources of binds are the host's.";

fn head(file: &str) -> Vec<String> {
    vec![
        format!("The mounts of {file}, for every session but those that [settings] exempts:"),
        "root's and those of system accounts (uid 1-999), where nothing else is said.".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// A line of words that are right somewhere.
    fn line() -> impl Strategy<Value = String> {
        let source = ["/a", "/{user}", "tmpfs", "LABEL=x", "#", "/a\\040b"];
        let target = [
            "/a", "/a/b", "/", "/var/lib", "/proc", "/sys", "/{", "b", "/a\\012",
        ];
        let kind = ["none", "tmpfs", "proc", "sysfs", "ext4", "nfs", "swap"];
        let options = [
            "bind",
            "rbind,ro",
            "noauto",
            "size=1M",
            "size=0,mode=9",
            "uid=1,gid=x",
            "nr_inodes=1k",
            "bind,nofail,X-mount.mkdir",
            "bind,rprivate,nosymfollow",
            "mode=0700,huge=always",
        ];
        let select = |words: &[&'static str]| prop::sample::select(words.to_vec());
        (
            select(&source),
            select(&target),
            select(&kind),
            select(&options),
        )
            .prop_map(|(source, target, kind, options)| {
                format!("{source} {target} {kind} {options}")
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// With a root directory and without.
        #[test]
        fn what_is_printed_is_always_a_policy(
            lines in prop::collection::vec(line(), 0..12),
            has_root in any::<bool>(),
        ) {
            let table = has_root.then(|| root("/srv/{a}").unwrap());
            let (file, text) = (Arc::from("f\n"), lines.join("\n"));
            let printed = import(table, &Input { file, text }).policy.to_string();
            let found = crate::policy::Policy::parse(&[("p", printed.as_bytes())]);
            prop_assert!(found.is_ok(), "{:?}\n{}", found.err(), printed);
        }
    }

    #[test]
    fn of_two_mounts_at_one_path_the_last_counts_whatever_is_between() {
        let (file, text) = (
            Arc::from("f"),
            String::from("/a /x/b none bind\n/c /x none bind\n/d /x/b none bind\n"),
        );
        let imported = import(None, &Input { file, text });
        let remarks = imported
            .remarks
            .iter()
            .map(|remark| remark.message.as_str());
        assert_eq!(remarks.collect::<Vec<_>>(), ["line 3 mounts over it"]);
        assert_eq!(imported.policy.rules.len(), 2);
    }

    #[test]
    fn numbers_are_the_kernels() {
        for (text, expected) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("10k", Some(10240)),
            ("2M", Some(2 << 20)),
            ("1g", Some(1 << 30)),
            ("", None),
            ("k", None),
            ("1kk", None),
            ("99999999999999999999", None),
            ("17179869184g", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
