//! All or nothing: every system call that the module makes when it opens a session fails once, or is its
//! last, and what is left of the login is looked at. The calls are taken from a trace, so that a call that
//! is added later is covered without being named.

mod trace;

use crate::kernel::{directory, exists, file, tree};
use crate::report::{Report, code, difference};
use crate::room::{Room, STORE, in_room, module, program, shared_object};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use trace::{Call, Trace};

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
"#;

/// What the driver does.
const WORDS: [&str; 10] = [
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
    "exit",
    "exit_group",
];

/// Calls that make a descriptor, and may find that there are too many.
const MAKE_DESCRIPTORS: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "open_tree",
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

/// Whether the user's instances exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    First,
    Later,
}

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It fails with this error.
    Error(&'static str),
    /// The process is killed before it.
    Kill,
}

/// What a login is that nothing happened to.
struct Whole {
    view: Vec<String>,
    variables: Vec<String>,
    files: Vec<String>,
}

#[test]
fn every_call_of_a_first_login_fails_once() {
    campaign(Login::First, |call| errors(&call.name));
}

#[test]
fn every_call_of_a_later_login_fails_once() {
    campaign(Login::Later, |call| errors(&call.name));
}

#[test]
fn every_call_of_a_first_login_is_its_last() {
    campaign(Login::First, |_| vec![Fate::Kill]);
}

#[test]
fn every_call_of_a_later_login_is_its_last() {
    campaign(Login::Later, |_| vec![Fate::Kill]);
}

fn errors(name: &str) -> Vec<Fate> {
    let names: &[&str] = match name {
        name if NOT_FAILED.contains(&name) => &[],
        name if MEMORY.contains(&name) => &["ENOMEM"],
        name if MAKE_DESCRIPTORS.contains(&name) => &["EIO", "ENOMEM", "EPERM", "EMFILE"],
        _ => &["EIO", "ENOMEM", "EPERM"],
    };
    names.iter().copied().map(Fate::Error).collect()
}

/// Traces a login, then repeats it with each of the fates at each of its calls.
fn campaign(login: Login, fates: fn(&Call) -> Vec<Fate>) {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = Arc::new(Mutex::new(None));
    let bad = Arc::new(Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (jobs, bad) = (Arc::clone(&jobs), Arc::clone(&bad));
            scope.spawn(move || in_room(move |room| work(room, login, fates, &jobs, &bad)));
        }
    });
    let bad = std::mem::take(&mut *bad.lock().unwrap());
    assert!(
        bad.is_empty(),
        "{} went wrong:\n{}",
        bad.len(),
        bad.join("\n")
    );
}

type Jobs = Mutex<Option<VecDeque<(Call, Fate)>>>;

fn work(
    room: &Room,
    login: Login,
    fates: fn(&Call) -> Vec<Fate>,
    jobs: &Jobs,
    bad: &Mutex<Vec<String>>,
) {
    furnish(room);
    let whole = whole_login(room, login);
    loop {
        let job = {
            let mut jobs = jobs.lock().unwrap();
            jobs.get_or_insert_with(|| enumerate(room, login, fates))
                .pop_front()
        };
        let Some((call, fate)) = job else { return };
        let problems = suffer(room, login, &call, fate, &whole);
        if !problems.is_empty() {
            let problems = problems.join("\n");
            bad.lock()
                .unwrap()
                .push(format!("{fate:?} at {call}:\n{problems}"));
        }
    }
}

/// The calls between the markers, each with its fates; says how many there are.
fn enumerate(room: &Room, login: Login, fates: fn(&Call) -> Vec<Fate>) -> VecDeque<(Call, Fate)> {
    prepare(room, login);
    let (report, trace) = Trace::of(room, &["trace=all"], &WORDS);
    assert_eq!(
        report.codes("open"),
        [code::SUCCESS],
        "a login that is only traced"
    );
    let calls = trace.calls_of_module();
    assert!(
        calls.len() > 50,
        "the module's calls are between the markers: {calls:?}"
    );
    let jobs: VecDeque<_> = calls
        .iter()
        .flat_map(|call| fates(call).into_iter().map(|fate| (call.clone(), fate)))
        .collect();
    let mut names = BTreeMap::new();
    calls
        .iter()
        .for_each(|call| *names.entry(call.name.as_str()).or_insert(0) += 1);
    println!(
        "{login:?} login: {} calls, {} runs; {names:?}",
        calls.len(),
        jobs.len()
    );
    jobs
}

fn furnish(room: &Room) {
    for (path, mode) in [
        ("/mnt/t/.keep", 0o755),
        ("/mnt/t", 0o1777),
        ("/mnt/s", 0o755),
        ("/mnt/m", 0o755),
    ] {
        directory(path, mode, 0);
    }
    directory("/mnt/b", 0o755, 0);
    directory("/mnt/source/of-the-source", 0o755, 0);
    file("/mnt/secret", "secret");
    room.policy(POLICY);
    let (marker, module) = (shared_object("marker"), module());
    let mark = |name| format!("session required {} {name}\n", marker.display());
    let line = format!(
        "session required {} config={}\n",
        module.display(),
        crate::room::POLICY
    );
    let permit = "session required pam_permit.so\n";
    room.whole_stack(&[&mark(trace::BEGIN), &line, &mark(trace::END), permit].concat());
}

