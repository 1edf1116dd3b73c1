//! What must hold whatever the bytes are: asked here of the seeds, and by the fuzz targets (`make fuzz`) of what
//! a fuzzer makes of them.

use crate::accounts::{Machine, alice, bob, root};
use pam_jns::cli::import;
use pam_jns::kernel::deadline::Deadline;
use pam_jns::kernel::mount::mount_table;
use pam_jns::plan::{Fstab, Plan};
use pam_jns::policy::{Diagnostics, Policy};
use pam_jns::session::{NamespaceRecord, SessionRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// A policy is refused at places that it has, or makes a plan for each login or an error in one line.
pub fn policy(bytes: &[u8]) {
    let loaded = match Policy::parse(&[("p", bytes)]) {
        Ok(loaded) => loaded,
        Err(found) => return diagnostics(bytes, &found),
    };
    diagnostics(bytes, &loaded.warnings);
    for login in [alice(), bob(), root()] {
        match Plan::new(&loaded.policy, &login, &Machine) {
            Ok(plan) => planned(&plan),
            Err(error) => printable(&error.to_string()),
        }
    }
}

/// Parents come before children, each path once, and what is shown is text.
fn planned(plan: &Plan) {
    for (index, step) in plan.steps.iter().enumerate() {
        for later in &plan.steps[index + 1..] {
            assert!(!step.path.is_within(&later.path), "{plan}");
        }
    }
    plan.to_string().lines().for_each(printable);
}

/// An fstab is refused at places that it has, or is steps of one line.
pub fn fstab(bytes: &[u8]) {
    match Fstab::parse("fstab", bytes) {
        Err(found) => diagnostics(bytes, &found),
        Ok(fstab) => {
            diagnostics(bytes, &fstab.warnings);
            for step in fstab.steps {
                assert!(step.path.as_str().starts_with('/'));
                assert!(step.location.line <= lines(bytes));
                printable(&step.to_string());
            }
        }
    }
    if let Err(error) = Fstab::of("fstab", bytes) {
        printable(&error.to_string());
    }
}

/// What is made of a namespace.conf is a policy.
pub fn namespace_conf(bytes: &[u8]) {
    match import::policy_of_namespace_conf(bytes) {
        Ok(policy) => {
            let judged = Policy::parse(&[("p", policy.as_bytes())]);
            assert!(judged.is_ok(), "{policy}\n{:?}", judged.err());
        }
        Err(error) => printable(&error.to_string()),
    }
}

/// A mount is of one line.
pub fn mount_table(bytes: &[u8]) {
    let mounts: Vec<_> = mount_table::parse(bytes).collect();
    assert!(mounts.len() <= lines(bytes));
    for mount in mounts {
        assert!(mount.point.len() + mount.root.len() < bytes.len());
        let _ = mount.is_above("/tmp/a");
    }
}

/// What can be read as a record is one, and can be asked what it stands for.
pub fn records(bytes: &[u8]) {
    if let Some(record) = record::<NamespaceRecord>(bytes) {
        let _ = (
            record.is_up_to_date(&Deadline::none()),
            record.is_whole(&Deadline::none()),
        );
    }
    let _ = record::<SessionRecord>(bytes);
}

fn record<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let record: T = serde_json::from_slice(bytes).ok()?;
    let again = serde_json::to_vec_pretty(&record).unwrap();
    assert_eq!(serde_json::from_slice::<T>(&again).unwrap(), record);
    Some(record)
}

/// Each is of a place in the text and a few printable lines.
fn diagnostics(bytes: &[u8], found: &Diagnostics) {
    let text = String::from_utf8_lossy(bytes);
    for one in &found.list {
        if let Some(place) = &one.place {
            let line = text.split('\n').nth(place.line - 1);
            let width = line.map(|line| line.chars().count());
            assert!(
                width.is_some_and(|width| place.column <= width + 1),
                "{one}"
            );
        }
        let shown = one.render(false);
        assert!(shown.lines().count() <= 3, "{shown}");
        shown.lines().for_each(printable);
    }
}

fn printable(line: &str) {
    assert!(!line.contains(char::is_control), "{line:?}");
}

fn lines(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count()
}
