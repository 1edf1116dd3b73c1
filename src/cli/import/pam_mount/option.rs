//! Mount options.

use super::text::template;
use crate::cli::import::policy::Table;
use crate::cli::import::remark::Remark;
use crate::cli::import::tmpfs::{HALF, number};
use crate::error::Location;
use crate::policy::value::attribute;

/// An option and its value, as templates.
pub type Opt = (String, Option<String>);

/// The keys of `[[tmpfs]]` for options of tmpfs(5).
const MEMORY: &[(&str, &str)] = &[
    ("size", "size"),
    ("mode", "mode"),
    ("uid", "owner"),
    ("gid", "group"),
];

/// The options that say nothing about what is seen.
const SILENT: &[&str] = &[
    "", "bind", "rbind", "defaults", "auto", "noauto", "nofail", "_netdev",
];

/// Reads the options of a volume.
///
/// # Errors
///
/// Why one of them is no template.
pub fn read(text: &str) -> Result<Vec<Opt>, String> {
    let one = |option: &str| match option.split_once('=') {
        Some((key, value)) => Ok((template(key)?, Some(template(value)?))),
        None => Ok((template(option)?, None)),
    };
    text.split(',')
        .filter(|option| !option.is_empty())
        .map(one)
        .collect()
}

/// Whether one of the options is `key`.
pub fn has(options: &[Opt], key: &str) -> bool {
    options.iter().any(|(known, _)| known == key)
}

/// The options with commas between them.
pub fn joined(options: &[Opt]) -> String {
    let words = options.iter().map(|(key, value)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.clone(),
    });
    words.collect::<Vec<_>>().join(",")
}

/// Adds the options of a bind to its rule; remarks name those that no rule has.
pub fn of_bind(
    table: Table,
    options: &[Opt],
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Table {
    let (words, others) = words(options);
    for (key, _) in others {
        remarks.push(nothing_for("[[bind]]", key, location));
    }
    table
        .flag("recursive", has(options, "rbind"))
        .filled_texts("options", &words)
}

/// Adds the options of a file system in memory to its rule; remarks name those that no rule has.
pub fn of_memory(
    mut table: Table,
    options: &[Opt],
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Table {
    if !has(options, "size") {
        table = table.text("size", HALF);
    }
    let (words, others) = words(options);
    for (key, value) in others {
        let known = MEMORY.iter().find(|(option, _)| option == key);
        let count = (key == "nr_inodes").then(|| value.as_deref().and_then(number));
        table = match (known, value, count.flatten()) {
            (Some((_, key)), Some(value), _) => table.text(key, &with_large_unit(key, value)),
            (_, _, Some(count)) => table.number("inodes", Some(count)),
            _ => {
                remarks.push(nothing_for("[[tmpfs]]", key, location));
                table
            }
        };
    }
    if !["nosuid", "nodev"]
        .iter()
        .all(|word| words.iter().any(|said| said == word))
    {
        let message = "[[tmpfs]] is nosuid and nodev where nothing is said of them";
        remarks.push(Remark::different(location, message));
    }
    table.filled_texts("options", &words)
}

/// A size with the unit as a policy writes it.
fn with_large_unit(key: &str, value: &str) -> String {
    match key {
        "size" => value.to_ascii_uppercase(),
        _ => value.to_owned(),
    }
}

/// The options that a rule has by the same word, each once, and the others.
fn words(options: &[Opt]) -> (Vec<String>, Vec<&Opt>) {
    let is_word =
        |(key, value): &&Opt| value.is_none() && attribute::words().any(|(word, _)| word == key);
    let is_silent = |(key, _): &&Opt| SILENT.contains(&key.as_str()) || key.starts_with("x-");
    let (own, others): (Vec<&Opt>, Vec<&Opt>) = options.iter().partition(is_word);
    let mut words: Vec<String> = Vec::new();
    for (key, _) in own {
        if !words.contains(key) {
            words.push(key.clone());
        }
    }
    (
        words,
        others
            .into_iter()
            .filter(|option| !is_silent(option))
            .collect(),
    )
}

fn nothing_for(rule: &str, key: &str, location: &Location) -> Remark {
    Remark::different(location, format!("{rule} has nothing for the option {key}"))
}
