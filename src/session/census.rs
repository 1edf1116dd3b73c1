//! The mount namespaces that processes are in.

use super::ledger::NamespaceRecord;
use crate::error::{Error, Result};
use crate::kernel::namespace::{Identity, Namespace, Root};
use crate::kernel::process::{self, Process};
use crate::login::is_effective_root;
use rustix::fs::{Stat, Timespec};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};

/// The number of times that a process which may not be looked at is looked at again, and the time in between.
const ATTEMPTS: u32 = 25;
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// The mount namespaces of all processes that /proc shows: inode number, and those that are in it.
#[derive(Debug)]
pub(crate) struct Census(BTreeMap<u64, BTreeSet<u32>>);

impl Census {
    /// Takes the census of all threads: in a threaded program one thread alone may be in a namespace.
    ///
    /// # Errors
    ///
    /// Some process may not be looked at. What is not seen must not be taken for what is not there.
    pub(crate) fn take() -> Result<Self> {
        let mut found: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        for task in threads()? {
            if let Some(inode) = task.stat("ns/mnt")?.map(|status| status.st_ino) {
                found.entry(inode).or_default().insert(task.pid);
            }
        }
        Ok(Self(found))
    }

    /// Whether a process is in that namespace, and not in a later one that was given its number.
    pub(crate) fn holds(&self, identity: Identity) -> bool {
        let Some(pid) = self.0.get(&identity.inode).and_then(BTreeSet::first) else {
            return false;
        };
        let present = Namespace::of_process(*pid)
            .map(|namespace| namespace.identity())
            .filter(|present| present.inode == identity.inode)
            .and_then(|present| present.id);
        // Where either has no id, the number is all there is to go by.
        let ids = present.zip(identity.id);
        ids.is_none_or(|(present, wanted)| present == wanted)
    }

    /// Whether a process is in the namespace of a record besides those that serve its volumes.
    pub(crate) fn is_used(&self, record: &NamespaceRecord) -> bool {
        if !self.holds(record.namespace) {
            return false;
        }
        let volumes = record.volumes.iter();
        let daemons: Vec<Process> = volumes
            .flat_map(|volume| &volume.daemons)
            .copied()
            .collect();
        let mut inside = self.0.get(&record.namespace.inode).into_iter().flatten();
        inside.any(|pid| !process::descends_from(*pid, &daemons))
    }

    /// Whether a process is in a namespace of that number.
    pub(crate) fn has_number(&self, inode: u64) -> bool {
        self.0.contains_key(&inode)
    }
}

/// A process, or one thread of it.
pub(crate) struct Task {
    pub(crate) pid: u32,
    path: String,
}

impl Task {
    /// The status of what a file of its directory in /proc leads to; nothing where it has ended.
    ///
    /// # Errors
    ///
    /// It may not be looked at.
    pub(crate) fn stat(&self, name: &str) -> Result<Option<Stat>> {
        self.look_at(name, |path| rustix::fs::stat(path))
    }

    /// Its root directory; nothing where it has ended.
    ///
    /// # Errors
    ///
    /// It may not be looked at.
    pub(crate) fn root(&self) -> Result<Option<Root>> {
        self.look_at("root", Root::unasked)
    }

    fn look_at<T>(&self, name: &str, look: impl Fn(&str) -> Result<T, Errno>) -> Result<Option<T>> {
        let path = self.path_of(name);
        match look(&path) {
            // Some security modules let nobody look at the first process, which is in no session's namespace.
            Err(Errno::ACCESS) if self.pid == 1 => Ok(None),
            Err(Errno::ACCESS) => look_again(|| look(&path))
                .map(Some)
                .or_else(unless_gone(&path)),
            other => other.map(Some).or_else(unless_gone(&path)),
        }
    }

    pub(crate) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }
}

/// Looks again at a process that may not be looked at. Links in /proc say so too when their process ends while they are
/// followed: it is gone then. And where this process has less rights than root in general, one that is just being started
/// may have more, which it gives up in a moment.
fn look_again<T>(look: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 0..ATTEMPTS {
        match look() {
            Err(Errno::ACCESS) if is_effective_root() => {
                let _ = rustix::thread::nanosleep(&PAUSE);
            }
            other => return other,
        }
    }
    look()
}

/// All processes that /proc shows.
///
/// # Errors
///
/// /proc cannot be read.
pub(crate) fn processes() -> Result<Vec<Task>> {
    let task = |pid| Task {
        pid,
        path: format!("/proc/{pid}"),
    };
    Ok(process::all()?.into_iter().map(task).collect())
}

/// All threads of all processes that /proc shows.
///
/// # Errors
///
/// /proc cannot be read.
pub(crate) fn threads() -> Result<Vec<Task>> {
    /// The names `.` and `..` of a directory, and one more: /proc counts threads there, as directories are counted.
    const LINKS_OF_ONE: u64 = 3;
    let mut found = Vec::new();
    for pid in process::all()? {
        let tasks = format!("/proc/{pid}/task");
        let links = rustix::fs::stat(&tasks).map(|status| status.st_nlink);
        if links == Ok(LINKS_OF_ONE) {
            let path = format!("/proc/{pid}");
            found.push(Task { pid, path });
            continue;
        }
        let numbers: Vec<u32> = process::numbers(&tasks).or_else(unless_gone(&tasks))?;
        let paths = numbers
            .into_iter()
            .map(|thread| format!("{tasks}/{thread}"));
        found.extend(paths.map(|path| Task { pid, path }));
    }
    Ok(found)
}

/// Nothing for a process that has ended since /proc was listed, an error for one that may not be looked at.
pub(crate) fn unless_gone<T: Default>(path: &str) -> impl FnOnce(Errno) -> Result<T> {
    move |errno| match errno {
        Errno::NOENT | Errno::SRCH | Errno::NOTDIR => Ok(T::default()),
        errno => Err(Error::from_errno("examine", path, errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// About one in twenty is caught while it is looked at.
    #[test]
    #[allow(
        clippy::disallowed_methods,
        reason = "the test starts processes that end"
    )]
    fn processes_that_end_are_not_forbidden_ones() {
        for _ in 0..300 {
            let mut child = Command::new("true").spawn().unwrap();
            let pid = child.id();
            let path = format!("/proc/{pid}");
            let task = Task { pid, path };
            std::thread::scope(|scope| {
                scope.spawn(|| child.wait().unwrap());
                while task.stat("ns/mnt").unwrap().is_some() {}
            });
        }
    }

    #[test]
    fn what_is_refused_for_a_moment_is_looked_at_again() {
        let looks = std::cell::Cell::new(0);
        let look = |refusals| {
            looks.set(0);
            look_again(|| match looks.replace(looks.get() + 1) {
                look if look < refusals => Err(Errno::ACCESS),
                _ => Ok(()),
            })
        };
        if !is_effective_root() {
            assert_eq!(look(1), Err(Errno::ACCESS));
            return;
        }
        assert_eq!((look(3), looks.get()), (Ok(()), 4));
        assert_eq!(look(u32::MAX), Err(Errno::ACCESS));
        assert_eq!(look_again(|| Err::<(), _>(Errno::NOENT)), Err(Errno::NOENT));
    }
}
