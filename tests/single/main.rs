//! What only a process with one thread may do, each test in a process of its own: a harness of its own, which
//! speaks to cargo as the usual one does.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests mount and unshare themselves, and end where something is not as it should be"
)]

mod init;
mod limits;
#[allow(dead_code, reason = "it has more than is needed here")]
#[path = "../kernel/own.rs"]
mod own;

use std::process::{Command, ExitCode};

/// A test and its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let tests: Vec<&Test> = init::TESTS.iter().chain(limits::TESTS).collect();
    if has("--list") {
        // The second list is that of ignored tests, of which there are none.
        let listed = tests.iter().filter(|_| !has("--ignored"));
        listed.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let named = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'));
    let named: Vec<&String> = named.collect();
    let wanted = |name: &str| match has("--exact") {
        true => named.iter().any(|given| *given == name),
        false => named.is_empty() || named.iter().any(|given| name.contains(given.as_str())),
    };
    let chosen = tests.into_iter().filter(|(name, _)| wanted(name));
    let chosen: Vec<&Test> = chosen.collect();
    match chosen.as_slice() {
        [(_, test)] if has("--exact") => {
            run(*test);
            ExitCode::SUCCESS
        }
        _ => run_all(&chosen),
    }
}

fn run(test: fn()) {
    if !nix::unistd::Uid::effective().is_root() {
        let must = std::env::var_os("JNS_TESTS_MUST_RUN").is_some();
        assert!(!must, "this test must run, and needs root");
        println!("skipped: a PID namespace of one's own needs root");
        return;
    }
    own::leave_the_machine();
    // A thread that was joined may still be on its way out.
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    while threads() > 1 {
        std::thread::yield_now();
    }
    test();
}

fn run_all(tests: &[&Test]) -> ExitCode {
    let this = std::env::current_exe().unwrap();
    let failed = tests.iter().filter(|(name, _)| {
        let status = Command::new(&this).args(["--exact", name]).status();
        let passed = status.unwrap().success();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        !passed
    });
    match failed.count() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
