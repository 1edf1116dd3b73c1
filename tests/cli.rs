//! The `jns` command as its users meet it: the built binary, its output and its exit statuses.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[path = "cli/import.rs"]
mod import;

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const VERBS: [&str; 11] = [
    "check",
    "explain",
    "selftest",
    "doctor",
    "gc",
    "ps",
    "enter",
    "run",
    "import",
    "completions",
    "man",
];

/// What `jns import` understands, each with a manual page of its own.
const IMPORTS: [&str; 6] = [
    "fstab",
    "jailkit",
    "pam_mount",
    "pam_namespace",
    "pam_tmpdir",
    "slurm",
];

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jns"));
    command
        .args(arguments)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

fn jns(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// The same with `text` on standard input.
fn jns_reading(arguments: &[&str], text: &[u8]) -> Output {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that has read enough closes its end.
    let _ = child.stdin.take().unwrap().write_all(text);
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Says why a test does nothing; where tests must run, that is a failure.
fn skip(reason: &str) {
    let must = std::env::var_os("JNS_TESTS_MUST_RUN").is_some_and(|value| value == "1");
    assert!(!must, "must run, but {reason}");
    println!("skipped: {reason}");
}

/// A system of files beneath a directory of its own.
fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

// --- usage -----------------------------------------------------------------------------------------------

#[test]
fn wrong_usage_is_status_2_and_said_on_standard_error() {
    let table: &[&[&str]] = &[
        &[],
        &["chek"],
        &["check", "--stric"],
        &["check", "a", "--config", "b"],
        &["explain"],
        &["explain", "root", "bin"],
        &["explain", "root", "--all"],
        &["explain", "root", "--service"],
        &["completions", "tcsh"],
        &["man"],
        &["doctor", "extra"],
        &["ps", "alice", "bob"],
        &["enter"],
        &["enter", "alice", "ls"],
        &["enter", "--as", "alice"],
    ];
    for arguments in table {
        let output = jns(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(out(&output), "", "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_mistyped_verb_is_suggested() {
    assert!(err(&jns(&["chek"])).contains("'check'"));
}

#[test]
fn help_has_examples_and_exit_statuses() {
    let verbs = VERBS.iter().map(|verb| vec![*verb]);
    let nested = IMPORTS.iter().map(|verb| vec!["import", verb]);
    for words in verbs.chain(nested) {
        let verb = words.join(" ");
        let output = jns(&[words, vec!["--help"]].concat());
        let help = out(&output);
        assert_eq!(output.status.code(), Some(0), "{verb}");
        assert!(
            help.contains(&format!("Examples:\n  jns {verb}"))
                || help.contains("Examples:\n  sudo jns"),
            "{help}"
        );
        assert!(help.contains("Exit status:\n  0 "), "{help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }
}

#[test]
fn the_version_is_the_packages() {
    let expected = concat!("jns ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(out(&jns(&["--version"])), expected);
}

#[test]
fn every_verb_that_reads_a_policy_takes_config() {
    for verb in ["check", "explain", "doctor"] {
        assert!(
            out(&jns(&[verb, "--help"])).contains("--config <PATH>"),
            "{verb}"
        );
        assert!(out(&jns(&[verb, "--help"])).contains("--json"), "{verb}");
    }
}

// --- completions and manual pages --------------------------------------------------------------------------

#[test]
fn completions_name_every_verb() {
    for shell in ["bash", "zsh", "fish"] {
        let output = jns(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        for verb in VERBS {
            assert!(out(&output).contains(verb), "{shell} {verb}");
        }
    }
}

#[test]
fn bash_accepts_its_completions() {
    let script = jns(&["completions", "bash"]).stdout;
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(&script).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn manual_pages_are_written_and_render_without_warnings() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().to_str().unwrap();
    let output = jns(&["man", target]);
    assert_eq!(
        (output.status.code(), out(&output)),
        (Some(0), ""),
        "{}",
        err(&output)
    );
    let mut pages: Vec<PathBuf> = fs::read_dir(target)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.sort();
    assert_eq!(pages.len(), 1 + VERBS.len() + IMPORTS.len());
    for page in pages {
        render(&page);
    }
}

fn render(page: &Path) {
    let text = fs::read_to_string(page).unwrap();
    for section in [
        ".SH NAME",
        ".SH SYNOPSIS",
        ".SH \"EXIT STATUS\"",
        ".SH EXAMPLES",
        ".SH \"SEE ALSO\"",
    ] {
        assert!(text.contains(section), "{section} in {}", page.display());
    }
    match Command::new("groff")
        .args(["-man", "-ww", "-z", "-Tutf8"])
        .arg(page)
        .output()
    {
        Ok(output) => assert_eq!(err(&output), "", "{}", page.display()),
        Err(_) => skip("groff is not installed"),
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let output = jns(&["man", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("cannot write /nonexistent/jns.1: No such file"),
        "{}",
        err(&output)
    );
}

// --- sessions ----------------------------------------------------------------------------------------------

#[test]
fn only_root_can_list_sessions() {
    let (Some(plain), Some(json_too)) = (jns_as_nobody(&["ps"]), jns_as_nobody(&["ps", "--json"]))
    else {
        return skip("only root can become somebody else");
    };
    let said = "cannot list sessions: only root can see who is in which namespace";
    assert_eq!((plain.status.code(), out(&plain)), (Some(1), ""));
    assert_eq!(err(&plain), format!("jns: {said}\n"));
    assert_eq!((json_too.status.code(), err(&json_too)), (Some(1), ""));
    assert_eq!(json(&json_too)["error"], said);
}

#[test]
fn a_user_without_rights_is_shown_what_to_do() {
    let table: [(&[&str], &str); 4] = [
        (
            &["enter", "root"],
            "only root can enter that of another user",
        ),
        (&["enter", "no-such-user"], "there is no such user"),
        (&["enter", "--as-root", "nobody"], "--as-root is for root"),
        (
            &["enter", "nobody", "--", "true"],
            "`sudo jns enter nobody`",
        ),
    ];
    for (arguments, expected) in table {
        let Some(output) = jns_as_nobody(arguments) else {
            return skip("only root can become somebody else");
        };
        assert_eq!((output.status.code(), out(&output)), (Some(125), ""));
        assert!(err(&output).contains(expected), "{}", err(&output));
        assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    }
}

// --- output ------------------------------------------------------------------------------------------------

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let mut child = command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = command(&["completions", "bash"])
        .stdout(full)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let root = system(&[]);
    let arguments = ["doctor", "--root", root.path().to_str().unwrap()];
    assert!(!out(&jns(&arguments)).contains('\x1b'), "a pipe");
    let line = format!(
        "{} doctor --root {}",
        env!("CARGO_BIN_EXE_jns"),
        root.path().display()
    );
    let on_terminal = |name: &str, value: &str| -> String {
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "/dev/null"])
            .env_remove("NO_COLOR")
            .env("TERM", "xterm");
        let output = script.env(name, value).stdin(Stdio::null()).output();
        output.map_or_else(|_| String::new(), |output| out(&output).to_owned())
    };
    if on_terminal("TERM", "xterm").is_empty() {
        return skip("script(1) is not installed");
    }
    assert!(on_terminal("TERM", "xterm").contains("\x1b["), "a terminal");
    assert!(!on_terminal("NO_COLOR", "1").contains('\x1b'), "NO_COLOR");
    assert!(
        !on_terminal("TERM", "dumb").contains('\x1b'),
        "a dumb terminal"
    );
}

// --- check -------------------------------------------------------------------------------------------------

/// Each policy in tests/cli/check beside what `jns check -` says about it. `JNS_BLESS=1` writes the latter.
#[test]
fn check_says_what_is_expected_of_it() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/check");
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let policies: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    assert!(!policies.is_empty());
    for policy in policies {
        let output = jns_reading(&["check", "-"], &fs::read(&policy).unwrap());
        let said = format!(
            "{}exit status {}\n",
            out(&output),
            output.status.code().unwrap()
        );
        let golden = policy.with_extension("txt");
        if std::env::var_os("JNS_BLESS").is_some() {
            fs::write(&golden, &said).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(said, expected, "{}", policy.display());
    }
}

/// What `jns import` makes of the files in tests/cli/import, beside them. `JNS_BLESS=1` writes it.
#[test]
fn import_makes_what_is_expected_of_files() {
    for (file, arguments) in [
        ("login.fstab", &["fstab"][..]),
        ("root.fstab", &["fstab", "--root", "/srv/debian"]),
        ("schroot-desktop.fstab", &["fstab", "--root", "/srv/debian"]),
        ("schroot-sbuild.fstab", &["fstab", "--root", "/srv/debian"]),
        ("plain.tmpdir.conf", &["pam_tmpdir"]),
        ("second-line.tmpdir.conf", &["pam_tmpdir"]),
        ("memory-and-binds.pam_mount.xml", &["pam_mount"]),
        ("programs.pam_mount.xml", &["pam_mount"]),
        ("conditions.pam_mount.xml", &["pam_mount"]),
        ("settings.pam_mount.xml", &["pam_mount"]),
        ("one-base.slurm.conf", &["slurm"]),
        ("nodes.slurm.conf", &["slurm", "--node", "gpu07"]),
        ("of-no-node.slurm.conf", &["slurm"]),
        ("namespace.slurm.yaml", &["slurm", "--node=n3"]),
        (
            "jails.passwd",
            &[
                "jailkit",
                "tests/cli/import/jk_chrootsh.ini",
                "tests/cli/import/jk_lsh.ini",
                "tests/cli/import/jk_init.ini",
            ],
        ),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/cli/import")
            .join(file);
        let words = [&["import"], arguments, &["-"]].concat();
        let output = jns_reading(&words, &fs::read(&file).unwrap());
        let golden = format!("{}.txt", file.display());
        let said = format!(
            "{}\n--- and says\n{}--- {}\n",
            out(&output),
            err(&output),
            output.status.code().unwrap()
        );
        if std::env::var_os("JNS_BLESS").is_some() {
            fs::write(&golden, &said).unwrap();
        }
        assert_eq!(
            said,
            fs::read_to_string(&golden).unwrap_or_default(),
            "{golden}"
        );
        let checked = jns_reading(&["check", "-"], &output.stdout);
        assert_eq!(checked.status.code(), Some(0), "{}", out(&checked));
    }
}

#[test]
fn import_refuses_what_it_cannot_read() {
    let table: &[(&[&str], &str, i32, &str)] = &[
        (
            &["fstab", "-"],
            "/a /b none bind\n\0",
            2,
            "line 2 holds a NUL",
        ),
        (
            &["fstab", "/etc"],
            "",
            2,
            "cannot read /etc: not a regular file",
        ),
        (&["fstab"], "", 2, "<FILE>"),
        (
            &["fstab", "-", "--root", "srv"],
            "",
            2,
            "cannot use srv: a path must be absolute",
        ),
        (
            &["fstab", "-", "--root", "/proc/1"],
            "",
            2,
            "cannot use /proc/1: ",
        ),
        (&["fstab", "-"], "/a /b none bind\n", 0, ""),
        (&["fstab", "-", "--strict"], "/a /b none bind\n", 0, ""),
        (&["fstab", "-", "--strict"], "/a /b nfs\n", 1, "--strict"),
        (
            &["pam_tmpdir", "-"],
            "tmpdir=tmp\n",
            2,
            "`tmpdir=tmp`: a path must be absolute (<stdin>:1)",
        ),
        (&["pam_tmpdir", "-"], "tmpdir=\n", 2, "<stdin>:1"),
        (
            &["pam_tmpdir", "-"],
            "tmpdir=/proc/1\n",
            2,
            "a path must not be in /proc (<stdin>:1)",
        ),
        (
            &["pam_tmpdir", "/nonexistent"],
            "",
            2,
            "cannot read /nonexistent: ",
        ),
        (
            &["pam_mount", "-"],
            "<pam_mount>\n<volume></pam_mount>\n",
            2,
            "(<stdin>:2)",
        ),
        (&["pam_mount", "-"], "", 2, "cannot read <stdin>: "),
        (
            &["pam_mount", "-"],
            "<fstab/>",
            2,
            "it is a <fstab>, and no <pam_mount>",
        ),
        (
            &["pam_mount", "-"],
            "<!DOCTYPE pam_mount [<!ENTITY a \"a\"><!ENTITY b \"&a;&a;\">]><pam_mount>&b;</pam_mount>",
            2,
            "it declares entities, which are not read",
        ),
        (
            &["pam_mount", "-"],
            "<!DOCTYPE pam_mount SYSTEM \"file:///etc/shadow\"><pam_mount>&x;</pam_mount>",
            2,
            "cannot read <stdin>: ",
        ),
        (
            &["pam_mount", "-"],
            "<pam_mount><volume path=\"&#27;\"/></pam_mount>",
            2,
            "cannot read <stdin>: ",
        ),
        (
            &["pam_mount", "-"],
            &format!("<pam_mount>{}</pam_mount>", "<a/>\n".repeat(70_000)),
            2,
            "cannot read <stdin>: nodes limit reached",
        ),
        (
            &["pam_mount", "-"],
            &"\n".repeat((1 << 20) + 1),
            2,
            "it is larger than 1 MiB",
        ),
        (
            &["pam_mount", "-"],
            &format!("<pam_mount>{}</pam_mount>", "<and>\n".repeat(20_000)),
            2,
            "cannot read <stdin>: ",
        ),
        (&["pam_mount", "-"], "<pam_mount/>", 0, ""),
        (
            &["slurm", "-"],
            "---\ndefaults: &a\n  base_path: /x\nnode_confs: *a\n",
            2,
            "anchors and aliases are not read (<stdin>:2)",
        ),
        (
            &["slurm", "-"],
            "defaults:\n  - x\n",
            2,
            "a mapping is expected (<stdin>:2)",
        ),
        (
            &["slurm", "-"],
            "node_confs:\n  - options: {}\n",
            2,
            "`nodes` is missing (<stdin>:2)",
        ),
        (
            &["slurm", "-"],
            &format!("---\nx: {}\n", "[".repeat(10_000)),
            2,
            "cannot read <stdin>: ",
        ),
        (
            &["slurm", "-"],
            "---\ndefaults: {\n\tbase_path: \"\\u0\"\n",
            2,
            "cannot read <stdin>: ",
        ),
        (
            &["slurm", "-"],
            &"\n".repeat((1 << 20) + 1),
            2,
            "it is larger than 1 MiB",
        ),
        (&["slurm", "-"], "", 0, "no BasePath is for this node"),
    ];
    for (arguments, text, status, expected) in table {
        let output = jns_reading(&[&["import"], *arguments].concat(), text.as_bytes());
        assert_eq!(
            output.status.code(),
            Some(*status),
            "{arguments:?} {}",
            err(&output)
        );
        assert!(
            err(&output).contains(expected),
            "{arguments:?} {}",
            err(&output)
        );
        assert_eq!(out(&output).is_empty(), *status != 0, "{arguments:?}");
    }
}

#[test]
fn check_has_an_exit_status_for_each_result() {
    let clean = "[[private]]\npath = \"/tmp\"\n";
    let doubtful = "[[private]]\npath = \"/tmp\"\nusers = [\"no-such-user\"]\n";
    let table: &[(&[&str], &str, i32)] = &[
        (&["check", "-"], clean, 0),
        (&["check", "-", "--strict"], clean, 0),
        (&["check", "-"], doubtful, 0),
        (&["check", "-", "--strict"], doubtful, 1),
        (&["check", "-"], "nonsense", 1),
        (&["check", "-", "--json"], "nonsense", 1),
        (&["check", "-", "/nonexistent.toml"], clean, 1),
    ];
    for (arguments, text, status) in table {
        let output = jns_reading(arguments, text.as_bytes());
        assert_eq!(
            output.status.code(),
            Some(*status),
            "{arguments:?} {text} {}",
            out(&output)
        );
    }
}

#[test]
fn checks_json_has_its_keys() {
    let output = jns_reading(
        &["check", "-", "--json"],
        b"[settings]\nmode = \"enforced\"\n",
    );
    let value = json(&output);
    assert_eq!(keys(&value), ["ok", "policies"]);
    assert_eq!(value["ok"], false);
    let policy = &value["policies"][0];
    assert_eq!(
        keys(policy),
        [
            "diagnostics",
            "errors",
            "files",
            "more",
            "rules",
            "warnings"
        ]
    );
    assert_eq!(policy["errors"], 1);
    assert_eq!(policy["rules"], Value::Null);
    let diagnostic = &policy["diagnostics"][0];
    assert_eq!(
        keys(diagnostic),
        [
            "column", "file", "help", "line", "message", "severity", "width"
        ]
    );
    assert_eq!(diagnostic["severity"], "error");
    assert_eq!(diagnostic["file"], "<stdin>");
    assert_eq!(diagnostic["line"], 2);
}

#[test]
fn a_file_that_others_could_change_is_an_error_with_a_way_out() {
    let root = system(&[("draft.toml", "[[private]]\npath = \"/tmp\"\n")]);
    let draft = root.path().join("draft.toml");
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o666)).unwrap();
    let draft = draft.to_str().unwrap();
    let output = jns(&["check", draft]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains(draft), "{}", out(&output));
    let advice = format!("jns check - < {draft}");
    assert!(out(&output).contains(&advice), "{}", out(&output));
}

#[test]
fn several_files_are_checked_each_by_itself() {
    let output = jns_reading(&["check", "-", "/nonexistent/a", "/nonexistent/b"], b"");
    assert_eq!(output.status.code(), Some(1));
    for file in ["<stdin>", "/nonexistent/a", "/nonexistent/b"] {
        assert!(
            out(&output).lines().any(|line| line.starts_with(file)),
            "{file}\n{}",
            out(&output)
        );
    }
}

#[test]
fn hostile_input_is_an_error_and_not_a_panic() {
    let long = vec![b'['; 2 << 20];
    let table: [(&str, &[u8]); 5] = [
        ("a NUL", b"mode = \"\0\""),
        ("Latin-1", b"# gr\xf6\xdfe\n"),
        ("an escape sequence", b"\x1b[2J = 1\n"),
        ("too long", &long),
        ("half a table", b"[[private]]\npath = "),
    ];
    for (reason, text) in table {
        let output = jns_reading(&["check", "-"], text);
        assert_eq!(output.status.code(), Some(1), "{reason}: {}", err(&output));
        assert!(!out(&output).contains('\x1b'), "{reason}");
    }
}

// --- explain -----------------------------------------------------------------------------------------------

const EXPLAINED: &str = "\
[settings]
exempt = [\"root\"]

[[private]]
path = \"/tmp\"

[[tmpfs]]
path = \"/tmp\"
size = \"1M\"
services = [\"ssh*\"]

[[bind]]
path = \"/mnt\"
source = \"/srv/{user}\"
services = [\"cron\"]

[[env]]
set = { TMPDIR = \"/tmp\" }
";

/// Runs `jns explain` on a policy that a login would accept: a file that only root can write to, in
/// directories for which the same holds. None without root.
fn explain(policy: &str, arguments: &[&str]) -> Option<Output> {
    let Ok(directory) = tempfile::Builder::new()
        .prefix("jns-tests-")
        .tempdir_in("/run")
    else {
        skip("only root can make a policy that is trusted");
        return None;
    };
    let file = directory.path().join("jns.toml");
    fs::write(&file, policy).unwrap();
    let config = file.to_str().unwrap();
    let words = [&["explain", "--config", config], arguments].concat();
    // Root's store is tried, and this machine's is not the test's.
    let script = "mount -t tmpfs none /var/lib && mount -t tmpfs -o mode=755 none /srv && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_jns")]);
    Some(command.args(words).stdin(Stdio::null()).output().unwrap())
}

#[test]
fn explain_prints_what_became_of_each_rule() {
    let Some(output) = explain(EXPLAINED, &["nobody"]) else {
        return;
    };
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for (decision, rule, rest) in [
        ("lost", "[[private]] /tmp", ":7 has the same path"),
        ("applies", "[[tmpfs]] /tmp", ":7"),
        ("no match", "[[bind]] /srv", "services: "),
        ("applies", "[[env]]", ":17"),
    ] {
        let rule = rule.replace("/srv", "/mnt");
        let is_reported = text.lines().any(|line| {
            line.trim_start().starts_with(decision) && line.contains(&rule) && line.contains(rest)
        });
        assert!(is_reported, "{decision} {rule} {rest}\n{text}");
    }
    assert!(text.contains("exempt    no"), "{text}");
}

#[test]
fn explain_says_who_is_exempt_and_why() {
    let Some(output) = explain(EXPLAINED, &["root"]) else {
        return;
    };
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text.contains("exempt    yes, as root (") && text.contains(":2)"),
        "{text}"
    );
    assert!(text.contains("the host's own view"), "{text}");
}

#[test]
fn explain_says_which_selector_leaves_a_service_out() {
    let policy = "[[tmpfs]]\npath = \"/tmp\"\nexcept_services = [\"cron\", \"ssh*\"]\n";
    let (Some(text), Some(json_text)) = (
        explain(policy, &["nobody"]),
        explain(policy, &["nobody", "--json"]),
    ) else {
        return;
    };
    let reason = "except_services: it names ssh*";
    assert!(out(&text).contains(reason), "{}", out(&text));
    let rule = &json(&json_text)["rules"][0];
    let found = ["verdict", "selector", "reason"].map(|key| rule[key].as_str().unwrap());
    assert_eq!(found, ["no-match", "except_services", "it names ssh*"]);
}

#[test]
fn explains_json_has_its_keys() {
    let Some(output) = explain(EXPLAINED, &["nobody", "--tty", "pts/1", "--json"]) else {
        return;
    };
    let value = json(&output);
    assert_eq!(
        keys(&value),
        [
            "command",
            "exempt",
            "login",
            "module",
            "not_tried",
            "plan",
            "policy",
            "refused",
            "rules",
            "runtime_directory",
            "tried"
        ]
    );
    assert_eq!(
        keys(&value["login"]),
        [
            "gid", "groups", "home", "rhost", "service", "tty", "uid", "user"
        ]
    );
    assert_eq!(
        (&value["login"]["service"], &value["login"]["tty"]),
        (&"sshd".into(), &"pts/1".into())
    );
    let decisions: Vec<&str> = value["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(decisions, ["lost", "applies", "no-match", "applies"]);
    assert_eq!(value["rules"][0]["winner"]["line"], 7);
    let step = &value["plan"]["steps"][0];
    assert_eq!(
        (&step["path"], &step["view"], &step["line"]),
        (&"/tmp".into(), &"memory".into(), &7.into())
    );
    assert_eq!(value["plan"]["environment"]["TMPDIR"]["value"], "/tmp");
}

#[test]
fn explain_says_what_commands_find() {
    let policy = "[[private]]\npath = \"/tmp\"\n[[private]]\npath = \"/var/tmp\"\ninherit = false\n\
                  [[bind]]\npath = \"/mnt\"\nsource = \"/srv\"\ninherit = true\n";
    let apart = format!("[settings]\ninherit = [\"do*\"]\nadd_inherit = [\"su\"]\n{policy}");
    let none = format!("[settings]\ninherit = []\n{policy}");
    let nothing = "[[hide]]\npath = \"/srv\"\n";
    let some = "commands that nobody runs as others find /mnt, /tmp\n";
    let no = "commands that nobody runs as others find nothing of it\n";
    for (policy, service, is_command, found) in [
        (policy, "sudo", true, some),
        (policy, "sudo-i", false, some),
        (apart.as_str(), "doas", true, some),
        (apart.as_str(), "su", true, some),
        (apart.as_str(), "sudo", false, some),
        (none.as_str(), "su", false, no),
        (nothing, "su", true, no),
    ] {
        let Some(output) = explain(policy, &["nobody", "--service", service]) else {
            return;
        };
        let text = out(&output);
        assert!(text.contains(found), "{service}\n{policy}\n{text}");
        let line = "command   in a session it finds the directories of whoever calls it";
        assert_eq!(text.contains(line), is_command, "{service}\n{text}");
        let arguments = ["nobody", "--json", "--service", service];
        let value = json(&explain(policy, &arguments).unwrap());
        assert_eq!(value["command"], is_command, "{service}");
        let steps = value["plan"]["steps"].as_array().unwrap();
        assert!(steps.iter().all(|step| step["inherit"].is_boolean()));
    }
}

#[test]
fn a_login_that_would_be_refused_is_said_to_be() {
    let policy = "[[private]]\npath = \"/opt\"\nper = \"level\"\n";
    let Some(output) = explain(policy, &["nobody"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output)
            .contains("refused: cannot apply `per = \"level\"`: this build is without SELinux"),
        "{}",
        out(&output)
    );
}

/// What root is told of this machine beside the plan.
#[test]
fn root_is_told_what_this_machine_would_do() {
    let policy = "[[private]]\npath = \"/tmp\"\n[[bind]]\npath = \"/mnt\"\nsource = \"/missing\"\noptional = true\n\
                  [[tmpfs]]\npath = \"/srv/new\"\ncreate = true\n[[tmpfs]]\npath = \"/srv/new/er\"\n";
    let Some(output) = explain(policy, &["nobody"]) else {
        return;
    };
    let text = out(&output);
    let machine = text.split("this machine\n").nth(1).unwrap();
    let words: Vec<&str> = machine
        .lines()
        .map(|line| line.get(2..16).unwrap_or_default().trim())
        .collect();
    let expected = [
        "left out",
        "",
        "as it would be",
        "made at login",
        "not seen yet",
    ];
    assert_eq!(words, expected, "{text}");
    assert!(machine.contains("/mnt left out: cannot open /missing: No such file"));
    let value = json(&explain(policy, &["nobody", "--json"]).unwrap());
    let results: Vec<&str> = value["tried"]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["left-out", "ready", "made", "unseen"]);
    assert_eq!(output.status.code(), Some(0));

    let missing = policy.replace("optional = true\n", "");
    let output = explain(&missing, &["nobody"]).unwrap();
    let text = out(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let end = "  refused: cannot open /missing: No such file or directory";
    assert!(text.lines().last().unwrap().starts_with(end), "{text}");
    assert!(text.contains("  as it would be  /tmp"), "{text}");
    let root = format!("[settings]\nexempt = []\n{missing}");
    let output = explain(&root, &["root"]).unwrap();
    let text = out(&output);
    let end = "  root has the host's view, since the plan fails: ";
    assert!(text.lines().last().unwrap().starts_with(end), "{text}");
}

/// A login that gets the host's view runs its programs, too.
#[test]
fn a_program_that_would_refuse_a_login_without_a_view_is_said() {
    let policy = "[[hook]]\nwhen = \"open\"\nrun = [\"/missing\"]\n";
    let Some(output) = explain(policy, &["nobody"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(1));
    let end = "  refused: cannot run the hook /missing: ";
    let text = out(&output);
    assert!(text.lines().last().unwrap().starts_with(end), "{text}");
}

/// A line for every account that has a shell.
#[test]
fn all_logins_are_explained_at_once() {
    let Some(output) = explain(EXPLAINED, &["--all"]) else {
        return;
    };
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", err(&output));
    let root = text.lines().find(|line| line.starts_with("root ")).unwrap();
    assert!(
        root.contains("the host's own view: exempt as root ("),
        "{text}"
    );
    assert!(!text.contains("\nnobody "), "{text}");
    assert!(text.ends_with(", 0 refused\n"), "{text}");
    let value = json(&explain(EXPLAINED, &["--all", "--json"]).unwrap());
    let first = &value["logins"][0];
    assert_eq!(keys(first), ["paths", "reason", "result", "uid", "user"]);
    assert_eq!(
        (&first["user"], &first["result"]),
        (&"root".into(), &"host".into())
    );
    let refused = "[settings]\nexempt = []\n[[private]]\npath = \"/missing\"\n";
    let output = explain(refused, &["--all"]).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = "the host's own view, since the plan fails: cannot open /missing";
    assert!(out(&output).contains(said), "{}", out(&output));
}

#[test]
fn a_broken_policy_refuses_everybody() {
    let Some(output) = explain("nonsense", &["root"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("every login but root's is refused"),
        "{}",
        err(&output)
    );
}

/// Runs the command as user and group 65534, from a directory that they can reach. None without root.
fn jns_as_nobody(arguments: &[&str]) -> Option<Output> {
    let directory = open_directory("/tmp")?;
    let binary = directory.path().join("jns");
    fs::copy(env!("CARGO_BIN_EXE_jns"), &binary).unwrap();
    let mut command = Command::new(binary);
    command.args(arguments).stdin(Stdio::null());
    command.uid(65534).gid(65534).output().ok()
}

/// A directory that everybody can enter.
fn open_directory(parent: &str) -> Option<tempfile::TempDir> {
    let directory = tempfile::Builder::new()
        .prefix("jns-tests-")
        .tempdir_in(parent)
        .ok()?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).ok()?;
    Some(directory)
}

#[test]
fn anyone_who_can_read_the_policy_may_ask() {
    let Some(directory) = open_directory("/run") else {
        return skip("only root can make a policy that is trusted");
    };
    let policy = directory.path().join("jns.toml");
    fs::write(&policy, EXPLAINED).unwrap();
    let ask =
        || jns_as_nobody(&["explain", "--config", policy.to_str().unwrap(), "nobody"]).unwrap();
    let output = ask();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("[[tmpfs]] /tmp"), "{}", out(&output));
    let unseen = "not looked at: only root can see whether this machine has what it needs";
    assert!(out(&output).contains(unseen), "{}", out(&output));
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o600)).unwrap();
    let output = ask();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("permission denied; ask as root"),
        "{}",
        err(&output)
    );
}

#[test]
fn doctor_says_what_it_could_not_try_without_root() {
    let Some(output) = jns_as_nobody(&["doctor"]) else {
        return skip("only root can become somebody else");
    };
    let text = out(&output);
    let untried = text
        .lines()
        .find(|line| line.contains("not tried without root"));
    assert!(
        untried.is_some_and(|line| line.contains("fsopen")),
        "{text}"
    );
    assert!(!text.contains("forbidden"), "{text}");
}

#[test]
fn an_unknown_user_is_named() {
    let Some(output) = explain(EXPLAINED, &["no-such-user"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        err(&output),
        "jns: cannot find user no-such-user: no such account\n"
    );
}

// --- doctor ------------------------------------------------------------------------------------------------

const STACK: &str = "session optional pam_systemd.so\nsession required pam_jns.so\n";

#[test]
fn doctor_reads_a_system_under_another_root() {
    let root = system(&[
        ("etc/pam.d/sshd", STACK),
        ("etc/pam.d/su", "session required pam_unix.so\n"),
        ("etc/ssh/sshd_config", "UsePAM no\n"),
        (
            "etc/security/jns.toml",
            "[settings]\nmode = \"observe\"\n[[private]]\npath = \"/tmp\"\n",
        ),
        ("usr/lib/security/pam_permit.so", ""),
    ]);
    let output = jns(&["doctor", "--root", root.path().to_str().unwrap()]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for (level, part) in [
        ("ok", "1 rule in /etc/security/jns.toml"),
        ("warning", "observe"),
        ("ok", "sshd: session required pam_jns (/etc/pam.d/sshd:2)"),
        (
            "problem",
            "pam_jns.so is missing: not at /usr/lib/security/pam_jns.so",
        ),
        ("warning", "started in: su"),
        ("problem", "UsePAM is no: sshd calls no session module"),
    ] {
        let is_reported = text
            .lines()
            .any(|line| line.trim_start().starts_with(level) && line.contains(part));
        assert!(is_reported, "{level} {part}\n{text}");
    }
    assert!(
        !text.contains("kernel\n"),
        "the running kernel is not that system's\n{text}"
    );
}

#[test]
fn doctor_finds_nothing_wrong_with_the_examples() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("pam.d-examples");
    let root = system(&[
        ("etc/ssh/sshd_config", "UsePAM yes\n"),
        ("usr/lib/systemd/systemd", ""),
        ("etc/pam.d/common-auth", ""),
        ("etc/pam.d/common-account", ""),
        ("etc/pam.d/common-password", ""),
        ("etc/pam.d/common-session", ""),
        ("etc/pam.d/common-session-noninteractive", ""),
    ]);
    let services = root.path().join("etc/pam.d");
    fs::create_dir_all(&services).unwrap();
    for example in fs::read_dir(examples)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        fs::copy(&example, services.join(example.file_name().unwrap())).unwrap();
    }
    let value = json(&jns(&[
        "doctor",
        "--json",
        "--root",
        root.path().to_str().unwrap(),
    ]));
    let findings = value["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["area"] == "pam");
    let (right, wrong): (Vec<&Value>, Vec<&Value>) = findings.partition(|f| f["level"] == "ok");
    let stands = |service: &str| {
        let line = format!("{service}: session required pam_jns");
        right.iter().any(|finding| finding["summary"] == *line)
    };
    for service in [
        "sshd",
        "login",
        "su",
        "su-l",
        "sudo",
        "doas",
        "polkit-1",
        "runuser",
        "cron",
        "systemd-user",
    ] {
        assert!(stands(service), "{service}: {right:?}");
    }
    let others = wrong
        .iter()
        .filter(|f| !f["summary"].as_str().unwrap().contains("is missing"));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&&Value>::new());
}

#[test]
fn doctors_json_has_its_keys() {
    let root = system(&[("etc/ssh/sshd_config", "UsePAM yes\n")]);
    let output = jns(&["doctor", "--json", "--root", root.path().to_str().unwrap()]);
    let value = json(&output);
    assert_eq!(keys(&value), ["findings", "ok", "problems", "warnings"]);
    for finding in value["findings"].as_array().unwrap() {
        assert_eq!(
            keys(finding),
            ["advice", "area", "file", "level", "line", "summary"]
        );
    }
    let problems = value["problems"].as_u64().unwrap();
    assert_eq!(value["ok"], problems == 0);
    assert_eq!(output.status.code(), Some(i32::from(problems > 0)));
}

#[test]
fn doctor_examines_this_machine() {
    let output = jns(&["doctor", "--json"]);
    let value = json(&output);
    let findings = value["findings"].as_array().unwrap();
    for area in ["kernel", "privileges", "policy", "store", "pam", "sshd"] {
        assert!(
            findings.iter().any(|finding| finding["area"] == area),
            "{area}"
        );
    }
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        err(&output)
    );
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let output = jns(&["doctor", "--root", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        err(&output),
        "jns: cannot open /nonexistent: No such file or directory\n"
    );
}
