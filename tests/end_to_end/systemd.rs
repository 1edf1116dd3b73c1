//! Under systemd: user managers and what they start, runtime directories, lingering, and our own units.

use crate::bed::{Bed, Outcome, bed, deadline, ours_only};
use crate::jobs::run_at_once;
use std::time::{Duration, Instant};

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

    /// Waits until nobody is logged in any more, and the user managers are gone.
    #[track_caller]
    fn wait_for_nobody(&self) {
        self.wait_until("[ -z \"$(loginctl --no-legend list-sessions | grep -v manager)\" ]");
        self.sh("systemctl stop 'user@*'");
    }

    /// Has `jns gc` run as the service.
    #[track_caller]
    fn run_service(&self) {
        let ran = self.run("systemctl start jns-gc.service || ! journalctl -q -u jns-gc.service");
        assert!(ran.succeeded(), "{}", ran.stdout);
    }

    /// What there is of namespaces and sessions.
    fn remains(&self) -> String {
        self.sh(
            "find /run/jns/ns /run/jns/namespace /run/jns/session /var/lib/jns/session -mindepth 1 2>/dev/null || true",
        )
    }

    /// Takes everything but the kernel down, and boots again.
    #[track_caller]
    fn reboot(&self) {
        self.run("systemctl soft-reboot"); // it is killed like everything else
        let deadline = deadline();
        loop {
            let state =
                self.run("systemctl is-system-running; systemctl --failed; systemctl list-jobs");
            if state.stdout.starts_with("running") {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "it does not boot again: {state:#?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
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
    bed.run_service();
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
    bed.run_service();
    assert_eq!(
        bed.ssh("alice", "readlink /proc/self/ns/mnt").text(),
        namespace
    );

    other.end();
    bed.wait_for_nobody();
    bed.run_service();
    assert_eq!(bed.remains(), "");
}

/// Pins in the mount namespace of a sandbox are out of the host's sight, and the host's out of its.
#[test]
fn a_daemon_in_a_sandbox_keeps_its_sessions_apart() {
    ours_only!("shared namespaces");
    let bed = bed!(boot);
    bed.protect_all();
    let session = bed.start_session("alice");
    bed.sh("touch /tmp/of-host; mkdir /run/systemd/system/cron.service.d");
    bed.write(
        "/run/systemd/system/cron.service.d/sandbox.conf",
        "[Service]\nProtectSystem=full\n",
    );
    bed.sh("systemctl daemon-reload");
    let place = "readlink /proc/self/ns/mnt; ls -d /tmp/of-* 2>/dev/null";
    let first = bed.cron(place).stdout;
    assert_ne!(first.trim(), bed.namespace_of(&session.pid));
    assert!(!first.contains("of-host"), "{first}");
    let told = "cron.service: ProtectSystem=full keeps its sessions in namespaces apart";
    assert!(bed.run("jns doctor").stdout.contains(told));
}

/// The manager's session is closed by its `(sd-pam)` process, as the user and without privileges.
#[test]
fn what_a_manager_cannot_clean_up_is_collected() {
    ours_only!("garbage collection");
    let bed = bed!(boot);
    bed.protect_all();
    bed.policy(
        "[settings]\nexempt = [\"root\"]\n[[private]]\npath = \"/tmp\"\nper = \"session\"\n",
    );
    bed.ssh(
        "alice",
        "touch /tmp/letter; systemctl --user is-active default.target",
    )
    .text();
    bed.wait_for_nobody();
    assert_ne!(
        bed.sh("ls /var/lib/jns/session"),
        "",
        "the manager's directory is left"
    );
    bed.run_service();
    assert_eq!(bed.remains(), "");
    let errors = bed.log().into_iter().filter(|line| line.contains("cannot"));
    assert_eq!(errors.collect::<Vec<_>>(), Vec::<String>::new());
}

// --- our own units -----------------------------------------------------------------------------------------

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    ours_only!("units");
    let bed = bed!(boot);
    let said = bed.run("systemd-analyze verify --man=no jns-gc.service jns-gc.timer");
    assert!(said.succeeded() && said.stderr.is_empty(), "{said:#?}");
    let said = bed.run(
        "systemd-tmpfiles --create --remove --boot --clean /usr/local/lib/tmpfiles.d/jns.conf",
    );
    assert!(said.succeeded() && said.stderr.is_empty(), "{said:#?}");
    assert_eq!(
        bed.sh("stat -c '%a %U:%G' /run/jns /var/lib/jns"),
        "700 root:root\n700 root:root"
    );
}

#[test]
fn the_doctor_sees_whether_managers_and_garbage_are_taken_care_of() {
    ours_only!("units");
    let bed = bed!(boot);
    bed.protect("sshd");
    let is_told = |text| bed.run("jns doctor").stdout.contains(text);
    let missing = ["systemd-user: without pam_jns", "neither a timer nor cron"];
    assert_eq!(missing.map(is_told), [true, true]);
    bed.protect("systemd-user");
    bed.sh("systemctl enable jns-gc.timer");
    assert_eq!(missing.map(is_told), [false, false]);
}

#[test]
fn the_timer_has_dead_pins_removed() {
    ours_only!("units");
    let bed = bed!(boot);
    bed.protect_all();
    bed.ssh("alice", "true").text();
    bed.wait_for_nobody();
    assert_ne!(bed.remains(), "");
    bed.sh("mkdir /run/systemd/system/jns-gc.timer.d");
    bed.write(
        "/run/systemd/system/jns-gc.timer.d/soon.conf",
        "[Timer]\nOnActiveSec=\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=1ms\n",
    );
    bed.sh("systemctl daemon-reload && systemctl start jns-gc.timer");
    bed.wait_until("[ -n \"$(systemctl show -P ExecMainExitTimestamp jns-gc.service)\" ]");
    assert_eq!(bed.sh("systemctl show -P Result jns-gc.service"), "success");
    assert_eq!(bed.remains(), "");
}

/// What `jns gc` has to do, done by a shell within the service's limits.
#[test]
fn the_service_can_do_what_it_is_for() {
    ours_only!("units");
    let bed = bed!(boot);
    bed.sh("mkdir /srv/pin && mount -t tmpfs pin /srv/pin");
    bed.sh("install -d -m 0 -o alice /srv/closed && touch /srv/closed/file");
    bed.sh("setpriv --reuid 2001 --regid 2001 --clear-groups sleep 1000 </dev/null &>/dev/null &");
    bed.wait_until("pgrep -u alice sleep");
    bed.write(
        "/srv/work",
        "set -e; readlink /proc/self/ns/mnt; readlink /proc/$(pgrep -u alice sleep)/ns/mnt
         umount /srv/pin; rm -r /srv/closed; nsenter -m -t 1 true; getent passwd alice",
    );
    bed.sh("mkdir /run/systemd/system/jns-gc.service.d");
    bed.write(
        "/run/systemd/system/jns-gc.service.d/work.conf",
        "[Service]\nExecStart=\nExecStart=bash /srv/work\nStandardOutput=file:/srv/seen\n",
    );
    bed.sh("systemctl daemon-reload && systemctl start jns-gc.service");
    let host = bed.sh("readlink /proc/1/ns/mnt");
    let seen = bed.sh("head -n 2 /srv/seen");
    assert_eq!(
        seen,
        format!("{host}\n{host}"),
        "it runs in the host's mount namespace"
    );
    bed.sh("! mountpoint -q /srv/pin && [ ! -e /srv/closed ]");
}

#[test]
fn booting_removes_what_belonged_to_sessions() {
    ours_only!("units");
    let bed = bed!(boot);
    bed.sh("cd /var/lib/jns && mkdir -p session/0123456789abcdef/tmp user/2001/tmp group/2100/tmp");
    bed.sh("cd /var/lib/jns && touch session/0123456789abcdef/tmp/letter user/2001/tmp/letter group/2100/tmp/letter");
    bed.sh("systemd-tmpfiles --create --remove --clean");
    bed.sh("[ -e /var/lib/jns/session/0123456789abcdef/tmp/letter ]"); // it may be in use
    bed.reboot();
    let left = bed.sh("cd /var/lib/jns && find . -type f | sort");
    assert_eq!(left, "./group/2100/tmp/letter\n./user/2001/tmp/letter");
}

/// /run stays, with pins of namespaces whose processes were all killed, and records of their sessions.
#[test]
fn what_a_soft_reboot_leaves_is_in_nobodys_way() {
    ours_only!("shared namespaces");
    let bed = bed!(boot);
    bed.protect_all();
    let _killed = bed.start_session("alice");
    bed.reboot();
    let session = bed.start_session("alice");
    let namespace = bed.namespace_of(&session.pid);
    let seen = bed.ssh("alice", "readlink /proc/self/ns/mnt; ls -d /run/user/2001");
    assert_eq!(seen.text(), format!("{namespace}\n/run/user/2001"));
    session.end();
    bed.wait_for_nobody();
    bed.run_service();
    assert_eq!(bed.remains(), "");
}

#[test]
fn files_in_the_store_do_not_age_unless_told() {
    ours_only!("units");
    let bed = bed!(boot);
    bed.sh("mkdir -p /var/lib/other /var/lib/jns/user/2001/tmp");
    bed.sh("touch -d 2001-01-01 /var/lib/other/letter /var/lib/jns/user/2001/tmp/letter");
    bed.write("/etc/tmpfiles.d/00-age.conf", "d /var/lib - - - m:1d\n");
    bed.sh("systemctl restart systemd-tmpfiles-clean.service");
    let left = bed.sh("find /var/lib/jns /var/lib/other -name letter");
    assert_eq!(left, "/var/lib/jns/user/2001/tmp/letter");

    bed.sh("sed -n 's/^#e/e/; s/10d$/m:10d/p' /usr/local/lib/tmpfiles.d/jns.conf >/etc/tmpfiles.d/jns-age.conf");
    bed.sh("systemctl restart systemd-tmpfiles-clean.service");
    bed.sh("[ -d /var/lib/jns/user/2001/tmp ] && [ ! -e /var/lib/jns/user/2001/tmp/letter ]");
}
