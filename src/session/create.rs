//! The creation of a session's namespace, its record and its pin.

use super::clock::now;
use super::ending::Ending;
use super::ledger::{NamespaceRecord, OtherNamespaceRecord, Shown};
use super::namespace::{Leave, Pinned, SessionNamespace};
use super::origin::Origin;
use super::pin;
use super::pin_key::PinKey;
use super::planned::{Creation, PlannedSession};
use super::runtime::Runtime;
use super::store_use::note_use;
use super::vault::Vault;
use crate::apply::{self, Applied, Entered, SessionGuard, ShownPath};
use crate::error::{Error, Result};
use crate::kernel::namespace::guard::{AtOrigin, NamespaceGuard};
use crate::kernel::namespace::{Identity, Root};
use crate::kernel::process::processor::Processors;

/// Makes a namespace that can be pinned. A namespace can be bound only from an older one, and Linux 6.18 takes
/// the numbers by which it distinguishes that from a batch of each processor's: in a container, what is made on one
/// processor looks older than the container itself, and what is made on another does not.
pub(super) fn create_pinned(creation: &Creation<'_>) -> Result<SessionNamespace> {
    let session = create(creation)?;
    if !session.looks_older {
        return Ok(session);
    }
    let mut last = session;
    let mut processors = Processors::begin();
    while last.looks_older && processors.as_mut().is_some_and(Processors::move_on) {
        drop(last);
        // What worked a moment ago is still good enough.
        let alone = Creation {
            key: None,
            ..*creation
        };
        last = create(creation).or_else(|_| create(&alone))?;
    }
    if last.pinned.is_none() {
        note_unpinned(&mut last);
    }
    Ok(last)
}

/// Says of a namespace that looks older than the one that it was made in that no other login shares it.
fn note_unpinned(session: &mut SessionNamespace) {
    let reason = format!(
        "cannot pin {}: the kernel takes it for older than the namespace that it was made in",
        session.namespace
    );
    log::warn!("{reason}; no other login shares it");
    if let (Some(record), Some(runtime)) = (&mut session.record, &session.runtime) {
        record.unpinned = Some(reason);
        write(record, runtime);
    }
}

/// Applies the plan in a new namespace, and lets other logins find that, if they are to. That nobody will find it is no
/// failure.
///
/// # Errors
///
/// The plan cannot be applied; the thread is then where it was.
pub(super) fn create(creation: &Creation<'_>) -> Result<SessionNamespace> {
    let PlannedSession {
        plan,
        subject,
        directory,
        ..
    } = creation.session;
    // The paths are those of this view, and what is made now has the present time.
    let instances = plan.instances().map(|instance| instance.directory.as_str());
    note_use(&plan.store, instances);
    // Before the namespace is: one can be bound in an older one alone.
    let vault = creation.open_vault();
    let own = creation.origin.map(|origin| &origin.namespace);
    let Entered {
        applied,
        mut session_guard,
    } = apply::enter(plan, subject, directory, own)?;
    let creation = &Creation {
        // Who joined it would lack it too.
        key: creation.key.filter(|_| !applied.lacks_volume),
        ..*creation
    };
    let (record, pin) = match (creation.origin, &mut session_guard) {
        (Some(origin), Some(session_guard)) => {
            register(creation, (origin, vault), &applied, session_guard)?
        }
        (Some(_) | None, _) => (None, Pin::NotWanted),
    };
    let (looks_older, shared) = match pin {
        Pin::Bound(key) => (false, Some(key)),
        Pin::Refused(refused) => (refused.is_loop() || refused.is_invalid(), None),
        Pin::NotWanted => (false, None),
    };
    let process = creation.origin.and_then(|origin| origin.process);
    let ending = Ending::note(creation, &applied);
    Ok(SessionNamespace {
        record,
        runtime: creation.origin.map(|origin| origin.runtime.clone()),
        process,
        leave: applied.init.map(|(_, known)| match shared {
            Some(key) => Leave::Notify(key.init_address()),
            None => Leave::Kill(known),
        }),
        looks_older,
        pinned: shared.and_then(|key| creation.pinned(key, applied.namespace)),
        ending: Some(ending),
        session_guard,
        paths: applied.paths,
        notes: applied.notes,
        session_directories: applied.session_directories,
        ..SessionNamespace::bare(applied.namespace)
    })
}

/// The result of pinning a new namespace.
enum Pin<'m> {
    /// The pin has this name.
    Bound(&'m PinKey),
    /// The kernel refused it.
    Refused(Error),
    /// Nobody is to join the namespace.
    NotWanted,
}

impl Creation<'_> {
    /// Opens the vault, or says why there is none; nothing where the namespace is not to be pinned.
    fn open_vault(&self) -> Option<Result<Vault>> {
        let origin = self.key.and(self.origin)?;
        let opened = Vault::open_until(&origin.runtime, &self.session.subject.deadline);
        // In words: an error number would be taken for what the kernel says of the namespace.
        Some(opened.map_err(|error| Error::new("pin", "its namespace", error)))
    }

    /// Returns what has to be known to take the pin `key` back.
    fn pinned(&self, key: &PinKey, namespace: Identity) -> Option<Pinned> {
        let origin = self.origin?;
        Some(Pinned {
            uid: self.session.login.uid,
            key: key.clone(),
            namespace,
            origin_root: origin.place.root,
            deadline: self.session.subject.deadline.clone(),
        })
    }
}

