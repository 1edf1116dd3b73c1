//! Plans, applied: all of it, or nothing.

use crate::own::*;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, setns};
use pam_jns::apply::{Applied, remove_session_directory};
use pam_jns::kernel::fs::walk::Trust;
use pam_jns::plan::{Plan, Step};
use pam_jns::policy::value::{Attributes, Propagation, Size, attribute};
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Barrier};

/// The instance of `/mnt/t` for the user.
const INSTANCE: &str = "/mnt/var/lib/jns/user/2001/mnt-t";

fn private_t() -> Step {
    private("/mnt/t", INSTANCE, &[])
}

/// Applies the plan on a thread of its own, whose view `look` then sees; this thread stays outside.
fn inside<T: Send + 'static>(plan: Plan, look: impl FnOnce(Applied) -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || look(apply(&plan, USER).unwrap()));
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The reason why the plan is refused; that nothing is left of it is checked on the way.
fn refusal(plan: &Plan) -> String {
    let before = state();
    let error = apply(plan, USER).expect_err("the plan must be refused");
    assert_eq!(state(), before, "after: {error}");
    error.to_string()
}

#[test]
fn a_private_directory_is_unseen_from_outside_and_there_again_next_time() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        file("/mnt/t/of-the-host", "");
        let host = namespace();
        inside(plan(vec![private_t()]), move |applied| {
            assert_eq!(applied.namespace.to_string(), namespace());
            assert_ne!(applied.namespace.to_string(), host);
            assert_eq!(names("/mnt/t"), [""; 0]);
            file("/mnt/t/mine", "1");
        });
        assert_eq!(names("/mnt/t"), ["of-the-host"]);
        inside(plan(vec![private_t()]), |_| {
            assert_eq!(fs::read_to_string("/mnt/t/mine").unwrap(), "1");
        });
        assert_eq!(mounts_at("/mnt/t"), [""; 0]);
    });
}

#[test]
fn an_instance_has_the_mode_and_owner_of_what_it_covers() {
    in_own_namespace(|| {
        for (mode, owner) in [
            (0o1777, 0),
            (0o755, 0),
            (0o2770, 0),
            (0o700, USER),
            (0o751, 12),
        ] {
            fs::remove_dir_all("/mnt/t").ok();
            directory("/mnt/t", mode, owner);
            let instance = format!("/mnt/var/lib/jns/user/2001/{mode}");
            inside(plan(vec![private("/mnt/t", &instance, &[])]), move |_| {
                assert_eq!(form("/mnt/t"), (mode, owner, owner));
            });
        }
        assert_eq!(form("/mnt/var/lib/jns/user/2001"), (0o700, 0, 0));
        assert_eq!(form("/mnt/var/lib/jns"), (0o700, 0, 0));
    });
}

#[test]
fn a_second_step_that_fails_takes_the_first_back() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        std::env::set_current_dir("/mnt/t").unwrap();
        let reason = refusal(&plan(vec![
            private_t(),
            private("/mnt/u", "/mnt/var/lib/jns/u/u", &[]),
        ]));
        assert_eq!(
            reason,
            "cannot open /mnt/u: No such file or directory (test.toml:1)"
        );
    });
}

#[test]
fn an_optional_step_without_its_path_is_left_out() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        let mut missing = private("/mnt/u", "/mnt/var/lib/jns/user/2001/u", &[]);
        missing.optional = true;
        let mut sourceless = bound("/mnt/t", "/mnt/none", false);
        sourceless.optional = true;
        let only = plan(vec![missing.clone()]);
        let host = namespace();
        let notes = inside(only, move |applied| {
            assert_eq!(
                applied.namespace.to_string(),
                host,
                "nothing to do needs no namespace"
            );
            applied.notes
        });
        assert_eq!(
            notes,
            ["/mnt/u left out: cannot open /mnt/u: No such file or directory (test.toml:1)"]
        );
        inside(plan(vec![sourceless, private_t(), missing]), |applied| {
            assert_eq!(applied.paths, ["/mnt/t"]);
            assert_eq!(applied.notes.len(), 2);
        });
    });
}

