//! What users who are logged in cost everybody else on the host: lines of its mount table, each of which every program
//! that reads the table reads and of which systemd makes a unit, and time for whatever the host mounts.

use crate::cost::{median, rounded};
use crate::growth::host_with_users;
use crate::host::Host;
use crate::login::Login;
use crate::progress::Progress;
use serde::Serialize;

/// The numbers of users who are logged in.
const USERS: [usize; 3] = [30, 300, 1000];
/// How often the host mounts something.
const ROUNDS: usize = 50;

/// What is there on the host while users are logged in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Presence {
    /// The kind of their logins.
    pub login: Login,
    /// Their number.
    pub users: usize,
    /// The lines of the host's mount table, over those of a host where users are logged in with pam_unix alone.
    pub lines: i64,
    /// Microseconds of a processor for one mount(2) and umount(2) of the host's; the median.
    #[serde(serialize_with = "rounded")]
    pub mount: f64,
    /// The same, divided by what it is where users are logged in with pam_unix alone.
    #[serde(serialize_with = "rounded")]
    pub ratio: f64,
}

/// Measures hosts with users of each kind of login; without the largest where it has to be quick.
///
/// # Errors
///
/// Why no machine can be made here.
pub fn measure(is_quick: bool, progress: &Progress) -> Result<Vec<Presence>, String> {
    let sizes = &USERS[..USERS.len() - usize::from(is_quick)];
    let mut measured = Vec::new();
    for (at, users) in sizes.iter().enumerate() {
        measured.extend(measure_at(*users)?);
        progress.show(at + 1, sizes.len());
    }
    Ok(measured)
}

fn measure_at(users: usize) -> Result<Vec<Presence>, String> {
    let mut hosts = Vec::new();
    for login in [Login::Base, Login::Limit, Login::First, Login::Peer] {
        let host = host_with_users(users, login, 0)?;
        hosts.extend(host.map(|host| (login, host)));
    }
    let mut costs = vec![Vec::new(); hosts.len()];
    let mut order: Vec<usize> = (0..hosts.len()).collect();
    for _ in 0..ROUNDS {
        fastrand::shuffle(&mut order);
        for at in &order {
            costs[*at].push(hosts[*at].1.cost_of_mount());
        }
    }
    let costs: Vec<f64> = costs.into_iter().map(median).collect();
    let base = hosts.first().map_or(0, |(_, host)| lines(host));
    let measured = hosts.iter().zip(&costs);
    let measured = measured.map(|((login, host), mount)| Presence {
        login: *login,
        users,
        lines: lines(host) - base,
        mount: *mount,
        ratio: mount / costs[0],
    });
    Ok(measured.collect())
}

fn lines(host: &Host) -> i64 {
    let table = std::fs::read_to_string(host.path("/proc/1/mountinfo"));
    let lines = table
        .expect("a sandbox has a first process")
        .lines()
        .count();
    i64::try_from(lines).expect("so few lines")
}
