//! The namespaces of a command: for root as a login comes by them, with a record for `jns ps` and `jns enter`;
//! for everybody else in a user namespace.

use super::hooks;
use super::prepared::Prepared;
use super::subject::{CALLER, subject};
use crate::apply::{self, SessionDirectory, SessionGuard};
use crate::cli::command::SERVICE;
use crate::cli::command_log;
use crate::cli::outcome::{reason, say};
use crate::error::harmless;
use crate::error::{Error, Result};
use crate::kernel::fs::walk::Trust;
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::namespace::Identity;
use crate::kernel::namespace::user_namespace;
use crate::kernel::process::secret::Secret;
use crate::login::SessionId;
use crate::plan::PlanDigest;
use crate::session::{
    NamespaceRecord, PlannedSession, Process, Runtime, SessionNamespace, SessionRecord, join,
};
use std::os::unix::fs::DirBuilderExt;

/// The namespaces, with this process in them. Dropped, they are left, and what was made for them is removed.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a command has one of them, and no more than one"
)]
pub enum Entry {
    /// Root's.
    Admitted { _registered: Registered },
    /// The namespaces of a caller without rights.
    Own(Own),
}

/// A namespace that was entered and is in the ledger.
#[derive(Debug)]
pub struct Registered {
    session: Option<SessionNamespace>,
    id: SessionId,
    uid: u32,
}

/// Namespaces of a user namespace of the caller's.
#[derive(Debug)]
pub struct Own {
    session_guard: Option<SessionGuard>,
    directories: Vec<SessionDirectory>,
}

impl Entry {
    /// Enters them.
    ///
    /// # Errors
    ///
    /// The plan cannot be applied; this process is where it was then, but for a user namespace.
    pub fn make(prepared: &Prepared, password: Option<&Secret>) -> Result<Self> {
        let directory = WorkingDirectory::own();
        let (notes, entry) = if prepared.is_root {
            admit(prepared, password, &directory)?
        } else {
            enter_own(prepared, password, &directory)?
        };
        for note in notes {
            say(&format!("jns: {}\n", harmless(&note)));
        }
        Ok(entry)
    }

    /// Stays for good: the process becomes the command.
    pub fn stay(mut self) {
        if let Self::Own(Own { session_guard, .. }) = &mut self
            && let Some(session_guard) = session_guard.take()
        {
            session_guard.commit(SERVICE);
        }
    }
}

fn admit(
    prepared: &Prepared,
    password: Option<&Secret>,
    directory: &WorkingDirectory,
) -> Result<(Vec<String>, Entry)> {
    // Inside, this process may not be in /proc.
    let process = Process::own();
    let digest = prepared.plan.digest();
    let subject = subject(prepared, password)?;
    let mut session = join::join_or_create(PlannedSession {
        plan: &prepared.plan,
        digest: &digest,
        login: &prepared.login,
        subject: &subject,
        directory,
        place: None,
        runtime: None,
    })?;
    let notes = std::mem::take(&mut session.notes);
    command_log::write_run(
        session.namespace,
        &prepared.target.account,
        &prepared.program,
    );
    let record = process.map(|process| record(prepared, process, &digest, &session));
    let written = match (&session.runtime, record) {
        (Some(runtime), Ok(record)) => record.write(runtime),
        (_, Err(error)) => Err(error),
        (None, _) => Ok(()),
    };
    let unknown = written
        .err()
        .map(|error| format!("{error}; `jns ps` will not know the command"));
    let registered = Registered {
        session: Some(session),
        id: prepared.login.session.clone(),
        uid: prepared.login.uid,
    };
    let entry = Entry::Admitted {
        _registered: registered,
    };
    Ok((notes.into_iter().chain(unknown).collect(), entry))
}

fn record(
    prepared: &Prepared,
    process: Process,
    digest: &PlanDigest,
    session: &SessionNamespace,
) -> SessionRecord {
    let login = &prepared.login;
    SessionRecord {
        service: SERVICE.to_owned(),
        directories: session.noted_directories(),
        ..SessionRecord::new(login, process, session.namespace, digest)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        let (runtime, namespace) = (session.runtime.clone(), session.namespace);
        let directories = session.session_directories.clone();
        drop(session);
        remove_all(&directories, Trust::User(self.uid));
        if let Some(runtime) = runtime {
            print_failure(SessionRecord::remove(&runtime, &self.id));
            print_failure(forget(&runtime, namespace));
        }
    }
}

/// Removes the record of the namespace, which nobody else can have joined.
fn forget(runtime: &Runtime, namespace: Identity) -> Result<()> {
    match NamespaceRecord::read(runtime, namespace.inode)? {
        Some(record) if record.namespace == namespace => {
            NamespaceRecord::remove(runtime, namespace.inode)
        }
        _ => Ok(()),
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.session_guard.take());
        remove_all(&self.directories, CALLER);
    }
}

fn remove_all(directories: &[SessionDirectory], trust: Trust) {
    for directory in directories {
        print_failure(apply::remove_session_directory(directory, trust));
    }
}

fn print_failure(done: Result<()>) {
    if let Err(error) = done {
        hooks::print_error(&error);
    }
}

fn enter_own(
    prepared: &Prepared,
    password: Option<&Secret>,
    directory: &WorkingDirectory,
) -> Result<(Vec<String>, Entry)> {
    make_place_of_store(prepared)?;
    user_namespace::leave_as_root()?;
    let entered = apply::enter(
        &prepared.plan,
        &subject(prepared, password)?,
        directory,
        None,
    )?;
    let own = Own {
        session_guard: entered.session_guard,
        directories: entered.applied.session_directories,
    };
    Ok((entered.applied.notes, Entry::Own(own)))
}

/// Makes the directory that holds the store, which is a place of the user's own.
fn make_place_of_store(prepared: &Prepared) -> Result<()> {
    let store = prepared.plan.store.as_str();
    let is_used = prepared
        .plan
        .instances()
        .any(|instance| instance.directory.is_within(&prepared.plan.store));
    let Some((place, _)) = store.rsplit_once('/').filter(|_| is_used) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(place);
    made.map_err(|error| Error::new("create", place, reason(&error)))
}
