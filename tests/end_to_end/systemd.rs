//! Under systemd: user managers and what they start, runtime directories and lingering.

use crate::bed::{Bed, Outcome, bed, ours_only};
use crate::jobs::run_at_once;

impl Bed {
    /// Lets everything that runs users' programs here go through the module.
    fn protect_all(&self) {
        for service in ["sshd", "cron", "atd", "su", "sudo", "systemd-user"] {
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

    /// Runs a script as a cron job of alice's.
    fn cron(&self, script: &str) -> Outcome {
        self.write("/srv/job", script);
        self.sh("rm -f /home/alice/seen");
        let job = "cd; bash /srv/job >part 2>&1; mv part seen";
        self.write("/etc/cron.d/job", format!("@reboot alice {job}\n"));
        self.sh("rm /run/crond.reboot && systemctl restart cron"); // it believes that this is a boot
        self.wait_until("[ -e /home/alice/seen ]");
        self.run("cat /home/alice/seen")
    }

    /// The mount namespace of a process.
    fn namespace_of(&self, pid: &str) -> String {
        self.sh(&format!("readlink /proc/{pid}/ns/mnt"))
    }

    /// The pid of alice's manager, once it runs.
    fn manager(&self) -> String {
        self.wait_until("systemctl is-active -q user@2001");
        self.sh("systemctl show -P MainPID user@2001")
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
    assert_ne!(bed.namespace_of(&job), bed.namespace_of("1"));

    let look = "echo $XDG_RUNTIME_DIR && systemctl --user is-active default.target";
    assert_eq!(bed.ssh("alice", look).text(), "/run/user/2001\nactive");
    let is_there = format!("nsenter -m -t {job} grep -q ' /run/user/2001 ' /proc/self/mountinfo");
    assert!(bed.run(&is_there).succeeded());
    bed.sh("systemctl stop user@2001 user-runtime-dir@2001");
    assert!(!bed.run(&is_there).succeeded());
}

/// What is in memory belongs to the namespace, so it also tells namespaces apart.
const PLACE: &str = "readlink /proc/self/ns/mnt; cat /dev/shm/note";

#[test]
fn all_ways_in_lead_to_one_namespace() {
    ours_only!("shared namespaces");
    let bed = bed!(boot);
    bed.protect_all();
    let session = bed.start_session("alice");
    bed.ssh("alice", "echo from alice >/dev/shm/note").text();
    let namespace = bed.namespace_of(&session.pid);
    assert_ne!(namespace, bed.namespace_of("1"));

    let ways = [
        ("ssh", bed.ssh("alice", PLACE)),
        ("a user service", bed.user_service(PLACE)),
        ("a user scope", bed.user_scope(PLACE)),
        ("at", run_at_once(&bed, "alice", PLACE)),
        ("cron", bed.cron(PLACE)),
        ("su", bed.exec(&["su", "alice", "-c", PLACE])),
        (
            "sudo",
            bed.exec(&["sudo", "-u", "alice", "bash", "-c", PLACE]),
        ),
    ];
    let expected = format!("{namespace}\nfrom alice");
    for (way, seen) in ways {
        assert_eq!(seen.text(), expected, "{way}");
    }
    assert_ne!(
        bed.ssh("bob", "readlink /proc/self/ns/mnt").text(),
        namespace
    );
}

#[test]
fn a_lingering_manager_and_later_logins_share_a_namespace() {
    ours_only!("shared namespaces");
    let bed = bed!(boot);
    bed.protect_all();
    bed.sh("loginctl enable-linger alice");
    let namespace = bed.namespace_of(&bed.manager());
    assert_ne!(namespace, bed.namespace_of("1"));
    for _ in 0..2 {
        assert_eq!(
            bed.ssh("alice", "readlink /proc/self/ns/mnt").text(),
            namespace
        );
        bed.wait_for_logouts();
    }
    assert_eq!(
        bed.ssh("alice", "readlink /proc/self/ns/mnt").text(),
        namespace
    );
}

#[test]
fn a_terminated_session_takes_nothing_from_the_others() {
    ours_only!("shared namespaces");
    let bed = bed!(boot);
    bed.protect_all();
    let doomed = bed.start_session("alice").pid;
    let other = bed.start_session("alice");
    let namespace = bed.namespace_of(&other.pid);
    assert_eq!(bed.namespace_of(&doomed), namespace);

    let id = format!("tr '\\0' '\\n' </proc/{doomed}/environ | sed -n 's/^XDG_SESSION_ID=//p'");
    bed.sh(&format!("loginctl terminate-session $({id})"));
    bed.wait_until(&format!("[ ! -e /proc/{doomed} ]"));
    assert_eq!(
        bed.ssh("alice", "readlink /proc/self/ns/mnt").text(),
        namespace
    );
}
