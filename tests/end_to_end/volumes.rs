//! Encrypted directories that only a user's sessions can see, opened with the login password.

use crate::sandbox::{Outcome, Sandbox, needs, ours_only, sandbox};

/// What is in the encrypted directory as alice's sessions see it.
const SECRET: &str = "alice's own words";

/// A program that encrypts directories, and the options for that.
struct Opener {
    /// Makes an encrypted directory `~/.cipher` with the password on standard input.
    make: &'static str,
    /// Its arguments in the policy, the directories aside.
    open: &'static str,
}

const GOCRYPTFS: Opener = Opener {
    make: "gocryptfs -init -quiet -scryptn 10 .cipher",
    open: "\"/usr/bin/gocryptfs\", \"-quiet\"",
};

const ENCFS: Opener = Opener {
    make: "encfs --standard --stdinpass $HOME/.cipher $HOME/private && fusermount -u $HOME/private",
    open: "\"/usr/bin/encfs\", \"--stdinpass\"",
};

impl Sandbox {
    /// Makes an encrypted directory of alice's and a policy that opens it.
    fn encrypt(&self, opener: &Opener, more: &str) {
        self.sh("mknod -m 666 /dev/fuse c 10 229");
        let make = format!(
            "cd && mkdir -m 700 .cipher private && printf secret | {{ {}; }}",
            opener.make
        );
        self.exec(&["runuser", "-l", "alice", "-c", &make]).text();
        self.volume(
            &format!(
                "{}, \"{{home}}/.cipher\", \"{{home}}/private\"",
                opener.open
            ),
            more,
        );
    }

    /// A policy with a volume of alice's at `~/private`.
    fn volume(&self, open: &str, more: &str) {
        self.policy(&format!(
            "[[private]]\npath = \"/tmp\"\n[[volume]]\nusers = [\"alice\"]\npath = \"{{home}}/private\"\n\
             open = [{open}]\n{more}\n[settings]\ndeadline = \"60s\"\n"
        ));
    }

    /// Lets a service's stack keep the password for the session.
    fn keep_password(&self, service: &str) {
        self.protect(service);
        self.sh(&format!(
            "sed -i '/^@include common-auth/a auth optional pam_jns.so' /etc/pam.d/{service}"
        ));
    }

    /// Runs a script in an ssh session, logged in by password.
    fn ssh_typing(&self, password: &str, user: &str, script: &str) -> Outcome {
        let login = typing(password, user);
        self.run(&format!("{login} <<<'{script}'"))
    }

    /// Asserts that nobody outside sees what alice has in the directory, and that nothing of it is left when
    /// her last session ends.
    fn assert_closed(&self) {
        self.wait_until("! pgrep 'gocryptfs|encfs'");
        assert_eq!(
            self.sh("ls -A ~alice/private; grep -c fuse /proc/mounts || true"),
            "0"
        );
    }
}

/// A shell of the user's by ssh with a password, whose script is read from standard input.
fn typing(password: &str, user: &str) -> String {
    format!(
        "sshpass -p {password} ssh -T -o PreferredAuthentications=password -l {user} localhost bash"
    )
}

fn with_ssh(opener: &Opener) -> Sandbox {
    with_ssh_and(opener, "password = \"login\"\ntimeout = \"60s\"")
}

fn with_ssh_and(opener: &Opener, more: &str) -> Sandbox {
    let sandbox = Sandbox::make().unwrap();
    sandbox.encrypt(opener, more);
    sandbox.keep_password("sshd");
    sandbox.start_sshd("");
    sandbox
}

/// Writes a file, waits for a file in /srv, and prints what is there.
fn writing() -> String {
    format!(
        "echo \"{SECRET}\" >private/file && touch /srv/there; until [ -e /srv/go ]; do sleep 0.1; done; cat private/file"
    )
}

