//! Daemons close descriptors that are not theirs, reuse the numbers, and run out of them.

use crate::machine::on_machine;
use crate::report::{assert_same, code};

/// The driver's own report, which is written at its end, needs no descriptor before.
#[test]
fn a_host_without_standard_descriptors_gets_none_from_the_module() {
    on_machine(|machine| {
        for closing in ["close-until=2", "close-from=0", "close-from=1"] {
            for stack in ["debug", "nonsense"] {
                machine.stack(stack);
                let report = machine.drive(&[
                    "start=alice",
                    closing,
                    "state=before",
                    "open",
                    "state=opened",
                    "close",
                    "state=closed",
                    "end",
                    "state=ended",
                ]);
                let before = report.state_without_view("before");
                for label in ["opened", "closed", "ended"] {
                    let case = format!("{closing} {stack} {label}");
                    assert_same(&before, &report.state_without_view(label), &case);
                }
                let expected = if stack == "debug" {
                    code::SUCCESS
                } else {
                    code::PERM_DENIED
                };
                assert_eq!(report.codes("open"), [expected]);
            }
        }
    });
}

#[test]
fn nothing_is_written_to_a_descriptor_whose_number_was_reused() {
    on_machine(|machine| {
        machine.stack("debug");
        let report = machine.drive(&[
            "start=alice",
            "open",
            "close-from=0",
            "reuse",
            "close",
            "client=after-close",
            "user=bob",
            "open",
            "client=after-open",
            "end",
            "client=after-end",
        ]);
        assert_eq!(report.codes("open"), [code::SUCCESS; 2]);
        assert_eq!(report.codes("close"), [code::SUCCESS]);
        let received = |label: &str| report.values(&format!("{label} received")).len();
        assert_eq!(
            ["after-close", "after-open", "after-end"].map(received),
            [0; 3],
            "{report:?}"
        );
        let log = machine.log();
        assert!(
            log.iter().any(|line| line.contains("session of bob")),
            "{log:?}"
        );
    });
}

#[test]
fn a_host_that_is_short_of_descriptors_is_refused_or_served_whole() {
    on_machine(|machine| {
        let (mut refused, mut served) = (0, 0);
        // With 3 libpam itself fails, at its own audit message.
        for limit in 4..40 {
            let limit = format!("limit={limit}");
            let report = machine.drive(&[
                "start=alice",
                "limit=1024",
                "state=before",
                &limit,
                "open",
                "limit=1024",
                "state=after",
            ]);
            match report.codes("open")[..] {
                [code::SUCCESS] => {
                    served += 1;
                    let mounted = report.values("after mount");
                    assert!(
                        mounted.iter().any(|line| line.contains(" /mnt/t ")),
                        "{limit}"
                    );
                }
                [code::PERM_DENIED] => {
                    refused += 1;
                    assert_same(&report.state("before"), &report.state("after"), &limit);
                }
                ref other => panic!("{limit}: open gave {other:?}"),
            }
        }
        assert!(
            refused > 3 && served > 3,
            "{refused} refused, {served} served"
        );
    });
}
