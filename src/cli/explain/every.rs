//! What the logins of all accounts would get, a line each.

use super::accounts;
use super::explanation::Explanation;
use crate::cli::arguments::Explain;
use crate::cli::asked::refusal::Refusal;
use crate::cli::asked::{gather, policy_of};
use crate::cli::outcome::Outcome;
use crate::cli::terminal::{Progress, Screen, Tone, count};
use crate::error::{Error, Result, harmless};
use crate::login::is_effective_root;
use serde::Serialize;

/// What the login of an account would get.
#[derive(Serialize)]
struct Answer {
    user: String,
    /// Nothing where the account cannot be looked up.
    uid: Option<u32>,
    result: Word,
    /// The paths that are covered.
    paths: Vec<String>,
    /// Why it has the host's view, or is refused.
    reason: Option<String>,
}

/// An answer in a word.
#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Word {
    /// It gets a view of its own.
    View,
    /// It gets the host's own view.
    Host,
    /// It is refused, or root's, which then has the host's view.
    Refused,
}

#[derive(Serialize)]
struct Document {
    logins: Vec<Answer>,
}

/// Explains the logins of all accounts through a service.
pub fn run(arguments: Explain, screen: Screen) -> Outcome {
    match (answers(&arguments), arguments.json) {
        (Err(refusal), true) => refusal.into_json(),
        (Err(refusal), false) => refusal.into_text(),
        (Ok(logins), is_json) => {
            let is_refused = logins.iter().any(|login| login.result == Word::Refused);
            let report = match is_json {
                true => Outcome::json(&Document { logins }),
                false => Outcome::report(text(&logins, screen)),
            };
            report.failing_if(is_refused)
        }
    }
}

fn answers(arguments: &Explain) -> Result<Vec<Answer>, Refusal> {
    if !is_effective_root() {
        let reason = "only root can see whether this machine has what they need";
        return Err(Error::new("try", "the logins of all accounts", reason).into());
    }
    let mut met = policy_of(&arguments.login)?;
    let names = accounts::names()?;
    let progress = Progress::new("trying");
    let mut answers = Vec::with_capacity(names.len());
    for name in names {
        progress.show(&name);
        let answer = match gather(&arguments.login, name.clone()) {
            Err(error) => Answer {
                user: name,
                uid: None,
                result: Word::Refused,
                paths: Vec::new(),
                reason: Some(error.to_string()),
            },
            Ok(login) => {
                let inputs = met.with(login);
                let answer = Answer::of(&Explanation::of(&inputs));
                met = inputs.into_policy();
                answer
            }
        };
        answers.push(answer);
    }
    Ok(answers)
}

impl Answer {
    fn of(explanation: &Explanation<'_>) -> Self {
        let login = &explanation.inputs.login;
        let plan = explanation.plan.as_ref().ok();
        let exemption = explanation.selection.exemption.as_ref();
        let (result, reason) = match (explanation.refusal(), exemption) {
            (Some(error), _) => (Word::Refused, Some(error.to_string())),
            (None, Some(found)) => (
                Word::Host,
                Some(format!(
                    "exempt as {} ({})",
                    found.principal, found.location
                )),
            ),
            (None, None) if plan.is_some_and(|plan| plan.is_empty()) => {
                (Word::Host, Some("no rule applies".to_owned()))
            }
            (None, None) => (Word::View, None),
        };
        let steps = plan.iter().flat_map(|plan| &plan.steps);
        Self {
            user: login.user.clone(),
            uid: Some(login.uid),
            result,
            paths: match result {
                Word::View => steps.map(|step| step.path.to_string()).collect(),
                Word::Host | Word::Refused => Vec::new(),
            },
            reason,
        }
    }

    /// The line that says it, after the name.
    fn said(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or_default();
        match self.result {
            Word::View if self.paths.is_empty() => "a namespace of its own".to_owned(),
            Word::View => self.paths.join(" "),
            Word::Host => format!("the host's own view: {reason}"),
            Word::Refused if self.uid == Some(0) => {
                format!("the host's own view, since the plan fails: {reason}")
            }
            Word::Refused => format!("refused: {reason}"),
        }
    }
}

fn text(logins: &[Answer], screen: Screen) -> String {
    let names = logins.iter().map(|login| harmless(&login.user));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |login: &Answer| {
        let tone = match login.result {
            Word::View => Tone::Good,
            Word::Host => Tone::Faint,
            Word::Refused => Tone::Bad,
        };
        let name = format!("{:<width$}", harmless(&login.user));
        format!("{name}  {}\n", screen.paint(tone, &harmless(&login.said())))
    };
    let refused = logins.iter().filter(|login| login.result == Word::Refused);
    let lines: String = logins.iter().map(line).collect();
    format!(
        "{lines}{}, {} refused\n",
        count(logins.len(), "account"),
        refused.count()
    )
}
