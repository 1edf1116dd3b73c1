//! Faults on the way into what a policy imported from pam_namespace's configuration says.

use super::{Call, Injection, Scene, campaign, first_error};
use crate::kernel::directory;
use crate::machine::Machine;

/// Every key that only such policies have. What an `init` is given of an instance that it did not see made is
/// nothing that later logins differ in.
const POLICY: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
namespace = "session"
[[private]]
path = "/mnt/t"
store = "/mnt/var/lib/closed/of-{user}"
hash = "always"
init = "/bin/true"
[[private]]
path = "/mnt/s"
store = "/mnt/s/inside/{user}"
hash = "long"
parent = "any"
[[tmpfs]]
path = "/mnt/m"
size = "1M"
init = "/bin/true"
on_failure = "warn"
[[env]]
set = { TMPDIR = "/mnt/t", OTHER = "{uid}" }
"#;

/// How often the module waits for a program, and reads what that wrote, depends on how fast the program is. The
/// reads are failed in the other campaigns.
fn is_counted(call: &Call) -> bool {
    !["ppoll", "read"].contains(&call.name.as_str())
}

#[test]
fn every_call_of_an_imported_login_fails_once() {
    campaign(Scene::Imported, |call| {
        let counted = is_counted(call);
        if counted { first_error(call) } else { vec![] }
    });
}

#[test]
fn every_call_of_an_imported_login_is_its_last() {
    campaign(Scene::Imported, |call| {
        let counted = is_counted(call);
        counted.then_some(Injection::Kill).into_iter().collect()
    });
}

pub fn set_up(machine: &Machine) {
    directory("/mnt/s/inside", 0o711, 0);
    machine.policy(POLICY);
}
