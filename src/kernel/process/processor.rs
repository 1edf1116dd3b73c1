//! On which processor the calling thread runs.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How many processors are tried.
const MOST: usize = 8;

/// A tour over processors that the calling thread may run on, one after the other. When it ends, the
/// thread may run on all of them again.
#[derive(Debug)]
pub struct Tour {
    allowed: CpuSet,
    ahead: Vec<usize>,
}

impl Tour {
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
    pub fn move_on(&mut self) -> bool {
        self.ahead.pop().is_some_and(|next| {
            let mut there = CpuSet::new();
            there.set(next);
            sched_setaffinity(None, &there).is_ok()
        })
    }
}

impl Drop for Tour {
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
    fn a_tour_visits_other_processors_and_ends_as_it_began() {
        let before = sched_getaffinity(None).unwrap();
        let mut tour = Tour::begin().unwrap();
        let mut visited = vec![rustix::thread::sched_getcpu()];
        while tour.move_on() {
            visited.push(rustix::thread::sched_getcpu());
        }
        drop(tour);
        let expected = usize::try_from(before.count()).unwrap().min(MOST + 1);
        assert!(visited.len() >= expected.min(2), "{visited:?}");
        assert!(
            visited.windows(2).all(|two| two[0] != two[1]),
            "{visited:?}"
        );
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
