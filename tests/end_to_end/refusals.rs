//! What cannot be done is refused whole: with `required` the login fails, with `optional` it gets exactly
//! the host's view; either way the log has the reason and nothing else has changed.

use crate::sandbox::{Sandbox, Subject, ours_only, sandbox};

/// The built-in rule for /tmp alone.
const TMP: &str = "[[private]]\npath = \"/tmp\"\n";

impl Sandbox {
    /// Asserts that alice's next login is refused for a reason that contains each of `words`.
    #[track_caller]
    fn assert_refused(&self, words: &[&str]) {
        self.assert_refused_under("", words);
    }

    /// The same of an sshd that another program starts with fewer rights.
    #[track_caller]
    fn assert_refused_under(&self, starter: &str, words: &[&str]) {
        self.start_sshd_under(starter, "");
        let before = self.state();

        let login = self.ssh("alice", "echo let in");
        assert!(
            !login.succeeded() && !login.stdout.contains("let in"),
            "{login:#?}"
        );
        if self.subject == Subject::Theirs {
            before.assert_nothing_left(self);
            return; // it keeps new instances, says less in the log, and when optional leaves half a view
        }
        before.assert_unchanged(self);
        self.assert_reason_logged(words);
        let logins = self.logins();
        assert!(
            !logins.iter().any(|line| line.contains("sshd")),
            "{logins:#?}"
        );

        self.sh("sed -i 's/^session required pam_jns/session optional pam_jns/' /etc/pam.d/sshd");
        let namespace = "readlink /proc/self/ns/mnt";
        assert_eq!(
            self.ssh("alice", namespace).text(),
            self.sh(namespace),
            "the view when optional"
        );
        before.assert_unchanged(self);
        assert_eq!(self.logins(), logins);
    }

    /// A sandbox's sshd refuses under this policy.
    #[track_caller]
    fn assert_policy_refused(&self, policy: &str, words: &[&str]) {
        self.policy(policy);
        self.protect_with("sshd", "required", "");
        self.assert_refused(words);
    }
}

#[test]
fn a_policy_with_a_syntax_error() {
    let sandbox = sandbox!();
    sandbox.write("/etc/security/namespace.conf", "/tmp /var/lib/jns/tmp/\n");
    sandbox.assert_policy_refused(
        "[[private]\npath = \"/tmp\"\n",
        &["/etc/security/jns.toml:1:"],
    );
}

#[test]
fn a_policy_with_an_unknown_key() {
    ours_only!("keys");
    let sandbox = sandbox!();
    let policy = "[[private]]\npath = \"/tmp\"\nprefix = \"x\"\n";
    sandbox.assert_policy_refused(policy, &["/etc/security/jns.toml:3:1", "prefix"]);
}

#[test]
fn a_policy_that_its_group_may_write() {
    ours_only!("care for who may write its policy");
    let sandbox = sandbox!();
    sandbox.policy(TMP);
    sandbox.sh("chmod 664 /etc/security/jns.toml");
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&["/etc/security/jns.toml", "others than root may write"]);
}

#[test]
fn a_policy_that_a_user_owns() {
    ours_only!("care for who owns its policy");
    let sandbox = sandbox!();
    sandbox.policy(TMP);
    sandbox.sh("chown alice /etc/security/jns.toml");
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&["/etc/security/jns.toml", "belongs to uid 2001"]);
}

#[test]
fn a_policy_that_is_a_link() {
    ours_only!("care for links in place of its policy");
    let sandbox = sandbox!();
    sandbox.sh("ln -s /etc/hosts /etc/security/jns.toml");
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&["/etc/security/jns.toml", "link"]);
}

#[test]
fn a_policy_that_is_a_fifo() {
    ours_only!("care for pipes in place of its policy: it waits for ever");
    let sandbox = sandbox!();
    sandbox.sh("mkfifo -m 644 /etc/security/jns.toml");
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&["/etc/security/jns.toml", "regular file"]);
}

#[test]
fn a_policy_in_a_directory_that_others_may_write() {
    ours_only!("care for the directory of its policy");
    let sandbox = sandbox!();
    sandbox.policy(TMP);
    sandbox.sh("chmod 777 /etc/security");
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&["/etc/security", "writable"]);
}

#[test]
fn a_named_policy_that_is_missing() {
    ours_only!("argument that names a policy");
    let sandbox = sandbox!();
    sandbox.protect_with("sshd", "required", "config=/etc/missing.toml");
    sandbox.assert_refused(&["/etc/missing.toml", "No such file"]);
}

#[test]
fn a_second_rule_whose_path_is_missing() {
    let sandbox = sandbox!();
    sandbox.also_private("/srv/missing");
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&[
        "/srv/missing",
        "No such file",
        "/etc/security/jns.d/50-more.toml:2",
    ]);
}

#[test]
fn a_store_that_others_may_enter() {
    let sandbox = sandbox!();
    sandbox.sh("install -d -m 777 /var/lib/jns && chmod -R 777 /var/lib/jns");
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&["/var/lib/jns", "mode"]);
}