#[test]
fn paths_that_somebody_else_controls_are_refused() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/bob", 0o755, 2002);
        directory("/mnt/bob/t", 0o755, 2002);
        directory("/mnt/t/bobs", 0o755, 2002);
        directory("/mnt/open", 0o777, 0);
        directory("/mnt/open/t", 0o755, 0);
        directory("/mnt/alice", 0o755, USER);
        directory("/mnt/alice/bobs", 0o755, 2002);
        directory("/mnt/alice/own", 0o755, USER);
        symlink("own", "/mnt/alice/link").unwrap();
        symlink("/mnt/t", "/mnt/t/link").unwrap();
        std::os::unix::fs::lchown("/mnt/t/link", Some(USER), None).unwrap();
        let table = [
            ("/mnt/bob/t", "/mnt/bob belongs to uid 2002"),
            ("/mnt/t/bobs", "/mnt/t/bobs belongs to uid 2002"),
            ("/mnt/open/t", "/mnt/open is writable by others than root"),
            ("/mnt/alice/bobs", "/mnt/alice/bobs belongs to uid 2002"),
            (
                "/mnt/alice/link",
                "/mnt/alice/link is a symbolic link below",
            ),
            (
                "/mnt/t/link",
                "/mnt/t/link is a symbolic link that belongs to uid 2001",
            ),
        ];
        for (target, reason) in table {
            let error = refusal(&plan(vec![private(target, INSTANCE, &[])]));
            assert!(
                error.starts_with(&format!("cannot use {target}: {reason}")),
                "{error}"
            );
        }
        let own = private("/mnt/alice/own", INSTANCE, &[]);
        inside(plan(vec![own]), |_| {
            assert_eq!(form("/mnt/alice/own"), (0o755, USER, USER))
        });
    });
}

#[test]
fn links_of_roots_are_followed_and_their_targets_judged() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/bob", 0o755, 2002);
        directory("/mnt/bob/t", 0o755, 2002);
        directory("/mnt/d", 0o755, 0);
        symlink("../t", "/mnt/d/good").unwrap();
        symlink("/mnt/bob/t", "/mnt/d/bad").unwrap();
        symlink("loop", "/mnt/d/loop").unwrap();
        inside(plan(vec![private("/mnt/d/good", INSTANCE, &[])]), |_| {
            assert_eq!(mounts_at("/mnt/t"), ["/mnt/t"]);
        });
        let bad = refusal(&plan(vec![private("/mnt/d/bad", INSTANCE, &[])]));
        assert!(bad.contains("/mnt/bob belongs to uid 2002"), "{bad}");
        let endless = refusal(&plan(vec![private("/mnt/d/loop", INSTANCE, &[])]));
        assert!(
            endless.contains("Too many levels of symbolic links"),
            "{endless}"
        );
    });
}

#[test]
fn two_names_of_one_place_are_refused() {
    in_own_namespace(|| {
        directory("/mnt/t/below", 0o755, 0);
        directory("/mnt/t", 0o1777, 0);
        symlink("/mnt/t", "/mnt/a").unwrap();
        symlink("/mnt/t/below", "/mnt/b").unwrap();
        let other = |target| private(target, "/mnt/var/lib/jns/user/2001/other", &[]);
        let same = refusal(&plan(vec![other("/mnt/a"), private_t()]));
        assert!(
            same.contains("it is the same place as /mnt/a of test.toml:1"),
            "{same}"
        );
        let below = refusal(&plan(vec![other("/mnt/b"), private_t()]));
        assert!(
            below.contains("it leads to /mnt/t/below, which /mnt/t covers"),
            "{below}"
        );
    });
}

#[test]
fn an_instance_that_is_not_one_is_refused() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/var/lib/jns/user/2001", 0o700, 0);
        directory("/mnt/var/lib/jns/user", 0o700, 0);
        directory("/mnt/var/lib/jns", 0o700, 0);
        symlink("/etc", INSTANCE).unwrap();
        let link = refusal(&plan(vec![private_t()]));
        assert_eq!(
            link,
            format!("cannot use {INSTANCE}: it is not a directory (test.toml:1)")
        );
        fs::remove_file(INSTANCE).unwrap();
        file(INSTANCE, "");
        assert!(refusal(&plan(vec![private_t()])).contains("it is not a directory"));
        fs::remove_file(INSTANCE).unwrap();
        directory(INSTANCE, 0o1777, 2002);
        let owner = refusal(&plan(vec![private_t()]));
        assert!(
            owner.contains("it belongs to uid 2002, not to uid 0"),
            "{owner}"
        );
    });
}

