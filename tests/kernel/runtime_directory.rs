//! The runtime directories of users, where `/run/user` is a mount of its own.

use crate::own::*;
use nix::mount::{MntFlags, MsFlags, umount2};
use pam_jns::apply::Applied;
use pam_jns::plan::Plan;
use std::fs;
use std::sync::mpsc::{Receiver, Sender, channel};

const OWN: &str = "/run/user/2001";
const OTHERS: &str = "/run/user/2002";

/// What jns-run-user.service does.
fn separate() {
    propagate("/", MsFlags::MS_REC | MsFlags::MS_SHARED);
    fs::create_dir_all("/run/user").unwrap();
    bind("/run/user", "/run/user");
    propagate("/run/user", MsFlags::MS_PRIVATE);
    propagate("/run/user", MsFlags::MS_SHARED);
}

/// As systemd-logind makes it for a user's first session.
fn make(path: &str) {
    fs::create_dir_all(path).unwrap();
    memory(path);
}

/// As systemd-logind removes it after the last one.
fn remove(path: &str) {
    umount2(path, MntFlags::MNT_DETACH).unwrap();
    fs::remove_dir(path).unwrap();
}

fn hiding() -> Plan {
    directory("/mnt/t", 0o755, 0);
    plan(vec![hidden("/mnt/t", &[])])
}

/// A thread in a session, which says what it finds there each time it is asked.
struct Session {
    ask: Sender<()>,
    answer: Receiver<(Vec<String>, Vec<String>)>,
    applied: Applied,
}

impl Session {
    fn begin(plan: Plan) -> Self {
        let (ask, asked) = channel();
        let (answer_to, answer) = channel();
        let (applied_to, applied) = channel();
        std::thread::spawn(move || {
            applied_to.send(apply(&plan, USER).unwrap()).unwrap();
            for () in asked {
                let seen = (names("/run/user"), sorted_mounts());
                answer_to.send(seen).unwrap();
            }
        });
        Self {
            ask,
            answer,
            applied: applied.recv().unwrap(),
        }
    }

    /// The names in `/run/user`, and the mounts there, sorted.
    fn look(&self) -> (Vec<String>, Vec<String>) {
        self.ask.send(()).unwrap();
        self.answer.recv().unwrap()
    }
}

/// A table is sorted by age.
fn sorted_mounts() -> Vec<String> {
    let mut mounts = mounts_at("/run/user");
    mounts.sort();
    mounts
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_session_has_its_users_alone_and_none_that_comes_later() {
    in_own_namespace(|| {
        separate();
        make(OWN);
        make(OTHERS);
        file(&format!("{OWN}/bus"), "");
        let session = Session::begin(hiding());
        make("/run/user/2003");
        let expected = (texts(&["2001"]), texts(&["/run/user", OWN]));
        assert_eq!(session.look(), expected);
        assert!(session.applied.own_runtime_directory.is_some());
        assert_eq!(session.applied.notes, texts(&[]));
        // The host has what it had.
        assert_eq!(names("/run/user"), texts(&["2001", "2002", "2003"]));
        assert_eq!(names(OWN), texts(&["bus"]));
    });
}

/// pam_systemd may stand behind the module, and jobs have none.
#[test]
fn one_that_is_made_later_appears_and_goes() {
    in_own_namespace(|| {
        separate();
        let session = Session::begin(hiding());
        assert_eq!(form(OWN), (0o700, 0, 0), "nobody's as yet");
        make(OWN);
        file(&format!("{OWN}/bus"), "");
        let expected = (texts(&["2001"]), texts(&["/run/user", OWN, OWN]));
        assert_eq!(session.look(), expected);
        remove(OWN);
        let expected = (texts(&["2001"]), texts(&["/run/user", OWN]));
        assert_eq!(session.look(), expected);
    });
}

#[test]
fn without_the_unit_nothing_changes() {
    in_own_namespace(|| {
        propagate("/", MsFlags::MS_REC | MsFlags::MS_SHARED);
        make(OTHERS);
        let session = Session::begin(hiding());
        assert_eq!(session.look(), (texts(&["2002"]), texts(&[OTHERS])));
        assert_eq!(session.applied.own_runtime_directory, None);
        assert!(!exists(OWN));
    });
}

#[test]
fn what_a_rule_says_of_it_is_done() {
    in_own_namespace(|| {
        separate();
        make(OWN);
        make(OTHERS);
        directory("/mnt/in", 0o755, 0);
        std::os::unix::fs::symlink("/run/user", "/mnt/link").unwrap();
        for step in [
            hidden("/run/user", &["2001"]),
            hidden("/mnt/link", &["2001"]),
            in_memory(
                "/run/user/2002",
                pam_jns::policy::value::Size::Bytes(4096),
                &[],
            ),
            bound("/run", "/mnt/in", false),
        ] {
            let session = Session::begin(plan(vec![step.clone()]));
            assert_eq!(session.applied.own_runtime_directory, None, "{step:?}");
        }
    });
}

#[test]
fn a_session_in_a_session_keeps_what_that_one_has() {
    in_own_namespace(|| {
        separate();
        make(OWN);
        make(OTHERS);
        let plan = hiding();
        apply(&plan, USER).unwrap();
        let before = sorted_mounts();
        let applied = apply(&plan, USER).unwrap();
        assert_eq!(applied.own_runtime_directory, None);
        assert_eq!(sorted_mounts(), before);
        let refused = fs::create_dir("/run/user/7").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    });
}

#[test]
fn a_refused_login_leaves_the_hosts_as_they_were() {
    in_own_namespace(|| {
        separate();
        make(OWN);
        let before = mounts();
        directory("/mnt/a", 0o755, 0);
        let fails = plan(vec![hidden("/mnt/a", &[]), hidden("/mnt/missing", &[])]);
        enter(&fails, USER).unwrap_err();
        let entered = enter(&hiding(), USER).unwrap();
        drop(entered);
        assert_eq!(mounts(), before);
    });
}
