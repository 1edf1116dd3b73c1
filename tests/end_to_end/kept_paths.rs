//! What stays visible below a hidden directory, several levels down.

use crate::sandbox::{Sandbox, ours_only, sandbox};

/// All that is seen below /home, but for what is in homes.
const LIST: &str = "cd /home && find . -mindepth 1 ! -path '*/alice/*' ! -path '*/bob/*' | sort";

/// The directories on the way to what `students/2026/{user}` means.
const STUDENTS: &str = "./students\n./students/2026";

impl Sandbox {
    /// Makes directories of students two levels below /home, and more that nobody is to see.
    fn make_students(&self) {
        self.sh("cd /home && mkdir -p students/2026 students/2025 students/2026/secret && touch students/notes &&
                 for user in alice bob; do install -d -o $user -m 700 students/2026/$user; done");
    }

    /// Hides /home but for this.
    fn hide_homes(&self, keep: &str, more: &str) {
        self.policy(&format!(
            "[[hide]]\npath = \"/home\"\nkeep = [{keep}]\n{more}"
        ));
    }
}

#[test]
fn a_path_of_several_levels_stays_visible_and_nothing_beside_it() {
    ours_only!("rule that hides");
    let sandbox = sandbox!();
    sandbox.make_students();
    sandbox.hide_homes("\"students/2026/{user}\", \"{home}\"", "");
    sandbox.serve_ssh();
    let before = sandbox.state();
    for user in ["alice", "bob"] {
        let seen = format!("./{user}\n{STUDENTS}\n./students/2026/{user}");
        assert_eq!(sandbox.ssh(user, LIST).text(), seen);
    }
    let work = "cd /home/students/2026/alice && touch mine && ! touch ../x && ! touch ../../x && \
                ! rmdir ../alice && ! mv ../alice ../x && umask 0 && ! mkdir /home/students/2026/bob";
    sandbox.ssh("alice", work).text();
    assert_eq!(sandbox.sh("ls /home/students/2026/alice"), "mine");
    sandbox.sh("rm /home/students/2026/alice/mine");
    assert_eq!(
        sandbox
            .ssh(
                "alice",
                "stat -c '%a %U' /home/students /home/students/2026"
            )
            .text(),
        "555 root\n555 root"
    );
    before.assert_nothing_left(&sandbox);
}

/// A namespace is joined while what it shows is the same, and not when it is another one or gone.
#[test]
fn what_is_on_the_way_is_looked_at_again() {
    ours_only!("shared namespaces");
    let sandbox = sandbox!();
    sandbox.make_students();
    sandbox.hide_homes("\"students/2026/{user}\"", "");
    sandbox.serve_ssh();
    let _session = sandbox.start_session("alice");
    let look = "readlink /proc/self/ns/mnt; cat /home/students/2026/alice/name";
    let put = |name: &str| sandbox.sh(&format!("echo {name} >/home/students/2026/alice/name"));
    let see = || sandbox.ssh("alice", look).stdout;
    put("one");
    let first = see();
    assert_eq!(see(), first);
    assert!(first.ends_with("one\n"), "{first}");
    // The same directory below another one of the same name.
    sandbox.sh(
        "cd /home && mv students old && mkdir -p students/2026 && mv old/2026/alice students/2026",
    );
    let second = see();
    assert!(
        second.ends_with("one\n") && second != first,
        "{first} {second}"
    );
    sandbox.sh("rm -r /home/students");
    let gone = sandbox.ssh("alice", LIST).text();
    assert_eq!(gone, "", "directories that lead nowhere are not there");
    sandbox.sh("mkdir -p /home/students/2026");
    assert_eq!(sandbox.ssh("alice", LIST).text(), "");
    sandbox.sh("install -d -o alice /home/students/2026/alice");
    put("three");
    assert!(see().ends_with("three\n"));
}

/// Below a directory of the user's, and in one that others may write to, nothing of anybody else's is kept, and no link
/// is followed.
#[test]
fn nobody_else_decides_what_is_on_the_way() {
    ours_only!("rule that hides");
    let sandbox = sandbox!();
    sandbox.sh("mkdir -m 1777 /home/open /home/kept && install -d -o bob /home/open/taken /home/open/taken/alice &&
                install -d -o alice /home/alice/own /home/alice/own/x && touch /home/file &&
                ln -s /etc /home/alice/link && mkdir -p /home/kept/a/alice && ln -s a /home/kept/b");
    let keep = "\"open/taken/{user}\", \"alice/link/security\", \"kept/b/{user}\", \"file/x\", \"alice/own/*\", \"none/x\"";
    sandbox.hide_homes(keep, "");
    sandbox.serve_ssh();
    let seen = sandbox
        .ssh("alice", "cd /home && find . -mindepth 1 | sort")
        .text();
    assert_eq!(seen, "./alice\n./alice/own\n./alice/own/x");
    let log = sandbox.log().join("\n");
    for reason in [
        "/home/open/taken not kept: it belongs to uid 2002",
        "/home/alice/link not kept: it is a symbolic link",
        "/home/kept/b not kept: it is a symbolic link",
        "/home/file not kept: it is not a directory",
    ] {
        assert!(log.contains(reason), "{reason} in {log}");
    }
    assert!(!log.contains("none"), "{log}");
}

#[test]
fn what_lies_in_a_visible_directory_is_visible_with_it() {
    ours_only!("rule that hides");
    let sandbox = sandbox!();
    sandbox.sh("install -d -o alice /home/alice/a /home/alice/b");
    let keep = "\"{user}/a\", \"{home}\", \"{user}/b/none\", \"{home}/b\"";
    let rule = "[[tmpfs]]\npath = \"{home}/b\"\n";
    sandbox.hide_homes(keep, rule);
    sandbox.serve_ssh();
    let look = "cd /home && ls && ls -d alice/a alice/b && findmnt -no FSTYPE -T /home/alice/b && touch alice/a/x";
    assert_eq!(
        sandbox.ssh("alice", look).text(),
        "alice\nalice/a\nalice/b\ntmpfs"
    );
}

#[test]
fn a_home_elsewhere_is_an_error_unless_the_rule_is_optional() {
    ours_only!("rule that hides");
    let sandbox = sandbox!();
    sandbox
        .sh("cp -a /home/alice /srv/alice && sed -i 's,:/home/alice:,:/srv/alice:,' /etc/passwd");
    sandbox.hide_homes("\"{home}\"", "");
    sandbox.serve_ssh();
    assert!(!sandbox.ssh("alice", "true").succeeded());
    let reason = "the home /srv/alice does not lie below /home";
    sandbox.assert_reason_logged(&["{home}", reason]);
    let explained = sandbox.jns(&["explain", "alice", "--service", "sshd"]);
    assert!(explained.stdout.contains(reason), "{explained:#?}");
    assert_eq!(sandbox.ssh("bob", "ls -A /home").text(), "bob");
    sandbox.hide_homes("\"{home}\", \"{user}\"", "optional = true\n");
    assert_eq!(
        sandbox.ssh("alice", "ls -A /home; pwd").text(),
        "alice\n/srv/alice"
    );
}
