//! All or nothing: every system call that the module makes when it opens a session fails once, or is its
//! last, or takes longer than the login may, and what is left of the login is looked at. The calls are taken from a trace, so that a call that
//! is added later is covered without being named.

mod command;
mod imported;
pub mod in_session;
mod judgement;
mod processes;
mod reuse;
mod root;
mod shared;
mod slow;
mod trace;

use crate::kernel::{directory, file, names};
use crate::machine::{Machine, STORE_PARENT, module, on_machine, program, shared_object};
use crate::report::{Report, code};
use judgement::Whole;
use nix::mount::{MsFlags, mount};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use trace::{Call, MISSED, Markers, Trace};

/// Every kind of step, each in the form that makes the most calls.
const POLICY: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
[[private]]
path = "/mnt/t"
keep = [".keep", ".missing"]
[[private]]
path = "/mnt/s"
per = "session"
[[private]]
path = "/mnt/m"
medium = "memory"
size = "1M"
[[bind]]
source = "/mnt/source"
path = "/mnt/b"
[[bind]]
source = "/mnt/source"
path = "/mnt/created"
create = true
[[hide]]
path = "/mnt/home"
keep = ["{user}"]
[[hide]]
path = "/mnt/secret"
[[env]]
set = { TMPDIR = "/mnt/t", OTHER = "{uid}" }
[[overlay]]
path = "/mnt/o"
[[isolate]]
processes = "hidden"
ipc = "own"
hostname = "{user}-box"
network = "none"
"#;

/// The path that the policy has made where it is missing.
const CREATED: &str = "/mnt/created";

/// A session.
const SESSION: &[&str] = &[
    "start=alice",
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

/// A session that puts something into the directory that ends with it.
const BUSY_SESSION: &[&str] = &[
    "start=alice",
    "putenv=TMPDIR=/old",
    "state=before",
    "open",
    "state=after",
    "environment=variables-after",
    "mkdir=/mnt/s/one",
    "mkdir=/mnt/s/one/two",
    "touch=/mnt/s/one/two/file",
    "touch=/mnt/s/file",
    "close",
    "state=closed",
    "end",
    "state=ended",
];

/// Calls that cannot fail, or whose failure does not mean what strace would make of it: a descriptor that
/// close(2) reports an error for is closed all the same, one whose close(2) is left out is not.
const NOT_FAILED: &[&str] = &[
    "close",
    "geteuid",
    "getuid",
    "getegid",
    "getgid",
    "getpid",
    "gettid",
    "sysinfo",
    "exit",
    "exit_group",
];

/// Calls that bind a namespace to its pin. Where the kernel takes it for an older one, it says EINVAL.
const BIND: &[&str] = &["open_tree", "move_mount"];

/// Calls that make a descriptor, and may find that there are too many.
const MAKE_DESCRIPTORS: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "fsopen",
    "fsmount",
    "socket",
    "dup",
    "pidfd_open",
    "fspick",
    "accept4",
    "eventfd2",
    "epoll_create1",
    "inotify_init1",
    "memfd_create",
    "pipe2",
    "socketpair",
];

/// Calls that give or take memory.
const MEMORY: &[&str] = &["mmap", "mremap", "munmap", "mprotect", "madvise", "brk"];

/// What is traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// An open: the user's instances are made.
    FirstLogin,
    /// An open: the user's instances exist.
    LaterLogin,
    /// An open for an account whose id was another one's, which has left instances.
    Reuse,
    /// An open as pam_namespace does it.
    Imported,
    /// An open into another root directory.
    NewRoot,
    /// A close of such a session.
    RootLogout,
    /// The end of the handle behind it.
    RootEnding,
    /// A close.
    Logout,
    /// The end of the handle behind it.
    Ending,
    /// An open that makes the user's shared namespace.
    Creation,
    /// An open that reads the policy and joins it.
    SlowJoin,
    /// An open that joins it without reading the policy.
    Join,
    /// A close of a session in it.
    SharedLogout,
    /// An open for root, who is not exempt: root's instances are made.
    FirstLoginForRoot,
    /// One that makes root's shared namespace.
    CreationForRoot,
    /// One that joins it without reading the policy.
    JoinForRoot,
    /// An open for root in a user's session, as sudo's.
    CommandForRoot,
    /// An open for another user there, which makes that user's namespace and goes on to a copy.
    CommandForUser,
    /// An open for another user there, which goes by way of that user's namespace.
    LaterCommandForUser,
}

