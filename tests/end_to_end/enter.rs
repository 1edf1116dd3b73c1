//! What `jns enter` gives, and what it refuses.

use crate::sandbox::{Outcome, Sandbox, Terminal, ours_only, sandbox};
use pam_jns::login::SessionId;
use pam_jns::session::{Process, SessionRecord};

/// What a process knows about itself, but for what differs each time.
const SELF: &str = "id; /bin/pwd; ls /tmp; readlink /proc/self/ns/mnt";

impl Sandbox {
    /// Runs the command as a user who has not logged in.
    fn jns_as(&self, user: &str, words: &[&str]) -> Outcome {
        let become_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"];
        self.exec(&[&become_user, ["jns"].as_slice(), words].concat())
    }

    /// Asserts that a session cannot be entered, for this reason, and that no command is run.
    #[track_caller]
    fn assert_not_entered(&self, session: &SessionRecord, reason: &str) {
        let outcome = self.jns(&["enter", session.id.as_str(), "--", "touch", "/srv/entered"]);
        assert_eq!(outcome.status.code(), Some(125), "{outcome:?}");
        assert!(outcome.stderr.contains(reason), "{reason}: {outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
        assert!(!self.path("/srv/entered").exists(), "{reason}");
    }
}

#[test]
fn root_becomes_the_user_in_the_namespace_of_the_sessions() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let before = sandbox.state();
    let session = sandbox.start_session("alice");
    sandbox.ssh("alice", "touch /tmp/of-alice").text();

    let direct = sandbox.ssh("alice", &format!("cd /var; {SELF}")).text();
    let entered = sandbox.sh(&format!("cd /var; jns enter alice -- bash -c '{SELF}'"));
    assert_eq!(entered, direct);
    let rights =
        "grep -E '^(Uid|Gid|Groups|Cap[IPEA])' /proc/self/status; ls /proc/self/fd | wc -l";
    let direct = sandbox.ssh("alice", rights).text();
    let holding = "exec 7</root 8</etc/shadow 9</";
    let entered = sandbox.sh(&format!(
        "{holding}; jns enter alice -- bash -c \"{rights}\""
    ));
    assert_eq!(entered, direct);
    session.end();
    before.assert_nothing_left(&sandbox);
}

#[test]
fn nothing_of_the_callers_environment_comes_along() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    let caller =
        "LD_PRELOAD= BASH_ENV=/root/x PATH=$PATH:/root SUDO_USER=x LC_ALL=C TERM=vt100 LANG=C";
    let seen = sandbox.sh(&format!("{caller} jns enter alice -- env | sort"));
    assert_eq!(
        seen,
        "HOME=/home/alice\nLANG=C\nLC_ALL=C\nLOGNAME=alice\nPATH=/usr/local/bin:/usr/bin:/bin\n\
         SHELL=/bin/bash\nTERM=vt100\nUSER=alice"
    );
    session.end();
}

#[test]
fn of_several_shared_namespaces_it_is_the_newest() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under("[[private]]\npath = \"/tmp\"\n");
    let older = sandbox.start_session("alice");
    sandbox.wait_until(&format!(
        "[ $(date +%s) -gt {} ]",
        sandbox.only_session().opened
    ));
    sandbox.policy("[[private]]\npath = \"/tmp\"\noptions = [\"noexec\"]\n");
    let newer = sandbox.start_session("alice");
    let expected = sandbox.sh(&format!("readlink /proc/{}/ns/mnt", newer.pid));
    let entered = sandbox.jns(&["enter", "alice", "--", "readlink", "/proc/self/ns/mnt"]);
    assert_eq!(entered.stdout.trim_end(), expected);
    assert!(
        entered.stderr.contains("1 older shared namespace;"),
        "{entered:?}"
    );
    sandbox.sh(&format!("kill {} {}", newer.pid, older.pid));
    sandbox.wait_for_logouts();
}

#[test]
fn the_working_directory_is_one_that_the_user_may_enter() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    sandbox.sh("mkdir -m 700 /srv/root; mkdir -m 755 /tmp/host-only");
    let table = [
        ("/var/tmp", "/var/tmp"),
        ("/srv/root", "/home/alice"),
        ("/tmp/host-only", "/home/alice"),
        ("/home/bob", "/home/alice"),
    ];
    for (from, expected) in table {
        let seen = sandbox.sh(&format!("cd {from}; jns enter alice -- /bin/pwd"));
        assert_eq!(seen, expected, "from {from}");
    }
    session.end();
}

