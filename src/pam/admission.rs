//! How a login comes to its namespace: it joins the one that the user's other logins with the same plan
//! share, or gets a new one.

use crate::apply::{self, Applied, Entered, Held, SessionDirectory};
use crate::error::{Error, Result};
use crate::kernel::departure::{Departure, Errand, WorkingDirectory, leave_for};
use crate::kernel::namespace::{Identity, Namespace, Root, check_capabilities, inode_of_process};
use crate::kernel::processor::Tour;
use crate::login::Login;
use crate::plan::{Plan, Sharing};
use crate::policy::sha256;
use crate::session::garbage::remove_unused_pins_of;
use crate::session::ledger::Shown;
use crate::session::{Lock, NamespaceRecord, Pins, Runtime, lock};
use std::time::SystemTime;

/// How many hexadecimal digits of a digest are in the name of a pin.
const DIGITS: usize = 32;

/// A login in its namespace. Dropped, it is back where it was; only [`Admission::commit`] lets it stay.
#[derive(Debug)]
pub(super) struct Admission {
    /// The namespace.
    pub namespace: Identity,
    /// Whether another login made it.
    pub joined: bool,
    /// The paths that are covered in it, in order.
    pub paths: Vec<String>,
    /// Why something was left out; a line each.
    pub notes: Vec<String>,
    /// The directories that end with the session.
    pub session_directories: Vec<SessionDirectory>,
    /// `/run/jns` as the login came from it; nothing where it cannot be used.
    pub runtime: Option<Runtime>,
    /// Whether the kernel refused to pin it because it takes it for older than where it was made.
    looks_older: bool,
    departure: Option<Departure>,
}

impl Admission {
    /// Stays in the namespace.
    pub(super) fn commit(self) -> Vec<SessionDirectory> {
        if let Some(departure) = self.departure {
            departure.commit();
        }
        self.session_directories
    }
}

/// Joins the namespace that logins with the plan of digest `plan` share; nothing where there is none yet.
///
/// # Errors
///
/// There is one, and it cannot be joined.
pub(super) fn join(
    runtime: Runtime,
    login: &Login,
    plan: &str,
    directory: &WorkingDirectory,
) -> Result<Option<Admission>> {
    let Some(shared) = Shared::of(runtime, login.uid, plan)? else {
        return Ok(None);
    };
    shared.join_in_turn(login.uid, directory)
}

/// Joins a namespace or makes a new one, as `plan` says. That a namespace cannot be shared denies nobody a
/// session: it is logged, and the login gets one of its own.
///
/// # Errors
///
/// The plan cannot be applied; the thread is then where it was.
pub(super) fn admit(plan: &Plan, login: &Login, directory: &WorkingDirectory) -> Result<Admission> {
    if plan.is_empty() {
        return make(&Making::alone(plan, login, None), directory);
    }
    check_capabilities()?;
    let runtime = Runtime::open().inspect_err(|error| {
        log::warn!("{error}; su and sudo will keep the view of this session");
    });
    let Ok(runtime) = runtime else {
        return make(&Making::alone(plan, login, None), directory);
    };
    let turn = match plan.sharing {
        Sharing::User => take_turn(&runtime, plan, login, directory),
        Sharing::Session { .. } => Ok(None),
    };
    match turn {
        Ok(Some(Turn::Joined(admission))) => Ok(*admission),
        Ok(Some(Turn::Make(shared, _lock))) => {
            let key = Some(shared.key.as_str());
            let alone = Making::alone(plan, login, Some(&runtime));
            make_pinned(&Making { key, ..alone }, directory)
        }
        Ok(None) => make(&Making::alone(plan, login, Some(&runtime)), directory),
        Err(error) => {
            log::warn!("{error}; the session gets a namespace of its own");
            make(&Making::alone(plan, login, Some(&runtime)), directory)
        }
    }
}

/// What the login found when its turn came.
enum Turn {
    /// A namespace, which it has joined.
    Joined(Box<Admission>),
    /// None; it makes one, and others wait for the lock.
    Make(Shared, Lock),
}

fn take_turn(
    runtime: &Runtime,
    plan: &Plan,
    login: &Login,
    directory: &WorkingDirectory,
) -> Result<Option<Turn>> {
    let uid = login.uid;
    let Some(shared) = Shared::of(runtime.clone(), uid, &plan.digest())? else {
        return Ok(None);
    };
    for _ in 0..lock::TRIES {
        if let Some(admission) = shared.join_in_turn(uid, directory)? {
            return Ok(Some(Turn::Joined(Box::new(admission))));
        }
        let Some(lock) = Lock::to_change(runtime, uid)? else {
            lock::pause();
            continue;
        };
        if let Some(admission) = shared.join(uid, directory)? {
            return Ok(Some(Turn::Joined(Box::new(admission))));
        }
        if let Some(pins) = Pins::find(runtime)? {
            // What it showed is not there any more.
            pins.remove(&shared.key)?;
            // Those of older policies, say. What goes wrong there does not concern this login.
            let removed = remove_unused_pins_of(runtime, uid, &shared.key);
            removed.unwrap_or_else(|error| log::debug!("{error}"));
        }
        return Ok(Some(Turn::Make(shared, lock)));
    }
    Err(lock::held(&uid.to_string()))
}

/// A namespace that several logins may have.
struct Shared {
    runtime: Runtime,
    key: String,
}

