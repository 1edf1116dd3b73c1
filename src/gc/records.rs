//! Records of what is gone.

use super::collector::{ABANDONED, BUSY, Collector, Leftover};
use super::remains::Kind;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::is_temporary;
use crate::kernel::namespace::Identity;
use crate::login::SessionId;
use crate::path::AbsPath;
use crate::session::CACHED_PLANS;
use crate::session::census::Census;
use crate::session::ledger::{NAMESPACES, NamespaceRecord, SESSIONS, SessionRecord, Shown};
use crate::session::lock;
use crate::session::pin;
use crate::session::pin_key::PinKey;
use crate::session::runtime::{PATH, Runtime};
use crate::session::volumes;
use crate::store::layout::parse_id;
use rustix::fs::{AtFlags, Stat};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The directories where records and cached plans are written under temporary names.
const WRITTEN: [&str; 5] = [
    NAMESPACES,
    SESSIONS,
    CACHED_PLANS,
    lock::DIRECTORY,
    pin::DIRECTORY,
];

/// The records, as they were read once.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    namespaces: Vec<NamespaceRecord>,
    /// The places in `namespaces` of those that are, or were, bound to a pin.
    by_pin: BTreeMap<PinKey, Vec<usize>>,
    sessions: Vec<SessionRecord>,
    /// The records that cannot be read: `session/0123456789abcdef`.
    broken: Vec<(String, Error)>,
    /// The ids of sessions that have ended.
    ended: BTreeSet<SessionId>,
}

impl Ledger {
    /// Reads the records, those of the user `user` alone where one is given: then nothing is said of what cannot be read.
    pub(super) fn read(runtime: Option<&Runtime>, user: Option<u32>) -> Result<Self> {
        let mut ledger = Self::default();
        let Some(runtime) = runtime else {
            return Ok(ledger);
        };
        for (name, record) in NamespaceRecord::all(runtime)? {
            let right = |record: &NamespaceRecord| record.namespace.inode.to_string() == name;
            match sound(record, right) {
                Ok(record) => ledger.add_namespace(record),
                Err(error) => ledger.broken.push((format!("{NAMESPACES}/{name}"), error)),
            }
        }
        for (name, record) in SessionRecord::all(runtime)? {
            match sound(record, |record: &SessionRecord| record.id.as_str() == name) {
                Ok(record) => ledger.sessions.push(record),
                Err(error) => ledger.broken.push((format!("{SESSIONS}/{name}"), error)),
            }
        }
        if let Some(uid) = user {
            ledger = ledger.of_one(uid);
        }
        Ok(ledger)
    }

    fn of_one(self, uid: u32) -> Self {
        let mut own = Self::default();
        let namespaces = self.namespaces.into_iter();
        namespaces
            .filter(|record| record.uid == uid)
            .for_each(|record| own.add_namespace(record));
        let sessions = self.sessions.into_iter();
        own.sessions = sessions.filter(|session| session.uid == uid).collect();
        own
    }

    fn add_namespace(&mut self, record: NamespaceRecord) {
        if let Some(key) = record.pin.clone() {
            let places = self.by_pin.entry(key).or_default();
            places.push(self.namespaces.len());
        }
        self.namespaces.push(record);
    }

    /// The record of the namespace that is, or was, bound to the pin `key`.
    pub(super) fn pinned(&self, key: &PinKey, bound: Option<Identity>) -> Option<&NamespaceRecord> {
        let places = self.by_pin.get(key).into_iter().flatten();
        let mut records = places.filter_map(|place| self.namespaces.get(*place));
        records.find(|record| bound.is_none_or(|bound| bound == record.namespace))
    }

    /// The records of the namespaces that have or had a pin.
    pub(super) fn with_pin(&self) -> impl Iterator<Item = (&PinKey, &NamespaceRecord)> {
        let all = self.namespaces.iter();
        all.filter_map(|record| Some((record.pin.as_ref()?, record)))
    }

    /// The records of the namespaces that were made for the user `uid`.
    pub(super) fn of_user(&self, uid: u32) -> impl Iterator<Item = &NamespaceRecord> {
        let all = self.namespaces.iter();
        all.filter(move |record| record.uid == uid)
    }