/// Writes the record of the new namespace, in which the thread is, and then pins it: what is pinned is
/// complete, whenever this process is killed. A namespace of which nobody knows, or that nobody can join, is
/// as good for this login.
///
/// # Errors
///
/// The thread went to pin it and cannot come back.
fn register<'m>(
    creation: &Creation<'m>,
    (origin, vault): (&Origin, Option<Result<Vault>>),
    applied: &Applied,
    session_guard: &mut SessionGuard,
) -> Result<(Option<NamespaceRecord>, Pin<'m>)> {
    let Ok(root) = Root::own() else {
        return Ok((None, Pin::NotWanted));
    };
    let mut record = record_of(creation, origin, applied, (session_guard, root));
    let number = || vault.as_ref()?.as_ref().ok()?.number();
    record.vault = creation.key.and_then(|_| number());
    write(&record, &origin.runtime);
    let (Some(key), Some(vault)) = (creation.key, vault) else {
        return Ok((Some(record), Pin::NotWanted));
    };
    let bound = match vault {
        Ok(vault) => bind(origin, &vault, key, session_guard)?,
        Err(error) => Err(error),
    };
    let Err(refused) = bound else {
        return Ok((Some(record), Pin::Bound(key)));
    };
    // Where it looks older, it may be made again, and then the last refusal is the one that counts.
    if refused.is_loop() || refused.is_invalid() {
        log::debug!("{}: no other login shares it: {refused}", record.namespace);
    } else {
        log::warn!("{refused}; no other login shares {}", record.namespace);
    }
    record.pin = None;
    record.vault = None;
    record.unpinned = Some(refused.to_string());
    write(&record, &origin.runtime);
    Ok((Some(record), Pin::Refused(refused)))
}

fn record_of(
    creation: &Creation<'_>,
    origin: &Origin,
    applied: &Applied,
    (session_guard, root): (&SessionGuard, Root),
) -> NamespaceRecord {
    let now_and_before = session_guard
        .namespaces
        .others
        .iter()
        .zip(session_guard.guard.left());
    let others = now_and_before.map(|(now, before)| OtherNamespaceRecord::of(now, before));
    let PlannedSession {
        plan,
        digest,
        login,
        ..
    } = creation.session;
    NamespaceRecord {
        namespace: applied.namespace,
        user: login.user.clone(),
        home: login.home.clone(),
        uid: login.uid,
        pin: creation.key.cloned(),
        unpinned: None,
        vault: None,
        origin: origin.place.namespace,
        origin_root: origin.place.root,
        root,
        companions: others.collect(),
        isolation: plan.isolation.words(),
        init: applied.init.map(|(process, _)| process),
        plan: Some(digest.clone()),
        paths: applied.paths.clone(),
        attached: applied.attached.clone(),
        inherited: applied.inherited.clone(),
        caller: None,
        is_hosts_view: false,
        store: plan.store.clone(),
        instances: applied.instances.iter().map(shown).collect(),
        sources: applied.sources.iter().map(shown).collect(),
        kept: applied.kept.clone(),
        missing: applied.missing.clone(),
        volumes: applied.volumes.clone(),
        runtime_directory: applied.own_runtime_directory.map(Into::into),
        made: now(),
        unused_since: None,
    }
}

/// Binds the namespaces in which the thread is to pins of the one that it came from. The inner result says why
/// they are not bound; the thread is in them as before.
fn bind(
    origin: &Origin,
    vault: &Vault,
    key: &PinKey,
    session_guard: &mut SessionGuard,
) -> Result<Result<()>> {
    let SessionGuard {
        opening: _,
        membership,
        namespaces,
        guard,
    } = session_guard;
    let bind = |there: &NamespaceGuard| {
        // What is bound is complete: others can join it, its PID namespace too.
        if let Some(membership) = membership {
            membership.listen_at(&key.init_address())?;
        }
        pin::bind_by_way_of(there, (&origin.runtime, vault), key, namespaces)
    };
    Ok(
        match guard.work(&namespaces.mount, origin.place.root, bind)? {
            AtOrigin::Done(bound) => bound,
            AtOrigin::NotLeft(error) => Err(error),
            AtOrigin::Elsewhere => Err(Error::new(
                "pin",
                namespaces.mount.identity(),
                "this process is in a chroot",
            )),
        },
    )
}

pub(super) fn write(record: &NamespaceRecord, runtime: &Runtime) {
    if let Err(error) = record.write(runtime) {
        log::warn!("{error}; su and sudo will keep the view of this session");
    }
}

fn shown(path: &ShownPath) -> Shown {
    Shown {
        path: path.path.clone(),
        device: path.identity.device,
        inode: path.identity.inode,
        form: path.form,
    }
}
