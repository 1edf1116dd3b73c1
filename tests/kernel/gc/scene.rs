//! Namespaces with processes in them, the records of them, and what a collection says.

use crate::own::*;
use pam_jns::gc::{Disposal, IsDeleted, Kind, Remains, Request, collect};
use pam_jns::kernel::namespace::kind::{self, Namespaces, OtherNamespace, inode};
use pam_jns::kernel::namespace::{Identity, Namespace, Root};
use pam_jns::login::SessionId;
use pam_jns::path::{AbsPath, ViewPath};
use pam_jns::session::ledger::{OtherNamespaceRecord, Shown};
use pam_jns::session::{NamespaceRecord, PinKey, Process, Runtime, SessionRecord, Vault, pin};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

pub const STORE: &str = "/mnt/var/lib/jns";

/// Two hours ago: longer than anything is waited for.
pub const OLD: i64 = -2 * 60 * 60;

pub fn runtime() -> Runtime {
    Runtime::open().unwrap()
}

pub fn own() -> Identity {
    Namespace::own().unwrap().identity()
}

/// The name of a pin of that user's.
pub fn key(uid: u32) -> PinKey {
    PinKey::parse(&format!("{uid}-0123456789abcdef0123456789abcdef")).unwrap()
}

/// The names in the directory of pins, without that of the vault.
pub fn names_of_pins() -> Vec<String> {
    let mut all = names("/run/jns/ns");
    all.retain(|name| name != ".vault");
    all
}

/// A process in a mount namespace of its own.
pub struct Sleeper {
    child: Child,
    pub namespaces: Namespaces,
}

impl Sleeper {
    pub fn start() -> Self {
        Self::showing(&[])
    }

    /// The same in other namespaces of its own too, by the options of unshare(1).
    pub fn start_with(options: &[&str]) -> Self {
        Self::made_with(options, &[])
    }

    /// The same with each source mounted on its target.
    pub fn showing(mounts: &[(&str, &str)]) -> Self {
        Self::made_with(&[], mounts)
    }

    /// The same with a file of so many bytes in its `/tmp`, which is in memory.
    pub fn holding_memory(bytes: u64) -> Self {
        let script = format!("mount -t tmpfs view /tmp && head -c {bytes} /dev/zero >/tmp/file");
        Self::prepared_by(&[], &script)
    }

    fn made_with(options: &[&str], mounts: &[(&str, &str)]) -> Self {
        let mounts: String = mounts
            .iter()
            .map(|(source, target)| format!("mount --bind '{source}' '{target}' && "))
            .collect();
        Self::prepared_by(options, &format!("{mounts} true"))
    }

