//! The fstab(5) files that a policy names, read as a login reads them.

use crate::apply::FSTAB_LIMIT;
use crate::error::Error;
use crate::kernel::fs::file::read_trusting;
use crate::kernel::fs::walk::Trust;
use crate::plan::Fstab;
use crate::policy::rule::Root;
use crate::policy::{Diagnostic, Diagnostics, Kind, Policy, Severity};
use std::collections::BTreeSet;

/// Adds what is wrong with them. Those whose paths depend on the login are nobody's yet.
pub(super) fn check(policy: &Policy, found: &mut Diagnostics) {
    let named = policy.rules.iter().filter_map(|rule| {
        let Kind::Root(Root { fstab, .. }) = &rule.kind else {
            return None;
        };
        fstab.as_ref()?.literal()
    });
    let paths: BTreeSet<String> = named.map(|path| path.to_string()).collect();
    for path in paths {
        let read = match read_trusting(Trust::Root, &path, FSTAB_LIMIT) {
            Ok(bytes) => Fstab::parse(&path, &bytes).map_or_else(|e| e, |fstab| fstab.warnings),
            Err(error) => unreadable(&path, &error),
        };
        found.list.extend(read.list);
        found.more = found.more.saturating_add(read.more);
    }
}

/// On the machine where a draft is written, the file may not be there.
fn unreadable(path: &str, error: &Error) -> Diagnostics {
    let warning = Diagnostic {
        severity: Severity::Warning,
        file: path.into(),
        place: None,
        message: error.to_string(),
        help: Some("logins to which it applies are refused".to_owned()),
    };
    Diagnostics {
        list: vec![warning],
        more: 0,
    }
}
