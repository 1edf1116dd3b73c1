//! Errors between rules that are right by themselves.

use super::believed::{Doubt, Key, doubt};
use super::fields::word_of;
use super::pattern::{Glob, Host};
use super::read::Draft;
use super::report::{Fault, Report};
use super::rule::{Kind, Per, Selectors};
use super::settings::{Namespaces, Settings};
use super::template::Fact;
use super::text::Text;
use crate::error::Location;
use crate::path::AbsPath;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::time::Duration;

/// Checks the rules of all files together, under the final settings.
pub(crate) fn across(
    drafts: &[Draft],
    settings: &Settings,
    texts: &[Text<'_>],
    report: &mut Report,
) {
    let mut checker = Checker { texts, report };
    checker.repeated_paths(drafts);
    checker.shared_instances(drafts);
    checker.joined_names(drafts);
    checker.covered_store(drafts, &settings.store);
    checker.believed_paths(drafts);
    checker.without_labels(drafts);
    checker.contested_layers(drafts, settings.namespace);
    checker.cut_timeouts(drafts, settings.deadline);
}

/// Says that a path would cover this store, where it would.
pub(crate) fn covers_store(path: &AbsPath, store: &AbsPath) -> Option<String> {
    let covers = store.is_within(path);
    covers.then(|| format!("{path} would cover the store {store}"))
}

/// Says that rules by SELinux context or level do not work, where they do not.
pub(crate) fn lacks_labels() -> Option<&'static str> {
    let reason = "this build is without SELinux; `make FEATURES=selinux` makes one with it";
    (!cfg!(feature = "selinux")).then_some(reason)
}

struct Checker<'a, 't> {
    texts: &'a [Text<'t>],
    report: &'a mut Report,
}

impl<'a, 't> Checker<'a, 't> {
    /// Reports the same path for the same logins in one file: the first rule could never apply.
    fn repeated_paths(&mut self, drafts: &[Draft]) {
        let mut groups: BTreeMap<_, Vec<&Draft>> = BTreeMap::new();
        for draft in drafts {
            let is_root = matches!(draft.rule.kind, Kind::Root(_));
            if let Some(path) = draft.rule.kind.path() {
                groups
                    .entry((draft.rank, is_root, path.to_string()))
                    .or_default()
                    .push(draft);
            }
        }
        let mut shared: Vec<_> = groups
            .into_values()
            .filter(|group| group.len() > 1)
            .collect();
        shared.sort_by_key(|group| group.first().map(|draft| draft.rank_and_line()));
        for group in shared {
            self.repeated_selectors(&group);
        }
    }

    /// Among rules with one path.
    fn repeated_selectors(&mut self, group: &[&Draft]) {
        let mut seen: BTreeMap<_, &Location> = BTreeMap::new();
        for draft in group {
            match seen.entry(selector_key(&draft.rule.selectors)) {
                Entry::Vacant(entry) => drop(entry.insert(&draft.rule.location)),
                Entry::Occupied(first) => {
                    let line = first.get().line;
                    let fault = || {
                        let same = "has a rule with the same path and the same selectors";
                        Fault::new(format!("line {line} {same}"))
                    };
                    self.error_with(draft, &draft.path, fault);
                }
            }
        }
    }

    /// Two paths with one directory behind them: what is written to one would appear in the other.
    fn shared_instances(&mut self, drafts: &[Draft]) {
        let mut seen = BTreeMap::new();
        for draft in drafts {
            let kind = &draft.rule.kind;
            let (Some((_, store)), Some(path)) = (kind.store(), kind.path()) else {
                continue;
            };
            let (first_path, first) = *seen
                .entry(store.to_string())
                .or_insert((path, &draft.rule.location));
            if first_path != path {
                let fault = Fault::new(format!("{first} has a rule with the same `store`"));
                self.error(draft, &draft.store, fault);
            }
        }
    }

    /// Facts that stand side by side in a name, so that nothing shows where one ends: two users can have one
    /// instance. The second is refused where it is the first one's, and is in it too where all may write to it.
    fn joined_names(&mut self, drafts: &[Draft]) {
        for draft in drafts {
            let Some((per @ (Per::User | Per::Group), store)) = draft.rule.kind.store() else {
                continue;
            };
            let is_reported = !store.mentions(per.required_facts()) || store.mentions(Fact::LABELS);
            if !is_reported && !store.is_injective_in(per.required_facts()) {
                let word = word_of(per);
                let message = format!("two {word}s can have the same `store`");
                let help = format!("let `{{{word}}}` be a name of its own: put `/` around it");
                if let Some(text) = self.text_of(draft) {
                    let fault = Fault::new(message).help(help);
                    self.report.warning(text, &draft.store, fault);
                }
            }
        }
    }