impl Shared {
    /// The one of the user `uid` and the plan of digest `plan`, for logins that come from where this thread
    /// is: who comes out of a sandbox or a chroot shares with those who do. Nothing where the present
    /// namespace cannot be known for ever: it is not the first process's, and on kernels before 6.11 another
    /// one could get its number.
    fn of(runtime: Runtime, uid: u32, plan: &str) -> Result<Option<Self>> {
        let (origin, root) = (Namespace::own()?.identity(), Root::own()?);
        if origin.id.is_none() && inode_of_process(1) != Ok(origin.inode) {
            return Ok(None);
        }
        let digest = sha256(format!("{plan} {origin:?} {root:?}").as_bytes());
        let digits: String = digest.chars().take(DIGITS).collect();
        let key = format!("{uid}-{digits}");
        Ok(Some(Self { runtime, key }))
    }

    /// Joins it, unless somebody is changing it.
    fn join_in_turn(&self, uid: u32, directory: &WorkingDirectory) -> Result<Option<Admission>> {
        match Lock::to_join(&self.runtime, uid)? {
            Some(_lock) => self.join(uid, directory),
            None => Ok(None),
        }
    }

    fn join(&self, uid: u32, directory: &WorkingDirectory) -> Result<Option<Admission>> {
        let Some(pins) = Pins::find(&self.runtime)? else {
            return Ok(None);
        };
        let Some(namespace) = pins.namespace(&self.key)? else {
            return Ok(None);
        };
        let identity = namespace.identity();
        let record = NamespaceRecord::read(&self.runtime, identity.inode)?;
        let fits =
            |record: &NamespaceRecord| record.namespace == identity && record.is_up_to_date();
        let Some(record) = record.filter(fits) else {
            return Ok(None);
        };
        let departure = leave_for(&namespace)?;
        if !record.is_whole() {
            return Ok(None);
        }
        directory.enter(uid)?;
        record.note_use();
        Ok(Some(Admission {
            namespace: identity,
            joined: true,
            paths: record.paths,
            notes: Vec::new(),
            session_directories: Vec::new(),
            runtime: Some(self.runtime.clone()),
            looks_older: false,
            departure: Some(departure),
        }))
    }
}

/// A namespace to be made.
struct Making<'m> {
    plan: &'m Plan,
    login: &'m Login,
    /// Where to keep the record; nothing where that cannot be.
    runtime: Option<&'m Runtime>,
    /// The name of its pin, if other logins are to join it.
    key: Option<&'m str>,
}

impl<'m> Making<'m> {
    fn alone(plan: &'m Plan, login: &'m Login, runtime: Option<&'m Runtime>) -> Self {
        Self {
            plan,
            login,
            runtime,
            key: None,
        }
    }
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
    let (origin, origin_root) = (Namespace::own()?.identity(), Root::own()?);
    let Entered { applied, departure } = apply::enter(making.plan, making.login.uid, directory)?;
    let mut looks_older = false;
    if let (Some(runtime), Some(departure)) = (making.runtime, &departure) {
        let origin = (origin, origin_root);
        looks_older = register(making, runtime, &applied, departure, origin)?;
    }
    Ok(Admission {
        namespace: applied.namespace,
        joined: false,
        paths: applied.paths,
        notes: applied.notes,
        session_directories: applied.session_directories,
        runtime: making.runtime.cloned(),
        looks_older,
        departure,
    })
}

/// Writes the record of the new namespace, in which the thread is, and then pins it: what is pinned is
/// complete, whenever this process is killed. A namespace of which nobody knows, or that nobody can join, is
/// as good for this login. Gives whether it looks older to the kernel than the one it was made from.
///
/// # Errors
///
/// The thread went to pin it and cannot come back.
fn register(
    making: &Making<'_>,
    runtime: &Runtime,
    applied: &Applied,
    departure: &Departure,
    (origin, origin_root): (Identity, Root),
) -> Result<bool> {
    let Ok(root) = Root::own() else {
        return Ok(false);
    };
    let Making { plan, login, .. } = making;
    let mut record = NamespaceRecord {
        namespace: applied.namespace,
        user: login.user.clone(),
        uid: login.uid,
        pin: making.key.map(str::to_owned),
        origin,
        origin_root,
        root,
        plan: plan.digest(),
        paths: applied.paths.clone(),
        store: plan.store.to_string(),
        instances: applied.instances.iter().map(shown).collect(),
        sources: applied.sources.iter().map(shown).collect(),
        missing: applied.missing.clone(),
        made: now(),
    };
    write(&record, runtime);
    let Some(key) = making.key else {
        return Ok(false);
    };
    let Err(refused) = pin(runtime, key, departure, origin_root)? else {
        return Ok(false);
    };
    log::debug!("{}: others will not join it: {refused}", record.namespace);
    record.pin = None;
    write(&record, runtime);
    Ok(refused.is_loop() || refused.is_invalid())
}

/// Binds the namespace in which the thread is to a pin of the one that it came from. The inner result says why
/// it is not bound; the thread is in it as before.
fn pin(
    runtime: &Runtime,
    key: &str,
    departure: &Departure,
    origin_root: Root,
) -> Result<Result<()>> {
    let namespace = match Namespace::own() {
        Ok(namespace) => namespace,
        Err(error) => return Ok(Err(error)),
    };
    let bind = || Pins::open(runtime).and_then(|pins| pins.bind(key, &namespace));
    Ok(match departure.errand(origin_root, bind)? {
        Errand::Done(bound) => bound,
        Errand::NotLeft(error) => Err(error),
        Errand::Elsewhere => Err(Error::new(
            "pin",
            namespace.identity(),
            "this process is in a chroot",
        )),
    })
}

fn write(record: &NamespaceRecord, runtime: &Runtime) {
    record.note_use();
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
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
