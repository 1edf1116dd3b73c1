//! The runtime directory of the session's user, in place of those of all users.

use super::applied::OwnRuntimeDirectory;
use super::context::Context;
use super::findings::Findings;
use super::travel::travel;
use crate::error::Result;
use crate::kernel::fs::walk::Trust;
use crate::kernel::mount::runtime_directory::{OwnDirectory, PARENT};
use crate::path::{ViewPath, is_within};
use crate::plan::{Plan, Sharing};

/// The user's runtime directory, where it is to be the only one of the session.
#[derive(Default)]
pub(super) struct RuntimeDirectory(Option<OwnDirectory>);

/// Whether a login of `trust` with that plan can have its user's runtime directory alone. Not where a rule is about what
/// stands there, in another root directory, or in a namespace of `jns run`, whose options say all of it. Root sees those
/// of all users.
#[must_use]
pub fn may_hide_runtime_directories(plan: &Plan, trust: Trust) -> bool {
    let mut paths = plan.steps.iter().map(|step| step.path.as_str());
    let mut volumes = plan.volumes.iter().map(|volume| volume.path.as_str());
    let is_touched = paths.any(touches_parent) || volumes.any(touches_parent);
    let is_of_user = matches!(trust, Trust::User(uid) if uid != 0);
    is_of_user && plan.root.is_none() && plan.sharing != Sharing::Command && !is_touched
}

fn touches_parent(path: &str) -> bool {
    is_within(path, PARENT) || is_within(PARENT, path)
}

impl RuntimeDirectory {
    /// Prepares it in the caller's namespace; `attached` are the paths at which the login mounts something, without links.
    /// A session with all of them is no worse than before there was the unit: what fails is noted.
    pub(super) fn prepare(
        context: &Context<'_>,
        mut attached: impl Iterator<Item = ViewPath>,
        findings: &mut Findings,
    ) -> Self {
        // A path of the plan may lead there by a link.
        let may_hide = may_hide_runtime_directories(context.plan, context.trust)
            && !attached.any(|path| touches_parent(path.as_str()));
        if !may_hide {
            return Self::default();
        }
        let prepared = OwnDirectory::prepare(context.uid(), travel(context.plan.propagation));
        Self(prepared.unwrap_or_else(|error| {
            findings.note_runtime_directories(&error);
            None
        }))
    }

    /// Attaches it in the new namespace, in place of the copies of all.
    pub(super) fn attach(&mut self, findings: &mut Findings) -> Result<()> {
        let Some(own) = &self.0 else {
            return Ok(());
        };
        if let Err(error) = OwnDirectory::detach_all() {
            findings.note_runtime_directories(&error);
            self.0 = None;
            return Ok(());
        }
        own.attach()
    }

    /// Returns what is known again of it; nothing where the session shows what the host does.
    pub(super) fn attached(&self, context: &Context<'_>) -> Option<OwnRuntimeDirectory> {
        let own = self.0.as_ref()?;
        Some(OwnRuntimeDirectory {
            parent: own.identity(),
            travel: travel(context.plan.propagation),
        })
    }
}
