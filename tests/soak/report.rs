//! What is said at the end.

use crate::journal::Complaint;
use crate::options::Options;
use crate::survey::{Leak, Survey, TOLERATED_SLAB};
use crate::tally::Counts;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{Debug, Display, Formatter, Result};
use std::time::Duration;

/// The result of a soak.
#[derive(Serialize)]
pub struct Report {
    seed: u64,
    /// The time from the first login to the last, in seconds.
    seconds: f32,
    users: u32,
    /// The number of logins at once.
    workers: usize,
    #[serde(flatten)]
    counts: Counts,
    leaks: Vec<Leak>,
    /// The kernel's memory that it cannot give back, in bytes, of the whole machine.
    slab: Change<u64>,
    /// The median time of a login by su, in seconds, of the first and of the last tenth.
    latency: Change<f32>,
    /// The warnings and errors of the module.
    complaints: Vec<Complaint>,
}

/// Something before and afterwards.
#[derive(Serialize)]
struct Change<T> {
    before: T,
    after: T,
}

impl Report {
    pub fn new(
        options: &Options,
        (took, workers): (Duration, usize),
        counts: Counts,
        (before, after): (&Survey, &Survey),
        leaks: Vec<Leak>,
        complaints: Vec<Complaint>,
    ) -> Self {
        Self {
            seed: options.seed,
            seconds: took.as_secs_f32(),
            users: crate::machine::USERS,
            workers,
            latency: latency(&counts.times),
            counts,
            leaks,
            slab: Change {
                before: before.slab,
                after: after.slab,
            },
            complaints,
        }
    }

    /// Whether there was no failure and no leak.
    pub fn is_good(&self) -> bool {
        self.counts.failures == 0 && self.leaks.is_empty()
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is JSON") + "\n"
    }
}

impl Display for Report {
    fn fmt(&self, text: &mut Formatter<'_>) -> Result {
        let took = humantime::format_duration(Duration::from_secs(self.seconds as u64));
        writeln!(
            text,
            "soak: {took}, seed {}, {} users, {} logins at once",
            self.seed, self.users, self.workers
        )?;
        let counts = &self.counts;
        line(text, "logins", counts.logins.values().sum(), &counts.logins)?;
        line(text, "kills", counts.kills.values().sum(), &counts.kills)?;
        writeln!(text, "{:<12} {:>8}", "ended by them", counts.ended_by_kills)?;
        let meanwhile = &counts.meanwhile;
        line(text, "meanwhile", meanwhile.values().sum(), meanwhile)?;
        writeln!(
            text,
            "{:<12} {:.1} MiB before, {:.1} MiB afterwards, of the whole machine; {} MiB more are tolerated",
            "slab",
            mebibytes(self.slab.before),
            mebibytes(self.slab.after),
            TOLERATED_SLAB >> 20
        )?;
        writeln!(
            text,
            "{:<12} {:.0} ms in the first tenth, {:.0} ms in the last: the median of logins by su",
            "latency",
            self.latency.before * 1e3,
            self.latency.after * 1e3
        )?;
        for Complaint { count, first } in &self.complaints {
            writeln!(text, "{:<12} {count:>8}  {first}", "logged")?;
        }
        for failure in &counts.told {
            writeln!(text, "{failure:#?}")?;
        }
        for leak in &self.leaks {
            writeln!(text, "left {}: {}", leak.kind, leak.what)?;
        }
        writeln!(text, "{:<12} {:>8}", "failures", counts.failures)?;
        writeln!(text, "{:<12} {:>8}", "leaks", self.leaks.len())
    }
}

/// A number, and what it consists of.
fn line<K: Debug>(
    text: &mut Formatter<'_>,
    name: &str,
    sum: u64,
    parts: &BTreeMap<K, u64>,
) -> Result {
    let parts = parts
        .iter()
        .map(|(kind, count)| format!("{kind:?} {count}"));
    let parts = parts.collect::<Vec<_>>().join(", ").replace('"', "");
    writeln!(text, "{name:<12} {sum:>8}  ({parts})")
}

fn mebibytes(bytes: u64) -> f32 {
    (bytes >> 10) as f32 / 1024.0
}

fn latency(times: &[Duration]) -> Change<f32> {
    let tenth = times.len().div_ceil(10);
    Change {
        before: median(&times[..tenth]),
        after: median(&times[times.len() - tenth..]),
    }
}

fn median(times: &[Duration]) -> f32 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(0.0, Duration::as_secs_f32)
}
