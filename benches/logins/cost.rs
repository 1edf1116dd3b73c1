//! Costs of logins, and their medians.

use crate::report::Report;
use serde::{Serialize, Serializer};

/// Times that something took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Of a processor, with that of the processes which were started and waited for.
    #[serde(serialize_with = "rounded")]
    pub cpu: f64,
    /// From the beginning to the end.
    #[serde(serialize_with = "rounded")]
    pub wall: f64,
}

impl Cost {
    /// What is left when the other one is taken off.
    pub fn over(self, base: Self) -> Self {
        let (cpu, wall) = (self.cpu - base.cpu, self.wall - base.wall);
        Self { cpu, wall }
    }

    fn median(costs: &[Self]) -> Self {
        let of = |part: fn(&Self) -> f64| median(costs.iter().map(part).collect());
        let (cpu, wall) = (of(|cost| cost.cpu), of(|cost| cost.wall));
        Self { cpu, wall }
    }
}

/// The costs of one login.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// `pam_open_session`.
    pub open: Cost,
    /// A process from its beginning to its end, in which a session is opened and closed.
    pub transaction: Cost,
}

impl Sample {
    /// Reads it from the report of the driver's words `cost=before open cost=after` within `measure`.
    pub fn of(report: &Report) -> Self {
        let cost = |label: &str| Cost {
            cpu: microseconds(report, label, "cpu"),
            wall: microseconds(report, label, "wall"),
        };
        Self {
            open: cost("after").over(cost("before")),
            transaction: cost("transaction"),
        }
    }
}

fn microseconds(report: &Report, label: &str, key: &str) -> f64 {
    report.number(label, key) as f64 / 1000.0
}

/// The costs of the logins of one kind on one host.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// Those that went as they should.
    pub good: Vec<Sample>,
    /// Why the others did not count.
    pub failures: Vec<String>,
}

/// The medians of [`Samples`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Medians {
    /// `pam_open_session`.
    pub open: Cost,
    /// The whole process.
    pub transaction: Cost,
    /// The number of logins that went as they should.
    pub logins: usize,
    /// The number of those that failed, or were of another kind than they should be.
    pub failures: usize,
}

impl Samples {
    /// Adds a login.
    pub fn add(&mut self, login: Result<Sample, String>) {
        match login {
            Ok(sample) => self.good.push(sample),
            Err(reason) => self.failures.push(reason),
        }
    }

    /// The medians; nothing where every login failed.
    pub fn medians(&self) -> Option<Medians> {
        let costs = |part: fn(&Sample) -> Cost| self.good.iter().map(part).collect::<Vec<_>>();
        (!self.good.is_empty()).then(|| Medians {
            open: Cost::median(&costs(|sample| sample.open)),
            transaction: Cost::median(&costs(|sample| sample.transaction)),
            logins: self.good.len(),
            failures: self.failures.len(),
        })
    }
}

/// Writes three digits behind the point: more are noise.
///
/// # Errors
///
/// The number cannot be written.
pub fn rounded<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value * 1000.0).round() / 1000.0)
}

/// The middle of some values, of which there is one at least.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// A line `base + each * size`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Line {
    /// The value at size 0.
    #[serde(serialize_with = "rounded")]
    pub base: f64,
    /// The growth with each unit of the size.
    #[serde(serialize_with = "rounded")]
    pub each: f64,
}

impl Line {
    /// The line that misses the points by the least squares of relative errors: by absolute ones the largest point
    /// alone would say what the base is. Nothing for fewer than two points.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < 2 {
            return None;
        }
        let sum = |term: fn(f64, f64) -> f64| -> f64 {
            let terms = points.iter().map(|(x, y)| term(*x, *y) / (y * y));
            terms.sum()
        };
        let (n, x, y) = (sum(|_, _| 1.0), sum(|x, _| x), sum(|_, y| y));
        let (xx, xy) = (sum(|x, _| x * x), sum(|x, y| x * y));
        let each = (n * xy - x * y) / (n * xx - x * x);
        let base = (y - each * x) / n;
        Some(Self { base, each })
    }
}
