//! What users and other logins do at the same moment.

use crate::own::*;
use pam_jns::apply::{SessionDirectory, remove_session_directory};
use pam_jns::error::Error;
use pam_jns::kernel::fs::identity::FileIdentity;
use pam_jns::kernel::fs::walk::Trust;
use pam_jns::kernel::mount;
use pam_jns::kernel::mount::volume::{self, Volume};
use pam_jns::path::AbsPath;
use pam_jns::plan::Plan;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const STORE: &str = "/mnt/var/lib/jns";

fn instance(of: &str) -> String {
    format!("{STORE}/user/2001/{of}")
}

fn identity(path: &str) -> FileIdentity {
    let status = fs::symlink_metadata(path).unwrap();
    FileIdentity {
        device: status.dev(),
        inode: status.ino(),
    }
}

/// Applies the plan on a thread of its own and returns what `look` found inside.
fn attempt<T: Send + 'static>(
    plan: &Plan,
    look: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let plan = plan.clone();
    let login = std::thread::spawn(move || apply(&plan, USER).map(|_| look()));
    login.join().unwrap()
}

/// Runs `rounds` while another thread of the same namespace does `meanwhile` again and again.
fn against(meanwhile: impl Fn() + Send + 'static, rounds: impl FnOnce()) {
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let other = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            meanwhile();
        }
    });
    rounds();
    over.store(true, Ordering::Relaxed);
    other.join().unwrap();
}

fn exchange(one: &str, other: &str) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

#[test]
fn a_users_directory_exchanged_for_a_link_never_leads_elsewhere() {
    in_own_namespace(|| {
        directory("/mnt/alice/a", 0o755, USER);
        directory("/mnt/alice/a/t", 0o755, USER);
        directory("/mnt/alice", 0o755, USER);
        directory("/mnt/victim/t", 0o755, 0);
        symlink("/mnt/victim", "/mnt/alice/b").unwrap();
        let wanted = plan(vec![private("/mnt/alice/a/t", &instance("t"), &[])]);
        let mut made = private("/mnt/alice/a/new", &instance("new"), &[]);
        made.create = true;
        let created = plan(vec![made]);
        against(
            || exchange("/mnt/alice/a", "/mnt/alice/b"),
            || {
                for _ in 0..1500 {
                    for plan in [&wanted, &created] {
                        let strayed = attempt(plan, || mounts_at("/mnt/victim"));
                        assert!(strayed.is_err() || strayed == Ok(vec![]), "{strayed:?}");
                    }
                }
            },
        );
        assert_eq!(tree("/mnt/victim"), ["/mnt/victim/t"]);
        assert_eq!(form("/mnt/victim/t"), (0o755, 0, 0));
    });
}

#[test]
fn logins_that_fail_do_not_take_others_down() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        let good = plan(vec![private("/mnt/t", &instance("t"), &[])]);
        let missing = private("/mnt/u", &instance("u"), &[]);
        let bad = plan(vec![private("/mnt/t", &instance("t"), &[]), missing]);
        against(
            move || drop(apply(&bad, USER).unwrap_err()),
            || {
                for _ in 0..1500 {
                    attempt(&good, || ()).unwrap();
                    let _ = fs::remove_dir(instance("t"));
                    let _ = fs::remove_dir(format!("{STORE}/user/2001"));
                }
            },
        );
    });
}

#[test]
fn first_logins_at_once_with_directories_of_their_sessions() {
    in_own_namespace(|| {
        directory("/mnt/a", 0o1777, 0);
        directory("/mnt/b", 0o1777, 0);
        for round in 0..60 {
            let _ = fs::remove_dir_all(STORE);
            let logins: Vec<_> = (0..8)
                .map(|n| {
                    let own = format!("{STORE}/session/{round}-{n}/a");
                    let both = plan(vec![
                        session("/mnt/a", &own),
                        private("/mnt/b", &instance("b"), &[]),
                    ]);
                    std::thread::spawn(move || apply(&both, USER).unwrap())
                })
                .collect();
            for login in logins {
                login.join().unwrap();
            }
        }
    });
}

