//! The examples for /etc/pam.d. Those of programs that run here are what every other test uses
//! ([`Sandbox::protect`]); the rest are opened by pamtester.

use crate::sandbox::{Outcome, Sandbox, needs, ours_only, sandbox};
use std::path::PathBuf;

#[test]
fn systemd_user_gets_a_namespace() {
    assert_opens("systemd-user");
}

#[test]
fn gdm_password_gets_a_namespace() {
    assert_opens("gdm-password");
}

/// Opens and closes a session of this service for alice.
#[track_caller]
fn assert_opens(service: &str) {
    ours_only!("examples here");
    let sandbox = sandbox!();
    needs!(sandbox, "pamtester");
    sandbox.protect(service);
    let before = sandbox.state();
    pamtester(&sandbox, service, "alice").text();
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged(service, &["alice"]);
}

/// An example without a test is one that nobody knows to work.
#[test]
fn every_example_has_a_test() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/pam.d-examples");
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/end_to_end");
    let tests = files(sources).map(|path| std::fs::read_to_string(path).unwrap());
    let tests = tests.collect::<String>();
    for example in files(directory).filter(|path| path.extension().is_none()) {
        let service = example.file_name().unwrap().to_string_lossy().into_owned();
        let used = ["protect", "assert_opens"];
        let used = used.map(|verb| tests.contains(&format!("{verb}(\"{service}\")")));
        assert!(used.contains(&true), "no test of {}", example.display());
    }
}

fn files(directory: &str) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file())
}

#[test]
fn pamtester_opens_and_closes_sessions() {
    let sandbox = sandbox!();
    needs!(sandbox, "pamtester");
    sandbox.sh(
        "printf 'auth required pam_permit.so\naccount required pam_permit.so\n' >/etc/pam.d/plain",
    );
    sandbox.protect("plain");
    let before = sandbox.state();
    for user in ["alice", "bob", "system", "alice"] {
        pamtester(&sandbox, "plain", user).text();
    }
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("plain", &["alice", "bob", "alice"]);
}

fn pamtester(sandbox: &Sandbox, service: &str, user: &str) -> Outcome {
    sandbox.exec(&["pamtester", service, user, "open_session", "close_session"])
}

/// What is left of a stack when the module's line is taken out, and the jump around it is not.
#[test]
fn a_jump_past_the_end_denies_root_and_the_doctor_finds_it() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    needs!(sandbox, "pamtester");
    sandbox.write(
        "/etc/pam.d/plain",
        "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n\
         session [success=1 default=ignore] pam_succeed_if.so quiet uid = 0\n",
    );
    let opens = |user| pamtester(&sandbox, "plain", user).succeeded();
    let is_reported = || {
        sandbox
            .run("jns doctor")
            .stdout
            .contains("uid = 0` jumps past the end")
    };
    assert!(opens("alice") && !opens("root") && is_reported());
    sandbox.sh("echo session optional pam_permit.so >>/etc/pam.d/plain");
    assert!(opens("alice") && opens("root") && !is_reported());
}
