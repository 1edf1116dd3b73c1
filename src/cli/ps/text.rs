//! The list as an administrator reads it.

use super::census::{Census, NamespaceEntry, SessionEntry, UserEntry, Volume};
use super::space::readable;
use crate::cli::terminal::{Screen, Tone};
use crate::error::harmless;
use crate::path::ViewPath;
use crate::session::NamespaceRecord;
use crate::session::memory::Memory;
use humantime::format_duration;
use std::time::{Duration, SystemTime};

/// The number of units of an age that are shown: `2h 5m`.
const UNITS: usize = 2;

/// The whole list.
pub fn of(census: &Census, screen: Screen) -> String {
    if census.users.is_empty() {
        return String::from("no namespaces: no session has one\n");
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let show = Show {
        screen,
        now: now.map_or(0, |now| now.as_secs()),
    };
    census.users.iter().map(|entry| show.user(entry)).collect()
}

/// The screen that it is shown on, and the time.
struct Show {
    screen: Screen,
    now: u64,
}

impl Show {
    fn user(&self, entry: &UserEntry) -> String {
        let name = self.screen.paint(Tone::Strong, &harmless(&entry.name));
        let namespaces = entry.namespaces.iter().map(|entry| self.namespace(entry));
        format!("{name} ({})\n{}", entry.uid, namespaces.collect::<String>())
    }

    fn namespace(&self, entry: &NamespaceEntry) -> String {
        let kind = if entry.pinned { "shared" } else { "own" };
        let mut words = vec![entry.identity.to_string(), kind.to_owned()];
        words.push(self.age(entry.since()));
        words.push(match entry.processes {
            0 => self.screen.paint(Tone::Warning, "unused"),
            number => count_processes(number),
        });
        let record = entry.record.as_ref();
        words.extend(record.map(|record| {
            let paths: Vec<&str> = record.paths.iter().map(ViewPath::as_str).collect();
            harmless(&paths.join(" "))
        }));
        words.extend(record.and_then(caller));
        words.extend(programs(entry));
        words.extend(record.and_then(isolation));
        words.extend(record.and_then(unpinned));
        words.extend(
            record
                .and_then(|record| record.init)
                .map(|init| format!("init {}", init.pid)),
        );
        let memory = entry.memory.iter().map(memory);
        let volumes = entry.volumes.iter().map(volume);
        let sessions = self.sessions(&entry.sessions);
        let below: String = memory.chain(volumes).chain(sessions).collect();
        format!("  {}\n{below}", words.join("  "))
    }

    /// A line for each session, in columns.
    fn sessions(&self, entries: &[SessionEntry]) -> Vec<String> {
        let rows: Vec<[String; 4]> = entries.iter().map(|entry| self.row(entry)).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let (service, place, process) = (width(0), width(1), width(2));
        let lines = rows.iter().zip(entries).map(|([s, t, p, age], entry)| {
            let (id, remark) = (harmless(entry.record.id.as_str()), self.remark(entry));
            let line =
                format!("    {id}  {s:<service$}  {t:<place$}  {p:<process$}  {age}  {remark}");
            line.trim_end().to_owned() + "\n"
        });
        lines.collect()
    }

    fn row(&self, entry: &SessionEntry) -> [String; 4] {
        let record = &entry.record;
        let tty = record.tty.iter().cloned();
        let rhost = record.rhost.iter().map(|rhost| format!("from {rhost}"));
        let place: Vec<String> = tty.chain(rhost).collect();
        [
            harmless(&record.service),
            harmless(&place.join(" ")),
            format!("pid {}", record.process.pid),
            self.age(record.opened),
        ]
    }

    fn remark(&self, entry: &SessionEntry) -> String {
        let left_over = (!entry.open).then(|| self.screen.paint(Tone::Warning, "left over"));
        let stale = (entry.stale == Some(true))
            .then(|| self.screen.paint(Tone::Warning, "policy changed since"));
        let remarks: Vec<String> = left_over.into_iter().chain(stale).collect();
        remarks.join(", ")
    }

    fn age(&self, since: u64) -> String {
        let age = Duration::from_secs(self.now.saturating_sub(since));
        let text = format_duration(age).to_string();
        let units: Vec<&str> = text.split(' ').take(UNITS).collect();
        format!("age {}", units.join(" "))
    }
}

/// Returns whose directories a command's namespace shows.
fn caller(record: &NamespaceRecord) -> Option<String> {
    let caller = record.caller.as_ref();
    caller.map(|caller| format!("with directories of {}", harmless(caller)))
}

/// Lists the programs that a command has left running, or still is.
fn programs(entry: &NamespaceEntry) -> Option<String> {
    let programs = &entry.programs;
    (!programs.is_empty()).then(|| format!("running {}", harmless(&programs.join(" "))))
}

/// Says why other logins do not join a namespace that they were to join.
fn unpinned(record: &NamespaceRecord) -> Option<String> {
    let reason = record.unpinned.as_ref()?;
    Some(format!("not shared: {}", harmless(reason)))
}

/// Lists what is the namespace's own besides mounts, in the words of `[[isolate]]`.
fn isolation(record: &NamespaceRecord) -> Option<String> {
    let words: Vec<String> = record
        .isolation
        .iter()
        .map(|(key, word)| format!("{key}={word}"))
        .collect();
    (!words.is_empty()).then(|| harmless(&words.join(" ")))
}

fn count_processes(number: usize) -> String {
    match number {
        1 => "1 process".to_owned(),
        number => format!("{number} processes"),
    }
}

fn memory(memory: &Memory) -> String {
    let (path, used, size) = (
        harmless(&memory.path),
        readable(memory.used),
        readable(memory.size),
    );
    format!("    {path}: {used} of {size} of memory\n")
}

fn volume(volume: &Volume) -> String {
    let used = match volume.used {
        None => "not there any more".to_owned(),
        Some(usage) if usage.more => format!("more than {} on disk", readable(usage.bytes)),
        Some(usage) => format!("{} on disk", readable(usage.bytes)),
    };
    format!("    {}: {used}\n", harmless(&volume.path))
}
