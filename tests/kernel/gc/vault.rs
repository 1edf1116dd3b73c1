//! The vault: the one mount of the host's by which all pins are held.

use super::scene::*;
use crate::own::*;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use pam_jns::kernel::namespace::OwnUserNamespace;
use pam_jns::session::{Pins, Vault, pin};
use std::fs;
use std::process::{Child, Command};

/// The one mount of ours.
pub(super) const VAULT: &str = "/run/jns/ns/.vault";

pub(super) fn bind(source: &str, target: &str) {
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .unwrap();
}

fn find() -> pam_jns::error::Result<Option<Vault>> {
    Vault::find(&runtime(), &OwnUserNamespace::find().unwrap())
}

fn is_pinned(uid: u32) -> bool {
    let pins = Pins::find(&runtime()).unwrap();
    pins.namespace(&key(uid)).unwrap().is_some()
}

/// The mounts of ours that a process has in its table.
fn mounts_of(pid: u32) -> Vec<String> {
    let table = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let ours = table.lines().filter(|line| line.contains("/run/jns"));
    ours.map(str::to_owned).collect()
}

/// A process in a mount namespace of a user namespace of its own.
pub(super) fn stranger() -> Child {
    let child = Command::new("unshare")
        .args(["-Urm", "sleep", "1000"])
        .spawn()
        .unwrap();
    let comm = format!("/proc/{}/comm", child.id());
    while fs::read_to_string(&comm).unwrap() != "sleep\n" {
        std::thread::yield_now();
    }
    child
}

pub(super) fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn one_mount_holds_the_pins_of_all_users() {
    in_own_namespace(|| {
        let sleepers: Vec<_> = (0..5)
            .map(|_| Sleeper::start_with(&["-i", "-u", "-n"]))
            .collect();
        for (uid, sleeper) in (2001..).zip(&sleepers) {
            sleeper.pin(uid);
            assert_eq!(mounts_at("/run/jns"), [VAULT]);
        }
        let last = Sleeper::start();
        assert_eq!(mounts_of(last.process().pid), [""; 0]);
        for (uid, sleeper) in (2001..).zip(&sleepers) {
            let pins = Pins::find(&runtime()).unwrap();
            let found = pins.namespaces_of(&sleeper.record(uid)).unwrap().unwrap();
            assert_eq!(found.mount.identity(), sleeper.identity());
            assert_eq!(found.others.len(), 3);
        }
        pin::remove(&runtime(), &key(2003)).unwrap();
        assert!(!is_pinned(2003) && is_pinned(2002));
        assert_eq!(mounts_at("/run/jns"), [VAULT]);
    });
}

/// As on a host with systemd: what is mounted on `/run` travels to other namespaces, and a mount namespace cannot.
#[test]
fn it_is_held_by_one_mount_where_run_is_shared() {
    in_own_namespace(|| {
        propagate("/run", MsFlags::MS_SHARED);
        let peer = Command::new("unshare")
            .args(["-m", "--propagation", "unchanged", "sleep", "1000"])
            .spawn()
            .unwrap();
        let follower = Command::new("unshare")
            .args(["-m", "--propagation", "slave", "sleep", "1000"])
            .spawn()
            .unwrap();
        for child in [&peer, &follower] {
            let comm = format!("/proc/{}/comm", child.id());
            while fs::read_to_string(&comm).unwrap() != "sleep\n" {
                std::thread::yield_now();
            }
        }
        let sleeper = Sleeper::start();
        sleeper.pin(2001);
        assert_eq!(mounts_at("/run/jns"), [VAULT]);
        assert!(is_pinned(2001));
        for pid in [peer.id(), follower.id(), sleeper.process().pid] {
            assert_eq!(mounts_of(pid), [""; 0]);
        }
        // As container engines ask for it.
        propagate("/", MsFlags::MS_REC | MsFlags::MS_SHARED);
        Sleeper::start().pin(2002);
        assert!(is_pinned(2001) && is_pinned(2002));
        end(peer);
        end(follower);
    });
}

/// Where somebody was killed between two calls, a cover of the file is left, here and where it has travelled.
#[test]
fn covers_that_are_left_are_taken_away() {
    in_own_namespace(|| {
        runtime().directory("ns").unwrap();
        file(VAULT, "");
        bind(VAULT, VAULT);
        bind(VAULT, VAULT);
        assert!(find().unwrap().is_none());
        Vault::open(&runtime()).unwrap();
        assert_eq!(mounts_at("/run/jns"), [VAULT]);
        assert!(find().unwrap().is_some());
        Sleeper::start().pin(2001);
        assert!(is_pinned(2001));
    });
}

