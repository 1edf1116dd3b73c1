//! The host, as it is before a session and after it.

use super::check::Check;
use crate::error::{Error, Result};
use crate::kernel::fs::directory::Form;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::mount::mount_table;
use crate::kernel::namespace::Namespace;
use crate::kernel::namespace::kind::{Kind, own_inode};
use crate::login::{Login, Needs, Request, Unknown};
use crate::plan::{Plan, View};
use crate::policy::{Policy, select};
use crate::session::{Runtime, SessionRecord};
use rustix::fs::Stat;
use std::collections::{BTreeMap, BTreeSet};

/// The table of the mounts that are seen here.
const MOUNTS: &str = "/proc/self/mountinfo";

/// The mount that the first session since the start of the machine leaves for all others: the vault of pins.
const VAULT: &[u8] = b"/run/jns/ns/.vault";

/// The names of a session directory's parent in a store.
const SESSIONS: &str = "session";

/// What is looked at on the host.
#[derive(Debug)]
pub(super) struct Host {
    /// The inode of its mount namespace.
    pub(super) namespace: u64,
    /// Its other namespaces, by kind.
    pub(super) others: Vec<(Kind, Option<u64>)>,
    /// What the paths of the plan lead to, those of sources and of instances included.
    pub(super) files: BTreeMap<String, FileIdentity>,
    /// The mode, the owner and the group of each of them.
    pub(super) forms: BTreeMap<String, Form>,
    /// Whether what is mounted on its root directory's mount appears elsewhere: where it is not, it appears in no session.
    pub(super) is_shared: bool,
    mounts: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// The ids of sessions that the ledger has.
    sessions: BTreeSet<String>,
    /// The directories of sessions in the store.
    directories: BTreeSet<String>,
}

impl Host {
    /// Looks at it.
    pub(super) fn look(plan: &Plan) -> Result<Self> {
        let table =
            mount_table::read(MOUNTS).map_err(|errno| Error::from_errno("read", MOUNTS, errno))?;
        let is_shared = table
            .iter()
            .any(|mount| mount.point == b"/" && mount.is_shared);
        let mounts = table
            .into_iter()
            .filter(|mount| mount.point != VAULT)
            .map(|mount| (mount.point, mount.source));
        let sessions = match Runtime::find()? {
            Some(runtime) => SessionRecord::all(&runtime)?,
            None => Vec::new(),
        };
        let kinds = Kind::ALL.into_iter().map(|kind| (kind, own_inode(kind)));
        Ok(Self {
            namespace: Namespace::own()?.identity().inode,
            others: kinds.collect(),
            files: found(plan, FileIdentity::of),
            forms: found(plan, Form::of),
            is_shared,
            mounts: mounts.collect(),
            sessions: sessions.into_iter().map(|(id, _)| id).collect(),
            directories: directories(plan),
        })
    }

    /// What a session must not have changed, compared with how it is `after` that.
    pub(super) fn compare(&self, after: &Self) -> Vec<Check> {
        let mounts = self.mounts.symmetric_difference(&after.mounts);
        let mounts: Vec<String> = mounts
            .map(|(point, _)| String::from_utf8_lossy(point).into_owned())
            .collect();
        let new = |before: &BTreeSet<String>, after: &BTreeSet<String>| {
            let left: Vec<&str> = after.difference(before).map(String::as_str).collect();
            left.join(", ")
        };
        let sessions = new(&self.sessions, &after.sessions);
        let directories = new(&self.directories, &after.directories);
        vec![
            Check::that(
                "the host has the mounts that it had",
                mounts.is_empty(),
                || format!("different: {}", mounts.join(", ")),
            ),
            Check::that(
                "the ledger forgets the session",
                sessions.is_empty(),
                || format!("left: {sessions}"),
            ),
            Check::that(
                "no directory of the session is left",
                directories.is_empty(),
                || format!("left: {directories}"),
            ),
        ]
    }
}

/// What the paths of a plan lead to here, as `of` has it.
fn found<T>(plan: &Plan, of: fn(&Stat) -> T) -> BTreeMap<String, T> {
    let paths = plan.steps.iter().flat_map(|step| {
        let further = match &step.view {
            View::Bind { source, .. } => Some(source.to_string()),
            View::Instance { instance, .. } => Some(instance.directory.to_string()),
            View::Memory { .. }
            | View::Overlay { .. }
            | View::FileSystem(_)
            | View::Devices
            | View::Terminals
            | View::NameServers
            | View::Nothing { .. } => None,
        };
        std::iter::once(step.path.to_string()).chain(further)
    });
    let found = |path: String| {
        let status = rustix::fs::stat(&path).ok()?;
        Some((path, of(&status)))
    };
    paths.filter_map(found).collect()
}

fn directories(plan: &Plan) -> BTreeSet<String> {
    let directory = format!("{}/{SESSIONS}", plan.store);
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.collect()
}

/// Whether root's commands are exempt: su(1) and sudo(8) are documented for that.
pub(super) fn is_root_exempt(policy: &Policy) -> Result<bool> {
    let request = Request {
        user: "root".to_owned(),
        service: "su".to_owned(),
        tty: None,
        rhost: None,
    };
    let all = Needs {
        groups: true,
        group_name: true,
    };
    match Login::gather(request, all) {
        Ok(root) => Ok(select(policy, &root).exemption.is_some()),
        Err(Unknown::User(reason) | Unknown::Fault(reason)) => Err(reason),
    }
}
