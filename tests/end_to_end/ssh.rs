//! Sessions of sshd.

use crate::bed::{Bed, Outcome, bed};

impl Bed {
    /// Starts sshd on the bed's loopback, its sessions going through the module.
    pub fn serve_ssh(&self) {
        self.protect("sshd");
        self.start_sshd("");
    }

    /// Starts sshd, with further options.
    pub fn start_sshd(&self, options: &str) {
        self.sh(&format!(
            "/usr/sbin/sshd -o HostKey=/etc/ssh/bed_host_key -o ListenAddress=127.0.0.1 -o UsePAM=yes \
             -o KbdInteractiveAuthentication=yes -o MaxStartups=100 -o MaxSessions=100 {options}"
        ));
    }

    /// Runs a script in an ssh session, logged in by key.
    pub fn ssh(&self, user: &str, script: &str) -> Outcome {
        self.exec(&[
            "ssh",
            "-o",
            "BatchMode=yes",
            "-l",
            user,
            "localhost",
            script,
        ])
    }
}

#[test]
fn a_login_by_key_has_directories_of_its_own() {
    let bed = bed!();
    bed.serve_ssh();
    bed.assert_own_directories("sshd", |user, script| bed.ssh(user, script));
}

#[test]
fn a_login_by_password_has_directories_of_its_own() {
    let bed = bed!();
    bed.serve_ssh();
    bed.assert_own_directories("sshd", |user, script| {
        ssh_asking(&bed, "password", user, script)
    });
}

#[test]
fn a_login_by_questions_has_directories_of_its_own() {
    let bed = bed!();
    bed.serve_ssh();
    bed.assert_own_directories("sshd", |user, script| {
        ssh_asking(&bed, "keyboard-interactive", user, script)
    });
}

/// An ssh session whose client is asked for the password by `method`.
fn ssh_asking(bed: &Bed, method: &str, user: &str, script: &str) -> Outcome {
    let methods = format!("PreferredAuthentications={method}");
    bed.exec(&[
        "sshpass",
        "-p",
        "secret",
        "ssh",
        "-o",
        &methods,
        "-l",
        user,
        "localhost",
        script,
    ])
}
