//! What the documents print is true: every policy in them is accepted by the checker that a login runs, and the file
//! for sudoers(5) by visudo(8).
#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

use pam_jns::policy::Policy;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn policies_in_the_readme_are_right() {
    let text = read("README.md");
    let policies: Vec<_> = between(&text, "```toml\n", "```").collect();
    assert!(!policies.is_empty());
    policies.iter().for_each(|policy| accepted(policy));
}

#[test]
fn policies_in_the_manual_pages_are_right() {
    for page in ["man/jns.toml.5", "man/pam_jns.8"] {
        let text = read(page).replace("\\(dq", "\"");
        let literals = between(&text, ".Bd -literal -offset indent\n", ".Ed");
        let policies: Vec<_> = literals
            .filter(|literal| literal.starts_with('['))
            .collect();
        assert!(!policies.is_empty(), "{page}");
        policies.iter().for_each(|policy| accepted(policy));
    }
}

#[test]
fn sudo_takes_the_file_for_sudoers() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/sudoers.d/jns");
    let search = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
    let visudo = Command::new("visudo")
        .env("PATH", search)
        .arg("-cf")
        .arg(&file)
        .output();
    let Ok(output) = visudo else {
        let must_run = std::env::var_os("JNS_TESTS_MUST_RUN").is_some_and(|value| value == "1");
        assert!(!must_run, "a test that must run cannot: there is no visudo");
        eprintln!("SKIPPED: there is no visudo");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"", "no warning");
}

/// The first table that `make bench` has written, and its pictures.
#[test]
fn the_readme_shows_what_was_measured() {
    let (readme, tables) = (read("README.md"), read("benches/results/tables.md"));
    let is_row = |line: &&str| line.starts_with('|');
    let first = tables.lines().skip_while(|line| !is_row(line));
    let first: Vec<_> = first.take_while(is_row).collect();
    assert!(!first.is_empty());
    assert!(readme.contains(&first.join("\n")), "{first:#?}");
    let pictures: Vec<_> = between(&readme, "](benches/", ")").collect();
    assert!(pictures.iter().any(|name| name.ends_with(".svg")));
    for name in pictures {
        read(&format!("benches/{name}"));
    }
}

/// The words of the language that a reader could look for.
#[test]
fn the_manual_page_names_every_word() {
    let page = read("man/jns.toml.5");
    for word in [
        "mode",
        "exempt",
        "namespace",
        "propagation",
        "store",
        "elsewhere",
        "cover",
        "leave",
        "inherit",
        "linger",
        "memory",
        "add_inherit",
        "add_exempt",
        "enforce",
        "observe",
        "slave",
        "users",
        "except",
        "services",
        "except_services",
        "ttys",
        "rhosts",
        "optional",
        "options",
        "path",
        "per",
        "medium",
        "owner",
        "group",
        "create",
        "keep",
        "hook",
        "size",
        "inodes",
        "source",
        "recursive",
        "set",
        "processes",
        "ipc",
        "hostname",
        "network",
        "fstab",
        "open",
        "close",
        "as",
        "password",
        "timeout",
        "when",
        "run",
        "on_failure",
        "private",
        "tmpfs",
        "bind",
        "hide",
        "env",
        "overlay",
        "isolate",
        "root",
        "volume",
        "{user}",
        "{uid}",
        "{gid}",
        "{group}",
        "{home}",
        "{service}",
        "{session}",
        "nosuid",
        "nodev",
        "noexec",
        "nosymfollow",
        "nodiratime",
    ] {
        let spoken = page.split(|c: char| c.is_whitespace() || ",.:[]=".contains(c));
        assert!(spoken.into_iter().any(|spoken| spoken == word), "{word}");
    }
}

fn accepted(policy: &str) {
    if let Err(mistakes) = Policy::parse(&[("document", policy.as_bytes())]) {
        panic!("{policy}\n{mistakes:?}");
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The parts of `text` between one mark and the next.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    let parts = text.split(start).skip(1);
    parts.filter_map(move |part| Some(part.split_once(end)?.0))
}
