//! The processors on which the calling thread runs.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The number of processors that are tried.
const MOST: usize = 8;

/// The processors that the calling thread may run on, tried one after the other. Dropped, the thread may run on all of them
/// again.
#[derive(Debug)]
pub struct Processors {
    allowed: CpuSet,
    ahead: Vec<usize>,
}

impl Processors {
    /// Begins somewhere else than where the thread is, which comes last: it may have been elsewhere a moment
    /// ago. Nothing where the kernel does not say where it may run.
    #[must_use]
    pub fn begin() -> Option<Self> {
        let allowed = sched_getaffinity(None).ok()?;
        let here = rustix::thread::sched_getcpu();
        let others = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu) && *cpu != here);
        let ahead = std::iter::once(here).chain(others.take(MOST)).collect();
        Some(Self { allowed, ahead })
    }

    /// Moves to the next processor; `false` where there is none, or the kernel does not allow it.
    pub(crate) fn move_on(&mut self) -> bool {
        self.ahead.pop().is_some_and(|next| {
            let mut there = CpuSet::new();
            there.set(next);
            sched_setaffinity(None, &there).is_ok()
        })
    }
}

impl Drop for Processors {
    fn drop(&mut self) {
        if let Err(errno) = sched_setaffinity(None, &self.allowed) {
            let reason = errno.kind();
            log::warn!("cannot let the process run on all its processors again: {reason}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_processors_are_tried_and_all_are_allowed_again() {
        let before = sched_getaffinity(None).unwrap();
        let mut processors = Processors::begin().unwrap();
        let mut used = vec![rustix::thread::sched_getcpu()];
        while processors.move_on() {
            used.push(rustix::thread::sched_getcpu());
        }
        drop(processors);
        let expected = usize::try_from(before.count()).unwrap().min(MOST + 1);
        assert!(used.len() >= expected.min(2), "{used:?}");
        assert!(used.windows(2).all(|two| two[0] != two[1]), "{used:?}");
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
