//! The ledger: a record for each namespace and each session, for administrators to read and for finding
//! the way back. It is written whole or not at all, and never the truth about life.

use super::clock::now;
use super::pin_key::PinKey;
use super::runtime::{PATH, Runtime};
use super::store_use::note_use;
use crate::apply::OwnRuntimeDirectory;
use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::asker::Asker;
use crate::kernel::fs::directory::Form;
use crate::kernel::fs::entries::Found;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::reach::{self, Below};
use crate::kernel::fs::unseen;
use crate::kernel::mount::volume::Volume;
use crate::kernel::mount::{self, Travel};
use crate::kernel::namespace::kind::{Kind, OtherNamespace};
use crate::kernel::namespace::{Identity, Root};
use crate::kernel::process::Process;
use crate::login::{Login, SessionId};
use crate::path::{AbsPath, ViewPath};
use crate::plan::PlanDigest;
use crate::policy::Sha256;
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The directory of namespaces' records in `/run/jns`.
pub const NAMESPACES: &str = "namespace";

/// The directory of sessions' records in `/run/jns`.
pub const SESSIONS: &str = "session";

/// The longest PAM item that is recorded, in characters.
const LONGEST_ITEM: usize = 256;

/// A namespace that the module has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceRecord {
    /// The namespace itself.
    pub namespace: Identity,
    /// The user's name as the account database has it.
    pub user: String,
    /// The user's home directory, likewise.
    #[serde(default)]
    pub home: String,
    /// The user's id.
    pub uid: u32,
    /// The name of its pin in `/run/jns/ns`; absent for one that no other login joins.
    pub pin: Option<PinKey>,
    /// The reason why the kernel did not let it be pinned, where other logins were to join it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpinned: Option<String>,
    /// The number of the vault that it was pinned in, which no other namespace has until the machine is started again
    /// (Linux 6.11): who has noted it has vetted that vault. Absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<u64>,
    /// The namespace that its first session came from.
    pub origin: Identity,
    /// The root directory of that session before it entered the namespace.
    pub origin_root: Root,
    /// Its root directory in the namespace.
    pub root: Root,
    /// The other namespaces that go with it and are not those that its first session came from.
    #[serde(default)]
    pub companions: Vec<OtherNamespaceRecord>,
    /// The namespaces of its own, by the keys and in the words of `[[isolate]]`.
    #[serde(default)]
    pub isolation: BTreeMap<String, String>,
    /// The first process of its own PID namespace, by the number that it has where the first session came from;
    /// absent where it has none. That one stays in the namespaces that the session came from.
    #[serde(default)]
    pub init: Option<Process>,
    /// The digest of the plan that it was made by; absent for the host's view.
    #[serde(default, deserialize_with = "plan_unless_empty")]
    pub plan: Option<PlanDigest>,
    /// The paths that are covered in it, in order.
    pub paths: Vec<ViewPath>,
    /// The paths where the module attached something in it, without links.
    #[serde(default)]
    pub attached: Vec<ViewPath>,
    /// The paths of `attached` at which commands find the same that are run from it as somebody else.
    #[serde(default)]
    pub inherited: Vec<ViewPath>,
    /// The user whose directories it shows besides, in whose session it was made for one command.
    #[serde(default)]
    pub caller: Option<String>,
    /// Whether it is otherwise the host's view: what is mounted in it is on the host.
    #[serde(default)]
    pub is_hosts_view: bool,
    /// The directory of instances that have no place of their own (`settings.store`).
    pub store: AbsPath,
    /// The directories of the user's, the group's or the session's own that appear in it.
    pub instances: Vec<Shown>,
    /// Directories and files of the host's that appear elsewhere in it (`[[bind]]`).
    pub sources: Vec<Shown>,
    /// The entries that `keep` has found in the directories that are covered: each stays visible, or is not to be had.
    #[serde(default)]
    pub kept: Vec<Found>,
    /// Sources that would have appeared in it too, had they existed: paths in the view that its first session came
    /// from.
    pub missing: Vec<ViewPath>,
    /// The volumes that were opened in it.
    #[serde(default)]
    pub volumes: Vec<Volume>,
    /// What hides the runtime directories of other users in it; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_directory: Option<RuntimeDirectoryRecord>,
    /// The time when it was made, in seconds since 1970.
    pub made: u64,
    /// The time since when nothing is known to run in it, in seconds since 1970: the collector notes it, and a login
    /// that joins takes it away. Absent for one that is in use, or that the collector has not seen yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused_since: Option<u64>,
}

