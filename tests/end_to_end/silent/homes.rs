//! Homes that do not answer. What su(1) and sshd(8) do with them is theirs; the session is open by then.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

impl Sandbox {
    /// Waits for a line with that text in the log, behind the first `before` ones.
    #[track_caller]
    fn wait_for_log(&self, before: usize, text: &str) {
        for _ in 0..300 {
            let log = self.log().split_off(before);
            if log.iter().any(|line| line.contains(text)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("no {text}: {:?}", self.log().split_off(before));
    }
}

#[test]
fn a_home_that_does_not_answer_holds_no_session() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs", "sshd");
    for service in ["su", "su-l", "sshd"] {
        sandbox.protect(service);
    }
    sandbox.make_dead();
    // The server itself looks neither for a key there, nor whose the way to one is.
    sandbox.sh("install -D -m 644 /root/.ssh/authorized_keys /etc/ssh/keys");
    sandbox.start_sshd("-o AuthorizedKeysFile=/etc/ssh/keys -o StrictModes=no");
    sandbox.policy(
        "[settings]\ndeadline = \"1s\"\n[[private]]\npath = \"/tmp\"\n\
         [[private]]\npath = \"{home}\"\noptional = true\n",
    );
    for home in ["/dead/direct", "/dead/fuse/d"] {
        sandbox.sh(&format!(
            "sed -i 's|^\\(alice:.*:\\)/[^:]*:|\\1{home}:|' /etc/passwd"
        ));
        let before = sandbox.log().len();
        sandbox.sh("setsid su - alice -c true >/dev/null 2>&1 </dev/null &
                    setsid ssh -l alice localhost true >/dev/null 2>&1 </dev/null &");
        for service in ["su-l", "sshd"] {
            sandbox.wait_for_log(before, &format!("session of alice by {service}"));
        }
        sandbox.wait_for_log(before, "does not answer");
        sandbox.sh("pkill -KILL -x su; pkill -KILL -x ssh; pkill -KILL -u alice; true");
        sandbox.wait_for_logouts();
        sandbox.assert_nothing_is_left(home);
    }
    sandbox.end_dead();
}
