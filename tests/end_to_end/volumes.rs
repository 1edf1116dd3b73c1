//! Encrypted directories that only a user's sessions can see, opened with the login password.

use crate::bed::{Bed, Outcome, bed, needs, ours_only};

/// What is in the encrypted directory as alice's sessions see it.
const SECRET: &str = "alice's own words";

/// A program that encrypts directories, and how it is told to.
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

impl Bed {
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
             open = [{open}]\n{more}\n"
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

fn with_ssh(opener: &Opener) -> Bed {
    with_ssh_and(opener, "password = \"login\"\ntimeout = \"60s\"")
}

fn with_ssh_and(opener: &Opener, more: &str) -> Bed {
    let bed = Bed::make().unwrap();
    bed.encrypt(opener, more);
    bed.keep_password("sshd");
    bed.start_sshd("");
    bed
}

/// Writes a file, waits for a file in /srv, and tells what is there.
fn writing() -> String {
    format!(
        "echo \"{SECRET}\" >private/file && touch /srv/there; until [ -e /srv/go ]; do sleep 0.1; done; cat private/file"
    )
}

fn is_seen_by_its_sessions_alone(opener: &Opener) {
    let bed = with_ssh(opener);
    bed.sh("chmod 777 /srv");
    bed.write("/srv/first", writing());
    bed.sh(&format!(
        "{} <<<'bash /srv/first' >/srv/told 2>&1 &",
        typing("secret", "alice")
    ));
    bed.wait_until("[ -e /srv/there ]");
    // By key, without a password: it is open already.
    assert_eq!(bed.ssh("alice", "cat private/file").text(), SECRET);
    let host = "ls -A ~alice/private; grep -c fuse /proc/mounts || true";
    assert_eq!(bed.sh(host), "0");
    assert_eq!(
        bed.sh(&format!(
            "grep -rl \"{SECRET}\" /home /tmp /var/lib/jns || true"
        )),
        ""
    );
    assert_eq!(bed.ssh("bob", host).text(), "0");
    let hidden = "ls -A ~alice/.cipher | grep -vc -e conf -e xml -e diriv";
    assert_eq!(bed.sh(hidden), "1");
    assert_eq!(bed.sh("ls ~alice/.cipher | grep -c file || true"), "0");
    bed.sh("touch /srv/go");
    bed.wait_until("[ $(pgrep -c sshpass) = 0 ]");
    assert_eq!(bed.sh("cat /srv/told"), SECRET);
    bed.assert_closed();
    // And again, with what was written.
    assert_eq!(
        bed.ssh_typing("secret", "alice", "cat private/file").text(),
        SECRET
    );
    bed.assert_closed();
}

#[test]
fn gocryptfs_is_seen_by_its_sessions_alone() {
    ours_only!("volumes");
    let bed = bed!();
    needs!(bed, "gocryptfs", "fusermount3");
    is_seen_by_its_sessions_alone(&GOCRYPTFS);
}

#[test]
fn encfs_is_seen_by_its_sessions_alone() {
    ours_only!("volumes");
    let bed = bed!();
    needs!(bed, "encfs", "fusermount");
    is_seen_by_its_sessions_alone(&ENCFS);
}

/// What a session sees, as a login that was let in tells it.
const LOOK: &str = "echo in; ls private";

#[test]
fn a_session_without_the_password_is_refused() {
    ours_only!("volumes");
    let bed = bed!();
    needs!(bed, "gocryptfs");
    drop(bed);
    let bed = with_ssh(&GOCRYPTFS);
    let before = bed.state();
    assert!(!bed.ssh("alice", LOOK).succeeded());
    bed.assert_reason_logged(&["cannot find the login password", "jns.toml:3"]);
    bed.wait_for_logouts();
    before.assert_nothing_left(&bed);
}

#[test]
fn an_optional_volume_is_left_out_without_the_password() {
    ours_only!("volumes");
    let bed = bed!();
    needs!(bed, "gocryptfs");
    drop(bed);
    let bed = with_ssh_and(&GOCRYPTFS, "password = \"login\"\noptional = true");
    assert_eq!(bed.ssh("alice", LOOK).text(), "in");
    let left_out = "private left out: cannot find the login password";
    assert!(bed.log().iter().any(|line| line.contains(left_out)));
    // The namespace without it is nobody else's.
    let write = "echo words >private/file; ls private";
    assert_eq!(bed.ssh_typing("secret", "alice", write).text(), "file");
    bed.assert_closed();
}

#[test]
fn another_password_than_that_of_the_volume_undoes_the_login() {
    ours_only!("volumes");
    let bed = bed!();
    needs!(bed, "gocryptfs");
    drop(bed);
    let bed = with_ssh(&GOCRYPTFS);
    bed.sh("echo alice:changed | chpasswd");
    let before = bed.state();
    assert!(!bed.ssh_typing("changed", "alice", LOOK).succeeded());
    bed.assert_reason_logged(&["cannot run /usr/bin/gocryptfs: its exit status is 12"]);
    // What it says about that is in the log too.
    assert!(
        bed.log()
            .iter()
            .any(|line| line.contains("Password incorrect"))
    );
    bed.wait_for_logouts();
    before.assert_nothing_left(&bed);
}

#[test]
fn su_opens_it_with_the_password_that_it_asks_for() {
    ours_only!("volumes");
    let bed = bed!();
    needs!(bed, "gocryptfs", "expect");
    bed.encrypt(&GOCRYPTFS, "password = \"login\"");
    bed.keep_password("su");
    let script = "spawn -noecho su -l alice -c {echo words >private/file; ls private | sed s/^/saw:/}\nexpect assword: { send secret\\r }\nexpect eof";
    bed.write("/srv/su", script);
    let seen = bed
        .exec(&["runuser", "-u", "bob", "--", "expect", "/srv/su"])
        .text();
    assert!(seen.contains("saw:file"), "{seen}");
    assert!(bed.sh("ls ~alice/.cipher").lines().count() > 2);
    bed.assert_closed();
    // Root types none.
    assert!(!bed.exec(&["su", "-l", "alice", "-c", LOOK]).succeeded());
}

/// A program that leaves a process behind, and then does as it is told.
const PROGRAM: &str = "#!/bin/bash\nsetsid sleep 1000 </dev/null >/dev/null 2>&1 &\nmount -t tmpfs volume \"$JNS_PATH\"\n";

#[test]
fn whatever_a_program_does_the_login_is_undone() {
    ours_only!("volumes");
    let bed = bed!();
    bed.protect("su");
    bed.sh("install -d -m 755 /srv/volume /srv/other");
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
        bed.write("/srv/open", format!("{PROGRAM}{does}\n"));
        bed.policy(
            "[[private]]\npath = \"/tmp\"\n[[volume]]\npath = \"/srv/volume\"\nas = \"root\"\n\
             open = [\"/bin/bash\", \"/srv/open\"]\ntimeout = \"2s\"\n",
        );
        let before = bed.state();
        assert!(!bed.su("alice", "true").succeeded(), "{does}");
        bed.assert_reason_logged(&[reason]);
        bed.wait_until("! pgrep sleep");
        before.assert_nothing_left(&bed);
    }
    assert!(
        bed.log()
            .iter()
            .any(|line| line.ends_with("/bin/bash: to stderr"))
    );
}

