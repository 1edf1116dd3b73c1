//! Sessions that begin in another mount namespace than the host's, as in a batch job or in a unit with `PrivateTmp=`.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};
use crate::shared::NAMESPACE;

/// A namespace of root's, in which `/tmp` is another one.
const JOB: &str = "unshare -m --propagation private bash -c 'mount -t tmpfs job /tmp; touch /tmp/of-job; . /srv/in-job'";

impl Sandbox {
    fn leave_alone(&self) {
        self.sh("mkdir -p /etc/security/jns.d");
        self.write(
            "/etc/security/jns.d/20-elsewhere.toml",
            "[settings]\nelsewhere = \"leave\"\n",
        );
    }

    /// Runs a script in such a namespace.
    fn in_job(&self, script: &str) -> String {
        self.write("/srv/in-job", script);
        self.sh(JOB)
    }

    fn says(&self, text: &str) -> bool {
        self.log().iter().any(|line| line.contains(text))
    }
}

#[test]
fn a_session_in_a_job_is_covered_or_left_alone_as_the_policy_says() {
    ours_only!("settings.elsewhere");
    let sandbox = sandbox!();
    sandbox.protect("su");
    let look = "su alice -c 'ls /tmp'";
    assert_eq!(
        sandbox.in_job(look),
        "",
        "covered, as long as nothing is said"
    );
    assert!(!sandbox.says("left alone"));

    sandbox.leave_alone();
    assert_eq!(sandbox.in_job(look), "of-job");
    assert!(sandbox.says("session of alice by su: left alone in mnt:["));
    let variables = "[[env]]\nset = { OF_SESSION = \"1\" }\n";
    sandbox.write("/etc/security/jns.d/30-variables.toml", variables);
    let variable = "su alice -c 'echo ${OF_SESSION-none}'";
    assert_eq!(sandbox.in_job(variable), "none", "no variable either");
    assert_eq!(sandbox.sh(variable), "1", "on the host it is as always");
}

/// What the host's sessions get, and what those inside them do, depends on it in no way.
#[test]
fn sessions_of_the_host_and_inside_them_are_not_left_alone() {
    ours_only!("settings.elsewhere");
    let sandbox = sandbox!();
    sandbox.prepare_for_nesting();
    sandbox.leave_alone();
    let host = sandbox.sh(NAMESPACE);
    let seen = sandbox.nest(&[("su-l", "alice"), ("su-l", "bob"), ("su-l", "root")]);
    let names: Vec<_> = seen.iter().map(|seen| seen.view().0).collect();
    assert_ne!(names[0], host);
    assert_ne!(names[1], host);
    assert_ne!(names[0], names[1]);
    assert_eq!(names[2], host);
    assert!(!sandbox.says("left alone"), "{:?}", sandbox.log());
}

/// It was pinned there under another policy, and the host's logins have cached what the new one says.
#[test]
fn what_was_pinned_before_in_a_job_is_not_joined() {
    ours_only!("settings.elsewhere");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.share();
    sandbox.write("/srv/leave", "[settings]\nelsewhere = \"leave\"\n");
    let seen = sandbox.in_job(
        "su alice -c 'touch /tmp/of-session'
         su alice -c 'ls /tmp'
         cp /srv/leave /etc/security/jns.d/20-elsewhere.toml
         # A policy that was changed this moment is not cached.
         touch -d -1hour /etc/security/jns.d /etc/security/jns.d/*
         nsenter -t 1 -m su alice -c true
         nsenter -t 1 -m su alice -c true
         su alice -c 'ls /tmp'",
    );
    assert_eq!(seen, "of-session\nof-job");
}

/// Where it cannot be known, nobody is left with other users' files.
#[test]
fn a_session_is_covered_where_proc_does_not_tell() {
    ours_only!("settings.elsewhere");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.leave_alone();
    let seen = sandbox.in_job("mount -t tmpfs none /proc; su alice -c 'ls /tmp'");
    assert_eq!(seen, "");
    assert!(
        sandbox.says("whatever settings.elsewhere says"),
        "{:?}",
        sandbox.log()
    );
}

/// It is as its own first process is.
#[test]
fn a_container_is_a_host_of_its_own() {
    ours_only!("settings.elsewhere");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.leave_alone();
    sandbox.write(
        "/srv/in-container",
        "touch /tmp/of-container; su alice -c 'ls /tmp'\n",
    );
    let seen = sandbox.sh("unshare -mpf --mount-proc bash -c '. /srv/in-container; true'");
    assert_eq!(seen, "");
    assert!(!sandbox.says("left alone"));
}

#[test]
fn explain_says_which_it_is() {
    ours_only!("settings.elsewhere");
    let sandbox = sandbox!();
    let explained = || sandbox.jns(&["explain", "alice"]).text();
    assert!(!explained().contains("elsewhere"));
    sandbox.leave_alone();
    assert!(explained().contains("elsewhere leave: in another mount namespace"));
}

/// What a unit with `PrivateTmp=` comes to: nothing of the policy holds for the logins of the whole daemon.
#[test]
fn doctor_reports_daemons_whose_sessions_are_left_alone() {
    ours_only!("settings.elsewhere");
    let sandbox = sandbox!();
    needs!(sandbox, "sshd", "cron");
    sandbox.protect("sshd");
    sandbox.protect("cron");
    sandbox.share();
    sandbox.start_sshd("");
    sandbox.sh("cron");
    let session = sandbox.start_session("alice");
    let warnings = || {
        let output = sandbox.exec(&["jns", "doctor"]).stdout;
        let lines = output.lines().map(str::trim).map(str::to_owned);
        let is_reported = |line: &String| line.contains("runs in a mount namespace of its own");
        lines.filter(is_reported).collect::<Vec<_>>()
    };
    sandbox.leave_alone();
    // What a daemon has become that has opened a session.
    sandbox.sh("cp /bin/sleep /srv/cron");
    let inside = sandbox.sh(&format!(
        "nsenter -t {} -m /srv/cron 1000 >/dev/null 2>&1 & echo $!",
        session.pid
    ));
    sandbox.wait_until(&format!(
        "[ $(cat /proc/{inside}/comm) = cron ] && [ $(readlink /proc/{inside}/ns/mnt) != $(readlink /proc/1/ns/mnt) ]"
    ));
    assert_eq!(warnings(), [""; 0], "that namespace is the session's");
    sandbox.sh(&format!("kill {inside}"));
    let ends = "kill $(cat /run/crond.pid); while pidof cron; do sleep .1; done >/dev/null; rm -f /run/crond.*";
    sandbox.sh(ends);
    sandbox.sh("unshare -m --propagation slave cron");
    // Its first process writes the file too, and ends.
    sandbox.wait_until("[ \"$(cat /run/crond.pid)\" = \"$(pidof cron)\" ]");
    let pid = sandbox.sh("cat /run/crond.pid");
    let expected = format!(
        "warning  cron, process {pid}, runs in a mount namespace of its own: with elsewhere = \"leave\", its sessions get \
         no view of theirs"
    );
    assert_eq!(warnings(), [expected]);
    sandbox.sh("rm /etc/security/jns.d/20-elsewhere.toml");
    assert_eq!(warnings(), [""; 0], "they are covered");
    sandbox.leave_alone();
    sandbox.sh("sed -i /pam_jns/d /etc/pam.d/cron");
    assert_eq!(warnings(), [""; 0], "it does not call the module");
    sandbox.sh(ends);
    session.end();
}
