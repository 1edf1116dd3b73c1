//! What the user may write, where root believes what it finds.

use crate::own::*;
use pam_jns::apply::check_beliefs;
use pam_jns::plan::{Plan, Shape, Step, View};
use pam_jns::policy::value::{Mode, Size};

/// A directory of the system in which there is one of everything.
const SYSTEM: &str = "/usr/local";

fn refusal(step: Step) -> String {
    let before = state();
    let plan = plan(vec![step]);
    let error = apply(&plan, USER).expect_err("the plan must be refused");
    assert_eq!(state(), before, "after: {error}");
    let foretold = check_beliefs(&plan, USER).expect_err("explain foretells it");
    assert_eq!(foretold.to_string(), error.to_string());
    error.to_string()
}

fn accept(plan: Plan) {
    check_beliefs(&plan, USER).unwrap();
    let thread = std::thread::spawn(move || apply(&plan, USER).map(drop));
    thread.join().unwrap().unwrap();
}

fn with_mode(mut step: Step, mode: u32, owner: u32) -> Step {
    let (View::Instance { shape, .. } | View::Memory { shape, .. }) = &mut step.view else {
        panic!("it has no mode");
    };
    *shape = Shape {
        mode: Mode::from_bits(mode),
        owner: Some(owner),
        group: Some(0),
    };
    step
}

#[test]
fn a_source_that_the_user_may_write_covers_nothing_that_root_believes() {
    in_own_namespace(|| {
        memory(SYSTEM);
        directory("/usr/local/bin", 0o755, 0);
        directory("/usr/local/home", 0o700, USER);
        directory("/usr/local/home/bin", 0o755, USER);
        directory("/mnt/home", 0o755, USER);
        directory("/mnt/other", 0o755, 0);
        for (source, mode, owner, is_refused) in [
            ("/mnt/roots", 0o755, 0, false),
            ("/mnt/services", 0o755, 1, false),
            ("/mnt/theirs", 0o755, USER, true),
            ("/mnt/closed", 0o500, USER, true),
            ("/mnt/everybodys", 0o777, 0, true),
            ("/mnt/sticky", 0o1777, 0, true),
            ("/mnt/team", 0o775, 1, true),
            ("/mnt/home/roots", 0o755, 0, true),
        ] {
            directory(source, mode, owner);
            let over = |path| bound(path, source, false);
            accept(plan(vec![over("/mnt/other"), over("/usr/local/home/bin")]));
            if !is_refused {
                accept(plan(vec![over("/usr/local/bin")]));
                continue;
            }
            let expected = format!(
                "cannot cover /usr/local/bin: the user may write to {source}, and root believes what is there \
                 (test.toml:1)"
            );
            assert_eq!(
                refusal(over("/usr/local/bin")),
                expected,
                "{mode:o} {owner}"
            );
        }
    });
}

#[test]
fn what_appears_is_as_closed_as_what_root_believed_there() {
    in_own_namespace(|| {
        memory(SYSTEM);
        directory("/usr/local/bin", 0o755, 0);
        directory("/usr/local/games", 0o1777, 0);
        let instance = |path| private(path, "/mnt/var/lib/jns/user/2001/x", &[]);
        let memory = |path| in_memory(path, Size::Percent(1), &[]);
        let reason = "the user may write to what appears there, and root believes what is there (test.toml:1)";
        for (mode, owner) in [(0o777, 0), (0o1777, 0), (0o755, USER)] {
            for step in [instance("/usr/local/bin"), memory("/usr/local/bin")] {
                let error = refusal(with_mode(step, mode, owner));
                assert!(error.ends_with(reason), "{error}");
            }
            accept(plan(vec![with_mode(
                memory("/usr/local/games"),
                mode,
                owner,
            )]));
        }
        accept(plan(vec![instance("/usr/local/games")]));
        accept(plan(vec![with_mode(memory("/usr/local/bin"), 0o755, 0)]));
    });
}

