//! The explanation as an administrator reads it.

use super::explanation::Explanation;
use crate::apply::{StepResult, TriedStep};
use crate::cli::asked::trial::Tried;
use crate::cli::plan::steps;
use crate::cli::terminal::{Screen, Tone};
use crate::error::{Error, harmless};
use crate::login::{Login, SessionId};
use crate::plan::{Plan, Sharing};
use crate::policy::{Decision, Elsewhere, Enforcement, Ruling};

/// The whole report.
pub fn of(explanation: &Explanation<'_>, screen: Screen) -> String {
    let heading = |text: &str| screen.paint(Tone::Strong, text) + "\n";
    [
        heading("login"),
        facts(&explanation.inputs.login),
        heading("policy"),
        policy(explanation),
        heading(rules_heading(explanation)),
        rules(&explanation.selection.rulings, screen),
        heading("plan"),
        plan(explanation, screen),
        machine(explanation, screen),
    ]
    .concat()
}

/// The plan as this machine would carry it out, where there is something to be carried out or said: a login that gets the
/// host's view has its programs run, too.
fn machine(explanation: &Explanation<'_>, screen: Screen) -> String {
    let is_silent = match &explanation.tried {
        Tried::Done(trial) => trial.refusal.is_none() && trial.notes.is_empty(),
        Tried::NotPossible(_) => true,
    };
    let is_nothing = match &explanation.plan {
        Ok(plan) => plan.is_empty() && is_silent,
        Err(_) => true,
    };
    if is_nothing {
        return String::new();
    }
    let heading = screen.paint(Tone::Strong, "this machine") + "\n";
    let trial = match &explanation.tried {
        Tried::NotPossible(reason) => return format!("{heading}  not looked at: {reason}\n"),
        Tried::Done(trial) => trial,
    };
    let paths = trial
        .steps
        .iter()
        .map(|step| harmless(step.path.as_str()).chars().count());
    let width = paths.max().unwrap_or(0);
    let steps = trial
        .steps
        .iter()
        .map(|step| tried_step(step, width, screen));
    let notes = trial
        .notes
        .iter()
        .map(|note| format!("  {}\n", harmless(note)));
    let end = match &trial.refusal {
        None if trial.steps.is_empty() => "  all is as it would be\n".to_owned(),
        None => String::new(),
        Some(error) => refused(error, &explanation.inputs.login, screen),
    };
    heading + &steps.chain(notes).collect::<String>() + &end
}

/// A step, and below it what a login would log of it.
fn tried_step(step: &TriedStep, width: usize, screen: Screen) -> String {
    let (tone, word) = match &step.result {
        StepResult::Ready => (Tone::Good, "as it would be"),
        StepResult::Made => (Tone::Good, "made at login"),
        StepResult::Unseen => (Tone::Faint, "not seen yet"),
        StepResult::LeftOut => (Tone::Warning, "left out"),
        StepResult::Failed(_) => (Tone::Bad, "fails"),
    };
    let word = screen.paint(tone, &format!("{word:<14}"));
    let path = harmless(step.path.as_str());
    let location = harmless(&step.location.to_string());
    let notes = step
        .notes
        .iter()
        .map(|note| format!("                  {}\n", harmless(note)));
    format!("  {word}  {path:<width$}  {location}\n") + &notes.collect::<String>()
}

/// The reason why the login gets nothing of it.
fn refused(error: &Error, login: &Login, screen: Screen) -> String {
    let result = match login.uid {
        0 => "root has the host's view, since the plan fails",
        _ => "refused",
    };
    let result = screen.paint(Tone::Bad, result);
    format!("  {result}: {}\n", harmless(&error.to_string()))
}

fn line(key: &str, value: &str) -> String {
    format!("  {key:<9} {}\n", harmless(value))
}

/// The line that calls the module.
fn module(explanation: &Explanation<'_>) -> String {
    let Some(entry) = &explanation.inputs.line else {
        let service = &explanation.inputs.login.service;
        return line(
            "module",
            &format!("not called: no session line of {service} has pam_jns"),
        );
    };
    let mut words = vec![entry.control.text.as_str()];
    words.extend(entry.arguments.iter().map(String::as_str));
    let called = format!("{} ({})", words.join(" "), entry.location);
    line("module", &called)
}

fn facts(login: &Login) -> String {
    let groups: Vec<String> = login
        .groups
        .iter()
        .map(|group| format!("{} ({})", group.name, group.gid))
        .collect();
    let some = [
        ("user", Some(format!("{} ({})", login.user, login.uid))),
        ("groups", Some(groups.join(", "))),
        ("home", Some(login.home.clone())),
        ("service", Some(login.service.clone())),
        ("tty", login.tty.clone()),
        ("rhost", login.rhost.clone()),
    ];
    let stated = some
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    stated.map(|(key, value)| line(key, &value)).collect()
}

