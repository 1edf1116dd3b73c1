//! pkexec(1) with polkitd(8): the service polkit-1, a command in its caller's session. It opens its session, ends the
//! PAM handle without closing, and becomes the command.

use crate::sandbox::{Sandbox, needs, ours_only};

/// Alice may become anybody, so that no agent asks for a password.
const RULES: &str = "\
polkit.addRule(function(action, subject) {
    if (action.id == \"org.freedesktop.policykit.exec\" && subject.user == \"alice\") {
        return polkit.Result.YES;
    }
});
";

/// The name that polkitd has on the system bus.
const NAME: &str = "org.freedesktop.PolicyKit1";

impl Sandbox {
    /// Starts the system bus and polkitd.
    fn start_polkitd(&self) {
        self.write("/etc/polkit-1/rules.d/10-alice.rules", RULES);
        self.sh("mkdir -p /run/dbus; dbus-daemon --system --fork --nopidfile");
        self.sh("setsid -f /usr/lib/polkit-1/polkitd --no-debug </dev/null >/dev/null 2>&1");
        self.wait_until(&format!(
            "dbus-send --system --print-reply --dest=org.freedesktop.DBus / \
             org.freedesktop.DBus.NameHasOwner string:{NAME} 2>/dev/null | grep -q true"
        ));
    }

    /// What a script prints in an ssh session of alice's. Each of its commands must succeed.
    #[track_caller]
    fn by_alice(&self, script: &str) -> String {
        self.write("/srv/script", script);
        let outcome = self.ssh("alice", "bash -e /srv/script");
        assert!(
            outcome.succeeded(),
            "{outcome:#?}\n{}",
            self.log().join("\n")
        );
        outcome.text()
    }
}

/// A host in which alice may become anybody by pkexec, and where /tmp/f is somebody else's.
macro_rules! machine {
    () => {{
        ours_only!("view for commands in somebody's session");
        let sandbox = $crate::sandbox::sandbox!();
        needs!(sandbox, "pkexec", "dbus-daemon");
        sandbox.protect("polkit-1");
        sandbox.serve_ssh();
        sandbox.start_polkitd();
        sandbox.sh("echo of system >/tmp/f; chown system /tmp/f; mkdir -m 777 /tmp/work; touch /tmp/work/of-host");
        sandbox
    }};
}

/// By the built-in policy, and by one that says nothing of who inherits.
#[test]
fn a_name_means_the_callers_file() {
    let sandbox = machine!();
    let before = sandbox.state();
    assert_callers_files(&sandbox);
    sandbox.policy("[[private]]\npath = \"/tmp\"\n");
    assert_callers_files(&sandbox);
    before.assert_nothing_left(&sandbox);
}

#[track_caller]
fn assert_callers_files(sandbox: &Sandbox) {
    let seen = sandbox.by_alice(
        "mkdir -p /tmp/work; cd /tmp/work; touch mine; echo of alice >/tmp/f
         pkexec pwd; pkexec --user bob pwd
         pkexec --keep-cwd pwd; pkexec --keep-cwd ls; pkexec --keep-cwd --user bob ls
         pkexec cat /tmp/f; pkexec --user bob cat /tmp/f
         printf '#!/bin/sh\\necho by script, as $(id -un)\\n' >/tmp/s; chmod +x /tmp/s; pkexec /tmp/s; pkexec --user bob /tmp/s
         pkexec cp /tmp/f /etc/copied; pkexec --keep-cwd touch made; stat -c '%U %n' made
         pkexec --keep-cwd rm mine made; ls",
    );
    assert_eq!(
        seen,
        "/root\n/home/bob\n/tmp/work\nmine\nmine\nof alice\nof alice\nby script, as root\nby script, as bob\nroot made"
    );
    assert_eq!(
        sandbox.sh("cat /etc/copied /tmp/f; ls /tmp/work; rm /etc/copied"),
        "of alice\nof system\nof-host"
    );
}

#[test]
fn what_it_mounts_is_on_the_host() {
    let sandbox = machine!();
    sandbox.sh("mkdir /srv/by-admin");
    let before = sandbox.state();
    let count = "grep -c ' /srv/by-admin ' /proc/self/mountinfo || true";
    let seen = sandbox.by_alice(&format!(
        "pkexec mount -t tmpfs admin /srv/by-admin; {count}"
    ));
    assert_eq!(seen, "1", "in the session");
    assert_eq!(sandbox.sh(count), "1", "on the host");
    let seen = sandbox.by_alice(&format!("pkexec umount /srv/by-admin; {count}"));
    assert_eq!(seen, "0", "in the session");
    assert_eq!(sandbox.sh(count), "0", "on the host");
    before.assert_nothing_left(&sandbox);
}

/// Whose directories are there is the policy's to say, and the target's view is its own.
#[test]
fn where_the_service_does_not_inherit_it_is_a_login() {
    let sandbox = machine!();
    sandbox.policy("[settings]\ninherit = [\"sudo\"]\n[[private]]\npath = \"/tmp\"\n");
    let before = sandbox.state();
    let seen = sandbox.by_alice(
        "mkdir -p /tmp/work; cd /tmp/work; touch mine; echo of alice >/tmp/f
         pkexec cat /tmp/f; pkexec --keep-cwd ls; pkexec ls /tmp/work; pkexec --user bob ls -A /tmp",
    );
    assert_eq!(seen, "of system\nmine\nof-host");
    before.assert_nothing_left(&sandbox);
}

/// It is gone as soon as it has opened the session: nothing is run at the end, and `jns gc` removes what is left.
#[test]
fn its_session_is_never_closed() {
    let sandbox = machine!();
    sandbox.policy(
        "[[private]]\npath = \"/tmp\"\nusers = [\"bob\"]\nper = \"session\"\n\
         [[hook]]\nwhen = \"open\"\nrun = [\"/srv/hook\", \"open\"]\nusers = [\"bob\"]\n\
         [[hook]]\nwhen = \"close\"\nrun = [\"/srv/hook\", \"close\"]\nusers = [\"bob\"]\n",
    );
    sandbox.write("/srv/hook", "#!/bin/sh\necho $1 >>/srv/run\n");
    sandbox.sh("chmod 755 /srv/hook");
    let before = sandbox.state();
    let seen = sandbox.by_alice("pkexec --user bob sh -c 'touch /tmp/own; ls /tmp'");
    assert_eq!(seen, "own");
    let count = || sandbox.sh("ls -A /var/lib/jns/session | wc -l");
    assert_eq!(count(), "1", "instances after the command");
    before.assert_nothing_left(&sandbox);
    assert_eq!(count(), "0", "instances after jns gc");
    assert_eq!(sandbox.sh("cat /srv/run"), "open");
}

/// It gives polkitd its parent's number, which on the host is no process or somebody else's.
#[test]
fn it_is_refused_where_processes_are_the_sessions_own() {
    let sandbox = machine!();
    sandbox.policy("[[private]]\npath = \"/tmp\"\n[[isolate]]\nprocesses = \"own\"\n");
    let before = sandbox.state();
    let outcome = sandbox.ssh("alice", "pkexec touch /srv/made");
    assert!(!outcome.succeeded(), "{outcome:#?}");
    assert!(!sandbox.path("/srv/made").exists());
    before.assert_nothing_left(&sandbox);
}
