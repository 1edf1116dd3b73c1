//! The command line.

use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};

/// A part of what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Each kind of login by the number of host mounts.
    Mounts,
    /// System calls and new processes.
    Calls,
    /// Memory of processes and of the kernel.
    Memory,
    /// By the number of users who are logged in.
    Users,
    /// By the number of processes outside of sessions.
    Processes,
    /// By the number of names in each rule.
    Names,
    /// By the number of rules.
    Rules,
    /// By the number of files of the policy.
    Files,
    /// Many logins at once.
    Parallel,
    /// What users who are logged in cost the host.
    Presence,
    /// The collection of unused namespaces by `jns gc`.
    Collections,
}

/// Measures what a login costs: with this module, with pam_namespace, and what the kernel alone takes.
///
/// It needs root, and works in namespaces of its own. Tables are printed as Markdown; results.json, tables.md and
/// pictures of the growth are written to a directory.
#[derive(Debug, Parser)]
#[command(
    name = "make bench",
    override_usage = "make bench BENCH='[OPTIONS]'",
    disable_version_flag = true
)]
pub struct Options {
    /// How often each kind of login is measured at each number of host mounts [default: 100, or 15 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(3..))]
    rounds: Option<u16>,

    /// The numbers of host mounts, from 30 to 20000
    #[arg(long, value_delimiter = ',', default_value = "30,100,1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(30..=20_000))]
    sizes: Vec<u32>,

    /// Two minutes instead of ten: fewer rounds, and growth without the largest sizes
    #[arg(long)]
    pub quick: bool,

    /// Measure these parts alone
    #[arg(long, value_delimiter = ',', value_name = "PARTS")]
    only: Vec<Part>,

    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,

    /// Where results.json, tables.md and the pictures are written [default: target/bench]
    #[arg(long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// How often each kind of login is measured.
    pub fn rounds(&self) -> usize {
        let default = if self.quick { 15 } else { 100 };
        self.rounds.unwrap_or(default).into()
    }

    /// The numbers of host mounts, ascending.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = self.sizes.iter().map(|size| *size as usize).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// Whether a part is measured.
    pub fn has(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// How often each kind of login is measured at each point of the growth.
    pub fn rounds_of_growth(&self) -> usize {
        (self.rounds() / 5).max(5)
    }

    /// The directory that results are written to.
    pub fn output(&self, target: &Path) -> PathBuf {
        self.output.clone().unwrap_or_else(|| target.join("bench"))
    }

    /// The command that measures the same again; where its results go is not part of it.
    pub fn command(&self) -> String {
        let listed = |list: Vec<String>| list.join(",");
        let sizes = listed(self.sizes().iter().map(usize::to_string).collect());
        let mut command = format!("--rounds {} --sizes {sizes}", self.rounds());
        if self.quick {
            command.push_str(" --quick");
        }
        if !self.only.is_empty() {
            let parts = self.only.iter().filter_map(Part::to_possible_value);
            let parts = listed(parts.map(|part| part.get_name().to_owned()).collect());
            command.push_str(&format!(" --only {parts}"));
        }
        format!("make bench BENCH='{command}'")
    }
}
