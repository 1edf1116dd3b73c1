//! Processes of a command's own, and whole systems in a directory.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

/// As the article about such roots has it: the programs read-only, a /tmp of its own, a directory of the host.
const FSTAB: &str = "\
/usr   /usr  none   bind,ro        0 0
tmpfs  /tmp  tmpfs  size=2M,nosuid 0 0
/srv/shared /home/shared none bind,X-mount.mkdir 0 0
";

impl Sandbox {
    /// Makes `/srv/root`: this sandbox's programs beneath a root with a configuration of its own.
    fn make_root(&self) {
        self.write("/etc/test.fstab", FSTAB);
        self.sh("mkdir -p /srv/root /srv/shared && cd /srv/root && echo shared >/srv/shared/file
             mkdir usr etc home tmp proc sys dev run var root mnt
             for link in bin sbin lib lib64; do [ ! -e /$link ] || ln -s usr/$link $link; done
             grep -E '^(root|alice):' /etc/passwd >etc/passwd; grep -E '^(root|alice):' /etc/group >etc/group
             echo of-the-root >etc/motd");
    }
}

#[test]
fn ps_shows_a_first_process_and_the_hosts_proc_stays() {
    ours_only!("command");
    let sandbox = sandbox!();
    let before = sandbox.state();
    for options in ["--processes", "--processes own", "--processes=own -U"] {
        let script = format!(
            "jns run {options} -- sh -c 'ps -e -o pid=,comm=; echo $$; readlink /proc/self' | tr -s ' '; ps -p 1 -o comm="
        );
        for (user, seen) in [
            ("root", sandbox.run(&script)),
            ("alice", sandbox.run_as("alice", &script)),
        ] {
            let seen = seen.text();
            let lines: Vec<&str> = seen.lines().map(str::trim).collect();
            let [init, shell, ps, pid, own, host] = lines.as_slice() else {
                panic!("{user} {options}: {seen}");
            };
            assert!(
                init.starts_with("1 ") && shell.ends_with(" sh"),
                "{user} {options}: {seen}"
            );
            assert!(
                ps.ends_with(" ps") && shell.starts_with(pid),
                "{user} {options}: {seen}"
            );
            assert!(
                own.parse::<u32>().is_ok_and(|own| own < 10),
                "{user} {options}: {seen}"
            );
            assert_eq!(
                *host,
                sandbox.sh("ps -p 1 -o comm="),
                "{user} {options}: {seen}"
            );
        }
    }
    if sandbox.run("command -v bwrap").succeeded() {
        let theirs = "bwrap --dev-bind / / --unshare-pid --proc /proc sh -c 'all=$(ps -e -o pid=); echo \"$all\" | wc -l'";
        let ours = "jns run --processes -- sh -c 'all=$(ps -e -o pid=); echo \"$all\" | wc -l'";
        assert_eq!(sandbox.sh(theirs), sandbox.sh(ours));
    }
    before.assert_nothing_left(&sandbox);
}

#[test]
fn nothing_survives_the_command() {
    ours_only!("command");
    let sandbox = sandbox!();
    let before = sandbox.state();
    let daemon = "setsid sh -c \"trap : TERM HUP INT; echo x >/srv/started; sleep 999\" & while [ ! -s /srv/started ]; do sleep 0.1; done";
    sandbox.sh("touch /srv/started; chmod 666 /srv/started");
    for (ending, status) in [("exit 3", 3), ("kill -9 $$", 137)] {
        let script =
            format!("true >/srv/started; jns run --processes -- sh -c '{daemon}; {ending}'");
        for outcome in [sandbox.run(&script), sandbox.run_as("alice", &script)] {
            assert_eq!(outcome.status.code(), Some(status), "{outcome:?}");
            assert!(!sandbox.run("pgrep -x sleep").succeeded(), "{ending}");
        }
    }
    // Who waits for the command may be killed, and so may its first process.
    for victim in ["jns", "first"] {
        sandbox.sh("rm /srv/started; jns run --processes -- sh -c 'touch /srv/started; sleep 999 & wait' </dev/null &>/dev/null & echo $! >/srv/jns");
        sandbox.wait_until("[ -e /srv/started ]");
        match victim {
            "jns" => sandbox.sh("kill -9 $(cat /srv/jns)"),
            _ => sandbox.sh(
                "kill -9 $(lsns -n -t pid -o PID,PATH | awk '$1 != 1 { print $1 }' | head -n 1)",
            ),
        };
        sandbox.wait_until("! pgrep -x sleep >/dev/null && ! pgrep -x jns >/dev/null");
    }
    sandbox.sh("rm /srv/jns /srv/started");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn orphans_are_waited_for() {
    ours_only!("command");
    let sandbox = sandbox!();
    let orphans = "for i in 1 2 3 4 5; do (setsid sleep 0.1 &); done; sleep 0.5; while pgrep -x sleep >/dev/null; do :; done";
    sandbox.assert_prints(
        &format!("jns run --processes -- sh -c '{orphans}; echo none'"),
        "none",
    );
}

#[test]
fn a_system_in_a_directory_is_usable() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.make_root();
    let before = sandbox.state();
    let look = "cat /etc/motd; hostname; pwd; cat /home/shared/file; ls -d /srv 2>&1 | grep -c No.such; \
                touch /usr/x 2>&1 | grep -c Read-only; findmnt -rno SIZE /tmp; ps -p 1 -o comm=; \
                mount | grep -c \" on / \"; touch /sys/x 2>&1 | grep -c Read-only; echo >/dev/null; \
                head -c 1 /dev/zero | wc -c; [ -d /dev/pts ] && [ -d /dev/shm ] && [ -d /run ] && echo usable; \
                id -un; echo $HOME";
    let seen = sandbox.sh(&format!(
        "cd /srv; jns run --root root -f /etc/test.fstab -n test -- sh -c '{look}'"
    ));
    let first = "of-the-root\ntest\n/\nshared\n1\n1\n2M\n";
    let last = "1\n1\n1\nusable\nroot\n/root";
    assert!(seen.starts_with(first) && seen.ends_with(last), "{seen}");
    let as_user = sandbox.sh("jns run --root /srv/root -f /etc/test.fstab -u alice -c /tmp -- sh -c 'id -un; pwd; tty; env | grep -c SUDO || true'");
    assert_eq!(as_user, "alice\n/tmp\nnot a tty\n0");
    // A shell that the root does not have is another one.
    sandbox.sh("sed -i 's|^root:\\(.*\\):.*|root:\\1:/opt/none|' /etc/passwd");
    let shell = sandbox
        .sh("echo 'echo $0; hostname' | jns run --root /srv/root -f /etc/test.fstab -n test");
    assert_eq!(shell, "/bin/sh\ntest");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn a_daemon_started_in_a_system_is_gone_with_it() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.make_root();
    let before = sandbox.state();
    let daemon =
        "setsid sleep 997 & while ! pgrep -x sleep >/dev/null; do :; done; pgrep -xc sleep";
    let seen = sandbox.sh(&format!(
        "jns run --root /srv/root -f /etc/test.fstab --network none -- sh -c '{daemon}'"
    ));
    assert_eq!(seen, "1");
    assert!(!sandbox.run("pgrep -x sleep").succeeded());
    before.assert_nothing_left(&sandbox);
}

#[test]
fn a_second_process_comes_into_the_first_ones_system() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.make_root();
    let before = sandbox.state();
    sandbox.sh("jns run --root /srv/root -f /etc/test.fstab -n test -- sh -c 'touch /tmp/of-the-first; while [ -e /tmp/of-the-first ]; do sleep 0.1; done' </dev/null &>/dev/null &");
    sandbox.wait_until("grep -qs '\"jns\"' /run/jns/session/*");
    let session = sandbox.only_session();
    let look = "ls /tmp; hostname; cat /etc/motd; ps -p 1 -o comm=";
    sandbox.wait_until(&format!(
        "jns enter {} -- [ -e /tmp/of-the-first ]",
        session.id
    ));
    let seen = sandbox
        .jns(&["enter", session.id.as_str(), "--", "sh", "-c", look])
        .text();
    assert!(
        seen.starts_with("of-the-first\ntest\nof-the-root\n"),
        "{seen}"
    );
    let second = sandbox
        .jns(&[
            "enter",
            session.id.as_str(),
            "--",
            "sh",
            "-c",
            "readlink /proc/self/ns/pid; ps -e -o comm= | grep -c sleep",
        ])
        .text();
    assert_ne!(
        second.lines().next(),
        sandbox.sh("readlink /proc/self/ns/pid").lines().next()
    );
    sandbox
        .jns(&[
            "enter",
            session.id.as_str(),
            "--",
            "rm",
            "/tmp/of-the-first",
        ])
        .text();
    sandbox.wait_until("[ -z \"$(ls /run/jns/session)\" ]");
    before.assert_nothing_left(&sandbox);
}

