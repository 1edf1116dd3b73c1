//! Mode, owner and group of what is made for a step.

use crate::kernel::fs::directory::Form;
use crate::kernel::fs::walk::Place;
use crate::plan::{Shape, Step};
use rustix::fs::Stat;

/// The kind of file that is made where a path is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    File,
    Directory,
}

/// The form that a rule wants; what it does not name is that of the covered directory.
pub(super) fn form_of(shape: &Shape, covered: &Stat) -> Form {
    Form {
        mode: shape
            .mode
            .map_or(covered.st_mode & 0o7777, |mode| mode.bits()),
        uid: shape.owner.unwrap_or(covered.st_uid),
        gid: shape.group.unwrap_or(covered.st_gid),
    }
}

/// A form of root's.
pub(super) fn form_of_root(mode: u32) -> Form {
    Form {
        mode,
        uid: 0,
        gid: 0,
    }
}

/// The form of a path that did not exist. Where the rule says nothing: below a directory of the user's
/// it is the user's alone; else what is covered by a private directory is as open as `/tmp`, and a
/// mount point for a bind is root's.
pub(super) fn created_form(step: &Step, parent: &Place, node: Node, uid: u32) -> Form {
    let wanted = step.view.shape();
    let is_file = node == Node::File;
    let default = match (parent.is_users(), wanted) {
        (true, _) => (
            if is_file { 0o600 } else { 0o700 },
            uid,
            parent.status.st_gid,
        ),
        (false, Some(_)) => (0o1777, 0, 0),
        (false, None) => (if is_file { 0o644 } else { 0o755 }, 0, 0),
    };
    let shape = wanted.copied().unwrap_or_default();
    Form {
        mode: shape.mode.map_or(default.0, |mode| mode.bits()),
        uid: shape.owner.unwrap_or(default.1),
        gid: shape.group.unwrap_or(default.2),
    }
}
