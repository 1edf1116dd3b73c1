//! Trials: a plan is prepared and attached as for a login, and then all of it is taken back.

use super::conflicts;
use super::hooks::{Execution, run_hook};
use super::left::{attach, leave};
use super::prepared::{ATTEMPTS, Prepared};
use super::subject::Subject;
use super::volumes::open_volume;
use crate::error::{Error, Location, Result};
use crate::kernel::process::helper::Purpose;
use crate::path::AbsPath;
use crate::plan::{Plan, Step, When};
use std::cell::RefCell;

/// The result of a trial: what a login of the same user would get from this process's namespace.
#[derive(Debug, Default)]
pub struct Trial {
    /// The steps in the order in which a login takes them, without those of every root directory.
    pub steps: Vec<TriedStep>,
    /// The things that a login would log, and that are no step's.
    pub notes: Vec<String>,
    /// The reason why a login would be refused: the first that it would meet.
    pub refusal: Option<Error>,
}

/// What became of a step.
#[derive(Debug)]
pub struct TriedStep {
    /// The path that it covers.
    pub path: AbsPath,
    /// The place of its rule.
    pub location: Location,
    /// The result.
    pub result: StepResult,
    /// The things that a login would log of it: why it is left out, or what does not stay visible.
    pub notes: Vec<String>,
}

/// What a login would meet at a step.
#[derive(Debug)]
pub enum StepResult {
    /// It is as it would be.
    Ready,
    /// Its path is missing, and a login makes it.
    Made,
    /// It cannot be seen as long as a path above it is to be made, or fails.
    Unseen,
    /// Its rule is optional, and it is left out.
    LeftOut,
    /// It fails with this error.
    Failed(String),
}

/// Tries what a login of `subject` would do for `plan`: everything that [`super::enter`] does but what others would see or
/// feel. Paths that are missing are not made, no program is run, and no new instance gets its name. What is made on the
/// way is taken back, as by a login that fails: directories of the store without a name, a namespace.
#[must_use]
pub fn try_plan(plan: &Plan, subject: &Subject<'_>) -> Trial {
    for _ in 0..ATTEMPTS {
        if let Some(trial) = attempt(plan, subject) {
            return trial;
        }
    }
    let reason = "other logins keep making or removing the same instances";
    Trial::refused(Error::new("open", "the session", reason))
}

/// One trial; nothing where a login was faster with the same instance.
fn attempt(plan: &Plan, subject: &Subject<'_>) -> Option<Trial> {
    let mut prepared = match Prepared::new(plan, subject) {
        Ok(prepared) => prepared,
        Err(error) => return Some(Trial::refused(error)),
    };
    let mut trial = Trial::default();
    let later = prepared.build_found(|prepared, step| {
        trial.try_step(prepared, step);
        Ok(())
    });
    match later {
        Ok(later) => {
            for step in later {
                trial.try_missing(&mut prepared, step);
            }
        }
        Err(error) => trial.refuse(error),
    }
    if prepared.instances.is_overtaken() {
        return None;
    }
    if trial.refusal.is_none() {
        match enter_and_leave(plan, subject, &mut prepared, &mut trial) {
            Err(error) if error.is_stale() => return None,
            Err(error) => trial.refuse(error),
            Ok(()) => {}
        }
    }
    trial.notes.extend(prepared.findings.take_notes());
    Some(trial)
}

/// Goes where a login goes, looks at the programs that it runs there, and comes back as `left` is dropped.
fn enter_and_leave(
    plan: &Plan,
    subject: &Subject<'_>,
    prepared: &mut Prepared<'_>,
    trial: &mut Trial,
) -> Result<()> {
    conflicts::check_order(prepared.view(), &prepared.instances)?;
    if !prepared.has_to_leave() {
        return check_programs(plan, subject, prepared, trial);
    }
    let left = leave(plan, prepared, None)?;
    attach(plan, prepared, &left)?;
    // The programs are those of the new namespace.
    let checked = check_programs(plan, subject, prepared, trial);
    drop(left);
    checked
}

/// Looks whether the programs could be run that a login runs in its view.
fn check_programs(
    plan: &Plan,
    subject: &Subject<'_>,
    prepared: &mut Prepared<'_>,
    trial: &mut Trial,
) -> Result<()> {
    for volume in &plan.volumes {
        let purpose = Purpose::Volume(volume.path.to_string());
        let program = subject.helper(&volume.open, purpose, &[]);
        let check = |_: &str, _: &[u8]| {
            let checked = program.check(&subject.deadline);
            checked.map_err(|error| error.at_key(&volume.location, "open"))
        };
        let opened = open_volume(volume, subject, prepared, check);
        opened.map_err(|error| error.at_key(&volume.location, "path"))?;
    }
    let warnings = RefCell::new(&mut trial.notes);
    let execution = Execution {
        run: &|helper| helper.check(&subject.deadline),
        warn: &|error| warnings.borrow_mut().push(error.to_string()),
    };
    prepared.run_hooks(subject, execution)?;
    prepared.run_inits(subject, execution)?;
    let mut opening = plan.hooks.iter().filter(|hook| hook.when == When::Open);
    opening.try_for_each(|hook| run_hook(hook, subject, &[], execution))
}

impl Trial {
    fn refused(error: Error) -> Self {
        Self {
            refusal: Some(error),
            ..Self::default()
        }
    }

    /// Notes why a login would be refused, unless it would be before.
    fn refuse(&mut self, error: Error) {
        self.refusal.get_or_insert(error);
    }

    /// Tries a step whose path is there.
    fn try_step<'p>(&mut self, prepared: &mut Prepared<'p>, step: &'p Step) {
        let result = match self.hides(step) {
            true => StepResult::Unseen,
            false => match prepared.add(step) {
                Ok(()) if prepared.has(step) => StepResult::Ready,
                Ok(()) => StepResult::LeftOut,
                Err(error) => self.fail(error),
            },
        };
        self.note(prepared, step, result);
    }

    /// Tries a step whose path is missing, or lies below one that is.
    fn try_missing<'p>(&mut self, prepared: &mut Prepared<'p>, step: &'p Step) {
        let result = match self.hides(step) {
            true => StepResult::Unseen,
            false => match prepared.try_missing(step) {
                Ok(true) => StepResult::Made,
                Ok(false) => StepResult::LeftOut,
                Err(error) => self.fail(error),
            },
        };
        self.note(prepared, step, result);
    }

    fn fail(&mut self, error: Error) -> StepResult {
        let said = error.to_string();
        self.refuse(error);
        StepResult::Failed(said)
    }

    /// Whether a path above the step's is not there as it would be.
    fn hides(&self, step: &Step) -> bool {
        self.steps.iter().any(|tried| match tried.result {
            StepResult::Made | StepResult::Unseen | StepResult::Failed(_) => {
                step.path.is_within(&tried.path)
            }
            StepResult::Ready | StepResult::LeftOut => false,
        })
    }

    /// Notes what became of a step; of one that every root directory gets, only a failure.
    fn note(&mut self, prepared: &mut Prepared<'_>, step: &Step, result: StepResult) {
        let notes = prepared.findings.take_notes();
        if prepared.context.is_of_every_root(step) && !matches!(result, StepResult::Failed(_)) {
            return;
        }
        self.steps.push(TriedStep {
            path: step.path.clone(),
            location: step.location.clone(),
            result,
            notes,
        });
    }
}