impl Scene {
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Logout | Self::Ending => BUSY_SESSION,
            Self::RootLogout | Self::RootEnding => root::BUSY_SESSION,
            Self::Reuse => reuse::SESSION,
            Self::FirstLoginForRoot | Self::CreationForRoot | Self::JoinForRoot => slow::FOR_ROOT,
            Self::CommandForRoot => in_session::FOR_ROOT,
            Self::CommandForUser | Self::LaterCommandForUser => in_session::FOR_BOB,
            Self::FirstLogin
            | Self::LaterLogin
            | Self::Imported
            | Self::NewRoot
            | Self::Creation
            | Self::SlowJoin
            | Self::Join
            | Self::SharedLogout => SESSION,
        }
    }

    fn is_shared(self) -> bool {
        matches!(
            self,
            Self::Creation
                | Self::SlowJoin
                | Self::Join
                | Self::SharedLogout
                | Self::CreationForRoot
                | Self::JoinForRoot
        )
    }

    fn is_command(self) -> bool {
        matches!(
            self,
            Self::CommandForRoot | Self::CommandForUser | Self::LaterCommandForUser
        )
    }

    fn is_root(self) -> bool {
        matches!(self, Self::NewRoot | Self::RootLogout | Self::RootEnding)
    }

    /// The kinds of namespaces that such a session has of its own.
    fn namespaces(self) -> &'static [&'static str] {
        match self == Self::Imported {
            true => &["mnt"],
            false => &["mnt", "ipc", "uts", "net"],
        }
    }

    fn is_close(self) -> bool {
        matches!(self, Self::Logout | Self::RootLogout | Self::SharedLogout)
    }

    fn is_end(self) -> bool {
        matches!(self, Self::Ending | Self::RootEnding)
    }

    fn markers(self) -> Markers {
        if self.is_end() {
            trace::END
        } else if self.is_close() {
            trace::CLOSE
        } else {
            trace::OPEN
        }
    }
}

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Injection {
    /// It fails with this error.
    Error(&'static str),
    /// The process is killed before it.
    Kill,
    /// The process is stopped before it, for as long as another login takes.
    Stop,
    /// It takes longer than the session may.
    Slow,
}

#[test]
fn every_call_of_a_first_login_fails_once() {
    campaign(Scene::FirstLogin, errors);
}

#[test]
fn every_call_of_a_later_login_fails_once() {
    campaign(Scene::LaterLogin, errors);
}

#[test]
fn every_call_of_a_first_login_is_its_last() {
    campaign(Scene::FirstLogin, kill);
}

#[test]
fn every_call_of_a_later_login_is_its_last() {
    campaign(Scene::LaterLogin, kill);
}

#[test]
fn every_call_of_a_logout_fails_once() {
    campaign(Scene::Logout, errors);
}

#[test]
fn every_call_of_a_logout_is_its_last() {
    campaign(Scene::Logout, kill);
}

#[test]
fn every_call_of_the_end_of_a_handle_fails_once() {
    campaign(Scene::Ending, errors);
}

/// The errors with which a call fails, each in a session of its own: one, and another one than the call of that name
/// before and behind. All of them where `JNS_FAULTS=all`.
fn errors(call: &Call) -> Vec<Injection> {
    let all = all_errors(call);
    let chosen = call
        .number
        .checked_rem(all.len())
        .and_then(|at| all.get(at));
    match tries_all() {
        true => all,
        false => chosen.copied().into_iter().collect(),
    }
}

/// The same error for all calls of a kind.
fn first_error(call: &Call) -> Vec<Injection> {
    all_errors(call).into_iter().take(1).collect()
}

/// Whether every error is tried, and every end, instead of one of each kind.
fn tries_all() -> bool {
    std::env::var_os("JNS_FAULTS").is_some_and(|word| word == "all")
}

/// Whether the campaign is about calls of that name: `JNS_FAULTS_OF` has the names of some, with commas.
fn is_wanted(name: &str) -> bool {
    match std::env::var("JNS_FAULTS_OF") {
        Ok(names) => names.split(',').any(|wanted| wanted == name),
        Err(_) => true,
    }
}

/// The process ends before the call. Behind a call that nobody can tell of, that is the same as before it, and not tried
/// again.
fn kill(_: &Call) -> Vec<Injection> {
    vec![Injection::Kill]
}

/// Every error that is tried with a call.
fn all_errors(call: &Call) -> Vec<Injection> {
    let names: &[&str] = match call.name.as_str() {
        _ if call.lets_signals_through() => &[],
        name if NOT_FAILED.contains(&name) => &[],
        name if MEMORY.contains(&name) => &["ENOMEM"],
        name if BIND.contains(&name) => &["EIO", "ENOMEM", "EPERM", "EMFILE", "EINVAL"],
        name if MAKE_DESCRIPTORS.contains(&name) => &["EIO", "ENOMEM", "EPERM", "EMFILE"],
        _ => &["EIO", "ENOMEM", "EPERM"],
    };
    names.iter().copied().map(Injection::Error).collect()
}

impl Call {
    /// Whether what happens before the call comes to the same as what happens behind it.
    fn is_unseen_at(&self, injection: Injection) -> bool {
        match injection {
            Injection::Error(_) | Injection::Slow => false,
            Injection::Kill => self.is_unseen,
            // Who waits for a lock sees that it is closed.
            Injection::Stop => self.is_unseen && self.name != "close",
        }
    }
}

/// Traces a session, then repeats it with each of the injections at each of its calls.
fn campaign(scene: Scene, injections: fn(&Call) -> Vec<Injection>) {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    campaign_of(workers, scene, injections);
}

fn campaign_of(workers: usize, scene: Scene, injections: fn(&Call) -> Vec<Injection>) {
    campaign_under(workers, "", scene, injections);
}

/// The same with more settings in every policy.
fn campaign_under(
    workers: usize,
    settings: &'static str,
    scene: Scene,
    injections: fn(&Call) -> Vec<Injection>,
) {
    let jobs = Arc::new(Mutex::new(None));
    let bad = Arc::new(Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (jobs, bad) = (Arc::clone(&jobs), Arc::clone(&bad));
            scope.spawn(move || {
                on_machine(move |machine| {
                    machine.settings = settings;
                    work(machine, scene, injections, &jobs, &bad);
                });
            });
        }
    });
    let bad = std::mem::take(&mut *bad.lock().unwrap());
    let (missed, bad): (Vec<_>, Vec<_>) = bad.into_iter().partition(|bad| bad.contains(MISSED));
    println!("{} calls were not made again", missed.len());
    assert!(missed.len() <= MOST_MISSED, "{}", missed.join("\n"));
    assert!(
        bad.is_empty(),
        "{} went wrong:\n{}",
        bad.len(),
        bad.join("\n")
    );
}