#[test]
fn the_exit_status_is_the_commands_or_says_why_there_is_none() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    let table = [
        ("alice -- bash -c 'exit 7'", "7"),
        ("alice -- bash -c 'kill -TERM $$'", "143"),
        ("alice -- bash -c 'kill -9 $$'", "137"),
        ("alice -- no-such-command", "127"),
        ("alice -- /no/such/command", "127"),
        ("alice -- /etc/passwd", "126"),
        ("alice -- /etc", "126"),
        ("bob -- true", "125"),
        ("nobody-at-all -- true", "125"),
        ("alice true", "2"),
    ];
    for (arguments, expected) in table {
        sandbox.write("/srv/job", format!("jns enter {arguments}; echo $?"));
        let seen = sandbox.sh("bash /srv/job 2>/srv/errors");
        assert_eq!(
            seen,
            expected,
            "{arguments}: {}",
            sandbox.sh("cat /srv/errors")
        );
    }
    session.end();
}

#[test]
fn the_shell_is_a_login_shell_that_has_the_terminal() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    let mut terminal = Terminal::open(&sandbox);
    let tty = terminal.name.clone();
    let job = "trap : INT; jns enter alice; echo shell ended with $?; \
               jns enter alice -- sleep 1000; echo command ended with $?; sleep 1000";
    sandbox.write("/srv/job", job);
    // What a shell starts in the background ignores the interrupt, and so would whatever that becomes.
    sandbox.sh(&format!(
        "setsid -c env --default-signal=INT,QUIT bash /srv/job <{tty} >{tty} 2>&1 &"
    ));
    terminal.expect("$ ");
    terminal.send("echo $0 $- \"$(set -o | grep monitor)\"\n");
    terminal.expect("\r-bash ");
    terminal.expect("on\r\n");
    sandbox.sh(&format!("stty -F {tty} rows 33 cols 144"));
    terminal.send("stty size\n");
    terminal.expect("\r33 144");
    terminal.expect("$ ");
    terminal.send("sleep 1001\n");
    sandbox.wait_until("pgrep -f ^sleep.1001");
    terminal.send("\x03");
    terminal.expect("$ ");
    terminal.send("echo interrupted with $?\n");
    terminal.expect("interrupted with 130");
    terminal.send("exit 9\n");
    terminal.expect("shell ended with 9");
    sandbox.wait_until("pgrep -u alice -f ^sleep.1000 | grep -vx $(cat /root/session)");
    terminal.send("\x03");
    terminal.expect("command ended with 130");
    session.end();
}

#[test]
fn root_stays_root_only_when_asked_to() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    sandbox.ssh("alice", "touch /tmp/of-alice").text();
    let seen = sandbox.jns(&[
        "enter",
        "--as-root",
        "alice",
        "--",
        "bash",
        "-c",
        "id -u; ls /tmp",
    ]);
    assert_eq!(seen.text(), "0\nof-alice");
    // What is under /run/jns is seen from the namespace that this one was made from.
    let nested = "jns ps --json | grep -c '\"pinned\"'; jns enter alice -- id -un";
    let seen = sandbox.jns(&["enter", "--as-root", "alice", "--", "bash", "-c", nested]);
    assert_eq!(seen.text(), "1\nalice");
    session.end();
}

#[test]
fn a_session_that_shares_no_namespace_is_entered_by_its_id() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under(
        "[settings]\nnamespace = \"session\"\n[[private]]\npath = \"/tmp\"\nper = \"session\"\n",
    );
    let session = sandbox.start_session("alice");
    let record = sandbox.only_session();
    let prefix = record.id.as_str().get(..6).expect("it has 16 digits");
    session.run("touch /tmp/of-session").text();

    for name in [record.id.as_str(), prefix, "alice"] {
        let seen = sandbox.jns(&["enter", name, "--", "bash", "-c", "id -un; ls /tmp"]);
        assert_eq!(seen.stdout, "alice\nof-session\n", "{name}: {seen:?}");
    }
    let other = SessionRecord {
        id: SessionId::parse(&format!("{prefix}0123456789")).expect("it is an id"),
        ..record.clone()
    };
    sandbox.rewrite(&other);
    let several = sandbox.jns(&["enter", prefix, "--", "true"]);
    assert!(several.stderr.contains("several sessions"), "{several:?}");
    session.end();
}

