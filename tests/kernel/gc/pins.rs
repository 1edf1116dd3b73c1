//! Pins, and the records of their namespaces.

use super::scene::*;
use crate::own::*;
use pam_jns::gc::Disposal;
use pam_jns::kernel::namespace::guard::leave_for;
use pam_jns::session::{Lock, Pins, Process, Vault, pin};
use std::process::Command;
use std::sync::mpsc::channel;

/// The one mount of ours on the host.
const VAULT: &str = "/run/jns/ns/.vault";

fn pin_path(uid: u32) -> String {
    format!("/run/jns/ns/{}", key(uid))
}

#[test]
fn a_pin_goes_with_the_last_process() {
    in_own_namespace(|| {
        let (living, dead) = (Sleeper::start(), Sleeper::start());
        living.pin(2001);
        dead.pin(2002);
        let dead = dead.end();
        let record = format!("/run/jns/namespace/{}", dead.inode);
        assert!(exists(&record));

        let (mounts, files) = (mounts(), tree("/run"));
        let would = gc_with(Asked {
            dry_run: true,
            ..Asked::default()
        });
        assert_eq!(
            with_disposal(&would, |disposal| *disposal == Disposal::Removable),
            [&record, &pin_path(2002)]
        );
        assert_eq!(
            (mounts, files),
            (crate::own::mounts(), tree("/run")),
            "a dry run"
        );

        assert_eq!(removed(&gc()), [pin_path(2002)]);
        assert!(!exists(&record));
        assert_eq!(names_of_pins(), [key(2001).to_string()]);
        assert_eq!(mounts_at("/run/jns"), [VAULT]);
        assert_eq!(
            names("/run/jns/namespace"),
            [living.identity().inode.to_string()]
        );
        assert_eq!(removed(&gc()), [""; 0], "a second time");
        living.end();
        assert_eq!(removed(&gc()), [pin_path(2001)]);
        assert_eq!(names("/run/jns/namespace"), [""; 0]);
    });
}

/// In a threaded host, one thread alone may be in a namespace.
#[test]
fn a_single_thread_keeps_its_namespace() {
    in_own_namespace(|| {
        let sleeper = Sleeper::start();
        sleeper.pin(2001);
        let inside = Pins::find(&runtime()).unwrap();
        let inside = inside.namespace(&key(2001)).unwrap().unwrap();
        sleeper.end();
        let ((ready, wait), (done, finish)) = (channel(), channel::<()>());
        let thread = std::thread::spawn(move || {
            leave_for(&inside).unwrap().commit();
            ready.send(()).unwrap();
            let _ = finish.recv();
        });
        wait.recv().unwrap();
        assert_eq!(removed(&gc()), [""; 0]);
        drop(done);
        thread.join().unwrap();
        assert_eq!(removed(&gc()), [pin_path(2001)]);
    });
}

#[test]
fn a_login_under_way_is_left_alone() {
    in_own_namespace(|| {
        let inode = ended(2001);
        let lock = Lock::to_join(&runtime(), 2001).unwrap().unwrap();
        let found = gc();
        assert_eq!(left(&found), [pin_path(2001)], "{found:?}");
        assert!(exists(&format!("/run/jns/namespace/{inode}")));
        drop(lock);
        assert_eq!(removed(&gc()), [pin_path(2001)]);
    });
}

/// Removing the file of a pin detaches what is mounted on it in all namespaces.
#[test]
fn a_pin_of_another_namespace_is_left_alone() {
    in_own_namespace(|| {
        let elsewhere = Sleeper::start();
        let runtime = runtime();
        runtime.directory("ns").unwrap();
        file(&pin_path(2001), "");
        age(&pin_path(2001), OLD);
        let namespace = Sleeper::start().end();
        let mut record = record(2001, namespace, Some(&key(2001)));
        record.origin = elsewhere.identity();
        record.write(&runtime).unwrap();
        let found = gc();
        assert_eq!(removed(&found), [""; 0]);
        let mut reasons = found.iter().map(|remains| remains.reason.as_str());
        assert!(
            reasons.any(|reason| reason.contains("run jns gc there")),
            "{found:?}"
        );

        let first = std::fs::read_link("/proc/self/ns/pid").unwrap();
        elsewhere.end();
        if first.to_str() == Some("pid:[4026531836]") {
            // Another test's namespace may have the number for a moment.
            let removed = (0..50).any(|_| removed(&gc()) == [pin_path(2001)]);
            assert!(removed, "there is no such namespace any more");
        } else {
            assert_eq!(
                left(&gc()),
                [pin_path(2001)],
                "its processes may be out of sight"
            );
        }
    });
}

