//! Pins of namespaces that no process is in any more.

use super::census::Census;
use super::records::Ledger;
use super::views::Views;
use super::{BUSY, Kind, LOCKED_AT_ONCE, Request, Sweep, Verdict};
use crate::error::{Error, Result};
use crate::kernel::fs::directory::is_temporary;
use crate::kernel::namespace::Identity;
use crate::kernel::namespace::guard::PINS;
use crate::session::ledger::NamespaceRecord;
use crate::session::pin::{Pins, uid_of};
use crate::session::runtime::Runtime;
use crate::session::volumes;
use rustix::fs::AtFlags;
use std::time::Duration;

/// Until then, a pin that nothing is bound to is taken for one that is being made.
const BEING_MADE: Duration = Duration::from_secs(60);

/// How many pins of a user a login looks at.
const MOST_AT_LOGIN: usize = 16;

/// Removes the pins of a user's namespaces that no process is in, except `kept`: a bounded look for a login
/// that is about to make another one. It is called with the user's lock held, in the namespace that holds
/// the pins.
///
/// # Errors
///
/// /proc or the pins cannot be read, or a pin not be removed.
pub fn remove_unused_pins_of(runtime: &Runtime, uid: u32, kept: &str) -> Result<()> {
    let is_theirs = |key: &String| key != kept && uid_of(key) == Some(uid);
    if let Some(pins) = Pins::find(runtime)? {
        let mut broken = Pins::list_broken(runtime)?.into_iter().filter(is_theirs);
        broken.try_for_each(|key| pins.remove_companions(&key))?;
    }
    let keys = Pins::list(runtime)?.into_iter().filter(is_theirs);
    let keys: Vec<String> = keys.take(MOST_AT_LOGIN).collect();
    let Some(pins) = Pins::find(runtime)?.filter(|_| !keys.is_empty()) else {
        return Ok(());
    };
    let request = Request {
        dry_run: false,
        stores: &[],
        unused_for: None,
        is_deleted: None,
        beginning: &|_| {},
    };
    let ledger = Ledger::read(Some(runtime))?;
    let look = Look {
        sweep: &Sweep::new(&request)?,
        runtime,
        pins: &pins,
        ledger: &ledger,
    };
    let unused = look.unused(keys, &Census::of_processes()?);
    if unused.is_empty() {
        return Ok(());
    }
    let threads = Census::of_threads()?;
    for (key, verdict) in look.unused(unused.into_iter().map(|(key, _)| key), &threads) {
        if let Verdict::Garbage(_) = verdict? {
            remove(runtime, &pins, &ledger, &key)?;
        }
    }
    Ok(())
}

/// Removes the pin of a namespace that the calling login has made and is in no more, with its record, unless
/// another login has joined it: then it gives `false`. It is called with the user's lock held, in the
/// namespace that holds the pins, from a process in that of the pin.
///
/// # Errors
///
/// It is not known who is in there, or the pin cannot be removed.
pub fn remove_pin_unless_joined(runtime: &Runtime, key: &str, namespace: Identity) -> Result<bool> {
    let record = NamespaceRecord::read(runtime, namespace.inode)?;
    let is_used = |record: &NamespaceRecord| Ok(Census::of_threads()?.is_used(record));
    if record.as_ref().map(is_used).transpose()?.unwrap_or(false) {
        return Ok(false);
    }
    if let Some(pins) = Pins::find(runtime)? {
        pins.remove(key)?;
    }
    NamespaceRecord::remove(runtime, namespace.inode)?;
    Ok(true)
}