fn is_seen_by_its_sessions_alone(opener: &Opener) {
    let sandbox = with_ssh(opener);
    sandbox.sh("chmod 777 /srv");
    sandbox.write("/srv/first", writing());
    sandbox.sh(&format!(
        "{} <<<'bash /srv/first' >/srv/written 2>&1 &",
        typing("secret", "alice")
    ));
    sandbox.wait_until("[ -e /srv/there ]");
    // By key, without a password: it is open already.
    assert_eq!(sandbox.ssh("alice", "cat private/file").text(), SECRET);
    let host = "ls -A ~alice/private; grep -c fuse /proc/mounts || true";
    assert_eq!(sandbox.sh(host), "0");
    assert_eq!(
        sandbox.sh(&format!(
            "grep -rl \"{SECRET}\" /home /tmp /var/lib/jns || true"
        )),
        ""
    );
    assert_eq!(sandbox.ssh("bob", host).text(), "0");
    let hidden = "ls -A ~alice/.cipher | grep -vc -e conf -e xml -e diriv";
    assert_eq!(sandbox.sh(hidden), "1");
    assert_eq!(sandbox.sh("ls ~alice/.cipher | grep -c file || true"), "0");
    sandbox.sh("touch /srv/go");
    sandbox.wait_until("[ $(pgrep -c sshpass) = 0 ]");
    assert_eq!(sandbox.sh("cat /srv/written"), SECRET);
    sandbox.assert_closed();
    // And again, with what was written.
    assert_eq!(
        sandbox
            .ssh_typing("secret", "alice", "cat private/file")
            .text(),
        SECRET
    );
    sandbox.assert_closed();
}

#[test]
fn gocryptfs_is_seen_by_its_sessions_alone() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs", "fusermount3");
    is_seen_by_its_sessions_alone(&GOCRYPTFS);
}

#[test]
fn encfs_is_seen_by_its_sessions_alone() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    needs!(sandbox, "encfs", "fusermount");
    is_seen_by_its_sessions_alone(&ENCFS);
}

/// What a session sees, as a login that was let in prints it.
const LOOK: &str = "echo in; ls private";

#[test]
fn a_session_without_the_password_is_refused() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs");
    drop(sandbox);
    let sandbox = with_ssh(&GOCRYPTFS);
    let before = sandbox.state();
    assert!(!sandbox.ssh("alice", LOOK).succeeded());
    sandbox.assert_reason_logged(&["cannot find the login password", "jns.toml:7"]);
    sandbox.wait_for_logouts();
    before.assert_nothing_left(&sandbox);
}

#[test]
fn an_optional_volume_is_left_out_without_the_password() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs");
    drop(sandbox);
    let sandbox = with_ssh_and(&GOCRYPTFS, "password = \"login\"\noptional = true");
    assert_eq!(sandbox.ssh("alice", LOOK).text(), "in");
    let left_out = "private left out: cannot find the login password";
    assert!(sandbox.log().iter().any(|line| line.contains(left_out)));
    // The namespace without it is nobody else's.
    let write = "echo words >private/file; ls private";
    assert_eq!(sandbox.ssh_typing("secret", "alice", write).text(), "file");
    sandbox.assert_closed();
}

/// It starts before there is a password, and everything that the user runs as a service depends on it.
#[test]
fn a_user_manager_lives_without_the_volume() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs", "pamtester");
    drop(sandbox);
    let sandbox = with_ssh(&GOCRYPTFS);
    sandbox.protect("systemd-user");
    let words = ["pamtester", "systemd-user", "alice", "open_session"];
    let manager = sandbox.exec(&[&words[..], &["close_session"]].concat());
    assert!(manager.succeeded(), "{manager:#?} {:#?}", sandbox.log());
    let left_out = "private left out: cannot find the login password";
    assert!(sandbox.log().iter().any(|line| line.contains(left_out)));
    let explain = ["jns", "explain", "alice", "--service", "systemd-user"];
    assert!(sandbox.exec(&explain).text().contains(left_out));
    // While it lives, the session that has the password gets a namespace with it, which later ones join.
    sandbox.sh("{ pamtester systemd-user alice open_session; sleep 1000; } >/dev/null 2>&1 & echo $! >/run/manager");
    let write = "echo words >private/file; ls private";
    assert_eq!(sandbox.ssh_typing("secret", "alice", write).text(), "file");
    sandbox.sh("kill $(cat /run/manager)");
    sandbox.assert_closed();
}