    fn covered_store(&mut self, drafts: &[Draft], store: &AbsPath) {
        for draft in drafts
            .iter()
            .filter(|draft| !matches!(draft.rule.kind, Kind::Root(_)))
        {
            let path = draft.rule.kind.path().and_then(|path| path.literal());
            if let Some(reason) = path.and_then(|path| covers_store(&path, store)) {
                self.error(draft, &draft.path, Fault::new(reason));
            }
        }
    }

    /// Warns of what the user could change, where root believes what it finds.
    fn believed_paths(&mut self, drafts: &[Draft]) {
        for draft in drafts {
            let Some(Doubt { key, message }) = doubt(&draft.rule.kind) else {
                continue;
            };
            let span = match key {
                Key::Source => &draft.source,
                Key::Store => &draft.store,
                Key::Path => &draft.path,
            };
            let help = "show what root alone can change, or cover another path";
            self.error(draft, span, Fault::new(message).help(help));
        }
    }

    fn without_labels(&mut self, drafts: &[Draft]) {
        let Some(reason) = lacks_labels() else {
            return;
        };
        for draft in drafts {
            if let Some(per) = draft.rule.kind.label() {
                let message = format!("`per = \"{}\"`: {reason}", word_of(per));
                let fault = Fault::new(message).help("logins to which it applies are refused");
                self.warning(draft, fault);
            }
        }
    }

    /// One namespace at a time can write to a layer.
    fn contested_layers(&mut self, drafts: &[Draft], namespaces: Namespaces) {
        for draft in drafts {
            let Kind::Overlay(overlay) = &draft.rule.kind else {
                continue;
            };
            let (who, others) = match (overlay.per, namespaces) {
                (Per::Group, _) => ("users of a group have", "the other users' logins"),
                (Per::User, Namespaces::Session) => ("sessions have", "the user's other logins"),
                _ => continue,
            };
            let message =
                format!("{who} namespaces of their own, and one alone can write to a layer");
            let help = format!("{others} are refused meanwhile");
            self.warning(draft, Fault::new(message).help(help));
        }
    }

    /// A program that is run while the session opens has no more time than that has.
    fn cut_timeouts(&mut self, drafts: &[Draft], deadline: Duration) {
        for draft in drafts {
            let timeout = draft.rule.kind.opening_timeout();
            let (Some(timeout), Some(span)) = (timeout, &draft.timeout) else {
                continue;
            };
            if timeout <= deadline {
                continue;
            }
            let deadline = humantime::format_duration(deadline);
            let message = format!("this is longer than `settings.deadline`, {deadline}");
            let help = "a program that takes longer than that is ended; set a longer `deadline`";
            if let Some(text) = self.text_of(draft) {
                self.report
                    .warning(text, span, Fault::new(message).help(help));
            }
        }
    }

    fn warning(&mut self, draft: &Draft, fault: Fault) {
        let line = draft.rule.location.line;
        if let Some(text) = self.text_of(draft) {
            self.report.warning(text, &text.line_span(line), fault);
        }
    }

    fn error(&mut self, draft: &Draft, span: &Range<usize>, fault: Fault) {
        self.error_with(draft, span, || fault);
    }

    fn error_with(&mut self, draft: &Draft, span: &Range<usize>, fault: impl FnOnce() -> Fault) {
        if let Some(text) = self.text_of(draft) {
            self.report.error_with(text, span, fault);
        }
    }

    fn text_of(&self, draft: &Draft) -> Option<&'a Text<'t>> {
        self.texts.iter().find(|text| text.rank() == draft.rank)
    }
}

/// Selectors as a key: the same for lists that name the same, in whatever order.
fn selector_key(selectors: &Selectors) -> [Option<Vec<String>>; 6] {
    let Selectors {
        users,
        except,
        services,
        except_services,
        ttys,
        rhosts,
    } = selectors;
    let principals = |list: &Vec<super::principal::Listed>| {
        sorted(list.iter().map(|listed| listed.principal.to_string()))
    };
    let globs = |list: &Vec<Glob>| sorted(list.iter().map(ToString::to_string));
    let hosts = |list: &Vec<Host>| sorted(list.iter().map(ToString::to_string));
    let filled = Some(except_services).filter(|list| !list.is_empty());
    [
        users.as_ref().map(principals),
        Some(except).filter(|list| !list.is_empty()).map(principals),
        services.as_ref().map(globs),
        filled.map(globs),
        ttys.as_ref().map(globs),
        rhosts.as_ref().map(hosts),
    ]
}

fn sorted(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<String> = words.collect();
    words.sort_unstable();
    words.dedup();
    words
}