#[test]
fn a_store_that_others_may_use_is_refused() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        for (mode, owner, fine) in [
            (0o700, 0, true),
            (0o000, 0, true),
            (0o711, 0, true),
            (0o755, 0, false),
            (0o770, 0, false),
            (0o700, USER, false),
        ] {
            directory("/mnt/var/lib/jns", mode, owner);
            if fine {
                inside(plan(vec![private_t()]), |_| ());
            } else {
                let error = refusal(&plan(vec![private_t()]));
                assert!(
                    error.starts_with("cannot use /mnt/var/lib/jns"),
                    "{mode:o} {owner}: {error}"
                );
            }
        }
    });
}

#[test]
fn the_way_to_the_store_is_roots_alone() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/alice", 0o755, USER);
        directory("/mnt/alice/store", 0o700, 0);
        symlink("/mnt/alice/store", "/mnt/var/lib/jns").unwrap();
        let error = refusal(&plan(vec![private_t()]));
        assert!(
            error.contains("/mnt/alice belongs to uid 2001, who could replace"),
            "{error}"
        );
    });
}

#[test]
fn an_instance_left_half_closed_by_a_crash_is_repaired() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        inside(plan(vec![private_t()]), |_| ());
        directory(INSTANCE, 0o400, USER);
        inside(plan(vec![private_t()]), |_| {
            assert_eq!(form("/mnt/t"), (0o1777, 0, 0))
        });
    });
}

#[test]
fn below_the_users_directories_nothing_of_roots_is_changed() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/alice", 0o700, USER);
        let own = private("/mnt/t", "/mnt/alice/inst", &[]);
        directory("/mnt/alice/inst", 0o700, 0);
        let error = refusal(&plan(vec![own.clone()]));
        assert!(
            error.contains("its group and mode are 0 0700, not 0 1777"),
            "{error}"
        );
        directory("/mnt/t", 0o700, USER);
        let error = refusal(&plan(vec![own.clone()]));
        assert!(
            error.contains("it belongs to uid 0, not to uid 2001"),
            "{error}"
        );
        assert_eq!(form("/mnt/alice/inst"), (0o700, 0, 0));
        directory("/mnt/alice/inst", 0o755, USER);
        inside(plan(vec![own]), |_| {
            assert_eq!(form("/mnt/t"), (0o700, USER, USER))
        });
    });
}

#[test]
fn attributes_of_the_covered_mount_are_kept() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        memory("/mnt/t");
        let hardened =
            MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
        remount("/mnt/t", hardened);
        inside(plan(vec![private_t()]), |_| {
            assert_eq!(options("/mnt/t"), "rw,nosuid,nodev,noexec,noatime");
        });
        inside(
            plan(vec![in_memory("/mnt/t", Size::Bytes(1 << 20), &[])]),
            |_| {
                assert_eq!(options("/mnt/t"), "rw,nosuid,nodev,noexec,noatime");
            },
        );
        let mut exec = private_t();
        exec.attributes = Attributes::of_words(["exec", "ro"]).unwrap();
        inside(plan(vec![exec]), |_| {
            assert_eq!(options("/mnt/t"), "ro,nosuid,nodev,noatime");
        });
    });
}

/// A host mount made while the session runs, and one made in the session.
fn travelling(host_root: MsFlags, propagation: Propagation) -> (bool, bool) {
    directory("/mnt/t", 0o1777, 0);
    directory("/mnt/host", 0o755, 0);
    directory("/mnt/session", 0o755, 0);
    propagate("/", MsFlags::MS_REC | host_root);
    let mut wanted = plan(vec![private_t(), bound("/mnt/session", "/mnt/host", true)]);
    wanted.propagation = propagation;
    let (opened, mounted) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (o, m) = (Arc::clone(&opened), Arc::clone(&mounted));
    let session = std::thread::spawn(move || {
        apply(&wanted, USER).unwrap();
        memory("/mnt/t");
        o.wait();
        m.wait();
        mounts_at("/mnt/host").len() == 1
    });
    opened.wait();
    let outside = !mounts_at("/mnt/t").is_empty() || !mounts_at("/mnt/session").is_empty();
    memory("/mnt/host");
    mounted.wait();
    (session.join().unwrap(), outside)
}

