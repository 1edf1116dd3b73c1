//! The list as JSON.

use super::census::{NamespaceEntry, SessionEntry, Volume};
use crate::login::SessionId;
use crate::path::ViewPath;
use crate::plan::PlanDigest;
use crate::session::PinKey;
use crate::session::memory::Memory;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// A namespace: what the kernel says of it, and what its record says; null where it has none.
#[derive(Serialize)]
struct NamespaceDocument<'c> {
    namespace: String,
    inode: u64,
    id: Option<u64>,
    pinned: bool,
    pin: Option<&'c PinKey>,
    /// The reason why it has none, where it was to be shared.
    unpinned: Option<&'c str>,
    processes: usize,
    programs: &'c [String],
    caller: Option<&'c str>,
    made: Option<u64>,
    plan: Option<&'c PlanDigest>,
    paths: Option<&'c [ViewPath]>,
    isolation: Option<&'c BTreeMap<String, String>>,
    init: Option<u32>,
    memory: &'c [Memory],
    disk: &'c [Volume],
    sessions: &'c [SessionEntry],
}

#[derive(Serialize)]
struct SessionDocument<'c> {
    id: &'c SessionId,
    service: &'c str,
    tty: Option<&'c str>,
    rhost: Option<&'c str>,
    pid: u32,
    open: bool,
    opened: u64,
    stale: Option<bool>,
    plan: &'c PlanDigest,
    config: Option<&'c str>,
}

#[derive(Serialize)]
struct VolumeDocument<'c> {
    directory: &'c str,
    used: Option<u64>,
    complete: Option<bool>,
}

impl Serialize for NamespaceEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.record.as_ref();
        let document = NamespaceDocument {
            namespace: self.identity.to_string(),
            inode: self.identity.inode,
            id: self.identity.id,
            pinned: self.pinned,
            pin: record.and_then(|record| record.pin.as_ref()),
            unpinned: record.and_then(|record| record.unpinned.as_deref()),
            processes: self.processes,
            programs: &self.programs,
            caller: record.and_then(|record| record.caller.as_deref()),
            made: record.map(|record| record.made),
            plan: record.and_then(|record| record.plan.as_ref()),
            paths: record.map(|record| record.paths.as_slice()),
            isolation: record.map(|record| &record.isolation),
            init: record.and_then(|record| record.init).map(|init| init.pid),
            memory: &self.memory,
            disk: &self.volumes,
            sessions: &self.sessions,
        };
        document.serialize(serializer)
    }
}

impl Serialize for SessionEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = &self.record;
        let document = SessionDocument {
            id: &record.id,
            service: &record.service,
            tty: record.tty.as_deref(),
            rhost: record.rhost.as_deref(),
            pid: record.process.pid,
            open: self.open,
            opened: record.opened,
            stale: self.stale,
            plan: &record.plan,
            config: record.config.as_deref(),
        };
        document.serialize(serializer)
    }
}

impl Serialize for Volume {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = VolumeDocument {
            directory: &self.path,
            used: self.used.map(|usage| usage.bytes),
            complete: self.used.map(|usage| !usage.more),
        };
        document.serialize(serializer)
    }
}
