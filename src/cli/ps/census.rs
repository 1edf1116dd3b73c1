//! The users, sessions and processes in each namespace: what the ledger says, checked against what the kernel says.

use super::stale::Judge;
use crate::error::Result;
use crate::kernel::namespace::{Identity, Namespace, inode_of_process};
use crate::kernel::process;
use crate::session::memory::{self, Memory};
use crate::session::{NamespaceRecord, Pins, Runtime, SessionRecord};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is shown. Its JSON is that of `jns ps --json`.
#[derive(Debug, Default, Serialize)]
pub struct Census {
    /// The users, by id.
    pub users: Vec<UserEntry>,
    /// The reasons why something is not shown.
    #[serde(rename = "errors")]
    pub faults: Vec<String>,
}

/// A user with namespaces.
#[derive(Debug, Serialize)]
pub struct UserEntry {
    /// The name.
    #[serde(rename = "user")]
    pub name: String,
    /// The id.
    pub uid: u32,
    /// The namespaces, oldest first.
    pub namespaces: Vec<NamespaceEntry>,
}

/// A namespace.
#[derive(Debug)]
pub struct NamespaceEntry {
    /// The identity of the namespace.
    pub identity: Identity,
    /// The record of the namespace; nothing where only sessions mention it.
    pub record: Option<NamespaceRecord>,
    /// Whether its pin is there: later logins join it.
    pub pinned: bool,
    /// The number of processes in it.
    pub processes: usize,
    /// The names of the processes, each name once, where the namespace was made for one command: that may have left
    /// them running.
    pub programs: Vec<String>,
    /// Its file systems in memory.
    pub memory: Vec<Memory>,
    /// The directories on disk that appear in it, and what they hold, as far as that was asked for.
    pub volumes: Vec<Volume>,
    /// The sessions that were opened in it, oldest first.
    pub sessions: Vec<SessionEntry>,
}

/// A session.
#[derive(Debug)]
pub struct SessionEntry {
    /// The record of the session.
    pub record: SessionRecord,
    /// Whether the process that opened it lives.
    pub open: bool,
    /// Whether the present policy would give it another plan; nothing where that cannot be known.
    pub stale: Option<bool>,
}

/// A directory on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its path in the host's view.
    pub path: String,
    /// The number of bytes that it holds; nothing where it cannot be read.
    pub used: Option<Usage>,
}

/// The usage of a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether something in it could not be counted.
    pub more: bool,
}

/// The numbers of the processes in each namespace, by its inode number.
type Inhabitants = BTreeMap<u64, Vec<u32>>;

/// The users whose namespaces are shown.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a>(pub Option<(&'a str, Option<u32>)>);

impl Whose<'_> {
    fn includes(self, user: &str, uid: u32) -> bool {
        self.0
            .is_none_or(|(name, id)| id.map_or(name == user, |id| id == uid))
    }
}

/// Counts everything.
///
/// # Errors
///
/// `/run/jns` or /proc cannot be read.
pub fn take(whose: Whose<'_>) -> Result<Census> {
    let mut census = Census::default();
    let Some(runtime) = Runtime::find()? else {
        return Ok(census);
    };
    let namespaces = readable(NamespaceRecord::all(&runtime)?, &mut census.faults);
    let sessions = readable(SessionRecord::all(&runtime)?, &mut census.faults);
    let pins = match Pins::find(&runtime) {
        Ok(pins) => Some(pins),
        Err(error) => {
            census.faults.push(error.to_string());
            None
        }
    };
    let inhabitants = inhabitants()?;
    let mut entries = Vec::new();
    for record in namespaces {
        if whose.includes(&record.user, record.uid) {
            let key = (record.uid, record.user.clone());
            entries.push((key, entry(record, pins.as_ref(), &inhabitants)));
        }
    }
    let mut judge = Judge::default();
    for record in sessions {
        if whose.includes(&record.user, record.uid) {
            place(&mut entries, record, &inhabitants, &mut judge);
        }
    }
    census.users = by_user(entries);
    Ok(census)
}