#[test]
fn host_mounts_appear_inside_and_nothing_made_inside_appears_outside() {
    for (root, propagation, appears) in [
        (MsFlags::MS_SHARED, Propagation::Slave, true),
        (MsFlags::MS_SHARED, Propagation::Private, false),
        (MsFlags::MS_PRIVATE, Propagation::Slave, false),
        (MsFlags::MS_SLAVE, Propagation::Slave, false),
    ] {
        in_own_namespace(move || {
            assert_eq!(
                travelling(root, propagation),
                (appears, false),
                "{root:?} {propagation:?}"
            );
        });
    }
}

#[test]
fn kept_entries_stay_visible_and_doubtful_ones_do_not() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/t/.sockets", 0o1777, 0);
        file("/mnt/t/.sockets/x0", "host");
        file("/mnt/t/.file", "host");
        symlink("/etc", "/mnt/t/.link").unwrap();
        directory("/mnt/t/.exchanged", 0o755, 0);
        let keep = [".sockets", ".file", ".link", ".missing", ".exchanged"];
        let wanted = plan(vec![private("/mnt/t", INSTANCE, &keep)]);
        inside(wanted.clone(), |applied| {
            assert_eq!(
                applied.notes,
                ["/mnt/t/.link not kept: it is a symbolic link (test.toml:1)"]
            );
            assert_eq!(names("/mnt/t"), [".exchanged", ".file", ".sockets"]);
            assert_eq!(fs::read_to_string("/mnt/t/.sockets/x0").unwrap(), "host");
            assert_eq!(fs::read_to_string("/mnt/t/.file").unwrap(), "host");
            file("/mnt/t/.sockets/x1", "session");
        });
        assert_eq!(fs::read_to_string("/mnt/t/.sockets/x1").unwrap(), "session");
        assert_eq!(names(&format!("{INSTANCE}/.sockets")), [""; 0]);
        fs::remove_dir(format!("{INSTANCE}/.exchanged")).unwrap();
        symlink("/etc", format!("{INSTANCE}/.exchanged")).unwrap();
        fs::remove_dir(format!("{INSTANCE}/.sockets")).unwrap();
        directory(&format!("{INSTANCE}/.sockets"), 0o777, 2002);
        inside(wanted, |applied| {
            assert_eq!(applied.notes.len(), 3, "{:?}", applied.notes);
            assert_eq!(mounts_at("/mnt/t"), ["/mnt/t", "/mnt/t/.file"]);
            assert_eq!(mounts_at("/etc"), [""; 0]);
        });
    });
}

#[test]
fn a_hidden_directory_shows_its_kept_entries_alone_and_a_private_one_below_works() {
    in_own_namespace(|| {
        for (name, owner) in [("alice", USER), ("bob", 2002)] {
            directory(&format!("/mnt/home/{name}"), 0o755, owner);
            directory(&format!("/mnt/home/{name}/.cache"), 0o700, owner);
        }
        let cache = private("/mnt/home/alice/.cache", INSTANCE, &[]);
        inside(plan(vec![hidden("/mnt/home", &["alice"]), cache]), |_| {
            assert_eq!(names("/mnt/home"), ["alice"]);
            assert_eq!(form("/mnt/home").0, 0o555);
            file("/mnt/home/alice/.cache/x", "");
            file("/mnt/home/alice/y", "");
            assert!(options("/mnt/home").starts_with("ro,"));
            assert_eq!(
                fs::write("/mnt/home/z", "").unwrap_err().raw_os_error(),
                Some(libc::EROFS)
            );
        });
        assert_eq!(names("/mnt/home/alice/.cache"), [""; 0]);
        assert_eq!(names("/mnt/home"), ["alice", "bob"]);
        assert!(exists("/mnt/home/alice/y") && exists(&format!("{INSTANCE}/x")));
    });
}