#[test]
fn a_store_that_a_user_owns() {
    let sandbox = sandbox!();
    sandbox.sh("install -d -m 700 /var/lib/jns && chown -R alice /var/lib/jns");
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&["/var/lib/jns", "belongs to uid 2001"]);
}

#[test]
fn a_store_that_is_a_link() {
    ours_only!("care for links on the way to its instances");
    let sandbox = sandbox!();
    sandbox.sh("install -d -o alice -m 755 /srv/of-alice && install -d -m 700 /srv/of-alice/store");
    sandbox.sh("ln -s /srv/of-alice/store /var/lib/jns");
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&["/var/lib/jns"]);
}

/// The directory under the store that alice's first login made for her /tmp.
fn instance_of_alice(sandbox: &Sandbox) -> String {
    sandbox.protect_with("su", "required", "");
    sandbox
        .exec(&["su", "alice", "-c", "touch /tmp/known-by-this"])
        .text();
    sandbox.sh("find /var/lib/jns -name known-by-this -printf '%h'")
}

#[test]
fn an_instance_that_was_replaced_by_a_link() {
    ours_only!("care for links in place of instances, in all of its versions");
    let sandbox = sandbox!();
    let instance = instance_of_alice(&sandbox);
    sandbox.sh(&format!(
        "mv {instance} {instance}.was && ln -s /etc {instance}"
    ));
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&[&instance, "not a directory"]);
}

#[test]
fn an_instance_that_was_replaced_by_a_file() {
    let sandbox = sandbox!();
    let instance = instance_of_alice(&sandbox);
    sandbox.sh(&format!("mv {instance} {instance}.was && touch {instance}"));
    sandbox.protect_with("sshd", "required", "");
    sandbox.assert_refused(&[&instance, "not a directory"]);
}

#[test]
fn a_host_process_that_may_not_mount() {
    let sandbox = sandbox!();
    sandbox.protect_with("sshd", "required", "");
    let starter = "setpriv --bounding-set -sys_admin --inh-caps -sys_admin";
    sandbox.assert_refused_under(starter, &["CAP_SYS_ADMIN"]);
}

#[test]
fn an_unknown_module_argument() {
    ours_only!("check of its arguments");
    let sandbox = sandbox!();
    sandbox.protect_with("sshd", "required", "conifg=/etc/security/jns.toml");
    sandbox.assert_refused(&["conifg"]);
}

#[test]
fn a_rule_for_a_build_with_selinux() {
    ours_only!("build without SELinux");
    let sandbox = sandbox!();
    sandbox.sh("mkdir /srv/base");
    let policy = format!("{TMP}[[private]]\npath = \"/srv/base\"\nper = \"level\"\n");
    sandbox.assert_policy_refused(
        &policy,
        &["level", "FEATURES=selinux", "(/etc/security/jns.toml:5)"],
    );
}

#[test]
fn a_path_that_leads_through_a_users_link() {
    ours_only!("line that names a home directory, in this configuration");
    let sandbox = sandbox!();
    sandbox.sh("ln -s /etc ~alice/scratch");
    let policy = "[[private]]\npath = \"{home}/scratch\"\n";
    sandbox.assert_policy_refused(policy, &["/home/alice/scratch", "link"]);
}

/// What is refused to one user is not refused to those that the policy leaves alone.
#[test]
fn nobody_else_is_refused() {
    ours_only!("rule that is for one user only, in this configuration");
    let sandbox = sandbox!();
    sandbox.sh("mkdir /srv/of-bob");
    sandbox.policy("[[private]]\npath = \"/srv/missing\"\nusers = [\"alice\"]\n");
    sandbox.protect_with("sshd", "required", "");
    sandbox.start_sshd("");
    let before = sandbox.state();

    assert!(!sandbox.ssh("alice", "true").succeeded());
    for user in ["bob", "system", "root"] {
        sandbox.ssh(user, "true").text();
    }
    before.assert_unchanged(&sandbox);
}

/// The policy names no home, so that only who looks at the files knows.
#[test]
fn a_users_files_where_root_believes_what_it_finds() {
    ours_only!("rule that binds");
    let sandbox = sandbox!();
    sandbox.sh("mkdir -p /usr/local/etc /srv/alice; chown alice /srv/alice");
    let rule = |source| format!("[[bind]]\nsource = \"{source}\"\npath = \"/usr/local/etc\"\n");
    sandbox.policy(&rule("/srv/{user}"));
    let explained = sandbox.exec(&["jns", "explain", "alice", "--service", "sshd"]);
    assert!(!explained.succeeded(), "{explained:#?}");
    let message = "the user may write to /srv/alice, and root believes what is there";
    assert!(explained.stdout.contains(message), "{explained:#?}");
    let checked = |policy: &str| {
        sandbox.policy(policy);
        sandbox.exec(&["jns", "check"])
    };
    for source in ["{home}", "/tmp"] {
        let checked = checked(&rule(source));
        let message = "root believes what is there";
        assert!(
            !checked.succeeded() && checked.stdout.contains(message),
            "{checked:#?}"
        );
    }
    assert!(checked(&rule("/srv/{user}")).succeeded());
    sandbox.assert_policy_refused(
        &rule("/srv/{user}"),
        &[message, "(/etc/security/jns.toml:2)"],
    );
}
