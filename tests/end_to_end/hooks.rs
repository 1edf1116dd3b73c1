//! Programs of the administrator's that are run for sessions.

use crate::sandbox::{Sandbox, Subject, ours_only, sandbox};

/// Writes down what it is given and who it is.
const NOTE: &str =
    "#!/bin/sh\necho \"$1 $(id -un) $JNS_USER $JNS_UID $JNS_SERVICE $JNS_PATH\" >>/srv/written\n";

impl Sandbox {
    /// Has a session of alice's, which two more join and leave before it ends. The policy is old enough for what it
    /// says to be remembered.
    pub fn join_a_session_twice(&self) {
        self.sh("touch -d yesterday /etc/security/jns.toml");
        self.sh("su alice -c 'touch /srv/in; sleep 600' & sleep 0.1");
        self.wait_until("pgrep -f '^sleep 600'");
        for _ in 0..2 {
            assert!(self.su("alice", "true").succeeded());
        }
        self.sh("pkill -f '^sleep 600' || true");
    }

    fn take_notes(&self, policy: &str) {
        self.write("/srv/note", NOTE);
        self.sh("chmod 755 /srv/note && : >/srv/written && chmod 666 /srv/written");
        self.policy(policy);
        self.protect("su");
    }

    /// What was written since the last time.
    fn notes(&self) -> String {
        self.sh("cat /srv/written; : >/srv/written")
    }
}

#[test]
fn they_are_run_at_their_moments_and_given_the_user() {
    ours_only!("hooks");
    let sandbox = sandbox!();
    sandbox.take_notes(
        "[[private]]\npath = \"/tmp\"\nhook = [\"/srv/note\", \"instance\"]\n\
         [[private]]\npath = \"/var/tmp\"\nper = \"session\"\n\
         [[hook]]\nwhen = \"created\"\nrun = [\"/srv/note\", \"created\"]\n\
         [[hook]]\nwhen = \"open\"\nas = \"user\"\nrun = [\"/srv/note\", \"open-{user}\"]\n\
         [[hook]]\nwhen = \"close\"\nrun = [\"/srv/note\", \"close\"]\n",
    );
    let uid = sandbox.sh("id -u alice");
    let of = |path: &str| format!("root alice {uid} su {path}").trim_end().to_owned();
    for created in [
        vec![
            format!("instance {}", of("/tmp")),
            format!("created {}", of("/tmp")),
        ],
        vec![],
    ] {
        assert!(sandbox.su("alice", "true").succeeded());
        let session = [
            format!("created {}", of("/var/tmp")),
            format!("open-alice alice alice {uid} su"),
            format!("close {}", of("")),
        ];
        let expected = [created, session.to_vec()].concat();
        let written = sandbox.notes();
        let written: Vec<&str> = written.lines().map(str::trim_end).collect();
        assert_eq!(written, expected);
    }
}

#[test]
fn those_that_open_and_close_are_run_for_sessions_that_join_too() {
    ours_only!("hooks");
    let sandbox = sandbox!();
    sandbox.take_notes(
        "[settings]\nnamespace = \"user\"\n[[private]]\npath = \"/tmp\"\n\
         [[hook]]\nwhen = \"created\"\nrun = [\"/srv/note\", \"created\"]\n\
         [[hook]]\nwhen = \"open\"\nrun = [\"/srv/note\", \"open\"]\n\
         [[hook]]\nwhen = \"close\"\nrun = [\"/srv/note\", \"close\"]\n",
    );
    sandbox.join_a_session_twice();
    sandbox.wait_until("[ $(grep -c close /srv/written) = 3 ]");
    let words = sandbox.sh("cut -d' ' -f1 /srv/written | tr '\\n' ' '");
    assert_eq!(words.trim(), "created open open close open close close");
}

#[test]
fn an_instance_whose_program_failed_never_was_there() {
    ours_only!("hooks");
    let sandbox = sandbox!();
    let fails = "[\"/bin/sh\", \"-c\", \"mkdir -p $JNS_PATH/a/b; echo > $JNS_INSTANCE/c; exit 4\"]";
    for policy in [
        format!("[[private]]\npath = \"/tmp\"\nhook = {fails}\n"),
        format!("[[private]]\npath = \"/tmp\"\n[[hook]]\nwhen = \"created\"\nrun = {fails}\n"),
        format!("[[private]]\npath = \"/tmp\"\nper = \"session\"\nhook = {fails}\n"),
    ] {
        sandbox.take_notes(&policy);
        let before = sandbox.state();
        assert!(!sandbox.su("alice", "true").succeeded());
        sandbox.assert_reason_logged(&[
            "cannot run the hook /bin/sh of /tmp: its exit status is 4",
            "jns.toml:",
        ]);
        before.assert_nothing_left(&sandbox);
        assert_eq!(
            sandbox.sh("find /var/lib/jns -mindepth 2 2>/dev/null | wc -l"),
            "0"
        );
    }
}