/// The directory at `/run/user` that has no runtime directory but the user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeDirectoryRecord {
    /// The device that it is on, as stat(2) numbers it.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Whether what the host mounts in the user's own appears there.
    pub follows_host: bool,
}

/// An IPC, UTS or network namespace that goes with a mount namespace, by the inode numbers that
/// `ls -l /proc/PID/ns` shows. What they number lives at least as long as a process has both of the pair, or
/// the pair is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherNamespaceRecord {
    /// The kind of the namespace.
    pub kind: Kind,
    /// The namespace itself.
    pub inode: u64,
    /// The one that the first session came from.
    pub origin: u64,
}

/// A directory or file that appears in a namespace, by its path in the host's view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its path, as it led there.
    pub path: ViewPath,
    /// The device that it is on, as stat(2) numbers it.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Mode, owner and group that it was given; absent for what the user, or the host, may give others.
    pub form: Option<Form>,
}

/// A session that is open, or was when its host process was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The session's name.
    pub id: SessionId,
    /// The user's name as the account database has it.
    pub user: String,
    /// The user's id.
    pub uid: u32,
    /// The PAM service.
    pub service: String,
    /// `PAM_TTY`.
    pub tty: Option<String>,
    /// `PAM_RHOST`.
    pub rhost: Option<String>,
    /// The process that opened it: sshd's, su's, login's.
    pub process: Process,
    /// The namespace that it is in.
    pub namespace: Identity,
    /// The digest of its plan.
    pub plan: PlanDigest,
    /// The module's `config=`; absent for the policy of the system.
    pub config: Option<String>,
    /// The files of the policy, as they were.
    pub policy: Vec<PolicyFile>,
    /// The directories that end with it and are not in the module's store.
    #[serde(default)]
    pub directories: Vec<Shown>,
    /// The time when it was opened, in seconds since 1970.
    pub opened: u64,
}

/// A file of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFile {
    /// Its path, or `built-in`.
    pub path: String,
    /// The SHA-256 of its text.
    pub sha256: Sha256,
}

/// Reads the digest of a plan; an empty text, which this module has once written for the host's view, is none.
fn plan_unless_empty<'d, D: Deserializer<'d>>(source: D) -> Result<Option<PlanDigest>, D::Error> {
    let text = Option::<String>::deserialize(source)?;
    let digest = text.filter(|text| !text.is_empty());
    digest
        .map(PlanDigest::try_from)
        .transpose()
        .map_err(serde::de::Error::custom)
}

impl OtherNamespaceRecord {
    /// Makes the record of a namespace that took the place of another one.
    #[must_use]
    pub fn of(other: &OtherNamespace, before: &OtherNamespace) -> Self {
        Self {
            kind: other.kind(),
            inode: other.inode(),
            origin: before.inode(),
        }
    }
}

impl RuntimeDirectoryRecord {
    /// Returns the identity of the directory.
    #[must_use]
    pub fn parent(self) -> FileIdentity {
        FileIdentity {
            device: self.device,
            inode: self.inode,
        }
    }

    /// The direction in which mounts travel to the user's own.
    #[must_use]
    pub fn travel(self) -> Travel {
        match self.follows_host {
            true => Travel::FromHost,
            false => Travel::Neither,
        }
    }
}

impl From<OwnRuntimeDirectory> for RuntimeDirectoryRecord {
    fn from(own: OwnRuntimeDirectory) -> Self {
        Self {
            device: own.parent.device,
            inode: own.parent.inode,
            follows_host: own.travel == Travel::FromHost,
        }
    }
}

impl Shown {
    /// Returns the identity of the directory or file.
    #[must_use]
    pub fn identity(&self) -> FileIdentity {
        FileIdentity {
            device: self.device,
            inode: self.inode,
        }
    }

    /// Whether the path still leads to it, in the form that it was given: a namespace that shows another one is
    /// of no use to a new login.
    #[must_use]
    fn is_there(&self, store: &Below<'_>, asker: &Asker) -> bool {
        match store.status(asker, self.path.as_str()) {
            Ok(status) => {
                let same = FileIdentity::of(&status) == self.identity();
                same && self.form.is_none_or(|form| Form::of(&status) == form)
            }
            // Root may not look at it.
            Err(Errno::ACCESS) => mount::reopen(self.path.as_str())
                .is_ok_and(|place| unseen::is_same(place, self.identity()) == Ok(true)),
            Err(_) => false,
        }
    }
}