    /// Whether no namespace is known that was made in another than this one.
    pub(super) fn is_all_from(&self, own: Identity) -> bool {
        self.namespaces.iter().all(|record| record.origin == own)
    }

    /// The records of the sessions that have ended.
    pub(super) fn ended_sessions(&self) -> impl Iterator<Item = &SessionRecord> {
        let is_over = |session: &&SessionRecord| self.ended.contains(&session.id);
        self.sessions.iter().filter(is_over)
    }

    pub(super) fn namespace(&self, identity: Identity) -> Option<&NamespaceRecord> {
        self.namespaces
            .iter()
            .find(|record| record.namespace == identity)
    }

    /// Whether a session may still be in the namespace.
    fn has_session_in(&self, record: &NamespaceRecord) -> bool {
        self.sessions.iter().any(|session| {
            session.namespace == record.namespace && self.has_live_session(&session.id)
        })
    }

    /// Whether a session of that id may still be there.
    pub(super) fn has_live_session(&self, id: &SessionId) -> bool {
        let mut sessions = self.sessions.iter();
        sessions.any(|session| session.id == *id) && !self.ended.contains(id)
    }

    /// Whether it is known that the session of that id has ended.
    pub(super) fn has_ended_session(&self, id: &SessionId) -> bool {
        self.ended.contains(id)
    }

    /// The stores of the present policies, and those that namespaces were made with.
    pub(super) fn stores(&self, present: &[AbsPath]) -> BTreeSet<AbsPath> {
        let earlier = self.namespaces.iter().map(|record| &record.store);
        present.iter().chain(earlier).cloned().collect()
    }

    /// Whether a namespace that has one of these pins shows an instance of `holder`, such as `group/100`.
    pub(super) fn pinned_show(&self, pins: &BTreeSet<PinKey>, holder: &str) -> bool {
        let is_theirs = |instance: &Shown| {
            let parent = Path::new(&instance.path).parent();
            parent.is_some_and(|parent| parent.ends_with(holder))
        };
        let shows = |record: &NamespaceRecord| record.instances.iter().any(is_theirs);
        // What nobody knows may be.
        pins.iter()
            .any(|key| self.pinned(key, None).is_none_or(shows))
    }
}

/// A record that says what its name says: no other file is ever removed for it.
fn sound<T>(record: Result<T>, is_right: impl Fn(&T) -> bool) -> Result<T> {
    let record = record?;
    if is_right(&record) {
        return Ok(record);
    }
    Err(Error::new(
        "use",
        "the record",
        "it is about something else than its name says",
    ))
}

