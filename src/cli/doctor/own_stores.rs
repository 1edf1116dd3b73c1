//! Findings about the directories that rules name themselves for their instances (`store`), as far as they are the same for
//! every login.

use super::finding::{Area, Finding};
use super::store::{is_shared, of_file_system, of_way};
use crate::cli::host::Tree;
use crate::cli::outcome::reason;
use crate::path::is_within;
use crate::policy::rule::{Medium, Ownership};
use crate::policy::store::Parent;
use crate::policy::{Kind, Policy, Rule};
use crate::store::layout::LAYER_MODE;
use rustix::fs::{FileType, Stat};

/// The key that says where they are.
const KEY: &str = "store";

/// A directory on the way to the instances of a rule.
struct Holder<'p> {
    rule: &'p Rule,
    path: String,
    /// It holds the instances themselves, and nothing between it and them depends on the login.
    is_parent: bool,
}

/// Finds what is wrong with the directories that hold the instances of rules, once for each.
pub fn findings(tree: &Tree, policy: &Policy) -> Vec<Finding> {
    let mut holders: Vec<Holder<'_>> = Vec::new();
    for holder in policy.rules.iter().filter_map(holder_of) {
        let is_known = |known: &Holder<'_>| known.path == holder.path;
        if !is_within(&holder.path, policy.settings.store.as_str()) && !holders.iter().any(is_known)
        {
            holders.push(holder);
        }
    }
    let found = holders.iter().flat_map(|holder| {
        let findings = of_holder(tree, holder).into_iter();
        findings.map(|finding| finding.at(&holder.rule.location))
    });
    found.collect()
}

fn holder_of(rule: &Rule) -> Option<Holder<'_>> {
    let (_, store) = rule.kind.store()?;
    let (path, is_parent) = store.fixed_holder()?;
    Some(Holder {
        rule,
        path,
        is_parent,
    })
}

