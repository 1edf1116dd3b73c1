//! Findings about namespaces that other logins were to join, and that the kernel did not let be pinned.

use super::finding::{Area, Finding};
use crate::kernel::namespace::Identity;
use crate::session::census::Census;
use crate::session::{NamespaceRecord, Runtime};
use std::collections::{BTreeMap, BTreeSet};

/// Says whose logins have a view each although they were to share one, and why. What has ended is the collector's.
pub fn findings() -> Vec<Finding> {
    let read = || {
        let Some(runtime) = Runtime::find()? else {
            return Ok(Vec::new());
        };
        let records = NamespaceRecord::all(&runtime)?.into_iter();
        let unpinned = records.filter_map(|(_, record)| record.ok());
        let unpinned: Vec<_> = unpinned
            .filter(|record| record.unpinned.is_some())
            .collect();
        if unpinned.is_empty() {
            return Ok(Vec::new());
        }
        let census = Census::take()?;
        Ok(of_records(&unpinned, |namespace| census.holds(namespace)))
    };
    let cannot = |error: crate::error::Error| vec![Finding::note(Area::Kernel, error.to_string())];
    read().unwrap_or_else(cannot)
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
    }
}