impl Sweep<'_> {
    /// Removes the pins whose namespaces hold no process, with their records.
    pub(super) fn sweep_namespaces(
        &mut self,
        runtime: &Runtime,
        ledger: &mut Ledger,
    ) -> Result<()> {
        let Some(pins) = Pins::find(runtime)? else {
            return Ok(());
        };
        let mut keys = Vec::new();
        for name in Pins::list(runtime)? {
            match uid_of(&name) {
                Some(_) => keys.push(name),
                None if is_temporary(&name) => {}
                None => self.note_foreign(&path_of(&name)),
            }
        }
        let found = self
            .look(runtime, &pins, ledger)
            .unused(keys, &Census::of_processes()?);
        for batch in found.chunks(LOCKED_AT_ONCE) {
            let keys = batch.iter().map(|(key, _)| key.clone()).collect();
            self.sweep_pins(runtime, &pins, ledger, keys)?;
        }
        self.sweep_broken_pins(runtime, &pins)
    }

    /// Removes what is left of pins that are gone. They are made and removed with the user's lock held.
    fn sweep_broken_pins(&mut self, runtime: &Runtime, pins: &Pins) -> Result<()> {
        for key in Pins::list_broken(runtime)? {
            let Some(uid) = uid_of(&key) else {
                continue;
            };
            let lock = self.try_lock(runtime, uid)?;
            let path = path_of(&key);
            if lock.is_none() {
                self.spare(Kind::Pin, &path, BUSY);
            } else if Pins::list_broken(runtime)?.contains(&key) {
                let reason = "whoever made or removed it was killed";
                self.dispose(Kind::Pin, &path, reason, || pins.remove_companions(&key));
            }
        }
        Ok(())
    }

    fn look<'l>(&'l self, runtime: &'l Runtime, pins: &'l Pins, ledger: &'l Ledger) -> Look<'l> {
        Look {
            sweep: self,
            runtime,
            pins,
            ledger,
        }
    }

    /// Judges pins a second time, with their users' locks held, and removes them.
    fn sweep_pins(
        &mut self,
        runtime: &Runtime,
        pins: &Pins,
        ledger: &mut Ledger,
        keys: Vec<String>,
    ) -> Result<()> {
        let locks = self.try_locks(runtime, keys.iter().filter_map(|key| uid_of(key)))?;
        let is_locked = |key: &String| uid_of(key).is_some_and(|uid| locks.contains_key(&uid));
        let (locked, busy): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_locked);
        for key in busy {
            self.spare(Kind::Pin, &path_of(&key), BUSY);
        }
        let verdicts = self
            .look(runtime, pins, ledger)
            .unused(locked, &Census::of_threads()?);
        for (key, verdict) in verdicts {
            self.sweep_pin(runtime, pins, ledger, key, verdict);
        }
        Ok(())
    }

    fn sweep_pin(
        &mut self,
        runtime: &Runtime,
        pins: &Pins,
        ledger: &Ledger,
        key: String,
        verdict: Result<Verdict>,
    ) {
        let path = path_of(&key);
        match verdict {
            Err(error) => self.dispose_failed(Kind::Pin, &path, error),
            Ok(Verdict::Used) => {}
            Ok(Verdict::Spared(reason)) => self.spare(Kind::Foreign, &path, &reason),
            Ok(Verdict::Garbage(reason)) => {
                self.dispose(Kind::Pin, &path, reason, || {
                    remove(runtime, pins, ledger, &key)
                });
                self.unpinned.insert(key);
            }
        }
    }
}

/// A look at pins.
struct Look<'a> {
    sweep: &'a Sweep<'a>,
    runtime: &'a Runtime,
    pins: &'a Pins,
    ledger: &'a Ledger,
}

impl Look<'_> {
    /// The pins that are not in use, as far as the census tells.
    fn unused(
        &self,
        keys: impl IntoIterator<Item = String>,
        census: &Census,
    ) -> Vec<(String, Result<Verdict>)> {
        let judged = keys.into_iter().map(|key| {
            let verdict = self.judge(&key, census);
            (key, verdict)
        });
        judged
            .filter(|(_, verdict)| !matches!(verdict, Ok(Verdict::Used)))
            .collect()
    }

    fn judge(&self, key: &str, census: &Census) -> Result<Verdict> {
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
            return Ok(Verdict::Used);
        }
        match record {
            Some(record) if record.origin != self.sweep.own => {
                Ok(self.sweep.judge_elsewhere(record.origin, census))
            }
            Some(_) => Ok(Verdict::Garbage("no process is in its namespace")),
            None if bound.is_some() => Ok(Verdict::Garbage("no process is in its namespace")),
            None => self.judge_unbound(key),
        }
    }

    /// Nothing is bound to it here, and nothing is known of it. Where something is bound to it in another
    /// namespace, removing the file would undo that.
    fn judge_unbound(&self, key: &str) -> Result<Verdict> {
        let name = format!("ns/{key}");
        let status = rustix::fs::statat(self.runtime, &name, AtFlags::SYMLINK_NOFOLLOW);
        let being_made = status.is_ok_and(|status| self.sweep.age(&status) < BEING_MADE);
        if being_made || !(self.sweep.sees_all || self.ledger.is_all_from(self.sweep.own)) {
            return Ok(Verdict::Used);
        }
        if Views::take()?.cover_pin(key) {
            return Ok(Verdict::Used);
        }
        Ok(Verdict::Garbage("no namespace is bound to it"))
    }
}

impl Sweep<'_> {
    /// What to do about something unused that was made in another namespace: there alone can it be removed,
    /// as long as there is a there.
    pub(super) fn judge_elsewhere(&self, origin: Identity, census: &Census) -> Verdict {
        if self.sees_all && !census.holds(origin) {
            return Verdict::Garbage("the namespace that it was made in is gone");
        }
        let reason = format!("it was made in another mount namespace, {origin}; run jns gc there");
        Verdict::Spared(reason)
    }

    fn dispose_failed(&mut self, kind: Kind, path: &str, error: Error) {
        self.note(
            kind,
            path,
            "it cannot be examined",
            super::Fate::Failed(error),
        );
    }
}

/// The pin first: a namespace without a record is never left by su(1), but one without a pin only lives
/// as long as its processes.
fn remove(runtime: &Runtime, pins: &Pins, ledger: &Ledger, key: &str) -> Result<()> {
    let bound = pins.namespace(key)?.map(|namespace| namespace.identity());
    let record = ledger.pinned(key, bound);
    if let Some(record) = record {
        volumes::close(runtime, record)?;
    }
    pins.remove(key)?;
    record.map_or(Ok(()), |record| {
        NamespaceRecord::remove(runtime, record.namespace.inode)
    })
}

fn path_of(key: &str) -> String {
    format!("{PINS}/{key}")
}