fn of_holder(tree: &Tree, holder: &Holder<'_>) -> Vec<Finding> {
    let path = &holder.path;
    let mut all = of_way(tree, path, KEY);
    match tree.stat(path) {
        Ok(facts) => {
            all.extend(of_directory(tree, holder, &facts));
            if let Ok((kind, space)) = tree.file_system(path) {
                all.extend(of_file_system(tree, &kind, &space, KEY));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            all.extend(of_missing(tree, holder));
        }
        Err(error) => {
            let reason = reason(&error);
            let said = format!("{path} cannot be examined: {reason}");
            all.push(Finding::note(Area::Store, said));
        }
    }
    all
}

/// A login makes the directory that holds its instance, and none above it.
fn of_missing(tree: &Tree, holder: &Holder<'_>) -> Option<Finding> {
    let path = &holder.path;
    let (above, _) = path.rsplit_once('/')?;
    let is_made = holder.is_parent && (above.is_empty() || tree.exists(above));
    (!is_made).then(|| {
        let needed = match holder.is_parent {
            true => above,
            false => path,
        };
        let said = format!("instances cannot be made: there is no {needed}");
        Finding::problem(Area::Store, said).advise(format!(
            "logins to which the rule applies are refused; as root: mkdir -p {needed}"
        ))
    })
}

fn of_directory(tree: &Tree, holder: &Holder<'_>, facts: &Stat) -> Option<Finding> {
    let path = &holder.path;
    let mode = facts.st_mode & 0o7777;
    let objection = if FileType::from_raw_mode(facts.st_mode) != FileType::Directory {
        format!("{path} is not a directory")
    } else if facts.st_uid != 0 {
        format!("{path} belongs to user id {}, not to root", facts.st_uid)
    } else if is_shared(facts) && (holder.is_parent || mode & 0o1000 == 0) {
        format!("{path} has mode {mode:04o}, and others than root make what they like in it")
    } else if holder.is_parent && lets_in(tree, holder.rule, mode) {
        format!("{path} has mode {mode:04o}, and lets others into instances")
    } else {
        return None;
    };
    // Closing a directory that others use takes it from them.
    Some(Finding::problem(Area::Store, objection).advise(format!(
        "logins to which the rule applies are refused: make a directory for it alone (mkdir -m 0700), and name that in \
         `store`; where nobody else uses {path}, chown root {path} && chmod 0700 {path}"
    )))
}

/// Whether both the directory that holds instances and these let others in, and the rule does not say that it may be so.
fn lets_in(tree: &Tree, rule: &Rule, mode: u32) -> bool {
    mode & 0o011 != 0 && mode_of_instances(tree, &rule.kind).is_some_and(|mode| mode & 0o077 != 0)
}

/// The mode of a rule's instances; nothing where it is not known, or no matter.
fn mode_of_instances(tree: &Tree, kind: &Kind) -> Option<u32> {
    match kind {
        Kind::Private(private) => {
            let Medium::Disk { store: Some(store) } = &private.medium else {
                return None;
            };
            let Ownership { mode, .. } = &private.ownership;
            let of_covered = || {
                let covered = tree.stat(private.path.literal()?.as_str()).ok()?;
                Some(covered.st_mode & 0o7777)
            };
            let mode = mode.map(|mode| mode.bits()).or_else(of_covered);
            mode.filter(|_| store.parent == Parent::Closed)
        }
        Kind::Overlay(_) => Some(LAYER_MODE),
        Kind::Tmpfs(_)
        | Kind::Bind(_)
        | Kind::Hide(_)
        | Kind::Isolate(_)
        | Kind::Root(_)
        | Kind::Volume(_)
        | Kind::Env(_)
        | Kind::Hook(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// The summary for a rule with that text behind `store`, whose directory is of a mode and an owner, or is missing.
    fn found(store: &str, directory: Option<(u32, u32)>) -> Option<String> {
        let (root, tree) = Tree::of_files([("tmp/x", ""), ("srv/x", "")]);
        let tmp = root.path().join("tmp");
        std::fs::set_permissions(tmp, PermissionsExt::from_mode(0o1777)).unwrap();
        let text = format!("[[private]]\npath = \"/tmp\"\nstore = {store}\n");
        let policy = Policy::parse(&[("p", text.as_bytes())]).unwrap().policy;
        let holder = holder_of(policy.rules.first()?)?;
        let found = match directory {
            None => of_missing(&tree, &holder),
            Some((mode, uid)) => {
                let mut facts = rustix::fs::stat("/").unwrap();
                (facts.st_mode, facts.st_uid, facts.st_gid) = (mode, uid, 0);
                of_directory(&tree, &holder, &facts)
            }
        };
        found.map(|finding| finding.summary)
    }

    #[test]
    fn directories_of_rules() {
        let (plain, closed) = (
            "\"/srv/inst/{user}\"",
            "\"/srv/inst/{user}\"\nmode = \"0700\"",
        );
        let any = "\"/srv/inst/{user}\"\nparent = \"any\"";
        let deeper = "\"/srv/inst/{group}/{user}\"";
        let lets_in = Some("/srv/inst has mode 0755, and lets others into instances");
        let shared =
            Some("/srv/inst has mode 1777, and others than root make what they like in it");
        let open = Some("/srv/inst has mode 0777, and others than root make what they like in it");
        for (store, mode, uid, expected) in [
            (plain, 0o040_700, 0, None),
            (plain, 0o040_000, 0, None),
            (plain, 0o040_755, 0, lets_in),
            (closed, 0o040_755, 0, None),
            (any, 0o040_755, 0, None),
            (any, 0o041_777, 0, shared),
            (deeper, 0o041_777, 0, None),
            (deeper, 0o040_777, 0, open),
            (
                plain,
                0o040_700,
                9,
                Some("/srv/inst belongs to user id 9, not to root"),
            ),
            (plain, 0o100_700, 0, Some("/srv/inst is not a directory")),
        ] {
            let found = found(store, Some((mode, uid)));
            assert_eq!(found.as_deref(), expected, "{store} {mode:o} {uid}");
        }
    }

    #[test]
    fn the_directory_is_made_and_none_above_it() {
        let missing = Some("instances cannot be made: there is no /srv/none");
        for (store, expected) in [
            ("\"/srv/none/{user}\"", None),
            ("\"/none/{user}\"", None),
            ("\"/srv/none/inst/{user}\"", missing),
            ("\"/srv/none/{group}/{user}\"", missing),
            ("\"{home}/inst\"", None),
        ] {
            assert_eq!(found(store, None).as_deref(), expected, "{store}");
        }
    }

    #[test]
    fn findings_name_the_rule_and_leave_out_what_is_in_the_store_of_all() {
        let (_root, tree) = Tree::of_files([("srv/x", "")]);
        for (store, place) in [("/srv/none/inst", Some("p:1")), ("/var/lib/jns/own", None)] {
            let text = format!("[[private]]\npath = \"/tmp\"\nstore = \"{store}/{{user}}\"\n");
            let policy = Policy::parse(&[("p", text.as_bytes())]).unwrap().policy;
            let found = findings(&tree, &policy);
            let found = found
                .iter()
                .find(|finding| finding.summary.contains("there is no"));
            let found = found.and_then(|finding| finding.location.as_ref());
            assert_eq!(found.map(ToString::to_string).as_deref(), place, "{store}");
        }
    }
}
