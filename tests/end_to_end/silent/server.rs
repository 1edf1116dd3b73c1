//! A server that answers slowly, and one that answers again when a login has given it up.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

const SOURCE: &str = include_str!("server.c");

/// What the server waits before each answer, in milliseconds, and how many answers the deadline is long.
const DELAY: &str = "50";
const IN_TIME: usize = 20;

/// The directories of the server that a policy covers. All of them take more than twice the deadline.
const DIRECTORIES: usize = 12;

const SETTINGS: &str = "[settings]\ndeadline = \"1s\"\nexempt = []\n";

impl Sandbox {
    /// Mounts the server's file system at `/served`.
    fn serve(&self) {
        self.write("/root/server.c", SOURCE);
        self.sh(
            "gcc -w -o /usr/local/bin/server /root/server.c; mkdir /served; : >/run/server-requests
             mknod -m 666 /dev/fuse c 10 229; server /served >/dev/null 2>&1 </dev/null",
        );
    }

    /// Has the server wait before each answer; `-1` is for ever.
    fn delay(&self, milliseconds: &str) {
        // At once: an empty file is for ever.
        self.sh(&format!(
            "echo {milliseconds} >/run/delay; mv /run/delay /run/server-delay"
        ));
    }

    /// How many requests the server has got in a login, and whether that was let in.
    fn login_with_requests(&self, user: &str) -> (usize, bool) {
        self.sh(": >/run/server-requests");
        let outcome = self.su_in_time(user);
        let requests = self.sh("wc -l </run/server-requests").trim().parse();
        (requests.unwrap(), outcome.succeeded())
    }
}

/// Private directories of alice and root on the server.
fn rules(directories: usize) -> String {
    let rule = |number| {
        format!("[[private]]\npath = \"/served/d{number}\"\nusers = [\"alice\", \"root\"]\n")
    };
    (1..=directories).map(rule).collect()
}

/// Each answer comes in time, and all of them do not. The requests are counted, and not the time.
#[test]
fn a_slow_server_is_asked_until_the_deadline() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gcc");
    sandbox.protect("su");
    sandbox.serve();
    sandbox.delay("0");
    sandbox.policy(&format!("{SETTINGS}{}", rules(DIRECTORIES)));
    let (all, is_let_in) = sandbox.login_with_requests("alice");
    assert!(is_let_in && all > 2 * IN_TIME, "{all}: {:?}", sandbox.log());
    sandbox.delay(DELAY);
    // Who joins asks less, and may be in time. Root is let in, with the host's view.
    let (requests, _) = sandbox.login_with_requests("alice");
    assert!(requests <= IN_TIME, "{requests} in a later login");
    assert!(sandbox.jns(&["gc", "--linger", "0s"]).succeeded());
    for (user, may_come_in) in [("alice", false), ("root", true)] {
        let (requests, is_let_in) = sandbox.login_with_requests(user);
        assert!(requests <= IN_TIME, "{user}: {requests}");
        assert_eq!(is_let_in, may_come_in, "{user}: {:?}", sandbox.log());
    }
    sandbox.delay("0");
    assert_eq!(sandbox.su_in_time("alice").text(), "in");
    sandbox.assert_nothing_is_left("logins by a slow server");
    sandbox.sh("pkill -KILL server");
}

/// Whoever asks waits where nothing ends it, until the server answers.
#[test]
fn nothing_is_left_of_logins_when_the_server_answers_again() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "gcc");
    sandbox.protect("su");
    sandbox.serve();
    sandbox.policy(&format!("{SETTINGS}{}", rules(2)));
    for way in ["the first", "a later one"] {
        sandbox.delay("-1");
        for (user, may_come_in) in [("alice", false), ("root", true)] {
            let outcome = sandbox.su_in_time(user);
            assert_eq!(
                outcome.succeeded(),
                may_come_in,
                "{user}, {way}: {outcome:?}"
            );
        }
        let asking = sandbox.run("ps -e -o stat=,comm= | grep -q '^D.* su$'");
        assert!(asking.succeeded(), "nobody waits for the server");
        sandbox.delay("0");
        // The very next one, whether or not those are gone.
        for user in ["alice", "root"] {
            let marked = "cd /; [ \"$(stat -c %a /served/d1)\" = 755 ] && grep -c ' /served/d' /proc/self/mounts";
            let outcome = sandbox.exec(&["su", user, "-c", marked]);
            assert_eq!(outcome.stdout, "2\n", "{user}, {way}: {:?}", sandbox.log());
        }
        sandbox.assert_nothing_is_left(way);
    }
    sandbox.sh("pkill -KILL server");
}