#[test]
fn a_hidden_file_is_empty_and_nobody_may_read_it() {
    in_own_namespace(|| {
        file("/mnt/secret", "secret");
        inside(plan(vec![hidden("/mnt/secret", &[])]), |_| {
            assert_eq!(form("/mnt/secret"), (0, 0, 0));
            assert_eq!(fs::read_to_string("/mnt/secret").unwrap(), "");
            assert_eq!(
                fs::write("/mnt/secret", "x").unwrap_err().raw_os_error(),
                Some(libc::EROFS)
            );
        });
        assert_eq!(fs::read_to_string("/mnt/secret").unwrap(), "secret");
        file("/mnt/var/lib/jns/hidden-file", "tampered");
        assert!(refusal(&plan(vec![hidden("/mnt/secret", &[])])).contains("mode 0000"));
    });
}

#[test]
fn binds_of_directories_files_and_trees() {
    in_own_namespace(|| {
        directory("/mnt/lib32/below", 0o755, 0);
        directory("/mnt/lib", 0o755, 0);
        file("/mnt/lib32/which", "32");
        file("/mnt/dash", "dash");
        file("/mnt/bash", "bash");
        memory("/mnt/lib32/below");
        file("/mnt/lib32/below/mounted", "");
        let both = vec![
            bound("/mnt/bash", "/mnt/dash", false),
            bound("/mnt/lib", "/mnt/lib32", false),
        ];
        inside(plan(both), |_| {
            assert_eq!(fs::read_to_string("/mnt/bash").unwrap(), "dash");
            assert_eq!(fs::read_to_string("/mnt/lib/which").unwrap(), "32");
            assert!(!exists("/mnt/lib/below/mounted"));
        });
        let mut read_only = bound("/mnt/lib", "/mnt/lib32", true);
        read_only.attributes = Attributes::asking_for(attribute::READ_ONLY);
        inside(plan(vec![read_only]), |_| {
            assert!(exists("/mnt/lib/below/mounted"));
            for path in ["/mnt/lib/x", "/mnt/lib/below/x"] {
                assert_eq!(
                    fs::write(path, "").unwrap_err().raw_os_error(),
                    Some(libc::EROFS)
                );
            }
        });
        let mixed = refusal(&plan(vec![bound("/mnt/bash", "/mnt/lib32", false)]));
        assert!(mixed.contains("both directories or both files"), "{mixed}");
    });
}

#[test]
fn a_bind_of_a_read_only_mount_stays_read_only() {
    in_own_namespace(|| {
        directory("/mnt/data", 0o755, 0);
        directory("/mnt/view", 0o755, 0);
        memory("/mnt/data");
        remount("/mnt/data", MsFlags::MS_RDONLY | MsFlags::MS_NOSUID);
        inside(plan(vec![bound("/mnt/view", "/mnt/data", false)]), |_| {
            assert!(
                options("/mnt/view").starts_with("ro,nosuid"),
                "{}",
                options("/mnt/view")
            );
        });
    });
}

#[test]
fn memory_is_bounded() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        inside(
            plan(vec![in_memory("/mnt/t", Size::Bytes(1 << 20), &[])]),
            |_| {
                let error = fs::write("/mnt/t/large", vec![1; 2 << 20]).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
                fs::remove_file("/mnt/t/large").unwrap();
                let full = (0..1000).find_map(|n| fs::write(format!("/mnt/t/{n}"), "").err());
                assert_eq!(full.unwrap().raw_os_error(), Some(libc::ENOSPC));
            },
        );
        inside(
            plan(vec![in_memory("/mnt/t", Size::Percent(1), &[])]),
            |_| {
                let status = nix::sys::statvfs::statvfs("/mnt/t").unwrap();
                let bytes = status.blocks() * status.fragment_size();
                let machine = pam_jns::kernel::mount::machine_memory();
                assert!(
                    bytes.abs_diff(machine / 100) <= 8192,
                    "{bytes} of {machine}"
                );
            },
        );
    });
}

