//! `[[overlay]]`: what is covered shows, and what is written stays in a layer.

use crate::own::*;
use nix::mount::{MsFlags, mount};
use pam_jns::apply::{Entered, remove_session_directory};
use pam_jns::kernel::fs::walk::Trust;
use pam_jns::plan::{Isolation, Lifetime, Plan, View, Wanted};
use pam_jns::policy::value::Attributes;
use std::fs::{read_to_string, remove_dir, remove_file};
use std::sync::mpsc::channel;

const LAYER: &str = "/mnt/var/lib/jns/user/2001/mnt-o";

/// `/mnt/o` with two files, and a plan that lays a layer over it.
fn set_up() -> Plan {
    directory("/mnt/o", 0o751, USER);
    file("/mnt/o/one", "of the host");
    file("/mnt/o/two", "of the host");
    plan(vec![overlaid("/mnt/o", LAYER)])
}

fn entered(plan: &Plan) -> Entered {
    enter(plan, USER).unwrap()
}

#[test]
fn what_is_written_is_in_the_layer_and_there_again_at_the_next_login() {
    in_own_namespace(|| {
        let plan = set_up();
        let first = entered(&plan);
        assert_eq!(names("/mnt/o"), ["one", "two"]);
        assert_eq!(form("/mnt/o"), (0o751, USER, USER));
        file("/mnt/o/one", "of the session");
        remove_file("/mnt/o/two").unwrap();
        file("/mnt/o/three", "new");
        drop(first);
        assert_eq!(names("/mnt/o"), ["one", "two"]);
        assert_eq!(read_to_string("/mnt/o/one").unwrap(), "of the host");
        assert_eq!(form(LAYER), (0o700, 0, 0));

        let second = entered(&plan);
        assert_eq!(names("/mnt/o"), ["one", "three"]);
        assert_eq!(read_to_string("/mnt/o/one").unwrap(), "of the session");
        drop(second);
        assert_eq!(mounts_at("/mnt/o"), [""; 0]);
    });
}

#[test]
fn a_layer_that_is_being_written_to_is_not_used_twice() {
    in_own_namespace(|| {
        let plan = set_up();
        let (ready, inside) = channel();
        let (leave, left) = channel::<()>();
        let same = plan.clone();
        let session = std::thread::spawn(move || {
            let entered = entered(&same);
            file("/mnt/o/three", "");
            ready.send(()).unwrap();
            let _ = left.recv();
            drop(entered);
        });
        inside.recv().unwrap();
        let before = state();
        let error = apply(&plan, USER).unwrap_err().to_string();
        let reason = "a session in another namespace writes to it (test.toml:1)";
        assert_eq!(error, format!("cannot use the layer {LAYER}: {reason}"));
        assert_eq!(state(), before);
        drop(leave);
        session.join().unwrap();
        apply(&plan, USER).unwrap();
        assert_eq!(names("/mnt/o"), ["one", "three", "two"]);
    });
}

/// What lies below may be another directory by the next login: it is no reason to refuse that.
#[test]
fn the_covered_directory_may_be_exchanged_between_logins() {
    in_own_namespace(|| {
        let plan = set_up();
        drop(entered(&plan));
        std::fs::rename("/mnt/o", "/mnt/before").unwrap();
        directory("/mnt/o", 0o755, 0);
        file("/mnt/o/other", "");
        apply(&plan, USER).unwrap();
        assert_eq!(names("/mnt/o"), ["other"]);
    });
}

#[test]
fn attributes_are_those_of_the_covered_mount_unless_named() {
    in_own_namespace(|| {
        let mut plan = set_up();
        bind("/mnt/o", "/mnt/o");
        remount("/mnt/o", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC);
        let inherited = entered(&plan);
        assert!(options("/mnt/o").starts_with("rw,nosuid,noexec"));
        drop(inherited);
        plan.steps[0].attributes = Attributes::of_words(["exec", "ro"]).unwrap();
        apply(&plan, USER).unwrap();
        assert!(options("/mnt/o").starts_with("ro,nosuid,relatime"));
        assert!(std::fs::write("/mnt/o/new", "").is_err());
    });
}

#[test]
fn what_is_mounted_beneath_is_not_part_of_it() {
    in_own_namespace(|| {
        let plan = set_up();
        directory("/mnt/o/below", 0o755, 0);
        memory("/mnt/o/below");
        file("/mnt/o/below/mounted", "");
        apply(&plan, USER).unwrap();
        assert_eq!(names("/mnt/o/below"), [""; 0]);
    });
}

