//! What a login costs: `make bench`.
//!
//! Real transactions of libpam in throw-away machines, the sandboxes of `tests/end_to_end`: each a root of its own over
//! this machine's, which stays as it is, and a PID namespace whose first process can be read, as on a real machine.
//! Every login is a process of its own, so that loading the module counts. benches/README.md says what is measured, and
//! how it is to be read.

#![allow(
    clippy::disallowed_methods,
    reason = "the benchmark is a host of its own: it mounts, and starts programs and threads"
)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a benchmark that cannot measure ends by panicking"
)]

#[path = "../../tests/end_to_end"]
mod end_to_end {
    #[allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "tests use the rest"
    )]
    pub mod sandbox;
}
use end_to_end::sandbox;

#[path = "../../tests/host/programs_in_c.rs"]
mod programs_in_c;
#[allow(dead_code, reason = "tests use the rest")]
#[path = "../../tests/host/report.rs"]
mod report;

mod calls;
mod collection;
mod cost;
mod growth;
mod host;
mod login;
mod measure;
mod memory;
mod options;
mod parallel;
mod pictures;
mod presence;
mod progress;
mod results;
mod tables;

use calls::Calls;
use clap::Parser;
use collection::Collection;
use growth::Growth;
use host::Host;
use login::Login;
use options::{Options, Part};
use parallel::Throughput;
use presence::Presence;
use progress::Progress;
use results::{Results, Row, fits, rows};
use std::error::Error;
use std::fs;
use std::process::ExitCode;

/// The number of mounts of the host where what is no time is counted.
const MOUNTS: usize = 100;
/// The number of mounts of the hosts where many log in at once, and where many sessions last.
const MANY_MOUNTS: usize = 1000;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("bench: cannot measure logins: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let progress = Progress::new();
    let results = measure_all(options, &progress)?;
    progress.end();
    write(options, &results)?;
    let json = serde_json::to_string_pretty(&results)?;
    match options.json {
        true => println!("{json}"),
        false => print!("{}", tables::all(&results)),
    }
    Ok(())
}

