//! What is killed, and whose logins it may have been needed by.

use crate::login::Way;
use crate::machine::{FIRST_ID, USERS, user};
use crate::processes::{self, Process};
use crate::tally::Tally;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::time::Duration;

/// The kind of process that is the first of a session's PID namespace.
pub const INIT: &str = "init of a session";

/// The kinds of processes that are killed.
const KINDS: [&str; 6] = [
    "program that logs in",
    "sshd's monitor",
    INIT,
    "user's process",
    "sshd's process for the user",
    "jns",
];

/// A login that takes longer hangs, and has failed.
const HANGS: Duration = Duration::from_secs(120);

/// The logins that a kill may disturb.
enum Disturbed {
    /// Those of these users.
    Of(BTreeSet<u32>),
    /// Those by ssh.
    BySsh,
    /// All.
    All,
    /// None: a command was killed.
    Nobodys,
}

/// Kills something now and then until the soak ends.
pub fn kill_at_random(tally: &Tally, random: &mut fastrand::Rng, listener: u32) {
    while !tally.is_over() {
        tally.sleep(Duration::from_millis(random.u64(20..300)));
        kill_one(tally, random, listener);
        kill_hanging(tally);
    }
}

fn kill_one(tally: &Tally, random: &mut fastrand::Rng, listener: u32) {
    let kind = KINDS[random.usize(0..KINDS.len())];
    if kind == KINDS[0] {
        return kill_program(tally, random);
    }
    let all = processes::all();
    let victims = all.iter().filter(|process| is_of(kind, process, listener));
    let victims: Vec<&Process> = victims.collect();
    let Some(victim) = random.choice(victims) else {
        return;
    };
    let disturbed = disturbed(kind, victim, &all);
    // A login that begins in between may need it as well.
    disturb(tally, &disturbed);
    tally.count_kill(kind);
    let _ = kill(pid(victim.pid), Signal::SIGKILL);
    disturb(tally, &disturbed);
}

fn is_of(kind: &str, process: &Process, listener: u32) -> bool {
    let is_sshd = process.name.starts_with("sshd");
    let is_users = number(process).is_some();
    match kind {
        "sshd's monitor" => is_sshd && process.parent == listener,
        INIT => process.name == "jns-init",
        "user's process" => is_users && !is_sshd,
        "sshd's process for the user" => is_sshd && is_users,
        _ => process.name == "jns",
    }
}

/// The number of the user whose process it is.
fn number(process: &Process) -> Option<u32> {
    let number = process.uid.checked_sub(FIRST_ID)?;
    (number < USERS).then_some(number)
}

fn disturbed(kind: &str, victim: &Process, all: &[Process]) -> Disturbed {
    let found: BTreeSet<u32> = match kind {
        "jns" => return Disturbed::Nobodys,
        INIT => {
            let own = victim.namespace("pid");
            let members = all.iter().filter(|process| process.namespace("pid") == own);
            members.filter_map(number).collect()
        }
        "sshd's monitor" => {
            let words = victim.title.split([' ', ':', '@']);
            let named = (0..USERS).find(|number| words.clone().any(|word| word == user(*number)));
            named.into_iter().collect()
        }
        _ => number(victim).into_iter().collect(),
    };
    match found.is_empty() {
        false => Disturbed::Of(found),
        true if kind == "sshd's monitor" => Disturbed::BySsh,
        true => Disturbed::All,
    }
}

fn disturb(tally: &Tally, disturbed: &Disturbed) {
    for login in tally.under_way() {
        let is_disturbed = match disturbed {
            Disturbed::Of(users) => users.contains(&login.user),
            Disturbed::BySsh => login.way == Way::Ssh,
            Disturbed::All => true,
            Disturbed::Nobodys => false,
        };
        if is_disturbed {
            login.disturb();
        }
    }
}

/// Kills a program that was started to log somebody in. Another login of the user goes on.
fn kill_program(tally: &Tally, random: &mut fastrand::Rng) {
    let Some(login) = random.choice(tally.under_way()) else {
        return;
    };
    // As long as this is held nobody waits for it, and no other process has its number.
    let program = login.pid.lock().unwrap();
    if let Some(program) = *program {
        login.disturb();
        let _ = kill(pid(program), Signal::SIGKILL);
        tally.count_kill(KINDS[0]);
    }
}

/// Ends logins that hang. Nothing excuses them.
fn kill_hanging(tally: &Tally) {
    let under_way = tally.under_way();
    let hanging = under_way
        .iter()
        .filter(|login| login.begun.elapsed() > HANGS);
    for login in hanging {
        if let Some(program) = *login.pid.lock().unwrap() {
            let _ = kill(pid(program), Signal::SIGKILL);
        }
    }
}

/// Ends all processes of users. Returns whether there were any.
pub fn kill_users_processes() -> bool {
    let all = processes::all();
    let of_users = all.iter().filter(|process| number(process).is_some());
    let killed = of_users.map(|process| kill(pid(process.pid), Signal::SIGKILL));
    killed.count() > 0
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(number.try_into().expect("a pid"))
}
