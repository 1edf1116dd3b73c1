//! Programs that are run for new instances, before these get their names: an instance whose program has failed
//! never was there. Those that prepare what is shown are run when it has its name, which they are given; an instance
//! for which one of them has failed loses that name again.

use super::context::Context;
use super::covers::Covers;
use super::instances::Instances;
use super::subject::{InitTarget, Subject};
use crate::error::{Error, Result};
use crate::kernel::process::helper::{Helper, Purpose};
use crate::path::AbsPath;
use crate::plan::{Hook, Instance, Plan, Step, View, When};

/// How programs are dealt with.
#[derive(Clone, Copy)]
pub(super) struct Execution<'e> {
    /// Runs one to its end.
    pub(super) run: &'e dyn Fn(Helper) -> Result<()>,
    /// Tells of the failure of one whose failure denies no session.
    pub(super) warn: &'e dyn Fn(&Error),
}

/// Runs the programs of new instances in the new namespace, where these are at their paths.
pub(super) fn run_hooks(
    plan: &Plan,
    instances: &mut Instances<'_>,
    subject: &Subject<'_>,
    execution: Execution<'_>,
) -> Result<()> {
    for (draft, instance) in instances.unnamed() {
        let Some(step) = step_of(plan, instance) else {
            continue;
        };
        let directory = instance.directory.as_str();
        let (parent, _) = directory.rsplit_once('/').unwrap_or_default();
        let present = format!("{parent}/{}", draft.name());
        let facts = [
            ("JNS_PATH", step.path.as_str()),
            ("JNS_INSTANCE", present.as_str()),
        ];
        if let Some(hook) = &instance.hook {
            draft.expect_content();
            let purpose = Purpose::HookOf(step.path.to_string());
            let ran = (execution.run)(subject.helper(hook, purpose, &facts));
            ran.map_err(|error| error.at_key(&step.location, "hook"))?;
        }
        for hook in plan.hooks.iter().filter(|hook| hook.when == When::Created) {
            draft.expect_content();
            run_hook(hook, subject, &facts, execution)?;
        }
    }
    Ok(())
}

/// Runs the programs that prepare what is shown, at its paths, in the order in which it was attached.
pub(super) fn run_inits(
    covers: &Covers<'_>,
    instances: &Instances<'_>,
    context: &Context<'_>,
    subject: &Subject<'_>,
    execution: Execution<'_>,
) -> Result<()> {
    let steps = covers.views().iter().map(|built| built.step);
    for step in steps.filter(|step| !context.is_of_root(step)) {
        let is_new = match step.view.instance() {
            Some(instance) => instances.have_published(instance),
            None => true,
        };
        let inits = context.plan.inits.iter();
        for init in inits.filter(|init| init.path == step.path) {
            let target = InitTarget {
                path: init.path.as_str(),
                instance: init.instance.as_ref().map(AbsPath::as_str),
                is_new,
            };
            let helper = subject.init_helper(&init.helper, target);
            let ran = helper.and_then(execution.run);
            let located = ran.map_err(|error| error.at_key(&init.location, "init"));
            init.on_failure.deny_or_warn(located, execution.warn)?;
        }
    }
    Ok(())
}

/// Runs the program of a hook, which is given `facts`.
pub(super) fn run_hook(
    hook: &Hook,
    subject: &Subject<'_>,
    facts: &[(&str, &str)],
    execution: Execution<'_>,
) -> Result<()> {
    let ran = (execution.run)(subject.helper(&hook.helper, Purpose::Hook, facts));
    let located = ran.map_err(|error| error.at_key(&hook.location, "run"));
    hook.on_failure.deny_or_warn(located, execution.warn)
}

fn step_of<'p>(plan: &'p Plan, instance: &Instance) -> Option<&'p Step> {
    let is_it =
        |step: &&Step| matches!(&step.view, View::Instance { instance: of, .. } if of == instance);
    plan.steps.iter().find(is_it)
}
