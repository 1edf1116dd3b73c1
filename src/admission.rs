//! How a login comes to its namespace: it joins the one that the user's other logins with the same plan
//! share, or gets a new one.

mod command;
mod ending;

use crate::apply::{self, Applied, Entered, Held, SessionDirectory, SessionGuard, Subject};
use crate::error::{Error, Result};
use crate::kernel::companion::own_inodes;
use crate::kernel::credentials::Credentials;
use crate::kernel::init::{self, Known};
use crate::kernel::mount;
use crate::kernel::namespace::{Identity, Namespace, Root, check_capabilities, inode_of_process};
use crate::kernel::namespace_guard::{AtOrigin, leave_for_all};
use crate::kernel::process::Process;
use crate::kernel::processor::Tour;
use crate::kernel::secret::Secret;
use crate::kernel::volume::Opening;
use crate::kernel::walk::Trust;
use crate::kernel::working_directory::WorkingDirectory;
use crate::login::{Login, has_account, session_suffix, supplementary};
use crate::plan::{Helper, Plan, RunAs, Sharing};
use crate::policy::sha256;
use crate::session::collector::{self, remove_unused_pins_of};
use crate::session::ledger::{self, CompanionRecord, Shown};
use crate::session::{Lock, NamespaceRecord, Pins, Runtime, SessionRecord, lock, pin};
use ending::Ending;
use nix::unistd::Gid;
use rustix::fd::OwnedFd;
use std::time::{Duration, SystemTime};

pub use command::Command;

/// A login in its namespace. Dropped, it is back where it was; only [`Admission::commit`] lets it stay.
#[derive(Debug)]
pub struct Admission {
    /// The namespace.
    pub namespace: Identity,
    /// Whether another login made it.
    pub joined: bool,
    /// The paths that are covered in it, in order.
    pub paths: Vec<String>,
    /// What the ledger says of it; nothing where no record can be kept.
    pub record: Option<NamespaceRecord>,
    /// Whose directories it shows as well, whose session the command was called in.
    pub caller: Option<String>,
    /// Why something was left out; a line each.
    pub notes: Vec<String>,
    /// The directories that end with the session.
    pub session_directories: Vec<SessionDirectory>,
    /// `/run/jns` as the login came from it; nothing where it cannot be used.
    pub runtime: Option<Runtime>,
    /// The process that is admitted, as `/proc` knew it where it came from; nothing where it did not.
    pub process: Option<Process>,
    /// How to take leave of the PID namespace of the session's own; nothing where it has none.
    pub leave: Option<Leave>,
    /// Whether the kernel refused to pin it because it takes it for older than where it was made.
    looks_older: bool,
    /// Where a new one was pinned.
    pinned: Option<Pinned>,
    /// What of a new one ends with the session.
    ending: Option<Ending>,
    session_guard: Option<SessionGuard>,
}

/// A namespace that was made and pinned, and may have been joined since.
#[derive(Debug)]
struct Pinned {
    uid: u32,
    key: String,
    namespace: Identity,
    origin_root: Root,
}

impl Admission {
    /// Stays in the namespace, for as long as the session of that name does.
    pub fn commit(self, session: &str) -> Vec<SessionDirectory> {
        if let Some(session_guard) = self.session_guard {
            session_guard.commit(session);
        }
        self.session_directories
    }

    /// Whether its root directory is another one than that of the view that it came from.
    #[must_use]
    pub fn has_own_root(&self) -> bool {
        ledger::has_own_root(&self.paths)
    }

    /// The directories that end with the session, as its record has those that are not in the module's store.
    #[must_use]
    pub fn noted_directories(&self) -> Vec<Shown> {
        ending::outside_of_store(&self.session_directories)
    }

    /// Goes back, and takes back a new namespace with what was opened in it, unless another login has joined it
    /// by now, and with the directories that would have ended with the session.
    pub fn roll_back(mut self) {
        self.take_back_pin();
        let Self {
            ending,
            session_directories,
            session_guard,
            ..
        } = self;
        // From inside they may be covered.
        drop(session_guard);
        if let Some(ending) = ending {
            ending.undo(&session_directories);
        }
    }

