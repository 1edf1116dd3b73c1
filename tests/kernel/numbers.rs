//! The numbers that the kernel gives to mount namespaces, and how a test's own gets the number it needs.
//!
//! A namespace can be bound to a file only from one with a lower number. Since Linux 6.18 the processors take
//! numbers in batches, so that outside the machine's first namespace a later one may have the lower number: a
//! test's host gets the lowest there is, whatever comes after it is higher.
#![allow(
    dead_code,
    reason = "each of the tests that share it asks for what it needs"
)]

use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::unistd::Pid;
use pam_jns::kernel::namespace::Namespace;

/// The calling thread.
const SELF: Pid = Pid::from_raw(0);

/// Which number a namespace gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Lower than that of any to come.
    Lowest,
    /// Higher than that of the next on another processor.
    Highest,
}

/// Does something, such as making a namespace, on the processor whose next namespace gets that number, and
/// again until it got it. `made` gives the number; nothing on kernels that do not.
pub fn with_number<T>(number: Number, make: impl Fn() -> T, made: impl Fn(&T) -> Option<u64>) -> T {
    for _ in 0..20 {
        let thing = on_processor(processor(number), &make);
        let next = processors().into_iter().filter_map(next_number);
        let holds = made(&thing).is_none_or(|own| match number {
            Number::Lowest => next.min().is_none_or(|lowest| own < lowest),
            Number::Highest => next.min().is_some_and(|lowest| lowest < own),
        });
        if holds {
            return thing;
        }
    }
    panic!("no namespace gets the {number:?} number")
}

/// The processor whose next namespace gets that number.
pub fn processor(number: Number) -> usize {
    let all = processors().into_iter();
    let chosen = match number {
        Number::Lowest => all.min_by_key(|processor| next_number(*processor)),
        Number::Highest => all.max_by_key(|processor| next_number(*processor)),
    };
    chosen.expect("a thread runs on a processor")
}

/// Whether a later namespace may have a lower number here: one processor, asked again after all others, is
/// not given the highest.
pub fn are_disordered() -> bool {
    let all = processors();
    let again = all.iter().chain(all.first());
    let numbers: Vec<_> = again
        .filter_map(|processor| next_number(*processor))
        .collect();
    !numbers.is_sorted()
}

fn processors() -> Vec<usize> {
    let set = sched_getaffinity(SELF).expect("a thread may ask that of itself");
    let all = 0..CpuSet::count();
    all.filter(|processor| set.is_set(*processor) == Ok(true))
        .collect()
}

/// The number that the next mount namespace gets that is made on that processor.
fn next_number(processor: usize) -> Option<u64> {
    let make = || {
        on_processor(processor, || {
            unshare(CloneFlags::CLONE_NEWNS).map(|()| own())
        })
    };
    let thread = std::thread::scope(|scope| scope.spawn(make).join());
    thread.expect("it did not panic").ok().flatten()
}

/// The number of the calling thread's mount namespace.
pub fn own() -> Option<u64> {
    Namespace::own().ok()?.identity().id
}

fn on_processor<T>(processor: usize, act: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(SELF).expect("a thread may ask that of itself");
    let mut only = CpuSet::new();
    only.set(processor).expect("it is one of the thread's own");
    sched_setaffinity(SELF, &only).expect("it is one of the thread's own");
    let done = act();
    sched_setaffinity(SELF, &before).expect("they were the thread's own");
    done
}
