//! A PAM session module that gives a login a mount namespace of its own, and the `jns` command.
//!
//! Data flows one way:
//!
//! ```text
//!  PAM hook ──► Login  ──┐
//!               (facts)   ├─► Selection ─► Plan ─► apply ─► session
//!  jns.toml ──► Policy ──┘     pure        pure    the kernel
//!  jns explain USER ────── the same functions, printed ─┘
//! ```
//!
//! Facts about a login are gathered once, a policy is read once, and what the two make together is a
//! [`plan::Plan`]: a value, printed by `jns explain` and executed by [`apply`]. A login gets its whole
//! plan or stays exactly where it was.

pub mod apply;
pub mod cli;
pub mod error;
pub mod gc;
pub mod journal;
pub mod kernel;
pub mod login;
pub mod pam;
pub mod path;
pub mod plan;
pub mod policy;
pub mod session;
pub mod store;