    fn take_back_pin(&mut self) {
        let (Some(pinned), Some(runtime), Some(session_guard)) =
            (&self.pinned, &self.runtime, &mut self.session_guard)
        else {
            return;
        };
        let take_back = || {
            let _lock = Lock::wait_to_change(runtime, pinned.uid)?;
            collector::remove_pin_unless_joined(runtime, &pinned.key, pinned.namespace)
        };
        match session_guard.guard.work(
            &session_guard.namespaces.mount,
            pinned.origin_root,
            take_back,
        ) {
            Ok(AtOrigin::Done(Ok(false))) => std::mem::take(&mut session_guard.opening).keep(),
            Ok(AtOrigin::Done(Ok(true))) => {}
            Ok(AtOrigin::Done(Err(error)) | AtOrigin::NotLeft(error)) | Err(error) => {
                log::warn!("{error}");
            }
            Ok(AtOrigin::Elsewhere) => {}
        }
    }
}

/// How the process that opened a session takes leave of the PID namespace of the session's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    /// No other session is in it: its first process is killed, and with it all others.
    Kill(Known),
    /// Other sessions may be in it: its first process, who hears at this path, is told.
    Tell(String),
}

impl Leave {
    /// Takes leave when the session of that name has ended, and waits for nobody: a process of the namespace is
    /// gone when its parent has waited for it, and that may be this one. Its children are born where it is itself
    /// again.
    ///
    /// # Errors
    ///
    /// Something of it failed. When this process has ended, the namespace does without it.
    pub fn take(&self, session: &str) -> Result<()> {
        let told = match self {
            Self::Kill(init) => init.kill(),
            Self::Tell(address) => init::leave(address, session),
        };
        init::set_own_pid_for_children()?;
        told
    }
}

/// Joins the namespace that logins with the plan of digest `plan` share; nothing where there is none yet.
///
/// # Errors
///
/// There is one, and it cannot be joined.
pub fn join(
    runtime: Runtime,
    login: &Login,
    plan: &str,
    directory: &WorkingDirectory,
) -> Result<Option<Admission>> {
    let origin = Origin::of(runtime)?;
    origin.remove_killed(login.uid);
    match origin.key(login.uid, plan) {
        Some(key) => origin.join_in_turn(&key, login, directory),
        None => Ok(None),
    }
}

/// Joins a namespace or makes a new one, as `plan`, whose digest is `digest`, says. That a namespace cannot be
/// shared denies nobody a session: it is logged, and the login gets one of its own.
///
/// # Errors
///
/// The plan cannot be applied; the thread is then where it was.
pub fn admit(
    plan: &Plan,
    digest: &str,
    login: &Login,
    subject: &Subject<'_>,
    directory: &WorkingDirectory,
) -> Result<Admission> {
    let alone = Making {
        plan,
        digest,
        login,
        subject,
        origin: None,
        key: None,
    };
    if plan.is_empty() {
        return make(&alone, directory);
    }
    check_capabilities()?;
    let origin = Runtime::open().and_then(Origin::of).inspect_err(|error| {
        log::warn!("{error}; su and sudo will keep the view of this session");
    });
    let Ok(origin) = origin else {
        return make(&alone, directory);
    };
    let alone = Making {
        origin: Some(&origin),
        ..alone
    };
    origin.remove_killed(login.uid);
    let key = match plan.sharing {
        Sharing::User => origin.key(login.uid, digest),
        Sharing::Session { .. } | Sharing::Command => None,
    };
    let Some(key) = key else {
        return make(&alone, directory);
    };
    match origin.take_turn(&key, login, plan.total_timeout(), directory) {
        Ok(Turn::Joined(admission)) => Ok(*admission),
        Ok(Turn::Make(_lock)) => {
            // In the PID namespace of another session's, its processes would end with that session.
            let lasts = !plan.needs_processes() || init::confinement().is_none();
            let key = lasts.then_some(key.as_str());
            make_pinned(&Making { key, ..alone }, directory)
        }
        Err(error) => {
            log::warn!("{error}; the session gets a namespace of its own");
            make(&alone, directory)
        }
    }
}

/// For whom `helpers` are run. The user's groups are asked for, which can be slow, where the user runs one of them.
///
/// # Errors
///
/// The account database failed.
pub fn subject_of<'s, 'h>(
    login: &'s Login,
    mut helpers: impl Iterator<Item = &'h Helper>,
    password: Option<&'s Secret>,
) -> Result<Subject<'s>> {
    let groups = if helpers.any(|helper| helper.run_as == RunAs::User) {
        groups_of(login)?
    } else {
        vec![login.gid]
    };
    Ok(Subject {
        trust: Trust::User(login.uid),
        user: &login.user,
        home: &login.home,
        has_account,
        service: &login.service,
        credentials: Credentials {
            uid: login.uid,
            gid: login.gid,
            groups,
        },
        password,
    })
}

