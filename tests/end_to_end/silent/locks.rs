//! Locks that somebody holds. Who has stopped a `su` in the middle of it keeps others waiting, and not for longer than
//! their deadline allows. How long is what the log says.

use crate::sandbox::{Sandbox, ours_only, sandbox};

/// A deadline of which half is less than the two seconds that a lock is waited for where there is none.
const SETTINGS: &str = "[settings]\ndeadline = \"3s\"\nexempt = []\n";

/// A hook that has somebody join the user's namespaces for ever, and fails.
const HOLDING_HOOK: &str = "#!/bin/bash
lock=/run/jns/lock/2001
setsid flock -s $lock sleep 1000 </dev/null >/dev/null 2>&1 &
until ! flock -n -x $lock true; do sleep 0.1; done
exit 1
";

impl Sandbox {
    /// The seconds that the log, behind the first `before` lines, says the lock was held.
    #[track_caller]
    fn seconds_held(&self, before: usize, lock: &str) -> f64 {
        let log = self.log().split_off(before);
        let line = format!("/run/jns/lock/{lock}: another process has held it for ");
        let said = log.iter().find_map(|one| one.split_once(&line));
        let seconds = said.and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        seconds.unwrap_or_else(|| panic!("{log:?}"))
    }
}

#[test]
fn the_lock_of_pins_is_waited_for_until_half_of_the_deadline() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.policy(&format!("{SETTINGS}[[private]]\npath = \"/tmp\"\n"));
    sandbox.sh(
        "install -d -m 700 /run/jns /run/jns/lock; install -m 600 /dev/null /run/jns/lock/pins
         setsid flock -x /run/jns/lock/pins sleep 1000 </dev/null >/dev/null 2>&1 &
         until ! flock -n -x /run/jns/lock/pins true; do sleep 0.1; done",
    );
    for (user, less_than) in [("alice", 2.0), ("root", 1.0)] {
        let before = sandbox.log().len();
        assert_eq!(sandbox.su_in_time(user).text(), "in", "{user}");
        let seconds = sandbox.seconds_held(before, "pins");
        assert!(seconds < less_than, "{user}: {seconds}");
    }
    sandbox.sh("pkill -x sleep");
    assert_eq!(sandbox.su_in_time("alice").text(), "in");
    sandbox.wait_until("[ -e /run/jns/ns/.vault ]");
}

#[test]
fn a_login_that_is_taken_back_waits_for_no_other_longer_than_its_deadline() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.write("/usr/local/bin/hook", HOLDING_HOOK);
    sandbox.sh("chmod 755 /usr/local/bin/hook");
    sandbox.policy(&format!(
        "{SETTINGS}[[private]]\npath = \"/tmp\"\n[[hook]]\nwhen = \"open\"\nrun = [\"/usr/local/bin/hook\"]\n"
    ));
    let before = sandbox.log().len();
    assert!(!sandbox.su_in_time("alice").succeeded());
    let seconds = sandbox.seconds_held(before, "2001");
    assert!(seconds < 2.0, "{seconds}");
    sandbox.sh("pkill -x sleep");
}
