//! Work that is done in a copy of this process, so that what it does to the process does not stay.

use super::check::Check;
use crate::error::{Error, Result};
use crate::kernel::process::copy;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, waitpid};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};

/// The number of bytes that one copy may say.
const MOST: u64 = 4 << 20;

/// Has a copy of this process, which has one thread, do the work, and returns what it found.
///
/// # Errors
///
/// There is no copy to be had, or it ended without a word.
pub(super) fn in_copy(work: impl FnOnce() -> Vec<Check>) -> Result<Vec<Check>> {
    let failed = |errno| Error::from_errno("start", "the test", errno);
    copy::remember_ended_children();
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let child = copy::start_copy(|| {
        let said = serde_json::to_string(&work()).unwrap_or_default();
        match writeln!(File::from(writer), "{said}") {
            Ok(()) => 0,
            Err(_) => 1,
        }
    });
    let child = child.map_err(failed)?;
    // A line, and not the end: what a module of the stack has started may hold the pipe.
    let mut line = String::new();
    let read = BufReader::new(std::io::Read::take(File::from(reader), MOST)).read_line(&mut line);
    while matches!(waitpid(Some(child), WaitOptions::empty()), Err(Errno::INTR)) {}
    let ended = |reason: String| Error::new("test", "the session", reason);
    read.map_err(|error| ended(error.to_string()))?;
    serde_json::from_str(&line).map_err(|_| ended("the process in it ended early".to_owned()))
}
