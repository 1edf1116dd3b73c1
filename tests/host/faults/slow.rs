//! Calls that take longer than the session may: it opens wholly or is refused with the reason, and whoever comes next is
//! not held. Where the process itself waits in the kernel nobody can end the call, so that the login takes as long as it.

use super::judgement::Whole;
use super::{Call, Injection, MEMORY, NOT_FAILED, Scene, campaign_under, shared, tries_all};
use crate::machine::Machine;
use crate::report::{Report, code};
use std::sync::{Condvar, Mutex};

/// A deadline, which is longer than that of root's sessions, and a call that is longer still. A login that nothing happens
/// to takes a fraction of it, even among all these.
const SETTINGS: &str = "deadline = \"2s\"\nexempt = []\n";
const DELAY: &str = "2100ms";

/// Of so many calls one is tried, unless all are: of logins, which make many, and at their ends.
const STRIDE: usize = 61;
const STRIDE_AT_END: usize = 13;

/// What the log says of a session whose time is up, and of one whose time is up when it is all there.
const REASONS: &[&str] = &["the time that the session has is up", LAST];
const LAST: &str = "it has taken longer than settings.deadline says";

/// A session of root's.
pub const FOR_ROOT: &[&str] = &[
    "start=root",
    "putenv=TMPDIR=/old",
    "environment=variables-before",
    "state=before",
    "open",
    "state=after",
    "environment=variables-after",
    "close",
    "state=closed",
    "end",
    "state=ended",
];

/// The sessions that were slow: what they were, at which of their calls, and whether they were refused.
static OUTCOMES: Mutex<Vec<(Scene, usize, bool)>> = Mutex::new(Vec::new());

#[test]
fn every_call_of_a_login_is_slow_once() {
    let scenes = [
        Scene::FirstLogin,
        Scene::LaterLogin,
        Scene::Creation,
        Scene::Join,
        Scene::SlowJoin,
        Scene::NewRoot,
    ];
    for (scene, refused) in refusals(&scenes) {
        assert!(refused > 0, "{scene:?}: no deadline ends it");
    }
}

/// Root loses the view by nothing that is slow in the process itself.
#[test]
fn every_call_of_a_login_of_root_is_slow_once() {
    let scenes = [
        Scene::FirstLoginForRoot,
        Scene::CreationForRoot,
        Scene::JoinForRoot,
        Scene::CommandForRoot,
    ];
    for (scene, refused) in refusals(&scenes) {
        assert_eq!(refused, 0, "{scene:?}");
    }
}

#[test]
fn every_call_of_a_logout_is_slow_once() {
    let scenes = [
        Scene::Logout,
        Scene::SharedLogout,
        Scene::RootLogout,
        Scene::Ending,
    ];
    for (scene, refused) in refusals(&scenes) {
        assert_eq!(refused, 0, "{scene:?}");
    }
}

/// How many sessions of each scene were refused. What is slow in one keeps no other waiting.
fn refusals(scenes: &[Scene]) -> Vec<(Scene, usize)> {
    std::thread::scope(|scope| {
        let counts = scenes
            .iter()
            .map(|scene| (*scene, scope.spawn(|| refusals_of(*scene))));
        let counts: Vec<_> = counts.collect();
        let joined = counts
            .into_iter()
            .map(|(scene, count)| (scene, count.join().unwrap()));
        joined.collect()
    })
}

/// Lets calls of the scene be slow, one in each session, and says how many were refused. They are a row: from the call at
/// which the time begins to the one before it is looked at last.
fn refusals_of(scene: Scene) -> usize {
    // Who waits takes no processor, but a machine has to be made for each.
    let workers = if tries_all() { 24 } else { 8 };
    let chosen = match scene.is_close() || scene.is_end() {
        true => |call: &Call| slow(call, STRIDE_AT_END),
        false => |call: &Call| slow(call, STRIDE),
    };
    campaign_under(workers, SETTINGS, scene, chosen);
    let mut outcomes = OUTCOMES.lock().unwrap().clone();
    outcomes.retain(|(of, ..)| *of == scene);
    outcomes.sort_by_key(|(_, position, _)| *position);
    let changes = outcomes.windows(2).filter(|pair| pair[0].2 != pair[1].2);
    let refused = outcomes.iter().filter(|(.., refused)| *refused);
    println!(
        "{scene:?}: {} of {} refused",
        refused.clone().count(),
        outcomes.len()
    );
    assert!(changes.count() <= 2, "{outcomes:?}");
    refused.count()
}

fn slow(call: &Call, stride: usize) -> Vec<Injection> {
    let name = call.name.as_str();
    // A file that is closed may be written to a server first.
    let waits = name == "close" || !(NOT_FAILED.contains(&name) || MEMORY.contains(&name));
    let is_chosen = tries_all() || call.position % stride == 1;
    let slow = (waits && is_chosen).then_some(Injection::Slow);
    slow.into_iter().collect()
}

/// Has strace(1) hold the call.
pub fn option(call: &Call) -> String {
    format!(
        "inject={}:delay_enter={DELAY}:when={}",
        call.name, call.number
    )
}

/// The right to do what takes a processor: there is one for each. So no login is late because all the others go on at
/// the same moment.
pub struct Turn(());

/// How many have one, and who waits for one.
static TURNS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Turn {
    /// Waits for one, if something is to be slow on the machine.
    pub fn wait(machine: &Machine) -> Option<Self> {
        (machine.settings == SETTINGS).then(Self::take)
    }

    fn take() -> Self {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let (taken, freed) = &TURNS;
        let taken = taken.lock().unwrap();
        *freed.wait_while(taken, |taken| *taken >= all).unwrap() += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TURNS.0.lock().unwrap() -= 1;
        TURNS.1.notify_one();
    }
}

/// Does what waits most of the time, while others have the turn that the caller has.
pub fn beside_others<T>(work: impl FnOnce() -> T) -> T {
    // The caller has one until it drops it: for as long as this is dropped, there is one less.
    drop(Turn(()));
    let done = work();
    std::mem::forget(Turn::take());
    done
}

/// Notes what became of a session that was slow at a call.
pub(super) fn note(scene: Scene, call: &Call, report: &Report) {
    let refused = report
        .codes("open")
        .iter()
        .any(|code| *code != code::SUCCESS);
    OUTCOMES
        .lock()
        .unwrap()
        .push((scene, call.position, refused));
}

/// Whether a session was refused when everything had been made for it.
pub fn is_refused_last(log: &[String]) -> bool {
    log.iter().any(|line| line.contains(LAST))
}

/// What is wrong with a refusal, if it is one, besides that something is left of the session.
pub(super) fn problems_of_refusal(
    machine: &Machine,
    scene: Scene,
    report: &Report,
    log: &[String],
    whole: &Whole,
) -> Vec<String> {
    let mut problems = shared::held_locks();
    if report.codes("open") == [code::SUCCESS] {
        // Nothing was left out, or done in another way.
        let is_warning =
            |line: &&String| ["<83>", "<84>"].iter().any(|level| line.starts_with(level));
        problems.extend(log.iter().filter(is_warning).cloned());
        return problems;
    }
    let is_told = |line: &String| REASONS.iter().any(|reason| line.contains(reason));
    if !log.iter().any(is_told) {
        problems.push(format!("  the log gives another reason: {log:?}"));
    }
    problems.extend(whole.compare_next(&machine.drive(scene.words())));
    problems
}
