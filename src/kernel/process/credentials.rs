//! Becoming somebody, and becoming a program: what `jns enter` does to its own process, for good.

use crate::error::{Error, Result};
use crate::kernel::fs::directory::Form;
use crate::kernel::namespace::user_namespace::confine_as;
use crate::kernel::process::rights;
use crate::kernel::sys;
use nix::unistd::{Gid, Uid};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The user and the groups whose rights a process has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The user id.
    pub uid: u32,
    /// The primary group id.
    pub gid: u32,
    /// The ids of all groups.
    pub groups: Vec<u32>,
}

impl Credentials {
    /// Whether the permission bits of `form` let it do what `permission` says: 4 to read, 2 to write, 1 to execute
    /// (path_resolution(7)). What root may without them is left out.
    #[must_use]
    pub fn may(&self, permission: u32, form: Form) -> bool {
        let class = match () {
            () if form.uid == self.uid => 0o100,
            () if form.gid == self.gid || self.groups.contains(&form.gid) => 0o010,
            () => 0o001,
        };
        form.mode & permission.saturating_mul(class) != 0
    }
}

/// A program, as execve(2) takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its path; a name without a slash is looked for in the `PATH` of `environment`.
    pub path: OsString,
    /// The name by which it is started, `argv[0]`.
    pub name: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment; nothing for that of this process.
    pub environment: Option<Vec<(OsString, OsString)>>,
}

/// Turns this process into `credentials` so that there is no way back: real, effective and saved ids, groups,
/// no capability, no key of the caller's. For root, the capabilities stay.
///
/// # Errors
///
/// The kernel refused one of them, or did not do what it said. The process must not go on then.
pub fn become_user(credentials: &Credentials) -> Result<()> {
    let (uid, gid) = (
        Uid::from_raw(credentials.uid),
        Gid::from_raw(credentials.gid),
    );
    let groups: Vec<Gid> = credentials
        .groups
        .iter()
        .copied()
        .map(Gid::from_raw)
        .collect();
    // The user id last: with root's, the capabilities to change the others are gone (capabilities(7)).
    nix::unistd::setgroups(&groups)
        .and_then(|()| nix::unistd::setresgid(gid, gid, gid))
        .and_then(|()| nix::unistd::setresuid(uid, uid, uid))
        .map_err(|errno| failed(credentials, sys::of_nix(errno)))?;
    // The change of ids leaves inheritable capabilities, and all of them where securebits say so (capabilities(7)).
    if !uid.is_root() {
        rights::give_up().map_err(|errno| failed(credentials, errno))?;
    }
    verify(credentials, &groups)?;
    // As the user: a new keyring belongs to whoever makes it (session-keyring(7)).
    rights::leave_keyring().map_err(|errno| failed(credentials, errno))
}

/// Asks the kernel which ids and capabilities the process has, and tries to become root again.
fn verify(credentials: &Credentials, groups: &[Gid]) -> Result<()> {
    let (uid, gid) = (
        Uid::from_raw(credentials.uid),
        Gid::from_raw(credentials.gid),
    );
    let user = nix::unistd::getresuid()
        .is_ok_and(|ids| [ids.real, ids.effective, ids.saved] == [uid, uid, uid]);
    let group = nix::unistd::getresgid()
        .is_ok_and(|ids| [ids.real, ids.effective, ids.saved] == [gid, gid, gid]);
    let others = nix::unistd::getgroups().is_ok_and(|set| is_same(set, groups));
    if user && group && others && (uid.is_root() || is_powerless()) {
        return Ok(());
    }
    let reason = "the kernel left it rights of another user";
    Err(failed(credentials, Errno::PERM).because(reason))
}

fn is_same(mut set: Vec<Gid>, groups: &[Gid]) -> bool {
    let mut wanted = groups.to_vec();
    for list in [&mut set, &mut wanted] {
        list.sort_unstable_by_key(|gid| gid.as_raw());
        list.dedup();
    }
    set == wanted
}

fn is_powerless() -> bool {
    let root = Uid::from_raw(0);
    let sets = rustix::thread::capabilities(None);
    sets.is_ok_and(|sets| (sets.effective | sets.permitted | sets.inheritable).is_empty())
        && nix::unistd::setresuid(root, root, root).is_err()
}

fn failed(credentials: &Credentials, errno: Errno) -> Error {
    Error::from_errno("become", format_args!("uid {}", credentials.uid), errno)
}

/// Opens the root directory of the process `pid`; an `O_PATH` descriptor.
///
/// # Errors
///
/// The process is gone, or may not be looked at.
pub(crate) fn root_of_process(pid: u32) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/root");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(&path, flags, Mode::empty())
        .map_err(|errno| Error::from_errno("open", path, errno))
}

/// Makes `root`, the root directory of another mount namespace, that of this process, without any rights: in
/// a user namespace of its own, in which it has the ids it has. Programs that it runs gain no rights by a
/// set-user-ID bit.
///
/// # Errors
///
/// Users may not make user namespaces here, or the process has several threads.
pub(crate) fn stand_in(root: &OwnedFd) -> Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    // chroot(2) takes CAP_SYS_CHROOT, which the process has in its new user namespace until it is another program.
    confine_as(uid.as_raw(), gid.as_raw())?;
    rustix::process::fchdir(root)
        .and_then(|()| rustix::process::chroot("."))
        .map_err(|errno| Error::from_errno("enter", "the root directory of the namespace", errno))
}

/// Lets neither this process nor what it runs gain rights by a program's set-user-ID bit or file capabilities
/// (`PR_SET_NO_NEW_PRIVS` of prctl(2)).
///
/// # Errors
///
/// prctl(2) failed.
pub(crate) fn set_no_new_privs() -> Result<()> {
    rustix::thread::set_no_new_privs(true)
        .map_err(|errno| Error::from_errno("give up", "the way to more rights", errno))
}

/// Refuses to go on with another user's rights than the caller's: a set-user-ID bit on the command would let
/// anybody become anybody.
///
/// # Errors
///
/// The real and the effective user differ.
pub(crate) fn refuse_borrowed_rights() -> Result<()> {
    if nix::unistd::getuid() == nix::unistd::geteuid() {
        return Ok(());
    }
    let reason = "jns runs with another user's rights than its caller's, for which it is not made";
    Err(Error::new("enter", "a namespace", reason))
}

/// Moves to a directory with the rights that the process has.
///
/// # Errors
///
/// chdir(2) failed.
pub(crate) fn go_to(path: &str) -> Result<()> {
    rustix::process::chdir(path).map_err(|errno| Error::from_errno("enter", path, errno))
}

/// Becomes the program, with the standard streams and no other descriptor. It returns only when that fails.
#[must_use]
pub(crate) fn to_program(program: &Program) -> io::Error {
    // Marked, not closed: where the program cannot be run, this process goes on, and says so.
    if let Err(errno) = sys::close_on_exec_from(3) {
        return errno.into();
    }
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the room that starts programs"
    )]
    let mut command = Command::new(&program.path);
    command
        .arg0::<&OsStr>(&program.name)
        .args(&program.arguments);
    if let Some(environment) = &program.environment {
        command.env_clear().envs(environment.iter().cloned());
    }
    command.exec()
}