/// The number of times that an injection is tried until it meets a call of the module's.
const TRIES: usize = 4;

/// The number of runs in which one has to be like the one before it.
const SETTLING_RUNS: usize = 8;

/// The number of calls that may not be met: some are made once, as by the login that notes what the later ones read.
const MOST_MISSED: usize = 3;

type Jobs = Mutex<Option<VecDeque<(Call, Injection)>>>;

fn work(
    machine: &Machine,
    scene: Scene,
    injections: fn(&Call) -> Vec<Injection>,
    jobs: &Jobs,
    bad: &Mutex<Vec<String>>,
) {
    set_up(machine, scene);
    let turn = slow::Turn::wait(machine);
    let whole = whole(machine, scene);
    drop(turn);
    loop {
        let _turn = slow::Turn::wait(machine);
        let job = {
            let mut jobs = jobs.lock().unwrap();
            jobs.get_or_insert_with(|| enumerate(machine, scene, injections))
                .pop_front()
        };
        let Some((call, injection)) = job else { return };
        let problems = suffer(machine, scene, &call, injection, &whole);
        if !problems.is_empty() {
            let problems = problems.join("\n");
            bad.lock()
                .unwrap()
                .push(format!("{injection:?} at {call}:\n{problems}"));
        }
    }
}

/// The calls of a run that is like the one before it, as those that follow are: what is not cached takes a call more to
/// open, and so does everything where somebody mounts meanwhile.
fn settled_calls(machine: &Machine, scene: Scene) -> Vec<Call> {
    let mut before = Vec::new();
    for _ in 0..SETTLING_RUNS {
        prepare(machine, scene);
        let (report, trace) = Trace::of(&["trace=all"], scene.words());
        assert_all_open(&report);
        let calls = trace.calls_of_module(scene.markers());
        assert!(
            calls.len() > 10,
            "the module's calls are between the markers: {calls:?}"
        );
        let numbered = |call: &Call| (call.name.clone(), call.number);
        if calls.iter().map(numbered).eq(before.iter().map(numbered)) {
            return calls;
        }
        before = calls;
    }
    before
}

