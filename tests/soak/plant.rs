//! A failure and leaks that are made on purpose: the soak has to find them.

use crate::machine::{self, must};
use crate::tally::Tally;
use std::fs::{create_dir_all, write};
use std::process::Command;
use std::time::Duration;

/// The time after which what was left is not waited for any more.
pub const ENDINGS: Duration = Duration::from_secs(3);

/// The words of the report by which each is known.
pub const FOUND: [&str; 4] = [
    "planted-file",
    "/mnt/planted-mount",
    "sleep 54321",
    "planted-failure",
];

/// Makes one failure: a login under a policy with a mistake.
pub fn fail(tally: &Tally, random: &mut fastrand::Rng) {
    machine::write_policy("planted-failure = 1\n");
    tally.log_in(random);
    machine::replace_policy(0);
}

/// Leaves a file, a mount, and a process with a namespace of its own.
pub fn leave() {
    write("/run/jns/session/planted-file", "").unwrap();
    create_dir_all("/mnt/planted-mount").unwrap();
    must(Command::new("mount").args(["-t", "tmpfs", "planted", "/mnt/planted-mount"]));
    must(Command::new("sh").args(["-c", "unshare -m sleep 54321 >/dev/null 2>&1 &"]));
}
