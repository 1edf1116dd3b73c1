//! Entering without root's rights. Users may not look into `/run/jns`, nor change their namespace. Where one of their
//! own processes is in a namespace of the module's, that process leads there.

use super::command::{program, settle};
use crate::cli::account::Account;
use crate::cli::arguments::Enter;
use crate::cli::command::{NotRun, execute};
use crate::cli::command_log;
use crate::cli::outcome::say;
use crate::error::{Error, Result};
use crate::kernel::fs::working_directory::WorkingDirectory;
use crate::kernel::init;
use crate::kernel::mount::filesystem::SOURCE;
use crate::kernel::mount::mount_table::{self, Mount};
use crate::kernel::mount::overlay::layer_of;
use crate::kernel::namespace::kind::{self, Kind};
use crate::kernel::namespace::{self, Namespace};
use crate::kernel::process::credentials;
use crate::kernel::process::{self, Process};
use crate::login::{Accounts, Nss};
use crate::store::layout::Owner;
use nix::unistd::geteuid;
use std::convert::Infallible;

/// The limit that there is no way around without root's rights.
const NO_RIGHTS: &str = "set-user-ID programs such as sudo and ping gain no rights here";

/// A process of the user's in a namespace of the module's.
#[derive(Debug)]
struct Inside {
    process: Process,
    namespace: String,
}

/// Enters a namespace of the user's own.
///
/// # Errors
///
/// Another user's is meant, no process leads there, or users may not make user namespaces here.
pub fn enter(arguments: &Enter) -> Result<Infallible, NotRun> {
    let uid = geteuid().as_raw();
    let account = Account::of(uid)?;
    check(arguments, uid)?;
    let directory = WorkingDirectory::own();
    let program = program(arguments, &account, None);
    let own = namespace::name()?;
    if is_ours("thread-self", uid) {
        command_log::write_own(&own, &account, &program);
        return Err(execute(&program));
    }
    let inside = youngest_inside(uid)
        .ok_or_else(|| with_advice(&account.name, "none of your processes is in one"))?;
    let root = credentials::root_of_process(inside.process.pid)?;
    if !inside.process.is_alive() {
        return Err(with_advice(&account.name, "your process there has just ended").into());
    }
    // By the present /proc: that of the session may be another PID namespace's.
    let left_out = left_out(inside.process.pid);
    credentials::stand_in(&root).map_err(|error| with_advice(&account.name, error))?;
    command_log::write_own(&inside.namespace, &account, &program);
    say(&format!(
        "jns: {NO_RIGHTS}{left_out}; `sudo jns enter {}` has no such limit\n",
        account.name
    ));
    settle(&directory, &account)?;
    Err(execute(&program))
}

fn check(arguments: &Enter, uid: u32) -> Result<()> {
    let name = &arguments.name;
    let refused =
        |reason: &str| Error::new("enter", format_args!("the namespace of {name}"), reason);
    match Nss.uid(name) {
        _ if arguments.as_root => Err(refused("--as-root is for root")),
        Some(of) if of == uid => Ok(()),
        Some(_) => Err(refused("only root can enter that of another user")),
        None => Err(refused(
            "only root can see the sessions, and there is no such user",
        )),
    }
}

fn with_advice(name: &str, reason: impl std::fmt::Display) -> Error {
    let object = format_args!("a namespace of {name}");
    let reason = format!("{reason}; `sudo jns enter {name}` needs none of this");
    Error::new("enter", object, reason)
}

/// The youngest process of the user's in a namespace of the module's that is not of a user namespace: in
/// those, users mount what they like.
fn youngest_inside(uid: u32) -> Option<Inside> {
    let all = process::all().ok()?.into_iter();
    let own = all.filter(|pid| owner(*pid) == Some(uid));
    let inside = own.filter_map(|pid| {
        let namespace = Namespace::of_process(pid)?;
        let usable = namespace.is_of_own_user_namespace() && is_ours(&pid.to_string(), uid);
        let process = Process::of(pid).filter(|_| usable)?;
        Some(Inside {
            process,
            namespace: namespace.identity().to_string(),
        })
    });
    inside.max_by_key(|inside| inside.process.started)
}

/// Describes what is the session's own, and not to be had without root's rights.
fn left_out(pid: u32) -> String {
    let others = Kind::ALL
        .into_iter()
        .zip(kind::own_inodes())
        .filter(|(kind, own)| kind::inode(*kind, Some(pid)) != *own);
    let mut names: Vec<&str> = others.map(|(kind, _)| title(kind)).collect();
    if init::lives_elsewhere(pid) {
        names.push("/proc");
    }
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => format!(", and the {last} is not the session's"),
        Some((last, rest)) => {
            let rest = rest.join(", ");
            format!(", and {rest} and {last} are not the session's")
        }
    }
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Ipc => "IPC",
        Kind::Uts => "host name",
        Kind::Net => "network",
    }
}

fn owner(pid: u32) -> Option<u32> {
    let status = rustix::fs::stat(format!("/proc/{pid}")).ok()?;
    Some(status.st_uid)
}

/// Whether the module has made the namespace of a process, as far as its mounts tell: it shows a directory of
/// a store, or a file system of the module's. A user whom this misleads has misled nobody else.
fn is_ours(process: &str, uid: u32) -> bool {
    let mounts = mount_table::read(&format!("/proc/{process}/mountinfo"));
    let is_made = |mount: &Mount| {
        let kinds: [&[u8]; 3] = [b"tmpfs", b"proc", b"mqueue"];
        kinds.contains(&mount.kind.as_slice()) && mount.source == SOURCE.as_bytes()
    };
    let is_shown = |mount: &Mount| {
        let layer = layer_of(&mount.source).filter(|_| mount.kind == b"overlay");
        let shown = layer.map_or(mount.root.as_slice(), |(_, path)| path);
        is_instance(&String::from_utf8_lossy(shown), uid)
    };
    mounts
        .unwrap_or_default()
        .iter()
        .any(|mount| is_made(mount) || is_shown(mount))
}

/// Whether a path is that of an instance in a store that the user may have been shown.
fn is_instance(path: &str, uid: u32) -> bool {
    match Owner::of_instance(path) {
        Some(Owner::User(of)) => of == uid,
        Some(Owner::Group(_) | Owner::Session(_)) => true,
        Some(Owner::Former { .. }) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_known_by_their_place_in_a_store() {
        let table = [
            ("/var/lib/jns/user/2001/tmp", true),
            ("/user/2001/tmp", true),
            ("/lib/jns/group/100/srv", true),
            ("/lib/jns/session/0123456789abcdef/tmp", true),
            ("/var/lib/jns/user/2002/tmp", false),
            ("/var/lib/jns/user/2001", false),
            ("/var/lib/jns/user/2001.former-1/tmp", false),
            ("/home/alice", false),
            ("/", false),
        ];
        for (path, expected) in table {
            assert_eq!(is_instance(path, 2001), expected, "{path}");
        }
    }
}
