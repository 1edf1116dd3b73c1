//! Directories that ended with their sessions and lay outside of the module's stores.

use super::collector::{Collector, Leftover, MOUNTED, State};
use super::mounts::Mounts;
use super::records::Ledger;
use super::remains::Kind;
use crate::error::Result;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::removal;
use crate::kernel::fs::walk::{Trust, Walker};
use crate::login::SessionId;
use crate::session::census::Census;
use crate::session::ledger::{SessionRecord, Shown};
use std::collections::BTreeSet;

impl Collector<'_> {
    /// Removes the directories that sessions which have ended had in stores of their rules', and gives the ids of
    /// those of which something is left: their records have to stay.
    pub(super) fn collect_session_directories(&mut self, ledger: &Ledger) -> BTreeSet<SessionId> {
        let has_any = |session: &&SessionRecord| !session.directories.is_empty();
        let sessions: Vec<&SessionRecord> = ledger.ended_sessions().filter(has_any).collect();
        if sessions.is_empty() {
            return BTreeSet::new();
        }
        let ids = || sessions.iter().map(|session| session.id.clone());
        let looked = self
            .mounts()
            .and_then(|mounts| Ok((mounts, self.census()?)));
        let (mounts, census) = match looked {
            Ok(both) => both,
            Err(error) => {
                self.note_failure(Kind::SessionDirectory, Err(error));
                return ids().collect();
            }
        };
        let mut left = BTreeSet::new();
        for session in &sessions {
            let elsewhere = self.is_elsewhere(session, ledger, &census);
            for directory in &session.directories {
                let over = match &elsewhere {
                    Some(reason) => {
                        self.leave(Kind::SessionDirectory, directory.path.as_str(), reason);
                        false
                    }
                    None => self.collect_session_directory(session.uid, directory, &mounts),
                };
                if !over {
                    left.insert(session.id.clone());
                }
            }
        }
        left
    }

    /// Returns the reason why the session's paths say nothing here, if it came from another namespace that is still
    /// there.
    fn is_elsewhere(
        &self,
        session: &SessionRecord,
        ledger: &Ledger,
        census: &Census,
    ) -> Option<String> {
        let origin = ledger.namespace(session.namespace)?.origin;
        let State::UnusedElsewhere(reason) = self.judge_elsewhere(origin, census) else {
            return None;
        };
        (origin != self.own).then_some(reason)
    }

    /// Removes the very directory that is recorded, and returns whether nothing is left of it.
    fn collect_session_directory(&mut self, uid: u32, directory: &Shown, mounts: &Mounts) -> bool {
        let path = directory.path.as_str();
        match is_there(uid, directory) {
            Ok(false) => return true,
            Ok(true) => {}
            Err(error) => {
                self.note_failure(Kind::SessionDirectory, Err(error));
                return false;
            }
        }
        if mounts.hold_mount_in(path) {
            self.leave(Kind::SessionDirectory, path, MOUNTED);
            return false;
        }
        let mut done = false;
        let leftover = Leftover {
            kind: Kind::SessionDirectory,
            path,
            reason: "its session has ended",
        };
        self.dispose(leftover, || {
            let removed = remove(uid, directory);
            done = removed.is_ok();
            removed
        });
        done
    }
}

/// Whether the path leads to the directory that is recorded: another one is none of the session's.
fn is_there(uid: u32, directory: &Shown) -> Result<bool> {
    match Walker::new(Trust::User(uid))?.open(directory.path.as_str(), &[]) {
        Err(missing) if missing.is_missing() => Ok(false),
        found => Ok(FileIdentity::of(&found?.status) == directory.identity()),
    }
}

fn remove(uid: u32, directory: &Shown) -> Result<()> {
    let path = directory.path.as_str();
    let walker = Walker::new(Trust::User(uid))?;
    let (parent, name) = walker.open_parent(path, &[])?;
    removal::remove_tree(&parent, name, directory.identity(), path)
}