#[test]
fn what_a_program_puts_into_a_new_instance_is_there() {
    ours_only!("hooks");
    let sandbox = sandbox!();
    let puts = "[\"/bin/sh\", \"-c\", \"echo one > $JNS_PATH/one; echo two > $JNS_INSTANCE/two\"]";
    sandbox.take_notes(&format!("[[private]]\npath = \"/tmp\"\nhook = {puts}\n"));
    assert_eq!(
        sandbox.su("alice", "cat /tmp/one /tmp/two").text(),
        "one\ntwo"
    );
    assert_eq!(sandbox.su("alice", "ls /tmp").text(), "one\ntwo");
}

#[test]
fn a_failure_denies_or_is_logged_as_the_rule_says() {
    ours_only!("hooks");
    let sandbox = sandbox!();
    for sharing in ["user", "session"] {
        for (when, failure, let_in) in [
            ("open", "deny", false),
            ("open", "warn", true),
            ("created", "warn", true),
            ("close", "deny", true),
        ] {
            sandbox.sh("jns gc --linger 0s && rm -rf /var/lib/jns/* /run/jns/stamp");
            sandbox.take_notes(&format!(
                "[settings]\nnamespace = \"{sharing}\"\n[[private]]\npath = \"/tmp\"\n\
                 [[hook]]\nwhen = \"{when}\"\nrun = [\"/bin/false\"]\non_failure = \"{failure}\"\n"
            ));
            let before = sandbox.log().len();
            let entered = sandbox.su("alice", "true").succeeded();
            assert_eq!(entered, let_in, "{sharing} {when} {failure}");
            let log = sandbox.log().split_off(before);
            let failed = "cannot run the hook /bin/false: its exit status is 1";
            assert!(log.iter().any(|line| line.contains(failed)), "{log:?}");
            // A login that was denied leaves no namespace for others.
            assert!(let_in || sandbox.pins() == 0, "{sharing} {when} {failure}");
        }
    }
}

#[test]
fn a_program_of_roots_that_others_may_write_is_not_run() {
    ours_only!("hooks");
    let sandbox = sandbox!();
    sandbox.take_notes("[[hook]]\nwhen = \"open\"\nrun = [\"/srv/note\"]\n");
    sandbox.sh("chmod 777 /srv/note");
    assert!(!sandbox.su("alice", "true").succeeded());
    sandbox.assert_reason_logged(&[
        "cannot run the hook /srv/note: ",
        "others than root may write to it",
    ]);
    assert_eq!(sandbox.notes(), "");
}