/// The records that can be read; of the others, why not.
fn readable<T>(records: Vec<(String, Result<T>)>, faults: &mut Vec<String>) -> Vec<T> {
    let mut read = Vec::new();
    for (_, record) in records {
        match record {
            Ok(record) => read.push(record),
            Err(error) => faults.push(error.to_string()),
        }
    }
    read
}

fn inhabitants() -> Result<Inhabitants> {
    let mut found = Inhabitants::new();
    for pid in process::all()? {
        // Processes end meanwhile.
        if let Ok(inode) = inode_of_process(pid) {
            found.entry(inode).or_default().push(pid);
        }
    }
    Ok(found)
}

fn entry(
    record: NamespaceRecord,
    pins: Option<&Pins>,
    inhabitants: &Inhabitants,
) -> NamespaceEntry {
    let identity = record.namespace;
    let pin = pins.and_then(|pins| pins.namespace_of(&record).ok()?);
    let inside = inside(identity, inhabitants);
    let processes = inside.as_ref().map_or(0, |(_, pids)| pids.len());
    let of_command = record.caller.is_some().then(|| inside.iter());
    let programs: BTreeSet<String> = of_command
        .into_iter()
        .flatten()
        .flat_map(|(_, pids)| pids.iter().filter_map(|pid| process::name_of(*pid)))
        .collect();
    let pinned = pin.is_some();
    let namespace = pin.or(inside.map(|(namespace, _)| namespace));
    let memory = namespace.map(|namespace| memory::memory(&namespace, &record.paths));
    NamespaceEntry {
        identity,
        record: Some(record),
        pinned,
        processes,
        programs: programs.into_iter().collect(),
        memory: memory.unwrap_or_default(),
        volumes: Vec::new(),
        sessions: Vec::new(),
    }
}

/// The namespace by a process that is in it, and all that are. Its inode number alone could be another
/// one's by now.
fn inside(identity: Identity, inhabitants: &Inhabitants) -> Option<(Namespace, &[u32])> {
    let pids = inhabitants.get(&identity.inode)?;
    let mut found = pids.iter().filter_map(|pid| Namespace::of_process(*pid));
    let namespace = found.next()?;
    (namespace.identity() == identity).then_some((namespace, pids))
}

type Entries = Vec<((u32, String), NamespaceEntry)>;

/// Puts a session into its namespace, and makes an entry where there is no record of that.
fn place(
    entries: &mut Entries,
    record: SessionRecord,
    inhabitants: &Inhabitants,
    judge: &mut Judge,
) {
    let identity = record.namespace;
    let uid = record.uid;
    let user = record.user.clone();
    let session = SessionEntry {
        open: record.process.is_alive(),
        stale: judge.is_stale(&record),
        record,
    };
    let known = entries
        .iter_mut()
        .find(|((of, _), entry)| *of == uid && entry.identity == identity);
    if let Some((_, entry)) = known {
        entry.sessions.push(session);
        return;
    }
    let inside = inside(identity, inhabitants);
    let entry = NamespaceEntry {
        identity,
        record: None,
        pinned: false,
        processes: inside.map_or(0, |(_, pids)| pids.len()),
        programs: Vec::new(),
        memory: Vec::new(),
        volumes: Vec::new(),
        sessions: vec![session],
    };
    entries.push(((uid, user), entry));
}

fn by_user(entries: Entries) -> Vec<UserEntry> {
    let mut users: BTreeMap<(u32, String), Vec<NamespaceEntry>> = BTreeMap::new();
    for (user, mut entry) in entries {
        entry.sessions.sort_by_key(|session| session.record.opened);
        users.entry(user).or_default().push(entry);
    }
    let entries = users.into_iter().map(|((uid, name), mut namespaces)| {
        namespaces.sort_by_key(NamespaceEntry::since);
        UserEntry {
            name,
            uid,
            namespaces,
        }
    });
    entries.collect()
}

impl NamespaceEntry {
    /// Returns the time when it was made, in seconds since 1970, as far as that is known.
    pub fn since(&self) -> u64 {
        let first = self
            .sessions
            .first()
            .map_or(0, |session| session.record.opened);
        self.record.as_ref().map_or(first, |record| record.made)
    }
}