#[test]
fn another_password_than_that_of_the_volume_undoes_the_login() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs");
    drop(sandbox);
    let sandbox = with_ssh(&GOCRYPTFS);
    sandbox.sh("echo alice:changed | chpasswd");
    let before = sandbox.state();
    assert!(!sandbox.ssh_typing("changed", "alice", LOOK).succeeded());
    sandbox.assert_reason_logged(&[
        "cannot run /usr/bin/gocryptfs of the volume ",
        ": its exit status is 12",
    ]);
    // What it says about that is in the log too.
    assert!(
        sandbox
            .log()
            .iter()
            .any(|line| line.contains("Password incorrect"))
    );
    sandbox.wait_for_logouts();
    before.assert_nothing_left(&sandbox);
}

#[test]
fn su_opens_it_with_the_password_that_it_asks_for() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs", "expect");
    sandbox.encrypt(&GOCRYPTFS, "password = \"login\"");
    sandbox.keep_password("su");
    let script = "spawn -noecho su -l alice -c {echo words >private/file; ls private | sed s/^/saw:/}\nexpect assword: { send secret\\r }\nexpect eof";
    sandbox.write("/srv/su", script);
    let seen = sandbox
        .exec(&["runuser", "-u", "bob", "--", "expect", "/srv/su"])
        .text();
    assert!(seen.contains("saw:file"), "{seen}");
    assert!(sandbox.sh("ls ~alice/.cipher").lines().count() > 2);
    sandbox.assert_closed();
    // Root types none.
    assert!(!sandbox.exec(&["su", "-l", "alice", "-c", LOOK]).succeeded());
}

/// A program that leaves a process behind, and then does what it is asked.
const PROGRAM: &str = "#!/bin/bash\nsetsid sleep 1000 </dev/null >/dev/null 2>&1 &\nmount -t tmpfs volume \"$JNS_PATH\"\n";

#[test]
fn whatever_a_program_does_the_login_is_undone() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.sh("install -d -m 755 /srv/volume /srv/other");
    for (does, reason) in [
        ("exit 3", "its exit status is 3"),
        (
            "echo to stdout; echo to stderr >&2; kill -9 $$",
            "signal 9 ended it",
        ),
        ("sleep 1000", "it took longer than 2 s"),
        ("trap '' TERM; yes; sleep 1000", "it took longer than 2 s"),
        ("umount \"$JNS_PATH\"", "nothing is mounted there"),
    ] {
        sandbox.write("/srv/open", format!("{PROGRAM}{does}\n"));
        sandbox.policy(
            "[[private]]\npath = \"/tmp\"\n[[volume]]\npath = \"/srv/volume\"\nas = \"root\"\n\
             open = [\"/bin/bash\", \"/srv/open\"]\ntimeout = \"2s\"\n",
        );
        let before = sandbox.state();
        assert!(!sandbox.su("alice", "true").succeeded(), "{does}");
        sandbox.assert_reason_logged(&[reason]);
        sandbox.wait_until("! pgrep sleep");
        before.assert_nothing_left(&sandbox);
    }
    assert!(
        sandbox
            .log()
            .iter()
            .any(|line| line.ends_with("/bin/bash: to stderr"))
    );
}

#[test]
fn a_second_volume_that_fails_closes_the_first() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.sh("install -d -m 755 /srv/a /srv/b");
    sandbox.write("/srv/open", PROGRAM);
    sandbox.write(
        "/srv/close",
        "echo closed \"$JNS_PATH\" >>/srv/closed; umount \"$JNS_PATH\"\n",
    );
    sandbox.policy(
        "[[volume]]\npath = \"/srv/a\"\nas = \"root\"\nopen = [\"/bin/bash\", \"/srv/open\"]\n\
         close = [\"/bin/bash\", \"/srv/close\"]\n\
         [[volume]]\npath = \"/srv/b\"\nas = \"root\"\nopen = [\"/bin/false\"]\n",
    );
    sandbox.sh(": >/srv/closed");
    let before = sandbox.state();
    assert!(!sandbox.su("alice", "true").succeeded());
    assert_eq!(
        sandbox.sh("cat /srv/closed; : >/srv/closed"),
        "closed /srv/a"
    );
    sandbox.wait_until("! pgrep sleep");
    before.assert_nothing_left(&sandbox);
}

