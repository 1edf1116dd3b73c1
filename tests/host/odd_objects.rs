//! What is not a directory where one should be: nothing is waited for, and the login is refused for a reason that
//! names it, or is right.

use crate::kernel::{directory, file, mounts_at};
use crate::machine::{Machine, drive_with, on_machine, program, shared_object};
use crate::peer::{BEFORE_1_5_2_MENDED, MENDED, Version};
use crate::report::{Report, assert_same, code};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

const ALICE: u32 = 2001;

const SETTINGS: &str = "[settings]\nnamespace = \"session\"\nstore = \"/mnt/var/lib/jns\"\n";

/// Makes something at a path.
type Make = fn(&str);

/// What stands where a directory should, and how it is made.
const OBJECTS: &[(&str, Make)] = &[
    ("a file", |path| file(path, "text")),
    ("a FIFO", |path| {
        nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap()
    }),
    ("a socket", |path| drop(UnixListener::bind(path).unwrap())),
    ("a device", |path| {
        mknod(path, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 8)).unwrap();
    }),
    ("a link that leads nowhere", |path| {
        symlink("/mnt/nowhere", path).unwrap()
    }),
    ("a link to itself", |path| symlink(path, path).unwrap()),
    ("links in a circle", |path| {
        symlink(format!("{path}.back"), path).unwrap();
        symlink(path, format!("{path}.back")).unwrap();
    }),
];

/// Rules that have the object, `@`, in one of their keys; whether they take one that is no directory; and what they
/// cover.
const RULES: &[(&str, bool, &str)] = &[
    ("[[private]]\npath = \"@\"\n", false, "@"),
    (
        "[[private]]\npath = \"@/below\"\ncreate = true\n",
        false,
        "@",
    ),
    (
        "[[private]]\npath = \"/mnt/t\"\nstore = \"@/{user}\"\n",
        false,
        "/mnt/t",
    ),
    (
        "[[private]]\npath = \"/mnt/t\"\nstore = \"/mnt/inst/{user}\"\n",
        false,
        "/mnt/t",
    ),
    ("[[tmpfs]]\npath = \"@\"\nsize = \"1M\"\n", false, "@"),
    ("[[overlay]]\npath = \"@\"\n", false, "@"),
    (
        "[[bind]]\npath = \"@\"\nsource = \"/mnt/source\"\n",
        false,
        "@",
    ),
    (
        "[[bind]]\npath = \"@\"\nsource = \"/mnt/file\"\n",
        true,
        "@",
    ),
    (
        "[[bind]]\npath = \"/mnt/t\"\nsource = \"@\"\n",
        false,
        "/mnt/t",
    ),
    (
        "[[bind]]\npath = \"/mnt/file\"\nsource = \"@\"\n",
        true,
        "/mnt/file",
    ),
    ("[[hide]]\npath = \"@\"\n", true, "@"),
];

/// One login, ended where it hangs.
fn login(case: &str) -> Report {
    let mut limited = Command::new("timeout");
    limited.arg("20").arg(program("driver"));
    let words = [
        "start=alice",
        "state=before",
        "open",
        "state=after",
        "close",
        "end",
    ];
    let report = drive_with(limited, &words);
    assert!(
        report.output.status.success(),
        "{case}: {:?}",
        report.output
    );
    report
}

#[track_caller]
fn refused(machine: &Machine, case: &str, named: &[&str]) {
    let before = machine.errors().len();
    let report = login(case);
    assert_eq!(report.codes("open"), [code::PERM_DENIED], "{case}");
    assert_same(&report.state("before"), &report.state("after"), case);
    let errors = machine.errors().split_off(before);
    assert_eq!(errors.len(), 1, "{case}: {errors:?}");
    let is_named = |name: &&str| errors[0].contains(name);
    assert!(
        errors[0].contains("cannot ") && named.iter().any(is_named),
        "{case}: {errors:?}"
    );
    assert!(
        errors[0].contains("(/mnt/etc/jns.toml:"),
        "{case}: {errors:?}"
    );
}

