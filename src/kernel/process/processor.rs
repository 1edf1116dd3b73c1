//! The processors on which the calling thread runs.

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The number of processors besides the present one that are tried for a login.
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
        Some(Self::among(allowed, |cpu| allowed.is_set(cpu), MOST))
    }

    /// Begins as [`Processors::begin`] does, with all that the first process may run on as well: a user who keeps su(1) to
    /// some of them (taskset(1)) does not choose where it goes.
    #[must_use]
    pub(crate) fn all() -> Option<Self> {
        let allowed = sched_getaffinity(None).ok()?;
        let of_first = sched_getaffinity(Some(Pid::INIT)).unwrap_or(allowed);
        let is_known = |cpu: usize| allowed.is_set(cpu) || of_first.is_set(cpu);
        Some(Self::among(allowed, is_known, CpuSet::MAX_CPU))
    }

    fn among(allowed: CpuSet, is_known: impl Fn(usize) -> bool, number: usize) -> Self {
        let here = rustix::thread::sched_getcpu();
        let others = (0..CpuSet::MAX_CPU).filter(|cpu| is_known(*cpu) && *cpu != here);
        let ahead = std::iter::once(here).chain(others.take(number)).collect();
        Self { allowed, ahead }
    }

    /// Moves to the next processor that the kernel allows; `false` where there is none.
    pub(crate) fn move_on(&mut self) -> bool {
        while let Some(next) = self.ahead.pop() {
            let mut there = CpuSet::new();
            there.set(next);
            if sched_setaffinity(None, &there).is_ok() {
                return true;
            }
        }
        false
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
