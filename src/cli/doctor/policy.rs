//! Findings about the policy: the details are `jns check`'s.

use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::outcome::reason;
use crate::cli::source::{files, tally, text_of, unreadable};
use crate::cli::terminal::count;
use crate::login::Nss;
use crate::policy::{Diagnostic, Diagnostics, Enforcement, Loaded, Policy, Severity, Source};
use std::sync::Arc;

/// Returns what is wrong with the policy of `source`, and the policy itself if it can be used.
pub fn findings(tree: &Tree, source: &Source) -> (Vec<Finding>, Option<Policy>) {
    let files = files(source, tree);
    if let Some(file) = unreadable(&files, tree) {
        let finding = Finding::note(Area::Policy, format!("{file} cannot be read without root"));
        return (vec![finding.advise("run jns doctor as root")], None);
    }
    match load(tree, source, &files) {
        Err(diagnostics) => (vec![refused(&diagnostics)], None),
        Ok(Loaded {
            policy, warnings, ..
        }) => {
            let mut all = vec![summary(&policy, &files)];
            all.extend(of_mode(policy.settings.mode));
            all.extend(of_warnings(&warnings));
            all.extend(of_unknown(tree, &policy));
            (all, Some(policy))
        }
    }
}

/// On the running system, what a login reads; in another tree the files' text, whose owners may be mapped.
fn load(tree: &Tree, source: &Source, files: &[String]) -> Result<Loaded, Diagnostics> {
    if tree.is_host() {
        return Policy::load(source);
    }
    let mut texts: Vec<(&str, String)> = Vec::new();
    for file in files {
        let text = text_of(file, tree).map_err(|reason| cannot_read(file, &reason))?;
        texts.push((file.as_str(), text));
    }
    let parts: Vec<(&str, &[u8])> = texts
        .iter()
        .map(|(file, text)| (*file, text.as_bytes()))
        .collect();
    Policy::parse(&parts)
}

fn cannot_read(file: &str, why: &std::io::Error) -> Diagnostics {
    let said = Diagnostic {
        severity: Severity::Error,
        file: Arc::from(file),
        place: None,
        message: format!("cannot be read: {}", reason(why)),
        help: None,
    };
    Diagnostics {
        list: vec![said],
        more: 0,
    }
}

fn refused(diagnostics: &Diagnostics) -> Finding {
    let errors = count(tally(diagnostics, Severity::Error), "error");
    let first = diagnostics
        .list
        .iter()
        .find(|d| d.severity == Severity::Error)
        .map(|diagnostic| format!(", first: {diagnostic}"));
    Finding::problem(
        Area::Policy,
        format!("{errors}{}", first.unwrap_or_default()),
    )
    .advise("every login but root's is refused until this is put right; jns check shows all of it")
}

fn summary(policy: &Policy, files: &[String]) -> Finding {
    let rules = count(policy.rules.len(), "rule");
    let summary = format!("{rules} in {}", files.join(", "));
    if policy.rules.is_empty() {
        Finding::warning(Area::Policy, summary).advise("without rules nothing is private")
    } else {
        Finding::ok(Area::Policy, summary)
    }
}

fn of_mode(mode: Enforcement) -> Option<Finding> {
    (mode == Enforcement::Observe).then(|| {
        Finding::warning(
            Area::Policy,
            "settings.mode is \"observe\": plans are logged, not applied",
        )
        .advise("set it to \"enforce\" when the log shows what is wanted")
    })
}

fn of_warnings(warnings: &Diagnostics) -> Option<Finding> {
    let number = tally(warnings, Severity::Warning);
    (number > 0).then(|| {
        Finding::warning(Area::Policy, count(number, "warning")).advise("jns check shows them")
    })
}

/// Names of nobody, by the accounts of this system; another's are not asked.
fn of_unknown(tree: &Tree, policy: &Policy) -> Option<Finding> {
    const ENOUGH: usize = 100;
    let unknown = if tree.is_host() {
        policy.unknown_principals(&Nss, ENOUGH)
    } else {
        Vec::new()
    };
    (!unknown.is_empty()).then(|| {
        let names = count(unknown.len(), "name");
        Finding::warning(Area::Policy, format!("{names} of no user or group"))
            .advise("jns check shows them")
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    /// The levels of the findings about a system with these files.
    fn levels(files: &[(&str, &str)]) -> Vec<Level> {
        let (_root, tree) = Tree::of_files(files.iter().copied());
        let (found, _) = findings(&tree, &Source::System);
        found.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn policies_of_fabricated_systems() {
        let main = "etc/security/jns.toml";
        let rule = "[[private]]\npath = \"/tmp\"\n";
        let observe = format!("[settings]\nmode = \"observe\"\n{rule}");
        assert_eq!(levels(&[]), [Level::Ok], "the built-in default");
        assert_eq!(levels(&[(main, rule)]), [Level::Ok]);
        assert_eq!(levels(&[(main, "")]), [Level::Warning]);
        assert_eq!(levels(&[(main, &observe)]), [Level::Ok, Level::Warning]);
        assert_eq!(levels(&[(main, "[[privat]]\n")]), [Level::Problem]);
        let named = Source::File("/etc/none.toml".into());
        let empty = tempfile::tempdir().unwrap();
        let (found, policy) = findings(&Tree::under(empty.path()).unwrap(), &named);
        assert_eq!((found.len(), found[0].level), (1, Level::Problem));
        assert!(policy.is_none());
        assert_eq!(
            levels(&[(main, rule), ("etc/security/jns.d/x.toml", "nonsense")]),
            [Level::Problem]
        );
    }
}
