//! What a session has of its own besides mounts, and that a login which fails has left none of it.

use crate::own::*;
use nix::mount::{MsFlags, mount};
use pam_jns::apply::Entered;
use pam_jns::kernel::namespace::kind::{Kind, inode};
use pam_jns::plan::{Ipc, Isolation, Network, Plan, Processes};
use std::process::Command;

/// Everything but processes of its own.
fn whole() -> Isolation {
    Isolation {
        processes: wanted(Processes::Hidden),
        ipc: wanted(Ipc::Own),
        hostname: wanted("box".to_owned()),
        network: wanted(Network::None),
    }
}

/// The numbers of the thread's namespaces.
fn numbers() -> Vec<Option<u64>> {
    Kind::ALL.map(|kind| inode(kind, None)).to_vec()
}

/// What a program prints; it must succeed.
fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn each_part_is_the_sessions_own() {
    let alone = |isolation| isolated(isolation);
    let table = [
        (
            alone(Isolation {
                ipc: wanted(Ipc::Own),
                ..Isolation::default()
            }),
            [true, false, false],
        ),
        (
            alone(Isolation {
                hostname: wanted("box".to_owned()),
                ..Isolation::default()
            }),
            [false, true, false],
        ),
        (
            alone(Isolation {
                network: wanted(Network::None),
                ..Isolation::default()
            }),
            [false, false, true],
        ),
        (alone(whole()), [true, true, true]),
    ];
    for (plan, changed) in table {
        in_own_namespace(move || {
            let (before, view) = (numbers(), namespace());
            apply(&plan, USER).unwrap();
            assert_ne!(namespace(), view, "a mount namespace goes with them");
            let pairs = before.iter().zip(numbers());
            let found: Vec<bool> = pairs.map(|(before, now)| *before != now).collect();
            assert_eq!(found, changed, "{plan:?}");
        });
    }
}

#[test]
fn a_host_name_is_given() {
    in_own_namespace(|| {
        let host = printed("uname", &["-n"]);
        let before = state();
        let Entered { session_guard, .. } = enter(&isolated(whole()), USER).unwrap();
        assert_eq!(printed("uname", &["-n"]), "box");
        drop(session_guard);
        assert_eq!(printed("uname", &["-n"]), host);
        assert_eq!(state(), before);
    });
}

#[test]
fn without_a_network_there_is_the_loopback() {
    in_own_namespace(|| {
        apply(&isolated(whole()), USER).unwrap();
        let devices = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let names: Vec<&str> = devices.lines().skip(2).collect();
        assert_eq!(names.len(), 1, "{devices}");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    });
}

#[test]
fn message_queues_are_those_of_the_ipc_namespace() {
    in_own_namespace(|| {
        memory("/dev");
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        directory("/dev/mqueue", 0o755, 0);
        mount(
            Some("q"),
            "/dev/mqueue",
            Some("mqueue"),
            flags,
            None::<&str>,
        )
        .unwrap();
        let name = format!("of-the-host-{}", std::process::id());
        file(&format!("/dev/mqueue/{name}"), "");
        let Entered { session_guard, .. } = enter(&isolated(whole()), USER).unwrap();
        assert_eq!(names("/dev/mqueue"), [""; 0]);
        assert!(options("/dev/mqueue").starts_with("rw,nosuid,noexec"));
        file("/dev/mqueue/inside", "");
        drop(session_guard);
        assert!(exists(&format!("/dev/mqueue/{name}")) && !exists("/dev/mqueue/inside"));
        std::fs::remove_file(format!("/dev/mqueue/{name}")).unwrap();
    });
}

#[test]
fn where_no_message_queues_are_mounted_none_are() {
    in_own_namespace(|| {
        memory("/dev");
        directory("/dev/mqueue", 0o755, 0);
        // Those of the machine, beneath what covers them.
        let before = mounts_at("/dev/mqueue");
        apply(&isolated(whole()), USER).unwrap();
        assert_eq!(mounts_at("/dev/mqueue"), before);
    });
}

