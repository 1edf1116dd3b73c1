//! The settings of systemd's units, and of its daemons, that are in force (systemd.unit(5), systemd.exec(5)).

use super::tree::Tree;
use crate::error::Location;

/// The directories where units are looked for: a file in an earlier directory hides one of its name in a later one.
pub const UNIT_DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// One `Key=value` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The text before the `=`.
    pub key: String,
    /// The text behind the `=`; of a list that several lines make, all of it.
    pub value: String,
    /// The last line that says it.
    pub location: Location,
}

/// The directories where systemd looks for the configuration of its own daemons.
const CONFIGURATIONS: [&str; 4] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
];

/// Whether systemd is the first process.
pub fn is_systemd_running(tree: &Tree) -> bool {
    tree.exists("/run/systemd/system") // sd_booted(3)
}

/// Whether a value is what the setting is without it.
pub fn is_off(value: &str) -> bool {
    matches!(value, "" | "no" | "false" | "off" | "0" | "default" | "all")
}

/// Finds the line that configures logind to end what is left of a session, if there is one (logind.conf(5)).
pub fn kill_user_processes(tree: &Tree) -> Option<Location> {
    let settings = settings(tree, &CONFIGURATIONS, "logind.conf");
    let mut kills = settings
        .into_iter()
        .filter(|setting| setting.key == "KillUserProcesses");
    kills
        .find(|setting| !is_off(&setting.value))
        .map(|setting| setting.location)
}

/// The settings of a unit that are in force; nothing where there is no such unit.
pub fn unit_settings(tree: &Tree, unit: &str) -> Option<Vec<Setting>> {
    own_file(tree, &UNIT_DIRECTORIES, unit)?;
    Some(settings(tree, &UNIT_DIRECTORIES, unit))
}

/// The settings of a unit, or of a daemon, that are in force: the last of each key, drop-ins after its own file.
fn settings(tree: &Tree, directories: &[&str], name: &str) -> Vec<Setting> {
    let mut last: Vec<Setting> = Vec::new();
    let files = files(tree, directories, name);
    for mut setting in files.iter().flat_map(|file| read(tree, file)) {
        let earlier = last.iter().position(|earlier| earlier.key == setting.key);
        if let Some(earlier) = earlier.map(|at| last.remove(at)) {
            setting.value = merged(&setting.key, &earlier.value, setting.value);
        }
        last.push(setting);
    }
    last
}

/// Lists of the same kind grow; anything else, and the empty list, takes the place of what was there.
fn merged(key: &str, earlier: &str, later: String) -> String {
    let is_list = |value: &str| !matches!(value, "" | "yes" | "no" | "true" | "false");
    let grows = matches!(
        key,
        "RestrictNamespaces" | "CapabilityBoundingSet" | "SystemCallFilter"
    );
    let alike = earlier.starts_with('~') == later.starts_with('~');
    if grows && alike && is_list(earlier) && is_list(&later) {
        format!("{earlier} {}", later.trim_start_matches('~'))
    } else {
        later
    }
}

fn own_file(tree: &Tree, directories: &[&str], name: &str) -> Option<String> {
    let within = directories.iter();
    let mut own = within.map(|directory| format!("{directory}/{name}"));
    own.find(|path| tree.exists(path))
}

fn files(tree: &Tree, directories: &[&str], name: &str) -> Vec<String> {
    let mut drop_ins: Vec<(String, String)> = Vec::new();
    for directory in directories {
        let directory = format!("{directory}/{name}.d");
        for name in tree.list(&directory) {
            let hidden = drop_ins.iter().any(|(earlier, _)| *earlier == name);
            if name.ends_with(".conf") && !hidden {
                drop_ins.push((name.clone(), format!("{directory}/{name}")));
            }
        }
    }
    drop_ins.sort();
    let rest = drop_ins.into_iter().map(|(_, path)| path);
    let own = own_file(tree, directories, name);
    own.into_iter().chain(rest).collect()
}

fn read(tree: &Tree, file: &str) -> Vec<Setting> {
    let text = tree.read(file).unwrap_or_default();
    let lines = (1..).zip(text.lines());
    let stated = lines.filter(|(_, line)| !line.trim_start().starts_with(['#', ';']));
    stated
        .filter_map(|(number, line)| {
            let (key, value) = line.split_once('=')?;
            Some(Setting {
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
                location: Location::new(file, number),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_grow() {
        let table = [
            (
                "CapabilityBoundingSet",
                "CAP_CHOWN",
                "CAP_KILL",
                "CAP_CHOWN CAP_KILL",
            ),
            ("CapabilityBoundingSet", "CAP_CHOWN", "", ""),
            ("SystemCallFilter", "~@swap", "~@mount", "~@swap @mount"),
            ("SystemCallFilter", "@system-service", "~@mount", "~@mount"),
            ("PrivateTmp", "yes", "no", "no"),
            ("RestrictNamespaces", "yes", "no", "no"),
            ("RestrictNamespaces", "net", "mnt", "net mnt"),
        ];
        for (key, earlier, later, expected) in table {
            assert_eq!(
                merged(key, earlier, later.to_owned()),
                expected,
                "{key} {earlier} {later}"
            );
        }
    }
}
