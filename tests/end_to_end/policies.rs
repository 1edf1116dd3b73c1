//! Whom a policy concerns, and how it is tried out.

use crate::bed::{Bed, bed, ours_only};

impl Bed {
    /// Starts sshd under this policy.
    pub fn serve_ssh_under(&self, policy: &str) {
        self.policy(policy);
        self.serve_ssh();
    }
}

#[test]
fn observing_changes_nothing_and_logs_the_plan() {
    ours_only!("mode that only observes");
    let bed = bed!();
    bed.serve_ssh_under("[settings]\nmode = \"observe\"\n[[private]]\npath = \"/tmp\"\n");
    assert_observed(&bed);
}

#[test]
fn the_module_can_be_told_to_observe() {
    ours_only!("argument to only observe");
    let bed = bed!();
    bed.policy("[[private]]\npath = \"/tmp\"\n");
    bed.protect_with("sshd", "required", "observe");
    bed.start_sshd("");
    assert_observed(&bed);
}

#[test]
fn observing_denies_nobody() {
    ours_only!("argument to only observe");
    let bed = bed!();
    bed.policy("[[private]]\npaht = \"/tmp\"\n");
    bed.protect_with("sshd", "required", "observe");
    bed.start_sshd("");
    let before = bed.state();
    bed.ssh("alice", "true").text();
    before.assert_unchanged(&bed);
    bed.assert_reason_logged(&["observing", "/etc/security/jns.toml:2:1", "paht"]);
}

#[track_caller]
fn assert_observed(bed: &Bed) {
    let before = bed.state();
    let namespace = "readlink /proc/self/ns/mnt";
    assert_eq!(bed.ssh("alice", namespace).text(), bed.sh(namespace));
    before.assert_unchanged(bed);
    assert_eq!(bed.logins(), [""; 0]);
    let told =
        |line: &String| line.contains("pam_jns") && line.contains("alice") && line.contains("/tmp");
    assert!(bed.log().iter().any(told), "{:#?}", bed.log());
}

#[test]
fn a_drop_in_overrides_the_built_in_policy() {
    ours_only!("built-in policy");
    let bed = bed!();
    bed.sh("mkdir /etc/security/jns.d");
    bed.write(
        "/etc/security/jns.d/10-who.toml",
        "[settings]\nexempt = [\"root\", \"uid:1-999\", \"bob\"]\n",
    );
    bed.serve_ssh();
    let namespace = "readlink /proc/self/ns/mnt";
    assert_ne!(bed.ssh("alice", namespace).text(), bed.sh(namespace));
    assert_eq!(bed.ssh("bob", namespace).text(), bed.sh(namespace));
}

#[test]
fn a_rule_can_be_for_one_service() {
    ours_only!("selector for services");
    let bed = bed!();
    bed.protect("su");
    bed.serve_ssh_under("[[private]]\npath = \"/tmp\"\nservices = [\"ssh*\"]\n");
    bed.sh("touch /tmp/of-host");
    assert_eq!(bed.ssh("alice", "ls /tmp").text(), "");
    assert_eq!(
        bed.exec(&["su", "alice", "-c", "ls /tmp"]).text(),
        "of-host"
    );
}

#[test]
fn a_changed_policy_holds_from_the_next_login() {
    ours_only!("promise about it");
    let bed = bed!();
    bed.serve_ssh_under("[[private]]\npath = \"/tmp\"\n");
    bed.sh("touch /tmp/of-host");
    assert_eq!(bed.ssh("alice", "ls /tmp").text(), "");
    bed.policy("[[private]]\npath = \"/var/tmp\"\n");
    assert_eq!(bed.ssh("alice", "ls /tmp").text(), "of-host");
}
