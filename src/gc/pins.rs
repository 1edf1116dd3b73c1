//! Pins of namespaces that no process is in any more.

use super::collector::{BUSY, Collector, LOCKED_AT_ONCE, Leftover, State};
use super::mounts::Mounts;
use super::records::Ledger;
use super::remains::{Disposal, Kind};
use crate::error::{Error, Result};
use crate::kernel::namespace::Identity;
use crate::kernel::namespace::guard::PINS;
use crate::session::census::Census;
use crate::session::pin::Pins;
use crate::session::pin_key::PinKey;
use crate::session::runtime::Runtime;
use rustix::fs::AtFlags;
use std::time::Duration;

/// The time for which a pin that nothing is bound to is taken for one that is being made.
const BEING_MADE: Duration = Duration::from_secs(60);

impl Collector<'_> {
    /// Removes the pins whose namespaces hold no process, with their records.
    pub(super) fn collect_pins(&mut self, runtime: &Runtime, ledger: &Ledger) -> Result<()> {
        let Some(pins) = Pins::find(runtime)? else {
            return Ok(());
        };
        let listing = Pins::list(runtime)?;
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
struct PinCollection<'c, 'r> {
    collector: &'c mut Collector<'r>,
    runtime: &'c Runtime,
    pins: &'c Pins,
    ledger: &'c Ledger,
}

impl PinCollection<'_, '_> {
    /// Removes pins that no process needs, some users' at a time.
    fn collect_unused(&mut self, pins: Vec<PinKey>) -> Result<()> {
        let found = self.find_unused(pins, &Census::of_processes()?);
        for batch in found.chunks(LOCKED_AT_ONCE) {
            let keys = batch.iter().map(|(key, _)| key.clone()).collect();
            self.collect_locked(keys)?;
        }
        Ok(())
    }

    /// Removes what is left of pins that are gone. They are made and removed with the user's lock held.
    fn collect_broken(&mut self) -> Result<()> {
        for key in Pins::list(self.runtime)?.broken {
            let lock = self.collector.try_lock(self.runtime, key.uid())?;
            let path = &key.path();
            if lock.is_none() {
                self.collector.leave(Kind::Pin, path, BUSY);
            } else if Pins::list(self.runtime)?.broken.contains(&key) {
                let leftover = Leftover {
                    kind: Kind::Pin,
                    path,
                    reason: "whoever made or removed it was killed",
                };
                let pins = self.pins;
                self.collector
                    .dispose(leftover, || pins.remove_others(&key));
            }
        }
        Ok(())
    }

    /// Judges pins a second time, with their users' locks held, and removes them.
    fn collect_locked(&mut self, keys: Vec<PinKey>) -> Result<()> {
        let locks = self
            .collector
            .try_locks(self.runtime, keys.iter().map(PinKey::uid))?;
        let is_locked = |key: &PinKey| locks.contains_key(&key.uid());
        let (locked, busy): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_locked);
        for key in busy {
            self.collector.leave(Kind::Pin, &key.path(), BUSY);
        }
        for (key, state) in self.find_unused(locked, &Census::of_threads()?) {
            self.collect(key, state);
        }
        Ok(())
    }

    fn collect(&mut self, key: PinKey, state: Result<State>) {
        let (kind, path) = (Kind::Pin, &key.path());
        match state {
            Err(error) => self.collector.dispose_failed(kind, path, error),
            Ok(State::Used) => {}
            Ok(State::UnusedElsewhere(reason)) => {
                self.collector.leave(Kind::Foreign, path, &reason);
            }
            Ok(State::Unused(reason)) => {
                let (runtime, pins, ledger) = (self.runtime, self.pins, self.ledger);
                self.collector.dispose(Leftover { kind, path, reason }, || {
                    let bound = pins.namespace(&key)?.map(|namespace| namespace.identity());
                    pins.remove_with_record(runtime, &key, ledger.pinned(&key, bound))
                });
                self.collector.unpinned.insert(key);
            }
        }
    }

    /// The pins that are not in use, as far as the census shows.
    fn find_unused(
        &self,
        keys: impl IntoIterator<Item = PinKey>,
        census: &Census,
    ) -> Vec<(PinKey, Result<State>)> {
        let judged = keys.into_iter().map(|key| {
            let state = self.judge(&key, census);
            (key, state)
        });
        judged
            .filter(|(_, state)| !matches!(state, Ok(State::Used)))
            .collect()
    }

    fn judge(&self, key: &PinKey, census: &Census) -> Result<State> {
        let bound = self
            .pins
            .namespace(key)?
            .map(|namespace| namespace.identity());
        let record = self.ledger.pinned(key, bound);
        let used = match record {
            Some(record) => census.is_used(record),
            None => bound.is_some_and(|namespace| census.holds(namespace)),
        };
        if used {
            return Ok(State::Used);
        }
        match record {
            Some(record) if record.origin != self.collector.own => {
                Ok(self.collector.judge_elsewhere(record.origin, census))
            }
            Some(_) => Ok(State::Unused("no process is in its namespace")),
            None if bound.is_some() => Ok(State::Unused("no process is in its namespace")),
            None => self.judge_unbound(key),
        }
    }

    /// Nothing is bound to it here, and nothing is known of it. Where something is bound to it in another
    /// namespace, removing the file would undo that.
    fn judge_unbound(&self, key: &PinKey) -> Result<State> {
        let name = format!("ns/{key}");
        let status = rustix::fs::statat(self.runtime, &name, AtFlags::SYMLINK_NOFOLLOW);
        let being_made = status.is_ok_and(|status| self.collector.age(&status) < BEING_MADE);
        if being_made || !(self.collector.sees_all || self.ledger.is_all_from(self.collector.own)) {
            return Ok(State::Used);
        }
        if Mounts::take()?.cover_pin(key) {
            return Ok(State::Used);
        }
        Ok(State::Unused("no namespace is bound to it"))
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

    fn dispose_failed(&mut self, kind: Kind, path: &str, error: Error) {
        let reason = "it cannot be examined";
        self.note(Leftover { kind, path, reason }, Disposal::Failed(error));
    }
}
