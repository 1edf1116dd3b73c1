//! Policy files that no administrator writes: each is refused with a clear reason, and nothing changes.

use crate::kernel::{directory, exists};
use crate::machine::{Machine, POLICY, PRIVATE_T, STORE, WATCHED, on_machine};
use crate::report::{Report, assert_same, code};
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

/// One login of alice's, with the time it took in the report.
fn login(machine: &Machine) -> Report {
    let words = [
        "start=alice",
        "state=before",
        "time=begin",
        "open",
        "time=end",
        "state=after",
        "close",
        "end",
    ];
    let report = machine.drive(&words);
    // Printed for those who look; how fast this is depends on the machine.
    let took = report.number("end", "milliseconds") - report.number("begin", "milliseconds");
    println!("  open took {took} ms");
    report
}

/// The policy file, which `make` makes, is refused with `reason` and in at most `most` lines.
#[track_caller]
fn refused(machine: &Machine, case: &str, reason: &str, most: usize, make: impl FnOnce()) {
    println!("{case}");
    remove_policy();
    make();
    let lines = machine.log().len();
    let report = login(machine);
    assert_eq!(report.codes("open"), [code::PERM_DENIED], "{case}");
    assert_same(&report.state("before"), &report.state("after"), case);
    let log = machine.log().split_off(lines);
    assert!(
        log.iter()
            .all(|line| line.starts_with("<83>") && line.contains(POLICY)
                || line.contains(" more; ")),
        "{case}: {log:?}"
    );
    assert!(log[0].contains(reason), "{case}: {log:?}");
    assert!(
        (1..=most).contains(&log.len()),
        "{case}: {} lines, {log:?}",
        log.len()
    );
    assert!(!exists(STORE), "{case}");
}

fn remove_policy() {
    if fs::remove_file(POLICY).is_err() {
        let _ = fs::remove_dir(POLICY);
    }
}

