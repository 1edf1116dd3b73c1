//! A mount namespace of a test's own, on the real kernel.

#[path = "numbers.rs"]
pub mod numbers;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use numbers::{Number, with_number};
use pam_jns::apply::{self, Applied, Entered, Subject};
use pam_jns::error::{Location, Result};
use pam_jns::kernel::fs::working_directory::WorkingDirectory;
use pam_jns::path::AbsPath;
use pam_jns::plan::{
    Instance, Isolation, Labelling, Lifetime, Parent, Plan, Shape, Sharing, Step, View, Wanted,
};
use pam_jns::policy::value::{Attributes, Names, NamesPath, Propagation, Size};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

/// The user whose sessions are made.
pub const USER: u32 = 2001;

/// Runs `test` on a thread with a mount namespace of its own, in which `/mnt` and `/run` are empty file
/// systems and nothing travels to the machine.
pub fn in_own_namespace(test: impl FnOnce() + Send + 'static) {
    if !nix::unistd::Uid::effective().is_root() {
        assert!(
            std::env::var_os("JNS_TESTS_MUST_RUN").is_none(),
            "this test must run, and needs root"
        );
        println!("skipped: a mount namespace of one's own needs root");
        return;
    }
    let thread = std::thread::spawn(|| {
        leave_the_machine();
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Gives the calling thread such a mount namespace.
pub fn leave_the_machine() {
    let make = || unshare(CloneFlags::CLONE_NEWNS).unwrap();
    with_number(Number::Lowest, make, |()| numbers::own());
    propagate("/", MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    memory("/mnt");
    memory("/run");
    fs::create_dir_all("/mnt/var/lib").unwrap();
}

pub fn propagate(path: &str, flags: MsFlags) {
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>).unwrap();
}

pub fn memory(path: &str) {
    let flags = MsFlags::MS_NOSUID;
    mount(Some("test"), path, Some("tmpfs"), flags, Some("mode=755")).unwrap();
}

/// Brings the calling thread into the view of a plan, as a login does of a user with an id and no name.
pub fn enter(plan: &Plan, uid: u32) -> Result<Entered> {
    apply::enter(plan, &Subject::of(uid), &WorkingDirectory::own(), None)
}

/// Brings the calling thread there for good.
pub fn apply(plan: &Plan, uid: u32) -> Result<Applied> {
    let entered = enter(plan, uid)?;
    if let Some(session_guard) = entered.session_guard {
        session_guard.commit("");
    }
    Ok(entered.applied)
}

pub fn bind(source: &str, path: &str) {
    mount(
        Some(source),
        path,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .unwrap();
}

pub fn remount(path: &str, flags: MsFlags) {
    let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>).unwrap();
}

/// A directory with that mode and owner.
pub fn directory(path: &str, mode: u32, owner: u32) {
    fs::create_dir_all(path).unwrap();
    chown(path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub fn file(path: &str, text: &str) {
    fs::write(path, text).unwrap();
}

pub fn exists(path: &str) -> bool {
    Path::new(path).symlink_metadata().is_ok()
}

/// Mode, owner, group.
pub fn form(path: &str) -> (u32, u32, u32) {
    let status = fs::symlink_metadata(path).unwrap();
    (status.mode() & 0o7777, status.uid(), status.gid())
}

/// All names in a directory, sorted.
pub fn names(path: &str) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every path below a directory, sorted.
pub fn tree(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in names(path) {
        let path = format!("{path}/{name}");
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found
}

pub fn mounts() -> String {
    fs::read_to_string("/proc/thread-self/mountinfo").unwrap()
}

/// Mount points at or below `path`, in order.
pub fn mounts_at(path: &str) -> Vec<String> {
    let table = mounts();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points
        .filter(|p| Path::new(p).starts_with(path))
        .map(str::to_owned)
        .collect()
}

/// The options of the mount that a path leads to. The table is sorted by age, and a mount that was built
/// detached is older than the copies it covers, so the line is found by the mount's id.
pub fn options(path: &str) -> String {
    use std::os::fd::AsRawFd;
    let file = fs::File::open(path).unwrap();
    let info =
        fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", file.as_raw_fd())).unwrap();
    let id = info
        .lines()
        .find_map(|line| line.strip_prefix("mnt_id:\t"))
        .unwrap();
    let table = mounts();
    let line = table
        .lines()
        .find(|line| line.split(' ').next() == Some(id));
    line.unwrap().split(' ').nth(5).unwrap().to_owned()
}

pub fn namespace() -> String {
    fs::read_link("/proc/thread-self/ns/mnt")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// Everything that a refused login must leave as it was.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    namespace: String,
    mounts: String,
    directory: std::path::PathBuf,
    descriptors: usize,
    files: Vec<String>,
}

pub fn state() -> State {
    State {
        namespace: namespace(),
        mounts: mounts(),
        directory: std::env::current_dir().unwrap(),
        descriptors: descriptors(),
        files: tree("/mnt"),
    }
}

/// Open descriptors of this process; only where no other test runs in it.
fn descriptors() -> usize {
    match std::env::var_os("NEXTEST") {
        Some(_) => fs::read_dir("/proc/thread-self/fd").unwrap().count(),
        None => 0,
    }
}

pub fn path(text: &str) -> AbsPath {
    AbsPath::new(text).unwrap()
}

pub fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        propagation: Propagation::Slave,
        store: path("/mnt/var/lib/jns"),
        root: None,
        steps,
        isolation: Isolation::default(),
        volumes: Vec::new(),
        hooks: Vec::new(),
        inits: Vec::new(),
        sharing: Sharing::Session { because: None },
        environment: BTreeMap::new(),
    }
}

/// Where every part of a plan comes from.
pub fn location() -> Location {
    Location::new("test.toml", 1)
}

fn step(covered: &str, view: View) -> Step {
    Step {
        path: path(covered),
        view,
        attributes: Attributes::default(),
        propagation: None,
        create: false,
        optional: false,
        inherit: false,
        location: location(),
    }
}

/// As a policy has them: `*` and `?` are patterns.
fn names_of(names: &[&str]) -> Vec<Names> {
    let of = |name: &&str| Names::new(Names::pieces(name));
    names.iter().map(of).collect()
}

/// `[[private]]`, kept at `directory`.
pub fn private(covered: &str, directory: &str, keep: &[&str]) -> Step {
    let instance = Instance {
        directory: path(directory),
        labelling: Labelling::Covered,
        parent: Parent::Closed,
        lifetime: Lifetime::Kept,
        hook: None,
    };
    let view = View::Instance {
        instance,
        shape: Shape::default(),
        keep: names_of(keep),
    };
    step(covered, view)
}

/// `[[private]]` with `per = "session"`.
pub fn session(covered: &str, directory: &str) -> Step {
    let instance = Instance {
        directory: path(directory),
        labelling: Labelling::Covered,
        parent: Parent::Closed,
        lifetime: Lifetime::Session,
        hook: None,
    };
    let view = View::Instance {
        instance,
        shape: Shape::default(),
        keep: vec![],
    };
    step(covered, view)
}

/// `[[overlay]]`, kept at `directory`.
pub fn overlaid(covered: &str, directory: &str) -> Step {
    let layer = Instance {
        directory: path(directory),
        labelling: Labelling::Covered,
        parent: Parent::Closed,
        lifetime: Lifetime::Kept,
        hook: None,
    };
    step(covered, View::Overlay { layer })
}

/// `[[tmpfs]]`.
pub fn in_memory(covered: &str, size: Size, keep: &[&str]) -> Step {
    let view = View::Memory {
        size,
        inodes: None,
        shape: Shape::default(),
        keep: names_of(keep),
    };
    step(covered, view)
}

/// `[[bind]]`.
pub fn bound(covered: &str, source: &str, recursive: bool) -> Step {
    let source = path(source);
    step(covered, View::Bind { source, recursive })
}

/// `[[hide]]`.
pub fn hidden(covered: &str, keep: &[&str]) -> Step {
    step(
        covered,
        View::Nothing {
            keep: keep.iter().map(|path| path_of(path)).collect(),
        },
    )
}

/// What stays visible of a hidden directory, whose last name may be a pattern.
fn path_of(path: &str) -> NamesPath {
    let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
    let directories = directories.split('/').filter(|name| !name.is_empty());
    NamesPath {
        directories: directories.map(str::to_owned).collect(),
        names: Names::new(Names::pieces(name)),
    }
}

/// What a rule wants.
pub fn wanted<T>(value: T) -> Option<Wanted<T>> {
    let location = location();
    Some(Wanted { value, location })
}

/// A plan that isolates, and does nothing else.
pub fn isolated(isolation: Isolation) -> Plan {
    Plan {
        isolation,
        ..plan(vec![])
    }
}
