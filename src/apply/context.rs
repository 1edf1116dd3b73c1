//! The facts that are known when building begins, and stay as they are.

use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::directory::Form;
use crate::kernel::fs::label;
use crate::kernel::fs::walk::{Place, Trust, Walker};
use crate::plan::{Plan, Step};
use rustix::fd::AsFd;

/// A plan, the subject that it is applied for, and how paths of the caller's are opened.
pub(super) struct Context<'p> {
    pub(super) plan: &'p Plan,
    pub(super) trust: Trust,
    /// For paths of the caller's; [`super::session_view::SessionView`] is for those of the session.
    pub(super) walker: Walker,
}

impl<'p> Context<'p> {
    pub(super) fn new(plan: &'p Plan, trust: Trust, deadline: &Deadline) -> Result<Self> {
        Ok(Self {
            plan,
            trust,
            walker: Walker::new(trust)?.until(deadline),
        })
    }

    /// The user's id.
    pub(super) fn uid(&self) -> u32 {
        self.trust.uid()
    }

    /// A walker for paths in which the user has no part, unless the caller has no other rights than that user's.
    pub(super) fn walker_of_root(&self) -> Walker {
        self.walker.trusting(self.trust.of_root())
    }

    /// Whether the step is the root directory's, not a rule's.
    pub(super) fn is_of_root(&self, step: &Step) -> bool {
        let root = self.plan.root.as_ref();
        root.is_some_and(|root| root.steps.iter().any(|own| std::ptr::eq(own, step)))
    }

    /// Whether the step is one that every root gets, of which nobody has to be told.
    pub(super) fn is_of_every_root(&self, step: &Step) -> bool {
        let root = self.plan.root.as_ref();
        self.is_of_root(step) && root.is_some_and(|root| root.location == step.location)
    }

    /// The form that something can be given: a caller without rights has no ids but their own.
    pub(super) fn permitted_form(&self, form: Form) -> Form {
        match self.trust {
            Trust::Root | Trust::User(_) => form,
            Trust::Caller(uid) => Form {
                mode: form.mode,
                uid,
                gid: rustix::process::getegid().as_raw(),
            },
        }
    }

    /// Gives what stands for `covered` the SELinux label of that. A caller without rights may label little, and
    /// what they make is labelled by the policy of the machine as all that they make.
    pub(super) fn label_like(&self, made: impl AsFd, covered: &Place, path: &str) -> Result<()> {
        match (label::copy(made, covered, path), self.trust) {
            (_, Trust::Caller(_)) => Ok(()),
            (labelled, _) => labelled,
        }
    }
}
