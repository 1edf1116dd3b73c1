//! The facts that are read of the machine, or of a system installed under another directory: its files, its PAM
//! stacks, the configurations of sshd, sudo and systemd, and what keeps processes from their rights. Nothing here says
//! what is right.

pub mod confinement;
pub mod module_line;
pub mod schedule;
pub mod sshd_config;
pub mod stack;
pub mod sudoers;
pub mod tree;
pub mod units;

pub use stack::Entry;
pub use tree::Tree;
