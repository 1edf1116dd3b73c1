//! What a driver printed about itself.

use std::process::Output;

/// PAM's codes, as `security/_pam_types.h` numbers them.
pub mod code {
    pub const SUCCESS: i32 = 0;
    pub const USER_UNKNOWN: i32 = 10;
    pub const PERM_DENIED: i32 = 6;
}

/// What one run of a driver brought.
#[derive(Debug)]
pub struct Report {
    pub lines: Vec<String>,
    pub output: Output,
}

impl Report {
    /// The values of all lines that begin with the key, such as the codes of every `open`.
    pub fn values(&self, key: &str) -> Vec<&str> {
        let after = |line: &'_ String| line.strip_prefix(key)?.strip_prefix(' ').map(str::len);
        let lines = self.lines.iter();
        lines
            .filter_map(|line| after(line).map(|length| &line[line.len() - length..]))
            .collect()
    }

    /// PAM's codes for every call of that name, in order.
    pub fn codes(&self, call: &str) -> Vec<i32> {
        let values = self.values(call).into_iter();
        values.map(|value| value.parse().unwrap()).collect()
    }

    /// The state of the process that was recorded under the label.
    pub fn state(&self, label: &str) -> Vec<&str> {
        let state = self.values(label);
        assert!(!state.is_empty(), "no state {label} in {self:#?}");
        state
    }

    /// The same without what a session is for: the mount namespace and what is mounted in it.
    pub fn state_without_view(&self, label: &str) -> Vec<&str> {
        let is_view =
            |line: &&str| line.starts_with("mount ") || line.starts_with("namespace mnt ");
        let state = self.state(label).into_iter();
        state.filter(|line| !is_view(line)).collect()
    }

    /// Which namespaces were exchanged between two labels, of those that sessions can have of their own.
    pub fn exchanged(&self, before: &str, after: &str) -> Vec<&'static str> {
        let kinds = ["mnt", "ipc", "uts", "net"].into_iter();
        let number = |label: &str, kind: &str| self.values(&format!("{label} namespace {kind}"))[0];
        kinds
            .filter(|kind| number(before, kind) != number(after, kind))
            .collect()
    }

    /// One number that was recorded under the label.
    pub fn number(&self, label: &str, key: &str) -> i64 {
        let value = self.values(&format!("{label} {key}"))[0];
        value.parse().unwrap()
    }

    /// The mount namespace at the time of the label.
    pub fn namespace(&self, label: &str) -> &str {
        self.values(&format!("{label} namespace mnt"))[0]
    }
}

/// Two states are equal, or the test fails with the lines that are not.
#[track_caller]
pub fn assert_same(before: &[&str], after: &[&str], case: &str) {
    let difference = difference(before, after);
    assert!(difference.is_empty(), "{case}:\n{difference}");
}

/// The lines that two states do not have in common, as diff(1) shows them; empty for equal ones.
pub fn difference<S: AsRef<str> + PartialEq>(before: &[S], after: &[S]) -> String {
    let gone = before.iter().filter(|line| !after.contains(line));
    let new = after.iter().filter(|line| !before.contains(line));
    let gone = gone.map(|line| format!("- {}\n", line.as_ref()));
    gone.chain(new.map(|line| format!("+ {}\n", line.as_ref())))
        .chain((before.len() != after.len()).then(|| "a line more or less\n".to_owned()))
        .collect()
}
