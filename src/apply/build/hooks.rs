//! Programs that are run for new instances, before these get their names: an instance whose program has failed
//! never was there. Those that prepare what is shown are run when it has its name, which they are told; an instance
//! for which one of them has failed loses that name again.

use super::Build;
use crate::apply::programs::Subject;
use crate::error::{Error, Result};
use crate::kernel::fs::walk::{Place, Trust};
use crate::plan::{Hook, Instance, Plan, RunAs, Step, View, When};
use crate::policy::value::AbsPath;

impl Build<'_> {
    /// Whether the user could let a path by which root's programs know a new instance lead elsewhere.
    pub(super) fn check_programs(
        &self,
        instance: &Instance,
        covered: &Place,
        is_replaceable: bool,
    ) -> Result<()> {
        let created = self.plan.hooks.iter();
        let created = created.filter(|hook| hook.when == When::Created);
        let mut programs = created.map(|hook| &hook.helper).chain(&instance.hook);
        let by_root = programs.any(|program| program.run_as == RunAs::Root);
        if !by_root || matches!(self.trust, Trust::Caller(_)) {
            return Ok(());
        }
        let (parent, _) = self.inside().open_parent(&covered.path, &self.covers)?;
        if is_replaceable || parent.is_users() {
            let reason = "root would run a program for what lies in a directory of the user's, who could \
                          exchange it; run it with `as = \"user\"`";
            return Err(Error::new("make", &instance.directory, reason));
        }
        Ok(())
    }

    /// Runs them in the new namespace, where the instances are at their paths.
    pub(in crate::apply) fn run_hooks(&mut self, subject: &Subject<'_>) -> Result<()> {
        let plan = self.plan;
        for (draft, instance) in self.undo.new_instances() {
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
                let ran = subject.helper(hook, &facts).run(b"");
                ran.map_err(|error| error.at(&step.origin))?;
            }
            for hook in plan.hooks.iter().filter(|hook| hook.when == When::Created) {
                draft.expect_content();
                run(hook, subject, &facts)?;
            }
        }
        Ok(())
    }

    /// Runs those that prepare what is shown, at its paths, in the order in which it was attached.
    pub(in crate::apply) fn run_inits(&mut self, subject: &Subject<'_>) -> Result<()> {
        let prepared = self.prepare(subject);
        if prepared.is_err() {
            self.undo.withdraw();
        }
        prepared
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<()> {
        let views = self.views.iter().map(|view| view.step);
        for step in views.filter(|step| !self.is_of_root(step)) {
            let is_new = match step.view.instance() {
                Some(instance) => self.undo.has_published(instance),
                None => true,
            };
            let inits = self.plan.inits.iter();
            for init in inits.filter(|init| init.path == step.path) {
                let instance = init.instance.as_ref().map(AbsPath::as_str);
                let ran = subject.prepare(&init.helper, init.path.as_str(), instance, is_new);
                let ran = ran.map_err(|error| error.at(&init.origin));
                init.on_failure
                    .deny_or_warn(ran, |error| log::warn!("{error}"))?;
            }
        }
        Ok(())
    }
}

fn run(hook: &Hook, subject: &Subject<'_>, facts: &[(&str, &str)]) -> Result<()> {
    let ran = subject.helper(&hook.helper, facts).run(b"");
    let ran = ran.map_err(|error| error.at(&hook.origin));
    hook.on_failure
        .deny_or_warn(ran, |error| log::warn!("{error}"))
}

fn step_of<'p>(plan: &'p Plan, instance: &Instance) -> Option<&'p Step> {
    let is_it =
        |step: &&Step| matches!(&step.view, View::Instance { instance: of, .. } if of == instance);
    plan.steps.iter().find(is_it)
}