fn groups_of(login: &Login) -> Result<Vec<u32>> {
    let groups = supplementary(&login.user, Gid::from_raw(login.gid))?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

/// What the login found when its turn came.
enum Turn {
    /// A namespace, which it has joined.
    Joined(Box<Admission>),
    /// None; it makes one, and others wait for the lock.
    Make(Lock),
}

/// Where a login comes from, and what is known there.
struct Origin {
    runtime: Runtime,
    namespace: Identity,
    root: Root,
    /// The root directory itself.
    top: OwnedFd,
    /// The inode numbers of its IPC, UTS and network namespaces.
    companions: [Option<u64>; 3],
    /// The process itself.
    process: Option<Process>,
}

impl Origin {
    fn of(runtime: Runtime) -> Result<Self> {
        Ok(Self {
            runtime,
            namespace: Namespace::own()?.identity(),
            root: Root::own()?,
            top: mount::reopen("/")?,
            companions: own_inodes(),
            process: Process::own().ok(),
        })
    }

    /// Removes the records of the user's sessions that were killed, while /proc is the one by which their processes
    /// were numbered. What goes wrong there does not concern this login.
    fn remove_killed(&self, uid: u32) {
        if self.process.is_some_and(|own| own.is_alive()) {
            let (runtime, suffix) = (&self.runtime, session_suffix(uid));
            let removed = SessionRecord::remove_killed(runtime, uid, &suffix, self.namespace);
            removed.unwrap_or_else(|error| log::debug!("{error}"));
        }
    }

    /// The pin of the namespace that the user `uid` shares under the plan of digest `plan` with other logins
    /// that come from here: who comes out of a sandbox or a chroot shares with those who do. Nothing where this
    /// namespace cannot be known for ever: it is not the first process's, and on kernels before 6.11 another
    /// one could get its number.
    fn key(&self, uid: u32, plan: &str) -> Option<String> {
        let Self {
            namespace,
            root,
            companions,
            ..
        } = self;
        let lasts = namespace.id.is_some() || inode_of_process(1) == Ok(namespace.inode);
        let digest = || sha256(format!("{plan} {namespace:?} {root:?} {companions:?}").as_bytes());
        lasts.then(|| pin::key(uid, &digest()))
    }

    /// Waits for logins that make the same namespace, and for their programs as long as these may take.
    fn take_turn(
        &self,
        key: &str,
        login: &Login,
        total_timeout: Duration,
        directory: &WorkingDirectory,
    ) -> Result<Turn> {
        for _ in 0..lock::tries(total_timeout) {
            if let Some(admission) = self.join_in_turn(key, login, directory)? {
                return Ok(Turn::Joined(Box::new(admission)));
            }
            let Some(lock) = Lock::to_change(&self.runtime, login.uid)? else {
                lock::pause();
                continue;
            };
            if let Some(admission) = self.join(key, login, directory)? {
                return Ok(Turn::Joined(Box::new(admission)));
            }
            self.make_room(key, login.uid)?;
            return Ok(Turn::Make(lock));
        }
        Err(lock::held(&login.uid.to_string(), total_timeout))
    }

    /// Takes away what a new namespace of the user's takes the place of.
    fn make_room(&self, key: &str, uid: u32) -> Result<()> {
        let Some(pins) = Pins::find(&self.runtime)? else {
            return Ok(());
        };
        // What it showed is not there any more.
        pins.remove(key)?;
        // Those of older policies, say. What goes wrong there does not concern this login.
        let removed = remove_unused_pins_of(&self.runtime, uid, key);
        removed.unwrap_or_else(|error| log::debug!("{error}"));
        Ok(())
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
        let noted = apply::note_change(&record.store, login.uid, user, home);
        written
            .and(noted)
            .unwrap_or_else(|error| log::warn!("{error}; what is noted of {user} is out of date"));
    }

    /// Joins a namespace, unless somebody is changing it.
    fn join_in_turn(
        &self,
        key: &str,
        login: &Login,
        directory: &WorkingDirectory,
    ) -> Result<Option<Admission>> {
        match Lock::to_join(&self.runtime, login.uid)? {
            Some(_lock) => self.join(key, login, directory),
            None => Ok(None),
        }
    }

    fn join(
        &self,
        key: &str,
        login: &Login,
        directory: &WorkingDirectory,
    ) -> Result<Option<Admission>> {
        let Some(pins) = Pins::find(&self.runtime)? else {
            return Ok(None);
        };
        let Some(namespace) = pins.namespace(key)? else {
            return Ok(None);
        };
        let identity = namespace.identity();
        let record = NamespaceRecord::read(&self.runtime, identity.inode)?;
        let fits = |record: &NamespaceRecord| {
            let same = record.namespace == identity && record.pin.as_deref() == Some(key);
            same && is_of_account(record, login) && record.is_up_to_date()
        };
        let Some(mut record) = record.filter(fits) else {
            return Ok(None);
        };
        self.note_account(&mut record, login);
        let Some(namespaces) = pins.namespaces_of(&record)? else {
            return Ok(None);
        };
        let address = record.init.map(|_| pin::init_address(key));
        let membership = match &address {
            Some(address) => match init::join(address)? {
                None => return Ok(None),
                joined => joined,
            },
            None => None,
        };
        let guard = leave_for_all(&namespaces)?;
        if !record.is_whole() {
            return Ok(None);
        }
        if let Some(membership) = &membership {
            membership.enter()?;
        }
        match record.has_own_root() {
            true => directory.restore_within_new_root()?,
            false => directory.restore()?,
        }
        record.note_use(&self.top);
        Ok(Some(Admission {
            namespace: identity,
            joined: true,
            paths: record.paths.clone(),
            record: Some(record),
            caller: None,
            notes: Vec::new(),
            session_directories: Vec::new(),
            runtime: Some(self.runtime.clone()),
            process: self.process,
            leave: address.map(Leave::Tell),
            looks_older: false,
            pinned: None,
            ending: None,
            session_guard: Some(SessionGuard {
                opening: Opening::default(),
                membership,
                namespaces,
                guard,
            }),
        }))
    }
}

/// A namespace to be made.
struct Making<'m> {
    plan: &'m Plan,
    digest: &'m str,
    login: &'m Login,
    subject: &'m Subject<'m>,
    /// Where the login comes from; nothing where no record of it can be kept there.
    origin: Option<&'m Origin>,
    /// The name of its pin, if other logins are to join it.
    key: Option<&'m str>,
}