#[test]
fn an_instance_that_the_user_could_replace_covers_nothing_that_root_believes() {
    in_own_namespace(|| {
        directory("/mnt/home", 0o700, USER);
        let result = apply(&plan(vec![private("/etc", "/mnt/home/etc", &[])]), USER);
        let reason = "the user may write to the directory of the instance, and root believes what is there (test.toml:1)";
        assert!(result.unwrap_err().to_string().ends_with(reason));
    });
}

/// Whoever may write at once what is made there could put anything there.
#[test]
fn no_path_is_made_where_root_believes_it_and_the_user_may_write() {
    in_own_namespace(|| {
        memory(SYSTEM);
        let create = |mode| Step {
            create: true,
            ..with_mode(in_memory("/usr/local/new", Size::Percent(1), &[]), mode, 0)
        };
        let before = state();
        let error = apply(&plan(vec![create(0o1777)]), USER).unwrap_err();
        let reason = "the user may write to what is made there, and root believes what is there (test.toml:1)";
        assert!(error.to_string().ends_with(reason), "{error}");
        assert_eq!(state(), before);
        assert_eq!(names(SYSTEM), [""; 0]);
        accept(plan(vec![create(0o755)]));
    });
}

/// In root's own session nobody else may have a part in what root believes.
#[test]
fn what_others_may_write_covers_nothing_that_root_believes_in_a_session_of_roots() {
    in_own_namespace(|| {
        memory(SYSTEM);
        directory("/usr/local/bin", 0o755, 0);
        directory("/usr/local/games", 0o1777, 0);
        directory("/usr/local/service", 0o755, 1);
        directory("/mnt/other", 0o755, 0);
        directory("/mnt/listed", 0o755, 0);
        let access = std::process::Command::new("setfacl")
            .args(["-m", "u:2001:rwx", "/mnt/listed"])
            .status();
        assert!(access.unwrap().success());
        for (source, mode, owner, is_refused) in [
            ("/mnt/roots", 0o755, 0, false),
            ("/mnt/services", 0o755, 1, true),
            ("/mnt/users", 0o700, USER, true),
            ("/mnt/closed", 0o500, USER, true),
            ("/mnt/everybodys", 0o777, 0, true),
            ("/mnt/sticky", 0o1777, 0, true),
            ("/mnt/listed", 0o775, 0, true),
        ] {
            if source != "/mnt/listed" {
                directory(source, mode, owner);
            }
            let over = |path| plan(vec![bound(path, source, false)]);
            accept_roots(over("/mnt/other"));
            if !is_refused {
                accept_roots(over("/usr/local/bin"));
                continue;
            }
            assert_roots_refused(&over("/usr/local/bin"), source);
        }
        // What root has always had in sessions of its own, and what others have a part in already.
        let shared = |path| with_mode(in_memory(path, Size::Percent(1), &[]), 0o1777, 0);
        accept_roots(plan(vec![private(
            "/mnt/other",
            "/mnt/var/lib/jns/user/0/x",
            &[],
        )]));
        accept_roots(plan(vec![shared("/mnt/other"), shared("/usr/local/games")]));
        accept_roots(plan(vec![in_memory(
            "/usr/local/service",
            Size::Percent(1),
            &[],
        )]));
        for (mode, owner) in [(0o1777, 0), (0o755, 1)] {
            let step = with_mode(
                in_memory("/usr/local/bin", Size::Percent(1), &[]),
                mode,
                owner,
            );
            assert_roots_refused(&plan(vec![step]), "what appears there");
        }
    });
}

fn accept_roots(plan: Plan) {
    check_beliefs(&plan, 0).unwrap();
    let thread = std::thread::spawn(move || apply(&plan, 0).map(drop));
    thread.join().unwrap().unwrap();
}

#[track_caller]
fn assert_roots_refused(plan: &Plan, what: &str) {
    let before = state();
    let refused = apply(plan, 0).expect_err(what).to_string();
    assert_eq!(state(), before, "after: {refused}");
    let expected = format!(
        "cannot cover /usr/local/bin: somebody else than root may write to {what}, and root believes what is there \
         (test.toml:1)"
    );
    assert_eq!(refused, expected);
    assert_eq!(check_beliefs(plan, 0).unwrap_err().to_string(), expected);
}
