//! What a login gets, end to end: real programs open real sessions in a throw-away root, a [`sandbox::Sandbox`].
//!
//! `JNS_UNDER_TEST=theirs` runs the same scenarios against pam_namespace, as a check of the tests
//! themselves; `JNS_SANDBOX=debian13` runs them in Debian 13's userland. They need root, and `tests/packages`.

#![allow(
    clippy::disallowed_methods,
    reason = "the tests are a host of their own: they start programs and threads"
)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod changes;
mod commands;
mod console;
mod crowds;
mod doctor;
mod elsewhere;
mod enter;
mod examples;
mod explained;
mod ftp;
mod fuse;
mod gc;
mod handover;
mod hooks;
mod hostile;
mod imports;
mod isolation;
mod isolation_attacks;
mod jobs;
mod kept_paths;
mod linger;
mod mounting;
mod nested;
mod overlays;
mod policies;
mod polkit;
mod proc_files;
mod processes;
mod propagation;
mod ps;
mod reasons;
mod refusals;
mod reuse;
mod root;
mod roots;
mod rules;
mod run;
mod runtime_attacks;
mod runtime_directories;
mod sandbox;
mod selftest;
mod shared;
mod shown;
mod silent;
mod silent_host;
mod ssh;
mod su;
mod sudoedit;
mod survivors;
mod systemd;
mod vault;
mod volumes;
