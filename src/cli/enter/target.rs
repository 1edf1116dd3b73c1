//! The namespace that is meant: a user's shared one, or that of a session. It is never looked for among a user's
//! processes: what the ledger says and what the kernel says have to agree.

use crate::cli::terminal::count;
use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::namespace::Namespace;
use crate::kernel::namespace::kind::{Kind, Namespaces, OtherNamespace};
use crate::login::{Accounts, Nss};
use crate::session::ledger::OtherNamespaceRecord;
use crate::session::{Lock, NamespaceRecord, Pins, Runtime, SessionRecord};
use rustix::fd::OwnedFd;

/// A namespace that may be entered. While this lives, nobody takes it for unused.
#[derive(Debug)]
pub struct Target {
    /// The namespaces.
    pub namespaces: Namespaces,
    /// The name of its user.
    pub user: String,
    /// The id of its user.
    pub uid: u32,
    /// The first process of its own PID namespace, if it has one, by its pidfd.
    pub init: Option<OwnedFd>,
    /// The remark about the choice that the caller should read.
    pub remark: Option<String>,
    _lock: Lock,
}

/// Finds what an administrator names: a user, or a session by its id or the first digits of it.
///
/// # Errors
///
/// There is nothing of that name, it has ended, or several sessions are meant.
pub fn find(name: &str) -> Result<Target> {
    let user = Nss.uid(name);
    let Some(runtime) = Runtime::find()? else {
        return Err(nothing(name, user));
    };
    match user {
        Some(uid) => of_user(&runtime, uid, name),
        None => of_session(&runtime, name),
    }
}

fn nothing(name: &str, user: Option<u32>) -> Error {
    let reason = match user {
        Some(_) => "there is none",
        None => "there is neither a user nor a session of that name",
    };
    Error::new("enter", format_args!("the namespace of {name}"), reason)
}

/// The newest shared namespace of a user, else that of the newest open session.
fn of_user(runtime: &Runtime, uid: u32, name: &str) -> Result<Target> {
    let lock = Lock::wait_to_join(runtime, uid, &Deadline::none())?;
    let mut shared = shared_of(runtime, uid)?;
    shared.sort_by_key(|(record, _)| record.made);
    let others = shared.len().saturating_sub(1);
    if let Some((mut record, namespaces)) = shared.pop() {
        record.note_unused(runtime, None)?;
        return Ok(Target {
            namespaces,
            init: init_of(&record)?,
            user: record.user,
            uid,
            remark: older(others, name),
            _lock: lock,
        });
    }
    let (session, namespaces) =
        newest_open(runtime, uid)?.ok_or_else(|| nothing(name, Some(uid)))?;
    let init = init_of_session(runtime, &session)?;
    let SessionRecord {
        id, service, user, ..
    } = session;
    Ok(Target {
        namespaces,
        init,
        user,
        uid,
        remark: Some(format!(
            "{name} has no shared namespace; this is that of session {id}, by {service}"
        )),
        _lock: lock,
    })
}

/// Returns the remark about a user's other shared namespaces, if there are any.
fn older(others: usize, name: &str) -> Option<String> {
    let more = count(others, "older shared namespace");
    let hint = format!(
        "{name} has {more}; `jns ps {name}` lists the sessions in each, and `jns enter ID` enters that of one"
    );
    (others > 0).then_some(hint)
}

fn shared_of(runtime: &Runtime, uid: u32) -> Result<Vec<(NamespaceRecord, Namespaces)>> {
    let pins = Pins::find(runtime)?;
    let records = NamespaceRecord::all(runtime)?
        .into_iter()
        .filter_map(|(_, record)| record.ok().filter(|record| record.uid == uid));
    let with_pin = records.filter_map(|record| {
        let namespaces = pins.namespaces_of(&record).ok().flatten()?;
        Some((record, namespaces))
    });
    Ok(with_pin.collect())
}

fn newest_open(runtime: &Runtime, uid: u32) -> Result<Option<(SessionRecord, Namespaces)>> {
    let records = SessionRecord::all(runtime)?.into_iter();
    let mut sessions: Vec<SessionRecord> = records
        .filter_map(|(_, record)| record.ok().filter(|record| record.uid == uid))
        .collect();
    sessions.sort_by_key(|session| std::cmp::Reverse(session.opened));
    let mut open = sessions.into_iter().filter_map(|session| {
        let namespaces = of_host_process(runtime, &session).ok()?;
        Some((session, namespaces))
    });
    Ok(open.next())
}