#[test]
fn a_second_volume_that_fails_closes_the_first() {
    ours_only!("volumes");
    let bed = bed!();
    bed.protect("su");
    bed.sh("install -d -m 755 /srv/a /srv/b");
    bed.write("/srv/open", PROGRAM);
    bed.write(
        "/srv/close",
        "echo closed \"$JNS_PATH\" >>/srv/closed; umount \"$JNS_PATH\"\n",
    );
    bed.policy(
        "[[volume]]\npath = \"/srv/a\"\nas = \"root\"\nopen = [\"/bin/bash\", \"/srv/open\"]\n\
         close = [\"/bin/bash\", \"/srv/close\"]\n\
         [[volume]]\npath = \"/srv/b\"\nas = \"root\"\nopen = [\"/bin/false\"]\n",
    );
    bed.sh(": >/srv/closed");
    let before = bed.state();
    assert!(!bed.su("alice", "true").succeeded());
    assert_eq!(bed.sh("cat /srv/closed; : >/srv/closed"), "closed /srv/a");
    bed.wait_until("! pgrep sleep");
    before.assert_nothing_left(&bed);
}

/// A volume that root opens and closes, each time noted.
fn noting(bed: &Bed, more: &str) {
    bed.sh("install -d -m 755 /srv/volume && : >/srv/noted");
    bed.write("/srv/open", format!("{PROGRAM}echo opened >>/srv/noted\n"));
    bed.write(
        "/srv/close",
        "echo closed >>/srv/noted; umount \"$JNS_PATH\"\n",
    );
    bed.policy(&format!(
        "{more}\n[[volume]]\npath = \"/srv/volume\"\nas = \"root\"\n\
         open = [\"/bin/bash\", \"/srv/open\"]\nclose = [\"/bin/bash\", \"/srv/close\"]\n"
    ));
}

#[test]
fn who_is_killed_leaves_it_to_the_collection() {
    ours_only!("volumes");
    let bed = bed!();
    for sharing in ["user", "session"] {
        noting(&bed, &format!("[settings]\nnamespace = \"{sharing}\"\n"));
        bed.protect("su");
        bed.sh(
            "(su alice -c 'touch /srv/volume/in; sleep 500' & echo $! >/srv/pid) >/dev/null 2>&1",
        );
        bed.wait_until("pgrep -f '^sleep 500'");
        // It is in use.
        bed.sh("jns gc");
        assert_eq!(bed.sh("cat /srv/noted"), "opened");
        bed.sh("kill -9 $(cat /srv/pid); pkill -f '^sleep 500'");
        bed.wait_until("! pgrep -f '^sleep 500'");
        let told = bed.sh("jns gc --json");
        assert_eq!(bed.sh("cat /srv/noted"), "opened\nclosed", "{told}");
        bed.wait_until("! pgrep sleep");
        assert_eq!(
            bed.sh("ls /run/jns/ns /run/jns/namespace | grep -c [0-9] || true"),
            "0"
        );
    }
}

