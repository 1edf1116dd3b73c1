//! Homes on file systems that make nobody of root, as NFS does: root cannot look into them, or can make nothing
//! there. A login works, or is refused whole with the reason.

use crate::kernel::{directory, exists, tree};
use crate::machine::{Machine, on_machine, program};
use crate::report::{assert_same, code};
use std::process::Command;

/// How a home treats root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// As nobody, who may not enter it.
    Closed,
    /// As somebody that the file system does not know: nothing can be made.
    Foreign,
}

/// What is made of a rule about it.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Works,
    /// It is refused for a reason that holds this.
    Refused(&'static str),
}
use Expected::{Refused, Works};

const DENIED: Expected = Refused("/mnt/home/alice/t: Permission denied");

/// Rules, and what becomes of them in a [`Home::Closed`] and in a [`Home::Foreign`].
const RULES: &[(&str, Expected, Expected)] = &[
    ("[[private]]\npath = \"/mnt/t\"", Works, Works),
    ("[[private]]\npath = \"{home}\"", Works, Works),
    ("[[private]]\npath = \"{home}/t\"", DENIED, Works),
    (
        "[[tmpfs]]\npath = \"{home}/t\"\nsize = \"1M\"",
        DENIED,
        Works,
    ),
    ("[[hide]]\npath = \"{home}/t\"", DENIED, Works),
    (
        "[[bind]]\nsource = \"{home}/t\"\npath = \"/mnt/t\"",
        DENIED,
        Works,
    ),
    // What the user could have taken away is nothing to refuse an optional rule for.
    (
        "[[private]]\npath = \"{home}/t\"\noptional = true",
        Works,
        Works,
    ),
    (
        "[[bind]]\nsource = \"{home}/t\"\npath = \"/mnt/t\"\noptional = true",
        Works,
        Works,
    ),
    (
        "[[private]]\npath = \"{home}/new\"\ncreate = true",
        Refused("/mnt/home/alice/new: Permission denied"),
        Refused("/mnt/home/alice/new: "),
    ),
    (
        "[[private]]\npath = \"/mnt/t\"\nstore = \"{home}/instance\"",
        Refused("/mnt/home/alice"),
        Refused("/mnt/home/alice"),
    ),
    (
        "[[overlay]]\npath = \"/mnt/t\"\nstore = \"{home}/layer\"",
        Refused("/mnt/home/alice"),
        Refused("/mnt/home/alice"),
    ),
    (
        "[settings]\nnamespace = \"session\"\nstore = \"/mnt/home/alice/store\"\n[[private]]\npath = \"/mnt/t\"",
        Refused("/mnt/home/alice"),
        Refused("/mnt/home/alice"),
    ),
];

#[test]
fn homes_that_are_closed_to_root_keep_nobody_out_by_halves() {
    on_machine(|machine| {
        directory("/mnt/home/alice/t", 0o755, 2001);
        directory("/mnt/home/alice", 0o700, 2001);
        for (rule, closed, _) in RULES {
            try_rule(machine, rule, Home::Closed, *closed);
        }
    });
}

#[test]
fn homes_where_root_can_make_nothing_keep_nobody_out_by_halves() {
    on_machine(|machine| {
        directory("/mnt/home/alice/t", 0o755, 2001);
        directory("/mnt/home/alice", 0o700, 2001);
        let squashed = Command::new(program("squash"))
            .arg("/mnt/home/alice")
            .status();
        assert!(squashed.unwrap().success());
        assert!(std::fs::write("/mnt/home/alice/file", "").is_err());
        for (rule, _, foreign) in RULES {
            try_rule(machine, rule, Home::Foreign, *foreign);
        }
        let hide = "[[hide]]\npath = \"/mnt/home\"\nkeep = [\"{user}\"]";
        try_rule(machine, hide, Home::Foreign, Works);
    });
}

fn try_rule(machine: &Machine, rule: &str, home: Home, expected: Expected) {
    let case = format!("{home:?} {rule}");
    let settings = "[settings]\nnamespace = \"session\"\nstore = \"/mnt/var/lib/jns\"\n";
    let settings = if rule.starts_with("[settings]") {
        ""
    } else {
        settings
    };
    machine.policy(format!("{settings}{rule}\n"));
    if exists("/mnt/var/lib/jns") {
        std::fs::remove_dir_all("/mnt/var/lib/jns").unwrap();
    }
    let (files, lines) = (tree("/mnt"), machine.log().len());
    let mut words = vec!["start=alice"];
    // Who has left a directory that he may not enter cannot come back.
    if matches!(expected, Works) {
        words.insert(0, "chdir=/mnt/home/alice");
    }
    // CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    words.extend(["drop=1", "drop=2"].iter().filter(|_| home == Home::Closed));
    words.extend([
        "state=before",
        "open",
        "state=after",
        "chdir=/",
        "close",
        "end",
    ]);
    let report = machine.drive(&words);
    match expected {
        Works => assert_eq!(
            report.codes("open"),
            [code::SUCCESS],
            "{case}: {:?}",
            machine.log().last()
        ),
        Refused(reason) => {
            assert_eq!(report.codes("open"), [code::PERM_DENIED], "{case}");
            assert_same(&report.state("before"), &report.state("after"), &case);
            assert_eq!(tree("/mnt"), files, "{case}");
            let mut log = machine.log().split_off(lines);
            log.retain(|line| line.starts_with("<83>"));
            assert!(log.len() == 1 && log[0].contains(reason), "{case}: {log:?}");
        }
    }
}