fn of_session(runtime: &Runtime, prefix: &str) -> Result<Target> {
    let session = session(runtime, prefix)?;
    let lock = Lock::wait_to_join(runtime, session.uid, &Deadline::none())?;
    let namespaces = match shared_with(runtime, &session)? {
        Some(namespaces) => namespaces,
        None => of_host_process(runtime, &session)?,
    };
    Ok(Target {
        namespaces,
        init: init_of_session(runtime, &session)?,
        user: session.user,
        uid: session.uid,
        remark: None,
        _lock: lock,
    })
}

fn init_of_session(runtime: &Runtime, session: &SessionRecord) -> Result<Option<OwnedFd>> {
    match record_of(runtime, session)? {
        Some(record) => init_of(&record),
        None => Ok(None),
    }
}

fn init_of(record: &NamespaceRecord) -> Result<Option<OwnedFd>> {
    let opened = record.init.map(|init| {
        let reason = format!("its first process, {}, is gone", init.pid);
        let gone = || {
            Error::new(
                "enter",
                format_args!("the processes of {}", record.namespace),
                reason,
            )
        };
        init.open_pidfd().ok_or_else(gone)
    });
    opened.transpose()
}

/// The one session whose id begins so.
fn session(runtime: &Runtime, prefix: &str) -> Result<SessionRecord> {
    let mut found = SessionRecord::all(runtime)?;
    found.retain(|(id, _)| !prefix.is_empty() && id.starts_with(prefix));
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(nothing(prefix, None)),
        (Some((_, record)), true) => record,
        _ => {
            let reason = "the ids of several sessions begin so";
            Err(Error::new(
                "enter",
                format_args!("session {prefix}"),
                reason,
            ))
        }
    }
}

/// The shared namespace that the session is in, by its pin.
fn shared_with(runtime: &Runtime, session: &SessionRecord) -> Result<Option<Namespaces>> {
    let same = record_of(runtime, session)?
        .filter(|record| record.uid == session.uid && record.plan.as_ref() == Some(&session.plan));
    let Some(mut record) = same else {
        return Ok(None);
    };
    record.note_unused(runtime, None)?;
    Pins::find(runtime)?.namespaces_of(&record)
}

fn record_of(runtime: &Runtime, session: &SessionRecord) -> Result<Option<NamespaceRecord>> {
    let record = NamespaceRecord::read(runtime, session.namespace.inode)?;
    Ok(record.filter(|record| record.namespace == session.namespace))
}

/// The namespaces of the process that opened the session, if it is still that process, and still there.
fn of_host_process(runtime: &Runtime, session: &SessionRecord) -> Result<Namespaces> {
    let pid = session.process.pid;
    let refused = |reason: String| {
        let object = format!("the namespace of session {}", session.id);
        Error::new("enter", object, reason)
    };
    let opened = Namespace::of_process(pid);
    let all_opened = Namespaces::of_process(pid, &Kind::ALL);
    // Asked after they were opened: what was opened is then that of the process which lives now.
    if !session.process.is_alive() {
        let reason = format!("the process that opened the session, {pid}, is gone");
        return Err(refused(reason));
    }
    let namespace = opened.ok_or_else(|| refused(format!("process {pid} may not be looked at")))?;
    if namespace.identity() != session.namespace {
        let reason = format!("process {pid} is in another one than the session was");
        return Err(refused(reason));
    }
    let namespaces =
        all_opened.ok_or_else(|| refused("it is of another user namespace".to_owned()))?;
    let record = record_of(runtime, session)?;
    let known = record.map_or_else(Vec::new, |record| record.companions);
    with_own_others(namespaces, &known).ok_or_else(|| {
        let reason = "is not in all of the namespaces that the session was given";
        refused(format!("process {pid} {reason}"))
    })
}

/// A process's namespaces without those that are not the session's own; nothing where one of these is missing.
fn with_own_others(mut inside: Namespaces, known: &[OtherNamespaceRecord]) -> Option<Namespaces> {
    let mut is_known = |other: &OtherNamespace| {
        let number = (other.kind(), other.inode());
        known
            .iter()
            .any(|record| (record.kind, record.inode) == number)
    };
    inside.others.retain(&mut is_known);
    (inside.others.len() == known.len()).then_some(inside)
}
