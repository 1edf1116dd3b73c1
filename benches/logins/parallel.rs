//! Many logins at once.

use crate::cost::{median, rounded};
use crate::host::Host;
use crate::login::Login;
use crate::progress::Progress;
use serde::Serialize;

/// The number of logins at once.
pub const AT_ONCE: usize = 64;

/// The rate at which a machine lets in users who come all at once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Throughput {
    /// The kind of login.
    pub login: Login,
    /// Whether each is another user's.
    pub of_many_users: bool,
    /// The number of processes a second that have logged in and out again; the median.
    #[serde(serialize_with = "rounded")]
    pub logins_per_second: f64,
}

/// Users who log in at once.
#[derive(Clone, Copy)]
struct Crowd {
    login: Login,
    /// The driver's word that says who each of them is.
    start: &'static str,
    of_many_users: bool,
}

const fn crowd(login: Login, start: &'static str, of_many_users: bool) -> Crowd {
    Crowd {
        login,
        start,
        of_many_users,
    }
}

const CROWDS: [Crowd; 6] = [
    crowd(Login::Base, "start-numbered=held", true),
    crowd(Login::Limit, "start-numbered=held", true),
    crowd(Login::First, "start-numbered=user", true),
    crowd(Login::Later, "start-numbered=held", true),
    crowd(Login::Later, "start=bob", false),
    crowd(Login::Peer, "start-numbered=user", true),
];

/// Has crowds of each kind log in, in an order that is another one each round.
pub fn measure(host: &Host, rounds: usize, progress: &Progress) -> Vec<Throughput> {
    host.add_accounts("user", 5000, AT_ONCE);
    host.add_accounts("held", 6000, AT_ONCE);
    let mut crowds: Vec<Crowd> = CROWDS.to_vec();
    crowds.retain(|crowd| !crowd.login.is_of_peer() || host.has_peer());
    make_directories(host, &crowds);
    host.hold_crowd(Login::Later, AT_ONCE, "start-numbered=held");
    let mut seconds = vec![Vec::new(); crowds.len()];
    let mut order: Vec<usize> = (0..crowds.len()).collect();
    for round in 1..=rounds {
        fastrand::shuffle(&mut order);
        for at in &order {
            seconds[*at].push(log_in(host, crowds[*at]));
        }
        progress.show(round, rounds);
    }
    let measured = crowds.iter().zip(seconds);
    measured
        .map(|(crowd, seconds)| throughput(*crowd, seconds))
        .collect()
}

fn make_directories(host: &Host, crowds: &[Crowd]) {
    for crowd in crowds {
        log_in(host, *crowd);
    }
}

/// Has a crowd log in and out, and gives the seconds until the last one of it has ended.
fn log_in(host: &Host, crowd: Crowd) -> f64 {
    if crowd.login != Login::Later {
        host.prepare(crowd.login);
    }
    let report = host.crowd(crowd.login, AT_ONCE, crowd.start);
    report.number("crowd", "wall") as f64 / 1e9
}

fn throughput(crowd: Crowd, seconds: Vec<f64>) -> Throughput {
    Throughput {
        login: crowd.login,
        of_many_users: crowd.of_many_users,
        logins_per_second: AT_ONCE as f64 / median(seconds),
    }
}
