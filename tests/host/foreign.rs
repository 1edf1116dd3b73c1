//! Text from outside: what a client says of itself gets as far as the log, the ledger and the command's reports,
//! and is text there.

use crate::kernel::{exists, names};
use crate::machine::{CONFDIR, Machine, POLICY, on_machine, word};
use crate::report::code;
use pam_jns::error::steers;
use pam_jns::session::SessionRecord;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

/// Rules that ask for everything that a service can say.
const CURIOUS: &str = r#"
[settings]
namespace = "user"
store = "/mnt/var/lib/jns"
[[private]]
path = "/mnt/t"
[[tmpfs]]
path = "/mnt/home"
services = ["[a-z]*", "*"]
[[env]]
set = { SERVICE = "{service}" }
[[env]]
set = { FROM = "pts" }
ttys = ["pts/*"]
[[env]]
set = { FROM = "afar" }
rhosts = ["10.0.0.0/8", "2001:db8::/32", "*.example.org"]
"#;

/// A line of the log, a terminal, a format, JSON, the policy language, a path, and too much of everything.
fn hostile() -> Vec<Vec<u8>> {
    let all: &[&[u8]] = &[
        b"",
        b"two\nlines",
        b"host\n<83>pam_jns[1]: (sshd:open) session of root by sshd",
        b"\r<86>pam_jns[1]: forged",
        b"\x1b[2J\x1b]0;title\x07\x08\x7f",
        b"\xc2\x9b31m\xc2\x85",
        b"\xff\xfe\xc3",
        "left\u{202e}right\u{feff}\u{200b}\u{2028}".as_bytes(),
        b"%s%n%99999999d",
        b"\"},{\"uid\":0,\"x\":\"",
        b"\\u001b\\x0a\\\\",
        b"{user}{home}}}{",
        b"../../../etc/shadow",
        b"10.0.0.1\n",
        b"2001:db8::%eth0",
        b"[a-",
        b"-rf --help",
        b"$(touch /mnt/t/run)`touch /mnt/t/run`;touch /mnt/t/run",
    ];
    // What is longer, libpam cannot give the kernel's audit, and refuses.
    let long = [b"x".repeat(3000), "ß".repeat(800).into_bytes()];
    all.iter().map(|text| text.to_vec()).chain(long).collect()
}

fn jns(words: &[&OsStr]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jns"));
    command.args(words).env_clear().output().unwrap()
}

fn words<'w>(words: &[&'w str]) -> Vec<&'w OsStr> {
    words.iter().map(|word| OsStr::new(*word)).collect()
}

/// What a command said, which has to be of the lines that it made itself.
#[track_caller]
fn tame(output: &Output, case: &str) -> String {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8(all).expect(case);
    assert!(
        !text.contains(|c| c != '\n' && steers(c)),
        "{case}: {text:?}"
    );
    text
}

/// Opens a session that stays open, of which a service says this.
fn log_in(machine: &Machine, said: &[u8]) {
    let mut all = vec![OsString::from("start=alice")];
    all.extend(["tty", "rhost", "ruser"].map(|item| word(item, said)));
    // libpam takes no name of a service that could not be that of a file.
    all.push(word("service", &said[..said.len().min(255)]));
    all.push(OsString::from("open"));
    let report = machine.drive(&all);
    let case = String::from_utf8_lossy(said);
    let message = machine.log().pop();
    assert_eq!(
        report.codes("open"),
        [code::SUCCESS],
        "{case:?}: {message:?}"
    );
}

/// The module's own messages since a line of the log.
fn messages(machine: &Machine, since: usize) -> Vec<String> {
    let mut log = machine.log().split_off(since);
    log.retain(|line| line.contains("pam_jns["));
    log
}

fn only_record() -> SessionRecord {
    let names = names("/run/jns/session");
    assert_eq!(names.len(), 1, "{names:?}");
    let text = std::fs::read(format!("/run/jns/session/{}", names[0])).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn what_a_service_says_is_text_wherever_it_is_printed() {
    on_machine(|machine| {
        machine.policy(CURIOUS);
        machine.stack("debug");
        let stack = std::fs::read(format!("{CONFDIR}/{}", crate::machine::SERVICE)).unwrap();
        std::fs::write(format!("{CONFDIR}/other"), stack).unwrap();
        log_in(machine, b"plain");
        let (plain, lines) = (
            messages(machine, 0).len(),
            tame(&jns(&words(&["ps"])), "plain"),
        );
        for said in hostile() {
            let case = String::from_utf8_lossy(&said).into_owned();
            std::fs::remove_dir_all("/run/jns/session").unwrap();
            let since = machine.log().len();
            log_in(machine, &said);

            let log = messages(machine, since);
            // One rule more may match.
            assert!(log.len() <= plain + 1, "{case:?}: {log:?}");
            let is_login = |line: &&String| {
                line.starts_with("<86>pam_jns[") && line.contains(":open) session of alice by ")
            };
            assert_eq!(log.iter().filter(is_login).count(), 1, "{case:?}: {log:?}");
            for line in &log {
                assert!(!line.contains(steers), "{case:?}: {line:?}");
                assert!(line.len() < 8192, "{case:?}");
            }

            let record = only_record();
            let shown: String = case.chars().take(256).collect();
            assert_eq!(record.rhost.as_ref(), Some(&shown));
            assert_eq!(record.tty.as_ref(), Some(&shown));

            let text = tame(&jns(&words(&["ps"])), &case);
            assert_eq!(
                text.lines().count(),
                lines.lines().count(),
                "{case:?}: {text}"
            );
            let text = tame(&jns(&words(&["ps", "--json"])), &case);
            let list: Value = serde_json::from_str(&text).expect(&case);
            let session = &list["users"][0]["namespaces"][0]["sessions"][0];
            assert_eq!(session["rhost"], shown);
        }
        assert!(!exists("/mnt/t/run"));
    });
}

#[test]
fn what_the_command_is_asked_about_is_text_in_its_answer() {
    on_machine(|machine| {
        machine.policy(CURIOUS);
        for said in hostile() {
            let (case, said) = (String::from_utf8_lossy(&said), OsStr::from_bytes(&said));
            for json in [&["explain"][..], &["explain", "--json"]] {
                let mut about = words(&[json, &["--config", POLICY, "alice"]].concat());
                for option in ["--tty", "--rhost", "--service"] {
                    about.extend([OsStr::new(option), said]);
                }
                let output = jns(&about);
                let text = tame(&output, &case);
                let json = json.len() > 1 && output.status.code() != Some(2);
                assert!(
                    !json || serde_json::from_str::<Value>(&text).is_ok(),
                    "{text}"
                );
            }
            for verb in [
                "explain",
                "ps",
                "enter",
                "doctor",
                "frobnicate",
                "--frobnicate",
            ] {
                let output = jns(&[OsStr::new(verb), OsStr::new("--"), said]);
                let text = tame(&output, &case);
                assert!(
                    text.lines().count() <= 1 || output.status.success(),
                    "{text}"
                );
            }
        }
    });
}
