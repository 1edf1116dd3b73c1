//! The module does its job in the host process and nothing else.

use crate::kernel::exists;
use crate::machine::{Machine, drive_with, on_machine, program};
use crate::report::{Report, assert_same, code};
use std::process::Command;

/// One transaction of alice's.
const LOGIN: [&str; 4] = ["start=alice", "open", "close", "end"];

/// A policy in which every kind of step occurs.
const EVERYTHING: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
[[private]]
path = "/mnt/t"
[[private]]
path = "/mnt/home"
per = "session"
[[tmpfs]]
path = "/mnt/etc"
size = "1M"
[[hide]]
path = "/mnt/accounts"
[[bind]]
source = "/mnt/home/bob"
path = "/mnt/pam.d"
[[env]]
set = { TMPDIR = "/mnt/t" }
"#;

#[test]
fn a_session_changes_the_view_and_nothing_else() {
    on_machine(|machine| {
        machine.policy(EVERYTHING);
        let report = machine.drive(&[
            "locale=C",
            "start=alice",
            "state=before",
            "open",
            "state=opened",
            "close",
            "state=closed",
            "end",
        ]);
        assert_eq!(report.codes("open"), [code::SUCCESS]);
        assert_ne!(report.namespace("before"), report.namespace("opened"));
        let before = report.state_without_view("before");
        assert_same(&before, &report.state_without_view("opened"), "open");
        assert_same(&before, &report.state_without_view("closed"), "close");
        assert_eq!(report.namespace("opened"), report.namespace("closed"));
    });
}

#[test]
fn thousands_of_sessions_leave_nothing_behind_in_the_process() {
    on_machine(|machine| {
        machine.policy(EVERYTHING);
        let transaction = [&LOGIN[..], &["go-home"]].concat();
        let many = |times| [&["repeat", times], &transaction[..], &["again"]].concat();
        let words = [
            &["remember-home"][..],
            &many("100"),
            &["state=early", "memory=at-first"],
            &many("2900"),
            &["state=late", "memory=at-last"],
        ]
        .concat();
        let report = machine.drive(&words);
        assert_eq!(report.codes("open"), [code::SUCCESS; 3000]);
        assert_same(
            &report.state("early"),
            &report.state("late"),
            "2900 sessions",
        );
        assert_no_growth(&report, 2900);
        assert!(report.output.stdout.is_empty() && report.output.stderr.is_empty());
    });
}

/// Buffers come and go, and it takes many sessions until each has been as large as it gets; but there is
/// nothing for each session: not one allocation of the smallest size, which is 16 bytes. The report itself
/// grows.
fn assert_no_growth(report: &Report, sessions: i64) {
    let growth = |key| report.number("at-last", key) - report.number("at-first", key);
    let (allocated, resident) = (growth("allocated"), growth("resident"));
    assert!(allocated < 16 * sessions, "{allocated} bytes allocated");
    assert!(resident < 1 << 20, "{resident} bytes resident");
}

#[test]
fn a_thousand_sessions_that_change_nothing_leave_nothing_behind() {
    on_machine(|machine| {
        for arguments in ["observe debug", "nonsense"] {
            machine.stack(arguments);
            let words = [
                &["repeat", "100"][..],
                &LOGIN,
                &["again", "state=early", "memory=at-first", "repeat", "900"],
                &LOGIN,
                &["again", "state=late", "memory=at-last"],
            ]
            .concat();
            let report = machine.drive(&words);
            assert_same(&report.state("early"), &report.state("late"), arguments);
            assert_no_growth(&report, 900);
            assert!(report.output.stdout.is_empty() && report.output.stderr.is_empty());
        }
    });
}

#[test]
fn the_working_directory_is_the_same_directory_inside() {
    on_machine(|machine| {
        for directory in ["/mnt/home", "/mnt/t", "/"] {
            let chdir = format!("chdir={directory}");
            let report =
                machine.drive(&[&chdir, "start=alice", "open", "touch=here", "state=opened"]);
            assert_eq!(report.values("opened cwd")[0], directory);
            std::fs::remove_file(format!("{directory}/here")).unwrap();
        }
        assert!(!exists("/mnt/var/lib/jns/user/2001/mnt-t/here"));
    });
}

