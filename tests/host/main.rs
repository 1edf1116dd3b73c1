//! The module in somebody else's process: programs of many kinds open sessions, on a [`machine::Machine`], and
//! print what that did to them; and every system call on the way fails once.

#![allow(
    clippy::disallowed_methods,
    reason = "the tests are hosts of their own: they mount, and start programs and threads"
)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../end_to_end/sandbox/journal.rs"]
mod journal;
#[path = "../kernel/own.rs"]
#[allow(dead_code, reason = "the plans that it makes are other tests'")]
mod kernel;
#[path = "../end_to_end/sandbox/peer.rs"]
mod peer;

mod accounts;
mod arguments;
mod attacks;
mod builds;
mod command_races;
mod descriptors;
mod faults;
mod forced_panic;
mod foreign;
mod logs;
mod machine;
mod names;
mod odd_objects;
mod policy_files;
mod programs;
mod programs_in_c;
mod quiet;
mod report;
mod returning;
mod sessions;
mod squash;
mod threads;