/// Whether one of the paths that a namespace covers, in order, is the root directory itself: a `[[root]]` comes first.
#[must_use]
pub fn has_own_root(paths: &[ViewPath]) -> bool {
    paths.first() == Some(&ViewPath::root())
}

impl NamespaceRecord {
    /// Whether all that appears in it is still there, and nothing else would appear in a new one.
    #[must_use]
    pub fn is_up_to_date(&self, deadline: &Deadline) -> bool {
        let asker = &Asker::until(deadline);
        let mut shown = self.instances.iter().chain(&self.sources);
        let is_missing = |path: &ViewPath| reach::status(asker, path.as_str()).is_err();
        let kept = Found::are_current_by(&self.kept, self.uid, asker);
        let store = Below::open(asker, self.store.as_str());
        let is_there = |shown: &Shown| shown.is_there(&store, asker);
        let there = kept && shown.all(is_there) && self.missing.iter().all(is_missing);
        there && self.volumes.iter().all(Volume::is_served)
    }

    /// Whether its paths are covered, as the calling thread sees who has entered it, and as far as they answer until the
    /// deadline. What is mounted on a directory vanishes everywhere when that is removed on the host, and goes with it
    /// when it is renamed.
    #[must_use]
    pub fn is_whole(&self, deadline: &Deadline) -> bool {
        let asker = &Asker::until(deadline);
        let has_path = |volume: &Volume| self.paths.contains(&volume.path);
        self.paths.iter().all(|path| self.is_covered(path, asker))
            && self.volumes.iter().all(has_path)
    }

    /// Whether something is mounted on one of its paths, and where that is a volume, the one that was opened there.
    fn is_covered(&self, path: &ViewPath, asker: &Asker) -> bool {
        let Ok((mount, is_root)) = reach::mount_of(asker, path.as_str()) else {
            return false;
        };
        let mut there = self.volumes.iter().filter(|volume| volume.path == *path);
        is_root && there.all(|volume| volume.mount == mount)
    }

    /// Whether its root directory is another one than that of the view that its first session came from.
    #[must_use]
    pub fn has_own_root(&self) -> bool {
        has_own_root(&self.paths)
    }

    /// Notes in the store that its directories are used now, in the view that their paths are of.
    pub fn note_use(&self) {
        let instances = self.instances.iter();
        note_use(&self.store, instances.map(|shown| shown.path.as_str()));
    }

    /// Reads the record of the namespace with that inode number; nothing where there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not a record.
    pub fn read(runtime: &Runtime, inode: u64) -> Result<Option<Self>> {
        read(runtime, NAMESPACES, &inode.to_string())
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// It cannot be written; an older one is there as before.
    pub fn write(&self, runtime: &Runtime) -> Result<()> {
        write(runtime, NAMESPACES, &self.namespace.inode.to_string(), self)
    }

    /// Notes that nothing is known to run in it since `since`, in seconds since 1970; nothing: that somebody joins it.
    /// What is noted already costs nothing. It is called with the user's lock held: alone by the collector, together
    /// with others by a login. So what the collector has noted, and still finds, says that nobody has joined since.
    ///
    /// # Errors
    ///
    /// As [`NamespaceRecord::write`].
    pub fn note_unused(&mut self, runtime: &Runtime, since: Option<u64>) -> Result<()> {
        if self.unused_since == since {
            return Ok(());
        }
        self.unused_since = since;
        self.write(runtime)
    }

    /// Removes it.
    ///
    /// # Errors
    ///
    /// unlinkat(2) failed.
    pub fn remove(runtime: &Runtime, inode: u64) -> Result<()> {
        runtime.remove(&format!("{NAMESPACES}/{inode}"))
    }

    /// All of them, by inode number; those that cannot be read as errors.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn all(runtime: &Runtime) -> Result<Vec<(String, Result<Self>)>> {
        all(runtime, NAMESPACES)
    }
}

/// Shortens a PAM item for the ledger: a service may give one of any length.
pub(crate) fn shortened(item: &str) -> String {
    item.chars().take(LONGEST_ITEM).collect()
}