/// The login succeeds, and something stands at `covered`.
#[track_caller]
fn right(case: &str, covered: &str) {
    let report = login(case);
    assert_eq!(report.codes("open"), [code::SUCCESS], "{case}");
    let stands =
        |line: &&str| line.starts_with("mount ") && line.split(' ').nth(5) == Some(covered);
    assert_eq!(
        report
            .state("after")
            .iter()
            .filter(|line| stands(line))
            .count(),
        1,
        "{case}"
    );
    assert!(!report.state("before").iter().any(stands), "{case}");
}

fn set_up() {
    directory("/mnt/source", 0o755, 0);
    directory("/mnt/inst", 0o700, 0);
    file("/mnt/file", "");
    directory("/mnt/odd", 0o755, 0);
    directory("/mnt/home/alice/odd", 0o755, ALICE);
}

/// Where the object stands: where the rule has it, and where its instance would be.
fn places(path: &str) -> [String; 4] {
    let instance = "/mnt/inst/alice";
    [path, instance]
        .map(|path| [path.to_owned(), format!("{path}.back")])
        .concat()
        .try_into()
        .unwrap()
}

fn put(make: Make, path: &str, owner: u32) {
    let places = places(path);
    make(&places[0]);
    make(&places[2]);
    for made in places {
        let _ = lchown(made, Some(owner), Some(owner));
    }
}

fn remove(path: &str) {
    for made in places(path) {
        let _ = fs::remove_file(made);
    }
}

#[test]
fn nothing_that_is_not_a_directory_is_waited_for() {
    on_machine(|machine| {
        set_up();
        for (object, make) in OBJECTS {
            for (path, owner) in [("/mnt/odd/x", 0), ("/mnt/home/alice/odd/x", ALICE)] {
                put(*make, path, owner);
                for (rule, takes_files, covered) in RULES {
                    let (rule, covered) = (rule.replace('@', path), covered.replace('@', path));
                    machine.policy(format!("{SETTINGS}{rule}"));
                    let case = format!("{object}: {rule}");
                    if *takes_files && !object.contains("link") {
                        right(&case, &covered);
                    } else {
                        refused(machine, &case, &[path, &covered, "/mnt/inst/alice"]);
                    }
                }
                remove(path);
            }
        }
    });
}

/// A module that opens a path without regard for what it is waits for somebody to open the other end, as
/// pam_namespace did (CVE-2024-22365).
#[test]
fn a_fifo_is_waited_for_by_a_careless_module_and_not_by_this_one() {
    on_machine(|machine| {
        set_up();
        let path = "/mnt/home/alice/odd/x";
        put(OBJECTS[1].1, path, ALICE);
        machine.policy(format!("{SETTINGS}[[private]]\npath = \"{path}\"\n"));
        refused(machine, "a FIFO", &[path]);
        let naive = shared_object("naive");
        machine.whole_stack(&format!(
            "session required {} at={path} from=/mnt/inst/naive\nsession required pam_permit.so\n",
            naive.display()
        ));
        assert!(waits(), "the FIFO keeps nobody waiting");
        machine.stack_of_pam_namespace(&format!("{path} /mnt/inst/ user root\n"));
        let (version, does_wait) = (Version::installed(), waits());
        println!("pam_namespace {version} waits: {does_wait}");
        if version.is_among(&BEFORE_1_5_2_MENDED) {
            assert!(does_wait, "{version}");
        }
        if MENDED.iter().any(|mended| version.is_among(mended)) {
            assert!(!does_wait, "{version}");
        }
    });
}

/// Whether a login does not end by itself.
fn waits() -> bool {
    let mut limited = Command::new("timeout");
    limited.arg("3").arg(program("driver"));
    let report = drive_with(limited, &["start=alice", "open", "end"]);
    match report.output.status.code() {
        Some(0) => false,
        Some(124) => true,
        _ => panic!("{:?}", report.output),
    }
}

/// Whatever a user calls by the name of a kept entry is kept, or left out: nobody is kept out by it.
#[test]
fn kept_entries_of_every_kind_keep_nobody_out() {
    on_machine(|machine| {
        machine.policy(format!(
            "{SETTINGS}[[private]]\npath = \"/mnt/t\"\nkeep = [\"x\"]\n"
        ));
        for (object, make) in OBJECTS {
            make("/mnt/t/x");
            let is_link = object.contains("link");
            let report = login(object);
            assert_eq!(report.codes("open"), [code::SUCCESS], "{object}");
            let kept = report
                .state("after")
                .iter()
                .any(|line| line.contains(" /mnt/t/x "));
            assert_eq!(kept, !is_link, "{object}");
            remove("/mnt/t/x");
            fs::remove_dir_all("/mnt/var/lib/jns").unwrap();
        }
    });
}

