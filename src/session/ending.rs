//! The things that end with a session and lie where nobody looks for them. They are recorded before anything else of
//! the session can fail, so that `jns gc` finds them after a crash.

use super::ledger::{SessionRecord, Shown};
use super::planned::{Creation, PlannedSession};
use super::runtime::Runtime;
use crate::apply::{self, Applied, SessionDirectory};
use crate::error::Result;
use crate::kernel::fs::walk::Trust;
use crate::login::SessionId;
use crate::path::ViewPath;

/// Directories that end with a session which is being opened.
#[derive(Debug)]
pub(super) struct Ending {
    id: SessionId,
    uid: u32,
    runtime: Option<Runtime>,
}

impl Ending {
    /// Notes the directories that lie outside of the module's store; that the note cannot be written is logged.
    pub(super) fn note(creation: &Creation<'_>, applied: &Applied) -> Self {
        let PlannedSession { digest, login, .. } = creation.session;
        let runtime = creation.origin.map(|origin| &origin.runtime);
        let process = creation.origin.and_then(|origin| origin.process);
        let directories = outside_of_store(&applied.session_directories);
        if let (Some(runtime), Some(process), false) = (runtime, process, directories.is_empty()) {
            let record = SessionRecord {
                directories,
                ..SessionRecord::new(login, process, applied.namespace, digest)
            };
            log_failure(record.write(runtime));
        }
        Self {
            id: login.session.clone(),
            uid: login.uid,
            runtime: runtime.cloned(),
        }
    }

    /// Removes the directories of a session that was not opened after all, where they were made.
    pub(super) fn undo(self, directories: &[SessionDirectory]) {
        if directories.is_empty() {
            return;
        }
        let trust = Trust::User(self.uid);
        for directory in directories {
            log_failure(apply::remove_session_directory(directory, trust));
        }
        if let Some(runtime) = &self.runtime {
            log_failure(SessionRecord::remove(runtime, &self.id));
        }
    }
}

/// The directories that `jns gc` would not find in the module's store.
pub(super) fn outside_of_store(directories: &[SessionDirectory]) -> Vec<Shown> {
    let outside = directories.iter().filter(|directory| !directory.enclosed);
    let shown = outside.map(|directory| Shown {
        path: ViewPath::from(&directory.path),
        device: directory.identity.device,
        inode: directory.identity.inode,
        form: None,
    });
    shown.collect()
}

fn log_failure(done: Result<()>) {
    if let Err(error) = done {
        log::warn!("{error}");
    }
}
