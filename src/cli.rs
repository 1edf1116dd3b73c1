//! The `jns` command: one file for each verb, and what they share.
//!
//! A verb turns its arguments into an outcome: text and an exit status. Only [`main`] writes, but for
//! what a verb says while it works, and `enter`, which does not come back.

mod account;
mod arguments;
mod asked;
mod check;
mod command;
mod command_log;
mod completions;
mod doctor;
mod enter;
mod explain;
mod gc;
mod guide;
mod host;
pub mod import;
mod manual;
mod outcome;
mod plan;
mod ps;
mod run;
mod selftest;
mod source;
mod supervision;
mod terminal;

use arguments::Verb;
use outcome::Outcome;
use std::process::ExitCode;
use terminal::Screen;

/// Runs the command with the arguments and the standard streams of this process.
pub fn main() -> ExitCode {
    match arguments::parse(std::env::args_os()) {
        Ok(verb) => run(verb).print(),
        Err(usage) => arguments::explain(&usage),
    }
}

fn run(verb: Verb) -> Outcome {
    let screen = Screen::detect();
    match verb {
        Verb::Check(arguments) => check::run(&arguments, screen),
        Verb::Explain(arguments) => explain::run(arguments, screen),
        Verb::Doctor(arguments) => doctor::run(&arguments, screen),
        Verb::Gc(arguments) => gc::run(&arguments, screen),
        Verb::Ps(arguments) => ps::run(&arguments, screen),
        Verb::Enter(arguments) => enter::run(&arguments),
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Selftest(arguments) => selftest::run(&arguments, screen),
        Verb::Import(arguments) => import::run(&arguments),
        Verb::Completions(arguments) => completions::run(&arguments),
        Verb::Man(arguments) => manual::run(&arguments),
    }
}