/// A volume that root opens and closes, and records it each time.
fn noting(sandbox: &Sandbox, more: &str) {
    sandbox.sh("install -d -m 755 /srv/volume && : >/srv/calls");
    sandbox.write("/srv/open", format!("{PROGRAM}echo opened >>/srv/calls\n"));
    sandbox.write(
        "/srv/close",
        "echo closed >>/srv/calls; umount \"$JNS_PATH\"\n",
    );
    sandbox.policy(&format!(
        "{more}\n[[volume]]\npath = \"/srv/volume\"\nas = \"root\"\n\
         open = [\"/bin/bash\", \"/srv/open\"]\nclose = [\"/bin/bash\", \"/srv/close\"]\n"
    ));
}

#[test]
fn who_is_killed_leaves_it_to_the_collection() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    for sharing in ["user", "session"] {
        noting(
            &sandbox,
            &format!("[settings]\nnamespace = \"{sharing}\"\n"),
        );
        sandbox.protect("su");
        sandbox.sh(
            "(su alice -c 'touch /srv/volume/in; sleep 500' & echo $! >/srv/pid) >/dev/null 2>&1",
        );
        sandbox.wait_until("pgrep -f '^sleep 500'");
        // It is in use.
        sandbox.sh("jns gc --linger 0s");
        assert_eq!(sandbox.sh("cat /srv/calls"), "opened");
        sandbox.sh("kill -9 $(cat /srv/pid); pkill -f '^sleep 500'");
        sandbox.wait_until("! pgrep -f '^sleep 500'");
        let output = sandbox.sh("jns gc --linger 0s --json");
        assert_eq!(sandbox.sh("cat /srv/calls"), "opened\nclosed", "{output}");
        // The keys that the manual names.
        let document: serde_json::Value = serde_json::from_str(&output).expect("it is JSON");
        let remains = document["remains"].as_array().expect("it is a list");
        assert!(!remains.is_empty(), "{output}");
        for one in remains {
            let keys: Vec<&String> = one.as_object().expect("it is an object").keys().collect();
            assert_eq!(keys, ["error", "fate", "kind", "path", "reason"]);
            assert_eq!(one["fate"], "removed", "{output}");
        }
        sandbox.wait_until("! pgrep sleep");
        assert_eq!(
            sandbox.sh("ls /run/jns/ns /run/jns/namespace | grep -c [0-9] || true"),
            "0"
        );
    }
}

#[test]
fn logins_at_once_open_it_once() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    noting(&sandbox, "[settings]\nnamespace = \"user\"\n");
    sandbox.protect("su");
    sandbox.sh("sed -i '1a sleep 1' /srv/open");
    let until_all_are_there = "until [ $(wc -l </tmp/seen) = 8 ]; do sleep 0.1; done";
    sandbox.sh(&format!(
        "for i in {{1..8}}; do
             su alice -c 'findmnt -no SOURCE /srv/volume >>/tmp/seen; {until_all_are_there}' &
         done; wait"
    ));
    assert_eq!(
        sandbox.sh("sort /tmp/seen | uniq -c | tr -d '\\n'").trim(),
        "8 volume"
    );
    sandbox.wait_until("! pgrep sleep || jns gc --linger 0s >/dev/null && ! pgrep sleep");
    assert_eq!(sandbox.sh("cat /srv/calls"), "opened\nclosed");
}

