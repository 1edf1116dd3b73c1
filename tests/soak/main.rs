//! Endurance: real programs log a hundred users in and out of the installed module for minutes or hours, while their
//! processes are killed, the policy changes, `jns gc` and `jns ps` run and the host mounts and unmounts. A login that
//! did not work though nothing of it was killed is a failure, and what is left at the end is a leak.
//!
//! `make soak` runs it. tests/README.md says what it does and what it counts.
//!
//! Three processes take part, by the first word of the command line. *run* waits for signals and passes on the wish to
//! stop. *sandbox* makes a sandbox, as end_to_end does, and lives outside of it. *inside* is in the sandbox and does
//! everything else, so that no process but the sandbox's own can be killed by it. Each ends when the one before it has
//! gone, and the sandbox with them. Without such a word this speaks to cargo as a test harness does.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it is a host of its own: it starts programs and threads, and ends where nothing can be done"
)]

#[path = "../end_to_end"]
mod end_to_end {
    #[allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "other tests use the rest"
    )]
    pub mod sandbox;
}
use end_to_end::sandbox;

#[path = "../host/programs_in_c.rs"]
mod programs_in_c;

mod disturbances;
mod harness;
mod host;
mod inside;
mod journal;
mod kills;
mod login;
mod machine;
mod options;
mod outside;
mod plant;
mod processes;
mod report;
mod survey;
mod tally;

use options::Options;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run"] => with_options(outside::run),
        ["sandbox"] => with_options(outside::in_sandbox),
        ["inside"] => with_options(inside::soak),
        others => harness::answer(others),
    }
}

/// Does something with the options of the environment; status 2 where they are not right.
fn with_options(act: impl FnOnce(&Options) -> ExitCode) -> ExitCode {
    match Options::of_environment() {
        Ok(options) => act(&options),
        Err(reason) => {
            eprintln!("soak: {reason}");
            ExitCode::from(2)
        }
    }
}
