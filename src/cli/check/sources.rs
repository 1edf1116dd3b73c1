//! The sources of binds, as far as they are the same for every login: on this machine one may be everybody's to write.

use crate::kernel::walk::open_plainly;
use crate::policy::believed::{REASON, is_believed};
use crate::policy::rule::Bind;
use crate::policy::{Diagnostic, Diagnostics, Kind, Place, Policy, Rule, Severity};

/// Adds an error for each that everybody may write, over what root believes.
pub(super) fn check(
    policy: &Policy,
    found: &mut Diagnostics,
    text: &dyn Fn(&str) -> Option<String>,
) {
    for rule in &policy.rules {
        if let Some(source) = open_source(rule) {
            found.list.push(told(rule, &source, text));
        }
    }
}

/// The source of a bind over what root believes, where everybody may write to it.
fn open_source(rule: &Rule) -> Option<String> {
    let Kind::Bind(Bind { source, path, .. }) = &rule.kind else {
        return None;
    };
    let source = source.literal().filter(|_| is_believed(&path.sample()))?;
    let place = open_plainly(source.as_str()).ok()?;
    (place.status.st_mode & 0o002 != 0).then(|| source.to_string())
}

fn told(rule: &Rule, source: &str, text: &dyn Fn(&str) -> Option<String>) -> Diagnostic {
    let line = rule.origin.line;
    let place = text(&rule.origin.file).map(|text| {
        let text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        Place::in_line(line, text, 1, text.chars().count().max(1))
    });
    let path = rule.kind.path().map(ToString::to_string);
    let path = path.unwrap_or_default();
    Diagnostic {
        severity: Severity::Error,
        file: rule.origin.file.clone(),
        place,
        message: format!("everybody may write to {source}, and at {path} {REASON}"),
        help: Some("logins to which it applies are refused".to_owned()),
    }
}
