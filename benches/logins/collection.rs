//! What `jns gc` costs, with namespaces in which nothing runs any more and processes outside of sessions.

use crate::cost::{median, rounded};
use crate::host::Host;
use crate::login::Login;
use crate::progress::Progress;
use serde::Serialize;

/// The numbers of namespaces and of processes.
const SIZES: [(usize, usize); 3] = [(30, 100), (300, 1000), (1000, 10_000)];
/// The mounts of the host, of which each namespace has a copy.
const MOUNTS: usize = 30;

/// The processor time of collections with so many namespaces in which nothing runs, in milliseconds; medians.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Collection {
    /// The number of namespaces.
    pub namespaces: usize,
    /// The number of processes outside of sessions.
    pub processes: usize,
    /// The one that finds that nothing runs in them any more.
    #[serde(serialize_with = "rounded")]
    pub noting: f64,
    /// The one after it, in which they still linger.
    #[serde(serialize_with = "rounded")]
    pub keeping: f64,
    /// The one that ends them all.
    #[serde(serialize_with = "rounded")]
    pub ending: f64,
    /// The one after it, which finds nothing.
    #[serde(serialize_with = "rounded")]
    pub nothing: f64,
}

/// Measures collections; without the largest machine where it has to be quick.
///
/// # Errors
///
/// Why no machine can be made here.
pub fn measure(is_quick: bool, progress: &Progress) -> Result<Vec<Collection>, String> {
    let rounds = if is_quick { 3 } else { 5 };
    let sizes = &SIZES[..SIZES.len() - usize::from(is_quick)];
    let measured = sizes
        .iter()
        .map(|size| measure_one(*size, rounds, progress));
    measured.collect()
}

fn measure_one(
    (namespaces, processes): (usize, usize),
    rounds: usize,
    progress: &Progress,
) -> Result<Collection, String> {
    let host = Host::make(MOUNTS)?;
    host.add_accounts("user", 5000, namespaces);
    let number = processes.to_string();
    host.hold(Login::Base, &["crowd", &number, "hold", "join"]);
    let mut costs: [Vec<f64>; 4] = Default::default();
    for round in 1..=rounds {
        host.crowd(Login::First, namespaces, "start-numbered=user");
        for (costs, linger) in costs.iter_mut().zip(["1h", "1h", "0s", "0s"]) {
            costs.push(milliseconds(&host, linger));
        }
        progress.show(round, rounds);
    }
    let [noting, keeping, ending, nothing] = costs.map(median);
    Ok(Collection {
        namespaces,
        processes,
        noting,
        keeping,
        ending,
        nothing,
    })
}

/// Collects, and gives the processor time of the command in milliseconds.
fn milliseconds(host: &Host, linger: &str) -> f64 {
    let times = host.sh(&format!(
        "TIMEFORMAT='%3U %3S'; {{ time jns gc --linger {linger} >/dev/null; }} 2>&1"
    ));
    let times: Vec<f64> = times
        .split_whitespace()
        .map(|time| time.parse().expect("the shell prints seconds"))
        .collect();
    times.iter().sum::<f64>() * 1000.0
}