    /// A process in other namespaces too, by the options of unshare(1), in which a script was run before.
    fn prepared_by(options: &[&str], script: &str) -> Self {
        // A namespace can be pinned in an older one alone.
        Vault::open(&runtime()).unwrap();
        let script = format!("{script} && exec sleep 1000");
        let child = Command::new("unshare")
            .args(["-m", "--propagation", "slave"])
            .args(options)
            .args(["sh", "-c", &script])
            .spawn()
            .unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::read_to_string(&comm).unwrap() != "sleep\n" {
            assert!(Instant::now() < deadline, "it never sleeps");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut namespaces = Namespaces::of_process(child.id(), &kind::Kind::ALL).unwrap();
        let is_own = |found: &mut OtherNamespace| inode(found.kind(), None) != Some(found.inode());
        namespaces.others.retain_mut(is_own);
        Self { child, namespaces }
    }

    pub fn identity(&self) -> Identity {
        self.namespaces.mount.identity()
    }

    pub fn process(&self) -> Process {
        Process::of(self.child.id()).unwrap()
    }

    /// The namespace, when its process has ended. It stays open until the test ends: nobody else's on this
    /// machine gets its number meanwhile, and is taken for it.
    pub fn end(self) -> Identity {
        let namespace = File::open(format!("/proc/{}/ns/mnt", self.child.id()));
        std::mem::forget(namespace.unwrap());
        self.namespaces.mount.identity()
    }

    /// The record of the namespace, pinned for a user.
    pub fn record(&self, uid: u32) -> NamespaceRecord {
        let others = self.namespaces.others.iter();
        let known = others.map(|other| {
            let before = OtherNamespace::own(other.kind()).unwrap();
            OtherNamespaceRecord::of(other, &before)
        });
        NamespaceRecord {
            companions: known.collect(),
            ..record(uid, self.identity(), Some(&key(uid)))
        }
    }

    /// Pins the namespace for a user, as a login does.
    pub fn pin(&self, uid: u32) -> PinKey {
        let (runtime, key) = (runtime(), key(uid));
        self.record(uid).write(&runtime).unwrap();
        let vault = Vault::open(&runtime).unwrap();
        pin::bind(&runtime, &vault, &key, &self.namespaces).unwrap();
        key
    }
}

/// A namespace of the user's in which nothing runs any more, pinned; returns its inode number.
pub fn ended(uid: u32) -> u64 {
    let sleeper = Sleeper::start();
    sleeper.pin(uid);
    sleeper.end().inode
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn record(uid: u32, namespace: Identity, pin: Option<&PinKey>) -> NamespaceRecord {
    let root = Root::own().unwrap();
    NamespaceRecord {
        namespace,
        user: format!("user{uid}"),
        home: "/home/user".to_owned(),
        uid,
        unpinned: None,
        pin: pin.cloned(),
        vault: None,
        origin: own(),
        origin_root: root,
        root,
        companions: Vec::new(),
        attached: Vec::new(),
        inherited: Vec::new(),
        caller: None,
        is_hosts_view: false,
        isolation: BTreeMap::new(),
        init: None,
        plan: None,
        paths: vec![ViewPath::new("/tmp").unwrap()],
        store: AbsPath::new(STORE).unwrap(),
        sources: Vec::new(),
        kept: Vec::new(),
        missing: Vec::new(),
        instances: vec![],
        volumes: Vec::new(),
        runtime_directory: None,
        made: 0,
        unused_since: None,
    }
}

pub fn instance(path: &str) -> Shown {
    Shown {
        path: ViewPath::new(path).unwrap(),
        device: 0,
        inode: 0,
        form: None,
    }
}

/// The record of a session, written.
pub fn session_record(id: &str, process: Process, namespace: Identity) {
    let record = SessionRecord {
        id: SessionId::parse(id).unwrap(),
        user: "alice".to_owned(),
        uid: USER,
        service: "sshd".to_owned(),
        tty: None,
        rhost: None,
        process,
        namespace,
        plan: serde_json::from_str(&format!("\"{}\"", "0".repeat(64))).unwrap(),
        config: None,
        policy: vec![],
        directories: vec![],
        opened: 0,
    };
    record.write(&runtime()).unwrap();
}

/// A process that has ended.
pub fn gone() -> Process {
    Process {
        pid: std::process::id(),
        started: 1,
    }
}

/// Gives a file or directory another age.
pub fn age(path: &str, seconds: i64) {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let time = Timespec {
        tv_sec: i64::try_from(now.as_secs()).unwrap() + seconds,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// What is asked of a collection, if more than usual.
#[derive(Default)]
pub struct Asked {
    pub dry_run: bool,
    pub unused_for: Option<Duration>,
    pub user: Option<u32>,
    pub linger: Duration,
    pub memory: Option<u64>,
    pub deleted: Option<fn(u32, Option<&str>) -> bool>,
}

pub fn gc() -> Vec<Remains> {
    gc_with(Asked::default())
}

pub fn gc_with(asked: Asked) -> Vec<Remains> {
    let deleted = asked
        .deleted
        .map(|deleted| move |uid, name: Option<&str>| deleted(uid, name));
    collect(&Request {
        dry_run: asked.dry_run,
        stores: &[AbsPath::new(STORE).unwrap()],
        unused_for: asked.unused_for,
        user: asked.user,
        linger: asked.linger,
        memory: asked.memory,
        is_deleted: deleted.as_ref().map(|deleted| deleted as &IsDeleted),
        beginning: &|_| {},
    })
    .unwrap()
}

/// The paths of what had that disposal, in order.
pub fn with_disposal(found: &[Remains], is: fn(&Disposal) -> bool) -> Vec<&str> {
    let mut paths: Vec<&str> = found
        .iter()
        .filter(|remains| is(&remains.disposal) && remains.kind != Kind::Foreign)
        .map(|remains| remains.path.as_str())
        .collect();
    paths.sort_unstable();
    paths
}

/// The paths of what was removed. Nothing may have failed.
#[track_caller]
pub fn removed(found: &[Remains]) -> Vec<&str> {
    assert!(
        !found
            .iter()
            .any(|remains| matches!(remains.disposal, Disposal::Failed(_))),
        "{found:#?}"
    );
    with_disposal(found, |disposal| *disposal == Disposal::Removed)
}

pub fn left(found: &[Remains]) -> Vec<&str> {
    with_disposal(found, |disposal| *disposal == Disposal::Left)
}