impl SessionRecord {
    /// Makes the record of a session of `login` that begins now, with nothing known of it besides.
    #[must_use]
    pub(crate) fn new(
        login: &Login,
        process: Process,
        namespace: Identity,
        plan: &PlanDigest,
    ) -> Self {
        Self {
            id: login.session.clone(),
            user: login.user.clone(),
            uid: login.uid,
            service: shortened(&login.service),
            tty: None,
            rhost: None,
            process,
            namespace,
            plan: plan.clone(),
            config: None,
            policy: Vec::new(),
            directories: Vec::new(),
            opened: now(),
        }
    }

    /// Reads the record of the session `id`; nothing where there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not a record.
    pub fn read(runtime: &Runtime, id: &SessionId) -> Result<Option<Self>> {
        read(runtime, SESSIONS, id.as_str())
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, runtime: &Runtime) -> Result<()> {
        write(runtime, SESSIONS, self.id.as_str(), self)
    }

    /// Removes it.
    ///
    /// # Errors
    ///
    /// unlinkat(2) failed.
    pub fn remove(runtime: &Runtime, id: &SessionId) -> Result<()> {
        runtime.remove(&format!("{SESSIONS}/{id}"))
    }

    /// All of them, by id; those that cannot be read as errors.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn all(runtime: &Runtime) -> Result<Vec<(String, Result<Self>)>> {
        all(runtime, SESSIONS)
    }

    /// Removes the records of the user's sessions whose host processes were killed, made in the namespace `origin`
    /// like the present one: who starts su(1) and kills it again and again keeps no more of them than run. Of other
    /// users' sessions no more than the names is read.
    ///
    /// # Errors
    ///
    /// The directory cannot be read, or a record cannot be removed.
    pub fn remove_killed(runtime: &Runtime, uid: u32, origin: Identity) -> Result<()> {
        let names = runtime.list(SESSIONS)?;
        let ids = names.iter().filter_map(|name| SessionId::parse(name));
        for id in ids.filter(|id| id.is_of(uid)) {
            if let Ok(Some(record)) = Self::read(runtime, &id)
                && record.uid == uid
                && record.is_over(runtime, origin)
            {
                Self::remove(runtime, &id)?;
            }
        }
        Ok(())
    }

    /// Whether its host process is gone, and was one whose number means the same here.
    fn is_over(&self, runtime: &Runtime, origin: Identity) -> bool {
        let namespace = NamespaceRecord::read(runtime, self.namespace.inode);
        let is_from_here = |record: &NamespaceRecord| {
            record.namespace != self.namespace || record.origin == origin
        };
        !self.process.is_alive()
            && namespace.is_ok_and(|record| record.is_none_or(|record| is_from_here(&record)))
    }
}

fn read<T: DeserializeOwned>(runtime: &Runtime, directory: &str, name: &str) -> Result<Option<T>> {
    if !is_name(name) {
        return Ok(None);
    }
    let path = format!("{directory}/{name}");
    let Some(bytes) = runtime.read(&path)? else {
        return Ok(None);
    };
    let record = serde_json::from_slice(&bytes);
    record
        .map(Some)
        .map_err(|reason| Error::new("read", format_args!("{PATH}/{path}"), reason))
}

fn write<T: Serialize>(runtime: &Runtime, directory: &str, name: &str, record: &T) -> Result<()> {
    let path = format_args!("{PATH}/{directory}/{name}");
    let mut bytes =
        serde_json::to_vec_pretty(record).map_err(|reason| Error::new("write", path, reason))?;
    bytes.push(b'\n');
    runtime.write(directory, name, &bytes)
}

fn all<T: DeserializeOwned>(
    runtime: &Runtime,
    directory: &str,
) -> Result<Vec<(String, Result<T>)>> {
    let mut found = Vec::new();
    for name in runtime
        .list(directory)?
        .into_iter()
        .filter(|name| is_name(name))
    {
        match read(runtime, directory, &name) {
            // It was removed since the directory was listed.
            Ok(None) => {}
            Ok(Some(record)) => found.push((name, Ok(record))),
            Err(error) => found.push((name, Err(error))),
        }
    }
    Ok(found)
}

/// Whether a name is a record's: what an administrator types must not lead elsewhere, and a record that is
/// being written has a name with a dot.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