#[test]
fn what_is_in_its_place_is_not_used_and_nothing_is_made() {
    in_own_namespace(|| {
        let stranger = stranger();
        let namespace = |kind: &str| format!("/proc/{}/ns/{kind}", stranger.id());
        runtime().directory("ns").unwrap();
        file(VAULT, "");
        for (source, reason) in [
            (namespace("mnt"), "another user namespace"),
            (namespace("user"), "no mount namespace"),
            ("/proc/self/ns/net".to_owned(), "no mount namespace"),
            ("/etc/passwd".to_owned(), "no mount namespace"),
        ] {
            bind(&source, VAULT);
            for error in [find().unwrap_err(), Vault::open(&runtime()).unwrap_err()] {
                assert!(error.to_string().contains(reason), "{source}: {error}");
            }
            assert!(Pins::find(&runtime()).is_err());
            assert_eq!(mounts_at("/run/jns"), [VAULT]);
            umount2(VAULT, MntFlags::MNT_DETACH).unwrap();
        }
        for make in ["mkfifo", "mkdir", "ln -s /etc/passwd"] {
            let script = format!("rm -rf {VAULT}; {make} {VAULT}");
            let made = Command::new("sh").args(["-c", &script]).status().unwrap();
            assert!(made.success());
            assert!(find().is_err(), "{make}");
        }
        end(stranger);
    });
}

#[test]
fn one_that_was_unmounted_is_made_again() {
    in_own_namespace(|| {
        let sleeper = Sleeper::start();
        sleeper.pin(2001);
        umount2(VAULT, MntFlags::MNT_DETACH).unwrap();
        assert!(find().unwrap().is_none());
        assert!(!is_pinned(2001), "what was pinned is lost");
        assert_eq!(removed(&gc()), [""; 0], "a process is there");

        let later = Sleeper::start();
        pin::remove(&runtime(), &key(2001)).unwrap();
        later.pin(2001);
        assert!(is_pinned(2001));
        assert_eq!(mounts_at("/run/jns"), [VAULT]);
    });
}

/// The directory of pins is the root directory of the vault: it must not become another one beneath it.
#[test]
fn its_directory_stays_as_long_as_it_is_held() {
    in_own_namespace(|| {
        Sleeper::start().pin(2001);
        let removed = Command::new("rm").args(["-rf", "/run/jns"]).status();
        assert!(!removed.unwrap().success());
        assert!(find().unwrap().is_some());
        Sleeper::start().pin(2001);
        assert!(is_pinned(2001));
        umount2(VAULT, MntFlags::MNT_DETACH).unwrap();
        fs::remove_dir_all("/run/jns").unwrap();
        Sleeper::start().pin(2001);
        assert!(is_pinned(2001));
    });
}

/// As the versions before the vault have made them: in a directory that is a mount of its own.
#[test]
fn pins_in_the_hosts_table_are_found_and_collected() {
    in_own_namespace(|| {
        let sleeper = Sleeper::start_with(&["-i"]);
        let record = sleeper.record(2001);
        record.write(&runtime()).unwrap();
        umount2(VAULT, MntFlags::MNT_DETACH).unwrap();
        bind("/run/jns/ns", "/run/jns/ns");
        let pid = sleeper.process().pid;
        for (kind, name) in [("mnt", String::new()), ("ipc", ".ipc".to_owned())] {
            let path = format!("/run/jns/ns/{}{name}", key(2001));
            file(&path, "");
            bind(&format!("/proc/{pid}/ns/{kind}"), &path);
        }
        let found = Pins::find(&runtime()).unwrap().namespaces_of(&record);
        assert_eq!(found.unwrap().unwrap().mount.identity(), sleeper.identity());
        let other = Sleeper::start();
        other.pin(2002);
        assert!(is_pinned(2001) && is_pinned(2002));
        assert_eq!(removed(&gc()), [""; 0], "a process is there");

        sleeper.end();
        assert_eq!(removed(&gc()).len(), 1);
        assert_eq!(mounts_at("/run/jns"), ["/run/jns/ns", VAULT]);
        assert_eq!(names_of_pins(), [key(2002).to_string()]);
    });
}
