//! What goes on beside the logins until the soak ends: the policy changes, the command runs, the host mounts.

use crate::machine::{self, PLUGGED};
use crate::tally::Tally;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

/// The number of times that an unmount may find the mount in use for a moment, a tenth of a second apart.
const BUSY: usize = 50;

/// Replaces the policy now and then.
pub fn change_policies(tally: &Tally, random: &mut fastrand::Rng) {
    while !tally.is_over() {
        machine::replace_policy(random.usize(..));
        tally.count_meanwhile("policies");
        tally.sleep(Duration::from_millis(random.u64(200..4000)));
    }
}

/// Runs `jns gc` now and then.
pub fn collect(tally: &Tally, random: &mut fastrand::Rng) {
    repeat(tally, random, "jns gc", &["gc"], |_| true);
}

/// Runs `jns ps --json` now and then.
pub fn list(tally: &Tally, random: &mut fastrand::Rng) {
    let is_json =
        |output: &Output| serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok();
    repeat(tally, random, "jns ps --json", &["ps", "--json"], is_json);
}

fn repeat(
    tally: &Tally,
    random: &mut fastrand::Rng,
    what: &'static str,
    words: &[&str],
    is_right: fn(&Output) -> bool,
) {
    while !tally.is_over() {
        let output = Command::new("jns").args(words).output();
        let output = output.expect("the command starts");
        let was_killed = output.status.signal() == Some(libc::SIGKILL);
        let has_worked = output.status.success() && is_right(&output);
        if !was_killed && !has_worked {
            tally.note_failed_command(what, &output);
        }
        tally.count_meanwhile(what);
        tally.sleep(Duration::from_millis(random.u64(200..3000)));
    }
}

/// Mounts something on the host, which appears in sessions, and unmounts it again.
pub fn mount_and_unmount(tally: &Tally, random: &mut fastrand::Rng) {
    while !tally.is_over() {
        tally.sleep(Duration::from_millis(random.u64(50..1500)));
        mount(
            Some("plugged"),
            PLUGGED,
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )
        .unwrap();
        tally.sleep(Duration::from_millis(random.u64(50..1500)));
        if let Err(errno) = unmount(PLUGGED) {
            let output = Output {
                status: std::process::ExitStatus::from_raw(1 << 8),
                stdout: Vec::new(),
                stderr: errno.to_string().into_bytes(),
            };
            tally.note_failed_command("unmounting on the host", &output);
        }
        tally.count_meanwhile("mounts");
    }
}

fn unmount(path: &str) -> Result<(), Errno> {
    let mut result = umount2(path, MntFlags::empty());
    for _ in 0..BUSY {
        if result != Err(Errno::EBUSY) {
            break;
        }
        sleep(Duration::from_millis(100));
        result = umount2(path, MntFlags::empty());
    }
    result
}
