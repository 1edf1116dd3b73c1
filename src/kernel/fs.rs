//! Files and directories: found by descriptors, one component at a time, and made under temporary names.

mod acl;
mod answering;
pub(crate) mod asker;
pub mod device;
pub mod directory;
pub mod entries;
pub mod file;
mod form;
pub mod identity;
pub mod label;
mod open;
pub mod owner_note;
pub(crate) mod reach;
pub mod removal;
pub mod unseen;
pub mod walk;
mod whole;
pub mod wildcard;
pub mod working_directory;
