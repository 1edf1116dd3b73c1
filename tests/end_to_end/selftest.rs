//! `jns selftest`: a session is what the policy promises, and where it is not, that is found.

use crate::sandbox::{Outcome, Sandbox, ours_only, sandbox};

/// Rules of every kind that needs no program.
const ALL_KINDS: &str = "\
[[private]]
path = \"/tmp\"
keep = [\".X11-unix\"]
[[private]]
path = \"/var/tmp\"
per = \"session\"
options = [\"noexec\"]
[[private]]
path = \"/srv/scratch\"
store = \"/srv/stores/{user}\"
mode = \"0700\"
owner = \"{user}\"
create = true
[[tmpfs]]
path = \"/dev/shm\"
size = \"1M\"
[[bind]]
path = \"/opt\"
source = \"/srv/tools\"
options = [\"ro\"]
[[hide]]
path = \"/srv/hidden\"
[[hide]]
path = \"/srv/file\"
[[overlay]]
path = \"/usr/local\"
[[isolate]]
processes = \"hidden\"
ipc = \"own\"
hostname = \"{user}-box\"
network = \"none\"
[[env]]
set = { SCRATCH = \"/srv/scratch\" }
";

fn machine() -> Result<Sandbox, String> {
    let sandbox = Sandbox::make()?;
    for service in ["sshd", "su", "su-l", "sudo"] {
        sandbox.protect(service);
    }
    sandbox.sh(
        "mkdir -p /var/lib/jns; mount -t tmpfs -o mode=700 none /var/lib/jns
         mkdir -p /srv/{tools,hidden,stores}; echo secret | tee /srv/file >/srv/hidden/file
         mkdir -m 700 /srv/stores/bob; chown bob /srv/stores/bob",
    );
    Ok(sandbox)
}

fn selftest(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    sandbox.exec(&[&["jns", "selftest"], words].concat())
}

#[test]
fn a_session_is_what_the_policy_promises() {
    ours_only!("command that tests itself");
    let sandbox = sandbox!();
    drop(sandbox);
    let sandbox = machine().unwrap();
    let before = sandbox.state();
    for policy in [
        ALL_KINDS,
        "[[private]]\npath = \"/tmp\"\n",
        "[settings]\npropagation = \"private\"\n[[private]]\npath = \"/tmp\"\n",
    ] {
        sandbox.policy(policy);
        for user in ["alice", "root"] {
            let tested = selftest(&sandbox, &[user]);
            assert!(tested.succeeded(), "{policy}\n{tested:#?}");
            assert!(tested.stdout.ends_with(", 0 failed\n"), "{tested:#?}");
        }
    }
    sandbox.policy(ALL_KINDS);
    let said = selftest(&sandbox, &["alice", "--service", "su"]).text();
    for promise in [
        "/tmp is /var/lib/jns/user/",
        "/var/tmp is nosuid,nodev,noexec",
        "/dev/shm is memory of at most 1048576 bytes",
        "/opt is /srv/tools",
        "/srv/hidden shows nothing of the host",
        "/srv/file shows nothing of the host",
        "what is written to /usr/local goes to a layer",
        "a namespace of its own (net)",
        "the host name is alice-box",
        "SCRATCH is /srv/scratch",
        "alice can make files in /tmp",
        "alice cannot look into /var/lib/jns",
        "alice cannot look into /srv/stores/bob",
        "alice sees no process of others",
        "su as root finds the session's /tmp",
        "su as root finds the host's /srv/hidden",
        "su-l as root finds the host's /tmp",
        "the host has the mounts that it had",
        "no directory of the session is left",
    ] {
        let found = said.lines().find(|line| line.contains(promise));
        assert!(
            found.is_some_and(|line| line.starts_with("ok ")),
            "{promise}\n{said}"
        );
    }
    sandbox.policy("");
    before.assert_nothing_left(&sandbox);
}

/// What a module behind the line does in the session breaks a promise each.
#[test]
fn a_broken_promise_is_found() {
    ours_only!("command that tests itself");
    let sandbox = sandbox!();
    drop(sandbox);
    let sandbox = machine().unwrap();
    sandbox.policy(ALL_KINDS);
    sandbox.sh("echo 'session optional pam_exec.so /srv/breaker' >>/etc/pam.d/sshd");
    for (when, script, mended, promise) in [
        (
            "open",
            "mount -o remount,bind,dev,nosuid /tmp",
            ":",
            "/tmp is nosuid,nodev",
        ),
        (
            "open",
            "chmod 711 /var/lib/jns",
            "chmod 700 /var/lib/jns",
            "alice cannot look into /var/lib/jns",
        ),
        (
            "open",
            "chmod 755 /srv/stores/bob",
            "chmod 700 /srv/stores/bob",
            "alice cannot look into /srv/stores/bob",
        ),
        (
            "open",
            "chmod 700 /tmp",
            "chmod 1777 /var/lib/jns/user/*/tmp",
            "alice can make files in /tmp",
        ),
        ("open", "umount /opt", ":", "/opt is /srv/tools"),
        (
            "open",
            "mount -t tmpfs none /srv/hidden; touch /srv/hidden/x",
            ":",
            "/srv/hidden shows nothing of the host",
        ),
        ("open", "hostname other", ":", "the host name is alice-box"),
        ("open", "mount --make-shared /", ":", ""),
        ("open", "umount /tmp", ":", "/tmp is not the host's"),
        (
            "close",
            "nsenter --mount=/proc/1/ns/mnt mkdir -p /srv/left/x; nsenter --mount=/proc/1/ns/mnt mount -t tmpfs none /srv/left",
            "umount /srv/left",
            "the host has the mounts that it had",
        ),
        (
            "close",
            "mkdir -p /var/lib/jns/session/left",
            "rmdir /var/lib/jns/session/left",
            "no directory of the session is left",
        ),
    ] {
        sandbox.write(
            "/srv/breaker",
            format!("#!/bin/sh\n[ $PAM_TYPE = {when}_session ] || exit 0\n{script}\n"),
        );
        sandbox.sh("chmod 755 /srv/breaker");
        let tested = selftest(&sandbox, &["alice"]);
        sandbox.sh(mended);
        sandbox.jns(&["gc", "--linger", "0s"]);
        if promise.is_empty() {
            assert!(tested.succeeded(), "{script}\n{tested:#?}");
            continue;
        }
        let failed = tested.stdout.lines().find(|line| line.contains(promise));
        assert!(
            failed.is_some_and(|line| line.starts_with("FAILED")),
            "{script}\n{tested:#?}"
        );
        assert!(!tested.succeeded());
    }
}

#[test]
fn a_session_that_does_not_open_says_why() {
    ours_only!("command that tests itself");
    let sandbox = sandbox!();
    drop(sandbox);
    let sandbox = machine().unwrap();
    sandbox.policy("[[bind]]\npath = \"/opt\"\nsource = \"/srv/missing\"\n");
    let tested = selftest(&sandbox, &["alice"]);
    let reason =
        "FAILED  this machine can carry out the plan: cannot open /srv/missing: No such file";
    assert!(
        !tested.succeeded() && tested.stdout.contains(reason),
        "{tested:#?}"
    );
    assert!(
        tested
            .stdout
            .contains("FAILED  the session opens: Permission denied; the log says why"),
        "{tested:#?}"
    );
    // Nobody calls the module.
    let tested = selftest(&sandbox, &["alice", "--service", "cron"]);
    assert!(
        tested
            .stderr
            .contains("no session line of cron has pam_jns"),
        "{tested:#?}"
    );
    let tested = sandbox.exec(&["runuser", "-u", "alice", "--", "jns", "selftest", "alice"]);
    assert!(tested.stderr.contains("only root can"), "{tested:#?}");
    // Where the module is not decisive, the session opens, and is not what it should be.
    sandbox.sh(
        "sed -i 's/^session.*required.*pam_jns.so/session optional pam_jns.so/' /etc/pam.d/sshd",
    );
    let tested = sandbox.exec(&["jns", "selftest", "alice", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&tested.stdout).unwrap();
    assert_eq!(value["ok"], false, "{tested:#?}");
}