fn measure_all(options: &Options, progress: &Progress) -> Result<Results, String> {
    let host = Host::make(MOUNTS)?;
    let logins = logins_of(&host, progress);
    let mounts = by_mounts(options, &logins, progress)?;
    Ok(Results {
        command: options.command(),
        linux: linux(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        pam_namespace: host.has_peer().then(|| host.peer()),
        calls: calls_of(options, &host, &logins, progress),
        resident: resident(options, &host, &logins),
        kernel_memory: kernel_memory(options, progress)?,
        lines: fits(&mounts, &logins),
        mounts,
        users: grown(options, Part::Users, progress)?,
        processes: grown(options, Part::Processes, progress)?,
        names: grown(options, Part::Names, progress)?,
        rules: grown(options, Part::Rules, progress)?,
        files: grown(options, Part::Files, progress)?,
        parallel: at_once(options, progress)?,
        presence: presence_of_users(options, progress)?,
        collections: collections(options, progress)?,
    })
}

/// What is measured, or nothing.
fn when<T>(is_wanted: bool, measure: impl FnOnce() -> Vec<T>) -> Vec<T> {
    if is_wanted { measure() } else { Vec::new() }
}

fn calls_of(options: &Options, host: &Host, logins: &[Login], progress: &Progress) -> Vec<Calls> {
    when(options.has(Part::Calls), || {
        progress.begin("system calls");
        calls::count(host, logins)
    })
}

fn resident(options: &Options, host: &Host, logins: &[Login]) -> Vec<memory::Resident> {
    let measure = || memory::measure_resident(host, &of_memory(logins));
    when(options.has(Part::Memory), measure)
}

fn kernel_memory(options: &Options, progress: &Progress) -> Result<Vec<memory::Kernel>, String> {
    if !options.has(Part::Memory) {
        return Ok(Vec::new());
    }
    progress.begin("memory");
    let (host, rounds) = (Host::make(MANY_MOUNTS)?, if options.quick { 1 } else { 3 });
    Ok(memory::measure_kernel(&host, rounds, progress))
}

fn at_once(options: &Options, progress: &Progress) -> Result<Vec<Throughput>, String> {
    if !options.has(Part::Parallel) {
        return Ok(Vec::new());
    }
    progress.begin("logins at once");
    let rounds = options.rounds_of_growth().min(10);
    Ok(parallel::measure(
        &Host::make(MANY_MOUNTS)?,
        rounds,
        progress,
    ))
}

fn presence_of_users(options: &Options, progress: &Progress) -> Result<Vec<Presence>, String> {
    if !options.has(Part::Presence) {
        return Ok(Vec::new());
    }
    progress.begin("the host of many users");
    presence::measure(options.quick, progress)
}

fn collections(options: &Options, progress: &Progress) -> Result<Vec<Collection>, String> {
    if !options.has(Part::Collections) {
        return Ok(Vec::new());
    }
    progress.begin("jns gc");
    collection::measure(options.quick, progress)
}

/// Measures how the cost grows with something; nothing where that is not wanted.
fn grown(options: &Options, part: Part, progress: &Progress) -> Result<Vec<Row>, String> {
    if !options.has(part) {
        return Ok(Vec::new());
    }
    let growth = Growth::of(part).ok_or("it is not measured by its size")?;
    progress.begin(growth.name);
    let sizes = growth.sizes(options.quick);
    let measured = (growth.measure)(&sizes, options.rounds_of_growth(), progress)?;
    Ok(rows(&measured))
}

/// The kinds of login that there are on this machine.
fn logins_of(host: &Host, progress: &Progress) -> Vec<Login> {
    let mut logins = login::ALL.to_vec();
    if !host.has_peer() {
        progress.say("pam_namespace.so is not installed, and left out");
        logins.retain(|login| !login.is_of_peer());
    } else if !host.has_init() {
        progress.say("namespace.init is not installed, and left out");
        logins.retain(|login| *login != Login::PeerWithInit);
    }
    logins
}

fn of_memory(logins: &[Login]) -> Vec<Login> {
    let chosen = [Login::Base, Login::Later, Login::Peer];
    chosen
        .into_iter()
        .filter(|login| logins.contains(login))
        .collect()
}

fn by_mounts(options: &Options, logins: &[Login], progress: &Progress) -> Result<Vec<Row>, String> {
    if !options.has(Part::Mounts) {
        return Ok(Vec::new());
    }
    progress.begin("host mounts");
    let make = |size| Ok((size, Host::make(size)?));
    let hosts: Vec<(usize, Host)> = options
        .sizes()
        .into_iter()
        .map(make)
        .collect::<Result<_, String>>()?;
    let cases = growth::cases(&hosts, logins, usize::MAX);
    Ok(rows(&measure::measure(&cases, options.rounds(), progress)))
}

/// The version of Linux, without what a distribution adds.
fn linux() -> String {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    release.split('-').next().unwrap_or_default().to_owned()
}

fn write(options: &Options, results: &Results) -> Result<(), Box<dyn Error>> {
    let directory = options.output(programs_in_c::target_directory());
    fs::create_dir_all(&directory)?;
    let json = serde_json::to_string_pretty(results)? + "\n";
    fs::write(directory.join("results.json"), json)?;
    fs::write(
        directory.join("tables.md"),
        format!("# What a login costs\n\n{}", tables::all(results)),
    )?;
    let draw = |name: &str, axis, rows| pictures::draw(&directory.join(name), axis, rows);
    draw("mounts.svg", "host mounts", &results.mounts)?;
    draw("users.svg", "users who are logged in", &results.users)?;
    draw(
        "processes.svg",
        "processes outside of sessions",
        &results.processes,
    )
}
