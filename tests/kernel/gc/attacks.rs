//! What users do while their things are removed, and what happens when the removal is killed.

use super::scene::*;
use crate::own::*;
use pam_jns::gc::Disposal;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, mkdirat, openat, renameat_with};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const DAY: i64 = 24 * 60 * 60;

/// A store with what one user keeps, unused for 100 days.
fn unused() -> String {
    let path = format!("{STORE}/user/2001");
    std::fs::create_dir_all(&path).unwrap();
    // Where it is being exchanged, something has the name already.
    if !exists(&format!("{path}/tmp")) {
        let _ = std::fs::create_dir(format!("{path}/tmp"));
    }
    for closed in [STORE, &format!("{STORE}/user"), &path] {
        directory(closed, 0o700, 0);
    }
    age(&path, -100 * DAY);
    path
}

fn unused_for_a_day() -> Asked {
    Asked {
        unused_for: Some(Duration::from_secs(24 * 60 * 60)),
        ..Asked::default()
    }
}

/// Does `act` again and again on another thread of the same namespace during `rounds`.
fn against(act: impl Fn() + Send + 'static, rounds: impl FnOnce()) {
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let other = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            act();
        }
    });
    rounds();
    over.store(true, Ordering::Relaxed);
    other.join().unwrap();
}

/// Only root could do this: the directories above an instance are closed.
#[test]
fn an_instance_exchanged_for_a_link_or_another_directory_leads_nowhere() {
    in_own_namespace(|| {
        let path = unused();
        directory("/mnt/precious", 0o755, 0);
        file("/mnt/precious/file", "");
        symlink("/mnt/precious", "/mnt/link").unwrap();
        directory("/mnt/other/bob", 0o755, 2002);
        for other in ["/mnt/link", "/mnt/other"] {
            let instance = format!("{path}/tmp");
            against(
                move || {
                    let _ = renameat_with(CWD, &instance, CWD, other, RenameFlags::EXCHANGE);
                },
                || {
                    for _ in 0..50 {
                        unused();
                        gc_with(unused_for_a_day());
                    }
                },
            );
            assert!(exists("/mnt/precious/file"), "{other}");
        }
    });
}

#[test]
fn a_user_who_goes_on_writing_does_not_stop_the_removal() {
    in_own_namespace(|| {
        let path = unused();
        for number in 0..200 {
            directory(&format!("{path}/tmp/d{number}/e"), 0o755, USER);
        }
        age(&path, -100 * DAY);
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let open =
            |name: &str| openat(CWD, format!("{path}/tmp/{name}"), flags, Mode::empty()).unwrap();
        let opened: Vec<_> = (0..200)
            .map(|number| open(&format!("d{number}/e")))
            .collect();
        against(
            move || {
                for directory in &opened {
                    let _ = mkdirat(directory, "new", Mode::RWXU);
                }
            },
            || {
                for _ in 0..50 {
                    let found = gc_with(unused_for_a_day());
                    let failed =
                        with_disposal(&found, |disposal| matches!(disposal, Disposal::Failed(_)));
                    for name in names(&format!("{STORE}/user")) {
                        age(&format!("{STORE}/user/{name}"), -100 * DAY);
                    }
                    if failed.is_empty() && names(&format!("{STORE}/user")).is_empty() {
                        return;
                    }
                }
                panic!("it is there still: {:?}", tree(STORE));
            },
        );
    });
}

#[test]
fn a_tree_of_ten_thousand_levels_and_names_that_steer_terminals() {
    in_own_namespace(|| {
        let path = unused();
        let mut here = openat(CWD, format!("{path}/tmp"), OFlags::PATH, Mode::empty()).unwrap();
        for _ in 0..10_000 {
            mkdirat(&here, "\u{1b}[2J\n", Mode::RWXU).unwrap();
            here = openat(&here, "\u{1b}[2J\n", OFlags::PATH, Mode::empty()).unwrap();
        }
        drop(here);
        assert_eq!(removed(&gc_with(unused_for_a_day())), [path]);
        assert_eq!(names(&format!("{STORE}/user")), [""; 0]);
    });
}