/// Makes a namespace that can be pinned. A namespace can be bound only from an older one, and Linux 6.18 takes
/// the numbers by which it tells that from a batch of each processor's: in a container, what is made on one
/// processor looks older than the container itself, and what is made on another does not.
fn make_pinned(making: &Making<'_>, directory: &WorkingDirectory) -> Result<Admission> {
    let admission = make(making, directory)?;
    if !admission.looks_older {
        return Ok(admission);
    }
    let Some(mut tour) = Tour::begin() else {
        return Ok(admission);
    };
    let mut last = admission;
    while last.looks_older && tour.move_on() {
        drop(last);
        // What worked a moment ago is still good enough.
        let alone = Making {
            key: None,
            ..*making
        };
        last = make(making, directory).or_else(|_| make(&alone, directory))?;
    }
    Ok(last)
}

fn make(making: &Making<'_>, directory: &WorkingDirectory) -> Result<Admission> {
    let Entered {
        applied,
        mut session_guard,
    } = apply::enter_as(making.plan, making.subject, directory)?;
    let making = &Making {
        // Who joined it would lack it too.
        key: making.key.filter(|_| !applied.lacks_volume),
        ..*making
    };
    let registered = match (making.origin, &mut session_guard) {
        (Some(origin), Some(session_guard)) => register(making, origin, &applied, session_guard)?,
        _ => None,
    };
    let (record, pin) = match registered {
        Some(Registered { record, pin }) => (Some(record), Some(pin)),
        None => (None, None),
    };
    let (looks_older, shared) = match pin {
        Some(Ok(shared)) => (false, shared),
        Some(Err(refused)) => (refused.is_loop() || refused.is_invalid(), None),
        None => (false, None),
    };
    let process = making.origin.and_then(|origin| origin.process);
    let ending = Ending::note(
        making.login,
        making.digest,
        (applied.namespace, process),
        &applied.session_directories,
        making.origin.map(|origin| &origin.runtime),
    );
    let leave = applied.init.map(|(_, known)| match shared {
        Some(key) => Leave::Tell(pin::init_address(key)),
        None => Leave::Kill(known),
    });
    let pinned = shared.zip(making.origin).map(|(key, origin)| Pinned {
        uid: making.login.uid,
        key: key.to_owned(),
        namespace: applied.namespace,
        origin_root: origin.root,
    });
    Ok(Admission {
        namespace: applied.namespace,
        joined: false,
        paths: applied.paths,
        record,
        caller: None,
        notes: applied.notes,
        session_directories: applied.session_directories,
        runtime: making.origin.map(|origin| origin.runtime.clone()),
        process,
        leave,
        looks_older,
        pinned,
        ending: Some(ending),
        session_guard,
    })
}

