//! The command, each of whose system calls fails once: it says so, and has done nothing by halves.

use super::shared::{RUNTIME, forget_runtime};
use super::trace::{Call, Trace};
use super::{Injection, MEMORY, first_error};
use crate::kernel::{directory, exists, file, names, tree};
use crate::machine::{Machine, STORE, on_machine};
use crate::report::code;
use std::collections::VecDeque;
use std::fs::File;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// What is tried: how it is prepared, the command's words, and what is wrong afterwards.
#[derive(Clone, Copy)]
struct Trial {
    prepare: fn(&Machine),
    words: &'static [&'static str],
    judge: fn(&Output, &Output) -> Vec<String>,
}

/// Runs the command as it is, and then again with each of its calls failing in the ways that such a call may.
fn try_every_call(trial: Trial) {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs: Arc<Mutex<Option<VecDeque<_>>>> = Arc::default();
    let bad = Arc::new(Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (jobs, bad) = (Arc::clone(&jobs), Arc::clone(&bad));
            scope.spawn(move || {
                on_machine(move |machine| {
                    (trial.prepare)(machine);
                    let whole = untouched(trial.words);
                    loop {
                        let job = jobs
                            .lock()
                            .unwrap()
                            .get_or_insert_with(|| list(machine, trial))
                            .pop_front();
                        let Some((call, error)) = job else { return };
                        let problems = suffer(machine, trial, &call, error, &whole);
                        bad.lock().unwrap().extend(problems);
                    }
                });
            });
        }
    });
    let bad = bad.lock().unwrap();
    assert!(
        bad.is_empty(),
        "{} went wrong:\n{}",
        bad.len(),
        bad.join("\n")
    );
}

/// A command that runs its words with few processes to see, for what looks at all of them, in the mount namespace
/// of the machine.
pub fn among_few() -> Command {
    let script = r#"mount -t proc proc /proc && "$@"; status=$?; umount /proc; exit $status"#;
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "sh", "-c", script, "sh"]);
    command
}

const COMMAND: &str = env!("CARGO_BIN_EXE_jns");

fn untouched(words: &[&str]) -> Output {
    among_few()
        .arg(COMMAND)
        .args(words)
        .env_clear()
        .output()
        .unwrap()
}

fn list(machine: &Machine, trial: Trial) -> VecDeque<(Call, &'static str)> {
    (trial.prepare)(machine);
    let (output, trace) = Trace::of_command(&["trace=all"], &[&[COMMAND], trial.words].concat());
    assert!(output.status.success(), "{output:?}");
    let mut calls = trace.calls_of_command();
    // Without memory a program written in Rust is ended, whatever it is.
    calls.retain(|call| !MEMORY.contains(&call.name.as_str()));
    assert!(calls.len() > 10, "{calls:?}");
    let jobs: VecDeque<_> = calls
        .iter()
        .flat_map(|call| {
            let errors = first_error(call).into_iter();
            errors.filter_map(|injection| match injection {
                Injection::Error(error) => Some((call.clone(), error)),
                Injection::Kill | Injection::Stop | Injection::Slow => None,
            })
        })
        .collect();
    println!(
        "{:?}: {} calls, {} runs",
        trial.words,
        calls.len(),
        jobs.len()
    );
    jobs
}

fn suffer(
    machine: &Machine,
    trial: Trial,
    call: &Call,
    error: &str,
    whole: &Output,
) -> Option<String> {
    (trial.prepare)(machine);
    let (traced, option) = (
        format!("trace={}", call.name),
        format!("inject={}:error={error}:when={}", call.name, call.number),
    );
    let words = [&[COMMAND], trial.words].concat();
    let (output, trace) = Trace::of_command(&[&traced, &option], &words);
    let mut problems = said(&output, call.name == "write");
    if !trace.has_injected() {
        problems.push("nothing was injected".to_owned());
    }
    problems.extend((trial.judge)(&output, whole));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    (!problems.is_empty()).then(|| format!("{error} at {call}: {problems:#?}\n{out}{err}"))
}

/// What is wrong with what it says: a failure has its reason, unless that is what could not be written.
fn said(output: &Output, is_mute: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let err = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {}
        Some(1) if is_mute => {}
        Some(1 | 2) if err.lines().any(|line| line.starts_with("jns: cannot ")) => {}
        other => problems.push(format!("its status is {other:?}")),
    }
    if err.contains("panicked") {
        problems.push("it panicked".to_owned());
    }
    problems
}

