//! Two builds of the module in one stack: an older one and a newer one, say, by two paths. What one keeps with the
//! handle the other never takes for its own, since it may lie otherwise in memory.

use crate::forced_panic::panicking_module;
use crate::kernel::file;
use crate::machine::{Machine, POLICY, PRIVATE_T, STORE, below_shell, module, on_machine};
use crate::report::{assert_same, code};
use std::path::Path;

/// The policy of the module that is called first.
const OTHER_POLICY: &str = "/mnt/etc/other.toml";

const SESSION: &[&str] = &[
    "start=alice",
    "state=before",
    "open",
    "environment=variables",
    "close",
    "end",
    "state=ended",
];

/// Writes a stack that calls two files of the module, each with a policy of its own.
fn stack(machine: &Machine, first: &Path, second: &Path) {
    let (first, second) = (first.display(), second.display());
    machine.whole_stack(&format!(
        "session required {first} config={OTHER_POLICY}\n\
         session required {second} config={POLICY}\n\
         session required pam_permit.so\n"
    ));
}

fn drive(machine: &Machine) -> crate::report::Report {
    machine.drive_with(below_shell(), SESSION)
}

/// A second build that sees the first one's data would find the session open already, and go on.
#[test]
fn each_build_opens_a_session_of_its_own() {
    let other = panicking_module();
    on_machine(move |machine| {
        file(OTHER_POLICY, PRIVATE_T);
        // A namespace that it has to make.
        machine.policy(PRIVATE_T.replacen("store", "namespace = \"session\"\nstore", 1));
        stack(machine, &module(), &other);
        let report = drive(machine);
        assert_eq!(report.codes("open"), [code::PERM_DENIED]);
        let errors = machine.errors();
        assert!(errors[0].contains("this is a bug in pam_jns"), "{errors:?}");
    });
}

#[test]
fn sessions_of_two_builds_open_and_close_beside_each_other() {
    let other = panicking_module();
    on_machine(move |machine| {
        // Nothing that the other build would panic at.
        let variables =
            format!("[settings]\nstore = \"{STORE}\"\n[[env]]\nset = {{ SECOND = \"1\" }}\n");
        for other_is_first in [false, true] {
            let (first, second) = match other_is_first {
                false => (module(), other.clone()),
                true => (other.clone(), module()),
            };
            let (first_policy, second_policy) = match other_is_first {
                false => (PRIVATE_T, variables.as_str()),
                true => (variables.as_str(), PRIVATE_T),
            };
            file(OTHER_POLICY, first_policy);
            machine.policy(second_policy);
            stack(machine, &first, &second);
            drive(machine);
            let report = drive(machine);
            assert_eq!(report.codes("open"), [code::SUCCESS], "{:?}", machine.log());
            assert_eq!(report.values("variables"), ["SECOND=1"]);
            assert!(report.output.status.success(), "{:?}", report.output);
            let before = report.state("before");
            assert_same(&before, &report.state("ended"), "end");
        }
    });
}

/// Its code is mapped twice, and either copy knows what the other keeps.
#[test]
fn two_copies_of_one_build_are_one_module() {
    on_machine(|machine| {
        let copy = Path::new("/mnt/copy.so");
        std::fs::copy(module(), copy).unwrap();
        file(OTHER_POLICY, PRIVATE_T);
        stack(machine, &module(), copy);
        drive(machine);
        let lines = machine.log().len();
        let report = drive(machine);
        assert_eq!(report.codes("open"), [code::SUCCESS], "{:?}", machine.log());
        assert!(report.output.status.success(), "{:?}", report.output);
        assert_same(&report.state("before"), &report.state("ended"), "end");
        assert_eq!(
            machine.log().len(),
            lines + 1,
            "one session: {:?}",
            machine.log()
        );
    });
}
