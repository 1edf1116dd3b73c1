//! Rights that a process gives up which becomes somebody, or a part of nobody's session.

use crate::kernel::sys;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Gives up every capability of this thread, and those that a program it runs would have.
///
/// # Errors
///
/// The kernel refused that. The process must not go on then.
pub(in crate::kernel) fn give_up() -> Result<(), Errno> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_capabilities(None, none)
}

/// Leaves the keyring of the session that the process comes from, whose keys are found through it, whoever the
/// process has become. Where the kernel has no keys, or a container keeps them away, there are none.
///
/// # Errors
///
/// No new keyring could be made.
pub(in crate::kernel) fn leave_keyring() -> Result<(), Errno> {
    match sys::join_new_session_keyring() {
        Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => Ok(()),
        done => done,
    }
}