#[test]
fn missing_paths_are_made_where_the_rule_says_so() {
    in_own_namespace(|| {
        directory("/mnt/alice", 0o750, USER);
        directory("/mnt/src", 0o755, 0);
        file("/mnt/srcfile", "text");
        let created = |mut step: Step| {
            step.create = true;
            step
        };
        let all = vec![
            created(private("/mnt/new", INSTANCE, &[])),
            created(private(
                "/mnt/alice/new",
                "/mnt/var/lib/jns/user/2001/own",
                &[],
            )),
            created(bound("/mnt/bound", "/mnt/src", false)),
            created(bound("/mnt/boundfile", "/mnt/srcfile", false)),
        ];
        let mut failing = all.clone();
        failing.push(bound("/mnt/none", "/mnt/src", false));
        refusal(&plan(failing));
        inside(plan(all), |_| {
            assert_eq!(form("/mnt/new"), (0o1777, 0, 0));
            assert_eq!(form("/mnt/alice/new"), (0o700, USER, USER));
            assert_eq!(fs::read_to_string("/mnt/boundfile").unwrap(), "text");
        });
        assert_eq!(form("/mnt/bound"), (0o755, 0, 0));
        let deep = refusal(&plan(vec![created(private("/mnt/x/y", INSTANCE, &[]))]));
        assert!(deep.contains("cannot open /mnt/x: No such file"), "{deep}");
    });
}

#[test]
fn the_store_cannot_be_covered() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        symlink("/mnt/var", "/mnt/link").unwrap();
        let mut linked = plan(vec![private_t(), hidden("/mnt/var", &[])]);
        linked.store = path("/mnt/link/lib/jns");
        linked.steps[0] = private("/mnt/t", "/mnt/link/lib/jns/user/2001/t", &[]);
        assert!(refusal(&linked).contains("the store /mnt/link/lib/jns would vanish"));
        for path in ["/mnt/var/lib", "/mnt/link"] {
            let error = refusal(&plan(vec![hidden(path, &[])]));
            assert!(
                error.contains("the store /mnt/var/lib/jns would vanish"),
                "{error}"
            );
        }
    });
}

#[test]
fn the_working_directory_stays_the_same_directory() {
    in_own_namespace(|| {
        directory("/mnt/t/sub", 0o1777, 0);
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/elsewhere", 0o755, 0);
        for from in ["/mnt/t", "/mnt/t/sub", "/mnt/elsewhere"] {
            std::env::set_current_dir(from).unwrap();
            let before = present_directory();
            inside(plan(vec![private_t()]), move |_| {
                assert_eq!(std::env::current_dir().unwrap().to_str(), Some(from));
                assert_eq!(present_directory(), before);
            });
        }
    });
}

/// Device and inode of the directory that this thread works in.
fn present_directory() -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let status = fs::metadata(".").unwrap();
    (status.dev(), status.ino())
}

#[test]
fn a_working_directory_whose_name_is_not_text_stays() {
    use std::os::unix::ffi::OsStrExt;
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        let name = std::ffi::OsStr::from_bytes(b"/mnt/caf\xe9");
        fs::create_dir(name).unwrap();
        std::env::set_current_dir(name).unwrap();
        inside(plan(vec![private_t()]), move |_| {
            assert_eq!(std::env::current_dir().unwrap().as_os_str(), name);
        });
    });
}

#[test]
fn first_logins_at_once_share_one_finished_instance() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/u", 0o1770, 0);
        let other = private("/mnt/u", "/mnt/var/lib/jns/user/2001/mnt-u", &[]);
        let wanted = plan(vec![private_t(), other]);
        let start = Arc::new(Barrier::new(16));
        let logins: Vec<_> = (0..16)
            .map(|n| {
                let (wanted, start) = (wanted.clone(), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    apply(&wanted, USER).unwrap();
                    assert_eq!((form("/mnt/t").0, form("/mnt/u").0), (0o1777, 0o1770));
                    file(&format!("/mnt/t/{n}"), "");
                })
            })
            .collect();
        for login in logins {
            login.join().unwrap();
        }
        assert_eq!(names("/mnt/var/lib/jns/user/2001"), ["mnt-t", "mnt-u"]);
        assert_eq!(names(INSTANCE).len(), 16);
    });
}

#[test]
fn session_directories_are_new_and_go_with_the_session() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/outside", 0o755, 0);
        file("/mnt/outside/precious", "");
        let at = |id: &str| session("/mnt/t", &format!("/mnt/var/lib/jns/session/{id}/mnt-t"));
        inside(plan(vec![at("one")]), |applied| {
            assert_eq!(names("/mnt/t"), [""; 0]);
            symlink("/mnt/outside", "/mnt/t/link").unwrap();
            fs::create_dir_all("/mnt/t/deep/er/est").unwrap();
            file("/mnt/t/deep/er/file", "");
            let [made] = applied.session_directories.as_slice() else {
                panic!("{applied:?}");
            };
            remove_session_directory(made, Trust::User(USER)).unwrap();
        });
        assert!(exists("/mnt/outside/precious"));
        assert_eq!(names("/mnt/var/lib/jns/session"), [""; 0]);
        inside(plan(vec![at("two")]), |_| ());
        let again = refusal(&plan(vec![at("two")]));
        assert!(
            again.contains("a session's directory must be new"),
            "{again}"
        );
    });
}

