//! Findings about the systemd units of daemons that open sessions: a sandbox around the daemon is a sandbox
//! around what the module does in it (systemd.exec(5)).

use super::finding::{Area, Finding, Level, place};
use super::tree::Tree;
use crate::error::Origin;

/// Units whose processes open PAM sessions.
const UNITS: [&str; 13] = [
    "ssh",
    "sshd",
    "ssh@",
    "sshd@",
    "cron",
    "crond",
    "atd",
    "vsftpd",
    "proftpd",
    "gdm",
    "lightdm",
    "sddm",
    "xrdp-sesman",
];

/// Settings that give a unit a mount namespace of its own, besides those that are worse.
const SEPARATE: [&str; 22] = [
    "BindPaths",
    "BindReadOnlyPaths",
    "ExecPaths",
    "InaccessiblePaths",
    "LogNamespace",
    "MountAPIVFS",
    "NoExecPaths",
    "PrivateDevices",
    "PrivateIPC",
    "PrivateMounts",
    "PrivateNetwork",
    "ProcSubset",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "TemporaryFileSystem",
];

/// Where units are looked for: a file in an earlier directory hides one of its name in a later one.
pub const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// One `Key=value` line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    key: String,
    value: String,
    origin: Origin,
}

/// Where systemd looks for what its own daemons are told.
const CONFIGURATIONS: [&str; 4] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
];

/// What the sandboxes of a system's daemons mean for their sessions.
pub fn findings(tree: &Tree) -> Vec<Finding> {
    let judge = |unit: &&str| {
        let name = format!("{unit}.service");
        own_file(tree, &DIRECTORIES, &name)?;
        Some(of_unit(unit, &settings(tree, &DIRECTORIES, &name)))
    };
    UNITS.iter().filter_map(judge).flatten().collect()
}

/// Whether systemd is the first process.
pub fn is_systemd_running(tree: &Tree) -> bool {
    tree.exists("/run/systemd/system") // sd_booted(3)
}

fn of_unit(unit: &str, settings: &[Setting]) -> Vec<Finding> {
    let found = settings.iter().filter_map(|setting| {
        let effect = effect(&setting.key, &setting.value)?;
        let summary = format!(
            "{unit}.service: {}={} {}",
            setting.key,
            setting.value,
            effect.text()
        );
        let finding = match effect.level() {
            Level::Problem => Finding::problem(Area::Units, summary),
            Level::Warning => Finding::warning(Area::Units, summary),
            Level::Note | Level::Ok => Finding::note(Area::Units, summary),
        };
        let advice = format!("systemctl edit {unit}.service, and take the setting back");
        Some(finding.at(&setting.origin).advise(advice))
    });
    found.collect()
}

/// What a setting does to sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    NoNamespaces,
    NoCapability,
    NoMounting,
    NoOpening,
    OtherTmp,
    ReadOnlyStore,
    Apart,
}

impl Effect {
    fn text(self) -> &'static str {
        match self {
            Self::NoNamespaces => "forbids mount namespaces",
            Self::NoCapability => "takes CAP_SYS_ADMIN away",
            Self::NoMounting => "forbids mounting",
            Self::NoOpening => "takes openat2(2) away, by which the module opens every path",
            Self::OtherTmp => "shows exempt users the unit's /tmp, not the host's",
            Self::ReadOnlyStore => "makes the store read-only for new instances",
            Self::Apart => "keeps its sessions in namespaces apart from other services' sessions",
        }
    }

    fn level(self) -> Level {
        match self {
            Self::NoNamespaces | Self::NoCapability | Self::NoMounting | Self::NoOpening => {
                Level::Problem
            }
            Self::OtherTmp | Self::ReadOnlyStore => Level::Warning,
            Self::Apart => Level::Note,
        }
    }
}

