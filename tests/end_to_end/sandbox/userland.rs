//! Another userland, made by mmdebstrap(1), beside the sandbox's own.

use super::{Sandbox, debian13};
use nix::sched::{CloneFlags, setns, unshare};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use std::fs::File;

/// Where the userland is as it was made.
const PRISTINE: &str = "/mnt/debian13";

impl Sandbox {
    /// Shows a Debian 13 at `path`. What is written there is the sandbox's, and ends with it.
    ///
    /// # Errors
    ///
    /// It could not be made.
    pub fn show_debian13(&self, path: &str) -> Result<(), String> {
        let directory = debian13()?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(rustix::fs::CWD, &directory, flags).expect("root may copy a mount");
        self.sh(&format!("mkdir -p {PRISTINE} {path}"));
        let namespace =
            File::open(format!("/proc/{}/ns/mnt", self.init)).expect("a sandbox has one");
        let attach = || {
            // A thread can enter another mount namespace when it shares its directories with no other.
            unshare(CloneFlags::CLONE_FS).expect("a thread may");
            setns(&namespace, CloneFlags::CLONE_NEWNS).expect("root may enter it");
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(&tree, "", rustix::fs::CWD, PRISTINE, flags).expect("root may mount there");
        };
        let attached = std::thread::scope(|scope| scope.spawn(attach).join());
        attached.expect("mounting did not panic");
        self.sh(&format!(
            "mkdir /home/.upper /home/.work
             mount -t overlay -o lowerdir={PRISTINE},upperdir=/home/.upper,workdir=/home/.work debian13 {path}
             cp /etc/passwd /etc/group /etc/shadow {path}/etc/"
        ));
        Ok(())
    }
}
