//! A plan, as an administrator and as a program reads it.

use crate::error::harmless;
use crate::plan::{Plan, PlanDigest};
use serde::Serialize;

/// A plan as JSON, with its digest.
#[derive(Serialize)]
pub struct Document<'p> {
    #[serde(flatten)]
    plan: &'p Plan,
    digest: PlanDigest,
}

impl<'p> Document<'p> {
    /// Makes the document of a plan.
    pub fn of(plan: &'p Plan) -> Self {
        Self {
            plan,
            digest: plan.digest(),
        }
    }
}

/// The steps of a plan, a line each.
pub fn steps(plan: &Plan) -> String {
    let shown = plan.to_string();
    let lines = shown.lines().map(|step| harmless(step) + "\n");
    lines.collect()
}
