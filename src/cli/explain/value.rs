//! The explanation as a program reads it.

use super::explanation::Explanation;
use crate::apply::{StepResult, Trial, TriedStep};
use crate::cli::asked::trial::Tried;
use crate::cli::host::Entry;
use crate::cli::plan;
use crate::error::Location;
use crate::login::{GroupName, Login};
use crate::policy::{Decision, Ruling, word_of};
use serde::Serialize;

/// One JSON document; its keys are always there, null where there is nothing to say.
#[derive(Serialize)]
pub struct Document<'e> {
    login: LoginDocument<'e>,
    module: Option<Module<'e>>,
    policy: PolicyDocument<'e>,
    command: bool,
    exempt: Option<Exempt<'e>>,
    rules: Vec<RulingDocument<'e>>,
    plan: Option<plan::Document<'e>>,
    runtime_directory: Option<String>,
    tried: Option<TrialDocument<'e>>,
    not_tried: Option<&'static str>,
    refused: Option<String>,
}

/// The plan as this machine would carry it out.
#[derive(Serialize)]
struct TrialDocument<'e> {
    steps: Vec<StepDocument<'e>>,
    notes: &'e [String],
}

#[derive(Serialize)]
struct StepDocument<'e> {
    path: &'e str,
    result: &'static str,
    error: Option<&'e str>,
    notes: &'e [String],
    #[serde(flatten)]
    location: &'e Location,
}

#[derive(Serialize)]
struct LoginDocument<'e> {
    user: &'e str,
    uid: u32,
    gid: u32,
    groups: Vec<Group<'e>>,
    home: &'e str,
    service: &'e str,
    tty: Option<&'e str>,
    rhost: Option<&'e str>,
}

#[derive(Serialize)]
struct Group<'e> {
    gid: u32,
    name: &'e str,
}

/// The line that calls the module.
#[derive(Serialize)]
struct Module<'e> {
    control: &'e str,
    arguments: &'e [String],
    #[serde(flatten)]
    location: &'e Location,
}

#[derive(Serialize)]
struct PolicyDocument<'e> {
    files: &'e [String],
    mode: &'static str,
    elsewhere: &'static str,
    warnings: usize,
}

#[derive(Serialize)]
struct Exempt<'e> {
    principal: &'e str,
    #[serde(flatten)]
    location: &'e Location,
}

#[derive(Serialize)]
struct RulingDocument<'e> {
    kind: &'static str,
    path: Option<String>,
    verdict: &'static str,
    selector: Option<&'static str>,
    reason: Option<String>,
    winner: Option<&'e Location>,
    #[serde(flatten)]
    location: &'e Location,
}

impl<'e> From<&'e Explanation<'e>> for Document<'e> {
    fn from(explanation: &'e Explanation<'e>) -> Self {
        let Explanation {
            inputs,
            selection,
            plan,
            tried,
        } = explanation;
        let (tried, not_tried) = match tried {
            Tried::Done(trial) => (Some(TrialDocument::from(trial)), None),
            Tried::NotPossible(reason) => (None, Some(*reason)),
        };
        let settings = &inputs.loaded.policy.settings;
        Self {
            login: LoginDocument::from(&inputs.login),
            module: inputs.line.as_ref().map(Module::from),
            policy: PolicyDocument {
                files: &inputs.files,
                mode: word_of(settings.mode),
                elsewhere: word_of(settings.elsewhere),
                warnings: inputs.loaded.warnings.list.len(),
            },
            command: inputs.is_command(),
            exempt: selection.exemption.as_ref().map(|found| Exempt {
                principal: &found.principal,
                location: &found.location,
            }),
            rules: selection.rulings.iter().map(RulingDocument::from).collect(),
            plan: plan.as_ref().ok().map(plan::Document::of),
            runtime_directory: explanation.only_runtime_directory(),
            tried,
            not_tried,
            refused: explanation.refusal().map(ToString::to_string),
        }
    }
}

impl<'e> From<&'e Trial> for TrialDocument<'e> {
    fn from(trial: &'e Trial) -> Self {
        let Trial {
            steps,
            notes,
            refusal: _,
        } = trial;
        Self {
            steps: steps.iter().map(StepDocument::from).collect(),
            notes,
        }
    }
}

impl<'e> From<&'e TriedStep> for StepDocument<'e> {
    fn from(step: &'e TriedStep) -> Self {
        let (result, error) = match &step.result {
            StepResult::Ready => ("ready", None),
            StepResult::Made => ("made", None),
            StepResult::Unseen => ("unseen", None),
            StepResult::LeftOut => ("left-out", None),
            StepResult::Failed(error) => ("fails", Some(error.as_str())),
        };
        Self {
            path: step.path.as_str(),
            result,
            error,
            notes: &step.notes,
            location: &step.location,
        }
    }
}

impl<'e> From<&'e Login> for LoginDocument<'e> {
    fn from(login: &'e Login) -> Self {
        let group = |group: &'e GroupName| Group {
            gid: group.gid,
            name: &group.name,
        };
        Self {
            user: &login.user,
            uid: login.uid,
            gid: login.gid,
            groups: login.groups.iter().map(group).collect(),
            home: &login.home,
            service: &login.service,
            tty: login.tty.as_deref(),
            rhost: login.rhost.as_deref(),
        }
    }
}

impl<'e> From<&'e Entry> for Module<'e> {
    fn from(entry: &'e Entry) -> Self {
        Self {
            control: &entry.control.text,
            arguments: &entry.arguments,
            location: &entry.location,
        }
    }
}

impl<'e> From<&'e Ruling<'e>> for RulingDocument<'e> {
    fn from(ruling: &'e Ruling<'e>) -> Self {
        let written = ruling.rule.kind.path().map(ToString::to_string);
        let path = ruling.path.as_ref().map(ToString::to_string);
        let (verdict, selector, reason, winner) = match &ruling.decision {
            Decision::Applies => ("applies", None, None, None),
            Decision::NoMatch { selector, reason } => {
                ("no-match", Some(*selector), Some(reason.clone()), None)
            }
            Decision::LostTo(winner) => ("lost", None, None, Some(winner)),
            Decision::Fails(error) => ("fails", None, Some(error.to_string()), None),
        };
        Self {
            kind: ruling.rule.kind.header().trim_matches(['[', ']']),
            path: path.or(written),
            verdict,
            selector,
            reason,
            winner,
            location: &ruling.rule.location,
        }
    }
}
