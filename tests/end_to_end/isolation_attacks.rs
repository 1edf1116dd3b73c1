//! Users who make use of what the sessions of others are isolated by.

use crate::sandbox::{Sandbox, ours_only, sandbox};

const OWN_PROCESSES: &str = "\
[settings]
exempt = [\"root\"]
[[private]]
path = \"/tmp\"
[[isolate]]
processes = \"own\"
";

impl Sandbox {
    /// Starts a session of a user's by ssh that runs a script, and waits for a file that it makes.
    #[track_caller]
    fn start_script(&self, user: &str, script: &str, made: &str) -> String {
        self.write("/srv/script", script);
        let ssh = format!("ssh -o BatchMode=yes -l {user} localhost bash /srv/script");
        let client = self.sh(&format!("{ssh} </dev/null >/dev/null 2>&1 & echo $!"));
        self.wait_until(&format!("[ -s {made} ]"));
        client
    }
}

/// An init that was born in another session's PID namespace ends with that.
#[test]
fn who_becomes_another_user_does_not_end_that_ones_sessions_with_their_own() {
    ours_only!("isolation");
    let sandbox = sandbox!();
    sandbox.policy(OWN_PROCESSES);
    sandbox.share();
    sandbox.prepare_for_nesting();
    sandbox.sh("install -d -m 1777 /srv/levels");
    let script = "sudo -n -u bob bash -c 'echo founded >/srv/levels/founded; exec sleep 1000'";
    let alice = sandbox.start_script("alice", script, "/srv/levels/founded");
    let script = "readlink /proc/self/ns/mnt >/srv/levels/begun; exec sleep 2000";
    let bob = sandbox.start_script("bob", script, "/srv/levels/begun");

    sandbox.sh(&format!("kill {alice}"));
    sandbox.wait_until("! pgrep -f '^sleep 1000'");
    let left = sandbox.ssh("bob", "pgrep -fc '^sleep 2000'; readlink /proc/self/ns/mnt");
    let begun = sandbox.sh("cat /srv/levels/begun");
    assert_eq!(left.text(), format!("1\n{begun}"));
    sandbox.sh(&format!("kill {bob}"));
    sandbox.wait_for_logouts();
}
