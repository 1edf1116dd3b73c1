//! A session that lasts, for what happens in between.

use super::{Outcome, Sandbox};

/// An ssh session whose only process sleeps.
pub struct Sleeper<'a> {
    sandbox: &'a Sandbox,
    user: String,
    /// The pid of the ssh client in the sandbox.
    pub client: String,
    /// The pid of the process that sleeps in the session, in the sandbox.
    pub pid: String,
}

impl Sandbox {
    /// Starts an ssh session that sleeps, and returns once it is there.
    #[track_caller]
    pub fn start_session(&self, user: &str) -> Sleeper<'_> {
        let client = self.sh(&format!(
            "rm -f /root/session
             ssh -l {user} localhost 'echo $$; exec sleep 1000' </dev/null >/root/session 2>/dev/null &
             echo $!"
        ));
        self.wait_until("[ -s /root/session ]");
        Sleeper {
            sandbox: self,
            user: user.to_owned(),
            client,
            pid: self.sh("cat /root/session"),
        }
    }

    /// Waits until sshd has closed every session: a client is gone before its monitor is.
    #[track_caller]
    pub fn wait_for_logouts(&self) {
        self.wait_until("[ $(pgrep -c ^sshd) = 1 ]");
    }
}

impl Sleeper<'_> {
    /// A path of the session as the sandbox's host reaches it.
    pub fn path(&self, path: &str) -> String {
        format!("/proc/{}/root{path}", self.pid)
    }

    /// Runs a command as root in the session's mount namespace.
    pub fn run(&self, command: &str) -> Outcome {
        self.sandbox
            .run(&format!("nsenter -m -t {} {command}", self.pid))
    }

    /// What a command prints as root in all namespaces of the session.
    #[track_caller]
    pub fn all(&self, command: &str) -> String {
        let outcome = self
            .sandbox
            .run(&format!("nsenter -m -i -u -n -t {} {command}", self.pid));
        outcome.text()
    }

    /// Kills the process that would close the session, and waits until it is gone.
    #[track_caller]
    pub fn kill_monitor(&self) {
        let monitor = self
            .sandbox
            .sh(&format!("pgrep -f '^sshd.*{} .priv.'", self.user));
        self.sandbox.sh(&format!("kill -9 {monitor}"));
        self.sandbox
            .wait_until(&format!("[ ! -e /proc/{monitor} ]"));
    }

    /// Kills the session's process, and waits until sshd has closed the session, if it can.
    #[track_caller]
    pub fn end(self) {
        let kill = format!("kill {}; kill {}", self.pid, self.client);
        self.sandbox.run(&kill); // either may be gone
        self.sandbox.wait_for_logouts();
    }
}
