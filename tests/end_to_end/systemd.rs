//! Under systemd: user managers and what they start, runtime directories, lingering, and our own units.

use crate::jobs::run_at_once;
use crate::sandbox::{Outcome, Sandbox, deadline, ours_only, sandbox};
use std::time::{Duration, Instant};

impl Sandbox {
    /// Lets everything that runs users' programs here go through the module.
    fn protect_all(&self) {
        for service in ["sshd", "cron", "atd", "su", "sudo", "systemd-user"] {
            self.protect(service);
        }
        self.sh("mkdir -p /etc/security/jns.d");
        let settings = "[settings]\nlinger = \"0s\"\n";
        self.write("/etc/security/jns.d/10-linger.toml", settings);
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

    /// Waits until a user has no session but that of a manager.
    #[track_caller]
    fn wait_for_logouts_of(&self, user: &str) {
        self.wait_until(&format!(
            "[ -z \"$(loginctl --no-legend list-sessions | grep -v manager | grep ' {user} ')\" ]"
        ));
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
            "find /run/jns/ns /run/jns/namespace /run/jns/session /var/lib/jns/session -mindepth 1 ! -name .vault 2>/dev/null || true",
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
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    sandbox.sh(&Sandbox::marking("host"));
    let _session = sandbox.start_session("alice");
    sandbox
        .ssh("alice", "touch /tmp/of-alice /var/tmp/of-alice")
        .text();
    let list = "ls /tmp /var/tmp";
    let own = "/tmp:\nof-alice\n\n/var/tmp:\nof-alice";
    assert_eq!(sandbox.user_service(list).text(), own, "service");
    assert_eq!(sandbox.user_scope(list).text(), own, "scope");
    assert_eq!(sandbox.ssh("bob", list).text(), "/tmp:\n\n/var/tmp:");
    let host = sandbox.sh("ls -d /tmp/of-* /var/tmp/of-*");
    assert_eq!(host, "/tmp/of-host\n/var/tmp/of-host");
}

/// It is mounted on the host, after the at job's namespace was made, and does not live on in there.
#[test]
fn a_runtime_directory_comes_and_goes_in_namespaces_that_are_there_already() {
    ours_only!("example for user managers");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    let job = sandbox.start_job();
    sandbox.sh("[ ! -e /run/user/2001 ]");
    assert_ne!(sandbox.namespace_of(&job), sandbox.namespace_of("1"));

    let look = "echo $XDG_RUNTIME_DIR && systemctl --user is-active default.target";
    assert_eq!(sandbox.ssh("alice", look).text(), "/run/user/2001\nactive");
    let is_there = format!("nsenter -m -t {job} grep -q ' /run/user/2001 ' /proc/self/mountinfo");
    assert!(sandbox.run(&is_there).succeeded());
    sandbox.sh("systemctl stop user@2001 user-runtime-dir@2001");
    assert!(!sandbox.run(&is_there).succeeded());
}

/// What is in memory belongs to the namespace, so it also distinguishes namespaces.
const PLACE: &str = "readlink /proc/self/ns/mnt; cat /dev/shm/note";

#[test]
fn all_ways_in_lead_to_one_namespace() {
    ours_only!("shared namespaces");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    let session = sandbox.start_session("alice");
    sandbox
        .ssh("alice", "echo from alice >/dev/shm/note")
        .text();
    let namespace = sandbox.namespace_of(&session.pid);
    assert_ne!(namespace, sandbox.namespace_of("1"));

    let ways = [
        ("ssh", sandbox.ssh("alice", PLACE)),
        ("a user service", sandbox.user_service(PLACE)),
        ("a user scope", sandbox.user_scope(PLACE)),
        ("at", run_at_once(&sandbox, "alice", PLACE)),
        ("cron", sandbox.cron(PLACE)),
        ("su", sandbox.exec(&["su", "alice", "-c", PLACE])),
        (
            "sudo",
            sandbox.exec(&["sudo", "-u", "alice", "bash", "-c", PLACE]),
        ),
    ];
    let expected = format!("{namespace}\nfrom alice");
    for (way, seen) in ways {
        assert_eq!(seen.text(), expected, "{way}");
    }
    assert_ne!(
        sandbox.ssh("bob", "readlink /proc/self/ns/mnt").text(),
        namespace
    );
}

#[test]
fn a_lingering_manager_and_later_logins_share_a_namespace() {
    ours_only!("shared namespaces");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    sandbox.sh("loginctl enable-linger alice");
    let namespace = sandbox.namespace_of(&sandbox.manager());
    assert_ne!(namespace, sandbox.namespace_of("1"));
    for _ in 0..2 {
        assert_eq!(
            sandbox.ssh("alice", "readlink /proc/self/ns/mnt").text(),
            namespace
        );
        sandbox.wait_for_logouts();
    }
    sandbox.run_service();
    assert_eq!(
        sandbox.ssh("alice", "readlink /proc/self/ns/mnt").text(),
        namespace
    );
}

#[test]
fn a_terminated_session_takes_nothing_from_the_others() {
    ours_only!("shared namespaces");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    let doomed = sandbox.start_session("alice").pid;
    let other = sandbox.start_session("alice");
    let namespace = sandbox.namespace_of(&other.pid);
    assert_eq!(sandbox.namespace_of(&doomed), namespace);

    let id = format!("tr '\\0' '\\n' </proc/{doomed}/environ | sed -n 's/^XDG_SESSION_ID=//p'");
    sandbox.sh(&format!("loginctl terminate-session $({id})"));
    sandbox.wait_until(&format!("[ ! -e /proc/{doomed} ]"));
    sandbox.run_service();
    assert_eq!(
        sandbox.ssh("alice", "readlink /proc/self/ns/mnt").text(),
        namespace
    );

    other.end();
    sandbox.wait_for_nobody();
    sandbox.run_service();
    assert_eq!(sandbox.remains(), "");
}

/// Pins in the mount namespace of a sandbox are out of the host's sight, and the host's out of its.
#[test]
fn a_daemon_in_a_sandbox_keeps_its_sessions_apart() {
    ours_only!("shared namespaces");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    let session = sandbox.start_session("alice");
    sandbox.sh("touch /tmp/of-host; mkdir /run/systemd/system/cron.service.d");
    sandbox.write(
        "/run/systemd/system/cron.service.d/sandbox.conf",
        "[Service]\nProtectSystem=full\n",
    );
    sandbox.sh("systemctl daemon-reload");
    let place = "readlink /proc/self/ns/mnt; ls -d /tmp/of-* 2>/dev/null";
    let first = sandbox.cron(place).stdout;
    assert_ne!(first.trim(), sandbox.namespace_of(&session.pid));
    assert!(!first.contains("of-host"), "{first}");
    let message = "cron.service: ProtectSystem=full keeps its sessions in namespaces apart";
    assert!(sandbox.run("jns doctor").stdout.contains(message));
}

/// The manager's session is closed by its `(sd-pam)` process, as the user and without privileges.
#[test]
fn what_a_manager_cannot_clean_up_is_collected() {
    ours_only!("jns gc");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    sandbox.policy(
        "[settings]\nexempt = [\"root\"]\n[[private]]\npath = \"/tmp\"\nper = \"session\"\n",
    );
    sandbox
        .ssh(
            "alice",
            "touch /tmp/letter; systemctl --user is-active default.target",
        )
        .text();
    sandbox.wait_for_nobody();
    assert_ne!(
        sandbox.sh("ls /var/lib/jns/session"),
        "",
        "the manager's directory is left"
    );
    sandbox.run_service();
    assert_eq!(sandbox.remains(), "");
    let errors = sandbox
        .log()
        .into_iter()
        .filter(|line| line.contains("cannot"));
    assert_eq!(errors.collect::<Vec<_>>(), Vec::<String>::new());
}

// --- our own units -----------------------------------------------------------------------------------------

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    ours_only!("units");
    let sandbox = sandbox!(boot);
    let said = sandbox
        .run("systemd-analyze verify --man=no jns-gc.service jns-gc@2001.service jns-gc.timer jns-run-user.service");
    assert!(said.succeeded() && said.stderr.is_empty(), "{said:#?}");
    let said = sandbox.run(
        "systemd-tmpfiles --create --remove --boot --clean /usr/local/lib/tmpfiles.d/jns.conf",
    );
    assert!(said.succeeded() && said.stderr.is_empty(), "{said:#?}");
    assert_eq!(
        sandbox.sh("stat -c '%a %U:%G' /run/jns /var/lib/jns"),
        "700 root:root\n700 root:root"
    );
}

#[test]
fn the_doctor_sees_whether_managers_and_collection_are_taken_care_of() {
    ours_only!("units");
    let sandbox = sandbox!(boot);
    sandbox.protect("sshd");
    let is_reported = |text| sandbox.run("jns doctor").stdout.contains(text);
    let missing = ["systemd-user: without pam_jns", "neither a timer nor cron"];
    assert_eq!(missing.map(is_reported), [true, true]);
    sandbox.protect("systemd-user");
    sandbox.sh("systemctl enable jns-gc.timer");
    assert_eq!(missing.map(is_reported), [false, false]);
}

#[test]
fn the_timer_has_dead_pins_removed() {
    ours_only!("units");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    sandbox.ssh("alice", "true").text();
    sandbox.wait_for_nobody();
    assert_ne!(sandbox.remains(), "");
    sandbox.sh("mkdir /run/systemd/system/jns-gc.timer.d");
    sandbox.write(
        "/run/systemd/system/jns-gc.timer.d/soon.conf",
        "[Timer]\nOnActiveSec=\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=1ms\n",
    );
    sandbox.sh("systemctl daemon-reload && systemctl start jns-gc.timer");
    sandbox.wait_until("[ -n \"$(systemctl show -P ExecMainExitTimestamp jns-gc.service)\" ]");
    assert_eq!(
        sandbox.sh("systemctl show -P Result jns-gc.service"),
        "success"
    );
    assert_eq!(sandbox.remains(), "");
}

/// The end of a user's last session has it noted since when nothing runs in the namespace, which nothing waits for.
#[test]
fn the_end_of_the_last_session_begins_the_time_of_the_namespace() {
    ours_only!("units");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    sandbox.sh("rm /etc/security/jns.d/10-linger.toml");
    let leave = || {
        sandbox.wait_for_nobody();
        // As logind does ten seconds later (UserStopDelaySec=).
        sandbox.sh("systemctl stop user-runtime-dir@2001");
    };
    sandbox.ssh("alice", "touch /dev/shm/note").text();
    leave();
    sandbox.wait_until("grep -q unused_since /run/jns/namespace/*");
    assert_eq!(
        sandbox.ssh("alice", "ls /dev/shm").text(),
        "note",
        "it lingers"
    );
    sandbox.write(
        "/etc/security/jns.d/10-linger.toml",
        "[settings]\nlinger = \"0s\"\n",
    );
    leave();
    sandbox.wait_until("[ -z \"$(ls /run/jns/ns)\" ]");
    assert_eq!(sandbox.ssh("alice", "ls /dev/shm").text(), "");
}

/// What `jns gc` has to do, done by a shell within the service's limits.
#[test]
fn the_service_can_do_what_it_is_for() {
    ours_only!("units");
    let sandbox = sandbox!(boot);
    sandbox.sh("mkdir /srv/pin && mount -t tmpfs pin /srv/pin");
    sandbox.sh("install -d -m 0 -o alice /srv/closed && touch /srv/closed/file");
    sandbox
        .sh("setpriv --reuid 2001 --regid 2001 --clear-groups sleep 1000 </dev/null &>/dev/null &");
    sandbox.wait_until("pgrep -u alice sleep");
    sandbox.write(
        "/srv/work",
        "set -e; readlink /proc/self/ns/mnt; readlink /proc/$(pgrep -u alice sleep)/ns/mnt
         umount /srv/pin; rm -r /srv/closed; nsenter -m -t 1 true; getent passwd alice",
    );
    sandbox.sh("mkdir /run/systemd/system/jns-gc.service.d");
    sandbox.write(
        "/run/systemd/system/jns-gc.service.d/work.conf",
        "[Service]\nExecStart=\nExecStart=bash /srv/work\nStandardOutput=file:/srv/seen\n",
    );
    sandbox.sh("systemctl daemon-reload && systemctl start jns-gc.service");
    let host = sandbox.sh("readlink /proc/1/ns/mnt");
    let seen = sandbox.sh("head -n 2 /srv/seen");
    assert_eq!(
        seen,
        format!("{host}\n{host}"),
        "it runs in the host's mount namespace"
    );
    sandbox.sh("! mountpoint -q /srv/pin && [ ! -e /srv/closed ]");
}

#[test]
fn booting_removes_what_belonged_to_sessions() {
    ours_only!("units");
    let sandbox = sandbox!(boot);
    sandbox.sh(
        "cd /var/lib/jns && mkdir -p session/0123456789abcdef/tmp user/2001/tmp group/2100/tmp",
    );
    sandbox.sh("cd /var/lib/jns && touch session/0123456789abcdef/tmp/letter user/2001/tmp/letter group/2100/tmp/letter");
    sandbox.sh("systemd-tmpfiles --create --remove --clean");
    sandbox.sh("[ -e /var/lib/jns/session/0123456789abcdef/tmp/letter ]"); // it may be in use
    sandbox.reboot();
    let left = sandbox.sh("cd /var/lib/jns && find . -type f | sort");
    assert_eq!(left, "./group/2100/tmp/letter\n./user/2001/tmp/letter");
}

/// /run stays, with pins of namespaces whose processes were all killed, and records of their sessions.
#[test]
fn what_a_soft_reboot_leaves_is_in_nobodys_way() {
    ours_only!("shared namespaces");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    let _killed = sandbox.start_session("alice");
    sandbox.reboot();
    let session = sandbox.start_session("alice");
    let namespace = sandbox.namespace_of(&session.pid);
    let seen = sandbox.ssh("alice", "readlink /proc/self/ns/mnt; ls -d /run/user/2001");
    assert_eq!(seen.text(), format!("{namespace}\n/run/user/2001"));
    session.end();
    sandbox.wait_for_nobody();
    sandbox.run_service();
    assert_eq!(sandbox.remains(), "");
}

#[test]
fn files_in_the_store_do_not_age_unless_asked() {
    ours_only!("units");
    let sandbox = sandbox!(boot);
    sandbox.sh("mkdir -p /var/lib/other /var/lib/jns/user/2001/tmp");
    sandbox.sh("touch -d 2001-01-01 /var/lib/other/letter /var/lib/jns/user/2001/tmp/letter");
    sandbox.write("/etc/tmpfiles.d/00-age.conf", "d /var/lib - - - m:1d\n");
    sandbox.sh("systemctl restart systemd-tmpfiles-clean.service");
    let left = sandbox.sh("find /var/lib/jns /var/lib/other -name letter");
    assert_eq!(left, "/var/lib/jns/user/2001/tmp/letter");

    sandbox.sh("sed -n 's/^#e/e/; s/10d$/m:10d/p' /usr/local/lib/tmpfiles.d/jns.conf >/etc/tmpfiles.d/jns-age.conf");
    sandbox.sh("systemctl restart systemd-tmpfiles-clean.service");
    sandbox.sh("[ -d /var/lib/jns/user/2001/tmp ] && [ ! -e /var/lib/jns/user/2001/tmp/letter ]");
}

// --- /run/user as a mount of its own -----------------------------------------------------------------------

/// Its user's alone, in whatever way a session comes about, and what the user's manager listens at is in it.
#[test]
fn a_session_has_its_users_runtime_directory_alone() {
    ours_only!("units");
    let sandbox = sandbox!(boot);
    sandbox.sh("systemctl enable jns-run-user.service");
    sandbox.reboot();
    sandbox.protect_all();
    let is_on = "every session has the runtime directories|/run/user is a mount of its own";
    let said = sandbox
        .run(&format!("jns doctor | grep -oE '{is_on}'"))
        .stdout;
    assert_eq!(said, "/run/user is a mount of its own\n");

    let job = sandbox.start_job();
    let _bob = sandbox.start_session("bob");
    let session = sandbox.start_session("alice");
    let look = "echo $XDG_RUNTIME_DIR; ls /run/user; systemctl --user is-active default.target;
                [ -S $XDG_RUNTIME_DIR/bus ] && busctl --user list >/dev/null && echo bus";
    let seen = "/run/user/2001\n2001\nactive\nbus";
    assert_eq!(sandbox.ssh("alice", look).text(), seen);
    assert_eq!(sandbox.user_service("ls /run/user").text(), "2001");
    assert_eq!(sandbox.cron("ls /run/user").text(), "2001");
    let mounts = "grep -o ' /run/user[^ ]*' /proc/self/mountinfo | sort -u | xargs";
    let in_job = format!("nsenter -m -t {job} bash -c \"{mounts}\"");
    assert_eq!(sandbox.sh(&in_job), "/run/user /run/user/2001");
    assert_eq!(
        sandbox.namespace_of(&job),
        sandbox.namespace_of(&session.pid)
    );
    assert_eq!(sandbox.sh("ls /run/user | xargs"), "2001 2002");

    // The job goes on, and so does its namespace: logind has removed the directory, and makes another one.
    sandbox.sh(&format!("kill {}", session.pid));
    sandbox.wait_for_logouts_of("alice");
    sandbox.sh("systemctl stop user@2001 user-runtime-dir@2001");
    sandbox.sh("[ ! -e /run/user/2001 ]");
    sandbox.wait_until(&format!(
        "! grep -q ' /run/user/2001 ' /proc/{job}/mountinfo"
    ));
    assert_eq!(sandbox.ssh("alice", look).text(), seen);
    assert_eq!(sandbox.sh(&in_job), "/run/user /run/user/2001");
    assert_eq!(
        sandbox.namespace_of(&job),
        sandbox.namespace_of(&sandbox.manager())
    );
}

/// Where somebody is logged in, what is mounted there would be covered.
#[test]
fn the_unit_does_nothing_while_somebody_is_logged_in() {
    ours_only!("units");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    let session = sandbox.start_session("alice");
    sandbox.sh("systemctl start jns-run-user.service");
    sandbox.sh("! mountpoint -q /run/user");
    let look = "echo $XDG_RUNTIME_DIR; systemctl --user is-active default.target";
    assert_eq!(sandbox.ssh("alice", look).text(), "/run/user/2001\nactive");
    session.end();
}

#[test]
fn a_lingering_user_has_a_runtime_directory_in_later_sessions() {
    ours_only!("units");
    let sandbox = sandbox!(boot);
    sandbox.sh("systemctl start jns-run-user.service && mountpoint -q /run/user");
    sandbox.protect_all();
    sandbox.sh("loginctl enable-linger alice");
    let namespace = sandbox.namespace_of(&sandbox.manager());
    let look =
        "readlink /proc/self/ns/mnt; systemctl --user is-active default.target; ls /run/user";
    for _ in 0..2 {
        let seen = sandbox.ssh("alice", look).text();
        assert_eq!(seen, format!("{namespace}\nactive\n2001"));
        sandbox.wait_for_logouts();
    }
}

/// The manager, and what it starts, has the host's view; the logins that it is there for have their own.
#[test]
fn a_rule_can_leave_out_the_user_manager() {
    ours_only!("selector for services");
    let sandbox = sandbox!(boot);
    sandbox.protect_all();
    sandbox.policy("[[private]]\npath = \"/tmp\"\nexcept_services = [\"systemd-user\"]\n");
    sandbox.sh("touch /tmp/of-host");
    let _session = sandbox.start_session("alice");
    // The second of each is by what the first has noted of its plan.
    for _ in 0..2 {
        sandbox.ssh("alice", "! [ -e /tmp/of-host ]").text();
        sandbox.user_service("[ -e /tmp/of-host ]").text();
    }
    sandbox.sh("systemctl restart user@2001");
    sandbox.user_service("[ -e /tmp/of-host ]").text();
}
