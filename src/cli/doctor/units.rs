//! Findings about the systemd units of daemons that open sessions: a sandbox around the daemon is a sandbox
//! around what the module does in it (systemd.exec(5)).

use super::finding::{Area, Finding, Level};
use crate::cli::host::Tree;
use crate::cli::host::units::{Setting, is_off, unit_settings};

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

/// Judges what the sandboxes of a system's daemons mean for their sessions.
pub fn findings(tree: &Tree) -> Vec<Finding> {
    let judge = |unit: &&str| {
        let settings = unit_settings(tree, &format!("{unit}.service"))?;
        Some(of_unit(unit, &settings))
    };
    UNITS.iter().filter_map(judge).flatten().collect()
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
        let finding = finding.at(&setting.location);
        Some(match effect.remedy() {
            None => finding,
            Some(remedy) => finding.advise(format!("systemctl edit {unit}.service: {remedy}")),
        })
    });
    found.collect()
}

/// The effect of a setting on sessions.
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

    /// The least that has to be added to the unit's settings; nothing where sessions get what the policy says.
    fn remedy(self) -> Option<&'static str> {
        match self {
            Self::NoNamespaces => {
                Some("RestrictNamespaces=mnt, and the kinds that [[isolate]] rules name")
            }
            Self::NoCapability => {
                Some("CapabilityBoundingSet=CAP_SYS_ADMIN permits it besides the others")
            }
            Self::NoMounting => Some("SystemCallFilter=@mount permits it besides the others"),
            Self::NoOpening => Some("RestrictSUIDSGID=no"),
            Self::OtherTmp => Some(
                "PrivateTmp=no, where exempt users are to see the host's; the daemon then uses the host's as well",
            ),
            Self::ReadOnlyStore => Some("ReadWritePaths= for the store and for /run/jns"),
            Self::Apart => None,
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