/// The calls between the markers, each with its injections, less those that come to the same; says how many there are.
fn enumerate(
    machine: &Machine,
    scene: Scene,
    injections: fn(&Call) -> Vec<Injection>,
) -> VecDeque<(Call, Injection)> {
    let calls = settled_calls(machine, scene);
    let mut jobs = VecDeque::new();
    let mut before: Option<&Call> = None;
    for call in &calls {
        let is_same = |injection: &Injection| {
            before.is_some_and(|before| before.is_unseen_at(*injection)) && !tries_all()
        };
        let wanted = injections(call).into_iter();
        let wanted = wanted.filter(|injection| is_wanted(&call.name) && !is_same(injection));
        jobs.extend(wanted.map(|injection| (call.clone(), injection)));
        before = Some(call);
    }
    println!("{scene:?}: {} calls, {} runs", calls.len(), jobs.len());
    jobs
}

fn set_up(machine: &Machine, scene: Scene) {
    for (path, mode) in [
        ("/mnt/t/.keep", 0o755),
        ("/mnt/t", 0o1777),
        ("/mnt/s", 0o755),
        ("/mnt/m", 0o755),
        ("/mnt/o", 0o755),
    ] {
        directory(path, mode, 0);
    }
    directory("/dev/mqueue", 0o755, 0);
    mount_queues();
    directory("/mnt/b", 0o755, 0);
    directory("/mnt/source/of-the-source", 0o755, 0);
    file("/mnt/secret", "secret");
    if scene.is_shared() {
        shared::set_up(machine);
    } else if scene.is_command() {
        return in_session::set_up(machine);
    } else if scene.is_root() {
        root::set_up(machine);
    } else if scene == Scene::Imported {
        imported::set_up(machine);
    } else if scene == Scene::Reuse {
        machine.policy(reuse::POLICY);
    } else {
        machine.policy(POLICY);
    }
    machine.whole_stack(&marked_stack());
}

/// A PAM stack in which the module stands between the markers.
fn marked_stack() -> String {
    let (marker, module) = (shared_object("marker"), module());
    let mark = |open, close, end| {
        let marker = marker.display();
        format!("session required {marker} {open} {close} {end}\n")
    };
    let config = crate::machine::POLICY;
    format!(
        "{}session required {} config={config}\n{}session required pam_permit.so\n",
        mark(trace::OPEN.begin, trace::CLOSE.begin, trace::END.end),
        module.display(),
        mark(trace::OPEN.end, trace::CLOSE.end, trace::END.begin),
    )
}

fn mount_queues() {
    let (path, flags) = ("/dev/mqueue", MsFlags::MS_NOSUID);
    mount(Some("mqueue"), path, Some("mqueue"), flags, None::<&str>).unwrap();
}

/// Puts everything back to where it was before a session of that kind.
fn prepare(machine: &Machine, scene: Scene) {
    shared::forget_runtime();
    for name in names(STORE_PARENT) {
        std::fs::remove_dir_all(format!("{STORE_PARENT}/{name}")).unwrap();
    }
    for name in names("/mnt")
        .iter()
        .filter(|name| name.starts_with(".jns-") || *name == "created")
    {
        std::fs::remove_dir_all(format!("/mnt/{name}")).unwrap();
    }
    if matches!(
        scene,
        Scene::LaterLogin | Scene::SlowJoin | Scene::Join | Scene::JoinForRoot
    ) {
        let report = machine.drive(scene.words());
        assert_eq!(report.codes("open"), [code::SUCCESS]);
    }
    if scene == Scene::Reuse {
        reuse::prepare(machine);
    }
    if scene == Scene::LaterCommandForUser {
        in_session::let_bob_log_in(machine);
    }
    if scene == Scene::SlowJoin {
        std::fs::remove_dir_all("/run/jns/stamp").unwrap();
    }
}

fn whole(machine: &Machine, scene: Scene) -> Whole {
    prepare(machine, scene);
    let report = match scene.is_command() {
        true => in_session::drive(scene.words()),
        false => machine.drive(scene.words()),
    };
    assert_all_open(&report);
    Whole::of(&report)
}

