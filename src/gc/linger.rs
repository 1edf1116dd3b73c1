//! Namespaces in which nothing runs any more, and which are kept for the next login (`settings.linger`): what is in
//! their memory is still there when a user comes back soon.

use super::pins::{Candidate, PinCollection};
use super::remains::Kind;
use crate::kernel::namespace::Namespace;
use crate::session::memory::memory;
use crate::session::{NamespaceRecord, PinKey, clock};
use std::collections::BTreeMap;
use std::time::Duration;

/// The reason why a namespace goes before its time.
const NO_MEMORY: &str =
    "no process is in its namespace, and all views in memory hold more than settings.memory";

impl<'c> PinCollection<'c, '_> {
    /// Keeps the unused namespaces whose time has not come, and returns the others.
    pub(super) fn without_lingering(&mut self, unused: Vec<Candidate<'c>>) -> Vec<Candidate<'c>> {
        let (now, linger) = (clock::now(), self.collector.request.linger);
        let is_deleted = self.collector.request.is_deleted;
        let lingers = |candidate: &Candidate<'_>| {
            let elapsed = candidate.unused_for(now);
            // Nobody logs in any more whose account is gone.
            let has_account = candidate.pin.record.is_none_or(|record| {
                is_deleted.is_none_or(|is_deleted| !is_deleted(record.uid, Some(&record.user)))
            });
            has_account && elapsed.is_some_and(|elapsed| elapsed < linger)
        };
        let (lingering, mut over): (Vec<_>, Vec<_>) = unused.into_iter().partition(lingers);
        for candidate in self.within_memory(lingering, &mut over) {
            self.keep(&candidate, now);
        }
        over
    }

    /// Notes since when a namespace is unused, unless that is noted, and that it stays.
    fn keep(&mut self, candidate: &Candidate<'_>, now: u64) {
        let (key, linger) = (&candidate.pin.key, self.collector.request.linger);
        let elapsed = candidate.noted(now);
        let noted = match elapsed {
            Some(_) => Ok(true),
            None => self.note_unused(&candidate.pin, Some(now)),
        };
        match noted {
            Ok(true) => {
                let elapsed = humantime::format_duration(elapsed.unwrap_or_default());
                let kept = match linger {
                    Duration::MAX => "while a policy has errors".to_owned(),
                    linger => format!("for {}", humantime::format_duration(linger)),
                };
                let reason = format!("nothing runs in it for {elapsed}; it is kept {kept}");
                self.collector.leave(Kind::Pin, &key.path(), &reason);
            }
            Ok(false) => self.leave_busy(key),
            Err(error) => self.collector.dispose_failed(Kind::Pin, &key.path(), error),
        }
    }

    /// Moves those to `over` that are longest unused, until all views in memory hold no more than they may, and returns
    /// the others.
    fn within_memory(
        &self,
        mut lingering: Vec<Candidate<'c>>,
        over: &mut Vec<Candidate<'c>>,
    ) -> Vec<Candidate<'c>> {
        let limit = self.collector.request.memory;
        let Some(limit) = limit.filter(|limit| !lingering.is_empty() && may_exceed(*limit)) else {
            return lingering;
        };
        let held = self.memory_held();
        let freed = over
            .iter()
            .filter_map(|candidate| held.get(&candidate.pin.key));
        let freed: u64 = freed.fold(0, |sum, bytes| sum.saturating_add(*bytes));
        let all = held
            .values()
            .fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
        let mut rest = all.saturating_sub(freed);
        // The longest unused last, where one is taken from; those that are found unused now have been so for the
        // shortest time.
        lingering.sort_by_key(|candidate| {
            let record = candidate.pin.record;
            let since = record.and_then(|record| record.unused_since);
            std::cmp::Reverse(since.unwrap_or(u64::MAX))
        });
        let mut kept = Vec::new();
        while let Some(mut oldest) = lingering.pop() {
            // The end of one that holds nothing frees nothing.
            match held.get(&oldest.pin.key) {
                Some(bytes) if rest > limit => {
                    rest = rest.saturating_sub(*bytes);
                    oldest.reason = NO_MEMORY;
                    over.push(oldest);
                }
                Some(_) | None => kept.push(oldest),
            }
        }
        kept
    }

    /// The bytes that each pinned namespace holds in memory, without those that hold none.
    fn memory_held(&self) -> BTreeMap<PinKey, u64> {
        let held = self.ledger.with_pin().filter_map(|(key, record)| {
            let namespace = self.pins.namespace_of(record).ok().flatten()?;
            Some((key.clone(), held_in(&namespace, record)))
        });
        held.filter(|(_, bytes)| *bytes > 0).collect()
    }
}

impl Candidate<'_> {
    /// The time for which the namespace of a pin is known to be unused, none where it was found so now; nothing for one
    /// that no login could join, or in which a volume is open: that is not left open for nobody.
    fn unused_for(&self, now: u64) -> Option<Duration> {
        let has_no_volume = |record: &NamespaceRecord| record.volumes.is_empty();
        let is_joinable = self.pin.record.is_some_and(has_no_volume) && self.pin.bound.is_some();
        is_joinable.then(|| self.noted(now).unwrap_or_default())
    }

    /// The time since when it is noted as unused. A time to come says nothing: the clock was set back.
    fn noted(&self, now: u64) -> Option<Duration> {
        let since = self.pin.record?.unused_since?;
        now.checked_sub(since).map(Duration::from_secs)
    }
}

fn held_in(namespace: &Namespace, record: &NamespaceRecord) -> u64 {
    let all = memory(namespace, &record.paths).into_iter();
    all.fold(0, |sum, memory| sum.saturating_add(memory.used))
}

/// Whether the file systems in memory of this machine hold more than that together, the host's among them. To ask costs
/// one file (proc_meminfo(5)), to enter every namespace much more. Where the file does not say, they may.
fn may_exceed(limit: u64) -> bool {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = |name: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    let (Some(shared), Some(swap), Some(free)) = (
        kibibytes("Shmem"),
        kibibytes("SwapTotal"),
        kibibytes("SwapFree"),
    ) else {
        return true;
    };
    let most = shared.saturating_add(swap.saturating_sub(free));
    most.saturating_mul(1024) > limit
}
