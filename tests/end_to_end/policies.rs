//! Which users a policy concerns, and how it is tried out.

use crate::sandbox::{Sandbox, ours_only, sandbox};

impl Sandbox {
    /// Starts sshd under this policy.
    pub fn serve_ssh_under(&self, policy: &str) {
        self.policy(policy);
        self.serve_ssh();
    }
}

#[test]
fn observing_changes_nothing_and_logs_the_plan() {
    ours_only!("mode that only observes");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under("[settings]\nmode = \"observe\"\n[[private]]\npath = \"/tmp\"\n");
    assert_observed(&sandbox);
}

#[test]
fn the_module_can_be_made_to_observe() {
    ours_only!("argument to only observe");
    let sandbox = sandbox!();
    sandbox.policy("[[private]]\npath = \"/tmp\"\n");
    sandbox.protect_with("sshd", "required", "observe");
    sandbox.start_sshd("");
    assert_observed(&sandbox);
}

#[test]
fn observing_denies_nobody() {
    ours_only!("argument to only observe");
    let sandbox = sandbox!();
    sandbox.policy("[[private]]\npaht = \"/tmp\"\n");
    sandbox.protect_with("sshd", "required", "observe");
    sandbox.start_sshd("");
    let before = sandbox.state();
    sandbox.ssh("alice", "true").text();
    before.assert_unchanged(&sandbox);
    sandbox.assert_reason_logged(&["observing", "/etc/security/jns.toml:2:1", "paht"]);
}

#[track_caller]
fn assert_observed(sandbox: &Sandbox) {
    let before = sandbox.state();
    let namespace = "readlink /proc/self/ns/mnt";
    assert_eq!(
        sandbox.ssh("alice", namespace).text(),
        sandbox.sh(namespace)
    );
    before.assert_unchanged(sandbox);
    assert_eq!(sandbox.logins(), [""; 0]);
    let is_reported =
        |line: &String| line.contains("pam_jns") && line.contains("alice") && line.contains("/tmp");
    assert!(
        sandbox.log().iter().any(is_reported),
        "{:#?}",
        sandbox.log()
    );
}

#[test]
fn a_drop_in_overrides_the_built_in_policy() {
    ours_only!("built-in policy");
    let sandbox = sandbox!();
    sandbox.sh("mkdir /etc/security/jns.d");
    sandbox.write(
        "/etc/security/jns.d/10-who.toml",
        "[settings]\nexempt = [\"root\", \"uid:1-999\", \"bob\"]\n",
    );
    sandbox.serve_ssh();
    let namespace = "readlink /proc/self/ns/mnt";
    assert_ne!(
        sandbox.ssh("alice", namespace).text(),
        sandbox.sh(namespace)
    );
    assert_eq!(sandbox.ssh("bob", namespace).text(), sandbox.sh(namespace));
}

#[test]
fn a_rule_can_be_for_one_service() {
    ours_only!("selector for services");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.serve_ssh_under("[[private]]\npath = \"/tmp\"\nservices = [\"ssh*\"]\n");
    sandbox.sh("touch /tmp/of-host");
    assert_eq!(sandbox.ssh("alice", "ls /tmp").text(), "");
    assert_eq!(
        sandbox.exec(&["su", "alice", "-c", "ls /tmp"]).text(),
        "of-host"
    );
}

#[test]
fn a_changed_policy_holds_from_the_next_login() {
    ours_only!("promise about it");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under("[[private]]\npath = \"/tmp\"\n");
    sandbox.sh("touch /tmp/of-host");
    assert_eq!(sandbox.ssh("alice", "ls /tmp").text(), "");
    sandbox.policy("[[private]]\npath = \"/var/tmp\"\n");
    assert_eq!(sandbox.ssh("alice", "ls /tmp").text(), "of-host");
}

#[test]
fn a_rule_can_be_for_all_services_but_some() {
    ours_only!("selector for services");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.serve_ssh_under(
        "[[private]]\npath = \"/tmp\"\nservices = [\"s*\"]\nexcept_services = [\"su*\"]\n",
    );
    sandbox.sh("touch /tmp/of-host");
    // The second of each is by what the first has noted of its plan.
    for _ in 0..2 {
        assert_eq!(sandbox.ssh("alice", "ls /tmp").text(), "");
        assert_eq!(
            sandbox.exec(&["su", "alice", "-c", "ls /tmp"]).text(),
            "of-host"
        );
    }
}

#[test]
fn a_drop_in_exempts_somebody_more() {
    ours_only!("drop-ins");
    let sandbox = sandbox!();
    sandbox.sh("mkdir /etc/security/jns.d && touch /tmp/of-host");
    let file = "/etc/security/jns.d/10-who.toml";
    sandbox.write(file, "[settings]\nadd_exempt = [\"bob\"]\n");
    sandbox.serve_ssh();
    let list = "ls /tmp";
    assert_eq!(sandbox.ssh("alice", list).text(), "");
    for user in ["bob", "root"] {
        assert_eq!(sandbox.ssh(user, list).text(), "of-host", "{user}");
    }
    assert!(sandbox.jns(&["check", "--strict"]).succeeded());
    let explained = sandbox.jns(&["explain", "bob"]).text();
    let exempt = format!("yes, as bob ({file}:2)");
    assert!(explained.contains(&exempt), "{explained}");

    sandbox.write(file, "[settings]\nexempt = [\"bob\"]\n");
    let checked = sandbox.jns(&["check"]).text();
    let warning = "leaves out root and accounts of the system";
    assert!(checked.contains(warning), "{checked}");
}
