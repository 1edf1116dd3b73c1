//! The fourth field: words that mount(8) knows, and those that it hands to the file system.

use super::escape::{unescape, unquoted};
use crate::policy::value::{Attributes, Propagation, attribute};
use crate::policy::{Fault, Report, Text};
use std::ops::Range;

/// The options of the fourth field.
#[derive(Default)]
pub(super) struct Options {
    pub(super) attributes: Attributes,
    /// Whether a bind takes along what is mounted beneath; absent where it is no bind.
    pub(super) bind: Option<bool>,
    pub(super) propagation: Option<Propagation>,
    pub(super) optional: bool,
    pub(super) left_out: bool,
    pub(super) create: bool,
    rest: Vec<Passed>,
}

/// An option that the file system itself is to understand.
struct Passed {
    key: String,
    value: Option<String>,
    span: Range<usize>,
}

/// The meaning of a word that is not one attribute of the mount.
#[derive(Clone, Copy)]
enum Meaning {
    Nothing,
    /// `user`, for everybody but root, and what it implies.
    ByUsers,
    /// `owner` and `group`.
    ByOwner,
    Bind(bool),
    Travel(Propagation),
    Optional,
    LeftOut,
    Create,
    Refused(&'static str),
}

const NEVER_SHARED: &str = "mounts of a session travel to nobody; use `slave` or `private`";
const NOT_REMOUNTED: &str = "an entry makes a mount, and changes none";

/// The words of mount(8) that are neither the file system's nor one attribute of the mount, compared exactly.
const WORDS: &[(&str, Meaning)] = &[
    ("defaults", Meaning::Nothing),
    ("auto", Meaning::Nothing),
    ("nouser", Meaning::Nothing),
    ("_netdev", Meaning::Nothing),
    ("silent", Meaning::Nothing),
    ("loud", Meaning::Nothing),
    ("user", Meaning::ByUsers),
    ("users", Meaning::ByUsers),
    ("owner", Meaning::ByOwner),
    ("group", Meaning::ByOwner),
    ("bind", Meaning::Bind(false)),
    ("rbind", Meaning::Bind(true)),
    ("private", Meaning::Travel(Propagation::Private)),
    ("rprivate", Meaning::Travel(Propagation::Private)),
    ("slave", Meaning::Travel(Propagation::Slave)),
    ("rslave", Meaning::Travel(Propagation::Slave)),
    ("shared", Meaning::Refused(NEVER_SHARED)),
    ("rshared", Meaning::Refused(NEVER_SHARED)),
    ("unbindable", Meaning::Refused(NEVER_SHARED)),
    ("runbindable", Meaning::Refused(NEVER_SHARED)),
    ("remount", Meaning::Refused(NOT_REMOUNTED)),
    ("move", Meaning::Refused(NOT_REMOUNTED)),
    ("nofail", Meaning::Optional),
    ("noauto", Meaning::LeftOut),
    ("X-mount.mkdir", Meaning::Create),
    ("x-mount.mkdir", Meaning::Create),
];

/// Options that mount(8) deals with itself before it calls the kernel.
const NOT_DONE: &[(&str, &str)] = &[
    ("loop", "loop devices are not set up"),
    ("offset", "loop devices are not set up"),
    ("sizelimit", "loop devices are not set up"),
    ("encryption", "loop devices are not set up"),
    ("helper", "no helper is run"),
    ("uhelper", "no helper is run"),
    (
        "X-mount.mkdir",
        "a mount point that is made has the mode 0755",
    ),
    (
        "x-mount.mkdir",
        "a mount point that is made has the mode 0755",
    ),
];

impl Options {
    /// The options at `span` of the text; nothing where one of them is wrong.
    pub(super) fn read(text: &Text<'_>, span: &Range<usize>, report: &mut Report) -> Option<Self> {
        let mut options = Self::default();
        let mut good = true;
        for word in words(text.slice(span), span.start) {
            if let Err(fault) = options.add(text.slice(&word), &word) {
                report.error(text, &word, fault);
                good = false;
            }
        }
        good.then_some(options)
    }

    fn add(&mut self, word: &str, span: &Range<usize>) -> Result<(), Fault> {
        let word = unescape(word).map_err(Fault::new)?;
        if let Some(choice) = attribute::of_mount_word(&word) {
            self.attributes = Attributes::from(choice).or(self.attributes);
            return Ok(());
        }
        if let Some((_, meaning)) = WORDS.iter().find(|(known, _)| *known == word) {
            return self.apply(*meaning).map_err(Fault::new);
        }
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key, Some(unquoted(value).to_owned())),
            None => (word.as_str(), None),
        };
        // Notes for others than mount(8).
        if key.starts_with("x-") && key != "x-mount.mkdir" || key == "comment" {
            return Ok(());
        }
        if key.starts_with("X-") && key != "X-mount.mkdir" {
            return Err(Fault::new(format!("the option {key} is not supported")));
        }
        self.rest.push(Passed {
            key: key.to_owned(),
            value,
            span: span.clone(),
        });
        Ok(())
    }

    /// A later word wins.
    fn apply(&mut self, meaning: Meaning) -> Result<(), &'static str> {
        const UNPRIVILEGED: u64 = attribute::NO_SUID | attribute::NO_DEV;
        let mut ask_for = |bits| self.attributes = Attributes::asking_for(bits).or(self.attributes);
        match meaning {
            Meaning::Nothing => {}
            Meaning::ByUsers => ask_for(UNPRIVILEGED | attribute::NO_EXEC),
            Meaning::ByOwner => ask_for(UNPRIVILEGED),
            Meaning::Bind(recursive) => self.bind = Some(recursive),
            Meaning::Travel(propagation) => self.propagation = Some(propagation),
            Meaning::Optional => self.optional = true,
            Meaning::LeftOut => self.left_out = true,
            Meaning::Create => self.create = true,
            Meaning::Refused(reason) => return Err(reason),
        }
        Ok(())
    }

    /// The options for the file system.
    pub(super) fn passed_on(&self) -> Vec<(String, Option<String>)> {
        let option = |passed: &Passed| (passed.key.clone(), passed.value.clone());
        self.rest.iter().map(option).collect()
    }

    /// The faults of options for a file system where none is made.
    pub(super) fn unknown_to_binds(&self) -> Vec<(Range<usize>, Fault)> {
        let fault = |passed: &Passed| {
            let message = format!("a bind has no option {}", passed.key);
            (passed.span.clone(), Fault::new(message))
        };
        self.rest.iter().map(fault).collect()
    }

    /// The faults of options that mount(8) keeps to itself.
    pub(super) fn unsupported(&self) -> Vec<(Range<usize>, Fault)> {
        let fault = |passed: &Passed| {
            let known = NOT_DONE.iter().find(|(key, _)| *key == passed.key);
            known.map(|(_, reason)| (passed.span.clone(), Fault::new(*reason)))
        };
        self.rest.iter().filter_map(fault).collect()
    }
}

/// The places of the words of the field: commas separate them, except between quotes.
fn words(field: &str, start: usize) -> Vec<Range<usize>> {
    let mut quoted = false;
    let separates = |character: char| {
        quoted ^= character == '"';
        character == ',' && !quoted
    };
    let mut found = Vec::new();
    let mut at = start;
    for word in field.split(separates) {
        let end = at.saturating_add(word.len());
        if !word.is_empty() {
            found.push(at..end);
        }
        at = end.saturating_add(1);
    }
    found
}