#[test]
fn logins_at_once_open_it_once() {
    ours_only!("volumes");
    let bed = bed!();
    noting(&bed, "[settings]\nnamespace = \"user\"\n");
    bed.protect("su");
    bed.sh("sed -i '1a sleep 1' /srv/open");
    let until_all_are_there = "until [ $(wc -l </tmp/seen) = 8 ]; do sleep 0.1; done";
    bed.sh(&format!(
        "for i in {{1..8}}; do
             su alice -c 'findmnt -no SOURCE /srv/volume >>/tmp/seen; {until_all_are_there}' &
         done; wait"
    ));
    assert_eq!(
        bed.sh("sort /tmp/seen | uniq -c | tr -d '\\n'").trim(),
        "8 volume"
    );
    bed.wait_until("! pgrep sleep || jns gc >/dev/null && ! pgrep sleep");
    assert_eq!(bed.sh("cat /srv/noted"), "opened\nclosed");
}

#[test]
fn a_volume_goes_with_processes_of_the_sessions_own() {
    ours_only!("volumes");
    let bed = bed!();
    noting(&bed, "[[isolate]]\nprocesses = \"own\"\n");
    bed.protect("su");
    assert_eq!(
        bed.su("alice", "findmnt -no SOURCE /srv/volume").text(),
        "volume"
    );
    bed.wait_until("! pgrep sleep");
    assert_eq!(bed.sh("cat /srv/noted"), "opened\nclosed");
}

#[test]
fn what_would_be_mounted_over_and_where_the_user_could_have_a_say_is_refused() {
    ours_only!("volumes");
    let bed = bed!();
    bed.protect("su");
    bed.sh("mkdir -p /srv/a/b && ln -s /srv/a /srv/link && : >/srv/file && mkdir -m 755 ~alice/private && chown alice ~alice/private");
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
        bed.policy(&format!(
            "{more}[[volume]]\npath = \"{path}\"\nas = \"root\"\nopen = [\"/bin/touch\", \"/srv/ran\"]\n"
        ));
        let before = bed.state();
        assert!(!bed.su("alice", "true").succeeded(), "{path}");
        bed.assert_reason_logged(&[reason]);
        assert!(!bed.run("[ -e /srv/ran ]").succeeded(), "{path}");
        before.assert_nothing_left(&bed);
    }
}

#[test]
fn nothing_of_it_travels_to_a_host_that_shares_its_mounts() {
    ours_only!("volumes");
    let bed = bed!();
    bed.sh("mount -t tmpfs shared /srv && mount --make-rshared /");
    for propagation in ["slave", "private"] {
        noting(
            &bed,
            &format!("[settings]\npropagation = \"{propagation}\"\n[[private]]\npath = \"/tmp\"\n"),
        );
        bed.protect("su");
        let seen =
            "findmnt -no SOURCE /srv/volume; nsenter -t 1 -m true 2>/dev/null || echo inside";
        assert_eq!(bed.su("alice", seen).text(), "volume\ninside");
        bed.write(
            "/srv/look",
            "findmnt -no SOURCE /srv/volume >/srv/host; exit 0\n",
        );
        bed.sh("(su alice -c 'sleep 600' & echo $! >/srv/pid) >/dev/null 2>&1");
        bed.wait_until("pgrep -f '^sleep 600'");
        assert_eq!(
            bed.sh("findmnt -no SOURCE /srv/volume || echo none"),
            "none"
        );
        bed.sh("pkill -f '^sleep 600'");
        bed.wait_until("grep closed /srv/noted");
    }
}

/// Its server is a process of the user's, who may stop it.
#[test]
fn a_volume_that_does_not_answer_keeps_nobody_waiting() {
    ours_only!("volumes");
    let bed = bed!();
    needs!(bed, "gocryptfs", "sshpass");
    drop(bed);
    let bed = with_ssh(&GOCRYPTFS);
    bed.sh("chmod 777 /srv");
    let waiting = "touch /srv/there; until [ -e /srv/go ]; do sleep 0.1; done";
    let login = typing("secret", "alice");
    bed.sh(&format!("{login} <<<'{waiting}' >/dev/null 2>&1 &"));
    bed.wait_until("[ -e /srv/there ]");
    bed.sh("runuser -u alice -- pkill -STOP gocryptfs");
    for script in [
        "ssh -l alice localhost true",
        "ssh -l bob localhost true",
        "jns ps",
        "jns gc",
    ] {
        let done = bed.run(&format!("timeout -s KILL 60 {script}"));
        assert!(done.succeeded(), "{script}: {done:#?}");
    }
    bed.sh("touch /srv/go");
    bed.wait_until("[ $(pgrep -c sshpass) = 0 ]");
    bed.assert_closed();
}
