//! Pins of namespaces that no process is in any more.
//!
//! A namespace without processes is noted as unused in its record, with its user's lock held, and a login that joins
//! takes the note back with that lock held. So a namespace in which a look at all processes has found nobody, and whose
//! note is older than that look, has nobody in it as long as the note stands: no look has to be taken for each of them
//! under its lock.

use super::collector::{BUSY, Collector, Held, Leftover, State};
use super::records::Ledger;
use super::remains::{Disposal, Kind};
use crate::error::{Error, Result};
use crate::kernel::namespace::Identity;
use crate::kernel::namespace::guard::PINS;
use crate::session::NamespaceRecord;
use crate::session::census::Census;
use crate::session::clock;
use crate::session::pin::{self, Pins};
use crate::session::pin_key::PinKey;
use crate::session::runtime::Runtime;
use crate::session::unused_pins::remove_with_record;
use rustix::fs::AtFlags;
use std::time::Duration;

/// The time for which a pin that nothing is bound to is taken for one that is being made.
const BEING_MADE: Duration = Duration::from_secs(60);

impl Collector<'_> {
    /// Removes the pins whose namespaces hold no process, with their records.
    pub(super) fn collect_pins(&mut self, runtime: &Runtime, ledger: &Ledger) -> Result<()> {
        let mut listing = pin::list(runtime)?;
        let pins = Pins::find(runtime)?;
        if let Some(uid) = self.request.user {
            listing.pins.retain(|key| key.uid() == uid);
            listing.foreign.clear();
        }
        for name in &listing.foreign {
            self.note_foreign(&format!("{PINS}/{name}"));
        }
        let mut collection = PinCollection {
            collector: self,
            runtime,
            pins: &pins,
            ledger,
        };
        collection.collect_unused(listing.pins)?;
        collection.collect_broken()
    }
}

/// The collection of pins under way.
pub(super) struct PinCollection<'c, 'r> {
    pub(super) collector: &'c mut Collector<'r>,
    pub(super) runtime: &'c Runtime,
    pub(super) pins: &'c Pins,
    pub(super) ledger: &'c Ledger,
}

/// A pin as it was when it was looked at, without locks.
pub(super) struct Pin<'c> {
    pub(super) key: PinKey,
    /// The namespace that was bound to it here.
    pub(super) bound: Option<Identity>,
    /// The record of that namespace.
    pub(super) record: Option<&'c NamespaceRecord>,
}

/// A pin that nobody needs, for a reason.
pub(super) struct Candidate<'c> {
    pub(super) pin: Pin<'c>,
    pub(super) reason: &'static str,
}

