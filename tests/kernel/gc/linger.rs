//! Namespaces that are kept for a while when nothing runs in them any more.

use super::scene::*;
use crate::own::*;
use pam_jns::kernel::mount::volume::Volume;
use pam_jns::path::ViewPath;
use pam_jns::session::{Lock, NamespaceRecord, Pins};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::time::Duration;

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn lingering() -> Asked {
    Asked {
        linger: TEN_MINUTES,
        ..Asked::default()
    }
}

fn pin_path(uid: u32) -> String {
    format!("/run/jns/ns/{}", key(uid))
}

fn unused_since(inode: u64) -> Option<u64> {
    let record = NamespaceRecord::read(&runtime(), inode).unwrap();
    record.unwrap().unused_since
}

/// Lets time pass for a namespace that was noted as unused.
fn pass(inode: u64, seconds: u64) {
    let mut record = NamespaceRecord::read(&runtime(), inode).unwrap().unwrap();
    let since = record.unused_since.unwrap() - seconds;
    record.note_unused(&runtime(), Some(since)).unwrap();
}

#[test]
fn an_unused_namespace_is_kept_until_its_time_is_over() {
    in_own_namespace(|| {
        let living = Sleeper::start();
        living.pin(2001);
        let inode = ended(2002);
        assert_eq!(removed(&gc_with(lingering())), [""; 0]);
        let since = unused_since(inode);
        assert!(since.is_some());
        assert_eq!(unused_since(living.identity().inode), None, "it is in use");
        let found = gc_with(lingering());
        assert_eq!(
            (removed(&found), left(&found)),
            (vec![], vec![pin_path(2002).as_str()])
        );
        assert_eq!(
            unused_since(inode),
            since,
            "it is the first look that counts"
        );
        pass(inode, 300);
        assert_eq!(removed(&gc_with(lingering())), [""; 0]);
        pass(inode, 300);
        assert_eq!(removed(&gc_with(lingering())), [pin_path(2002)]);
    });
}

#[test]
fn a_dry_run_notes_nothing() {
    in_own_namespace(|| {
        let inode = ended(2002);
        gc_with(Asked {
            dry_run: true,
            ..lingering()
        });
        assert_eq!(unused_since(inode), None);
    });
}

/// Whoever enters it otherwise than by a login takes nothing back: the collector sees them.
#[test]
fn a_namespace_in_which_something_runs_again_begins_anew() {
    in_own_namespace(|| {
        let inode = ended(2001);
        gc_with(lingering());
        pass(inode, 1000);
        let pins = Pins::find(&runtime()).unwrap();
        let pinned = pins.namespace(&key(2001)).unwrap().unwrap();
        let descriptor = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            pinned.as_fd().as_raw_fd()
        );
        let mut again = Command::new("nsenter")
            .arg(format!("--mount={descriptor}"))
            .args(["sleep", "1000"])
            .spawn()
            .unwrap();
        let comm = format!("/proc/{}/comm", again.id());
        while std::fs::read_to_string(&comm).unwrap() != "sleep\n" {
            std::thread::yield_now();
        }
        assert_eq!(removed(&gc_with(lingering())), [""; 0]);
        assert_eq!(unused_since(inode), None);
        again.kill().unwrap();
        again.wait().unwrap();
        assert_eq!(
            removed(&gc_with(lingering())),
            [""; 0],
            "its time begins now"
        );
    });
}

/// Between the look at the processes and the removal: the login has the lock, and takes the note back.
#[test]
fn a_namespace_that_is_about_to_be_joined_stays() {
    in_own_namespace(|| {
        let inode = ended(2001);
        gc_with(lingering());
        pass(inode, 1000);
        let lock = Lock::to_join(&runtime(), 2001).unwrap().unwrap();
        let found = gc_with(lingering());
        assert_eq!(
            (removed(&found), left(&found)),
            (vec![], vec![pin_path(2001).as_str()])
        );
        let mut record = NamespaceRecord::read(&runtime(), inode).unwrap().unwrap();
        record.note_unused(&runtime(), None).unwrap();
        drop(lock);
        assert_eq!(removed(&gc_with(lingering())), [""; 0]);
        assert!(unused_since(inode).is_some(), "its time begins anew");
    });
}

#[test]
fn the_longest_unused_go_when_views_hold_too_much_memory() {
    in_own_namespace(|| {
        let (mut inodes, uids) = (Vec::new(), [2001, 2002, 2003]);
        for uid in uids {
            let made = Sleeper::holding_memory(4 << 20);
            made.pin(uid);
            inodes.push(made.end().inode);
        }
        let limited = |mebibytes: u64| Asked {
            memory: Some(mebibytes << 20),
            ..lingering()
        };
        assert_eq!(
            removed(&gc_with(limited(12))),
            [""; 0],
            "it is no more than it may be"
        );
        pass(inodes[1], 20);
        pass(inodes[2], 10);
        assert_eq!(removed(&gc_with(limited(11))), [pin_path(2002)]);
        assert_eq!(removed(&gc_with(limited(11))), [""; 0]);
        assert_eq!(
            removed(&gc_with(limited(1))),
            [pin_path(2001), pin_path(2003)]
        );
    });
}

#[test]
fn memory_of_namespaces_in_use_ends_none_of_them() {
    in_own_namespace(|| {
        let used = Sleeper::holding_memory(4 << 20);
        used.pin(2001);
        let unused = Sleeper::holding_memory(1 << 20);
        unused.pin(2002);
        unused.end();
        ended(2003);
        let found = gc_with(Asked {
            memory: Some(2 << 20),
            ..lingering()
        });
        assert_eq!(
            removed(&found),
            [pin_path(2002)],
            "one that holds nothing stays"
        );
    });
}

#[test]
fn what_nobody_can_come_back_to_is_not_kept() {
    in_own_namespace(|| {
        let _ = [2001, 2002].map(ended);
        let found = gc_with(Asked {
            deleted: Some(|uid, _| uid == 2002),
            ..lingering()
        });
        assert_eq!(removed(&found), [pin_path(2002)], "the account is gone");
        let (opened, volume) = (Sleeper::start(), ViewPath::new("/mnt/volume").unwrap());
        opened.pin(2003);
        let mut record = opened.record(2003);
        record.volumes = vec![Volume {
            path: volume,
            mount: 0,
            daemons: Vec::new(),
            close: None,
        }];
        record.write(&runtime()).unwrap();
        opened.end();
        assert_eq!(
            removed(&gc_with(lingering())),
            [pin_path(2003)],
            "a volume is open"
        );
    });
}

#[test]
fn one_user_alone_can_be_looked_at() {
    in_own_namespace(|| {
        for uid in [2001, 2002] {
            ended(uid);
            session_record(&format!("00000000{uid:08x}"), gone(), own());
        }
        file("/run/jns/session/00000000000007ff", "none");
        age("/run/jns/session/00000000000007ff", OLD);
        let found = gc_with(Asked {
            user: Some(2002),
            ..Asked::default()
        });
        assert_eq!(removed(&found), [pin_path(2002)]);
        assert_eq!(names_of_pins(), [key(2001).to_string()]);
    });
}
