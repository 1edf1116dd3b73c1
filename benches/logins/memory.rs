//! Memory: of a process that opens sessions, and of the kernel for sessions that last.

use crate::cost::{median, rounded};
use crate::host::Host;
use crate::login::Login;
use crate::progress::Progress;
use serde::Serialize;
use std::time::Duration;

/// The number of sessions that last while the kernel's memory is measured.
const SESSIONS: usize = 200;
/// The number of transactions that one process goes through.
const TRANSACTIONS: &str = "1000";

/// The size of a module as a file, and of what a process keeps in memory because of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Resident {
    /// The kind of login.
    pub login: Login,
    /// Bytes of the module's file.
    pub file: Option<u64>,
    /// Bytes that were added by the first transaction.
    pub loaded: i64,
    /// Bytes that were added by 1000 more.
    pub grown: i64,
}

/// The memory that the kernel cannot take back while a session lasts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Kernel {
    /// The kind of login.
    pub login: Login,
    /// Whether each session is another user's.
    pub of_many_users: bool,
    /// Bytes of slabs a session, over those of a session with pam_unix.
    #[serde(serialize_with = "rounded")]
    pub session: f64,
}

/// Measures the memory of a process that opens and closes sessions.
pub fn measure_resident(host: &Host, logins: &[Login]) -> Vec<Resident> {
    logins.iter().map(|login| resident(host, *login)).collect()
}

fn resident(host: &Host, login: Login) -> Resident {
    let start = format!("start={}", host.prepare(login));
    let transaction = [start.as_str(), "open", "close", "end", "go-home"];
    let first = [
        &["remember-home", "memory=before"],
        &transaction[..],
        &["memory=loaded"],
    ];
    let more = [
        &["repeat", TRANSACTIONS],
        &transaction[..],
        &["again", "memory=after"],
    ];
    let report = host.drive(login, &[first.concat(), more.concat()].concat());
    assert!(
        report.codes("open").iter().all(|code| *code == 0),
        "{login:?}"
    );
    let bytes = |label| report.number(label, "resident");
    Resident {
        login,
        file: size_of_module(host, login),
        loaded: bytes("loaded") - bytes("before"),
        grown: bytes("after") - bytes("loaded"),
    }
}

fn size_of_module(host: &Host, login: Login) -> Option<u64> {
    let name = match login {
        Login::Base => "pam_unix",
        Login::Limit => return None,
        Login::Peer | Login::PeerWithInit => "pam_namespace",
        Login::VeryFirst | Login::First | Login::Changed | Login::Later => "pam_jns",
    };
    let find =
        format!("stat -Lc %s $(ls /usr/lib*/{{,*/}}security/{name}.so 2>/dev/null | head -n 1)");
    host.sh(&find).parse().ok()
}

/// Measures what the kernel keeps for sessions that last, on a host whose mounts make what it keeps stand out.
pub fn measure_kernel(host: &Host, rounds: usize, progress: &Progress) -> Vec<Kernel> {
    host.add_accounts("user", 5000, SESSIONS);
    let mut cases = vec![
        (Login::Base, true),
        (Login::Limit, true),
        (Login::First, true),
        (Login::Later, false),
        (Login::Peer, true),
        (Login::Peer, false),
    ];
    cases.retain(|(login, _)| !login.is_of_peer() || host.has_peer());
    let mut bytes = vec![Vec::new(); cases.len()];
    for round in 0..=rounds {
        for (at, (login, of_many_users)) in cases.iter().enumerate() {
            let held = bytes_while_held(host, *login, *of_many_users);
            // In the first round directories are made.
            bytes[at].extend((round > 0).then_some(held));
        }
        progress.show(round, rounds);
    }
    let medians: Vec<f64> = bytes.into_iter().map(median).collect();
    let measured = cases.iter().zip(&medians);
    let measured = measured.map(|((login, of_many_users), bytes)| Kernel {
        login: *login,
        of_many_users: *of_many_users,
        session: (bytes - medians[0]) / SESSIONS as f64,
    });
    measured.collect()
}

/// Begins sessions, and gives the bytes that the kernel has then and had not before.
fn bytes_while_held(host: &Host, login: Login, of_many_users: bool) -> f64 {
    if login != Login::Later {
        host.prepare(login);
    }
    let user = if of_many_users {
        "start-numbered=user"
    } else {
        "start=bob"
    };
    let before = unreclaimable();
    host.hold_crowd(login, SESSIONS, user);
    let held = unreclaimable() - before;
    host.release();
    if login == Login::First {
        host.collect();
    }
    held
}

/// Reads the bytes in slabs that the kernel cannot take back (proc(5), `/proc/meminfo`), once what was freed is gone.
fn unreclaimable() -> f64 {
    std::thread::sleep(Duration::from_millis(300));
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("SUnreclaim:"));
    let kibibytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
    kibibytes.map_or(0.0, |kibibytes| kibibytes * 1024.0)
}
