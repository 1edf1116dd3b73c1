//! The entry of a session into its namespace: it joins the one that the user's other logins with the same plan share,
//! or has a new one created.

use super::create::{create, create_pinned};
use super::ledger::NamespaceRecord;
use super::lock::{self, Lock};
use super::namespace::{Leave, SessionNamespace};
use super::origin::Origin;
use super::pin::{self, Bound};
use super::pin_key::PinKey;
use super::place::OpenPlace;
use super::planned::{Creation, PlannedSession};
use super::runtime::Runtime;
use super::runtime_directory::{self, Outdated};
use crate::apply::{self, SessionGuard};
use crate::error::Result;
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::init;
use crate::kernel::mount::volume::Opening;
use crate::kernel::namespace::check_capabilities;
use crate::login::Login;
use crate::plan::{Plan, PlanDigest, Sharing};
use std::time::Instant;

/// Joins the namespace that logins with the plan of digest `plan` share; nothing where there is none yet.
///
/// # Errors
///
/// There is one, and it cannot be joined.
pub fn join(
    runtime: Runtime,
    login: &Login,
    plan: &PlanDigest,
    directory: &WorkingDirectory,
    place: Option<&OpenPlace>,
    deadline: &Deadline,
) -> Result<Option<SessionNamespace>> {
    let origin = Origin::of(runtime, place)?;
    origin.remove_killed(login.uid);
    match origin.key(login.uid, plan) {
        Some(key) => origin.join_unless_changing(&key, (login, directory), deadline),
        None => Ok(None),
    }
}

/// Joins a namespace or makes a new one, as the session's plan says. That a namespace cannot be shared denies nobody
/// a session: it is logged, and the login gets one of its own.
///
/// # Errors
///
/// The plan cannot be applied; the thread is then where it was.
pub fn join_or_create(session: PlannedSession<'_>) -> Result<SessionNamespace> {
    let PlannedSession {
        plan,
        digest,
        login,
        ..
    } = session;
    let create_alone = |origin| {
        create(&Creation {
            session,
            origin,
            key: None,
        })
    };
    if plan.is_empty() {
        return create_alone(None);
    }
    check_capabilities()?;
    let Some(origin) = find_origin(session) else {
        return create_alone(None);
    };
    origin.remove_killed(login.uid);
    let shared = match plan.sharing {
        Sharing::User => origin.key(login.uid, digest),
        Sharing::Session { .. } | Sharing::Command => None,
    };
    let Some(key) = shared else {
        return create_alone(Some(&origin));
    };
    match origin.join_or_lock(&key, session) {
        Ok(Found::Joined(session)) => Ok(*session),
        Ok(Found::Nothing(_lock)) => {
            // In the PID namespace of another session's, its processes would end with that session.
            let lasts = !plan.needs_processes() || init::confinement().is_none();
            create_pinned(&Creation {
                session,
                origin: Some(&origin),
                key: lasts.then_some(&key),
            })
        }
        Err(error) => {
            log::warn!("{error}; the session gets a namespace of its own");
            create_alone(Some(&origin))
        }
    }
}

/// Finds where the session comes from; says so in the log where that cannot be known.
fn find_origin(session: PlannedSession<'_>) -> Option<Origin> {
    let runtime = session.runtime.cloned().map_or_else(Runtime::open, Ok);
    let found = runtime.and_then(|runtime| Origin::of(runtime, session.place));
    found
        .inspect_err(|error| {
            log::warn!("{error}; su and sudo will keep the view of this session");
        })
        .ok()
}

/// The result of a login's search that has waited for others.
enum Found {
    /// A namespace, which it has joined.
    Joined(Box<SessionNamespace>),
    /// None; it makes one, and others wait for the lock.
    Nothing(Lock),
}

impl Origin {
    /// Waits for logins that make the same namespace, and for their programs as long as these may take.
    fn join_or_lock(&self, key: &PinKey, session: PlannedSession<'_>) -> Result<Found> {
        let PlannedSession {
            login, directory, ..
        } = session;
        let deadline = &session.subject.deadline;
        let total_timeout = session.plan.total_timeout();
        let most = deadline.share();
        let began = Instant::now();
        for tried in 0..lock::tries(total_timeout) {
            // Where no time is left, a lock that nobody has is had all the same.
            if tried > 0 && most.is_some_and(|most| began.elapsed() > most) {
                break;
            }
            let Some(lock) = Lock::to_join(&self.runtime, login.uid)? else {
                lock::pause();
                continue;
            };
            if let Some(session) =
                self.join(key, (login, directory), (Outdated::LeftAlone, deadline))?
            {
                return Ok(Found::Joined(Box::new(session)));
            }
            let Some(lock) = lock.upgraded(login.uid)? else {
                lock::pause();
                continue;
            };
            if let Some(session) =
                self.join(key, (login, directory), (Outdated::Renewed, deadline))?
            {
                return Ok(Found::Joined(Box::new(session)));
            }
            self.remove_outdated(key, session.plan)?;
            return Ok(Found::Nothing(lock));
        }
        Err(lock::held(&login.uid.to_string(), began.elapsed()))
    }

