//! The explanation as a program reads it.

use super::explanation::Explanation;
use crate::cli::host::Entry;
use crate::cli::plan::{self, with_place};
use crate::login::Login;
use crate::policy::{Decision, Enforcement, Ruling, word_of};
use serde_json::{Value, json};

/// One JSON document; its keys are always there, null where there is nothing to say.
pub fn of(explanation: &Explanation<'_>) -> Value {
    let policy = &explanation.inputs.loaded.policy;
    let exemption = explanation.selection.exemption.as_ref();
    json!({
        "login": login(&explanation.inputs.login),
        "module": explanation.inputs.line.as_ref().map(module),
        "policy": {
            "files": explanation.inputs.files,
            "mode": mode(policy.settings.mode),
            "elsewhere": word_of(policy.settings.elsewhere),
            "warnings": explanation.inputs.loaded.warnings.list.len(),
        },
        "command": explanation.inputs.is_command(),
        "exempt": exemption.map(|found| with_place(json!({ "principal": found.principal }), &found.location)),
        "rules": explanation.selection.rulings.iter().map(ruling).collect::<Vec<_>>(),
        "plan": explanation.plan.as_ref().ok().map(plan::value),
        "refused": explanation.plan.as_ref().err().map(ToString::to_string),
    })
}

/// The line that calls the module.
fn module(entry: &Entry) -> Value {
    let value = json!({ "control": entry.control.text, "arguments": entry.arguments });
    with_place(value, &entry.location)
}

fn login(login: &Login) -> Value {
    let groups = login.groups.iter();
    json!({
        "user": login.user,
        "uid": login.uid,
        "gid": login.gid,
        "groups": groups.map(|group| json!({ "gid": group.gid, "name": group.name })).collect::<Vec<_>>(),
        "home": login.home,
        "service": login.service,
        "tty": login.tty,
        "rhost": login.rhost,
    })
}

fn mode(mode: Enforcement) -> &'static str {
    match mode {
        Enforcement::Enforce => "enforce",
        Enforcement::Observe => "observe",
    }
}

fn ruling(ruling: &Ruling<'_>) -> Value {
    let written = ruling.rule.kind.path().map(ToString::to_string);
    let path = ruling.path.as_ref().map(ToString::to_string);
    let (decision, selector, reason, winner) = match &ruling.decision {
        Decision::Applies => ("applies", None, None, None),
        Decision::NoMatch { selector, reason } => {
            ("no-match", Some(selector), Some(reason.clone()), None)
        }
        Decision::LostTo(winner) => ("lost", None, None, Some(with_place(json!({}), winner))),
        Decision::Fails(error) => ("fails", None, Some(error.to_string()), None),
    };
    let kind = ruling.rule.kind.header().trim_matches(['[', ']']);
    let value = json!({
        "kind": kind,
        "path": path.or(written),
        "verdict": decision,
        "selector": selector,
        "reason": reason,
        "winner": winner,
    });
    with_place(value, &ruling.rule.location)
}
