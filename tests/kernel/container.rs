//! Logins in a container that has a user namespace of its own.

use crate::own::*;
use nix::mount::{MsFlags, mount};
use pam_jns::policy::value::{Attributes, attribute};
use std::process::Command;

/// Set in the process that is root in the container alone.
const INSIDE: &str = "JNS_TEST_IN_CONTAINER";

/// What the container's mounts came with is locked: the store's access times cannot become those of the
/// container's own `/tmp`, and its `nosuid` cannot go.
#[test]
fn locked_attributes_of_the_store_stay() {
    if std::env::var_os(INSIDE).is_some() {
        return log_in();
    }
    in_own_namespace(|| {
        directory("/mnt/t", 0o1777, 0);
        let container = ["--user", "--map-root-user", "--mount"];
        let this = "container::locked_attributes_of_the_store_stay";
        let inside = Command::new("unshare")
            .args(container)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", this])
            .env(INSIDE, "")
            .output()
            .unwrap();
        assert!(inside.status.success(), "{inside:?}");
        assert!(exists("/mnt/var/lib/jns/user/0/t"));
    });
}

fn log_in() {
    let flags = MsFlags::MS_STRICTATIME | MsFlags::MS_NOEXEC;
    mount(Some("t"), "/mnt/t", Some("tmpfs"), flags, Some("mode=1777")).unwrap();
    let instance = private("/mnt/t", "/mnt/var/lib/jns/user/0/t", &[]);
    apply(&plan(vec![instance.clone()]), 0).unwrap();
    assert_eq!(options("/mnt/t"), "rw,nosuid,noexec,relatime");
    let mut asked = instance;
    asked.attributes = Attributes::forbidding(attribute::NO_SUID);
    let error = apply(&plan(vec![asked]), 0).unwrap_err().to_string();
    assert!(error.contains("Operation not permitted"), "{error}");
}
