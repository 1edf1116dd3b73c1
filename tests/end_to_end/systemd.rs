//! Under systemd: user managers and what they start, and runtime directories.

use crate::bed::{Bed, Outcome, bed, ours_only};

impl Bed {
    /// Lets everything that runs users' programs here go through the module.
    fn protect_all(&self) {
        for service in ["sshd", "cron", "atd", "su", "systemd-user"] {
            self.protect(service);
        }
    }

    /// Runs a script as a service of alice's manager, asked for in an ssh session.
    fn user_service(&self, script: &str) -> Outcome {
        self.ssh(
            "alice",
            &format!("systemd-run --user --wait --pipe -q bash -c '{script}'"),
        )
    }

    /// Starts an at job of alice's that sleeps, and gives its pid.
    fn start_job(&self) -> String {
        self.sh("cd /home/alice && echo 'echo $$ >job; exec sleep 1000' |
                 setpriv --reuid 2001 --regid 2001 --init-groups at now");
        self.wait_until("[ -s /home/alice/job ]");
        self.sh("cat /home/alice/job")
    }

    /// Runs a script in a scope of alice's manager, from an ssh session.
    fn user_scope(&self, script: &str) -> Outcome {
        self.ssh(
            "alice",
            &format!("systemd-run --user --scope -q bash -c '{script}'"),
        )
    }
}

#[test]
fn a_users_services_see_the_users_directories() {
    ours_only!("example for user managers");
    let bed = bed!(boot);
    bed.protect_all();
    bed.sh(&Bed::marking("host"));
    let _session = bed.start_session("alice");
    bed.ssh("alice", "touch /tmp/of-alice /var/tmp/of-alice")
        .text();
    let list = "ls /tmp /var/tmp";
    let own = "/tmp:\nof-alice\n\n/var/tmp:\nof-alice";
    assert_eq!(bed.user_service(list).text(), own, "service");
    assert_eq!(bed.user_scope(list).text(), own, "scope");
    assert_eq!(bed.ssh("bob", list).text(), "/tmp:\n\n/var/tmp:");
    let host = bed.sh("ls -d /tmp/of-* /var/tmp/of-*");
    assert_eq!(host, "/tmp/of-host\n/var/tmp/of-host");
}

/// It is mounted on the host, after the at job's namespace was made, and does not live on in there.
#[test]
fn a_runtime_directory_comes_and_goes_in_namespaces_that_are_there_already() {
    ours_only!("example for user managers");
    let bed = bed!(boot);
    bed.protect_all();
    let job = bed.start_job();
    bed.sh("[ ! -e /run/user/2001 ]");
    let host = bed.sh("readlink /proc/1/ns/mnt");
    assert_ne!(bed.sh(&format!("readlink /proc/{job}/ns/mnt")), host);

    let look = "echo $XDG_RUNTIME_DIR && systemctl --user is-active default.target";
    assert_eq!(bed.ssh("alice", look).text(), "/run/user/2001\nactive");
    let is_there = format!("nsenter -m -t {job} grep -q ' /run/user/2001 ' /proc/self/mountinfo");
    assert!(bed.run(&is_there).succeeded());
    bed.sh("systemctl stop user@2001 user-runtime-dir@2001");
    assert!(!bed.run(&is_there).succeeded());
}