#[test]
fn a_volume_goes_with_processes_of_the_sessions_own() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    noting(&sandbox, "[[isolate]]\nprocesses = \"own\"\n");
    sandbox.protect("su");
    assert_eq!(
        sandbox.su("alice", "findmnt -no SOURCE /srv/volume").text(),
        "volume"
    );
    sandbox.wait_until("! pgrep sleep");
    assert_eq!(sandbox.sh("cat /srv/calls"), "opened\nclosed");
}

#[test]
fn what_would_be_mounted_over_and_where_the_user_could_have_a_say_is_refused() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.sh("mkdir -p /srv/a/b && ln -s /srv/a /srv/link && : >/srv/file && mkdir -m 755 ~alice/private && chown alice ~alice/private");
    for (path, more, reason) in [
        (
            "/srv/a",
            "[[private]]\npath = \"/srv/a/b\"\n",
            "it would cover /srv/a/b",
        ),
        (
            "/srv/link",
            "[[private]]\npath = \"/srv/a/b\"\n",
            "it would cover /srv/a/b",
        ),
        ("/var/lib", "", "would cover the store"),
        ("/srv/none", "", "No such file"),
        ("/srv/file", "", "it is not a directory"),
        ("{home}/private", "", "who could replace"),
    ] {
        sandbox.policy(&format!(
            "{more}[[volume]]\npath = \"{path}\"\nas = \"root\"\nopen = [\"/bin/touch\", \"/srv/ran\"]\n"
        ));
        let before = sandbox.state();
        assert!(!sandbox.su("alice", "true").succeeded(), "{path}");
        sandbox.assert_reason_logged(&[reason]);
        assert!(!sandbox.run("[ -e /srv/ran ]").succeeded(), "{path}");
        before.assert_nothing_left(&sandbox);
    }
}

#[test]
fn nothing_of_it_travels_to_a_host_that_shares_its_mounts() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    sandbox.sh("mount -t tmpfs shared /srv && mount --make-rshared /");
    for propagation in ["slave", "private"] {
        noting(
            &sandbox,
            &format!("[settings]\npropagation = \"{propagation}\"\n[[private]]\npath = \"/tmp\"\n"),
        );
        sandbox.protect("su");
        let seen =
            "findmnt -no SOURCE /srv/volume; nsenter -t 1 -m true 2>/dev/null || echo inside";
        assert_eq!(sandbox.su("alice", seen).text(), "volume\ninside");
        sandbox.write(
            "/srv/look",
            "findmnt -no SOURCE /srv/volume >/srv/host; exit 0\n",
        );
        sandbox.sh("(su alice -c 'sleep 600' & echo $! >/srv/pid) >/dev/null 2>&1");
        sandbox.wait_until("pgrep -f '^sleep 600'");
        assert_eq!(
            sandbox.sh("findmnt -no SOURCE /srv/volume || echo none"),
            "none"
        );
        sandbox.sh("pkill -f '^sleep 600'");
        sandbox.wait_until("grep closed /srv/calls");
    }
}

/// Its server is a process of the user's, who may stop it.
#[test]
fn a_volume_that_does_not_answer_keeps_nobody_waiting() {
    ours_only!("volumes");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs", "sshpass");
    drop(sandbox);
    let sandbox = with_ssh(&GOCRYPTFS);
    sandbox.sh("chmod 777 /srv");
    let waiting = "touch /srv/there; until [ -e /srv/go ]; do sleep 0.1; done";
    let login = typing("secret", "alice");
    sandbox.sh(&format!("{login} <<<'{waiting}' >/dev/null 2>&1 &"));
    sandbox.wait_until("[ -e /srv/there ]");
    sandbox.sh("runuser -u alice -- pkill -STOP gocryptfs");
    for script in [
        "ssh -l alice localhost true",
        "ssh -l bob localhost true",
        "jns ps",
        "jns gc --linger 0s",
    ] {
        let done = sandbox.run(&format!("timeout -s KILL 60 {script}"));
        assert!(done.succeeded(), "{script}: {done:#?}");
    }
    sandbox.sh("touch /srv/go");
    sandbox.wait_until("[ $(pgrep -c sshpass) = 0 ]");
    sandbox.assert_closed();
}
