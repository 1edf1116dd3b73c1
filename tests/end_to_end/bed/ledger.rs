//! The command in a bed, and what the ledger there holds.

use super::{Bed, Outcome};
use pam_jns::session::SessionRecord;

impl Bed {
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
}
