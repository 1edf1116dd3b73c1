//! The log, alive for one hook.
//!
//! A daemon may close or reuse descriptors that are not its own between two hooks, so none is kept: one
//! non-blocking socket is opened when the hook begins, in the host's view of `/dev/log`, and closed when
//! it ends. Where nobody listens, messages are lost rather than the login delayed.

use crate::error::harmless;
use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::cell::RefCell;
use std::io::{ErrorKind, Write};
use std::mem::ManuallyDrop;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};
use syslog::{Facility, LogFormat, Logger, LoggerBackend, Severity};

/// The longest message, in bytes; receivers cut at 8 KiB.
const LONGEST: usize = 8000;

/// The number of characters of a service's name in front of each message. What the message says comes behind it.
const LONGEST_SERVICE: usize = 64;

/// The time that the messages of one hook may wait, together, for a receiver whose queue is full. A burst of logins
/// loses no line, and a receiver that is stuck holds no login up.
const TOTAL_TIMEOUT: Duration = Duration::from_millis(300);

/// Messages of the hook that runs on this thread go to the system log. Dropped, its socket is closed.
#[derive(Debug)]
pub struct Journal(());

/// Somebody else who is given the messages.
pub type Listener = fn(&Record<'_>);

struct Hook {
    logger: Option<Logger<LoggerBackend, Line>>,
    listener: Option<Listener>,
    level: LevelFilter,
    remaining: Duration,
}

thread_local! {
    /// The hook that the thread is in. It has no destructor: one that had run would be missed where a host closes its
    /// sessions in a function for atexit(3), and what is used behind its destructor panics. [`Journal`] drops what is
    /// in it.
    static HOOK: RefCell<ManuallyDrop<Option<Hook>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

struct Sink;
static SINK: Sink = Sink;

impl Journal {
    /// Opens the log for a hook of `service`; `level` is the least important that is let through.
    #[must_use]
    pub fn open(service: &str, hook: &str, level: LevelFilter) -> Self {
        // Fails when it was set before, which is as good.
        let _ = log::set_logger(&SINK);
        log::set_max_level(LevelFilter::Debug);
        let service: String = service.chars().take(LONGEST_SERVICE).collect();
        let line = Line {
            context: format!("{service}:{hook}"),
        };
        let logger = connect().map(|backend| Logger::new(backend, line));
        HOOK.with(|slot| {
            **slot.borrow_mut() = Some(Hook {
                logger,
                listener: None,
                level,
                remaining: TOTAL_TIMEOUT,
            })
        });
        Self(())
    }

    /// Gives the messages to `listener` too.
    #[must_use]
    pub fn heard_by(self, listener: Listener) -> Self {
        HOOK.with(|slot| {
            if let Some(hook) = slot.borrow_mut().as_mut() {
                hook.listener = Some(listener);
            }
        });
        self
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        HOOK.with(|slot| **slot.borrow_mut() = None);
    }
}

fn connect() -> Option<LoggerBackend> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok()?;
    let socket = UnixDatagram::from(socket);
    socket.connect("/dev/log").ok()?;
    Some(LoggerBackend::Unix(socket))
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        HOOK.with(|slot| {
            let slot = slot.try_borrow();
            slot.is_ok_and(|hook| hook.as_ref().is_some_and(|h| metadata.level() <= h.level))
        })
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        HOOK.with(|slot| {
            if let Ok(mut slot) = slot.try_borrow_mut()
                && let Some(hook) = slot.as_mut()
            {
                hook.send(record);
            }
        });
    }

    fn flush(&self) {}
}

impl Hook {
    fn send(&mut self, record: &Record<'_>) {
        let message = record.args().to_string();
        if let Some(listener) = self.listener {
            listener(record);
        }
        while let Some(logger) = &mut self.logger {
            let sent = match record.level() {
                Level::Error => logger.err(&message),
                Level::Warn => logger.warning(&message),
                Level::Info => logger.info(&message),
                Level::Debug | Level::Trace => logger.debug(&message),
            };
            match sent {
                Err(syslog::Error::Write(error)) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.wait() {
                        return;
                    }
                }
                // Nobody can be told that the log is broken.
                Ok(()) | Err(_) => return,
            }
        }
    }

    /// Waits until the receiver takes messages again; false when the time has run out.
    fn wait(&mut self) -> bool {
        let Some(LoggerBackend::Unix(socket)) = self.logger.as_ref().map(|l| &l.backend) else {
            return false;
        };
        let Ok(left) = Timespec::try_from(self.remaining) else {
            return false;
        };
        let began = Instant::now();
        let ready = poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&left));
        self.remaining = self.remaining.saturating_sub(began.elapsed());
        ready.is_ok_and(|count| count > 0) && !self.remaining.is_zero()
    }
}

/// One message as /dev/log receives it: priority, tag and text. The receiver knows the time.
#[derive(Debug)]
struct Line {
    context: String,
}

impl LogFormat<&String> for Line {
    fn format<W: Write>(
        &self,
        socket: &mut W,
        severity: Severity,
        message: &String,
    ) -> syslog::Result<()> {
        let priority = Facility::LOG_AUTHPRIV as u8 | severity as u8;
        let pid = std::process::id();
        let text = escape(&format!("({}) {message}", self.context));
        let line = format!("<{priority}>pam_jns[{pid}]: {text}");
        let written = socket.write_all(line.as_bytes());
        written.map_err(syslog::Error::Write)
    }
}

/// Makes text that users have a say in safe for a line of a log, which ends where it gets too long. What was made
/// [`harmless`] before stays as it is.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = harmless(text);
    if safe.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| safe.is_char_boundary(*end));
        safe.truncate(end.unwrap_or_default());
        safe.push('…');
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let table = [
            ("plain text", "plain text"),
            ("two\nlines", "two\\u{a}lines"),
            ("colour\x1b[31m", "colour\\u{1b}[31m"),
            ("escaped\\u{a}once", "escaped\\u{a}once"),
            ("back\\slash", "back\\slash"),
            ("right\u{202e}left", "right\\u{202e}left"),
            ("c1\u{9b}31m", "c1\\u{9b}31m"),
            ("żółw", "żółw"),
            ("%s%n {user}", "%s%n {user}"),
        ];
        for (given, expected) in table {
            assert_eq!(escape(given), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let cut = escape(&"x".repeat(100_000));
        assert!(cut.len() < LONGEST + 8 && cut.ends_with('…'));
    }

    #[test]
    fn without_a_hook_nothing_is_logged() {
        assert!(!SINK.enabled(&Metadata::builder().level(Level::Error).build()));
    }
}