#[test]
fn the_store_is_a_directory_or_nothing() {
    on_machine(|machine| {
        set_up();
        machine.policy("[settings]\nnamespace = \"session\"\nstore = \"/mnt/odd/x\"\n[[private]]\npath = \"/mnt/t\"\n");
        for (object, make) in OBJECTS {
            put(*make, "/mnt/odd/x", 0);
            refused(machine, object, &["/mnt/odd/x"]);
            remove("/mnt/odd/x");
        }
    });
}

/// Paths that are as long as they may be, or longer.
#[test]
fn paths_of_every_length_are_refused_or_right() {
    on_machine(|machine| {
        let longest_name = format!("/mnt/{}", "n".repeat(255));
        directory(&longest_name, 0o755, 0);
        directory("/mnt/a", 0o755, 0);
        // Ten thousand components by way of links, which the kernel would follow too.
        for level in 0..8 {
            let next = if level == 7 {
                "/mnt/t".to_owned()
            } else {
                format!("/mnt/link-{}", level + 1)
            };
            symlink(
                format!("{}{next}", "/mnt/a/../a/../..".repeat(240)),
                format!("/mnt/link-{level}"),
            )
            .unwrap();
        }
        for (what, path, is_right) in [
            ("a name of 255 bytes", longest_name.clone(), true),
            ("a name of 256 bytes", format!("{longest_name}n"), false),
            (
                "a path of 4095 bytes",
                format!("/mnt{}", "/abcdefgh".repeat(454) + "/abcd"),
                false,
            ),
            (
                "a path of 4096 bytes",
                format!("/mnt{}", "/abcdefgh".repeat(454) + "/abcde"),
                false,
            ),
            (
                "10 000 components",
                format!("/mnt{}", "/a".repeat(9_999)),
                false,
            ),
            ("10 000 components of links", "/mnt/link-0".to_owned(), true),
        ] {
            machine.policy(format!("{SETTINGS}[[hide]]\npath = \"{path}\"\n"));
            println!("{what}");
            if is_right {
                let covered = if what.ends_with("links") {
                    "/mnt/t"
                } else {
                    &path
                };
                right(what, covered);
            } else {
                refused_whole(machine, what);
            }
        }
    });
}

/// Refused with one reason, by the policy's checker or by the kernel.
#[track_caller]
fn refused_whole(machine: &Machine, case: &str) {
    let before = machine.errors().len();
    let report = login(case);
    assert_eq!(report.codes("open"), [code::PERM_DENIED], "{case}");
    assert_same(&report.state("before"), &report.state("after"), case);
    let errors = machine.errors().split_off(before);
    assert_eq!(errors.len(), 1, "{case}: {} errors", errors.len());
    let is_reported = ["jns.toml:5:", "cannot open /mnt/"]
        .iter()
        .any(|part| errors[0].contains(part));
    assert!(
        is_reported,
        "{case}: {}",
        &errors[0][..200.min(errors[0].len())]
    );
}

/// A directory two thousand levels down, and a host that may open half as many files.
#[test]
fn a_path_of_two_thousand_levels_is_refused_or_right() {
    on_machine(|machine| {
        let path = format!("/mnt{}", "/a".repeat(2_000));
        fs::create_dir_all(&path).unwrap();
        machine.policy(format!("{SETTINGS}[[hide]]\npath = \"{path}\"\n"));
        for limit in ["1024", "8192"] {
            let before = machine.errors().len();
            let report = machine.drive(&[
                "start=alice",
                &format!("limit={limit}"),
                "open",
                "close",
                "end",
            ]);
            let errors = machine.errors().split_off(before);
            match report.codes("open")[..] {
                [code::SUCCESS] => assert_eq!(errors, [""; 0]),
                _ => assert!(
                    errors.len() == 1 && errors[0].contains("Too many open files"),
                    "{errors:?}"
                ),
            }
            assert_eq!(mounts_at(&path), [""; 0]);
        }
    });
}