fn write_with(mode: u32, owner: u32) {
    fs::write(POLICY, PRIVATE_T).unwrap();
    chown(POLICY, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(POLICY, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_not_a_file_of_roots_is_refused() {
    on_machine(|machine| {
        refused(machine, "missing", "No such file or directory", 1, || ());
        refused(machine, "FIFO", "it is a FIFO", 1, || {
            nix::unistd::mkfifo(POLICY, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        });
        refused(machine, "socket", "it is a socket", 1, || {
            drop(UnixListener::bind(POLICY).unwrap())
        });
        refused(machine, "directory", "it is a directory", 1, || {
            fs::create_dir(POLICY).unwrap()
        });
        refused(machine, "link", "it is a symbolic link", 1, || {
            fs::write("/mnt/etc/real.toml", PRIVATE_T).unwrap();
            symlink("/mnt/etc/real.toml", POLICY).unwrap();
        });
        refused(
            machine,
            "link to nowhere",
            "it is a symbolic link",
            1,
            || symlink("/nowhere", POLICY).unwrap(),
        );
        refused(machine, "group-writable", "its mode is 0664", 1, || {
            write_with(0o664, 0)
        });
        refused(machine, "world-writable", "its mode is 0666", 1, || {
            write_with(0o666, 0)
        });
        refused(machine, "a user's", "it belongs to uid 2001", 1, || {
            write_with(0o644, 2001)
        });
    });
}

/// Without the capabilities even root reads only what root has the right to.
#[test]
fn a_file_that_cannot_be_read_is_refused() {
    on_machine(|machine| {
        write_with(0o000, 0);
        let words = [
            "start=alice",
            "drop=1",
            "drop=2",
            "state=before",
            "open",
            "state=after",
            "end",
        ];
        let report = machine.drive(&words);
        assert_eq!(report.codes("open"), [code::PERM_DENIED]);
        assert_same(
            &report.state("before"),
            &report.state("after"),
            "unreadable",
        );
        let errors = machine.errors();
        assert!(
            errors[0].ends_with("cannot read /mnt/etc/jns.toml: Permission denied"),
            "{errors:?}"
        );
    });
}

#[test]
fn a_file_that_a_user_could_replace_is_refused() {
    on_machine(|machine| {
        for (mode, owner, reason) in [
            (0o755, 2001, "/mnt/etc belongs to uid 2001"),
            (0o775, 0, "/mnt/etc is writable by others than root"),
            (0o1777, 0, "/mnt/etc is writable by others than root"),
        ] {
            directory("/mnt/etc", mode, owner);
            refused(
                machine,
                &format!("directory {mode:o} of {owner}"),
                reason,
                1,
                || write_with(0o644, 0),
            );
        }
        directory("/mnt/etc", 0o755, 0);
    });
}

/// The same bytes in every run: a linear congruential generator.
fn random_bytes(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn a_file_that_is_no_policy_is_refused_with_one_clear_reason() {
    const LIMIT: usize = 1 << 20;
    let comment = |size: usize| {
        [
            PRIVATE_T.as_bytes(),
            b"#",
            &vec![b'x'; size - PRIVATE_T.len() - 1],
        ]
        .concat()
    };
    let one_line = |bytes: &[u8]| [PRIVATE_T.as_bytes(), bytes].concat();
    on_machine(move |machine| {
        let case = |name: &str, reason: &str, most: usize, text: Vec<u8>| {
            refused(machine, name, reason, most, || {
                fs::write(POLICY, text).unwrap()
            });
        };
        case(
            "1 MiB and a byte",
            "it is larger than 1048576 bytes",
            1,
            comment(LIMIT + 1),
        );
        case(
            "100 MiB",
            "it is larger than 1048576 bytes",
            1,
            vec![b'#'; 100 << 20],
        );
        case(
            "a NUL",
            "control character U+0000",
            1,
            one_line(b"[[private]]\npath = \"/mnt/a\0b\"\n"),
        );
        case("Latin-1", "UTF-8", 1, one_line(b"# caf\xe9\n"));
        case("random bytes", "UTF-8", 1, random_bytes(100_000));
        case(
            "random printable bytes",
            ":1:",
            21,
            random_bytes(100_000)
                .iter()
                .map(|byte| 32 + byte % 95)
                .collect(),
        );
        case("100 000 wrong lines", ":1:", 21, b"a\n".repeat(100_000));
        case(
            "100 000 unknown keys",
            ":1:",
            21,
            (0..100_000)
                .fold(String::new(), |mut text, n| {
                    let _ = writeln!(text, "k{n}=1");
                    text
                })
                .into_bytes(),
        );
        case(
            "deeply nested",
            "",
            21,
            [b"a=".as_slice(), &b"[".repeat(500_000)].concat(),
        );
    });
}

/// Large and right is right.
#[test]
fn a_large_policy_works() {
    on_machine(|machine| {
        let names = (0..10_000)
            .map(|n| format!("\"user{n}\""))
            .collect::<Vec<_>>()
            .join(", ");
        let principals = format!("{PRIVATE_T}except = [{names}]\n");
        let lines = format!("{PRIVATE_T}{}", "# a line\n".repeat(100_000));
        let largest = format!(
            "{PRIVATE_T}#{}",
            "x".repeat((1 << 20) - PRIVATE_T.len() - 1)
        );
        for (case, text) in [
            ("10 000 principals", principals),
            ("100 000 lines", lines),
            ("1 MiB", largest),
        ] {
            println!("{case}");
            machine.policy(text);
            let report = login(machine);
            assert_eq!(
                report.codes("open"),
                [code::SUCCESS],
                "{case}: {:?}",
                machine.errors()
            );
            assert_ne!(
                report.namespace("before"),
                report.namespace("after"),
                "{case}"
            );
        }
    });
}

/// A login reads the old file or the new one, or none, and says so; never a part of one.
#[test]
fn a_file_that_vanishes_and_is_exchanged_while_it_is_read() {
    on_machine(|machine| {
        let text = format!("{PRIVATE_T}{}", "# a line\n".repeat(50_000));
        let over = AtomicBool::new(false);
        let reports: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| exchange_policy(&text, &over));
            let reports = (0..50).map(|_| machine.drive(WATCHED)).collect();
            over.store(true, Ordering::Relaxed);
            reports
        });
        for report in reports {
            match report.codes("open")[..] {
                [code::SUCCESS] => {
                    assert_ne!(report.namespace("before"), report.namespace("after"))
                }
                [code::PERM_DENIED] => {
                    assert_same(&report.state("before"), &report.state("after"), "refused")
                }
                ref other => panic!("{other:?}"),
            }
        }
        let expected = [
            "No such file or directory",
            "it changed while it was read",
            "session of alice",
        ];
        let unclear = machine
            .log()
            .into_iter()
            .find(|line| !expected.iter().any(|known| line.contains(known)));
        assert_eq!(unclear, None);
    });
}

fn exchange_policy(text: &str, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        fs::write("/mnt/etc/new.toml", text).unwrap();
        fs::rename("/mnt/etc/new.toml", POLICY).unwrap();
        let _ = fs::OpenOptions::new()
            .append(true)
            .open(POLICY)
            .map(|mut file| file.write_all(b"#\n"));
        fs::remove_file(POLICY).unwrap();
    }
}