/// Does in the host's view what a process of alice's could do there, and then what a program of root's might.
const LURED: &str = "\
#!/bin/sh
for directory in $JNS_INSTANCE $JNS_PATH; do
    case $(id -un):$directory in
    root:/home/alice/*) nsenter -m -t 1 sh -c \"mv $directory /home/alice/moved; ln -s /srv $directory\" ;;
    esac
    echo >$directory/made-by-$(id -un)
done
";

#[test]
fn root_runs_nothing_for_an_instance_that_the_user_could_exchange() {
    ours_only!("hooks");
    let sandbox = sandbox!();
    sandbox.write("/srv/lured", LURED);
    sandbox.sh("chmod 755 /srv/lured; su alice -c 'mkdir ~/work'");
    let work = "[[private]]\npath = \"/home/{user}/work\"\n";
    let stored = "[[private]]\npath = \"/tmp\"\nmode = \"700\"\nowner = \"{user}\"\n\
                  store = \"/home/{user}/work/mine\"\n";
    let hook = "[[hook]]\nwhen = \"created\"\nrun = [\"/srv/lured\"]\n";
    for policy in [
        format!("{work}hook = [\"/srv/lured\"]\n"),
        format!("{work}{hook}"),
        format!("{stored}{hook}"),
    ] {
        sandbox.take_notes(&policy);
        let login = sandbox.su("alice", "true");
        assert_eq!(sandbox.sh("ls /srv | grep made-by || true"), "", "{policy}");
        assert!(!login.succeeded(), "{policy}");
        sandbox.assert_reason_logged(&["in a directory of the user's", "jns.toml:"]);
    }
    sandbox.take_notes(&format!("{work}{hook}as = \"user\"\n"));
    assert_eq!(sandbox.su("alice", "ls ~/work").text(), "made-by-alice");
}

/// What a caller of su gives it, so that a shell or a program that it names does something else: each of them makes
/// `/srv/lured`.
const HOSTILE: &str = "env PATH=/home/alice/bin:$PATH BASH_ENV=/home/alice/evil ENV=/home/alice/evil \
    SHELLOPTS=xtrace 'PS4=$(touch /srv/lured)' 'BASH_FUNC_ls%%=() { touch /srv/lured; }' HOSTILE=1";

/// CVE-2010-3853: the environment of who calls su reached namespace.init, which root runs. That is still given the
/// caller's descriptors, working directory and groups, which programs of this module's are not.
#[test]
fn nothing_of_the_callers_reaches_a_program_of_roots() {
    const ROOT: &str = "uid=0(root) gid=0(root) groups=0(root)";
    let sandbox = sandbox!();
    let script = "#!/bin/bash\nid >>/srv/written; ls / >>/srv/written\nenv -u PWD >>/srv/written\n\
                  { id; pwd -P; /bin/ls -l /proc/$$/fd; } >>/srv/state\n";
    sandbox.sh("mkdir /home/alice/bin");
    for path in ["/srv/prepare", "/etc/security/namespace.init"] {
        sandbox.write(path, script);
    }
    sandbox.write(
        "/home/alice/bin/id",
        "#!/bin/sh\n/usr/bin/touch /srv/lured\n",
    );
    sandbox.write("/home/alice/evil", "/usr/bin/touch /srv/lured\n");
    sandbox.sh("chmod 755 /srv/prepare /etc/security/namespace.init /home/alice/bin/id");
    let call = |command: &str| {
        let caller = "cd /home/alice; exec 7<evil 200</home/alice <evil";
        sandbox.sh(&format!("{caller}; {HOSTILE} {command}"));
    };
    call("/srv/prepare");
    let state = sandbox.sh("cat /srv/state; rm /srv/lured /srv/written /srv/state");
    for bait in [
        "/home/alice\n",
        "0 -> /home/alice/evil",
        "200 -> /home/alice\n",
        "7 -> /home/alice/evil",
    ] {
        assert!(state.contains(bait), "{bait}: {state}");
    }

    let run = "run = [\"/srv/prepare\"]";
    sandbox.policy(&format!(
        "[[private]]\npath = \"/tmp\"\nhook = [\"/srv/prepare\"]\ninit = \"/srv/prepare\"\n\
         [[tmpfs]]\npath = \"/dev/shm\"\ninit = \"/srv/prepare\"\n\
         [[hook]]\nwhen = \"created\"\n{run}\n[[hook]]\nwhen = \"open\"\n{run}\n\
         [[hook]]\nwhen = \"close\"\n{run}\n"
    ));
    sandbox.protect("su");
    call("su alice -c true");
    let (written, state) = (sandbox.sh("cat /srv/written"), sandbox.sh("cat /srv/state"));
    let runs = |text: &str| text.lines().filter(|line| *line == ROOT).count();
    match sandbox.subject {
        Subject::Ours => {
            assert_eq!((runs(&written), runs(&state)), (6, 6), "{written}{state}");
            assert!(!state.contains("/home/alice"), "{state}");
        }
        Subject::Theirs => assert!(written.contains("uid=0(root)"), "{written}"),
    }
    assert!(
        !written.contains("HOSTILE") && !written.contains("/home/alice"),
        "{written}"
    );
    sandbox.sh("[ ! -e /srv/lured ]");
}

/// What a program may do depends on them, whether the policy names a group or not.
#[test]
fn a_program_of_the_users_has_all_the_users_groups_and_roots_has_none() {
    ours_only!("hooks");
    let sandbox = sandbox!();
    let hook = |when: &str, who: &str| {
        format!(
            "[[hook]]\nwhen = \"{when}\"\nas = \"{who}\"\n\
             run = [\"/bin/sh\", \"-c\", \"echo {when}: $(id -G) >>/srv/written\"]\n"
        )
    };
    let hooks = ["created", "open", "close"].map(|when| hook(when, "user") + &hook(when, "root"));
    sandbox.take_notes(&format!("[[private]]\npath = \"/tmp\"\n{}", hooks.concat()));
    sandbox.sh("touch -d yesterday /etc/security/jns.toml");
    let (created, rest) = (
        "created: 2001 2100\ncreated: 0\n",
        "open: 2001 2100\nopen: 0\nclose: 2001 2100\nclose: 0",
    );
    // The second session joins without a look at the policy.
    for expected in [format!("{created}{rest}"), rest.to_owned(), rest.to_owned()] {
        sandbox.su("alice", "true").text();
        assert_eq!(sandbox.notes(), expected);
    }
}
