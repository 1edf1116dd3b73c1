//! `make install` puts everything where it is looked for, and `make uninstall` takes away exactly that.
#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MODULE: &str = "usr/lib/security/pam_jns.so";
const STORE: &str = "var/lib/jns";

/// What is installed, from DESTDIR, with its mode.
const INSTALLED: &[(&str, u32)] = &[
    (MODULE, 0o644),
    ("usr/bin/jns", 0o755),
    ("usr/share/man/man1/jns.1", 0o644),
    ("usr/share/man/man1/jns-check.1", 0o644),
    ("usr/share/man/man5/jns.toml.5", 0o644),
    ("usr/share/man/man8/pam_jns.8", 0o644),
    ("usr/share/bash-completion/completions/jns", 0o644),
    ("usr/share/zsh/site-functions/_jns", 0o644),
    ("usr/share/fish/vendor_completions.d/jns.fish", 0o644),
    ("usr/lib/systemd/system/jns-gc.service", 0o644),
    ("usr/lib/systemd/system/jns-gc@.service", 0o644),
    ("usr/lib/systemd/system/jns-gc.timer", 0o644),
    ("usr/lib/systemd/system/jns-run-user.service", 0o644),
    (
        "usr/lib/systemd/system/user-runtime-dir@.service.d/50-jns.conf",
        0o644,
    ),
    ("usr/lib/tmpfiles.d/jns.conf", 0o644),
    ("usr/share/doc/pam_jns/jns.cil", 0o644),
    ("usr/share/doc/pam_jns/jns.toml", 0o644),
    ("usr/share/doc/pam_jns/README.md", 0o644),
    ("usr/share/doc/pam_jns/pam.d-examples/sshd", 0o644),
    ("usr/share/doc/pam_jns/sudoers.d/jns", 0o644),
    ("usr/share/doc/pam_jns/cron.d/jns", 0o644),
];

#[test]
fn everything_arrives_with_its_mode() {
    let root = tempfile::tempdir().unwrap();
    succeeds(&make("install", root.path()));
    for (name, mode) in INSTALLED {
        assert_eq!(mode_of(&root.path().join(name)), *mode, "{name}");
    }
    assert_eq!(mode_of(&root.path().join(STORE)), 0o700);
    assert!(
        !root.path().join("etc").exists(),
        "install must not write to /etc"
    );
}

#[test]
fn the_service_starts_the_command_where_it_is_installed() {
    let root = tempfile::tempdir().unwrap();
    succeeds(&make("install", root.path()));
    let service = root.path().join("usr/lib/systemd/system/jns-gc.service");
    let service = fs::read_to_string(service).unwrap();
    assert!(
        service.contains("\nExecStart=/usr/bin/jns gc\n"),
        "{service}"
    );
    let template = root.path().join("usr/lib/systemd/system/jns-gc@.service");
    let template = fs::read_to_string(template).unwrap();
    assert!(
        template.contains("\nExecStart=/usr/bin/jns gc --user %i\n"),
        "{template}"
    );
    let cron = root.path().join("usr/share/doc/pam_jns/cron.d/jns");
    let cron = fs::read_to_string(cron).unwrap();
    assert!(
        cron.contains(" root /usr/bin/jns gc >/dev/null\n"),
        "{cron}"
    );
}

#[test]
fn uninstall_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    succeeds(&make("install", root.path()));
    succeeds(&make("uninstall", root.path()));
    assert_eq!(ours(root.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_is_not_ours_and_what_users_keep_in_the_store_stays() {
    let root = tempfile::tempdir().unwrap();
    let stranger = root.path().join("usr/share/man/man1/other.1");
    let letter = root.path().join(STORE).join("letter");
    succeeds(&make("install", root.path()));
    fs::write(&stranger, "").unwrap();
    fs::write(&letter, "").unwrap();
    succeeds(&make("uninstall", root.path()));
    assert!(stranger.exists() && letter.exists());
}

#[test]
fn a_second_install_changes_nothing_of_the_store() {
    let root = tempfile::tempdir().unwrap();
    succeeds(&make("install", root.path()));
    let store = root.path().join(STORE);
    fs::set_permissions(&store, fs::Permissions::from_mode(0o711)).unwrap();
    succeeds(&make("install", root.path()));
    assert_eq!(mode_of(&store), 0o711);
}

#[test]
fn a_module_in_use_is_not_removed() {
    let root = tempfile::tempdir().unwrap();
    succeeds(&make("install", root.path()));
    let services = root.path().join("etc/pam.d");
    fs::create_dir_all(&services).unwrap();
    fs::write(services.join("sshd"), "session required pam_jns.so\n").unwrap();
    let refused = make("uninstall", root.path());
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stdout).contains("etc/pam.d/sshd"));
    assert!(root.path().join(MODULE).exists());
}

fn make(target: &str, root: &Path) -> Output {
    Command::new("make")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("MAKEFLAGS")
        .args([
            "--no-print-directory",
            target,
            "PREFIX=/usr",
            "PAMDIR=/usr/lib/security",
            concat!("COMMAND=", env!("CARGO_BIN_EXE_jns")),
        ])
        .arg(format!("DESTDIR={}", root.display()))
        .output()
        .unwrap()
}

fn succeeds(output: &Output) {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn mode_of(path: &Path) -> u32 {
    let metadata = path
        .metadata()
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    metadata.permissions().mode() & 0o7777
}

/// All files below `root`, and the directories that are this project's own.
fn ours(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() || path.to_string_lossy().contains("jns") {
            found.push(path.clone());
        }
        if path.is_dir() {
            found.extend(ours(&path));
        }
    }
    found
}
