//! The module's effects on the real kernel, each test in a mount namespace of its own.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests mount and unshare themselves, and end where something is not as it should be"
)]

mod accounts;
mod apply;
mod belief;
mod container;
mod gc;
mod helper;
mod isolation;
mod labels;
mod overlays;
mod own;
mod processes;
mod races;
mod removal;
mod roots;
mod runtime_directory;
mod shown;
mod sources;
mod trust;
mod walk;