#[test]
fn what_a_session_mounted_in_its_directory_does_not_keep_it() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/outside", 0o755, 0);
        file("/mnt/outside/precious", "");
        let id = "/mnt/var/lib/jns/session/one/mnt-t";
        inside(plan(vec![session("/mnt/t", id)]), |applied| {
            directory("/mnt/t/deep/mounted", 0o755, 0);
            bind("/mnt/outside", "/mnt/t/deep/mounted");
            std::env::set_current_dir("/mnt/t/deep/mounted").unwrap();
            let before = (namespace(), mounts());
            remove_session_directory(&applied.session_directories[0], Trust::User(USER)).unwrap();
            assert_eq!(before.0, namespace());
            assert!(exists("precious"), "the working directory is given back");
        });
        assert!(exists("/mnt/outside/precious"));
        assert_eq!(names("/mnt/var/lib/jns/session"), [""; 0]);
    });
}

#[test]
fn a_session_directory_that_was_exchanged_is_left_alone() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        let made = inside(
            plan(vec![session("/mnt/t", "/mnt/var/lib/jns/session/x/mnt-t")]),
            |applied| applied.session_directories,
        );
        fs::rename(
            "/mnt/var/lib/jns/session/x/mnt-t",
            "/mnt/var/lib/jns/session/x/old",
        )
        .unwrap();
        directory("/mnt/var/lib/jns/session/x/mnt-t", 0o700, 0);
        let error = remove_session_directory(&made[0], Trust::User(USER))
            .unwrap_err()
            .to_string();
        assert!(error.contains("another directory has its name"), "{error}");
        assert!(exists("/mnt/var/lib/jns/session/x/mnt-t"));
    });
}

#[test]
fn without_proc_the_kernel_is_asked_directly() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        let host = namespace();
        nix::mount::umount2("/proc", nix::mount::MntFlags::MNT_DETACH).unwrap();
        let applied = inside(plan(vec![private_t()]), |applied| {
            assert_eq!(names("/mnt/t"), [""; 0]);
            applied
        });
        assert!(applied.namespace.to_string() != host);
        let missing = private("/mnt/u", "/mnt/var/lib/jns/user/2001/u", &[]);
        apply(&plan(vec![private_t(), missing]), USER).unwrap_err();
        assert_eq!(pam_jns::kernel::namespace::name().unwrap(), host);
    });
}

#[test]
fn without_a_capability_the_reason_names_it() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    for (capability, name) in [
        (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
        (CapabilitySet::SYS_CHROOT, "CAP_SYS_CHROOT"),
    ] {
        in_own_namespace(move || {
            directory("/mnt/t", 0o1777, 0);
            let mut sets = capabilities(None).unwrap();
            sets.effective.remove(capability);
            set_capabilities(None, sets).unwrap();
            let error = apply(&plan(vec![private_t()]), USER)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&format!("the process lacks {name}")),
                "{error}"
            );
            assert!(!exists(INSTANCE));
        });
    }
}

/// As SELinux lets sshd(8) search a user's instance, and not read it.
#[test]
fn an_instance_that_the_process_may_not_read_is_shown() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    in_own_namespace(|| {
        directory("/mnt/t", 0o1733, USER);
        inside(plan(vec![private_t()]), |_| {
            fs::write("/mnt/t/mine", "").unwrap()
        });
        let mut sets = capabilities(None).unwrap();
        sets.effective
            .remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
        set_capabilities(None, sets).unwrap();
        assert!(fs::read_dir(INSTANCE).is_err());
        inside(plan(vec![private_t()]), |_| assert!(exists("/mnt/t/mine")));
    });
}

