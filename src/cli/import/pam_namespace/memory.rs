//! The options of the method tmpfs: what of them `[[tmpfs]]` says, too.

use super::notes::Notes;
use crate::cli::import::policy::Table;
use crate::cli::import::tmpfs::{HALF, number};
use crate::policy::value::Attributes;

/// A page, in bytes, as tmpfs counts `nr_blocks` on most machines.
const PAGE: u64 = 4096;

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Memory {
    size: String,
    inodes: Option<u64>,
    mode: Option<String>,
    owner: Option<String>,
    group: Option<String>,
    options: Vec<String>,
}

/// `table` with the keys that stand for the options.
pub fn add(table: Table, options: Option<&str>, notes: &mut Notes<'_>) -> Table {
    let mut memory = Memory {
        size: HALF.to_owned(),
        inodes: None,
        mode: None,
        owner: None,
        group: None,
        options: Vec::new(),
    };
    let words = options.unwrap_or_default().split(',');
    for word in words.filter(|word| !word.is_empty()) {
        memory.add(word, notes);
    }
    memory.tell_hardening(notes);
    table
        .text("size", &memory.size)
        .number("inodes", memory.inodes)
        .optional_text("mode", memory.mode.as_deref())
        .optional_text("owner", memory.owner.as_deref())
        .optional_text("group", memory.group.as_deref())
        .filled_texts("options", &memory.options)
}

impl Memory {
    fn add(&mut self, word: &str, notes: &mut Notes<'_>) {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let known = match key {
            "size" => size(value, notes).map(|size| self.size = size),
            "nr_blocks" => blocks(value).map(|size| self.size = size),
            "nr_inodes" => number(value).map(|inodes| self.limit_inodes(inodes, notes)),
            "mode" => mode(value).map(|mode| self.mode = Some(mode)),
            "uid" => id(value).map(|id| self.owner = Some(id)),
            "gid" => id(value).map(|id| self.group = Some(id)),
            _ => self.attribute(word, notes),
        };
        if known.is_none() {
            notes.left_out(format!("the mount option `{word}` has no counterpart"));
        }
    }

    fn limit_inodes(&mut self, inodes: u64, notes: &mut Notes<'_>) {
        self.inodes = Some(inodes).filter(|inodes| *inodes > 0);
        if inodes == 0 {
            notes.different("the number of files is bounded: one for each 4 KiB");
        }
    }

    fn attribute(&mut self, word: &str, notes: &mut Notes<'_>) -> Option<()> {
        Attributes::of_words([word]).ok()?;
        if !["nosuid", "nodev", "noexec", "ro", "rw"].contains(&word) {
            notes.different(format!(
                "pam_namespace hands `{word}` to tmpfs, which refuses it and every login with it; here it is heeded"
            ));
        }
        if !self.options.iter().any(|known| known == word) {
            self.options.push(word.to_owned());
        }
        Some(())
    }

    /// Notes what is not allowed here because it is not asked for.
    fn tell_hardening(&self, notes: &mut Notes<'_>) {
        let is_said = |word: &&str| {
            self.options
                .iter()
                .any(|known| known.trim_start_matches("no") == *word)
        };
        let unsaid: Vec<&str> = ["suid", "dev"]
            .into_iter()
            .filter(|word| !is_said(word))
            .collect();
        if !unsaid.is_empty() {
            let words: Vec<String> = unsaid.iter().map(|word| format!("no{word}")).collect();
            let wanted: Vec<String> = unsaid.iter().map(|word| format!("\"{word}\"")).collect();
            notes.different(format!(
                "the file system is {}; `options = [{}]` would allow them",
                words.join(" and "),
                wanted.join(", ")
            ));
        }
    }
}

/// A size; what is unbounded for tmpfs is all of the memory here.
fn size(text: &str, notes: &mut Notes<'_>) -> Option<String> {
    let all = || String::from("100%");
    let size = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| match percent {
            1..=100 => format!("{percent}%"),
            _ => all(),
        })?,
        None => number(text).map(|bytes| match bytes {
            0 => all(),
            _ => text_of_size(bytes),
        })?,
    };
    if size == all() && text != size {
        notes.different(format!(
            "`size={text}` is no bound for tmpfs; here it is all of the memory"
        ));
    }
    Some(size)
}

fn blocks(text: &str) -> Option<String> {
    let bytes = number(text)?.checked_mul(PAGE)?;
    (bytes > 0).then(|| text_of_size(bytes))
}

/// A number of bytes with the largest unit that it is a multiple of.
fn text_of_size(bytes: u64) -> String {
    let units = [("T", 40), ("G", 30), ("M", 20), ("K", 10)];
    let whole = units.iter().find_map(|(unit, power)| {
        let number = bytes.checked_shr(*power)?;
        (number > 0 && number.checked_shl(*power) == Some(bytes)).then(|| format!("{number}{unit}"))
    });
    whole.unwrap_or_else(|| bytes.to_string())
}

fn mode(text: &str) -> Option<String> {
    let mode = u32::from_str_radix(text, 8).ok();
    mode.map(|mode| format!("{:04o}", mode & 0o7777))
}

fn id(text: &str) -> Option<String> {
    text.parse::<u32>().ok().map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let table = [
            ("1M", Some("1M")),
            ("1024k", Some("1M")),
            ("3g", Some("3G")),
            ("1P", Some("1024T")),
            ("4097", Some("4097")),
            ("010", None),
            ("0x10", None),
            ("", None),
            ("k", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in table {
            let found = number(text).map(text_of_size);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!(blocks("3").as_deref(), Some("12K"));
    }
}