/// As where a login is killed between making the file and binding the namespace to it.
/// No other test has these users: what is bound to their pins in any namespace of the machine counts.
#[test]
fn a_pin_to_which_nothing_is_bound_goes_when_it_is_old() {
    in_own_namespace(|| {
        let runtime = runtime();
        Vault::open(&runtime).unwrap();
        for uid in [7901, 7902, 7903] {
            file(&pin_path(uid), "");
        }
        age(&pin_path(7901), OLD);
        age(&pin_path(7903), OLD);
        let bind = format!(
            "mount --bind /proc/self/ns/net {} && exec sleep 1000",
            pin_path(7903)
        );
        let mut elsewhere = Command::new("unshare")
            .args(["-m", "sh", "-c", &bind])
            .spawn()
            .unwrap();
        let table = format!("/proc/{}/mountinfo", elsewhere.id());
        while !std::fs::read_to_string(&table)
            .unwrap()
            .contains(&pin_path(7903))
        {
            std::thread::yield_now();
        }
        let found = gc();
        elsewhere.kill().unwrap();
        elsewhere.wait().unwrap();
        assert_eq!(removed(&found), [pin_path(7901)]);
        assert_eq!(
            names_of_pins(),
            [key(7902), key(7903)].map(|key| key.to_string()),
            "new, and bound elsewhere"
        );
    });
}

#[test]
fn what_is_no_pin_is_left_alone() {
    in_own_namespace(|| {
        Vault::open(&runtime()).unwrap();
        for name in ["README", "2001-0", ".jns-0123456789abcdef"] {
            file(&format!("/run/jns/ns/{name}"), "");
            age(&format!("/run/jns/ns/{name}"), OLD);
        }
        assert_eq!(removed(&gc()), ["/run/jns/ns/.jns-0123456789abcdef"]);
        assert_eq!(names_of_pins(), ["2001-0", "README"]);
    });
}

/// A host process may run as its user, as a user manager does.
#[test]
fn a_process_of_a_user_is_known_again() {
    in_own_namespace(|| {
        let mut child = Command::new("setpriv")
            .args(["--reuid", "2001", "--clear-groups", "sleep", "1000"])
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/comm", child.id());
        while std::fs::read_to_string(&status).unwrap() != "sleep\n" {
            std::thread::yield_now();
        }
        let process = Process::of(child.id());
        assert!(
            process.is_some_and(|process| process.is_alive()),
            "{process:?}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!process.unwrap().is_alive());
    });
}

#[test]
fn what_goes_with_a_pin_goes_with_it() {
    in_own_namespace(|| {
        let sleeper = Sleeper::start_with(&["-i", "-u", "-n"]);
        sleeper.pin(2001);
        let others = ["ipc", "net", "uts"].map(|kind| format!("{}.{kind}", key(2001)));
        assert_eq!(names_of_pins()[1..], others);
        let record = sleeper.record(2001);
        let pins = Pins::find(&runtime()).unwrap();
        let found = pins.namespaces_of(&record).unwrap().unwrap();
        assert_eq!(found.others.len(), 3);
        assert_eq!(removed(&gc()), [""; 0], "a process is there");

        sleeper.end();
        assert_eq!(removed(&gc()), [pin_path(2001)]);
        assert_eq!(names_of_pins(), [""; 0]);
        assert_eq!(mounts_at("/run/jns"), [VAULT]);
    });
}

/// A pin is of use only with all that goes with it.
#[test]
fn a_pin_with_another_companion_is_none() {
    in_own_namespace(|| {
        let sleeper = Sleeper::start_with(&["-i", "-u", "-n"]);
        sleeper.pin(2001);
        let pins = Pins::find(&runtime()).unwrap();
        let mut record = sleeper.record(2001);
        record.companions[0].inode += 1;
        assert!(
            pins.namespaces_of(&record).unwrap().is_none(),
            "another one"
        );
        let record = sleeper.record(2001);
        std::fs::remove_file(format!("{}.net", pin_path(2001))).unwrap();
        assert!(
            pins.namespaces_of(&record).unwrap().is_none(),
            "nothing is bound"
        );
        pin::remove(&runtime(), &key(2001)).unwrap();
        assert_eq!(names_of_pins(), [""; 0]);
    });
}

/// Whoever made or removed them was killed in between.
#[test]
fn what_is_left_of_a_pin_is_removed_unless_a_login_is_under_way() {
    in_own_namespace(|| {
        let (living, dead) = (
            Sleeper::start_with(&["-i", "-u", "-n"]),
            Sleeper::start_with(&["-i", "-u", "-n"]),
        );
        living.pin(2001);
        dead.pin(2002);
        for uid in [2001, 2002] {
            std::fs::remove_file(pin_path(uid)).unwrap();
        }
        let lock = Lock::to_change(&runtime(), 2001).unwrap();
        let found = gc();
        assert_eq!(removed(&found), [pin_path(2002)]);
        assert_eq!(
            with_disposal(&found, |disposal| *disposal == Disposal::Left),
            [&pin_path(2001)]
        );
        assert_eq!(names_of_pins().len(), 3);

        drop(lock);
        assert_eq!(removed(&gc()), [pin_path(2001)]);
        assert_eq!(names_of_pins(), [""; 0]);
    });
}
