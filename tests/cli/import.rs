//! `jns import`: what becomes of other programs' configurations.

use super::{command, err, jns, jns_reading, json, keys, out, system};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Services whose stacks call pam_namespace, and their session lines.
const SERVICES: &[(&str, &str)] = &[
    (
        "etc/pam.d/hashing",
        "session required pam_namespace.so gen_hash debug\n",
    ),
    ("etc/pam.d/open", "@include open-session\n"),
    (
        "etc/pam.d/open-session",
        "session required pam_unix.so\nsession required pam_namespace.so ignore_instance_parent_mode unmnt_remnt mount_private\n",
    ),
    (
        "etc/pam.d/forgiving",
        "session required pam_namespace.so ignore_config_error\n",
    ),
    (
        "etc/pam.d/closing",
        "session required pam_namespace.so unmount_on_close\n",
    ),
    (
        "etc/pam.d/odd",
        "session required pam_namespace.so require_selinux use_current_context unmnt_only gen_hsah\n\
         session required pam_namespace.so\n",
    ),
    ("etc/pam.d/without", "session required pam_unix.so\n"),
    (
        "etc/passwd",
        "root:x:0:0::/root:/bin/sh\n1234:x:5000:5000::/:/bin/sh\na*b:x:5001:5001::/:/bin/sh\n\
         carol:x:5002:5002::/:/bin/sh\ncarol2:x:5002:5002::/:/bin/sh\n",
    ),
];

/// A system with scripts, directories and those services; with SELinux, if it has that.
fn machine(selinux: bool) -> tempfile::TempDir {
    let root = system(SERVICES);
    let write = |path: &str, mode: u32| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("etc/security/namespace.init", 0o755);
    write("etc/security/namespace.d/data.sh", 0o755);
    write("etc/security/namespace.d/plain.sh", 0o644);
    fs::create_dir_all(root.path().join("tmp")).unwrap();
    if selinux {
        write("sys/fs/selinux/enforce", 0o644);
    }
    root
}

/// What `jns import pam_namespace` says about a text, on that machine.
fn import(text: &str, more: &[&str], selinux: bool) -> Output {
    let root = machine(selinux);
    let root = root.path().to_str().unwrap();
    let arguments = ["import", "pam_namespace", "-", "--root", root];
    jns_reading(&[&arguments, more].concat(), text.as_bytes())
}

/// The options that the first line of a sample asks for: `#! --service sshd`.
fn options(text: &str) -> Vec<&str> {
    let first = text.lines().next().unwrap_or_default();
    first
        .strip_prefix("#!")
        .unwrap_or_default()
        .split_whitespace()
        .collect()
}

fn samples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/import/pam_namespace");
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|e| e == "conf"))
        .collect();
    files.sort();
    files
}

