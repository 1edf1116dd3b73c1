//! Exit statuses, signals, and commands in the background.

use crate::sandbox::{ours_only, sandbox};

#[test]
fn the_exit_status_is_the_commands() {
    ours_only!("command");
    let sandbox = sandbox!();
    for (command, expected) in [
        ("true", "0"),
        ("sh -c 'exit 7'", "7"),
        ("sh -c 'exit 255'", "255"),
        ("sh -c 'kill -TERM $$'", "143"),
        ("sh -c 'kill -9 $$'", "137"),
        ("bash -c 'kill -s RTMAX $$'", "192"),
        ("no-such-program", "127"),
        ("/no/such/program", "127"),
        ("/etc/passwd", "126"),
        ("/etc", "126"),
    ] {
        for options in ["", "--tmpfs /mnt"] {
            let script = format!("jns run {options} -- {command} 2>/dev/null; echo $?");
            sandbox.assert_prints(&script, expected);
        }
    }
}

#[test]
fn a_program_without_its_interpreter_is_distinguished_from_none() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.write("/srv/script", "#!/no/such/shell\n");
    sandbox.sh("chmod 755 /srv/script");
    for (command, is_there) in [("/srv/script", true), ("/srv/none", false)] {
        let outcome = sandbox.run(&format!("jns run -- {command}"));
        assert_eq!(outcome.status.code(), Some(127), "{outcome:?}");
        let is_reported = outcome
            .stderr
            .contains("; the file is there, what it is run by is not");
        assert_eq!(is_reported, is_there, "{outcome:?}");
    }
}

#[test]
fn it_works_whatever_its_caller_ignores_and_holds_back() {
    ours_only!("command");
    let sandbox = sandbox!();
    for caller in [
        "trap '' CHLD",
        "trap '' TERM INT QUIT PIPE",
        "exec <&- >/srv/out 2>&-",
    ] {
        let script = format!("{caller}; jns run -- sh -c 'exit 7'");
        assert_eq!(sandbox.run(&script).status.code(), Some(7), "{caller}");
    }
}

#[test]
fn signals_reach_the_command() {
    ours_only!("command");
    let sandbox = sandbox!();
    let before = sandbox.state();
    for (signal, number) in [
        ("TERM", 15),
        ("HUP", 1),
        ("USR1", 10),
        ("INT", 2),
        ("RTMIN", 34),
    ] {
        let script = format!(
            "mkfifo /srv/go; set -m
             jns run -- bash -c 'trap \"exit {number}\" {signal}; echo >/srv/go; while :; do sleep 0.05; done' &
             read x </srv/go; rm /srv/go; kill -s {signal} $!; wait $!; echo $?"
        );
        assert_eq!(sandbox.run(&script).text(), number.to_string(), "{signal}");
    }
    before.assert_nothing_left(&sandbox);
}

#[test]
fn the_command_does_not_outlive_what_waits_for_it() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.sh("jns run -- sh -c 'echo $$ >/srv/pid; exec sleep 1000' </dev/null &>/dev/null & echo $! >/srv/jns");
    sandbox.wait_until("[ -s /srv/pid ]");
    sandbox.sh("kill -9 $(cat /srv/jns)");
    sandbox.wait_until("! [ -e /proc/$(cat /srv/pid) ]");
    sandbox.collect();
    assert_eq!(
        sandbox.sh("ls /run/jns/session /run/jns/namespace"),
        "/run/jns/namespace:\n\n/run/jns/session:"
    );
}

#[test]
fn a_command_in_the_background_has_no_terminal_and_a_pidfile() {
    ours_only!("command");
    let sandbox = sandbox!();
    let before = sandbox.state();
    let started = "mkfifo go; echo stale >pid
        jns run -b -p pid --tmpfs /mnt -- sh -c 'ps -o tty=,comm= -p $$; echo hello; read x <go' >said; echo $?; [ -d /proc/$(cat pid) ] && echo running";
    for (user, directory) in [("root", "/root"), ("alice", "/home/alice")] {
        let outcome = match user {
            "root" => sandbox.run(&format!("cd; {started}")),
            _ => sandbox.run_as(user, started),
        };
        assert_eq!(outcome.text(), "0\nrunning", "{user}");
        sandbox.wait_until(&format!("grep -qs hello {directory}/said"));
        assert_eq!(
            sandbox.sh(&format!("cat {directory}/said")),
            "?        sh\nhello"
        );
        assert_eq!(
            sandbox.sh(&format!("stat -c '%U %a' {directory}/pid")),
            format!("{user} 644")
        );
        sandbox.sh(&format!("echo >{directory}/go"));
        sandbox.wait_until(&format!("! [ -e {directory}/pid ]"));
    }
    for (command, expected) in [("no-such-program", 127), ("/etc", 126)] {
        let outcome = sandbox.run(&format!("cd; jns run -b -p pid -- {command}"));
        assert_eq!(outcome.status.code(), Some(expected), "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    }
    sandbox.wait_until("! [ -e /root/pid ]");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn a_pidfile_of_somebody_elses_stays() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.sh("cd; jns run -p pid -- sh -c 'while [ \"$(cat pid)\" != $$ ]; do :; done; echo other >new; mv new pid'");
    assert_eq!(sandbox.sh("cat /root/pid"), "other");
    let replaced = "ln -s /etc/passwd pid; jns run -p pid -- true; [ -L pid ] || echo gone; head -c 4 /etc/passwd";
    sandbox.sh("rm /root/pid");
    assert_eq!(sandbox.sh(&format!("cd; {replaced}")), "gone\nroot");
}