impl Collector<'_> {
    /// Finds the sessions whose host process is gone, unless what they have started still runs in a namespace
    /// of theirs alone.
    pub(super) fn find_ended_sessions(&mut self, ledger: &mut Ledger) -> Result<()> {
        let gone = |session: &&SessionRecord| !session.process.is_alive();
        let candidates: Vec<&SessionRecord> = ledger.sessions.iter().filter(gone).collect();
        if candidates.is_empty() {
            return Ok(());
        }
        let census = self.census()?;
        let mut ended = BTreeSet::new();
        for session in candidates {
            let namespace = ledger.namespace(session.namespace);
            let shared = namespace.is_some_and(|namespace| namespace.pin.is_some());
            let unseen = namespace.is_some_and(|namespace| self.is_beyond(namespace, &census));
            let used = namespace.map_or_else(
                || census.holds(session.namespace),
                |namespace| census.is_used(namespace),
            );
            if !unseen && (shared || !used) {
                ended.insert(session.id.clone());
            }
        }
        ledger.ended = ended;
        Ok(())
    }

    /// Closes the volumes of namespaces that no other login joins, and in which nobody is besides those that serve
    /// them.
    pub(super) fn collect_volumes(&mut self, runtime: &Runtime, ledger: &Ledger) -> Result<()> {
        let own = self.own;
        let alone = |record: &&NamespaceRecord| !record.volumes.is_empty() && record.origin == own;
        let mut candidates: Vec<_> = ledger.namespaces.iter().filter(alone).collect();
        if candidates.is_empty() {
            return Ok(());
        }
        let pins = self.remaining_pins(runtime)?;
        for census in [self.census()?, self.census_again()?] {
            candidates.retain(|record| {
                let served = census.holds(record.namespace) && !census.is_used(record);
                served && !is_pinned(record, &pins) && !ledger.has_session_in(record)
            });
        }
        for record in candidates {
            let lock = self.try_lock(runtime, record.uid)?;
            if lock.is_some() && self.is_as_seen(runtime, record) {
                let reason = "nobody uses the namespace that it is in";
                let paths = record.volumes.iter().map(|volume| volume.path.as_str());
                let path = paths.collect::<Vec<_>>().join(" ");
                let leftover = Leftover {
                    kind: Kind::Volume,
                    path: &path,
                    reason,
                };
                self.dispose(leftover, || volumes::close(runtime, record));
                self.forget_census();
            }
        }
        Ok(())
    }

    /// Whether a namespace was made where this /proc does not show the processes.
    fn is_beyond(&self, record: &NamespaceRecord, census: &Census) -> bool {
        !self.sees_all && record.origin != self.own && !census.holds(record.origin)
    }

    /// Removes the records of what is gone: last, because they say what else is. Those of the sessions `left` say what
    /// is still to be removed.
    pub(super) fn collect_records(
        &mut self,
        runtime: &Runtime,
        ledger: &Ledger,
        left: &BTreeSet<SessionId>,
    ) {
        for id in ledger.ended.difference(left) {
            let path = format!("{PATH}/{SESSIONS}/{id}");
            let reason = "the process that opened the session is gone";
            let leftover = Leftover {
                kind: Kind::Session,
                path: &path,
                reason,
            };
            self.dispose(leftover, || SessionRecord::remove(runtime, id));
        }
        let namespaces = self.collect_namespace_records(runtime, ledger);
        self.note_failure(Kind::Namespace, namespaces);
        let broken = self.collect_broken(runtime, ledger);
        self.note_failure(Kind::Namespace, broken);
        let collected = self.collect_cached_plans(runtime);
        self.note_failure(Kind::Stamp, collected);
    }

    /// A namespace is pinned by a process that has left it for that, with the user's lock held and when its record was
    /// written: so what was seen without that lock holds if the record is the same with it, and there is no pin.
    fn collect_namespace_records(&mut self, runtime: &Runtime, ledger: &Ledger) -> Result<()> {
        let pins = self.remaining_pins(runtime)?;
        let unpinned =
            |record: &&NamespaceRecord| !is_pinned(record, &pins) && !ledger.has_session_in(record);
        let mut candidates: Vec<_> = ledger.namespaces.iter().filter(unpinned).collect();
        for look in [Self::census, Self::census_again] {
            if candidates.is_empty() {
                return Ok(());
            }
            let census = look(self)?;
            candidates.retain(|record| {
                !census.holds(record.namespace) && !self.is_beyond(record, &census)
            });
        }
        for record in candidates {
            self.collect_namespace_record(runtime, record)?;
        }
        Ok(())
    }

    fn collect_namespace_record(
        &mut self,
        runtime: &Runtime,
        record: &NamespaceRecord,
    ) -> Result<()> {
        let inode = record.namespace.inode;
        let path = format!("{PATH}/{NAMESPACES}/{inode}");
        let lock = self.try_lock(runtime, record.uid)?;
        if lock.is_none() {
            self.leave(Kind::Namespace, &path, BUSY);
        } else if self.is_as_seen(runtime, record) {
            let leftover = Leftover {
                kind: Kind::Namespace,
                path: &path,
                reason: "the namespace is gone",
            };
            self.dispose(leftover, || NamespaceRecord::remove(runtime, inode));
        }
        Ok(())
    }

    /// Whether what was seen of an unpinned namespace without the lock of its user holds with it: a login may have pinned
    /// it since, or closed its volumes, and its number may be another one's by now.
    fn is_as_seen(&self, runtime: &Runtime, record: &NamespaceRecord) -> bool {
        let now = NamespaceRecord::read(runtime, record.namespace.inode);
        let is_same = matches!(now, Ok(Some(now)) if now == *record);
        let is_bound = |key: &PinKey| stat(runtime, &format!("{}/{key}", pin::DIRECTORY)).is_some();
        is_same && (self.request.dry_run || !record.pin.as_ref().is_some_and(is_bound))
    }

    /// Records that nobody can read: of a later version, or of a disk that was full.
    fn collect_broken(&mut self, runtime: &Runtime, ledger: &Ledger) -> Result<()> {
        if ledger.broken.is_empty() {
            return Ok(());
        }
        let census = self.census()?;
        for (name, error) in &ledger.broken {
            let path = format!("{PATH}/{name}");
            let inode = name
                .strip_prefix("namespace/")
                .and_then(|inode| inode.parse().ok());
            let used = inode.is_some_and(|inode| census.has_number(inode));
            let status = stat(runtime, name);
            let new = status.is_none_or(|status| self.age(&status) < ABANDONED);
            if used || new {
                self.note_failure(Kind::Namespace, Err(error.clone()));
            } else {
                let remove = || runtime.remove(name);
                let leftover = Leftover {
                    kind: kind_of(name),
                    path: &path,
                    reason: "it is not a record",
                };
                self.dispose(leftover, remove);
            }
        }
        Ok(())
    }

    /// The pins there are, without those that would be removed.
    pub(super) fn remaining_pins(&self, runtime: &Runtime) -> Result<BTreeSet<PinKey>> {
        let pins = pin::list(runtime)?.pins.into_iter();
        Ok(pins
            .filter(|key| !self.request.dry_run || !self.unpinned.contains(key))
            .collect())
    }

    /// A cached plan speeds up joining, so it is of no use to a user who has nothing to join.
    fn collect_cached_plans(&mut self, runtime: &Runtime) -> Result<()> {
        let pins = self.remaining_pins(runtime)?;
        let users: BTreeSet<u32> = pins.iter().map(PinKey::uid).collect();
        for name in runtime.list(CACHED_PLANS)? {
            let uid = name.split('-').next().and_then(parse_id);
            let is_asked_for = self.request.user.is_none_or(|user| uid == Some(user));
            if is_temporary(&name) || !is_asked_for || uid.is_some_and(|uid| users.contains(&uid)) {
                continue;
            }
            let path = format!("{CACHED_PLANS}/{name}");
            let reason = "its user has no namespace to join";
            let shown = format!("{PATH}/{path}");
            let leftover = Leftover {
                kind: Kind::Stamp,
                path: &shown,
                reason,
            };
            self.dispose(leftover, || runtime.remove(&path));
        }
        Ok(())
    }

    /// Removes what was being written when the process that wrote it was killed.
    pub(super) fn collect_temporaries(&mut self, runtime: &Runtime) -> Result<()> {
        if self.request.user.is_some() {
            return Ok(());
        }
        let below = WRITTEN.map(|directory| format!("{directory}/"));
        for directory in below.iter().map(String::as_str).chain([""]) {
            let names = runtime.list(if directory.is_empty() { "." } else { directory })?;
            for name in names.iter().filter(|name| is_temporary(name)) {
                let path = format!("{directory}{name}");
                let status = stat(runtime, &path);
                if status.is_some_and(|status| self.age(&status) >= ABANDONED) {
                    let reason = "whoever wrote it was killed";
                    let shown = format!("{PATH}/{path}");
                    let leftover = Leftover {
                        kind: Kind::Temporary,
                        path: &shown,
                        reason,
                    };
                    self.dispose(leftover, || runtime.remove(&path));
                }
            }
        }
        Ok(())
    }
}

/// Whether a namespace has one of these pins.
fn is_pinned(record: &NamespaceRecord, pins: &BTreeSet<PinKey>) -> bool {
    record.pin.as_ref().is_some_and(|key| pins.contains(key))
}

fn kind_of(name: &str) -> Kind {
    if name.starts_with(SESSIONS) {
        Kind::Session
    } else {
        Kind::Namespace
    }
}

fn stat(runtime: &Runtime, name: &str) -> Option<Stat> {
    rustix::fs::statat(runtime, name, AtFlags::SYMLINK_NOFOLLOW).ok()
}
