//! How the account database is asked without waiting for a directory service that never answers.
//!
//! The C library asks within the process, and nothing ends that from outside. Where /etc/nsswitch.conf (nsswitch.conf(5))
//! names services of this machine alone for accounts and groups, it answers. Where it names others, a child asks.

use crate::error::Error;
use crate::kernel::deadline::{Deadline, Silent};
use crate::kernel::process::question;
use crate::kernel::sys;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

/// The services that answer out of this machine's files, or by its first process.
const LOCAL: &[&str] = &["altfiles", "compat", "db", "extrausers", "files", "systemd"];

/// The databases that a login asks.
const DATABASES: &[&str] = &["passwd", "group", "initgroups"];

/// The file that says which services are asked.
const SERVICES: &str = "/etc/nsswitch.conf";

/// Looks something up in the account database until the deadline: in this process where the services that are asked are
/// this machine's own, or where it has several threads, of which a copy could not allocate; otherwise in a child.
///
/// # Errors
///
/// ETIMEDOUT: it does not answer; or no child can be made.
pub(crate) fn look_up<T: Serialize + DeserializeOwned>(
    deadline: &Deadline,
    work: impl Fn() -> T,
) -> Result<T, Errno> {
    let Some(share) = deadline.share() else {
        return Ok(work());
    };
    if deadline.has_local_accounts(are_local) || sys::check_single().is_err() {
        return Ok(work());
    }
    let silent = Silent::Accounts;
    if deadline.is_silent(&silent) {
        return Err(Errno::TIMEDOUT);
    }
    ask(share, work).inspect_err(|errno| {
        if *errno == Errno::TIMEDOUT {
            deadline.note_silent(silent);
        }
    })
}

#[allow(unsafe_code, reason = "the contract is kept by what this process is")]
fn ask<T: Serialize + DeserializeOwned>(
    within: std::time::Duration,
    work: impl Fn() -> T,
) -> Result<T, Errno> {
    let answer = |_: &mut [u8]| {
        let memory = rustix::fs::memfd_create("jns", MemfdFlags::CLOEXEC)?;
        let mut file = File::from(memory);
        let found = serde_json::to_vec(&work()).map_err(|_| Errno::INVAL)?;
        file.write_all(&found).map_err(of_io)?;
        Ok((0, Some(file.into())))
    };
    // SAFETY: this process has one thread, and no other can begin before the copies are made. What the library keeps open
    // is closed in the copy as by a host that closes what it does not know, which libraries have to expect.
    let answer = unsafe { question::ask(within, &[], answer) }?;
    let mut file = File::from(answer.file.ok_or(Errno::CHILD)?);
    let mut found = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(of_io)?;
    file.read_to_end(&mut found).map_err(of_io)?;
    serde_json::from_slice(&found).map_err(|_| Errno::INVAL)
}

fn of_io(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// Whether all services that are asked for accounts and groups are this machine's own. A file that cannot be read names
/// none (nsswitch.conf(5)).
fn are_local() -> bool {
    /// As much of the file as is read.
    const MOST: usize = 16 * 1024;
    let read = || {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(SERVICES, flags, Mode::empty())?;
        let mut bytes = Vec::with_capacity(MOST);
        rustix::io::read(file, rustix::buffer::spare_capacity(&mut bytes))?;
        Ok::<_, Errno>(bytes)
    };
    read().is_ok_and(|bytes| names_local_alone(&String::from_utf8_lossy(&bytes))) || read().is_err()
}

fn names_local_alone(text: &str) -> bool {
    let lines = text.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let (database, services) = line.split_once(':')?;
        DATABASES.contains(&database.trim()).then_some(services)
    });
    // What stands in brackets is what is done about an answer.
    let outside = |services: &str| {
        let mut rest = services.to_owned();
        while let (Some(open), Some(close)) = (rest.find('['), rest.find(']')) {
            if close < open {
                return rest;
            }
            rest.replace_range(open..=close, " ");
        }
        rest
    };
    let mut services = lines.flat_map(|services| {
        let named: Vec<String> = outside(services)
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        named
    });
    services.all(|service| LOCAL.contains(&service.as_str()))
}

/// Lists the accounts of every database that nsswitch.conf(5) names, as passwd(5) has them, by getent(1). The C library's
/// own list is one for the whole process, and begins anew with every look-up in between.
///
/// # Errors
///
/// getent(1) is missing or fails.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the room that starts processes"
)]
pub fn list() -> Result<String, Error> {
    let failed = |reason: String| Error::new("list", "the accounts", format!("getent: {reason}"));
    let mut command = Command::new("getent");
    command.arg("passwd").stdin(Stdio::null());
    let listed = command
        .output()
        .map_err(|error| failed(error.kind().to_string()))?;
    match listed.status.success() {
        true => Ok(String::from_utf8_lossy(&listed.stdout).into_owned()),
        false => Err(failed(listed.status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_of_another_machine_may_not_answer() {
        for (text, expected) in [
            ("", true),
            (
                "passwd: files systemd\ngroup: files [SUCCESS=merge] systemd\n",
                true,
            ),
            ("passwd:compat\n# group: ldap\nhosts: dns\n", true),
            ("passwd: files sss\n", false),
            (
                "passwd: files\ngroup: files [NOTFOUND=return] ldap\n",
                false,
            ),
            ("initgroups: winbind", false),
            ("passwd: files # sss", true),
        ] {
            assert_eq!(names_local_alone(text), expected, "{text}");
        }
    }
}
