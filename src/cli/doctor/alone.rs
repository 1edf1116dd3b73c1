//! Findings about namespaces that other logins were to join, and that could not be pinned or have lost their pin.

use super::finding::{Area, Finding};
use crate::error::Result;
use crate::kernel::namespace::{Identity, Namespace};
use crate::session::census::Census;
use crate::session::{NamespaceRecord, Pins, Runtime};
use std::collections::{BTreeMap, BTreeSet};

/// The advice about something that is in the place of the vault.
const REPLACED: &str = "no login shares a namespace with others until it is unmounted or removed; the next one then makes the vault";

/// Says whose logins have a view each although they were to share one, and why. What has ended is the collector's.
pub fn findings() -> Vec<Finding> {
    let cannot = |error: crate::error::Error| vec![Finding::note(Area::Kernel, error.to_string())];
    read().unwrap_or_else(cannot)
}

fn read() -> Result<Vec<Finding>> {
    let Some(runtime) = Runtime::find()? else {
        return Ok(Vec::new());
    };
    let records = NamespaceRecord::all(&runtime)?.into_iter();
    let records = records.filter_map(|(_, record)| record.ok());
    let (unpinned, others): (Vec<_>, Vec<_>) =
        records.partition(|record| record.unpinned.is_some());
    let (lost, vault) = match Pins::find(&runtime) {
        Ok(pins) => (find_lost(others, &pins)?, None),
        Err(error) => {
            let finding = Finding::warning(Area::Kernel, error.to_string());
            (Vec::new(), Some(finding.advise(REPLACED)))
        }
    };
    let mut findings = Vec::from_iter(vault);
    if unpinned.is_empty() && lost.is_empty() {
        return Ok(findings);
    }
    let census = Census::take()?;
    findings.extend(of_records(&unpinned, |namespace| census.holds(namespace)));
    findings.extend(of_lost(&lost, |namespace| census.holds(namespace)));
    Ok(findings)
}

/// The records of namespaces that were made from this one and pinned, and are not any more.
fn find_lost(records: Vec<NamespaceRecord>, pins: &Pins) -> Result<Vec<NamespaceRecord>> {
    let own = Namespace::own()?.identity();
    let mut lost = Vec::new();
    for record in records {
        if record.pin.is_some() && record.origin == own && pins.namespace_of(&record)?.is_none() {
            lost.push(record);
        }
    }
    Ok(lost)
}

/// Says whose sessions no later login joins, because somebody has taken the pin of their namespace away.
fn of_lost(lost: &[NamespaceRecord], is_alive: impl Fn(Identity) -> bool) -> Option<Finding> {
    let alive = lost.iter().filter(|record| is_alive(record.namespace));
    let users: BTreeSet<&str> = alive.map(|record| record.user.as_str()).collect();
    let users = users.into_iter().collect::<Vec<_>>().join(", ");
    let summary = format!(
        "the sessions of {users} go on in namespaces whose pins were taken away: later logins get another one"
    );
    let advice = "/run/jns/ns/.vault was unmounted, or files in /run/jns/ns were removed; it ends with the sessions";
    (!users.is_empty()).then(|| Finding::warning(Area::Kernel, summary).advise(advice))
}

fn of_records(unpinned: &[NamespaceRecord], is_alive: impl Fn(Identity) -> bool) -> Vec<Finding> {
    let mut by_reason: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for record in unpinned.iter().filter(|record| is_alive(record.namespace)) {
        let reason = record.unpinned.as_deref().unwrap_or_default();
        by_reason.entry(reason).or_default().insert(&record.user);
    }
    let finding = |(reason, users): (&str, BTreeSet<&str>)| {
        let users = users.into_iter().collect::<Vec<_>>().join(", ");
        let summary = format!("each login of {users} has a view of its own: {reason}");
        Finding::warning(Area::Kernel, summary).advise(
            "a container on Linux 6.18 needs more than one processor for it; namespace = \"session\" in [settings] says \
             that each login is to have its own",
        )
    };
    by_reason.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whose_namespace_could_not_be_pinned_is_named_while_it_is_there() {
        let record = |user: &str, inode: u64, unpinned: &str| {
            let root = json!({ "device": 1, "inode": 2, "mount": 3 });
            let host = json!({ "inode": 9, "id": null });
            serde_json::from_value::<NamespaceRecord>(json!({
                "namespace": { "inode": inode, "id": null }, "unpinned": unpinned,
                "user": user, "uid": 1000, "pin": null, "origin": host, "origin_root": root, "root": root,
                "paths": [], "store": "/var/lib/jns", "instances": [], "sources": [], "missing": [], "made": 0,
            }))
            .unwrap()
        };
        let all = [
            record("bob", 1, "cannot pin it: one"),
            record("alice", 2, "cannot pin it: one"),
            record("carol", 3, "cannot pin it: other"),
            record("dora", 4, "cannot pin it: gone"),
        ];
        let found = of_records(&all, |namespace| namespace.inode < 4);
        let summaries: Vec<&str> = found.iter().map(|found| found.summary.as_str()).collect();
        let expected = [
            "each login of alice, bob has a view of its own: cannot pin it: one",
            "each login of carol has a view of its own: cannot pin it: other",
        ];
        assert_eq!(summaries, expected);
        let found = of_lost(&all, |namespace| namespace.inode < 3).unwrap();
        let expected = "the sessions of alice, bob go on in namespaces whose pins were taken away: later logins get another one";
        assert_eq!(found.summary, expected);
        assert_eq!(of_lost(&all, |_| false), None);
    }
}