/// Puts everything back to where it was before a login of that kind.
fn prepare(room: &Room, login: Login) {
    for name in crate::kernel::names("/mnt/var/lib") {
        std::fs::remove_dir_all(format!("/mnt/var/lib/{name}")).unwrap();
    }
    for name in crate::kernel::names("/mnt")
        .iter()
        .filter(|name| name.starts_with(".jns-") || *name == "created")
    {
        std::fs::remove_dir_all(format!("/mnt/{name}")).unwrap();
    }
    if login == Login::Later {
        let report = room.drive(&WORDS);
        assert_eq!(report.codes("open"), [code::SUCCESS]);
    }
}

fn whole_login(room: &Room, login: Login) -> Whole {
    prepare(room, login);
    let report = room.drive(&WORDS);
    assert_eq!(report.codes("open"), [code::SUCCESS]);
    let view = view(&report);
    assert!(view.len() > 8, "every step is attached: {view:#?}");
    Whole {
        view,
        variables: variables(&report, "variables-after"),
        files: files(),
    }
}

/// One login with that fate; what is wrong afterwards.
fn suffer(room: &Room, login: Login, call: &Call, fate: Fate, whole: &Whole) -> Vec<String> {
    prepare(room, login);
    let (before, lines) = (files(), room.log().len());
    let injection = match fate {
        Fate::Error(error) => format!("inject={}:error={error}:when={}", call.name, call.number),
        Fate::Kill => format!("inject={}:signal=KILL:when={}", call.name, call.number),
    };
    let traced = format!("trace={},faccessat", call.name);
    let (report, trace) = Trace::of(room, &[&traced, &injection], &WORDS);
    if let Err(problem) = trace.hit(fate == Fate::Kill) {
        return vec![problem];
    }
    if fate == Fate::Kill {
        return after_kill(room, whole);
    }
    match report.codes("open")[..] {
        [code::SUCCESS] => is_whole(&report, whole),
        [code::SESSION_ERR | code::USER_UNKNOWN] => {
            let mut problems = is_nothing(&report, &before);
            if !room
                .log()
                .split_off(lines)
                .iter()
                .any(|line| line.starts_with("<83>"))
            {
                problems.push("refused without a reason in the log".to_owned());
            }
            problems
        }
        _ => vec![format!(
            "open gave {:?}, {:?}",
            report.values("open"),
            report.output
        )],
    }
}

/// What is wrong with a login that was opened: it has everything.
fn is_whole(report: &Report, whole: &Whole) -> Vec<String> {
    let mut problems = Problems::default();
    problems.compare("the view", &whole.view, &view(report));
    problems.compare(
        "the variables",
        &whole.variables,
        &variables(report, "variables-after"),
    );
    problems.compare("the files afterwards", &whole.files, &files());
    problems.compare(
        "the process",
        &report.state_without_view("before"),
        &report.state_without_view("after"),
    );
    problems.compare(
        "the process at its end",
        &report.state_without_view("before"),
        &report.state_without_view("closed"),
    );
    problems.silent(report);
    problems.0
}

/// What is wrong with a login that was refused: there is nothing of it.
fn is_nothing(report: &Report, files_before: &[String]) -> Vec<String> {
    let mut problems = Problems::default();
    problems.compare(
        "the process",
        &report.state("before"),
        &report.state("after"),
    );
    let (before, after) = (
        variables(report, "variables-before"),
        variables(report, "variables-after"),
    );
    problems.compare("the variables", &before, &after);
    problems.compare("the files", files_before, &files());
    problems.silent(report);
    problems.0
}

/// What is wrong with the next login after one that was killed: nothing hinders it, and what the killed one
/// left is known by its name.
fn after_kill(room: &Room, whole: &Whole) -> Vec<String> {
    let report = room.drive(&WORDS);
    if report.codes("open") != [code::SUCCESS] {
        return vec![format!(
            "the next login is refused: {:?}",
            room.log().last()
        )];
    }
    let mut problems = Problems::default();
    problems.compare("the view", &whole.view, &view(&report));
    let is_known =
        |path: &String| path.contains("/.jns-") || path.starts_with(&format!("{STORE}/session/"));
    let files: Vec<_> = files().into_iter().filter(|path| !is_known(path)).collect();
    problems.compare("the files afterwards", &whole.files, &files);
    problems.0
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn compare<S: AsRef<str> + PartialEq>(&mut self, what: &str, expected: &[S], found: &[S]) {
        let difference = difference(expected, found);
        if !difference.is_empty() {
            self.0.push(format!("  {what}:\n{difference}"));
        }
    }

    fn silent(&mut self, report: &Report) {
        if !(report.output.stdout.is_empty() && report.output.stderr.is_empty()) {
            self.0.push(format!("  output: {:?}", report.output));
        }
    }
}

/// Everything in the room except what the driver and the trace write.
fn files() -> Vec<String> {
    assert!(!exists(trace::FILE));
    tree("/mnt")
}

fn variables(report: &Report, label: &str) -> Vec<String> {
    let mut variables: Vec<_> = report
        .values(label)
        .into_iter()
        .map(str::to_owned)
        .collect();
    variables.sort();
    variables
}

/// What is mounted where, without the numbers that differ between two logins.
fn view(report: &Report) -> Vec<String> {
    let mounts = report.values("after mount").into_iter();
    let mut view: Vec<_> = mounts.map(trace::without_numbers).collect();
    view.sort();
    view
}