#[test]
fn a_chrooted_process_gets_its_root_back() {
    in_own_namespace(|| {
        directory("/mnt/root/t", 0o1777, 0);
        bind("/mnt/root", "/mnt/root");
        directory("/mnt/root/var/lib", 0o755, 0);
        directory("/mnt/root/proc", 0o755, 0);
        bind("/proc", "/mnt/root/proc");
        std::env::set_current_dir("/mnt/root/t").unwrap();
        nix::unistd::chroot("/mnt/root").unwrap();
        let mut wanted = plan(vec![private("/t", "/var/lib/jns/user/2001/t", &[])]);
        wanted.store = path("/var/lib/jns");
        inside(wanted.clone(), |_| assert_eq!(mounts_at("/t"), ["/t"]));
        // Exchanged between the two looks: the only failure after the namespace was left.
        wanted
            .steps
            .push(private("/gone", "/var/lib/jns/user/2001/gone", &[]));
        apply(&wanted, USER).unwrap_err();
        assert_eq!(std::env::current_dir().unwrap().to_str(), Some("/t"));
    });
}

#[test]
fn a_failure_inside_the_new_namespace_leads_back() {
    in_own_namespace(|| {
        directory("/mnt/root/t", 0o1777, 0);
        directory("/mnt/root/var/lib", 0o755, 0);
        // In a chroot whose root is no mount point, propagation cannot be set: unshare(2) has worked by then.
        let old = fs::File::open("/proc/thread-self/ns/mnt").unwrap();
        directory("/mnt/root/proc", 0o755, 0);
        bind("/proc", "/mnt/root/proc");
        std::env::set_current_dir("/mnt/root/t").unwrap();
        nix::unistd::chroot("/mnt/root").unwrap();
        let mut wanted = plan(vec![private("/t", "/var/lib/jns/user/2001/t", &[])]);
        wanted.store = path("/var/lib/jns");
        let error = apply(&wanted, USER).unwrap_err().to_string();
        assert!(
            error.contains("/ is not a mount point; is this a chroot?"),
            "{error}"
        );
        assert_eq!(std::env::current_dir().unwrap().to_str(), Some("/t"));
        assert!(
            exists("/t") && !exists("/var/lib/jns"),
            "the root directory is given back"
        );
        setns(&old, CloneFlags::CLONE_NEWNS).unwrap();
    });
}

#[test]
fn a_working_directory_without_a_path_is_kept() {
    in_own_namespace(|| {
        directory("/mnt/t/sub/gone", 0o1777, 0);
        directory("/mnt/t", 0o1777, 0);
        std::env::set_current_dir("/mnt/t/sub/gone").unwrap();
        let before = present_directory();
        fs::remove_dir("/mnt/t/sub/gone").unwrap();
        inside(plan(vec![private_t()]), move |_| {
            assert_eq!(present_directory(), before);
        });
    });
}

#[test]
fn a_link_of_roots_that_a_user_moved_is_not_followed() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        directory("/mnt/alice", 0o755, USER);
        directory("/mnt/data", 0o755, 0);
        symlink("/mnt/data", "/mnt/alice/link").unwrap();
        fs::rename("/mnt/alice/link", "/mnt/t/link").unwrap();
        let error = refusal(&plan(vec![private("/mnt/t/link", INSTANCE, &[])]));
        assert!(
            error.contains("/mnt/t/link is a symbolic link in a directory that others may write"),
            "{error}"
        );
    });
}

#[test]
fn an_instance_that_others_could_reach_is_refused() {
    in_own_namespace(|| {
        directory("/mnt/inst", 0o755, 0);
        for (covered, parent, private_enough) in [
            (0o1777, 0o755, false),
            (0o1777, 0o711, false),
            (0o1777, 0o710, false),
            (0o1777, 0o700, true),
            (0o1777, 0o000, true),
            (0o750, 0o755, false),
            (0o700, 0o755, true),
        ] {
            directory("/mnt/t", covered, 0);
            directory("/mnt/inst", parent, 0);
            let wanted = plan(vec![private("/mnt/t", "/mnt/inst/2001", &[])]);
            if private_enough {
                inside(wanted, |_| ());
            } else {
                let error = refusal(&wanted);
                assert!(
                    error.contains(&format!(
                        "lets others in, and so does /mnt/inst with {parent:04o}"
                    )),
                    "{error}"
                );
            }
        }
    });
}
