//! What the user sees and may do in the session, found out with the rights of the user.

use super::check::Check;
use crate::cli::account::Account;
use crate::kernel::fs::directory::Form;
use crate::kernel::process::credentials::become_user;
use crate::plan::{Plan, Processes};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt;

/// The directory of the ledger.
const LEDGER: &str = "/run/jns";

/// What is looked at with the rights of the user.
pub(super) struct Seen<'s> {
    pub(super) plan: &'s Plan,
    /// The paths that are there to be written to, as the policy wants them.
    pub(super) places: Vec<(&'s str, Form)>,
    /// The directories of others beside the user's own ones.
    pub(super) neighbours: Vec<String>,
}

/// Becomes the user for good, and looks.
pub(super) fn check(account: &Account, seen: &Seen<'_>) -> Vec<Check> {
    let Seen {
        plan,
        places,
        neighbours,
    } = seen;
    let user = &account.name;
    let became = become_user(&account.credentials);
    let mut checks = vec![Check::of(
        format!("a process gets the rights of {user}"),
        became.map_err(|error| error.to_string()),
    )];
    if checks.iter().any(|check| check.failure.is_some()) {
        return checks;
    }
    let may_write = |(_, form): &&(&str, Form)| account.credentials.may(2, *form);
    let writable = places.iter().filter(may_write);
    checks.extend(writable.map(|(path, _)| is_writable(user, path)));
    let closed = [plan.store.as_str(), LEDGER];
    checks.extend(closed.map(|path| is_closed(user, path)));
    checks.extend(neighbours.iter().map(|path| is_closed(user, path)));
    if let Some(processes) = &plan.isolation.processes {
        checks.extend(sees_own_processes(
            user,
            account.credentials.uid,
            processes.value,
        ));
    }
    checks
}

/// Whether the user can make files there: one without a name is tried.
fn is_writable(user: &str, path: &str) -> Check {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    Check::of(
        format!("{user} can make files in {path}"),
        match rustix::fs::open(path, flags, Mode::RUSR) {
            // The file system has no files without a name.
            Ok(_) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(errno.to_string()),
        },
    )
}

/// Whether what is other users' lies behind a directory that this one cannot look into.
fn is_closed(user: &str, path: &str) -> Check {
    let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let entered = rustix::fs::stat(format!("{path}/."));
    Check::of(
        format!("{user} cannot look into {path}"),
        match (opened, entered) {
            (Err(Errno::ACCESS | Errno::NOENT), Err(_)) => Ok(()),
            (Ok(_), _) => Err("it can be listed".to_owned()),
            (Err(_), _) => Err("it can be entered".to_owned()),
        },
    )
}

/// Whether the processes of others are out of sight.
fn sees_own_processes(user: &str, uid: u32, wanted: Processes) -> Vec<Check> {
    let others = match wanted {
        Processes::Shared => return Vec::new(),
        Processes::Hidden => others(uid, 0),
        // The first process is root's, in a namespace in which there is nobody else.
        Processes::Own => others(uid, 1),
    };
    vec![Check::that(
        format!("{user} sees no process of others"),
        others.is_empty(),
        || format!("there is {}", others.join(", ")),
    )]
}

/// The numbers of others' processes above `first`.
fn others(uid: u32, first: u32) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| {
        let pid = entry.file_name().to_string_lossy().parse::<u32>().ok()?;
        let owner = entry.metadata().ok()?.uid();
        (pid > first && owner != uid).then(|| format!("process {pid} of uid {owner}"))
    });
    processes.collect()
}
