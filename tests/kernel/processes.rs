//! The processes of a namespace, which are those that have to end with what was opened there.

use crate::own::*;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use pam_jns::kernel::namespace::Namespace;
use pam_jns::kernel::process::{Process, of_namespace};
use pam_jns::plan::{Helper, Password, Plan, RunAs, Volume};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command};
use std::time::Duration;

/// A process in the calling thread's namespace, which ends with the value.
struct Sleeping(Child);

impl Sleeping {
    fn start(words: &[&str]) -> Self {
        let child = Command::new(words[0]).args(&words[1..]).spawn().unwrap();
        let sleeping = Self(child);
        // Until then it may still be on its way into namespaces of its own.
        let is_asleep = || {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", sleeping.0.id()));
            let state = std::fs::read_to_string(format!("/proc/{}/stat", sleeping.0.id()));
            name.unwrap().trim() == "sleep" && state.unwrap().contains(") S ")
        };
        while !is_asleep() {
            std::thread::yield_now();
        }
        sleeping
    }

    fn process(&self) -> Process {
        Process::of(self.0.id()).unwrap()
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn own_inode() -> u64 {
    Namespace::own().unwrap().identity().inode
}

#[test]
fn they_are_those_inside_that_live() {
    in_own_namespace(|| {
        let inode = own_inode();
        assert_eq!(of_namespace(inode), Ok(vec![]));
        let inside = Sleeping::start(&["sleep", "1000"]);
        let _elsewhere = Sleeping::start(&["unshare", "-m", "sleep", "1000"]);
        assert_eq!(of_namespace(inode), Ok(vec![inside.process()]));
        // One that has ended, and that nobody has waited for, is in no namespace any more.
        let mut ended = Sleeping::start(&["sleep", "1000"]);
        ended.0.kill().unwrap();
        while std::fs::read_link(format!("/proc/{}/ns/mnt", ended.0.id())).is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(of_namespace(inode), Ok(vec![inside.process()]));
    });
}

#[test]
fn the_calling_process_is_none_of_them() {
    in_own_namespace(|| {
        // Its first thread has stayed in the machine's namespace.
        let process = std::process::id();
        let machine = Namespace::of_process(process).unwrap().identity().inode;
        let target = process.to_string();
        let neighbour = Sleeping::start(&["nsenter", "-m", "-t", &target, "sleep", "1000"]);
        let found = of_namespace(machine).unwrap();
        assert!(found.contains(&neighbour.process()), "{found:?}");
        assert!(!found.iter().any(|found| found.pid == process), "{found:?}");
    });
}

/// Its own number is that of another process there, or of none.
#[test]
fn a_proc_without_the_calling_process_shows_them_by_its_own_numbers() {
    in_own_namespace(|| {
        directory("/mnt/proc", 0o755, 0);
        let script = "mount -t proc proc /mnt/proc && exec sleep 1000";
        let words = ["--pid", "--fork", "--kill-child", "sh", "-c", script];
        let mut unshare = Command::new("unshare");
        let _first = Sleeping(unshare.args(words).spawn().unwrap());
        let is_asleep =
            || std::fs::read_to_string("/mnt/proc/1/comm").is_ok_and(|name| name == "sleep\n");
        while !is_asleep() {
            std::thread::yield_now();
        }
        let inode = own_inode();
        bind("/mnt/proc", "/proc");
        assert!(Process::own().is_err());
        let found = of_namespace(inode).unwrap();
        assert_eq!(found, [Process::of(1).unwrap()]);
    });
}

#[test]
fn where_proc_is_not_mounted_none_is_seen() {
    in_own_namespace(|| {
        let inode = own_inode();
        let _inside = Sleeping::start(&["sleep", "1000"]);
        umount2("/proc", MntFlags::MNT_DETACH).unwrap();
        assert_eq!(of_namespace(inode), Ok(vec![]));
    });
}

#[test]
fn a_proc_that_cannot_be_listed_is_an_error() {
    in_own_namespace(|| {
        let inode = own_inode();
        directory("/mnt/root", 0o755, 0);
        std::os::unix::fs::symlink("proc", "/mnt/root/proc").unwrap();
        nix::unistd::chroot("/mnt/root").unwrap();
        let error = of_namespace(inode).unwrap_err().to_string();
        assert!(error.starts_with("cannot list /proc: "), "{error}");
    });
}

/// A plan with a volume that a process serves.
fn served() -> Plan {
    let script = "mount -t tmpfs volume $JNS_PATH; setsid sleep 1000 <>/dev/null >&0 2>&0 &";
    let open = Helper {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).into(),
        run_as: RunAs::Root,
        timeout: Duration::from_secs(60),
    };
    let volume = Volume {
        path: path("/mnt/volume"),
        open,
        close: None,
        password: Password::None,
        optional: false,
        inherit: false,
        location: location(),
    };
    Plan {
        volumes: vec![volume],
        ..plan(Vec::new())
    }
}

/// The processes are looked for from the host, whose /proc shows all of them; not where that is another one than
/// the thread sees.
#[test]
fn those_that_serve_a_volume_are_known_in_a_chroot_too() {
    for chrooted in [false, true] {
        in_own_namespace(move || {
            directory("/mnt/volume", 0o755, 0);
            if chrooted {
                directory("/mnt/root", 0o755, 0);
                let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
                mount(Some("/"), "/mnt/root", None::<&str>, flags, None::<&str>).unwrap();
                nix::unistd::chroot("/mnt/root").unwrap();
                std::env::set_current_dir("/").unwrap();
            }
            let applied = apply(&served(), 2001).unwrap();
            let [volume] = applied.volumes.as_slice() else {
                panic!("{applied:?}");
            };
            let [daemon] = volume.daemons.as_slice() else {
                panic!("{volume:?}, chrooted: {chrooted}");
            };
            let pid = Pid::from_raw(daemon.pid.cast_signed()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
        });
    }
}
