//! What the configuration says beside its volumes.

use super::file::File;
use super::text::{is_set, is_true};
use crate::cli::import::remark::Remark;
use crate::error::Location;
use roxmltree::Node;
use std::collections::BTreeSet;

/// What the configuration says of all volumes.
pub struct General<'d> {
    /// Whether a missing mount point is made.
    pub makes_mount_points: bool,
    /// The elements that name another program than pam_mount's own for volumes of a kind.
    programs: BTreeSet<&'d str>,
}

/// The elements of which nothing differs: sessions are counted by the module, and only users' own files heed
/// `mntoptions`.
const HEEDED: &[&str] = &["volume", "mntoptions", "pmvarrun"];

/// The elements that name the program for volumes of a kind.
const PROGRAMS: &[&str] = &[
    "lclmount",
    "cifsmount",
    "cryptmount",
    "fusemount",
    "nfsmount",
    "ncpmount",
    "smbmount",
];

/// The elements that the policy has nothing for, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("umount", UNMOUNTED),
    ("cryptumount", UNMOUNTED),
    ("fuseumount", UNMOUNTED),
    ("ncpumount", UNMOUNTED),
    ("smbumount", UNMOUNTED),
    ("fsck", "no file system is checked before it is mounted"),
    ("ofl", "processes that use a volume are not ended"),
    (
        "fd0ssh",
        "no program stands between a volume and its password",
    ),
    ("path", "programs are named by absolute paths"),
    ("msg-authpw", ASKED),
    ("msg-sessionpw", ASKED),
];

const UNMOUNTED: &str =
    "volumes end with the last session of their user, by `close` or the module itself";
const ASKED: &str = "nobody is asked for a password again: the one of the login counts";

impl<'d> General<'d> {
    /// Reads the elements of a file; remarks say what the policy has nothing for.
    pub fn of(file: &File<'d>, remarks: &mut Vec<Remark>) -> Self {
        let mut general = Self {
            makes_mount_points: true,
            programs: BTreeSet::new(),
        };
        for node in file.elements() {
            general.element(node, &file.location(node), remarks);
        }
        general
    }

    /// Whether an element names another program for volumes of a kind.
    pub fn has_program(&self, element: &str) -> bool {
        self.programs.contains(element)
    }

    fn element(&mut self, node: Node<'d, 'd>, location: &Location, remarks: &mut Vec<Remark>) {
        let name = node.tag_name().name();
        let mut left_out = |message: &str| remarks.push(Remark::left_out(location, message));
        match name {
            "debug" if node.attribute("enable").is_some_and(is_set) => {
                left_out("`debug` behind pam_jns.so in the PAM stack makes the log say more");
            }
            "debug" => {}
            "logout" if ends_processes(node) => {
                left_out(
                    "processes outlive their session; `processes = \"own\"` in [[isolate]] ends them",
                );
            }
            "logout" => {}
            "luserconf" => remarks.push(Remark::lost(
                location,
                "no volumes are read from files in users' homes: no user says what root mounts",
            )),
            "mkmountpoint" => self.mount_points(node, location, remarks),
            _ if HEEDED.contains(&name) => {}
            _ if PROGRAMS.contains(&name) => {
                self.programs.insert(name);
            }
            _ => {
                let found = LEFT_OUT.iter().find(|(known, _)| *known == name);
                let unknown = format!("pam_mount knows no <{name}>");
                left_out(found.map_or(&*unknown, |(_, why)| why));
            }
        }
    }

    fn mount_points(&mut self, node: Node<'_, '_>, location: &Location, remarks: &mut Vec<Remark>) {
        if let Some(enable) = node.attribute("enable") {
            self.makes_mount_points = is_set(enable);
        }
        if self.makes_mount_points && node.attribute("remove").is_some_and(is_true) {
            let message = "a mount point that was made stays";
            remarks.push(Remark::different(location, message));
        }
    }
}

fn ends_processes(node: Node<'_, '_>) -> bool {
    ["hup", "term", "kill"]
        .iter()
        .any(|key| node.attribute(*key).is_some_and(is_true))
}
