//! Tests of the soak itself, told to cargo as a test harness does.

use crate::options;
use crate::plant::FOUND;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

/// A test and its name.
type Test = (&'static str, fn());

const TESTS: [Test; 2] = [
    ("durations_are_read", options::durations_are_read),
    ("what_is_planted_is_found", what_is_planted_is_found),
];

/// Does what cargo's words ask for: lists the tests, or runs those that are named, or all.
pub fn answer(words: &[&str]) -> ExitCode {
    let names: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
    if words.contains(&"--list") {
        // The second list is that of ignored tests, of which there are none.
        let listed = TESTS.iter().filter(|_| !words.contains(&"--ignored"));
        listed.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let is_wanted =
        |(name, _): &&Test| names.is_empty() || names.iter().any(|part| name.contains(**part));
    for (name, test) in TESTS.iter().filter(is_wanted) {
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

/// A soak of two seconds ends with status 1 and names all that was left and did not work, and nothing else.
fn what_is_planted_is_found() {
    if !nix::unistd::geteuid().is_root() {
        crate::sandbox::skip!("only root can make a sandbox");
    }
    let json = tempfile::NamedTempFile::new().expect("a temporary file");
    let output = soak_for_two_seconds(json.path());
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}{said}");
    for word in FOUND {
        assert!(text.contains(word), "no {word} in {text}{said}");
    }
    let number = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    assert_eq!(number("failures"), Some(1), "{text}{said}");
    // The mount, its directory, the file, the process, its namespace and its descriptors.
    assert!(
        number("leaks").is_some_and(|leaks: u32| (5..=20).contains(&leaks)),
        "{text}{said}"
    );
    let json = std::fs::read(json.path()).expect("it was written");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
    assert_eq!(json["failures"], 1, "{json:#}");
}

fn soak_for_two_seconds(json: &Path) -> Output {
    let this = std::env::current_exe().expect("/proc shows this program");
    let mut command = Command::new(this);
    command
        .arg("run")
        .env("SOAK", "2s")
        .env("JNS_SOAK_PLANT", "1")
        .env("JNS_SOAK_JSON", json);
    command.output().expect("it starts")
}
