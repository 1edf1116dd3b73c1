//! Logins of several kinds on several hosts, measured one after the other in an order that is another one each round.
//!
//! What one login frees is billed to the next: in a fixed order one kind would pay for another.

use crate::cost::{Medians, Samples};
use crate::host::{Host, let_policies_settle};
use crate::login::Login;
use crate::progress::Progress;

/// A kind of login that is measured on a host.
#[derive(Clone, Copy)]
pub struct Case<'h> {
    /// The host that users log in to.
    pub host: &'h Host,
    /// The number of mounts, users or whatever else is varied on it.
    pub size: usize,
    /// The kind of login.
    pub login: Login,
}

/// The medians of a [`Case`].
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// The number of what is varied.
    pub size: usize,
    /// The kind of login.
    pub login: Login,
    /// The medians; nothing where every login failed.
    pub medians: Option<Medians>,
}

/// Measures each of the cases once a round, and says on standard error why logins failed, if any did.
pub fn measure(cases: &[Case], rounds: usize, progress: &Progress) -> Vec<Measured> {
    let_policies_settle();
    let mut samples = vec![Samples::default(); cases.len()];
    let mut order: Vec<usize> = (0..cases.len()).collect();
    for round in 1..=rounds {
        fastrand::shuffle(&mut order);
        for at in &order {
            samples[*at].add(cases[*at].host.log_in(cases[*at].login));
        }
        progress.show(round, rounds);
    }
    let measured = cases.iter().zip(&samples);
    measured
        .map(|(case, samples)| summarize(case, samples, progress))
        .collect()
}

fn summarize(case: &Case, samples: &Samples, progress: &Progress) -> Measured {
    let Case { size, login, .. } = *case;
    if let Some(reason) = samples.failures.first() {
        let (name, count) = (login.name(), samples.failures.len());
        progress.say(&format!(
            "{name}, {size}: {count} failed, such as: {reason}"
        ));
    }
    let medians = samples.medians();
    Measured {
        size,
        login,
        medians,
    }
}
