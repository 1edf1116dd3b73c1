//! The only room that unshares, mounts, forks and changes owners. Names say the intention.

mod acl;
pub mod callers_directories;
pub mod companion;
pub mod departure;
pub mod device;
pub mod directory;
pub mod entries;
pub mod file;
pub mod filesystem;
pub mod helper;
pub mod init;
pub mod label;
mod limits;
pub mod mount;
pub mod mount_table;
pub mod namespace;
pub mod network;
mod output;
pub mod overlay;
pub mod probe;
pub mod process;
pub mod processor;
pub mod removal;
mod rights;
pub mod root;
pub mod secret;
#[cfg(feature = "selinux")]
pub mod selinux;
pub mod supervision;
mod sys;
pub mod transition;
pub mod unseen;
pub mod user_namespace;
pub mod volume;
pub mod walk;
pub mod wildcard;
pub mod working_directory;