    /// Takes away the pin whose name a new namespace with that plan gets. Other pins of the user are the collector's: a
    /// login looks neither at them nor at processes.
    fn remove_outdated(&self, key: &PinKey, plan: &Plan) -> Result<()> {
        // A name stands for one plan: without other namespaces in it, nothing goes with the pin.
        match plan.isolation.is_empty() {
            true => pin::remove_alone(&self.runtime, key),
            false => pin::remove(&self.runtime, key),
        }
    }

    /// Notes that the account whose the namespace is has another name or home now: where the other one changes later, it
    /// is still the same account.
    fn note_account(&self, record: &mut NamespaceRecord, login: &Login) {
        let (user, home) = (&login.user, &login.home);
        if (&record.user, &record.home) == (user, home) {
            return;
        }
        record.user.clone_from(user);
        record.home.clone_from(home);
        let written = record.write(&self.runtime);
        let changed = apply::note_change(&record.store, login.uid, user, home);
        written
            .and(changed)
            .unwrap_or_else(|error| log::warn!("{error}; what is noted of {user} is out of date"));
    }

    /// Joins a namespace, unless somebody is changing it.
    fn join_unless_changing(
        &self,
        key: &PinKey,
        (login, directory): (&Login, &WorkingDirectory),
        deadline: &Deadline,
    ) -> Result<Option<SessionNamespace>> {
        match Lock::to_join(&self.runtime, login.uid)? {
            Some(_lock) => self.join(key, (login, directory), (Outdated::LeftAlone, deadline)),
            None => Ok(None),
        }
    }

    /// Enters the namespace that is pinned as `key`, if it is still what the login would get. A runtime directory that is
    /// not the user's any more is renewed by a login that has the lock alone.
    fn join(
        &self,
        key: &PinKey,
        (login, directory): (&Login, &WorkingDirectory),
        (outdated, deadline): (Outdated, &Deadline),
    ) -> Result<Option<SessionNamespace>> {
        let Some(bound) = Bound::find(&self.runtime, key)? else {
            return Ok(None);
        };
        let Some(mut record) = self.joinable(&bound, key, login, deadline)? else {
            return Ok(None);
        };
        // Before the thread is inside, and with the lock held: the collector has looked before.
        record.note_unused(&self.runtime, None)?;
        self.note_account(&mut record, login);
        // Before the thread leaves: the path of the socket is one of this namespace. From now on the first process does
        // not end for want of members.
        let address = record.init.map(|_| key.init_address());
        let membership = match &address {
            Some(address) => match init::join(address)? {
                None => return Ok(None),
                joined => joined,
            },
            None => None,
        };
        // The paths of its directories are those of this view.
        record.note_use();
        let runtime_directory = runtime_directory::Expected::on_host(&record);
        let Some((namespaces, guard)) =
            bound.leave_for((&self.runtime, &self.namespace), &record)?
        else {
            return Ok(None);
        };
        let is_current = |expected: runtime_directory::Expected| {
            let (here, root) = (&namespaces.mount, self.place.root);
            expected.is_here() || expected.renew(outdated, &guard, here, root)
        };
        // It can be seen from inside alone. Dropped, the guard returns, and the login makes another namespace.
        if !record.is_whole(deadline) || !runtime_directory.is_none_or(is_current) {
            return Ok(None);
        }
        if let Some(membership) = &membership {
            membership.enter()?;
        }
        // Last: the path that leads to the directory is the view's.
        match record.has_own_root() {
            true => directory.restore_within_new_root()?,
            false => directory.restore_in_view()?,
        }
        let session_guard = SessionGuard {
            opening: Opening::default(),
            membership,
            namespaces,
            guard,
        };
        Ok(Some(SessionNamespace {
            leave: address.map(Leave::Notify),
            session_guard: Some(session_guard),
            ..self.joined(record)
        }))
    }

    /// Describes the namespace of a record, which another login has made.
    fn joined(&self, record: NamespaceRecord) -> SessionNamespace {
        let namespace = record.namespace;
        SessionNamespace {
            joined: true,
            paths: record.paths.clone(),
            record: Some(record),
            runtime: Some(self.runtime.clone()),
            process: self.process,
            ..SessionNamespace::bare(namespace)
        }
    }

    /// The record of the namespace that the pin `key` is of, if it is the account's and shows what is there now. Whether
    /// it is of the very namespace that is bound is seen where that is entered.
    fn joinable(
        &self,
        bound: &Bound,
        key: &PinKey,
        login: &Login,
        deadline: &Deadline,
    ) -> Result<Option<NamespaceRecord>> {
        let record = NamespaceRecord::read(&self.runtime, bound.inode())?;
        let fits = |record: &NamespaceRecord| {
            let same = bound.is_of(record) && record.pin.as_ref() == Some(key);
            same && is_of_account(record, login) && record.is_up_to_date(deadline)
        };
        Ok(record.filter(fits))
    }
}

/// Whether a namespace was made for the account of the login: one that has neither the name nor the home of another one
/// was given its id.
fn is_of_account(record: &NamespaceRecord, login: &Login) -> bool {
    let is_same = record.user == login.user || record.home == login.home;
    if !is_same {
        let (now, before, uid) = (&login.user, &record.user, login.uid);
        log::warn!("the id {uid} of {now} was {before}'s, whose namespace is not joined");
    }
    is_same
}