#[test]
fn output_cannot_steer_a_terminal() {
    in_own_namespace(|| {
        unused();
        directory(&format!("{STORE}/user/\u{1b}[2J\nremoved x"), 0o700, 0);
        file("/mnt/policy", &format!("[settings]\nstore = \"{STORE}\"\n"));
        let run = |arguments: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_jns"))
                .args(["gc", "--config", "/mnt/policy"])
                .args(arguments)
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(run(&[]), "");
        let text = run(&["--verbose"]);
        let line = "left /mnt/var/lib/jns/user/\\u{1b}[2J\\u{a}removed x: the module gives nothing such a name\n";
        assert_eq!(text, line);
        assert!(!run(&["--json"]).contains('\u{1b}'));
        let old = ["--older-than", "90d"];
        let would = run(&[&old[..], &["--dry-run"]].concat());
        let line = "would remove /mnt/var/lib/jns/user/2001: not used for 100";
        assert!(would.starts_with(line), "{would}");
        assert_eq!(run(&old), "removed 1 directory of a user or group\n");
    });
}

/// Two collections find the same, and neither minds that the other was first.
#[test]
fn collections_at_once_do_each_other_no_harm() {
    in_own_namespace(|| {
        for _ in 0..20 {
            let path = unused();
            for number in 0..50 {
                file(&format!("{path}/tmp/{number}"), "");
            }
            age(&path, -100 * DAY);
            let sleeper = Sleeper::start();
            sleeper.pin(2002);
            session_record("0123456789abcdef", gone(), sleeper.end());
            let both: Vec<_> = (0..2)
                .map(|_| std::thread::spawn(|| gc_with(unused_for_a_day())))
                .collect();
            for one in both {
                let found = one.join().unwrap();
                let failed =
                    with_disposal(&found, |disposal| matches!(disposal, Disposal::Failed(_)));
                assert!(failed.is_empty(), "{found:#?}");
            }
            assert_eq!(names(&format!("{STORE}/user")), [""; 0]);
            assert_eq!(names_of_pins(), [""; 0]);
            assert_eq!(names("/run/jns/session"), [""; 0]);
        }
    });
}

#[test]
fn a_collection_that_is_killed_leaves_what_the_next_one_removes() {
    in_own_namespace(|| {
        file("/mnt/policy", &format!("[settings]\nstore = \"{STORE}\"\n"));
        for round in 0..60 {
            let path = unused();
            for number in 0..300 {
                file(&format!("{path}/tmp/{number}"), "");
            }
            age(&path, -100 * DAY);
            let sleeper = Sleeper::start();
            sleeper.pin(2002);
            session_record("0123456789abcdef", gone(), sleeper.end());
            let mut killed = Command::new(env!("CARGO_BIN_EXE_jns"))
                .args(["gc", "--config", "/mnt/policy", "--older-than", "1d"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_micros(round * 2500));
            killed.kill().unwrap();
            killed.wait().unwrap();
            for name in names(&format!("{STORE}/user")) {
                age(&format!("{STORE}/user/{name}"), -100 * DAY);
            }
            let found = gc_with(unused_for_a_day());
            let failed = with_disposal(&found, |disposal| matches!(disposal, Disposal::Failed(_)));
            assert!(failed.is_empty(), "{found:#?}");
            assert_eq!(names(&format!("{STORE}/user")), [""; 0]);
            assert_eq!(names_of_pins(), [""; 0]);
            assert_eq!(names("/run/jns/namespace"), [""; 0]);
        }
    });
}

/// A process whose root directory is on a file system that lets nobody else look, and never answers.
#[test]
fn a_root_directory_that_refuses_questions_does_not_stop_the_collector() {
    let script = "exec 9<>/dev/fuse && mkdir /mnt/closed &&
        mount -i -t fuse -o fd=9,rootmode=40000,user_id=2001,group_id=2001 none /mnt/closed &&
        pivot_root /mnt/closed /mnt/closed && echo there && read -r _";
    if OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .is_err()
    {
        assert!(
            std::env::var_os("JNS_TESTS_MUST_RUN").is_none(),
            "this test must run, and needs FUSE"
        );
        println!("skipped: a file system that answers nobody needs /dev/fuse");
        return;
    }
    in_own_namespace(|| {
        let mut other = Command::new("unshare")
            .args(["-m", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 6];
        other.stdout.take().unwrap().read_exact(&mut said).unwrap();
        let root = std::fs::metadata(format!("/proc/{}/root", other.id()));
        assert_eq!(root.unwrap_err().kind(), ErrorKind::PermissionDenied);

        let ended = format!("{STORE}/session/00000000000000aa");
        directory(&ended, 0o700, 0);
        for closed in [STORE, &format!("{STORE}/session")] {
            directory(closed, 0o700, 0);
        }
        age(&ended, OLD);
        let found = gc();
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(!exists(&ended), "{found:?}");
    });
}
