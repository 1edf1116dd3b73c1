//! Programs that are run for a session.

use crate::own::*;
use pam_jns::error::Result;
use pam_jns::kernel::process::credentials::Credentials;
use pam_jns::kernel::process::helper::{Helper, Purpose};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

/// More than any of these programs takes, unless it hangs.
const LONG: Duration = Duration::from_secs(60);

const SHORT: Duration = Duration::from_millis(300);

const PLAIN: Helper = Helper {
    argv: Vec::new(),
    purpose: Purpose::Unnamed,
    environment: Some(Vec::new()),
    credentials: Some(Credentials {
        uid: 0,
        gid: 0,
        groups: Vec::new(),
    }),
    timeout: LONG,
};

/// What becomes of the program, and what it writes.
fn run(argv: &[&str], helper: Helper) -> (Result<()>, Vec<String>) {
    run_with(b"", argv, helper)
}

fn run_with(input: &[u8], argv: &[&str], helper: Helper) -> (Result<()>, Vec<String>) {
    let argv = argv.iter().copied().map(str::to_owned).collect();
    let helper = Helper { argv, ..helper };
    let mut printed = Vec::new();
    let result = helper.run_with_lines(input, &mut |line| printed.push(line.to_owned()));
    (result, printed)
}

fn shell(script: &str) -> (Result<()>, Vec<String>) {
    shell_within(script, LONG)
}

fn shell_within(script: &str, timeout: Duration) -> (Result<()>, Vec<String>) {
    let environment = Some(vec![("JNS_INSTANCE".to_owned(), mark())]);
    let helper = Helper {
        environment,
        timeout,
        ..PLAIN
    };
    run(&["/bin/sh", "-c", script], helper)
}

