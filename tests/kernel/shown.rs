//! What a namespace shows of the host, how that is known again, and who sees what is mounted in it later.

use crate::own::*;
use nix::mount::MsFlags;
use pam_jns::apply::Applied;
use pam_jns::kernel::deadline::Deadline;
use pam_jns::kernel::fs::entries::Found;
use pam_jns::plan::Plan;
use pam_jns::policy::value::{Propagation, Size};
use std::fs;
use std::os::unix::fs::symlink;

/// The instance of `/mnt/t` for the user.
const INSTANCE: &str = "/mnt/var/lib/jns/user/2001/mnt-t";

/// Applies the plan on a thread of its own, whose view `look` then sees; this thread stays outside.
fn inside<T: Send + 'static>(plan: Plan, look: impl FnOnce(Applied) -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || look(apply(&plan, USER).unwrap()));
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn private_keeping(keep: &[&str]) -> Plan {
    plan(vec![private("/mnt/t", INSTANCE, keep)])
}

/// Whether the session of this plan shows the same as a new one would.
fn is_current(applied: &Applied) -> bool {
    Found::are_current(&applied.kept, USER, &Deadline::none())
}

#[test]
fn an_entry_that_somebody_else_made_is_not_kept() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        for (name, owner) in [("roots", 0), ("own", USER), ("bobs", 2002)] {
            directory(&format!("/mnt/t/{name}"), 0o755, owner);
        }
        let plan = private_keeping(&["roots", "own", "bobs"]);
        let applied = inside(plan, |applied| {
            assert_eq!(names("/mnt/t"), ["own", "roots"]);
            applied
        });
        let said =
            "/mnt/t/bobs not kept: it belongs to uid 2002, not to root or the user (test.toml:1)";
        assert_eq!(applied.notes, [said]);
        assert!(is_current(&applied));
        chown("/mnt/t/bobs", 0);
        assert!(!is_current(&applied), "root's by now");
        chown("/mnt/t/bobs", 2002);
        assert!(is_current(&applied));
        chown("/mnt/t/roots", 2002);
        assert!(!is_current(&applied), "another user's by now");
    });
}

fn chown(path: &str, owner: u32) {
    std::os::unix::fs::chown(path, Some(owner), Some(owner)).unwrap();
}

#[test]
fn patterns_keep_what_they_match() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        for name in [".X0-lock", ".X1-lock", ".Xauth", "a", "b1", "b2", "b[1]"] {
            file(&format!("/mnt/t/{name}"), name);
        }
        file("/mnt/t/b3", "");
        chown("/mnt/t/b3", 2002);
        symlink("/etc", "/mnt/t/b4").unwrap();
        let plan = private_keeping(&[".X*-lock", "b?", ".X0-lock"]);
        let applied = inside(plan, |applied| {
            assert_eq!(names("/mnt/t"), [".X0-lock", ".X1-lock", "b1", "b2"]);
            assert_eq!(fs::read_to_string("/mnt/t/b1").unwrap(), "b1");
            assert_eq!(mounts_at("/mnt/t").len(), 5, "each once");
            applied
        });
        let is_reported = |text: &str| applied.notes.iter().any(|note| note.starts_with(text));
        assert!(
            is_reported("/mnt/t/b3 not kept: it belongs to uid 2002"),
            "{:?}",
            applied.notes
        );
        assert!(is_reported("/mnt/t/b4 not kept: it is a symbolic link"));
        assert_eq!(applied.notes.len(), 2);
    });
}

/// Whether what a session shows is current after something has happened on the host.
#[test]
fn what_is_kept_is_known_again() {
    type Change = fn();
    let table: &[(&str, Change, bool)] = &[
        ("nothing", || (), true),
        ("what is not meant", || file("/mnt/t/c1", ""), true),
        (
            "another user's match",
            || {
                file("/mnt/t/b9", "");
                chown("/mnt/t/b9", 2002);
            },
            true,
        ),
        (
            "made anew",
            || {
                fs::rename("/mnt/t/kept", "/mnt/older").unwrap();
                directory("/mnt/t/kept", 0o755, 0);
            },
            false,
        ),
        ("gone", || fs::remove_dir("/mnt/t/kept").unwrap(), false),
        (
            "a link now",
            || {
                fs::rename("/mnt/t/kept", "/mnt/older").unwrap();
                symlink("/mnt/older", "/mnt/t/kept").unwrap();
            },
            false,
        ),
        ("one more match", || file("/mnt/t/b2", ""), false),
        (
            "a match less",
            || fs::remove_file("/mnt/t/b1").unwrap(),
            false,
        ),
        (
            "a match made anew",
            || {
                fs::rename("/mnt/t/b1", "/mnt/older").unwrap();
                file("/mnt/t/b1", "");
            },
            false,
        ),
        (
            "what was missing",
            || directory("/mnt/t/missing", 0o755, 0),
            false,
        ),
        (
            "the directory made anew, without it",
            || {
                fs::rename("/mnt/t", "/mnt/u").unwrap();
                directory("/mnt/t", 0o1777, 0);
            },
            false,
        ),
    ];
    for (what, change, expected) in table {
        let (change, expected) = (*change, *expected);
        in_own_namespace(move || {
            directory("/mnt/t", 0o1777, 0);
            directory("/mnt/t/kept", 0o755, 0);
            file("/mnt/t/b1", "");
            let applied = inside(private_keeping(&["kept", "missing", "b*"]), |applied| {
                applied
            });
            change();
            assert_eq!(is_current(&applied), expected, "{what}");
        });
    }
}