/// A configuration in which users are looked up.
const NAMESPACE_CONF: &str = "\
# comment
/mnt/t     /mnt/inst/t/   user   root,alice
/mnt/home  /mnt/inst/h-   user   ~bob
/mnt/m     tmpfs          tmpfs:mntopts=size=1M,nosuid
";

#[test]
fn every_call_of_an_import_fails_once() {
    try_every_call(Trial {
        prepare: |_| {
            directory("/mnt/etc", 0o755, 0);
            file("/mnt/etc/namespace.conf", NAMESPACE_CONF);
        },
        words: &["import", "pam_namespace", "/mnt/etc/namespace.conf"],
        judge: |output, whole| {
            let mut problems = Vec::new();
            let same = (&output.stdout, &output.stderr) == (&whole.stdout, &whole.stderr);
            if output.status.success() && !same {
                problems.push("it succeeds with another policy".to_owned());
            }
            if names("/mnt/etc") != ["jns.toml", "namespace.conf"] {
                problems.push("it leaves files".to_owned());
            }
            problems
        },
    });
}

/// Under which a shared namespace remains of a session whose process was killed, with what goes with it.
const SHARED: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
[[private]]
path = "/mnt/t"
[[isolate]]
ipc = "own"
"#;

/// Under which a directory remains.
const OWN: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
[[private]]
path = "/mnt/t"
[[private]]
path = "/mnt/s"
per = "session"
"#;

#[test]
fn every_call_of_a_collection_fails_once() {
    try_every_call(Trial {
        prepare: |machine| {
            for path in ["/mnt/t", "/mnt/s"] {
                directory(path, 0o1777, 0);
            }
            forget_runtime();
            if exists(STORE) {
                std::fs::remove_dir_all(STORE).unwrap();
            }
            for (policy, file) in [(SHARED, "touch=/mnt/t/letter"), (OWN, "touch=/mnt/s/x")] {
                machine.policy(policy);
                let killed = machine.drive(&["start=alice", "open", file]);
                assert_eq!(killed.codes("open"), [code::SUCCESS]);
            }
            let remains = remains();
            for place in [
                "/run/jns/ns/",
                "/run/jns/session/",
                "/mnt/var/lib/jns/session/",
            ] {
                let is_there = |path: &String| path.starts_with(place);
                assert!(remains.iter().any(is_there), "{place}: {remains:?}");
            }
        },
        words: COLLECTION,
        judge: |output, whole| {
            let mut problems = Vec::new();
            if output.status.success() && !remains().is_empty() && output.stdout == whole.stdout {
                problems.push(format!("it does not report {:?}", remains()));
            }
            let_time_pass();
            let after = untouched(COLLECTION);
            if !after.status.success() || !remains().is_empty() {
                problems.push(format!(
                    "the next one leaves {:?}, and says {after:?}",
                    remains()
                ));
            }
            if !tree(STORE).iter().any(|path| path.ends_with("/letter")) {
                problems.push("a file of the user's is gone".to_owned());
            }
            problems
        },
    });
}

const COLLECTION: &[&str] = &[
    "gc",
    "--linger",
    "0s",
    "--verbose",
    "--config",
    crate::machine::POLICY,
];

/// A directory of a session of which nobody knows is taken for one that is being made, for ten minutes.
fn let_time_pass() {
    let made = SystemTime::now() - Duration::from_secs(700);
    let sessions = format!("{STORE}/session");
    if exists(&sessions) {
        for name in names(&sessions) {
            let directory = File::open(format!("{sessions}/{name}")).unwrap();
            directory.set_modified(made).unwrap();
        }
    }
}

/// What sessions have left behind.
fn remains() -> Vec<String> {
    let places = ["ns", "namespace", "session"].map(|name| format!("{RUNTIME}/{name}"));
    let places = places.into_iter().chain([format!("{STORE}/session")]);
    let remaining = places
        .filter(|place| exists(place))
        .flat_map(|place| tree(&place))
        .filter(|path| !path.ends_with("/.vault"));
    remaining.collect()
}
