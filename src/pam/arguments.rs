//! The module's arguments.

use super::threads::Threads;
use crate::error::{Error, Result};
use crate::policy::Source;
use log::LevelFilter;
use std::ffi::CStr;

/// The module's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) source: Source,
    pub(super) observe: bool,
    pub(super) debug: bool,
    pub(super) threads: Threads,
}

impl Arguments {
    pub(super) fn parse(given: &[&CStr]) -> Result<Self> {
        let mut arguments = Self {
            source: Source::System,
            observe: false,
            debug: false,
            threads: Threads::First,
        };
        for argument in given {
            let text = argument.to_string_lossy();
            match text.split_once('=') {
                Some(("config", path)) => arguments.source = Source::File(path.to_owned()),
                Some(("threads", "any")) => arguments.threads = Threads::Any,
                None if text == "observe" => arguments.observe = true,
                None if text == "debug" => arguments.debug = true,
                _ => {
                    let reason = "known ones are config=PATH, observe, debug and threads=any";
                    return Err(Error::new("use module argument", text, reason));
                }
            }
        }
        Ok(arguments)
    }
}

/// The least important messages that the module's arguments let through, before all of them are looked at.
pub(super) fn level(arguments: &[&CStr]) -> LevelFilter {
    let mut arguments = arguments.iter();
    match arguments.any(|argument| argument.to_bytes() == b"debug") {
        true => LevelFilter::Debug,
        false => LevelFilter::Info,
    }
}
