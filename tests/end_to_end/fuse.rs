//! Homes that root may not look at: a user's FUSE file system without `allow_root`.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

impl Sandbox {
    /// Mounts an encrypted file system of alice's over her home, with a file in it.
    fn encrypt_home(&self) {
        self.sh("mknod -m 666 /dev/fuse c 10 229; install -d -o alice -g alice -m 700 /srv/cipher");
        let mount = "printf secret | gocryptfs -init -quiet -scryptn 10 /srv/cipher; \
                     printf secret | gocryptfs -quiet -nonempty /srv/cipher /home/alice; \
                     echo mine >/home/alice/file";
        self.sh(&format!(
            "cd /; setpriv --reuid alice --regid alice --init-groups bash -e -c '{mount}'"
        ));
        assert!(
            !self.run("ls /home/alice/file").succeeded(),
            "root is not let in"
        );
    }

    /// What alice's session shows of her home under a policy, and that bob's shows of his.
    #[track_caller]
    fn assert_home(&self, policy: &str, alices: &str) {
        self.policy(policy);
        let look = |user: &str| self.exec(&["su", user, "-c", "cd; ls -A . ; echo; ls /home"]);
        assert_eq!(look("alice").text(), alices, "{policy}");
        assert!(look("bob").succeeded(), "{policy}");
    }
}

#[test]
fn what_root_may_not_look_at_is_kept_and_covered_all_the_same() {
    ours_only!("rule that hides");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs", "setpriv");
    sandbox.protect("su");
    sandbox.encrypt_home();
    let hide = "[[hide]]\npath = \"/home\"\nkeep = [\"{user}\"]\n";
    sandbox.assert_home(hide, "file\n\nalice");
    let all = sandbox.sh("ls /home").replace('\n', " ");
    let all = all.trim().replace(' ', "\n");
    for rule in [
        "[[tmpfs]]\npath = \"{home}\"\nmode = \"0700\"\nowner = \"{user}\"\n",
        "[[private]]\npath = \"{home}\"\n",
    ] {
        sandbox.assert_home(rule, &format!("\n{all}"));
        sandbox.assert_home(&format!("{hide}{rule}"), "\nalice");
    }
    // Nothing of the cover was mounted for others.
    assert_eq!(
        sandbox.sh("setpriv --reuid alice --regid alice --init-groups cat /home/alice/file"),
        "mine"
    );
}

/// Rules for what is inside of alice's home, and what a login without `optional` is refused for.
const INSIDE: &[(&str, &str)] = &[
    ("[[private]]\npath = \"{home}/d\"\n", "/home/alice/d"),
    ("[[private]]\npath = \"{home}/d/e\"\n", "/home/alice/d/e"),
    ("[[tmpfs]]\npath = \"{home}/d\"\n", "/home/alice/d"),
    ("[[hide]]\npath = \"{home}/d\"\n", "/home/alice/d"),
    (
        "[[private]]\npath = \"{home}/new\"\ncreate = true\n",
        "/home/alice/new",
    ),
    (
        "[[bind]]\nsource = \"/srv\"\npath = \"{home}/d\"\n",
        "/home/alice/d",
    ),
    (
        "[[bind]]\nsource = \"{home}/d\"\npath = \"/opt\"\n",
        "/home/alice/d",
    ),
];

const REASON: &str = "/home/alice is a FUSE file system that does not let root in; with allow_root it does \
                      (mount.fuse3(8)); `optional = true` leaves the rule out";

/// A machine with a FUSE home of alice's, in which `d/e` are directories.
macro_rules! machine {
    () => {{
        ours_only!("rule that hides");
        let sandbox = sandbox!();
        needs!(sandbox, "gocryptfs", "setpriv");
        sandbox.protect("su");
        sandbox.encrypt_home();
        sandbox.sh("setpriv --reuid alice --regid alice --init-groups mkdir -p /home/alice/d/e; mkdir -p /home/bob/d/e");
        sandbox
    }};
}

#[test]
fn a_rule_inside_of_what_root_may_not_look_at_says_so_and_can_be_optional() {
    let sandbox = machine!();
    for (rule, path) in INSIDE {
        sandbox.policy(rule);
        sandbox.sh("mkdir -p /home/bob/new");
        let before = sandbox.log().len();
        assert!(
            !sandbox.exec(&["su", "alice", "-c", "true"]).succeeded(),
            "{rule}"
        );
        let line = 1 + rule
            .lines()
            .position(|line| line.contains("{home}"))
            .unwrap();
        let message = format!("cannot open {path}: {REASON} (/etc/security/jns.toml:{line})");
        let log = sandbox.log().split_off(before);
        assert!(
            log.iter().any(|line| line.contains(&message)),
            "{rule}: {log:?}"
        );
        // Nobody else is refused, nor is root.
        for other in ["bob", "root"] {
            assert!(
                sandbox.exec(&["su", other, "-c", "true"]).succeeded(),
                "{other} {rule}"
            );
        }
        sandbox.policy(&format!(
            "{rule}optional = true\n[[private]]\npath = \"/tmp\"\n"
        ));
        sandbox.sh("touch /tmp/hosts");
        let seen = sandbox.exec(&["su", "alice", "-c", "ls -A /tmp ~"]).text();
        assert_eq!(seen, "/home/alice:\nd\nfile\n\n/tmp:", "{rule}");
    }
}

#[test]
fn a_fuse_server_that_does_not_answer_keeps_its_user_alone_waiting() {
    let sandbox = machine!();
    // The one of this PID namespace, which is the sandbox's own.
    sandbox.sh("kill -STOP $(pidof gocryptfs)");
    for (rule, _) in INSIDE {
        sandbox.policy(&format!("[settings]\nexempt = []\n{rule}"));
        // It is refused without a question to the server.
        assert!(
            !sandbox.exec(&["su", "alice", "-c", "true"]).succeeded(),
            "{rule}"
        );
        sandbox.policy(&format!("[settings]\nexempt = []\n{rule}optional = true\n"));
        for user in ["alice", "bob", "root"] {
            let seen = sandbox.exec(&["su", user, "-c", "cd /; echo in"]);
            assert_eq!(seen.text(), "in", "{user} {rule}");
        }
    }
    sandbox.sh("kill -CONT $(pidof gocryptfs)");
}