fn effect(key: &str, value: &str) -> Option<Effect> {
    let on = matches!(value, "yes" | "true" | "on" | "1");
    let (inverted, list) = match value.strip_prefix('~') {
        Some(list) => (true, list),
        None => (false, value),
    };
    let names = |wanted: &str| list.split_whitespace().any(|word| word == wanted);
    match key {
        "RestrictNamespaces" if value.is_empty() || value == "no" || value == "false" => None,
        "RestrictNamespaces" => (on || names("mnt") == inverted).then_some(Effect::NoNamespaces),
        "CapabilityBoundingSet" => {
            (names("CAP_SYS_ADMIN") == inverted).then_some(Effect::NoCapability)
        }
        "SystemCallFilter" => (inverted && names("@mount")).then_some(Effect::NoMounting),
        "RestrictSUIDSGID" => on.then_some(Effect::NoOpening),
        "PrivateTmp" => (on || value == "disconnected").then_some(Effect::OtherTmp),
        "ProtectSystem" if value == "strict" => Some(Effect::ReadOnlyStore),
        _ => (SEPARATE.contains(&key) && !is_off(value)).then_some(Effect::Apart),
    }
}

/// Whether a value is what the setting is without it.
fn is_off(value: &str) -> bool {
    matches!(value, "" | "no" | "false" | "off" | "0" | "default" | "all")
}

/// Where logind is told to end what is left of a session, if it is (logind.conf(5)).
pub fn kill_user_processes(tree: &Tree) -> Option<Origin> {
    let settings = settings(tree, &CONFIGURATIONS, "logind.conf");
    let mut kills = settings
        .into_iter()
        .filter(|setting| setting.key == "KillUserProcesses");
    kills
        .find(|setting| !is_off(&setting.value))
        .map(|setting| setting.origin)
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
                origin: place(file, number),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects() {
        let table = [
            ("RestrictNamespaces", "yes", Some(Effect::NoNamespaces)),
            ("RestrictNamespaces", "no", None),
            ("RestrictNamespaces", "mnt net", None),
            ("RestrictNamespaces", "net", Some(Effect::NoNamespaces)),
            ("RestrictNamespaces", "~user", None),
            ("RestrictNamespaces", "~mnt", Some(Effect::NoNamespaces)),
            (
                "CapabilityBoundingSet",
                "CAP_CHOWN",
                Some(Effect::NoCapability),
            ),
            ("CapabilityBoundingSet", "CAP_CHOWN CAP_SYS_ADMIN", None),
            (
                "CapabilityBoundingSet",
                "~CAP_SYS_ADMIN",
                Some(Effect::NoCapability),
            ),
            ("CapabilityBoundingSet", "~CAP_CHOWN", None),
            ("SystemCallFilter", "~@mount", Some(Effect::NoMounting)),
            ("SystemCallFilter", "~@swap", None),
            ("RestrictSUIDSGID", "yes", Some(Effect::NoOpening)),
            ("RestrictSUIDSGID", "no", None),
            ("PrivateTmp", "true", Some(Effect::OtherTmp)),
            ("PrivateTmp", "false", None),
            ("ProtectSystem", "strict", Some(Effect::ReadOnlyStore)),
            ("ProtectSystem", "full", Some(Effect::Apart)),
            ("ProtectSystem", "no", None),
            ("ProtectHome", "read-only", Some(Effect::Apart)),
            ("ProtectProc", "default", None),
            ("ReadOnlyPaths", "/etc", Some(Effect::Apart)),
            ("ReadOnlyPaths", "", None),
            ("ProtectHostname", "yes", None),
            ("ExecStart", "/usr/sbin/sshd", None),
        ];
        for (key, value, expected) in table {
            assert_eq!(effect(key, value), expected, "{key}={value}");
        }
    }

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

    #[test]
    fn drop_ins_come_after_the_unit_and_etc_before_usr() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "usr/lib/systemd/system/ssh.service",
            "[Service]\nPrivateTmp=yes\nRestrictNamespaces=yes\n",
        );
        write(
            "usr/lib/systemd/system/ssh.service.d/a.conf",
            "[Service]\nRestrictNamespaces=yes\n",
        );
        write(
            "etc/systemd/system/ssh.service.d/a.conf",
            "[Service]\n# PrivateTmp=no\nRestrictNamespaces=no\n",
        );
        write("etc/systemd/system/ssh.service.d/README", "PrivateTmp=no\n");
        let found = findings(&Tree::under(root.path()).unwrap());
        let said: Vec<(Level, &str)> = found
            .iter()
            .map(|f| (f.level, f.summary.as_str()))
            .collect();
        assert_eq!(
            said,
            [(
                Level::Warning,
                "ssh.service: PrivateTmp=yes shows exempt users the unit's /tmp, not the host's"
            )]
        );
    }
}
