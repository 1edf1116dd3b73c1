//! The policy language and the plans it makes, against golden files and properties: no kernel, no root.
//!
//! `JNS_GOLDEN=write cargo test --test language` writes the golden files anew; read the difference.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used
)]

mod accounts;
mod fstabs;
mod golden;
mod hostile;
mod judges;
mod labels;
mod messages;
mod plans;
mod properties;
mod seeds;