#[test]
fn no_number_of_matches_holds_a_login() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        for number in 0..3000 {
            let (roots, others) = (
                format!("/mnt/t/a{number:04}"),
                format!("/mnt/t/b{number:04}"),
            );
            file(&roots, "");
            file(&others, "");
            chown(&others, 2002);
        }
        let steps = vec![private("/mnt/t", INSTANCE, &["a*", "b*", "a1*"])];
        let applied = inside(plan(steps), |applied| {
            let all = names("/mnt/t");
            assert_eq!(all.len(), 256);
            assert_eq!(all.last().map(String::as_str), Some("a0255"));
            applied
        });
        let is_reported = |text: &str| applied.notes.iter().any(|note| note.contains(text));
        assert!(is_reported(
            "/mnt/t/a* not kept: 2744 entries beyond the first 256 in byte order"
        ));
        assert!(is_reported(
            "/mnt/t/b* not kept: 2992 more entries are links or belong to others"
        ));
        assert!(is_reported(
            "/mnt/t/a1* not kept: patterns of keep show 256 entries at most"
        ));
        assert!(applied.notes.len() < 20, "{:#?}", applied.notes);
        assert!(is_current(&applied));
    });
}

#[test]
fn a_source_is_recorded_by_the_path_that_leads_to_it() {
    in_own_namespace(|| {
        for name in ["one", "other", "data"] {
            directory(&format!("/mnt/{name}"), 0o755, 0);
        }
        symlink("one", "/mnt/current").unwrap();
        let applied = inside(plan(vec![bound("/mnt/data", "/mnt/current", false)]), |a| a);
        let paths: Vec<&str> = applied
            .sources
            .iter()
            .map(|source| source.path.as_str())
            .collect();
        assert_eq!(paths, ["/mnt/current"]);
    });
}

#[test]
fn what_an_overlay_is_on_is_recorded() {
    in_own_namespace(|| {
        directory("/mnt/t", 0o755, 0);
        let applied = inside(plan(vec![overlaid("/mnt/t", INSTANCE)]), |applied| applied);
        let paths: Vec<&str> = applied
            .sources
            .iter()
            .map(|source| source.path.as_str())
            .collect();
        assert_eq!(paths, ["/mnt/t"]);
    });
}

/// What the mount table says of a mount's peers: `shared:5 master:1` without the numbers.
fn peers(path: &str) -> String {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let line = table
        .lines()
        .rfind(|line| line.split(' ').nth(4) == Some(path));
    let line = line.unwrap_or_else(|| panic!("nothing is mounted on {path}"));
    let tags = line.split(' ').skip(6).take_while(|tag| *tag != "-");
    let words = tags.map(|tag| tag.split(':').next().unwrap_or(tag));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn mounts_of_a_session_are_shared_within_it() {
    in_own_namespace(|| {
        for name in ["t", "memory", "bound", "host"] {
            directory(&format!("/mnt/{name}"), 0o1777, 0);
        }
        directory("/mnt/t/kept", 0o755, 0);
        propagate("/", MsFlags::MS_REC | MsFlags::MS_SHARED);
        let mut alone = bound("/mnt/host", "/mnt/memory", false);
        alone.propagation = Some(Propagation::Private);
        let steps = || {
            vec![
                bound("/mnt/bound", "/mnt/host", false),
                alone.clone(),
                in_memory("/mnt/memory", Size::Bytes(1 << 20), &[]),
                private("/mnt/t", INSTANCE, &["kept"]),
            ]
        };
        let look = || {
            [
                "/",
                "/mnt",
                "/mnt/bound",
                "/mnt/t",
                "/mnt/t/kept",
                "/mnt/memory",
                "/mnt/host",
            ]
            .map(peers)
        };
        let mut shared = plan(steps());
        shared.propagation = Propagation::Slave;
        let follows = "shared master";
        assert_eq!(
            inside(shared, move |_| look()),
            [follows, follows, follows, "shared", follows, "shared", ""]
        );
        let mut apart = plan(steps());
        apart.propagation = Propagation::Private;
        assert_eq!(inside(apart, move |_| look()), [""; 7]);
        assert_eq!(peers("/mnt"), "shared", "the host's");
    });
}