/// A new namespace that the ledger knows.
struct Registered<'m> {
    record: NamespaceRecord,
    /// The name of its pin, if it has one, or why the kernel refused it.
    pin: Result<Option<&'m str>>,
}

/// Writes the record of the new namespace, in which the thread is, and then pins it: what is pinned is
/// complete, whenever this process is killed. A namespace of which nobody knows, or that nobody can join, is
/// as good for this login.
///
/// # Errors
///
/// The thread went to pin it and cannot come back.
fn register<'m>(
    making: &Making<'m>,
    origin: &Origin,
    applied: &Applied,
    session_guard: &mut SessionGuard,
) -> Result<Option<Registered<'m>>> {
    let Ok(root) = Root::own() else {
        return Ok(None);
    };
    let now_and_before = session_guard
        .namespaces
        .companions
        .iter()
        .zip(session_guard.guard.left());
    let companions = now_and_before.map(|(now, before)| CompanionRecord::of(now, before));
    let Making { plan, login, .. } = making;
    let mut record = NamespaceRecord {
        namespace: applied.namespace,
        user: login.user.clone(),
        home: login.home.clone(),
        uid: login.uid,
        pin: making.key.map(str::to_owned),
        origin: origin.namespace,
        origin_root: origin.root,
        root,
        companions: companions.collect(),
        isolation: plan.isolation.words(),
        init: applied.init.map(|(process, _)| process),
        plan: making.digest.to_owned(),
        paths: applied.paths.clone(),
        attached: applied.attached.clone(),
        inherited: applied.inherited.clone(),
        caller: None,
        is_hosts_view: false,
        store: plan.store.to_string(),
        instances: applied.instances.iter().map(shown).collect(),
        sources: applied.sources.iter().map(shown).collect(),
        kept: applied.kept.clone(),
        missing: applied.missing.clone(),
        volumes: applied.volumes.clone(),
        made: now(),
    };
    record.note_use(&origin.top);
    write(&record, &origin.runtime);
    let Some(key) = making.key else {
        return Ok(Some(Registered {
            record,
            pin: Ok(None),
        }));
    };
    let Err(refused) = bind(origin, key, session_guard)? else {
        return Ok(Some(Registered {
            record,
            pin: Ok(Some(key)),
        }));
    };
    log::debug!("{}: others will not join it: {refused}", record.namespace);
    record.pin = None;
    write(&record, &origin.runtime);
    Ok(Some(Registered {
        record,
        pin: Err(refused),
    }))
}

/// Binds the namespaces in which the thread is to pins of the one that it came from. The inner result says why
/// they are not bound; the thread is in them as before.
fn bind(origin: &Origin, key: &str, session_guard: &mut SessionGuard) -> Result<Result<()>> {
    let SessionGuard {
        opening: _,
        membership,
        namespaces,
        guard,
    } = session_guard;
    let bind = || {
        let pins = Pins::open(&origin.runtime)?;
        // What is bound is complete: others can join it, its PID namespace too.
        if let Some(membership) = membership {
            membership.listen_at(&pin::init_address(key))?;
        }
        pins.bind(key, namespaces)
    };
    Ok(match guard.work(&namespaces.mount, origin.root, bind)? {
        AtOrigin::Done(bound) => bound,
        AtOrigin::NotLeft(error) => Err(error),
        AtOrigin::Elsewhere => Err(Error::new(
            "pin",
            namespaces.mount.identity(),
            "this process is in a chroot",
        )),
    })
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

fn write(record: &NamespaceRecord, runtime: &Runtime) {
    if let Err(error) = record.write(runtime) {
        log::warn!("{error}; su and sudo will keep the view of this session");
    }
}

fn shown(held: &Held) -> Shown {
    Shown {
        path: held.path.clone(),
        device: held.identity.0,
        inode: held.identity.1,
        form: held.form,
    }
}

/// Seconds since 1970; 0 where the clock stands before that.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
