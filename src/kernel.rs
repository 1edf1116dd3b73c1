//! The only room that unshares, mounts, forks and changes owners. Names say the intention.

pub(crate) mod accounts;
pub mod deadline;
pub mod fs;
pub mod init;
pub mod mount;
pub mod namespace;
pub mod probe;
pub mod process;
#[cfg(feature = "selinux")]
pub mod selinux;
mod sys;
