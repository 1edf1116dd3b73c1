//! The soak itself, in the sandbox.

use crate::journal::Journal;
use crate::options::Options;
use crate::report::Report;
use crate::survey::{ENDINGS, Survey, find_leaks};
use crate::tally::Tally;
use crate::{disturbances, host, kills, machine, plant};
use std::fs;
use std::io::Read;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// The number of logins at once for each processor.
const WORKERS: usize = 8;

/// The time between two lines that tell how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// Soaks, and prints the report. The status is 1 where there was a failure or a leak.
pub fn soak(options: &Options) -> ExitCode {
    let journal = Journal::listen();
    machine::add_users();
    machine::make_places();
    machine::check_policies();
    let listener = machine::start_sshd();
    let before = Survey::take();
    let workers = WORKERS * available_parallelism().map_or(1, usize::from);
    let tally = Tally::new(journal);
    eprintln!(
        "soak: {}, seed {}, {workers} logins at once",
        humantime::format_duration(options.duration),
        options.seed
    );
    run_threads(&tally, options, workers, listener);
    let took = tally.begun.elapsed();
    let mut endings = ENDINGS;
    if options.is_planted {
        plant::fail(&tally, &mut fastrand::Rng::with_seed(options.seed));
        plant::leave();
        endings = plant::ENDINGS;
    }
    let (after, leaks) = find_leaks(&before, endings);
    let report = Report::new(
        options,
        (took, workers),
        tally.counts(),
        (&before, &after),
        leaks,
        tally.journal.complaints(),
    );
    print!("{report}");
    fs::write(machine::REPORT, report.to_json()).expect("the sandbox has a disk");
    match report.is_good() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Logs in and disturbs until the time is over, or standard input ends; then waits for the last.
fn run_threads(tally: &Tally, options: &Options, workers: usize, listener: u32) {
    let random = |thread: usize| fastrand::Rng::with_seed(options.seed.wrapping_add(thread as u64));
    std::thread::scope(|threads| {
        let log_in = |thread| {
            let mut random = random(thread);
            while !tally.is_over() {
                tally.log_in(&mut random);
            }
        };
        for thread in 0..workers {
            threads.spawn(move || log_in(thread));
        }
        let others = [
            disturbances::change_policies,
            disturbances::collect,
            disturbances::list,
            disturbances::mount_and_unmount,
            host::open_and_close,
        ];
        for (number, other) in others.into_iter().enumerate() {
            let mut random = random(workers + number);
            threads.spawn(move || other(tally, &mut random));
        }
        let mut random = random(workers + others.len());
        threads.spawn(move || kills::kill_at_random(tally, &mut random, listener));
        wait(tally, options.duration);
    });
}

/// Waits until the time is over or standard input has ended, and tells how far it is.
fn wait(tally: &Tally, duration: Duration) {
    let stop = end_of_input();
    let end = Instant::now() + duration;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let waited = stop.recv_timeout(left.min(PROGRESS));
        if left.is_zero() || waited != Err(RecvTimeoutError::Timeout) {
            return tally.end();
        }
        let counts = tally.counts();
        let kills: u64 = counts.kills.values().sum();
        eprintln!(
            "{:>6} s  {:>8} logins  {kills} kills  {} failures",
            tally.begun.elapsed().as_secs(),
            counts.logins.values().sum::<u64>(),
            counts.failures
        );
    }
}

/// Sends word when standard input ends: whoever holds its other end wants no more, or is gone.
fn end_of_input() -> Receiver<()> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = sender.send(());
    });
    receiver
}