fn program(path: &str, text: &str, mode: u32) {
    file(path, text);
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn how_it_ends_is_reported() {
    in_own_namespace(|| {
        for (script, expected) in [
            ("exit 0", None),
            ("exit 3", Some("cannot run /bin/sh: its exit status is 3")),
            ("kill -9 $$", Some("cannot run /bin/sh: signal 9 ended it")),
            // Nor does it end what stands between it and its host.
            ("kill -15 0", Some("cannot run /bin/sh: signal 15 ended it")),
            ("kill -9 0", Some("cannot run /bin/sh: it was killed")),
        ] {
            let error = shell(script).0.err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{script}");
        }
    });
}

#[test]
fn what_cannot_be_run() {
    in_own_namespace(|| {
        program("/mnt/plain", "#!/bin/sh\n", 0o644);
        program("/mnt/writable", "#!/bin/sh\n", 0o775);
        program("/mnt/theirs", "#!/bin/sh\n", 0o755);
        std::os::unix::fs::chown("/mnt/theirs", Some(USER), None).unwrap();
        directory("/mnt/user", 0o755, USER);
        program("/mnt/user/program", "#!/bin/sh\n", 0o755);
        program("/mnt/lost", "#!/mnt/no-interpreter\n", 0o755);
        for (path, reason) in [
            ("/mnt/missing", "No such file"),
            ("/mnt/lost", "No such file"),
            ("/mnt/plain", "Permission denied"),
            ("/mnt/writable", "others than root may write"),
            ("/mnt/theirs", "belongs to uid 2001"),
            ("/mnt/user/program", "belongs to uid 2001"),
            ("/mnt/user", "not a regular file"),
            ("bin/sh", "not an absolute path"),
        ] {
            let error = run(&[path], PLAIN).0.unwrap_err().to_string();
            assert!(
                error.starts_with("cannot ") && error.contains(reason),
                "{error}"
            );
        }
        let user = credentials();
        // With their own rights, users run what they like.
        run(
            &["/mnt/user/program"],
            Helper {
                credentials: Some(user),
                ..PLAIN
            },
        )
        .0
        .unwrap();
    });
}

fn credentials() -> Credentials {
    Credentials {
        uid: USER,
        gid: USER + 1,
        groups: vec![USER + 1, 7777],
    }
}

#[test]
fn scripts_and_links_of_roots_are_run() {
    in_own_namespace(|| {
        program("/mnt/script", "#!/bin/sh\necho \"$0\" \"$@\"\n", 0o755);
        symlink("/mnt/script", "/mnt/link").unwrap();
        for path in ["/mnt/script", "/mnt/link"] {
            let (result, printed) = run(&[path, "two words", ""], PLAIN);
            result.unwrap();
            assert_eq!(printed, ["/mnt/script two words"], "{path}");
        }
    });
}

#[test]
fn it_has_nothing_of_its_host() {
    in_own_namespace(|| {
        let inherited = fs::File::open("/mnt").unwrap();
        rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
        let script = "env | grep -vE '^(PWD|SHLVL|_|OLDPWD)=' | sort; pwd; umask; echo fds: $(ls /proc/self/fd)
            read -r line; echo \"read '$line'\"
            grep -E '^(SigBlk|SigIgn)' /proc/self/status | tr '\\t' ' '
            ps -o tty=,sess=,pgid= $$ | { read -r tty session group; echo \"$tty\" $((session == group)) $((group == $$)); }";
        let environment = Some(vec![("JNS_USER".to_owned(), "some body=x".to_owned())]);
        let (result, printed) = run(
            &["/bin/bash", "-c", script],
            Helper {
                environment,
                ..PLAIN
            },
        );
        result.unwrap();
        let sets = printed.iter().filter(|line| line.starts_with("Sig"));
        assert!(sets.clone().count() == 2, "{printed:?}");
        assert!(
            sets.clone().all(|line| line.ends_with(" 0000000000000000")),
            "{printed:?}"
        );
        let others: Vec<_> = printed
            .iter()
            .filter(|line| !line.starts_with("Sig"))
            .collect();
        // The fourth descriptor is that of ls itself.
        assert_eq!(
            others[..6],
            [
                "JNS_USER=some body=x",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "/",
                "0022",
                "fds: 0 1 2 3",
                "read ''",
            ]
        );
        assert_eq!(others.last().unwrap().as_str(), "? 1 0");
    });
}

#[test]
fn the_users_program_has_the_users_rights() {
    in_own_namespace(|| {
        let user = credentials();
        let script = "id -u; id -ru; id -g; id -G; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | sort -u -k2";
        let (result, printed) = run(
            &["/bin/sh", "-c", script],
            Helper {
                credentials: Some(user),
                ..PLAIN
            },
        );
        result.unwrap();
        let caps = "CapInh:\t0000000000000000";
        assert_eq!(printed, ["2001", "2001", "2002", "2002 7777", caps]);
    });
}

#[test]
fn what_it_is_given_it_reads() {
    in_own_namespace(|| {
        let most = "x".repeat(60_000);
        for (input, script, expected) in [
            ("a secret", "cat; echo", "a secret"),
            ("a secret", "cat /dev/stdin; echo", "a secret"),
            (&most, "wc -c", "60000"),
            (&most, "echo nothing is read", "nothing is read"),
            (&most, "exec <&-; echo closed", "closed"),
        ] {
            let (result, printed) = run_with(input.as_bytes(), &["/bin/sh", "-c", script], PLAIN);
            result.unwrap();
            assert_eq!(printed, [expected], "{script}");
        }
        let (result, _) = run_with(&[0; 1 << 20], &["/bin/cat"], PLAIN);
        assert!(result.unwrap_err().to_string().contains("Message too long"));
    });
}

#[test]
fn megabytes_of_output_are_read_and_left_out() {
    in_own_namespace(|| {
        let (result, printed) = shell("yes jns | head -c 8000000; echo last >&2");
        result.unwrap();
        assert_eq!(printed.len(), 51);
        assert!(printed[..50].iter().all(|line| line == "jns"));
        assert_eq!(printed[50], "(1999951 more lines)");
        let (result, printed) = shell("head -c 8000000 /dev/zero");
        result.unwrap();
        assert_eq!(printed.len(), 1);
    });
}

#[test]
fn one_that_hangs_is_ended_with_all_that_it_started() {
    in_own_namespace(|| {
        for script in [
            "sleep 1000",
            "exec >&- 2>&-; sleep 1000",
            "trap '' TERM; while :; do sleep 1000; done",
            "sleep 1000 & kill -STOP $$",
            "while :; do echo more; done",
        ] {
            let (result, _) = shell_within(script, SHORT);
            let error = result.unwrap_err().to_string();
            assert_eq!(
                error, "cannot run /bin/sh: it took longer than 0.3 s",
                "{script}"
            );
            assert_running(0);
        }
    });
}

#[test]
fn one_that_fails_leaves_nothing_behind() {
    in_own_namespace(|| {
        let (result, _) = shell("sleep 1000 & exit 1");
        result.unwrap_err();
        assert_running(0);
    });
}

#[test]
fn a_daemon_stays_and_is_not_waited_for() {
    in_own_namespace(|| {
        let daemon = "echo $$; : >/mnt/there; exec sleep 1000";
        let script = format!("setsid sh -c '{daemon}' & until [ -e /mnt/there ]; do :; done");
        let (result, printed) = shell(&script);
        result.unwrap();
        let daemon: i32 = printed.first().unwrap().parse().unwrap();
        assert_running(1);
        kill(daemon);
    });
}

#[test]
fn arguments_may_be_huge_but_not_larger_than_the_kernel_takes() {
    in_own_namespace(|| {
        let word = "y".repeat(100_000);
        let mut argv = vec!["/bin/sh", "-c", "echo $#", "sh"];
        argv.extend(std::iter::repeat_n(word.as_str(), 10));
        let (result, printed) = run(&argv, PLAIN);
        result.unwrap();
        assert_eq!(printed, ["10"]);
        let word = "y".repeat(200_000);
        let (result, _) = run(&["/bin/echo", &word], PLAIN);
        assert!(result.unwrap_err().to_string().contains("too long"));
    });
}

/// A value by which the processes of one test are known.
fn mark() -> String {
    format!("test-{}-{}", std::process::id(), nix::unistd::gettid())
}

/// How many processes with the mark must run, zombies aside. Those that were killed may take a moment to end.
#[track_caller]
fn assert_running(expected: usize) {
    let with_mark = || {
        let pids = names("/proc")
            .into_iter()
            .filter(|name| name.parse::<u32>().is_ok());
        let of = |pid| fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let text = pids.map(|pid: String| String::from_utf8_lossy(&of(pid)).into_owned());
        text.filter(|text| text.contains(&mark())).count()
    };
    for _ in 0..500 {
        if with_mark() == expected {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(with_mark(), expected);
}

fn kill(process: i32) {
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
}

/// su(1) has them from its caller's shell.
#[test]
fn a_program_of_roots_has_no_limits_of_its_hosts() {
    in_own_namespace(|| {
        let limit = Rlimit {
            current: Some(100_000),
            maximum: None,
        };
        setrlimit(Resource::Cpu, limit).unwrap();
        let (ended, printed) = shell("ulimit -t; ulimit -f");
        ended.unwrap();
        assert_eq!(printed, ["unlimited", "unlimited"]);
        let credentials = Some(Credentials {
            uid: USER,
            gid: USER,
            groups: Vec::new(),
        });
        let (_, printed) = run(
            &["/bin/sh", "-c", "ulimit -t"],
            Helper {
                credentials,
                ..PLAIN
            },
        );
        assert_eq!(printed, ["100000"], "a user's has them");
    });
}
