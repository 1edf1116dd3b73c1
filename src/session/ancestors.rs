//! The processes that the calling one descends from.

use crate::kernel::process::{self, Process};

/// The first process, and the ancestors of the calling one, parent first. These are looked up when they are asked for.
pub(super) fn first_and_ancestors() -> impl Iterator<Item = u32> {
    let ancestors = std::iter::once_with(Ancestors::of_own).flatten();
    std::iter::once(1).chain(ancestors)
}

/// The ancestors of the calling process, parent first.
struct Ancestors(u32);

impl Ancestors {
    fn of_own() -> impl Iterator<Item = u32> {
        let own = Process::own().map_or(0, |process| process.pid);
        Self(own).take(ANCESTORS)
    }
}

impl Iterator for Ancestors {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0 = process::parent_of(self.0).filter(|parent| *parent > 1)?;
        Some(self.0)
    }
}

/// The number of ancestors of the calling process that are looked at.
const ANCESTORS: usize = 64;