/// Without rights, by a root of the caller's own.
#[test]
fn a_user_has_a_system_too() {
    ours_only!("command");
    let sandbox = sandbox!();
    let make = "mkdir -p r && cd r && mkdir usr etc tmp proc sys dev run root && for l in bin sbin lib lib64; do ln -s usr/$l $l; done; cd";
    sandbox.run_as("alice", make).text();
    let look = "hostname; id -u; ps -p 1 -o comm=; touch /mine; ls -d /srv 2>&1 | grep -c No.such; echo >/dev/null && echo usable";
    let seen = sandbox
        .run_as(
            "alice",
            &format!("jns run --root r --bind /usr:/usr:ro -n test -- sh -c '{look}'; ls r/mine"),
        )
        .text();
    let lines: Vec<&str> = seen.lines().collect();
    assert!(seen.starts_with("test\n2001\n"), "{seen}");
    assert_eq!(
        lines[lines.len() - 3..],
        ["1", "usable", "r/mine"],
        "{seen}"
    );
}

#[test]
fn isolation_is_each_for_itself() {
    ours_only!("command");
    let sandbox = sandbox!();
    let before = sandbox.state();
    sandbox.assert_prints(
        "ipcmk -Q >/dev/null; jns run --ipc -- sh -c 'ipcs -q | grep -c 0x'; ipcrm -a",
        "0",
    );
    sandbox.assert_prints("jns run -n box -- hostname; hostname", "box\nsandbox");
    sandbox.assert_prints(
        "jns run --network none -- sh -c 'ip -o link | cut -d: -f2; ip -o addr show lo | grep -c 127.0.0.1'",
        " lo\n1",
    );
    needs!(sandbox, "ip");
    sandbox.sh("ip netns add blue");
    let named = sandbox.sh("jns run --network name:blue -- ip netns identify");
    assert_eq!(named, "blue");
    sandbox.sh("ip netns delete blue; umount /run/netns; rmdir /run/netns");
    let hidden = sandbox.sh("jns run --processes hidden -u alice -- ps -e -o user= | sort -u");
    assert_eq!(hidden, "alice");
    before.assert_nothing_left(&sandbox);
}
