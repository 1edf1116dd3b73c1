//! `jns completions`: what the Tab key should know.

use crate::cli::arguments::{self, Completions, Shell};
use crate::cli::outcome::Outcome;
use clap_complete::Shell as Target;

/// Prints the completions for a shell.
pub fn run(arguments: &Completions) -> Outcome {
    let mut script = Vec::new();
    let mut definition = arguments::definition();
    clap_complete::generate(target(arguments.shell), &mut definition, "jns", &mut script);
    Outcome::report(String::from_utf8_lossy(&script).into_owned())
}

fn target(shell: Shell) -> Target {
    match shell {
        Shell::Bash => Target::Bash,
        Shell::Zsh => Target::Zsh,
        Shell::Fish => Target::Fish,
    }
}
