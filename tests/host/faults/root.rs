//! Faults on the way into another root directory, and at the end of a session that lives in one.

use super::{Scene, campaign, errors, first_error, kill};
use crate::kernel::{directory, file};
use crate::machine::Machine;

/// Every kind of what a root directory is built of.
const POLICY: &str = r#"
[settings]
store = "/mnt/var/lib/jns"
[[root]]
path = "/mnt/root"
fstab = "/mnt/etc/fstab"
[[private]]
path = "/t"
[[private]]
path = "/s"
per = "session"
[[env]]
set = { TMPDIR = "/t", OTHER = "{uid}" }
"#;

/// The driver writes its report into the host's `/mnt`.
const FSTAB: &str = "\
/mnt/source /source none rbind,ro
tmpfs /memory tmpfs size=1M
/mnt /mnt none bind
";

/// A session that puts something into the directory that ends with it.
pub const BUSY_SESSION: &[&str] = &[
    "start=alice",
    "putenv=TMPDIR=/old",
    "state=before",
    "open",
    "state=after",
    "environment=variables-after",
    "mkdir=/s/one",
    "touch=/s/one/file",
    "close",
    "state=closed",
    "end",
    "state=ended",
];

#[test]
fn every_call_of_a_login_into_another_root_fails_once() {
    // There are many, of kinds that other campaigns let fail in every way.
    campaign(Scene::NewRoot, first_error);
}

#[test]
fn every_call_of_a_login_into_another_root_is_its_last() {
    campaign(Scene::NewRoot, kill);
}

#[test]
fn every_call_of_a_logout_from_another_root_fails_once() {
    campaign(Scene::RootLogout, errors);
}

#[test]
fn every_call_of_the_end_of_a_handle_in_another_root_fails_once() {
    campaign(Scene::RootEnding, errors);
}

/// The directories that every root has are there already: they stay, whatever becomes of a login.
pub fn set_up(machine: &Machine) {
    for name in [
        "", "/dev", "/etc", "/memory", "/mnt", "/proc", "/run", "/s", "/source", "/sys",
    ] {
        directory(&format!("/mnt/root{name}"), 0o755, 0);
    }
    directory("/mnt/root/t", 0o1777, 0);
    file("/mnt/root/etc/resolv.conf", "");
    file("/mnt/etc/fstab", FSTAB);
    machine.policy(POLICY);
}