/// What is found in the environment of somebody who wants something of root's programs.
const LUGGAGE: &[&str] = &[
    "RUST_BACKTRACE=full",
    "RUST_LIB_BACKTRACE=1",
    "RUST_LOG=trace",
    "RUST_MIN_STACK=1",
    "LD_PRELOAD=libm.so.6",
    "LD_LIBRARY_PATH=/mnt/t",
    "LD_BIND_NOW=1",
    "GLIBC_TUNABLES=glibc.malloc.perturb=170",
    "MALLOC_PERTURB_=170",
    "MALLOC_ARENA_MAX=1",
    "GCONV_PATH=/mnt/t",
    "LOCPATH=/mnt/t",
    "NLSPATH=/mnt/t/%N",
    "LC_ALL=tr_TR.UTF-8",
    "LANGUAGE=tr",
    "TZ=:/mnt/t/zone",
    "TMPDIR=/mnt/t",
    "TMP=/mnt/t",
    "HOME=/mnt/t",
    "PATH=/mnt/t",
    "XDG_RUNTIME_DIR=/mnt/t",
    "XDG_CONFIG_HOME=/mnt/t",
    "BASH_ENV=/mnt/t/run",
    "ENV=/mnt/t/run",
    "SHELLOPTS=xtrace",
    "PS4=$(touch /mnt/t/was-run)",
    "IFS=/",
    "CDPATH=/mnt/t",
    "HOSTALIASES=/mnt/t/hosts",
    "RES_OPTIONS=debug",
    "JNS_USER=root",
    "JNS_UID=0",
    "JNS_PATH=/etc",
    "JNS_INSTANCE=/etc",
    "TERM=xterm-256color",
];

/// Everything that is run for a session says what it was given.
const TALKATIVE: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
[[private]]
path = "/mnt/t"
hook = ["/bin/sh", "-c", "echo instance; env; pwd; umask; echo /*/passwd; touch ./mnt/t/made"]
[[hook]]
when = "created"
run = ["/usr/bin/env"]
[[hook]]
when = "open"
run = ["/bin/sh", "-c", "echo open; env; id; ulimit -n"]
[[hook]]
when = "open"
as = "user"
run = ["/usr/bin/env"]
[[hook]]
when = "close"
run = ["/usr/bin/env"]
[[env]]
set = { GIVEN = "{user}:{home}" }
"#;

/// What a login logs and gives the session, without the numbers that are another login's next time.
fn lines_with(machine: &Machine, variables: &[&str]) -> Vec<String> {
    let _ = std::fs::remove_dir_all("/mnt/var/lib/jns");
    let lines = machine.log().len();
    let mut env = Command::new("env");
    env.args(variables).arg(program("driver"));
    let words = [
        "start=alice",
        "open",
        "environment=pam",
        "touch=/mnt/t/file",
        "close",
        "end",
    ];
    let report = drive_with(env, &words);
    assert_eq!(report.codes("open"), [code::SUCCESS]);
    assert!(report.output.stdout.is_empty() && report.output.stderr.is_empty());
    let unnumbered = |line: String| {
        let line = line.split("/.jns-").next().unwrap_or_default();
        let mut rest = line.split(|c: char| c.is_ascii_digit()).collect::<Vec<_>>();
        rest.retain(|part| !part.is_empty());
        rest.join("#")
    };
    let log = machine.log().split_off(lines).into_iter().map(unnumbered);
    log.chain(report.lines).collect()
}

#[test]
fn the_environment_of_the_host_process_has_no_say() {
    on_machine(|machine| {
        machine.policy(TALKATIVE);
        machine.stack("debug");
        let plain = lines_with(machine, &[]);
        for expected in [
            "JNS_USER=alice",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "open",
            "pam GIVEN=alice:/mnt/home/alice",
        ] {
            let is_there = plain.iter().any(|line| line.ends_with(expected));
            assert!(is_there, "no {expected} in {plain:#?}");
        }
        let laden = lines_with(machine, LUGGAGE);
        let (plain, laden): (Vec<&str>, Vec<&str>) = (
            plain.iter().map(String::as_str).collect(),
            laden.iter().map(String::as_str).collect(),
        );
        assert_same(&plain, &laden, "with variables");
    });
}
