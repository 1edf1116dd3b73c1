//! The only room that unshares, mounts, forks and changes owners. Names say the intention.

pub mod departure;
pub mod directory;
pub mod file;
pub mod mount;
pub mod mount_table;
pub mod namespace;
pub mod probe;
pub mod processor;
pub mod removal;
mod sys;
pub mod transition;
pub mod walk;
