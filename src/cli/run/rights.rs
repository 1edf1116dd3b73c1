//! The rights of the caller.

use crate::kernel::namespace::user_namespace::is_root_outside;
use crate::login::is_effective_root;

/// Whether the caller is root where files of root are root's, and not in a user namespace of a user's.
pub fn has_rights() -> bool {
    is_effective_root() && !is_root_outside()
}
