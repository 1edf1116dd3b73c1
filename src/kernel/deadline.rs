//! The time by which something has to be done.

use rustix::io::Errno;
use std::cell::{OnceCell, RefCell};
use std::ffi::CString;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The time by which something has to be done, by CLOCK_MONOTONIC: a machine that sleeps meanwhile takes nothing of it.
///
/// It is made once, and what is done until then gets a copy. Copies share what is known not to answer.
#[derive(Debug, Clone, Default)]
pub struct Deadline {
    /// Nothing where there is no end.
    span: Option<Span>,
    /// What has not answered in its time.
    silent: Rc<RefCell<Vec<Silent>>>,
    /// Whether the account database is this machine's own, once it is known.
    local_accounts: Rc<OnceCell<bool>>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    began: Instant,
    total: Duration,
    /// Whether it is of what is waited for alone, and not of work that goes on.
    is_of_waits: bool,
}

/// Something that has not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kernel) enum Silent {
    /// The file system on this device, as stat(2) numbers it.
    FileSystem(u64),
    /// The entry of this name in the directory of this device and inode number, which answers itself.
    Entry(u64, u64, String),
    /// This path, on which something does not answer.
    Path(CString),
    /// The account database.
    Accounts,
}

impl Deadline {
    /// Whatever it takes.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Begins now and ends after `total`.
    #[must_use]
    pub fn after(total: Duration) -> Self {
        let began = Instant::now();
        Self {
            span: Some(Span {
                began,
                total,
                is_of_waits: false,
            }),
            ..Self::default()
        }
    }

    /// Ends `total` after it has begun, in place of what it said before. One without an end has none then either.
    #[must_use]
    pub fn of_total(&self, total: Duration) -> Self {
        Self {
            span: self.span.map(|span| Span { total, ..span }),
            ..self.clone()
        }
    }

    /// Ends what is waited for, and no work that goes on: [`Deadline::check`] always finds time.
    #[must_use]
    pub fn of_waits(&self) -> Self {
        let of_waits = |span| Span {
            is_of_waits: true,
            ..span
        };
        Self {
            span: self.span.map(of_waits),
            ..self.clone()
        }
    }

    /// The time that is left; nothing where there is no end.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.span
            .map(|Span { began, total, .. }| total.saturating_sub(began.elapsed()))
    }

    /// The part of the time that is left which one question may take: half of it, so that what is left out when it is
    /// not answered leaves time for the rest. Nothing where there is no end.
    #[must_use]
    pub fn share(&self) -> Option<Duration> {
        self.left()
            .map(|left| left.checked_div(2).unwrap_or_default())
    }

    /// Returns `time`, or what is left where that is less.
    #[must_use]
    pub fn at_most(&self, time: Duration) -> Duration {
        self.left().map_or(time, |left| left.min(time))
    }

    /// Checks that there is time left.
    ///
    /// # Errors
    ///
    /// ETIMEDOUT: there is none.
    pub fn check(&self) -> Result<(), Errno> {
        let is_of_waits = self.span.is_some_and(|span| span.is_of_waits);
        match self.left() {
            Some(Duration::ZERO) if !is_of_waits => Err(Errno::TIMEDOUT),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the account database is this machine's own, as `find_out` says, which is asked once.
    pub(in crate::kernel) fn has_local_accounts(&self, find_out: fn() -> bool) -> bool {
        *self.local_accounts.get_or_init(find_out)
    }

    /// Whether it is known not to answer.
    pub(in crate::kernel) fn is_silent(&self, thing: &Silent) -> bool {
        self.silent.borrow().contains(thing)
    }

    /// Notes that it does not answer.
    pub(in crate::kernel) fn note_silent(&self, thing: Silent) {
        self.silent.borrow_mut().push(thing);
    }
}
