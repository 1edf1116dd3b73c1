//! What a login asks before it knows its policy, and does not get: the policy itself, and the working directory.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};
use crate::silent::{FAR, SETTINGS};
use std::time::Instant;

/// The ways in which a policy comes from elsewhere: the module's arguments, and what brings it about while `/dead/fuse`
/// answers.
const POLICIES: &[(&str, &str, &str)] = &[
    ("config", "config=/dead/fuse/jns.toml", "true"),
    (
        "a link on the way",
        "config=/srv/link/jns.toml",
        "ln -s /dead/fuse /srv/link",
    ),
    (
        "the file",
        "",
        "mount --bind /dead/fuse/jns.toml /etc/security/jns.toml",
    ),
    (
        "drop-ins",
        "",
        "rm /etc/security/jns.toml; mkdir -p /etc/security/jns.d; mount --bind /dead/fuse/jns.d /etc/security/jns.d",
    ),
    (
        "a drop-in",
        "",
        "rm /etc/security/jns.toml; mkdir -p /etc/security/jns.d; touch /etc/security/jns.d/a.toml
         mount --bind /dead/fuse/jns.toml /etc/security/jns.d/a.toml",
    ),
];

const POLICY: &str = "[settings]\nexempt = []\n[[private]]\npath = \"/opt\"\n";

impl Sandbox {
    fn stop(&self) {
        self.sh("pkill -STOP gocryptfs");
    }

    fn go_on(&self) {
        self.sh("pkill -CONT gocryptfs; ls /dead/fuse >/dev/null");
    }
}

/// What would be there when the next way begins.
const UNDO: &str = "rm -f /srv/link
    umount /etc/security/jns.toml /etc/security/jns.d/a.toml /etc/security/jns.d 2>/dev/null || true
    rm -rf /etc/security/jns.d";

#[test]
fn a_policy_that_does_not_answer_denies_every_session_but_roots() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs");
    sandbox.make_dead();
    sandbox.go_on();
    sandbox.sh("mkdir /dead/fuse/jns.d");
    sandbox.write("/root/policy", POLICY);
    for (name, arguments, script) in POLICIES {
        sandbox.protect("su");
        sandbox.sh(&format!(
            "sed -i 's|pam_jns.so|& {arguments}|' /etc/pam.d/su"
        ));
        sandbox.policy(POLICY);
        sandbox.sh("cp /root/policy /dead/fuse/jns.toml; cp /root/policy /dead/fuse/jns.d/a.toml");
        sandbox.sh("sync; sleep 3");
        sandbox.sh(script);
        let is_private = || {
            let look = "[ \"$(stat -c %d:%i /opt)\" != \"$(su alice -c 'stat -c %d:%i /opt')\" ]";
            sandbox.run(look).succeeded()
        };
        for way in ["the first", "a later one"] {
            assert!(is_private(), "{name}, {way}: {:?}", sandbox.log());
        }
        sandbox.stop();
        let before = sandbox.log().len();
        assert!(!sandbox.su_in_time("alice").succeeded(), "{name}");
        let log = sandbox.log().split_off(before);
        let told = |line: &String| line.contains("cannot") && line.contains("not answer");
        assert!(log.iter().any(told), "{name}: {log:?}");
        assert_eq!(sandbox.su_in_time("root").text(), "in", "{name}");
        sandbox.assert_nothing_is_left(name);
        sandbox.go_on();
        assert!(
            is_private(),
            "{name}, when it answers again: {:?}",
            sandbox.log()
        );
        sandbox.sh(UNDO);
    }
    sandbox.end_dead();
}

/// A host that works in a directory which does not answer: whoever returns to it would wait.
#[test]
fn a_working_directory_that_does_not_answer_denies_a_session_and_holds_nobody() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs", "pamtester");
    sandbox.make_dead();
    let module = sandbox.subject.module();
    let bare = format!("session required {module}\n");
    sandbox.write("/etc/pam.d/bare", bare);
    sandbox.policy(&format!(
        "{SETTINGS}[[private]]\npath = \"/opt\"\nusers = [\"alice\", \"root\"]\n"
    ));
    sandbox.go_on();
    sandbox.sh("mkdir -p /dead/fuse/d/memory; mount -t tmpfs none /dead/fuse/d/memory");
    let open = |directory: &str, user: &str| {
        let directory = format!("/dead/fuse/d{directory}");
        // A shell would ask the directory itself.
        let script = format!(
            r#"chdir "{directory}" or die; system "/usr/bin/pkill", "-STOP", "gocryptfs"; sleep 2;
               exec "/usr/bin/pamtester", "bare", "{user}", "open_session", "close_session""#
        );
        let began = Instant::now();
        let opened = sandbox.exec(&["perl", "-e", &script]);
        assert!(began.elapsed() < FAR, "{user} was held in {directory}");
        sandbox.go_on();
        opened.succeeded()
    };
    for (user, is_let_in) in [("alice", false), ("root", true), ("bob", true)] {
        let before = sandbox.log().len();
        assert_eq!(open("", user), is_let_in, "{user}");
        let log = sandbox.log().split_off(before);
        let told = |line: &String| {
            line.contains("cannot keep the working directory /dead/fuse/d: it does not answer")
        };
        assert_eq!(log.iter().any(told), user != "bob", "{user}: {log:?}");
    }
    // What lies below it and answers itself is entered by its descriptor.
    for way in ["the first", "a later one"] {
        assert!(open("/memory", "alice"), "{way}: {:?}", sandbox.log());
    }
    assert!(
        !sandbox.run("pgrep pamtester").succeeded(),
        "something is left"
    );
    sandbox.end_dead();
}