#[test]
fn users_see_their_own_processes_alone() {
    in_own_namespace(|| {
        // Who has root's group sees all (proc(5), `gid=`). Other tests' users have processes meanwhile.
        let user = ["--reuid=2999", "--regid=2999", "--clear-groups"];
        let seen = || {
            printed(
                "setpriv",
                &[
                    &user[..],
                    &["sh", "-c", "cat /proc/[0-9]*/comm 2>/dev/null; true"],
                ]
                .concat(),
            )
        };
        assert_ne!(seen(), "sh", "others are seen on the host");
        // What is mounted there stays: in a container it hides something.
        directory("/mnt/masked", 0o755, 0);
        bind("/mnt/masked", "/proc/sys/kernel");
        file("/mnt/masked/mark", "");
        apply(&isolated(whole()), USER).unwrap();
        assert_eq!(seen(), "sh");
        assert!(exists("/proc/1"), "root sees all");
        assert_eq!(names("/proc/sys/kernel"), ["mark"]);
        let options = options("/proc");
        for option in ["nosuid", "nodev", "noexec"] {
            assert!(options.contains(option), "{options}");
        }
    });
}

#[test]
fn a_named_network_is_entered() {
    in_own_namespace(|| {
        directory("/run/netns", 0o755, 0);
        file("/run/netns/blue", "");
        printed(
            "unshare",
            &[
                "-n",
                "mount",
                "--bind",
                "/proc/self/ns/net",
                "/run/netns/blue",
            ],
        );
        let named =
            std::os::unix::fs::MetadataExt::ino(&std::fs::metadata("/run/netns/blue").unwrap());
        let blue = isolated(Isolation {
            network: wanted(Network::Named("blue".to_owned())),
            ..Isolation::default()
        });
        let before = (state(), numbers());
        let Entered {
            session_guard,
            applied,
        } = enter(&blue, USER).unwrap();
        assert_eq!(inode(Kind::Net, None), Some(named));
        assert_eq!(applied.sources[0].path, "/run/netns/blue");
        drop(session_guard);
        assert_eq!((state(), numbers()), before);
    });
}

#[test]
fn what_is_no_network_of_roots_is_refused() {
    in_own_namespace(|| {
        directory("/run/netns", 0o755, 0);
        file("/run/netns/file", "");
        file("/run/netns/ipc", "");
        bind("/proc/self/ns/ipc", "/run/netns/ipc");
        std::os::unix::fs::symlink("/proc/1/ns/net", "/run/netns/link").unwrap();
        let table = [
            ("none", "No such file or directory"),
            ("file", "it is no network namespace"),
            ("ipc", "it is no network namespace"),
            ("link", "Too many levels of symbolic links"),
        ];
        for (name, reason) in table {
            let plan = isolated(Isolation {
                network: wanted(Network::Named(name.to_owned())),
                ..whole()
            });
            let before = (state(), numbers());
            let error = apply(&plan, USER).unwrap_err().to_string();
            let expected = format!("/run/netns/{name}: {reason}");
            assert!(error.contains(&expected), "{error}");
            assert!(error.ends_with("(test.toml:1)"), "{error}");
            assert_eq!((state(), numbers()), before);
        }
        // Whoever may write there decides what a name means.
        directory("/run/netns", 0o777, 0);
        let plan = isolated(Isolation {
            network: wanted(Network::Named("file".to_owned())),
            ..Isolation::default()
        });
        let error = apply(&plan, USER).unwrap_err().to_string();
        assert!(error.contains("/run/netns is writable"), "{error}");
    });
}

#[test]
fn a_login_that_fails_late_has_left_nothing() {
    in_own_namespace(|| {
        let host = printed("uname", &["-n"]);
        let before = (state(), numbers());
        directory("/mnt/t", 0o1777, 0);
        let name = "a".repeat(65);
        let plan = Plan {
            steps: vec![session("/mnt/t", "/mnt/var/lib/jns/session/1/t")],
            ..isolated(Isolation {
                hostname: wanted(name),
                ..whole()
            })
        };
        let error = apply(&plan, USER).unwrap_err().to_string();
        assert!(error.contains("cannot set the host name"), "{error}");
        std::fs::remove_dir("/mnt/t").unwrap();
        assert_eq!((state(), numbers()), before);
        assert_eq!(printed("uname", &["-n"]), host);
    });
}
