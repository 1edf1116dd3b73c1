//! The only room that unshares, mounts, forks and changes owners. Names say the intention.

pub mod file;
pub mod probe;
