//! A policy as it is written: tables with comments, and keys in a chosen order.

use super::remark::Remark;
use crate::error::{Location, harmless};
use crate::policy::source::LIMIT;
use crate::policy::{self, Diagnostic, Severity};
use std::collections::BTreeMap;
use std::fmt;
use toml_writer::{TomlStringBuilder, TomlWrite};

/// A policy to be written.
#[derive(Debug, Default)]
pub struct Policy {
    /// The comment above everything, a line each, without `#`.
    pub head: Vec<String>,
    /// `[settings]`, if it is needed.
    pub settings: Option<Table>,
    /// The rules.
    pub rules: Vec<Table>,
}

/// A table of a policy.
#[derive(Debug)]
pub struct Table {
    header: &'static str,
    comments: Vec<String>,
    keys: Vec<(&'static str, String)>,
}

impl Table {
    /// A table under `header`, such as `[[private]]`.
    pub fn new(header: &'static str) -> Self {
        Self {
            header,
            comments: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Adds a line of comment above the table, given without `#`.
    pub fn comment(mut self, line: &str) -> Self {
        self.comments.push(harmless(line));
        self
    }

    /// Adds a key that is a string.
    pub fn text(self, key: &'static str, value: &str) -> Self {
        self.key(key, written(value))
    }

    /// Gives a key that is a string another value.
    pub fn with_text(mut self, key: &'static str, value: &str) -> Self {
        for (known, old) in &mut self.keys {
            if *known == key {
                *old = written(value);
            }
        }
        self
    }

    /// Adds a key that is a string, if there is one.
    pub fn optional_text(self, key: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    /// Adds a key that is a list of strings. An empty list is written, too.
    pub fn texts(self, key: &'static str, values: &[String]) -> Self {
        let list: Vec<String> = values.iter().map(|value| written(value)).collect();
        self.key(key, format!("[{}]", list.join(", ")))
    }

    /// Adds a key that is a list of strings, unless the list is empty.
    pub fn filled_texts(self, key: &'static str, values: &[String]) -> Self {
        if values.is_empty() {
            return self;
        }
        self.texts(key, values)
    }

    /// Adds a key that is true, if `value` is. Nothing is written otherwise.
    pub fn flag(self, key: &'static str, value: bool) -> Self {
        if value {
            return self.key(key, String::from("true"));
        }
        self
    }

    /// Adds a key that is true, unless it is there.
    pub fn flag_once(self, key: &'static str) -> Self {
        let is_there = self.keys.iter().any(|(known, _)| *known == key);
        self.flag(key, !is_there)
    }

    /// Adds a key that is a number, if there is one.
    pub fn number(self, key: &'static str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.key(key, value.to_string()),
            None => self,
        }
    }

    /// Adds a key that is a table of strings on one line.
    pub fn texts_by_name<'v>(
        self,
        key: &'static str,
        values: impl Iterator<Item = (&'v str, &'v str)>,
    ) -> Self {
        let pairs: Vec<String> = values
            .map(|(name, value)| format!("{name} = {}", written(value)))
            .collect();
        self.key(key, format!("{{ {} }}", pairs.join(", ")))
    }

    fn key(mut self, key: &'static str, value: String) -> Self {
        self.keys.push((key, value));
        self
    }
}

/// A rule, and the place in the configuration that it was made from.
#[derive(Debug)]
pub struct Draft {
    /// The place.
    pub location: Location,
    /// The rule.
    pub table: Table,
}

/// Keeps the rules that the language takes, each by itself and all together. A remark says why another one is left out.
pub fn accepted(drafts: Vec<Draft>, remarks: &mut Vec<Remark>) -> Vec<Table> {
    let takes = |draft: &Draft| match refusal(&[&draft.table]) {
        Some(reason) => {
            remarks.push(Remark::left_public(&draft.location, reason));
            false
        }
        None => true,
    };
    let mut drafts: Vec<Draft> = drafts.into_iter().filter(takes).collect();
    // Each round takes away one at least.
    loop {
        let refused = refused_together(&drafts);
        if refused.is_empty() {
            return drafts.into_iter().map(|draft| draft.table).collect();
        }
        let mut index = 0_usize..;
        drafts.retain(|draft| match index.next().and_then(|at| refused.get(&at)) {
            Some(reason) => {
                remarks.push(Remark::left_public(&draft.location, reason));
                false
            }
            None => true,
        });
    }
}

/// The drafts that the language does not take beside the others, by their number, and why.
fn refused_together(drafts: &[Draft]) -> BTreeMap<usize, String> {
    let texts: Vec<String> = drafts.iter().map(|draft| draft.table.to_string()).collect();
    if texts.iter().map(String::len).sum::<usize>() > LIMIT {
        return BTreeMap::new();
    }
    let Err(found) = policy::Policy::parse(&[("", texts.concat().as_bytes())]) else {
        return BTreeMap::new();
    };
    let last_lines: Vec<usize> = texts
        .iter()
        .scan(0_usize, |lines, text| {
            *lines = lines.saturating_add(text.lines().count());
            Some(*lines)
        })
        .collect();
    let errors = found
        .list
        .iter()
        .filter(|one| one.severity == Severity::Error);
    let number_of = |line: usize| {
        let number = last_lines.partition_point(|last| *last < line);
        number.min(texts.len().saturating_sub(1))
    };
    errors
        .map(|error| {
            let line = error.place.as_ref().map_or(usize::MAX, |place| place.line);
            let (other, said) = without_line(&error.message);
            let other = other.and_then(|line| drafts.get(number_of(line)));
            let other = other.map(|draft| draft.location.to_string());
            let reason = with_help(said, error.help.as_deref());
            (number_of(line), other.unwrap_or_default() + &reason)
        })
        .collect()
}

/// The line of another rule that a message begins with, and the rest of the message.
fn without_line(message: &str) -> (Option<usize>, &str) {
    let found = message.strip_prefix(':').and_then(|rest| {
        let (line, _) = rest.split_once(' ')?;
        Some((line.parse().ok()?, rest.strip_prefix(line)?))
    });
    found.map_or((None, message), |(line, rest)| (Some(line), rest))
}

/// Returns the reason why the language refuses these rules, if it does.
pub fn refusal(rules: &[&Table]) -> Option<String> {
    let error = first_error(rules)?;
    Some(with_help(&error.message, error.help.as_deref()))
}

/// The first error that the language finds in a policy of these tables.
pub fn first_error(tables: &[&Table]) -> Option<Diagnostic> {
    let text: String = tables.iter().map(ToString::to_string).collect();
    let found = policy::Policy::parse(&[("", text.as_bytes())]).err()?;
    let mut list = found.list.into_iter();
    list.find(|one| one.severity == Severity::Error)
}

/// Joins what is wrong and what to do about it.
pub fn with_help(message: &str, help: Option<&str>) -> String {
    match help {
        Some(help) => format!("{message}; {help}"),
        None => message.to_owned(),
    }
}

/// A text in which a template of the policy's has no braces of its own.
pub fn escaped(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// A string as TOML writes it.
fn written(text: &str) -> String {
    let mut value = String::new();
    // Writing into memory cannot fail.
    let _ = value.value(TomlStringBuilder::new(text).as_basic());
    value
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.head {
            writeln!(f, "# {}", harmless(line))?;
        }
        for table in self.settings.iter().chain(&self.rules) {
            write!(f, "\n{table}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.comments {
            writeln!(f, "# {line}")?;
        }
        writeln!(f, "{}", self.header)?;
        for (key, value) in &self.keys {
            writeln!(f, "{key} = {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_string_holds_it_is_read_back() {
        for text in ["/tmp", "a\"b", "a'b\"c", "a\\b", "a\nb", "\u{7f}\u{1}é", ""] {
            let line = format!("key = {}\n", written(text));
            let table = toml::de::DeTable::parse(&line).unwrap();
            let value = table.get_ref().get("key").unwrap();
            assert_eq!(value.get_ref().as_str(), Some(text), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
