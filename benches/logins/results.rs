//! All that was measured, as it is written to results.json.

use crate::calls::Calls;
use crate::collection::Collection;
use crate::cost::{Cost, Line, rounded};
use crate::login::Login;
use crate::measure::Measured;
use crate::memory::{Kernel, Resident};
use crate::parallel::Throughput;
use crate::presence::Presence;
use serde::Serialize;

/// All that was measured. Times are in microseconds, medians.
#[derive(Debug, Serialize)]
pub struct Results {
    /// The command that measures it again.
    pub command: String,
    /// The version of Linux.
    pub linux: String,
    /// The number of processors.
    pub processors: usize,
    /// The version of the package that pam_namespace is of, if it is installed.
    pub pam_namespace: Option<String>,
    /// By the number of the host's mounts.
    pub mounts: Vec<Row>,
    /// `pam_open_session` as a function of the number of mounts.
    pub lines: Vec<Fit>,
    /// System calls and new processes.
    pub calls: Vec<Calls>,
    /// By the number of users who are logged in.
    pub users: Vec<Row>,
    /// By the number of processes outside of sessions.
    pub processes: Vec<Row>,
    /// By the number of names in each rule.
    pub names: Vec<Row>,
    /// By the number of rules.
    pub rules: Vec<Row>,
    /// By the number of files of the policy.
    pub files: Vec<Row>,
    /// Logins of many at once.
    pub parallel: Vec<Throughput>,
    /// What users who are logged in cost the host.
    pub presence: Vec<Presence>,
    /// What `jns gc` costs.
    pub collections: Vec<Collection>,
    /// The memory of a process that opens sessions.
    pub resident: Vec<Resident>,
    /// The memory that the kernel keeps for sessions.
    pub kernel_memory: Vec<Kernel>,
}

/// The costs of a kind of login at one size of what is varied.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// The size.
    pub size: usize,
    /// The kind of login.
    pub login: Login,
    /// `pam_open_session`, over that with pam_unix alone.
    pub open: Cost,
    /// The whole process.
    pub transaction: Cost,
    /// The processor time of `open`, divided by that of [`Login::Limit`].
    #[serde(serialize_with = "rounded")]
    pub open_ratio: f64,
    /// The processor time of `transaction`, divided by that of [`Login::Limit`].
    #[serde(serialize_with = "rounded")]
    pub transaction_ratio: f64,
    /// The number of logins that went as they should.
    pub logins: usize,
    /// The number of the others.
    pub failures: usize,
}

/// A line through the costs of one kind of login.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fit {
    /// The kind of login.
    pub login: Login,
    /// Microseconds of a processor, by the number of mounts.
    pub line: Line,
}

/// Compares what was measured with pam_unix and with the limit at the same size.
pub fn rows(measured: &[Measured]) -> Vec<Row> {
    let compare = |one: &Measured| compare(one, measured);
    measured.iter().filter_map(compare).collect()
}

fn compare(one: &Measured, all: &[Measured]) -> Option<Row> {
    let at_size = |login| {
        let mut same = all.iter().filter(|other| other.size == one.size);
        same.find(|other| other.login == login)?.medians
    };
    let (medians, base, limit) = (one.medians?, at_size(Login::Base)?, at_size(Login::Limit)?);
    let open = medians.open.over(base.open);
    Some(Row {
        size: one.size,
        login: one.login,
        open,
        transaction: medians.transaction,
        open_ratio: open.cpu / limit.open.over(base.open).cpu,
        transaction_ratio: medians.transaction.cpu / limit.transaction.cpu,
        logins: medians.logins,
        failures: medians.failures,
    })
}

/// Fits a line to each kind of login but [`Login::Base`], whose costs over itself are none.
pub fn fits(rows: &[Row], logins: &[Login]) -> Vec<Fit> {
    let fit = |login: &Login| {
        let of_login = rows.iter().filter(|row| row.login == *login);
        let points: Vec<_> = of_login
            .map(|row| (row.size as f64, row.open.cpu))
            .collect();
        let line = Line::through(&points)?;
        Some(Fit {
            login: *login,
            line,
        })
    };
    let compared = logins.iter().filter(|login| **login != Login::Base);
    compared.filter_map(fit).collect()
}