#[test]
fn what_a_user_puts_in_the_place_of_a_sessions_directory_is_not_removed() {
    in_own_namespace(|| {
        let (own, roots, new) = ("/mnt/alice/s", "/mnt/alice/roots", "/mnt/alice/new");
        directory("/mnt/t", 0o700, USER);
        directory("/mnt/alice", 0o755, USER);
        directory(roots, 0o700, 0);
        file(&format!("{roots}/file"), "");
        against(
            move || {
                let _ = renameat_with(CWD, own, CWD, roots, RenameFlags::EXCHANGE);
            },
            || {
                for round in 0..1500 {
                    directory(new, 0o700, USER);
                    let made = SessionDirectory {
                        path: AbsPath::new(own).unwrap(),
                        view: "/mnt/t".to_owned(),
                        identity: identity(new),
                        enclosed: false,
                    };
                    fs::rename(new, own).unwrap();
                    while remove_session_directory(&made, Trust::User(USER)).is_err() {}
                    // One of the names is free now, so nothing is exchanged any more.
                    let left = if exists(roots) { roots } else { own };
                    assert_eq!(names(left), ["file"], "round {round}");
                    if left == own {
                        fs::rename(own, roots).unwrap();
                    }
                }
            },
        );
    });
}

#[test]
fn a_path_made_by_a_login_that_fails_stays_with_those_who_use_it() {
    in_own_namespace(|| {
        let mut made = private("/mnt/new", &instance("new"), &[]);
        made.create = true;
        let good = plan(vec![made.clone()]);
        let mut impossible = private("/mnt/none/below", &instance("u"), &[]);
        impossible.create = true;
        let bad = plan(vec![made, impossible]);
        against(
            move || drop(apply(&bad, USER).unwrap_err()),
            || {
                let mut lost = 0;
                let mut refused = 0;
                for _ in 0..300 {
                    match attempt(&good, || {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                        mounts_at("/mnt/new").len()
                    }) {
                        Ok(0) => lost += 1,
                        Ok(_) => {}
                        Err(_) => refused += 1,
                    }
                    let _ = fs::remove_dir("/mnt/new");
                }
                assert_eq!((lost, refused), (0, 0));
            },
        );
    });
}

/// A volume is closed where it was opened, or stays.
#[test]
fn a_volume_whose_directory_is_exchanged_takes_no_other_mount_with_it() {
    in_own_namespace(|| {
        for path in ["/mnt/alice", "/mnt/alice/a", "/mnt/alice/a/t"] {
            directory(path, 0o755, USER);
        }
        directory("/mnt/victim", 0o755, 0);
        directory("/mnt/victim/t", 0o755, 0);
        memory("/mnt/victim/t");
        symlink("/mnt/victim", "/mnt/alice/b").unwrap();
        let close = |mount| {
            let path = "/mnt/alice/a/t".to_owned();
            volume::close(&[Volume {
                path: pam_jns::path::ViewPath::new(&path).unwrap(),
                mount,
                daemons: Vec::new(),
                close: None,
            }]);
        };
        let (mut closed, mut stayed) = (0, 0);
        let swap = || exchange("/mnt/alice/a", "/mnt/alice/b");
        against(swap, || {
            while closed < 100 || stayed < 100 {
                let opened = loop {
                    let path = mount::reopen("/mnt/alice/a/t");
                    if let Ok(place) = path {
                        break place;
                    }
                };
                let beneath = format!("/proc/thread-self/fd/{}", opened.as_raw_fd());
                memory(&beneath);
                let id = mount_ids_at_alices()[0];
                close(id);
                match mount_ids_at_alices().is_empty() {
                    true => closed += 1,
                    false => stayed += 1,
                }
                while !mount_ids_at_alices().is_empty() {
                    close(id);
                }
                assert_eq!(mounts_at("/mnt/victim"), ["/mnt/victim/t"]);
            }
        });
    });
}

/// The ids of the mounts in alice's directory, wherever it is called what.
fn mount_ids_at_alices() -> Vec<u64> {
    let table = mounts();
    let at_alices = table.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (id, point) = (fields.next()?, fields.nth(3)?);
        point.starts_with("/mnt/alice").then(|| id.parse().unwrap())
    });
    at_alices.collect()
}
