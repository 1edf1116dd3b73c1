//! The command in a sandbox, and what the ledger there holds.

use super::{Outcome, Sandbox};
use pam_jns::kernel::namespace::{Identity, Namespace};
use pam_jns::session::{NamespaceRecord, Process, SessionRecord};
use std::fs::File;

impl Sandbox {
    /// Runs the command as root.
    pub fn jns(&self, words: &[&str]) -> Outcome {
        self.exec(&[&["jns"], words].concat())
    }

    /// The record of the one session that the ledger knows.
    #[track_caller]
    pub fn only_session(&self) -> SessionRecord {
        let text = self.sh("cat /run/jns/session/*");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    /// Writes a session's record, whatever it says.
    pub fn rewrite(&self, record: &SessionRecord) {
        let text = serde_json::to_vec(record).expect("a record is JSON");
        self.write(&format!("/run/jns/session/{}", record.id), text);
    }

    /// Takes the session's namespace out of the way of later logins, as if it could not be pinned.
    #[track_caller]
    pub fn unpin(&self, session: &SessionRecord) {
        let path = format!("/run/jns/namespace/{}", session.namespace.inode);
        let mut record: NamespaceRecord =
            serde_json::from_str(&self.sh(&format!("cat {path}"))).expect("it is JSON");
        let pin = record.pin.take().expect("it is pinned");
        self.sh(&format!("rm /run/jns/ns/{pin}"));
        self.write(
            &path,
            serde_json::to_vec(&record).expect("a record is JSON"),
        );
    }

    /// A process of the sandbox, as its /proc knows it.
    #[track_caller]
    pub fn process(&self, pid: &str) -> Process {
        let started = self.sh(&format!("awk '{{ print $22 }}' /proc/{pid}/stat"));
        Process {
            pid: pid.parse().expect("a number"),
            started: started.parse().expect("a number"),
        }
    }

    /// What the mount namespace of a process in the sandbox is known by.
    #[track_caller]
    pub fn identity(&self, pid: &str) -> Identity {
        let file = File::open(self.path(&format!("/proc/{pid}/ns/mnt")));
        let namespace = Namespace::from_file(file.expect("the process is there").into());
        namespace.expect("it is a namespace").identity()
    }
}
