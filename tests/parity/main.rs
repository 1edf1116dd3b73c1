//! The same sessions under pam_namespace and under this module, compared with each other.
//!
//! Each row of one table is a machine, its namespace.conf, and what is done there. It is played twice, in
//! two throw-away roots: in one with pam_namespace; in the other the administrator has moved over, by
//! `jns import pam_namespace` and one changed line of /etc/pam.d. What the two sides then see is the same, line by
//! line, or differs just as DIFFERENCES FROM pam_namespace in pam_jns(8) says.
//!
//! Rows by SELinux context and level are part of the suite with the feature `selinux`, and need a module built with it
//! and a machine where /sys/fs/selinux is mounted. They were seen on Debian 12, permissive.
//!
//! Some rows have a result for each of several versions of pam_namespace. Where another version is installed, one of
//! these results has to be right. `JNS_SANDBOX=debian13` compares with the pam_namespace of Linux-PAM 1.7.
//! `JNS_UNDER_TEST` has no meaning here.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and starts programs"
)]

#[path = "../end_to_end"]
mod end_to_end {
    #[allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "other tests use the rest"
    )]
    pub mod sandbox;
}
use end_to_end::sandbox;

#[path = "../host/programs_in_c.rs"]
mod programs_in_c;

mod judgement;
mod manual;
mod row;
mod rows;
mod side;
