//! Ordinary users, and places where they may do nothing.

use crate::sandbox::{ours_only, sandbox};

#[test]
fn the_command_is_its_caller_with_no_more_rights() {
    ours_only!("command");
    let sandbox = sandbox!();
    let before = sandbox.state();
    let facts = "id -un; id -u; tr -s ' ' </proc/self/uid_map; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status";
    let seen = sandbox
        .run_as(
            "alice",
            &format!("jns run --hide /srv -- sh -c \"{facts}\""),
        )
        .text();
    assert_eq!(
        seen,
        "alice\n2001\n 2001 0 1\nCapEff:\t0000000000000000\nNoNewPrivs:\t1"
    );
    // What covers something stays where it is, whoever one is inside.
    let uncover =
        "umount /srv 2>&1 | grep -c 'must be superuser\\|not permitted'; ls -A /srv; id -u";
    sandbox.sh("touch /srv/covered");
    for (options, uid) in [("", 2001), ("-M 0:2001 -G 0:2001", 0)] {
        let script = format!("jns run --hide /srv {options} -- sh -c \"{uncover}\"");
        assert_eq!(
            sandbox.run_as("alice", &script).text(),
            format!("1\n{uid}"),
            "{options}"
        );
    }
    before.assert_nothing_left(&sandbox);
}

#[test]
fn directories_are_kept_in_the_callers_own() {
    ours_only!("command");
    let sandbox = sandbox!();
    let write = "jns run --private /tmp -- sh -c 'echo mine >/tmp/x'; ls -A /tmp";
    assert_eq!(sandbox.run_as("alice", write).text(), "");
    assert_eq!(
        sandbox.sh("cat /home/alice/.local/state/jns/user/2001/tmp/x; stat -c '%U %a' /home/alice/.local/state/jns"),
        "mine\nalice 700"
    );
    let elsewhere =
        "XDG_STATE_HOME=$HOME/s jns run --private /tmp -- touch /tmp/y; ls s/jns/user/2001/tmp";
    assert_eq!(sandbox.run_as("alice", elsewhere).text(), "y");
    assert!(!sandbox.path("/run/jns").exists());
}

#[test]
fn what_takes_other_ids_is_refused() {
    ours_only!("command");
    let sandbox = sandbox!();
    for (options, reason) in [
        ("-u bob", "cannot become user bob: only root can"),
        ("-u root", "cannot become user root: only root can"),
        ("-g root", "cannot become gid 0: only root can"),
        ("-M 0:0:10", "only root can map other ids than 2001"),
        ("--pidfile /run/x.pid", "/run/x.pid: Permission denied"),
        ("--config /etc/shadow", "Permission denied"),
    ] {
        let outcome = sandbox.run_as("alice", &format!("jns run {options} -- touch ran; ls"));
        assert!(outcome.stderr.contains(reason), "{options}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{options}");
    }
    let own = sandbox.run_as("alice", "jns run -u alice -g 2001 -- id -u");
    assert_eq!(own.text(), "2001");
}

#[test]
fn a_set_user_id_bit_is_refused() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.sh("cp /usr/bin/jns /usr/local/bin/jns-s; chmod 4755 /usr/local/bin/jns-s");
    let outcome = sandbox.run_as("alice", "jns-s run -- touch ran; ls");
    assert!(
        outcome.stderr.contains("another user's rights"),
        "{outcome:?}"
    );
    assert_eq!(outcome.stdout, "");
}

/// As where `user.max_user_namespaces` is 0, or a container's filter of system calls forbids them.
#[test]
fn a_place_without_user_namespaces_is_reported() {
    ours_only!("command");
    let sandbox = sandbox!();
    let limited = "unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; \
                   jns run --hide /srv -- touch ran; echo $?; ls'";
    let filtered = "strace -f -qq -o /dev/null -e inject=unshare:error=EPERM jns run --hide /srv -- touch ran; echo $?; ls";
    for (script, reason) in [
        (limited, "max_user_namespaces is reached; ask as root"),
        (
            filtered,
            "does not let users make user namespaces; ask as root",
        ),
    ] {
        let outcome = sandbox.run_as("alice", script);
        assert_eq!(outcome.stdout, "125\n", "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
        assert!(outcome.stderr.contains(reason), "{outcome:?}");
    }
}

/// As in a container of a user's, where files of the host's root are nobody's.
#[test]
fn root_of_a_user_namespace_is_no_root() {
    ours_only!("command");
    let sandbox = sandbox!();
    let script = "unshare -Ur jns run --hide /srv -- sh -c 'id -u; ls -A /srv; grep CapEff /proc/self/status'";
    sandbox.sh("touch /srv/covered");
    let seen = sandbox.run_as("alice", script).text();
    assert_eq!(seen, "0\nCapEff:\t000001ffffffffff");
}
