//! The module's effects on the real kernel, each test in a mount namespace of its own.
#![allow(
    clippy::disallowed_methods,
    reason = "tests mount and unshare themselves"
)]

mod apply;
mod own;
mod removal;
mod trust;