#[test]
fn it_can_be_laid_over_what_another_rule_shows_and_covered_in_turn() {
    in_own_namespace(|| {
        let mut plan = set_up();
        directory("/mnt/o/below", 0o755, 0);
        directory("/mnt/source/deep", 0o755, 0);
        file("/mnt/source/shown", "");
        plan.steps.push(bound("/mnt/o/below", "/mnt/source", false));
        plan.steps.push(overlaid(
            "/mnt/o/below/deep",
            "/mnt/var/lib/jns/user/2001/deep",
        ));
        match enter(&plan, USER) {
            Ok(_entered) => {
                assert_eq!(names("/mnt/o/below"), ["deep", "shown"]);
                file("/mnt/o/below/deep/new", "");
                assert_eq!(names("/mnt/source/deep"), [""; 0]);
            }
            Err(error) => assert!(error.to_string().contains("Linux 6.15"), "{error}"),
        }
    });
}

#[test]
fn a_login_that_fails_leaves_no_layer() {
    in_own_namespace(|| {
        let hostname = Wanted {
            value: "a".repeat(65),
            location: location(),
        };
        let plan = Plan {
            isolation: Isolation {
                hostname: Some(hostname),
                ..Isolation::default()
            },
            ..set_up()
        };
        let before = state();
        apply(&plan, USER).unwrap_err();
        assert_eq!(state(), before);
    });
}

#[test]
fn a_layer_that_others_could_have_written_is_refused() {
    for (mode, owner) in [(0o700, USER), (0o755, 0), (0o770, 0)] {
        in_own_namespace(move || {
            let plan = set_up();
            directory("/mnt/var/lib/jns", 0o700, 0);
            directory("/mnt/var/lib/jns/user", 0o700, 0);
            directory("/mnt/var/lib/jns/user/2001", 0o700, 0);
            directory(LAYER, mode, owner);
            let before = state();
            let error = apply(&plan, USER).unwrap_err().to_string();
            assert!(error.contains("it must be root's alone"), "{error}");
            assert_eq!(state(), before);
        });
    }
    in_own_namespace(|| {
        set_up();
        directory("/mnt/theirs", 0o700, USER);
        let plan = plan(vec![overlaid("/mnt/o", "/mnt/theirs/layer")]);
        let before = state();
        let error = apply(&plan, USER).unwrap_err().to_string();
        assert!(error.contains("a directory of the user's"), "{error}");
        assert_eq!(state(), before);
    });
}

#[test]
fn a_store_that_cannot_hold_a_layer_is_named() {
    in_own_namespace(|| {
        let plan = set_up();
        for name in ["lower", "upper", "work"] {
            directory(&format!("/mnt/outer/{name}"), 0o755, 0);
        }
        let options = "lowerdir=/mnt/outer/lower,upperdir=/mnt/outer/upper,workdir=/mnt/outer/work";
        let flags = MsFlags::empty();
        mount(
            Some("outer"),
            "/mnt/var/lib",
            Some("overlay"),
            flags,
            Some(options),
        )
        .unwrap();
        let before = state();
        let error = apply(&plan, USER).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot make an overlay for /mnt/o: "),
            "{error}"
        );
        assert!(
            error.contains("layer") || error.contains("upperdir"),
            "{error}"
        );
        assert_eq!(state(), before);
    });
}

#[test]
fn the_layer_of_a_session_ends_with_it() {
    in_own_namespace(|| {
        let mut plan = set_up();
        let View::Overlay { layer } = &mut plan.steps[0].view else {
            panic!("it is an overlay");
        };
        layer.lifetime = Lifetime::Session;
        layer.directory = path("/mnt/var/lib/jns/session/0123456789abcdef/mnt-o");
        let applied = apply(&plan, USER).unwrap();
        std::fs::create_dir_all("/mnt/o/deep/deeper").unwrap();
        remove_file("/mnt/o/one").unwrap();
        std::fs::rename("/mnt/o/two", "/mnt/o/deep/two").unwrap();
        let [ended] = &applied.session_directories[..] else {
            panic!("one directory ends with the session: {applied:?}");
        };
        remove_session_directory(ended, Trust::User(USER)).unwrap();
        assert_eq!(names("/mnt/var/lib/jns/session"), [""; 0]);
        remove_dir("/mnt/var/lib/jns/session").unwrap();
    });
}
