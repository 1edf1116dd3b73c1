//! The result of applying a plan to a login.

use super::session_directory::SessionDirectory;
use crate::kernel::fs::directory::Form;
use crate::kernel::fs::entries::Found;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::init::Known;
use crate::kernel::mount::Travel;
use crate::kernel::mount::volume::Volume;
use crate::kernel::namespace::Identity;
use crate::kernel::process::Process;
use crate::path::ViewPath;
use crate::plan::Plan;

/// The namespace that a login got, and all that appears in it.
#[derive(Debug)]
pub struct Applied {
    /// The namespace that it is in.
    pub namespace: Identity,
    /// The paths that were covered, in order.
    pub paths: Vec<ViewPath>,
    /// The paths where something was attached, without links. What stays visible in what is inherited is not among
    /// them.
    pub attached: Vec<ViewPath>,
    /// The paths of `attached` at which commands find the same that the user runs as somebody else.
    pub inherited: Vec<ViewPath>,
    /// The reasons why a step was left out, or an entry does not stay visible; a line each.
    pub notes: Vec<String>,
    /// The directories of the user's, the group's or the session's own that appear in the namespace.
    pub instances: Vec<ShownPath>,
    /// Directories and files of the host that appear elsewhere in it.
    pub sources: Vec<ShownPath>,
    /// The entries that `keep` has found in directories of the host that are covered.
    pub kept: Vec<Found>,
    /// Sources that would have appeared in it too, had they existed: paths in the view of the host.
    pub missing: Vec<ViewPath>,
    /// The directories that end with the session.
    pub session_directories: Vec<SessionDirectory>,
    /// The first process of the PID namespace of its own, and what to end it by; nothing where it has none.
    pub init: Option<(Process, Known)>,
    /// The volumes that were opened in it.
    pub volumes: Vec<Volume>,
    /// What hides the runtime directories of other users in it; nothing where nothing does.
    pub own_runtime_directory: Option<OwnRuntimeDirectory>,
    /// Whether a volume was left out that another login may be able to open.
    pub(crate) lacks_volume: bool,
}

/// A directory or file that a namespace shows, and how to know it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPath {
    /// Its path in the view of the host, as it led there.
    pub path: ViewPath,
    /// Its device and inode.
    pub identity: FileIdentity,
    /// The form that it was given, or found to have; nothing for what the user, or the host, may give another.
    pub form: Option<Form>,
}

/// The directory that hides the runtime directories of other users in a namespace, and how to know it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnRuntimeDirectory {
    /// Its device and inode.
    pub parent: FileIdentity,
    /// The direction in which mounts travel to the user's directory in it.
    pub travel: Travel,
}

impl Applied {
    /// A login in a namespace without anything of its own.
    pub(super) fn nothing_in(namespace: Identity) -> Self {
        Self {
            namespace,
            paths: Vec::new(),
            attached: Vec::new(),
            inherited: Vec::new(),
            notes: Vec::new(),
            instances: Vec::new(),
            sources: Vec::new(),
            kept: Vec::new(),
            missing: Vec::new(),
            session_directories: Vec::new(),
            init: None,
            volumes: Vec::new(),
            own_runtime_directory: None,
            lacks_volume: false,
        }
    }

    pub(super) fn with_volumes(mut self, plan: &Plan, volumes: &[Volume]) -> Self {
        let paths = || volumes.iter().map(|volume| volume.path.clone());
        self.paths.extend(paths());
        self.attached.extend(paths());
        let is_inherited = |path: &ViewPath| {
            let mut inherited = plan.volumes.iter().filter(|volume| volume.inherit);
            inherited.any(|volume| *path == *volume.path.as_str())
        };
        self.inherited.extend(paths().filter(is_inherited));
        self.volumes = volumes.to_vec();
        self
    }
}
