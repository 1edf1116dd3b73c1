//! Rules by SELinux context or level, in a build that has no SELinux.

use crate::policy::{Diagnostic, Diagnostics, Policy, Rule, Severity, lacks_labels};

/// Makes an error of each warning of such a rule: no login to which it applies is let in.
pub(super) fn check(policy: &Policy, found: &mut Diagnostics) {
    let Some(reason) = lacks_labels() else {
        return;
    };
    let of_labels = policy
        .rules
        .iter()
        .filter(|rule| rule.kind.label().is_some());
    let rules: Vec<&Rule> = of_labels.collect();
    let is_theirs = |warning: &Diagnostic| {
        let line = warning.place.as_ref().map(|place| place.line);
        let is_at =
            |rule: &&Rule| rule.location.file == warning.file && Some(rule.location.line) == line;
        warning.message.contains(reason) && rules.iter().any(is_at)
    };
    for warning in &mut found.list {
        if is_theirs(warning) {
            warning.severity = Severity::Error;
        }
    }
}
