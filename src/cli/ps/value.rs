//! The list as JSON. Entries are taken apart by name, so that what is added to one has to be placed here.

use super::census::{Census, NamespaceEntry, SessionEntry, UserEntry, Volume};
use super::memory::Memory;
use serde_json::{Value, json};

/// The whole document.
pub fn of(census: &Census) -> Value {
    let Census { users, faults } = census;
    json!({
        "users": all(users, user),
        "errors": faults,
    })
}

fn all<T>(list: &[T], value: impl Fn(&T) -> Value) -> Vec<Value> {
    list.iter().map(value).collect()
}

fn user(entry: &UserEntry) -> Value {
    let UserEntry {
        name,
        uid,
        namespaces,
    } = entry;
    json!({
        "user": name,
        "uid": uid,
        "namespaces": all(namespaces, namespace),
    })
}

fn namespace(entry: &NamespaceEntry) -> Value {
    let NamespaceEntry {
        identity,
        record,
        pinned,
        processes,
        programs,
        memory: in_memory,
        volumes,
        sessions,
    } = entry;
    let record = record.as_ref();
    json!({
        "namespace": identity.to_string(),
        "inode": identity.inode,
        "id": identity.id,
        "pinned": pinned,
        "pin": record.and_then(|record| record.pin.as_ref()),
        "processes": processes,
        "programs": programs,
        "caller": record.and_then(|record| record.caller.as_deref()),
        "made": record.map(|record| record.made),
        "plan": record.and_then(|record| record.plan.as_ref()),
        "paths": record.map(|record| &record.paths),
        "isolation": record.map(|record| &record.isolation),
        "init": record.and_then(|record| record.init).map(|init| init.pid),
        "memory": all(in_memory, memory),
        "disk": all(volumes, volume),
        "sessions": all(sessions, session),
    })
}

fn memory(memory: &Memory) -> Value {
    let Memory { path, used, size } = memory;
    json!({ "path": path, "used": used, "size": size })
}

fn volume(volume: &Volume) -> Value {
    let Volume { path, used } = volume;
    json!({
        "directory": path,
        "used": used.map(|usage| usage.bytes),
        "complete": used.map(|usage| !usage.more),
    })
}

fn session(entry: &SessionEntry) -> Value {
    let SessionEntry {
        record,
        open,
        stale,
    } = entry;
    json!({
        "id": record.id,
        "service": record.service,
        "tty": record.tty,
        "rhost": record.rhost,
        "pid": record.process.pid,
        "open": open,
        "opened": record.opened,
        "stale": stale,
        "plan": record.plan,
        "config": record.config,
    })
}