fn policy(explanation: &Explanation<'_>) -> String {
    let files = explanation
        .inputs
        .files
        .iter()
        .map(|file| line("file", file));
    let mut text = module(explanation) + &files.collect::<String>();
    let settings = &explanation.inputs.loaded.policy.settings;
    if settings.mode == Enforcement::Observe {
        text.push_str(&line(
            "mode",
            "observe: the plan below is logged, not applied",
        ));
    }
    if settings.elsewhere == Elsewhere::Leave {
        text.push_str(&line(
            "elsewhere",
            "leave: in another mount namespace than the host's, a session keeps what it finds",
        ));
    }
    let warnings = explanation.inputs.loaded.warnings.list.len();
    if warnings > 0 {
        text.push_str(&line(
            "warnings",
            &format!("{warnings}; jns check shows them"),
        ));
    }
    if explanation.inputs.is_command() {
        let said = "in a session it finds the directories of whoever calls it (settings.inherit)";
        text.push_str(&line("command", said));
    }
    let exempt = match &explanation.selection.exemption {
        Some(exemption) => format!("yes, as {} ({})", exemption.principal, exemption.location),
        None => String::from("no"),
    };
    text + &line("exempt", &exempt)
}

fn rules_heading(explanation: &Explanation<'_>) -> &'static str {
    match explanation.selection.exemption {
        Some(_) => "rules, were the user not exempt",
        None => "rules",
    }
}

fn rules(rulings: &[Ruling<'_>], screen: Screen) -> String {
    let rows: Vec<[String; 3]> = rulings.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (what, place) = (width(0), width(1));
    let shown = rulings
        .iter()
        .zip(&rows)
        .map(|(ruling, [rule, location, reason])| {
            let decision = screen.paint(
                tone(&ruling.decision),
                &format!("{:<8}", word(&ruling.decision)),
            );
            format!("  {decision} {rule:<what$}  {location:<place$}  {reason}")
                .trim_end()
                .to_owned()
                + "\n"
        });
    shown.collect()
}

/// The rule, its place, and why it is not in the plan.
fn row(ruling: &Ruling<'_>) -> [String; 3] {
    let kind = ruling.rule.kind.header();
    let path = match (&ruling.path, ruling.rule.kind.path()) {
        (Some(path), _) => format!(" {path}"),
        (None, Some(template)) => format!(" {template}"),
        (None, None) => String::new(),
    };
    [
        harmless(&format!("{kind}{path}")),
        harmless(&ruling.rule.location.to_string()),
        harmless(&reason(&ruling.decision)),
    ]
}

fn reason(decision: &Decision) -> String {
    match decision {
        Decision::Applies => String::new(),
        Decision::NoMatch { selector, reason } => format!("{selector}: {reason}"),
        Decision::LostTo(winner) => format!("the later rule at {winner} has the same path"),
        Decision::Fails(error) => error.to_string(),
    }
}

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Applies => "applies",
        Decision::NoMatch { .. } => "no match",
        Decision::LostTo(_) => "lost",
        Decision::Fails(_) => "fails",
    }
}

fn tone(decision: &Decision) -> Tone {
    match decision {
        Decision::Applies => Tone::Good,
        Decision::NoMatch { .. } | Decision::LostTo(_) => Tone::Faint,
        Decision::Fails(_) => Tone::Bad,
    }
}

fn plan(explanation: &Explanation<'_>, screen: Screen) -> String {
    let plan = match &explanation.plan {
        Err(error) => return refused(error, &explanation.inputs.login, screen),
        Ok(plan) if plan.is_empty() => return String::from("  the host's own view\n"),
        Ok(plan) => plan,
    };
    let user = &explanation.inputs.login.user;
    let indented = |line: &str| format!("  {line}\n");
    let mut text: String = steps(plan).lines().map(indented).collect();
    text.push_str(&format!("  {}\n", harmless(&namespace(plan, user))));
    text.push_str(&format!(
        "  {}\n",
        harmless(&found_by_commands(explanation, plan))
    ));
    if let Some(directory) = explanation.only_runtime_directory() {
        let said = format!("of the runtime directories of users it shows {directory} alone");
        text.push_str(&format!("  {said}\n"));
    }
    let any = SessionId::placeholder();
    if text.contains(any.as_str()) {
        text.push_str(&format!(
            "  {any} stands for a name that is new at each login\n"
        ));
    }
    text
}

/// Lists what of the plan commands find that the user runs as somebody else.
fn found_by_commands(explanation: &Explanation<'_>, plan: &Plan) -> String {
    let steps = plan.steps.iter().filter(|step| step.inherit);
    let volumes = plan.volumes.iter().filter(|volume| volume.inherit);
    let paths: Vec<&str> = steps
        .map(|step| step.path.as_str())
        .chain(volumes.map(|volume| volume.path.as_str()))
        .collect();
    let is_asked = !explanation.inputs.loaded.policy.settings.inherit.is_empty();
    let found = match is_asked && !paths.is_empty() {
        true => paths.join(", "),
        false => String::from("nothing of it"),
    };
    let user = &explanation.inputs.login.user;
    format!("commands that {user} runs as others find {found}")
}

/// Describes who has the namespace.
fn namespace(plan: &Plan, user: &str) -> String {
    match &plan.sharing {
        Sharing::User => {
            format!("in the namespace that all of {user}'s logins with this plan share")
        }
        Sharing::Command => String::from("in a namespace of the command's own"),
        Sharing::Session { because: None } => {
            String::from("in a namespace of the session's own, as settings.namespace says")
        }
        Sharing::Session {
            because: Some(location),
        } => format!(
            "in a namespace of the session's own, since the rule at {location} gives each session another view"
        ),
    }
}
