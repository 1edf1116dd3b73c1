//! `[[overlay]]`: users change what everybody has, each for themselves.

use crate::sandbox::{Sandbox, ours_only, sandbox};

/// What is in `/srv/laid` shows, and can be changed.
const LAYERS: &str = "\
[settings]
exempt = [\"root\"]
[[overlay]]
path = \"/srv/laid\"
";

/// The same with a directory whose changes end with the session.
const OF_SESSION: &str = "\
[settings]
exempt = [\"root\"]
[[overlay]]
path = \"/srv/laid\"
per = \"session\"
";

impl Sandbox {
    /// Serves ssh and su under a policy with layers, over a directory that all may write to.
    fn lay_over(&self, policy: &str) {
        // A sandbox's root is an overlay, which cannot hold a layer.
        self.sh("mkdir -p /var/lib && mount -t tmpfs -o mode=755 of-sandbox /var/lib");
        self.sh("mkdir -p /srv/laid/tool; echo host >/srv/laid/tool/version; echo host >/srv/laid/file; chmod -R a+rwX /srv/laid");
        self.policy(policy);
        self.serve_ssh();
        self.protect("su");
    }
}

const LIST: &str = "cd /srv/laid && find . -type f | sort | xargs -r grep -H .";

#[test]
fn each_user_writes_to_a_layer_of_their_own() {
    ours_only!("layers");
    let sandbox = sandbox!();
    sandbox.lay_over(LAYERS);
    sandbox.share();
    let before = sandbox.state();
    let change = "echo alice >/srv/laid/tool/version; rm /srv/laid/file; echo new >/srv/laid/new; mv /srv/laid/tool /srv/laid/moved";
    sandbox.ssh("alice", change).text();
    let changed = "./moved/version:alice\n./new:new";
    assert_eq!(
        sandbox.su("alice", LIST).text(),
        changed,
        "the same namespace"
    );
    let untouched = "./file:host\n./tool/version:host";
    assert_eq!(sandbox.ssh("bob", LIST).text(), untouched);
    assert_eq!(sandbox.sh(LIST), untouched);
    before.assert_nothing_left(&sandbox); // it runs the collector
    assert_eq!(
        sandbox.ssh("alice", LIST).text(),
        changed,
        "a new namespace"
    );
    assert_eq!(
        sandbox.sh("stat -c '%a %u' /var/lib/jns/user/2001/srv-laid"),
        "700 0"
    );
    sandbox.collect();
}

#[test]
fn the_layer_of_a_session_is_gone_after_it() {
    ours_only!("layers");
    let sandbox = sandbox!();
    sandbox.lay_over(OF_SESSION);
    let before = sandbox.state();
    let change = "rm -r /srv/laid/tool; mkdir -p /srv/laid/a/b; mv /srv/laid/file /srv/laid/a/b; ls /srv/laid";
    assert_eq!(sandbox.ssh("alice", change).text(), "a");
    assert_eq!(sandbox.su("alice", "ls /srv/laid").text(), "file\ntool");
    sandbox.wait_for_logouts();
    assert_eq!(sandbox.sh("ls -A /var/lib/jns/session"), "");
    before.assert_nothing_left(&sandbox);
}

/// What a killed monitor leaves, gc removes; not before the session's processes have ended.
#[test]
fn gc_removes_the_layer_of_a_session_that_has_ended() {
    ours_only!("layers");
    let sandbox = sandbox!();
    sandbox.lay_over(OF_SESSION);
    let session = sandbox.start_session("alice");
    session
        .run("bash -c 'rm -r /srv/laid/tool; mkdir -p /srv/laid/a/b; mv /srv/laid/file /srv/laid/a/b'")
        .text();
    session.kill_monitor();
    let layers = "ls /var/lib/jns/session | wc -l";
    sandbox.sh("jns gc --linger 0s; rm /run/jns/session/*; touch -d '-1 day' /var/lib/jns/session/*; jns gc --linger 0s");
    assert_eq!(sandbox.sh(layers), "1", "its processes live");
    assert_eq!(session.run("ls /srv/laid/a/b").text(), "file");
    sandbox.sh(&format!("kill {}", session.pid));
    // Last of all ends the sshd that served it as the user.
    sandbox.wait_until(&format!("jns gc --linger 0s && [ $({layers}) = 0 ]"));
}

#[test]
fn who_would_write_to_a_layer_in_use_is_refused_with_the_reason() {
    ours_only!("layers");
    let sandbox = sandbox!();
    sandbox.lay_over(LAYERS);
    sandbox.share_nothing();
    let session = sandbox.start_session("alice");
    let refused = sandbox.su("alice", "true");
    assert!(!refused.succeeded(), "{refused:#?}");
    let log = sandbox.log().join("\n");
    let reason = "cannot use the layer /var/lib/jns/user/2001/srv-laid: \
                  a session in another namespace writes to it (/etc/security/jns.toml:3)";
    assert!(log.contains(reason), "{log}");
    assert_eq!(
        sandbox.su("bob", LIST).text(),
        "./file:host\n./tool/version:host"
    );
    session.end();
    sandbox.su("alice", "echo later >/srv/laid/later").text();
    assert_eq!(
        sandbox.sh("cat /var/lib/jns/user/2001/srv-laid/upper/later"),
        "later"
    );
}