/// A number of a process says nothing by itself.
#[test]
fn a_session_whose_process_is_another_one_is_not_entered() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    let record = sandbox.only_session();
    sandbox.unpin(&record);
    let with = |process: Process| {
        sandbox.rewrite(&SessionRecord {
            process,
            ..record.clone()
        });
    };

    with(Process {
        started: record.process.started + 1,
        ..record.process
    });
    sandbox.assert_not_entered(&record, "is gone");
    with(sandbox.process("1"));
    sandbox.assert_not_entered(&record, "is in another one");
    sandbox.rewrite(&record);
    session.kill_monitor();
    sandbox.assert_not_entered(&record, "is gone");
    session.end();
    // Another process gets the very number, once no process group or session has it any more.
    let pid = record.process.pid;
    let last = pid - 1;
    sandbox.wait_until(&format!(
        "{{ echo {last} >/proc/sys/kernel/ns_last_pid
            sleep 1000 >/dev/null & [ $! = {pid} ] || ! kill $!; }}"
    ));
    sandbox.assert_not_entered(&record, "is gone");
}

/// Who prepares a namespace with a false account database would own whoever enters it as root.
#[test]
fn a_namespace_that_a_user_has_made_is_never_entered() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    let record = sandbox.only_session();
    sandbox.unpin(&record);
    sandbox.sh("setpriv --reuid alice --regid alice --clear-groups unshare -Um sleep 1002 >/dev/null 2>&1 &");
    sandbox.wait_until("pgrep -f ^sleep.1002");
    let trap = sandbox.sh("pgrep -f ^sleep.1002");
    sandbox.rewrite(&SessionRecord {
        process: sandbox.process(&trap),
        namespace: sandbox.identity(&trap),
        ..record.clone()
    });
    sandbox.assert_not_entered(&record, "of another user namespace");
    session.end();
}

#[test]
fn users_enter_their_own_namespace_and_nobody_elses() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    sandbox.ssh("alice", "touch /tmp/of-alice").text();

    let inside = sandbox.ssh(
        "alice",
        "jns enter alice -- bash -c 'ls /tmp; id -u; su bob -c true </dev/null'",
    );
    assert_eq!(
        (inside.stdout.as_str(), inside.status.code()),
        ("of-alice\n2001\n", Some(1))
    );
    let outside = sandbox.jns_as(
        "alice",
        &[
            "enter",
            "alice",
            "--",
            "bash",
            "-c",
            "ls /tmp; id -u; id -G",
        ],
    );
    assert_eq!(
        outside.stdout, "of-alice\n2001\n2001 65534\n",
        "{outside:?}"
    );
    assert!(
        outside.stderr.contains("set-user-ID programs"),
        "{outside:?}"
    );
    let by_bit = sandbox.jns_as(
        "alice",
        &["enter", "alice", "--", "su", "root", "-c", "id -u"],
    );
    assert!(
        !by_bit.succeeded() && by_bit.stdout.is_empty(),
        "{by_bit:?}"
    );

    let others = sandbox.jns_as("bob", &["enter", "alice", "--", "id"]);
    assert_eq!(others.status.code(), Some(125));
    assert!(
        others
            .stderr
            .contains("only root can enter that of another user"),
        "{others:?}"
    );
    let none = sandbox.jns_as("bob", &["enter", "bob", "--", "id"]);
    assert!(none.stderr.contains("`sudo jns enter bob`"), "{none:?}");
    session.end();
}

#[test]
fn a_set_user_id_bit_opens_nothing() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    sandbox.sh("chmod u+s /usr/bin/jns");
    for arguments in [["enter", "alice", "--", "id"], ["enter", "bob", "--", "id"]] {
        let outcome = sandbox.jns_as("bob", &arguments);
        assert_eq!(
            (outcome.status.code(), outcome.stdout.as_str()),
            (Some(125), "")
        );
        assert!(
            outcome.stderr.contains("another user's rights"),
            "{outcome:?}"
        );
    }
    session.end();
}

#[test]
fn the_log_says_who_ran_what_on_one_line() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    let namespace = sandbox.sh(&format!("readlink /proc/{}/ns/mnt", session.pid));
    sandbox
        .sh("SUDO_USER='bob root' jns enter alice -- echo $'a\\n<86>sshd: \\e[2J' ok >/dev/null");
    let log = sandbox.log();
    let entries: Vec<&String> = log
        .iter()
        .filter(|line| line.contains("jns:enter"))
        .collect();
    let [line] = entries.as_slice() else {
        panic!("{log:#?}");
    };
    let expected = format!(
        "(jns:enter) {namespace} of alice entered as alice by root (SUDO_USER 'bob root'): \
         echo 'a\\u{{a}}<86>sshd: \\u{{1b}}[2J' ok"
    );
    assert!(line.ends_with(&expected), "{line}");
    session.end();
}
