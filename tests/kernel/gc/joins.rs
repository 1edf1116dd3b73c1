//! Logins that join a namespace, or make another one, while it is being ended.

use super::scene::*;
use super::vault::{VAULT, bind, end, stranger};
use crate::own::*;
use nix::mount::{MntFlags, umount2};
use pam_jns::apply::Subject;
use pam_jns::gc::Disposal;
use pam_jns::kernel::fs::working_directory::WorkingDirectory;
use pam_jns::kernel::namespace::Namespace;
use pam_jns::login::{Login, SessionId};
use pam_jns::plan::{Plan, Sharing};
use pam_jns::session::join::join_or_create;
use pam_jns::session::{NamespaceRecord, Pins, PlannedSession, Runtime, SessionNamespace};

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often a namespace has to be joined before the test is over.
const JOINS: usize = 1000;

/// How often one has to be ended; `JNS_ENDINGS` says more.
const ENDINGS: usize = 50;

fn login() -> Login {
    Login {
        user: "alice".to_owned(),
        uid: USER,
        gid: USER,
        groups: Vec::new(),
        home: "/home/alice".to_owned(),
        service: "sshd".to_owned(),
        tty: None,
        rhost: None,
        session: SessionId::parse("00000000000007d1").unwrap(),
    }
}

fn shared_plan() -> Plan {
    directory("/mnt/t", 0o1777, 0);
    Plan {
        sharing: Sharing::User,
        ..plan(vec![private(
            "/mnt/t",
            &format!("{STORE}/user/{USER}/t"),
            &[],
        )])
    }
}

/// Takes the calling thread into the namespace of its user, as a login does.
fn log_in(plan: &Plan) -> SessionNamespace {
    join_or_create(PlannedSession {
        plan,
        digest: &serde_json::from_str(&format!("\"{}\"", "0".repeat(64))).unwrap(),
        login: &login(),
        subject: &Subject::of(USER),
        directory: &WorkingDirectory::own(),
        place: None,
        runtime: None,
    })
    .unwrap()
}

/// Asserts that the namespace of the calling thread is known, and that the next login joins it.
#[track_caller]
fn assert_lasting(runtime: &Runtime) {
    let own = Namespace::own().unwrap().identity();
    let record = NamespaceRecord::read(runtime, own.inode).unwrap().unwrap();
    assert_eq!(record.namespace, own);
    let pins = Pins::find(runtime).unwrap();
    let bound = pins.namespace_of(&record).unwrap();
    assert_eq!(bound.unwrap().identity(), own, "{record:?}");
}

/// Ends the collections when it is dropped, also by a panic.
struct End<'e>(&'e AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_login_is_lost_or_left_in_a_namespace_that_ends() {
    in_own_namespace(|| {
        let (plan, runtime) = (shared_plan(), runtime());
        let (over, ended) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (mut joined, mut made) = (0, 0);
        let asked = std::env::var("JNS_ENDINGS").ok();
        let endings = asked.map_or(ENDINGS, |number| number.parse().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let found = gc();
                    // A process of the machine's may not be looked at for a moment: then nothing is removed.
                    let pins = with_disposal(&found, |disposal| *disposal == Disposal::Removed);
                    ended.fetch_add(pins.len(), Ordering::Relaxed);
                }
            });
            let _end = End(&over);
            let mut pause = 0;
            while joined < JOINS || made < endings {
                let session = log_in(&plan);
                match session.joined {
                    true => joined += 1,
                    false => made += 1,
                }
                pause = (pause + 7919) % 10_000;
                wait(Duration::from_micros(pause / 10));
                assert_lasting(&runtime);
                drop(session);
                // Longer than a collection takes, and shorter: both have to win.
                wait(Duration::from_micros(
                    pause * if made < endings { 4 } else { 1 },
                ));
            }
        });
        println!("joined {joined}, made {made}, ended {}", ended.into_inner());
        assert!(names_of_pins().len() <= 1);
    });
}

/// The processor is used: a thread that sleeps comes back when the other one rests.
fn wait(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// The record has the number of the vault, by which that is known. What takes its place is vetted as if it were not.
#[test]
fn a_vault_that_is_another_one_by_now_is_vetted() {
    in_own_namespace(|| {
        let plan = shared_plan();
        let made = log_in(&plan);
        let record = made.record.clone().unwrap();
        drop(made);
        assert_eq!(record.vault.is_some(), record.namespace.id.is_some());
        assert!(log_in(&plan).joined);

        let stranger = stranger();
        for source in ["mnt", "user"] {
            bind(&format!("/proc/{}/ns/{source}", stranger.id()), VAULT);
            let session = log_in(&plan);
            assert!(!session.joined, "{source}");
            let alone = session.record.as_ref().unwrap();
            assert_eq!((&alone.pin, alone.vault), (&None, None), "{source}");
            drop(session);
            umount2(VAULT, MntFlags::MNT_DETACH).unwrap();
        }
        end(stranger);
        assert!(log_in(&plan).joined, "it was there beneath");
    });
}

/// A record whose number is not that of what is bound to its pin, as after a mistake of somebody's, leads nowhere.
#[test]
fn a_pin_of_another_namespace_than_its_record_says_is_not_joined() {
    in_own_namespace(|| {
        let (plan, runtime) = (shared_plan(), runtime());
        let mut record = log_in(&plan).record.clone().unwrap();
        record.namespace.id = record.namespace.id.map(|id| id + 1_000_000);
        record.write(&runtime).unwrap();
        let is_same = record.namespace.id.is_none();
        assert_eq!(log_in(&plan).joined, is_same);
        assert!(log_in(&plan).joined, "the pin was made again");
    });
}
