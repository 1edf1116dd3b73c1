//! What is counted while the soak goes on, by all its threads.

use crate::journal::Journal;
use crate::login::{Login, Outcome, Way};
use crate::machine::user;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The number of failures that are told in full.
const TOLD: usize = 20;

/// The state that the threads share.
pub struct Tally {
    pub journal: Journal,
    pub begun: Instant,
    is_over: AtomicBool,
    next: AtomicU64,
    under_way: Mutex<BTreeMap<u64, Arc<Login>>>,
    counts: Mutex<Counts>,
}

/// Everything that was counted.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    /// All logins that were begun and have ended.
    pub logins: BTreeMap<Way, u64>,
    /// Those that did not work after something of theirs was killed.
    pub ended_by_kills: u64,
    /// Those that did not work otherwise, and commands of the host that did not.
    pub failures: u64,
    /// The first of them.
    pub told: Vec<Failure>,
    /// The number of processes that were killed, by their kind.
    pub kills: BTreeMap<&'static str, u64>,
    /// What was done beside logins.
    pub meanwhile: BTreeMap<&'static str, u64>,
    /// The times that logins by su took that slept not, in their order.
    #[serde(skip)]
    pub times: Vec<Duration>,
}

/// Something that did not work, though nothing of it was killed.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The time since the soak began, in seconds.
    pub after: f32,
    pub what: String,
    pub status: String,
    pub output: String,
    pub log: Vec<String>,
}

impl Tally {
    pub fn new(journal: Journal) -> Self {
        Self {
            journal,
            begun: Instant::now(),
            is_over: AtomicBool::new(false),
            next: AtomicU64::new(0),
            under_way: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Sleeps, or less when the soak ends.
    pub fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_over() && Instant::now() < until {
            sleep((until - Instant::now()).min(Duration::from_millis(100)));
        }
    }

    /// Logs somebody in and out, and counts it.
    pub fn log_in(&self, random: &mut fastrand::Rng) {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let login = Login::random(number, random);
        let position = self.journal.position();
        self.under_way
            .lock()
            .unwrap()
            .insert(number, Arc::clone(&login));
        let outcome = login.make();
        self.under_way.lock().unwrap().remove(&number);
        self.count(&login, &outcome, position);
    }

    fn count(&self, login: &Login, outcome: &Outcome, position: usize) {
        let has_worked = login.has_worked(outcome);
        let mut counts = self.counts.lock().unwrap();
        *counts.logins.entry(login.way).or_default() += 1;
        match (has_worked, login.is_disturbed()) {
            (true, true) => {}
            (true, false) if login.way == Way::Su && login.sleeps.is_zero() => {
                counts.times.push(outcome.took);
            }
            (true, false) => {}
            (false, true) => counts.ended_by_kills += 1,
            (false, false) => {
                drop(counts);
                let what = format!(
                    "login {} of {} by {:?}, which slept {:?}, after {:?}",
                    login.number,
                    user(login.user),
                    login.way,
                    login.sleeps,
                    outcome.took
                );
                let log = self.journal.since(position, &user(login.user));
                self.fail(what, outcome.status.to_string(), &outcome.text, log);
            }
        }
    }

    /// Notes that a command of the host did not work.
    pub fn note_failed_command(&self, what: &str, output: &Output) {
        let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        self.fail(
            what.to_owned(),
            output.status.to_string(),
            &text.concat(),
            Vec::new(),
        );
    }

    fn fail(&self, what: String, status: String, output: &str, log: Vec<String>) {
        let failure = Failure {
            after: self.begun.elapsed().as_secs_f32(),
            what,
            status,
            output: output.chars().take(2000).collect(),
            log,
        };
        eprintln!("soak: failed: {failure:#?}");
        let mut counts = self.counts.lock().unwrap();
        counts.failures += 1;
        if counts.told.len() < TOLD {
            counts.told.push(failure);
        }
    }

    pub fn count_kill(&self, kind: &'static str) {
        *self.counts.lock().unwrap().kills.entry(kind).or_default() += 1;
    }

    pub fn count_meanwhile(&self, what: &'static str) {
        *self
            .counts
            .lock()
            .unwrap()
            .meanwhile
            .entry(what)
            .or_default() += 1;
    }

    /// The number of processes of a kind that were killed until now.
    pub fn kills_of(&self, kind: &str) -> u64 {
        let counts = self.counts.lock().unwrap();
        counts.kills.get(kind).copied().unwrap_or(0)
    }

    /// Counts sessions that one process has opened and closed.
    pub fn count_sessions(&self, number: usize) {
        let mut counts = self.counts.lock().unwrap();
        *counts
            .meanwhile
            .entry("sessions of one process")
            .or_default() += number as u64;
    }

    /// The logins under way.
    pub fn under_way(&self) -> Vec<Arc<Login>> {
        self.under_way.lock().unwrap().values().cloned().collect()
    }

    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap().clone()
    }
}
