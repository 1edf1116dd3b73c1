//! What is read of the machine, or of a system installed under another directory: its files, its PAM stacks, and the
//! configurations of sshd, sudo and systemd. Nothing here says what is right.

pub mod module_line;
pub mod sshd_config;
pub mod stack;
pub mod sudoers;
pub mod tree;
pub mod units;

pub use stack::Entry;
pub use tree::Tree;
