//! Programs that are run for a session, and the host that notices nothing of them.

use crate::kernel::{directory, file};
use crate::machine::{Machine, POLICY, module, on_machine, shared_object};
use crate::report::{Report, assert_same, code};

/// The password, each character one too high.
const SHIFTED: &str = "dpssfdu.ipstf.cbuufsz.tubqmf";

/// It, as md5sum(1) has it.
const DIGEST: &str = "d4bda60d8d790aa9cde7a92177bd0bc6";

/// A volume that opens with that password alone, and hooks of each kind.
const POLICY_WITH_PROGRAMS: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
[[private]]
path = "/mnt/t"
hook = ["/bin/sh", "-c", "echo instance >>/mnt/ran"]
[[volume]]
path = "/mnt/volume"
as = "root"
open = ["/bin/sh", "/mnt/open"]
password = "login"
[[hook]]
when = "created"
run = ["/bin/sh", "-c", "echo created >>/mnt/ran"]
[[hook]]
when = "open"
run = ["/bin/sh", "-c", "echo open >>/mnt/ran"]
[[hook]]
when = "close"
run = ["/bin/sh", "-c", "echo close >>/mnt/ran"]
"#;

const LOGIN: [&str; 5] = ["start=alice", "authenticate", "open", "close", "end"];

fn prepare(machine: &Machine) {
    machine.policy(POLICY_WITH_PROGRAMS);
    directory("/mnt/volume", 0o755, 0);
    let open =
        format!("[ \"$(md5sum)\" = '{DIGEST}  -' ] && mount -t tmpfs volume \"$JNS_PATH\"\n");
    file("/mnt/open", &open);
    let (module, token) = (module(), shared_object("token"));
    machine.whole_stack(&format!(
        "auth required {token} {SHIFTED}\nauth optional {module} config={POLICY}\n\
         session required {module} config={POLICY}\nsession required pam_permit.so\n",
        token = token.display(),
        module = module.display(),
    ));
}

fn scans(report: &Report) -> Vec<&str> {
    report.values("scan")
}

#[test]
fn the_password_is_kept_until_the_session_is_open_and_no_longer() {
    on_machine(|machine| {
        prepare(machine);
        let scan = format!("scan={SHIFTED}");
        let fork = ["fork", &scan, "join"];
        let words = [
            &["start=alice", &scan, "authenticate", &scan],
            &fork[..],
            &["open", &scan, "close", &scan, "end", &scan],
        ]
        .concat();
        let report = machine.drive(&words);
        assert_eq!(report.codes("authenticate"), [code::SUCCESS]);
        assert_eq!(report.codes("open"), [code::SUCCESS], "{:?}", machine.log());
        // A child of the host's has none of it.
        assert_eq!(scans(&report), ["0", "1", "0", "0", "0", "0"]);
    });
}

#[test]
fn a_handle_that_ends_without_a_session_takes_the_password_along() {
    on_machine(|machine| {
        prepare(machine);
        let scan = format!("scan={SHIFTED}");
        let report = machine.drive(&["start=alice", "authenticate", &scan, "end", &scan]);
        assert_eq!(scans(&report), ["1", "0"]);
    });
}

#[test]
fn a_password_of_another_user_is_given_to_nobody() {
    on_machine(|machine| {
        prepare(machine);
        let scan = format!("scan={SHIFTED}");
        let words = [
            "start=bob",
            "authenticate",
            "user=alice",
            "open",
            &scan,
            "end",
        ];
        let report = machine.drive(&words);
        assert_eq!(report.codes("open"), [code::PERM_DENIED]);
        assert_eq!(scans(&report), ["0"]);
    });
}

#[test]
fn no_password_is_kept_that_no_volume_wants() {
    on_machine(|machine| {
        prepare(machine);
        machine.policy(crate::machine::PRIVATE_T);
        let scan = format!("scan={SHIFTED}");
        let report = machine.drive(&["start=alice", "authenticate", &scan, "open", "close", "end"]);
        assert_eq!(report.codes("open"), [code::SUCCESS]);
        assert_eq!(scans(&report), ["0"]);
    });
}

#[test]
fn the_host_notices_nothing_of_them_however_it_treats_its_children() {
    on_machine(|machine| {
        prepare(machine);
        for how in [&[][..], &["children=ignore"], &["children=reap"]] {
            let session = [
                "start=alice",
                "authenticate",
                "state=before",
                "open",
                "state=opened",
            ];
            let words = [how, &session, &["close", "state=closed", "end"]].concat();
            let report = machine.drive(&words);
            assert_eq!(
                report.codes("open"),
                [code::SUCCESS],
                "{how:?} {:?}",
                machine.log()
            );
            let before = report.state_without_view("before");
            assert_same(&before, &report.state_without_view("opened"), "open");
            assert_same(&before, &report.state_without_view("closed"), "close");
        }
        let ran = std::fs::read_to_string("/mnt/ran").unwrap();
        assert_eq!(
            ran,
            "instance\ncreated\nopen\nclose\nopen\nclose\nopen\nclose\n"
        );
    });
}

#[test]
fn hundreds_of_sessions_with_programs_leave_nothing_behind_in_the_process() {
    on_machine(|machine| {
        prepare(machine);
        let transaction = [&LOGIN[..], &["go-home"]].concat();
        let many = |times| [&["repeat", times], &transaction[..], &["again"]].concat();
        let words = [
            &["remember-home"][..],
            &many("10"),
            &["state=early"],
            &many("90"),
            &["state=late"],
        ]
        .concat();
        let report = machine.drive(&words);
        assert_eq!(report.codes("open"), [code::SUCCESS; 100]);
        assert_same(&report.state("early"), &report.state("late"), "90 sessions");
    });
}