/// Each configuration beside what becomes of it; `JNS_BLESS=1` writes the latter. Those that are named so are of
/// a machine with SELinux.
#[test]
fn configurations_and_what_becomes_of_them() {
    let samples = samples();
    assert!(samples.len() >= 25, "{}", samples.len());
    for sample in samples {
        let text = fs::read_to_string(&sample).unwrap();
        let selinux = sample
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("selinux");
        let output = import(&text, &options(&text), selinux);
        let said = format!(
            "{}{}--- {}\n",
            out(&output),
            err(&output),
            output.status.code().unwrap()
        );
        let golden = sample.with_extension("txt");
        if std::env::var_os("JNS_BLESS").is_some() {
            fs::write(&golden, &said).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(said, expected, "{}", sample.display());
    }
}

#[test]
fn what_is_imported_passes_the_check() {
    for sample in samples() {
        let text = fs::read_to_string(&sample).unwrap();
        let name = sample.file_name().unwrap().to_str().unwrap();
        let policy = import(&text, &options(&text), name.starts_with("selinux")).stdout;
        let checked = jns_reading(&["check", "-"], &policy);
        let nothing_written = policy.is_empty();
        // Such a rule is right where SELinux is.
        let is_right = |line: &str| !line.starts_with("<stdin>:") || line.contains("SELinux");
        let is_error = |line: &&str| !line.contains(": warning: ") && line.contains(":1: ");
        let errors = out(&checked).lines().filter(is_error);
        assert!(
            nothing_written || checked.status.success() || errors.clone().all(is_right),
            "{name}: {}",
            out(&checked)
        );
    }
}

#[test]
fn files_are_read_in_the_order_of_pam_namespace() {
    let root = system(&[
        ("etc/security/namespace.conf", "/a /i/a- user\n"),
        ("etc/security/namespace.d/20.conf", "/c /i/c- user\n"),
        ("etc/security/namespace.d/10.conf", "/b /i/b- user\n"),
        ("etc/security/namespace.d/.05.conf", "/hidden /i/h- user\n"),
        ("etc/security/namespace.d/README", "not a line\n"),
        (
            "etc/pam.d/sshd",
            "session required pam_namespace.so gen_hash\n",
        ),
    ]);
    let output = jns(&[
        "import",
        "pam_namespace",
        "--root",
        root.path().to_str().unwrap(),
    ]);
    let paths = out(&output).lines().filter(|line| line.starts_with("path"));
    let paths: Vec<&str> = paths.collect();
    assert_eq!(
        paths,
        [r#"path = "/a""#, r#"path = "/b""#, r#"path = "/c""#]
    );
    assert_eq!(
        err(&output),
        "/etc/pam.d/sshd:1: left out: `gen_hash` counts only with --service sshd\n"
    );
}

#[test]
fn strict_writes_no_policy_that_differs() {
    let table = [
        ("/a /i/ user:noinit root\n", 0, "", true),
        ("/a /i/ tmpdir:noinit\n", 1, "<stdin>:1: different: ", false),
    ];
    for (text, status, said, written) in table {
        let output = import(text, &["--strict"], false);
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert!(err(&output).starts_with(said), "{}", err(&output));
        assert_eq!(!out(&output).is_empty(), written, "{text}");
    }
}

#[test]
fn imports_json_has_its_keys() {
    let output = import("/a /i/ tmpdir\n", &["--json"], false);
    let document = json(&output);
    assert_eq!(keys(&document), ["ok", "policy", "remarks", "rules"]);
    assert_eq!(
        (&document["ok"], &document["rules"]),
        (&true.into(), &1.into())
    );
    assert_eq!(
        keys(&document["remarks"][0]),
        ["fate", "file", "line", "message"]
    );
    assert_eq!(document["remarks"][0]["fate"], "different");
    assert_eq!(err(&output), "");
    let refused = import("/a /i/ tmpdir\n", &["--json", "--strict"], false);
    assert!(json(&refused)["policy"].is_null());
    assert_eq!(refused.status.code(), Some(1));
    let missing = jns(&["import", "pam_namespace", "/nonexistent", "--json"]);
    assert_eq!(keys(&json(&missing)), ["error"]);
    assert_eq!(missing.status.code(), Some(2));
}

/// What is no configuration is said in one line, and nothing else is.
#[test]
fn bad_input_is_status_2_and_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let table: Vec<(PathBuf, &str)> = vec![
        (
            file("nul", b"/a /b/ user\n/c\0 /d/ user\n"),
            "line 2 holds a NUL",
        ),
        (
            file("latin", b"/a /b/ user\n# caf\xe9\n"),
            "line 2 is not UTF-8",
        ),
        (
            file("long", &[b'a'; 1_000_000]),
            "line 1 is longer than 64 KiB",
        ),
        (
            file("large", &b"# text\n".repeat(200_000)),
            "it is larger than 1 MiB",
        ),
        (directory.path().to_owned(), "not a regular file"),
        (fifo, "not a regular file"),
        ("/dev/zero".into(), "not a regular file"),
        ("/nonexistent".into(), "No such file or directory"),
    ];
    for (path, reason) in table {
        let arguments = [
            OsString::from("import"),
            "pam_namespace".into(),
            path.clone().into(),
        ];
        let output = command(&[]).args(arguments).output().unwrap();
        let expected = format!("jns: cannot read {}: {reason}\n", path.display());
        assert_eq!(err(&output), expected);
        assert_eq!((output.status.code(), out(&output)), (Some(2), ""));
    }
    let unknown = import("", &["--service", "without"], false);
    assert_eq!(unknown.status.code(), Some(2));
    assert_eq!(
        err(&unknown),
        "jns: cannot import the PAM service without: no line of its session stack calls pam_namespace.so\n"
    );
}

#[test]
fn a_policy_that_would_be_too_large_is_not_written() {
    let long = format!("/{}", "a".repeat(250)).repeat(12);
    let lines: String = (0..220)
        .map(|n| format!("{long}/{n} /i/{n}- user root\n"))
        .collect();
    let output = import(&lines, &[], false);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(err(&output).starts_with("jns: cannot write the policy: it would have "));
}
