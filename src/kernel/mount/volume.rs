//! File systems that programs open in the calling thread's mount namespace, and the processes that serve them.

use crate::error::{Error, Result};
use crate::kernel::mount;
use crate::kernel::namespace::Root;
use crate::kernel::process::Process;
use crate::kernel::process::helper::{Bounded, Helper};
use crate::path::ViewPath;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Signal, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The time that processes that served a file system may take to end: when it is gone, and then at each signal.
const GRACE: Duration = Duration::from_secs(1);

/// A file system that a program has opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The path in its namespace, without links.
    pub path: ViewPath,
    /// The id of its mount.
    pub mount: u64,
    /// The processes that its program has left in the namespace.
    pub daemons: Vec<Process>,
    /// The program that closes it; it is unmounted where there is none.
    pub close: Option<Helper>,
}

impl Volume {
    /// Whether one of its processes is there to serve it, as far as /proc shows.
    #[must_use]
    pub(crate) fn is_served(&self) -> bool {
        self.daemons.is_empty() || self.daemons.iter().any(Process::is_alive)
    }

    /// Whether it is where it was opened, in the calling thread's namespace. The file system is not asked.
    #[must_use]
    fn is_mounted(&self) -> bool {
        Root::unasked(self.path.as_str()).is_ok_and(|root| root.mount == self.mount)
    }
}

/// Closes volumes, last one first, in the calling thread's namespace, which must be theirs; those that another
/// session has closed, which ended at the same moment, are left alone. What goes wrong is logged; they are unmounted
/// all the same. The thread's working directory may be another one then.
pub fn close(volumes: &[Volume]) {
    for volume in volumes.iter().rev().filter(|one| one.is_mounted()) {
        if let Some(close) = &volume.close {
            log_failure(close.run(b""));
        }
        if volume.is_mounted() {
            log_failure(mount::detach_from(volume.path.as_str(), volume.mount));
        }
    }
}

fn log_failure(result: Result<()>) {
    if let Err(error) = result {
        log::warn!("{error}");
    }
}

/// Waits until processes have ended that nothing is left to do for, and ends those that do not.
pub fn end(processes: &[OwnedFd]) {
    for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
        let running: Vec<&OwnedFd> = processes
            .iter()
            .filter(|one| !has_ended(one, None))
            .collect();
        if running.is_empty() {
            return;
        }
        if let Some(signal) = signal {
            for process in &running {
                let _ = pidfd_send_signal(process, signal);
            }
        }
        let began = Instant::now();
        let left = || GRACE.saturating_sub(began.elapsed());
        running
            .iter()
            .all(|process| has_ended(process, Some(left())));
    }
}

/// Whether a process has ended, or does so within the time that is given.
fn has_ended(process: &OwnedFd, within: Option<Duration>) -> bool {
    let within = Timespec::try_from(within.unwrap_or_default()).ok();
    let mut events = [PollFd::new(process, PollFlags::IN)];
    poll(&mut events, within.as_ref()).is_ok_and(|count| count > 0)
}

/// Lists the other processes that are in the calling thread's namespace.
pub type Census<'c> = &'c dyn Fn() -> Result<Vec<Process>>;

/// The programs of a volume.
#[derive(Debug)]
pub struct Programs<'p> {
    /// The one that opens it.
    pub open: &'p Bounded,
    /// Bytes that this one reads on standard input.
    pub input: &'p [u8],
    /// The one that closes it; it is unmounted where there is none.
    pub close: Option<Helper>,
}

/// Volumes that are being opened in the calling thread's new namespace. Dropped, they are closed, and whatever
/// was left in the namespace is ended; [`Opening::keep`] lets them stay.
#[derive(Debug, Default)]
pub struct Opening {
    volumes: Vec<Volume>,
    known: Vec<Process>,
    /// Pidfds of those that the programs have left.
    left: Vec<OwnedFd>,
}

impl Opening {
    /// Opens a file system at `path`, a directory of the namespace that was vetted, without links.
    ///
    /// # Errors
    ///
    /// The program failed, or nothing is mounted at the path when it has ended.
    pub fn open(&mut self, path: &str, programs: Programs<'_>, census: Census<'_>) -> Result<()> {
        let mount = |path: &str| {
            let failed = |errno| Error::from_errno("examine", path, errno);
            Root::unasked(path).map(|root| root.mount).map_err(failed)
        };
        let before = mount(path)?;
        let ran = programs.open.run(programs.input);
        // Before anything can fail: what the program has left in the namespace has to be ended then.
        let daemons = self.add_new(census);
        ran?;
        let now = mount(path)?;
        if now == before || !mount::is_mount_point(path) {
            let reason = "its program has ended, and nothing is mounted there";
            return Err(Error::new("open", path, reason));
        }
        self.volumes.push(Volume {
            path: ViewPath::walked(path),
            mount: now,
            daemons: daemons?,
            close: programs.close,
        });
        Ok(())
    }

    /// Finds the processes that have come to the namespace since, and opens pidfds of them.
    pub(crate) fn add_new(&mut self, census: Census<'_>) -> Result<Vec<Process>> {
        let mut new = census()?;
        new.retain(|process| !self.known.contains(process));
        self.known.extend(&new);
        self.left.extend(new.iter().filter_map(Process::open_pidfd));
        Ok(new)
    }

    /// The volumes that are open.
    #[must_use]
    pub fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// Lets them stay.
    pub fn keep(mut self) {
        self.volumes.clear();
        self.left.clear();
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        // Closed first: the processes that serve a file system end by themselves when it is gone.
        close(&self.volumes);
        end(&self.left);
    }
}