impl<'c> PinCollection<'c, '_> {
    /// Removes pins that no process needs: after one look those that an earlier run has noted, after a second one those
    /// that are noted now.
    fn collect_unused(&mut self, keys: Vec<PinKey>) -> Result<()> {
        let unused = self.find_unused(keys)?;
        let unused = self.without_lingering(unused);
        let is_noted = |candidate: &Candidate<'_>| {
            let record = candidate.pin.record;
            record.is_some_and(|record| record.unused_since.is_some())
        };
        let (noted, new): (Vec<_>, Vec<_>) = unused.into_iter().partition(is_noted);
        for candidate in &noted {
            self.collect(candidate);
        }
        let new = self.note_all(new);
        if new.is_empty() {
            return Ok(());
        }
        let census = self.collector.census_again()?;
        for candidate in &new {
            if !candidate.pin.is_used(&census) {
                self.collect(candidate);
            }
        }
        Ok(())
    }

    /// Removes what is left of pins that are gone. They are made and removed with the user's lock held.
    fn collect_broken(&mut self) -> Result<()> {
        if self.collector.request.user.is_some() {
            return Ok(());
        }
        for key in pin::list(self.runtime)?.broken {
            let lock = self.collector.try_lock(self.runtime, key.uid())?;
            let path = &key.path();
            if lock.is_none() {
                self.collector.leave(Kind::Pin, path, BUSY);
            } else if pin::list(self.runtime)?.broken.contains(&key) {
                let leftover = Leftover {
                    kind: Kind::Pin,
                    path,
                    reason: "whoever made or removed it was killed",
                };
                let runtime = self.runtime;
                self.collector
                    .dispose(leftover, || pin::remove_others(runtime, &key));
            }
        }
        Ok(())
    }

    /// Finds the pins that are not in use. What there is to say of the others is noted.
    fn find_unused(&mut self, keys: Vec<PinKey>) -> Result<Vec<Candidate<'c>>> {
        let census = self.collector.census()?;
        let mut unused = Vec::new();
        for key in keys {
            let path = key.path();
            let judged = self.look_up(key).and_then(|pin| {
                let state = self.judge(&pin, &census)?;
                Ok((pin, state))
            });
            match judged {
                Ok((pin, State::Used)) => self.note_use(&pin),
                Ok((pin, State::Unused(reason))) => unused.push(Candidate { pin, reason }),
                Ok((_, State::UnusedElsewhere(reason))) => {
                    self.collector.leave(Kind::Foreign, &path, &reason);
                }
                Err(error) => self.collector.dispose_failed(Kind::Pin, &path, error),
            }
        }
        Ok(unused)
    }

    fn look_up(&self, key: PinKey) -> Result<Pin<'c>> {
        let bound = self.bound(&key)?;
        let record = self.ledger.pinned(&key, bound);
        Ok(Pin { key, bound, record })
    }

    /// The namespace that is bound to a pin here.
    fn bound(&self, key: &PinKey) -> Result<Option<Identity>> {
        let namespace = self.pins.namespace(key)?;
        Ok(namespace.map(|namespace| namespace.identity()))
    }

    fn judge(&mut self, pin: &Pin<'_>, census: &Census) -> Result<State> {
        if pin.is_used(census) {
            return Ok(State::Used);
        }
        match pin.record {
            Some(record) if record.origin != self.collector.own => {
                Ok(self.collector.judge_elsewhere(record.origin, census))
            }
            Some(_) => Ok(State::Unused("no process is in its namespace")),
            None if pin.bound.is_some() => Ok(State::Unused("no process is in its namespace")),
            None => self.judge_unbound(&pin.key, census),
        }
    }

    /// Nothing is bound to it here, and nothing is known of it. Where something is bound to it in another
    /// namespace, removing the file would undo that.
    fn judge_unbound(&mut self, key: &PinKey, census: &Census) -> Result<State> {
        // In another vault, of whose mounts no process has a table.
        if pin::number(self.runtime, key)?.is_some_and(|number| census.has_number(number)) {
            return Ok(State::Used);
        }
        let name = format!("ns/{key}");
        let status = rustix::fs::statat(self.runtime, &name, AtFlags::SYMLINK_NOFOLLOW);
        let being_made = status.is_ok_and(|status| self.collector.age(&status) < BEING_MADE);
        let is_partial = self.collector.request.user.is_some();
        if being_made
            || is_partial
            || !(self.collector.sees_all || self.ledger.is_all_from(self.collector.own))
        {
            return Ok(State::Used);
        }
        if self.collector.mounts()?.cover_pin(key) {
            return Ok(State::Used);
        }
        Ok(State::Unused("no namespace is bound to it"))
    }

    /// Takes back that nothing runs in a namespace, where somebody has entered it without a login.
    fn note_use(&mut self, pin: &Pin<'_>) {
        let is_noted = |record: &&NamespaceRecord| record.unused_since.is_some();
        if self.collector.request.dry_run || pin.record.filter(is_noted).is_none() {
            return;
        }
        if let Err(error) = self.note_unused(pin, None) {
            self.collector.note_failure(Kind::Namespace, Err(error));
        }
    }

    /// Notes in the records of namespaces that nothing runs in them, and returns those in which that was possible.
    fn note_all(&mut self, candidates: Vec<Candidate<'c>>) -> Vec<Candidate<'c>> {
        let mut noted = Vec::new();
        for candidate in candidates {
            match self.note_unused(&candidate.pin, Some(clock::now())) {
                Ok(true) => noted.push(candidate),
                Ok(false) => self.leave_busy(&candidate.pin.key),
                Err(error) => {
                    let path = candidate.pin.key.path();
                    self.collector.dispose_failed(Kind::Pin, &path, error);
                }
            }
        }
        noted
    }

    /// Notes since when nothing runs in a namespace, or that something does; `false` where its user has a login under
    /// way.
    pub(super) fn note_unused(&self, pin: &Pin<'_>, since: Option<u64>) -> Result<bool> {
        let Some(_lock) = self.collector.try_lock(self.runtime, pin.key.uid())? else {
            return Ok(false);
        };
        if self.collector.request.dry_run || pin.record.is_none() {
            return Ok(true);
        }
        let Some(mut now) = self.record_now(pin)? else {
            return Ok(false);
        };
        now.note_unused(self.runtime, since)?;
        Ok(true)
    }

    /// The record that the namespace has now, if it is about the same.
    fn record_now(&self, pin: &Pin<'_>) -> Result<Option<NamespaceRecord>> {
        let Some(namespace) = pin.namespace() else {
            return Ok(None);
        };
        let now = NamespaceRecord::read(self.runtime, namespace.inode)?;
        Ok(now.filter(|now| now.namespace == namespace && now.pin.as_ref() == Some(&pin.key)))
    }

    pub(super) fn leave_busy(&mut self, key: &PinKey) {
        self.collector.leave(Kind::Pin, &key.path(), BUSY);
    }

    /// Removes a pin, unless a login of its user is under way or has joined its namespace since that was noted as
    /// unused.
    fn collect(&mut self, candidate: &Candidate<'_>) {
        let Candidate { pin, reason } = candidate;
        let path = &pin.key.path();
        match self.lock_unused(pin) {
            Err(error) => self.collector.dispose_failed(Kind::Pin, path, error),
            Ok(None) => self.leave_busy(&pin.key),
            Ok(Some(_lock)) => {
                let runtime = self.runtime;
                let leftover = Leftover {
                    kind: Kind::Pin,
                    path,
                    reason,
                };
                let remove = || remove_with_record(runtime, &pin.key, pin.record);
                self.collector.dispose(leftover, remove);
                self.collector.unpinned.insert(pin.key.clone());
            }
        }
    }

    /// Takes the lock of a pin's user, unless somebody has it or the pin is in use again.
    fn lock_unused(&self, pin: &Pin<'_>) -> Result<Option<Held>> {
        let lock = self.collector.try_lock(self.runtime, pin.key.uid())?;
        if lock.is_none() || self.collector.request.dry_run {
            return Ok(lock);
        }
        let is_unused = match (pin.record, self.record_now(pin)) {
            (Some(_), now) => now?.is_some_and(|now| now.unused_since.is_some()),
            // Nobody joins a namespace without a record, or with one that cannot be read.
            (None, now) => !matches!(now, Ok(Some(_))),
        };
        let is_same = self.bound(&pin.key)? == pin.bound;
        Ok(lock.filter(|_| is_unused && is_same))
    }
}

impl Pin<'_> {
    /// The namespace that is, or was, bound to it.
    fn namespace(&self) -> Option<Identity> {
        self.bound.or(self.record.map(|record| record.namespace))
    }

    fn is_used(&self, census: &Census) -> bool {
        match self.record {
            Some(record) => census.is_used(record),
            None => self.bound.is_some_and(|namespace| census.holds(namespace)),
        }
    }
}

impl Collector<'_> {
    /// Judges something unused that was made in another namespace: there alone can it be removed, as long as there is
    /// a there.
    pub(super) fn judge_elsewhere(&self, origin: Identity, census: &Census) -> State {
        if self.sees_all && !census.holds(origin) {
            return State::Unused("the namespace that it was made in is gone");
        }
        let reason = format!("it was made in another mount namespace, {origin}; run jns gc there");
        State::UnusedElsewhere(reason)
    }

    pub(super) fn dispose_failed(&mut self, kind: Kind, path: &str, error: Error) {
        let reason = "it cannot be examined";
        self.note(Leftover { kind, path, reason }, Disposal::Failed(error));
    }
}
