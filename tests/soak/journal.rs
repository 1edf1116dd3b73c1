//! The system log of the sandbox.

use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{Permissions, remove_file, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

const SOCKET: &str = "/dev/log";

/// The number of lines that are kept for failures.
const KEPT: usize = 4000;

/// The number of lines that a failure is told with.
const TOLD: usize = 20;

/// The number of different complaints that are told apart.
const DIFFERENT: usize = 40;

/// Lines of the log: the last of them, and what the module has complained of.
#[derive(Clone, Default)]
pub struct Journal {
    lines: Arc<Mutex<Lines>>,
}

/// A warning or an error of the module's.
#[derive(Debug, Clone, Serialize)]
pub struct Complaint {
    /// The number of lines of the log of that form.
    pub count: usize,
    /// The first of them.
    pub first: String,
}

#[derive(Default)]
struct Lines {
    last: VecDeque<String>,
    /// The number of all that there were.
    count: usize,
    /// The module's warnings and errors, one of each form, by it.
    complaints: BTreeMap<String, Complaint>,
}

impl Journal {
    /// Takes the place of whoever has read the log until now.
    pub fn listen() -> Self {
        let _ = remove_file(SOCKET);
        let socket = UnixDatagram::bind(SOCKET).expect("the log socket can be bound");
        set_permissions(SOCKET, Permissions::from_mode(0o666)).expect("the log socket is ours");
        let journal = Self::default();
        let lines = Arc::clone(&journal.lines);
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length) = socket.recv(&mut buffer) {
                let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
                lines.lock().unwrap().add(line);
            }
        });
        journal
    }

    /// The number of lines until now.
    pub fn position(&self) -> usize {
        self.lines.lock().unwrap().count
    }

    /// The last lines since a position that name a user, or are complaints of the module's, which may name nobody.
    pub fn since(&self, position: usize, user: &str) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let gone = lines.count - lines.last.len();
        let new = lines.last.iter().skip(position.saturating_sub(gone));
        let is_of_user = |line: &str| {
            line.split(|c: char| !c.is_alphanumeric())
                .any(|word| word == user)
        };
        let told = new.filter(|line| is_complaint(line) || is_of_user(line));
        let told: Vec<&String> = told.collect();
        let first = told.len().saturating_sub(TOLD);
        told[first..].iter().copied().cloned().collect()
    }

    /// The module's warnings and errors until now.
    pub fn complaints(&self) -> Vec<Complaint> {
        let lines = self.lines.lock().unwrap();
        lines.complaints.values().cloned().collect()
    }
}

impl Lines {
    fn add(&mut self, line: String) {
        if is_complaint(&line) {
            self.add_complaint(&line);
        }
        self.count += 1;
        self.last.push_back(line);
        if self.last.len() > KEPT {
            self.last.pop_front();
        }
    }
}

impl Lines {
    fn add_complaint(&mut self, line: &str) {
        let form = form(line);
        if self.complaints.len() == DIFFERENT && !self.complaints.contains_key(&form) {
            return;
        }
        let complaint = self.complaints.entry(form).or_insert_with(|| Complaint {
            count: 0,
            first: line.to_owned(),
        });
        complaint.count += 1;
    }
}

/// Whether a line `<PRIORITY>...` is the module's, and a warning or worse.
fn is_complaint(line: &str) -> bool {
    let priority = line
        .strip_prefix('<')
        .and_then(|rest| rest.split('>').next());
    let level = priority.and_then(|number| number.parse::<u32>().ok());
    line.contains("pam_jns") && level.is_some_and(|level| level % 8 < 5)
}

/// The form of a line: its text without numbers, hexadecimal ones included.
fn form(line: &str) -> String {
    let text = line.split_once("]: ").map_or(line, |(_, text)| text);
    let words = text.split([' ', '/', '-']);
    let words = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}
