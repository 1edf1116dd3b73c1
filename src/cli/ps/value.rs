//! The list as JSON.

use super::census::{Census, NamespaceEntry, SessionEntry, UserEntry, Volume};
use super::memory::Memory;
use serde_json::{Value, json};

/// The whole document.
pub fn of(census: &Census) -> Value {
    json!({
        "users": census.users.iter().map(user).collect::<Vec<_>>(),
        "errors": census.faults,
    })
}

fn user(entry: &UserEntry) -> Value {
    json!({
        "user": entry.name,
        "uid": entry.uid,
        "namespaces": entry.namespaces.iter().map(namespace).collect::<Vec<_>>(),
    })
}

fn namespace(entry: &NamespaceEntry) -> Value {
    let record = entry.record.as_ref();
    json!({
        "namespace": entry.identity.to_string(),
        "inode": entry.identity.inode,
        "id": entry.identity.id,
        "pinned": entry.pinned,
        "pin": record.and_then(|record| record.pin.as_ref()),
        "processes": entry.processes,
        "programs": entry.programs,
        "caller": record.and_then(|record| record.caller.as_deref()),
        "made": record.map(|record| record.made),
        "plan": record.and_then(|record| record.plan.as_ref()),
        "paths": record.map(|record| &record.paths),
        "isolation": record.map(|record| &record.isolation),
        "init": record.and_then(|record| record.init).map(|init| init.pid),
        "memory": entry.memory.iter().map(memory).collect::<Vec<_>>(),
        "disk": entry.volumes.iter().map(volume).collect::<Vec<_>>(),
        "sessions": entry.sessions.iter().map(session).collect::<Vec<_>>(),
    })
}

fn memory(memory: &Memory) -> Value {
    json!({ "path": memory.path, "used": memory.used, "size": memory.size })
}

fn volume(volume: &Volume) -> Value {
    json!({
        "directory": volume.path,
        "used": volume.used.map(|usage| usage.bytes),
        "complete": volume.used.map(|usage| !usage.more),
    })
}

fn session(entry: &SessionEntry) -> Value {
    let record = &entry.record;
    json!({
        "id": record.id,
        "service": record.service,
        "tty": record.tty,
        "rhost": record.rhost,
        "pid": record.process.pid,
        "open": entry.open,
        "opened": record.opened,
        "stale": entry.stale,
        "plan": record.plan,
        "config": record.config,
    })
}
