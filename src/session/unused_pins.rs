//! Pins that nobody needs any more, as far as the logins of one user see to that.

use super::census::Census;
use super::ledger::NamespaceRecord;
use super::pin::Pins;
use super::pin_key::PinKey;
use super::runtime::Runtime;
use super::volumes;
use crate::error::Result;
use crate::kernel::namespace::{Identity, Namespace};

/// The number of pins of a user that a login judges.
const MOST_AT_LOGIN: usize = 16;

/// Removes the pins of a user's namespaces that no process is in, except the one of the key `except`: a bounded look
/// for a login that is about to make another one. It is called with the user's lock held, in the namespace that holds
/// the pins. What is not known well enough stays for the collector: what nothing is bound to here, what was made
/// elsewhere, and what has a record that cannot be read.
///
/// # Errors
///
/// /proc or the directory of pins cannot be read, or a pin cannot be removed.
pub fn remove_unused_pins_of(runtime: &Runtime, uid: u32, except: &PinKey) -> Result<()> {
    let is_theirs = |key: &PinKey| key != except && key.uid() == uid;
    let Some(pins) = Pins::find(runtime)? else {
        return Ok(());
    };
    let listing = Pins::list(runtime)?;
    let mut broken = listing.broken.into_iter().filter(is_theirs);
    broken.try_for_each(|key| pins.remove_others(&key))?;
    let own = Namespace::own()?.identity();
    let keys = listing.pins.into_iter().filter(is_theirs);
    let mut candidates = Vec::new();
    for key in keys {
        // What cannot be judged must not keep the login from those that can.
        let found = Candidate::find(runtime, &pins, key, own);
        candidates.extend(found.unwrap_or_else(|error| {
            log::debug!("{error}");
            None
        }));
        if candidates.len() >= MOST_AT_LOGIN {
            break;
        }
    }
    // The cheap look first: one stat(2) a process, and nothing for a user who has no other pin.
    for look in [Census::of_processes, Census::of_threads] {
        if candidates.is_empty() {
            return Ok(());
        }
        let census = look()?;
        candidates.retain(|candidate| !candidate.is_used(&census));
    }
    candidates.iter().try_for_each(|candidate| {
        pins.remove_with_record(runtime, &candidate.key, candidate.record.as_ref())
    })
}

/// Removes the pin of a namespace that the calling login has made and is in no more, with its record, unless
/// another login has joined it: then it gives `false`. It is called with the user's lock held, in the
/// namespace that holds the pins, from a process in that of the pin.
///
/// # Errors
///
/// It is not known who is in there, or the pin cannot be removed.
pub fn remove_pin_unless_joined(
    runtime: &Runtime,
    key: &PinKey,
    namespace: Identity,
) -> Result<bool> {
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

/// A pin, and what is bound to it here.
struct Candidate {
    key: PinKey,
    namespace: Identity,
    record: Option<NamespaceRecord>,
}

impl Candidate {
    /// The pin `key`; nothing where no namespace is bound to it here, or one that was made elsewhere.
    fn find(runtime: &Runtime, pins: &Pins, key: PinKey, own: Identity) -> Result<Option<Self>> {
        let Some(namespace) = pins.namespace(&key)?.map(|namespace| namespace.identity()) else {
            return Ok(None);
        };
        // A record that cannot be read is of a later version, which may have its reasons.
        let Ok(record) = NamespaceRecord::read(runtime, namespace.inode) else {
            return Ok(None);
        };
        let is_its = |record: &NamespaceRecord| {
            record.namespace == namespace && record.pin.as_ref() == Some(&key)
        };
        let record = record.filter(is_its);
        let is_from_here = record.as_ref().is_none_or(|record| record.origin == own);
        Ok(is_from_here.then_some(Self {
            key,
            namespace,
            record,
        }))
    }

    fn is_used(&self, census: &Census) -> bool {
        match &self.record {
            Some(record) => census.is_used(record),
            None => census.holds(self.namespace),
        }
    }
}

impl Pins {
    /// Removes the pin `key` of a namespace that nobody uses, with what is known of it. The pin goes first: a namespace
    /// without a record is never left by su(1), but one without a pin only lives as long as its processes.
    ///
    /// # Errors
    ///
    /// Its volumes cannot be closed, or something of it cannot be removed.
    pub fn remove_with_record(
        &self,
        runtime: &Runtime,
        key: &PinKey,
        record: Option<&NamespaceRecord>,
    ) -> Result<()> {
        if let Some(record) = record {
            volumes::close(runtime, record)?;
        }
        self.remove(key)?;
        record.map_or(Ok(()), |record| {
            NamespaceRecord::remove(runtime, record.namespace.inode)
        })
    }
}