/// Every open of a driver to which nothing happened has succeeded.
fn assert_all_open(report: &Report) {
    let codes = report.codes("open");
    let all = codes.iter().all(|code| *code == code::SUCCESS);
    assert!(all && !codes.is_empty(), "{codes:?}");
}

/// One session with that injection; what is wrong afterwards.
/// Repeats the scene with an injection until that has met a call of the module's: where the kernel has forgotten what it
/// had cached, the calls are others.
fn suffer(
    machine: &Machine,
    scene: Scene,
    call: &Call,
    injection: Injection,
    whole: &Whole,
) -> Vec<String> {
    for _ in 1..TRIES {
        let problems = try_to_suffer(machine, scene, call, injection, whole);
        if !problems.iter().any(|problem| problem.contains(MISSED)) {
            return problems;
        }
    }
    try_to_suffer(machine, scene, call, injection, whole)
}

fn try_to_suffer(
    machine: &Machine,
    scene: Scene,
    call: &Call,
    injection: Injection,
    whole: &Whole,
) -> Vec<String> {
    prepare(machine, scene);
    let mut problems = match injection {
        Injection::Stop => shared::suffer_stop(call, whole),
        Injection::Error(_) | Injection::Kill | Injection::Slow if scene == Scene::Reuse => {
            reuse::suffer(machine, call, injection, whole)
        }
        Injection::Error(_) | Injection::Kill | Injection::Slow if scene.is_command() => {
            in_session::suffer(machine, scene, call, injection, whole)
        }
        Injection::Error(_) | Injection::Kill | Injection::Slow => {
            suffer_once(machine, scene, call, injection, whole)
        }
    };
    if scene.is_shared() {
        problems.extend(shared::problems_afterwards(whole, scene.words()));
    }
    problems
}

fn suffer_once(
    machine: &Machine,
    scene: Scene,
    call: &Call,
    injection: Injection,
    whole: &Whole,
) -> Vec<String> {
    let (before, lines) = (judgement::files(), machine.log().len());
    let report = match inject(scene, call, injection) {
        Ok(report) => report,
        Err(problem) => return vec![problem],
    };
    let log = machine.log().split_off(lines);
    match injection {
        Injection::Kill | Injection::Stop => whole.compare_next(&machine.drive(SESSION)),
        Injection::Error(_) | Injection::Slow if scene.is_close() || scene.is_end() => {
            whole.compare_closed(&report)
        }
        Injection::Slow => {
            let mut problems = match slow::is_refused_last(&log) {
                true => whole.compare_refused(&report, &log),
                false => judge_open(scene, &report, &before, &log, whole),
            };
            problems.extend(slow::problems_of_refusal(
                machine, scene, &report, &log, whole,
            ));
            problems
        }
        Injection::Error(_) => judge_open(scene, &report, &before, &log, whole),
    }
}

fn judge_open(
    scene: Scene,
    report: &Report,
    before: &[String],
    log: &[String],
    whole: &Whole,
) -> Vec<String> {
    match report.codes("open")[..] {
        [code::SUCCESS] if scene.is_root() => whole.compare_elsewhere(report),
        [code::SUCCESS] => whole.compare(report, scene.namespaces()),
        [code::PERM_DENIED | code::USER_UNKNOWN] => judgement::of_refused(report, before, log),
        ref other => vec![format!("open gave {other:?}, {:?}", report.output)],
    }
}

/// The scene with that injection, which was met by one of the module's own calls.
fn inject(scene: Scene, call: &Call, injection: Injection) -> Result<Report, String> {
    let traced = format!("trace={},faccessat", call.name);
    let option = match injection {
        Injection::Error(error) => {
            format!("inject={}:error={error}:when={}", call.name, call.number)
        }
        Injection::Kill | Injection::Stop => {
            format!("inject={}:signal=KILL:when={}", call.name, call.number)
        }
        Injection::Slow => slow::option(call),
    };
    let trace = || Trace::of(&[&traced, &option], scene.words());
    let (report, trace) = match injection {
        Injection::Slow => slow::beside_others(trace),
        Injection::Error(_) | Injection::Kill | Injection::Stop => trace(),
    };
    trace.hit(scene.markers(), injection == Injection::Kill)?;
    if injection == Injection::Slow {
        slow::note(scene, call, &report);
    }
    Ok(report)
}
