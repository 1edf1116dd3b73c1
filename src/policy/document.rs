//! From the text of a file to settings and rules.

use super::fields::{Fields, Table, nearest, shortened, type_name};
use super::read::{self, Draft, KINDS, Reader};
use super::report::{Fault, Report};
use super::settings::Settings;
use super::text::Text;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A rule that was found: its table, and how to read it.
struct Found<'d, 't> {
    table: Table<'d, 't>,
    read: Reader,
}

/// A table of the file's root: its name, and its value, each with its place.
#[derive(Clone, Copy)]
struct Entry<'d, 't> {
    key: &'d Spanned<DeString<'t>>,
    value: &'d Spanned<DeValue<'t>>,
}

impl Entry<'_, '_> {
    fn name(&self) -> &str {
        self.key.get_ref().as_ref()
    }
}

/// Reads the file `text`: replaces what it says in `settings`, adds its rules to `drafts`.
pub fn read(
    text: &Text<'_>,
    settings: &mut Settings,
    drafts: &mut Vec<Draft>,
    report: &mut Report,
) {
    if report_control_characters(text, report) || report_senseless(text, report) {
        return;
    }
    let (root, errors) = DeTable::parse_recoverable(text.body());
    report_syntax(text, &errors, report);
    let mut rules = Vec::new();
    for (key, value) in root.get_ref() {
        let entry = Entry { key, value };
        match entry.name() {
            "settings" => read_settings(text, entry, settings, report),
            _ => rules.extend(find_rules(text, entry, report)),
        }
    }
    rules.sort_by_key(|rule| rule.table.span.start);
    let read = rules.into_iter().filter_map(|rule| {
        let fields = Fields::new(rule.table, text, report);
        read::rule(fields, text.rank(), rule.read)
    });
    drafts.extend(read);
}

/// The part of a file that is tried before all of it is read, in bytes: thirty times a usual policy.
const SAMPLE: usize = 64 * 1024;

/// Reports what is wrong with the beginning of a large file, if that is so much that no more would be
/// shown; whether it is. The grammar's errors are costly, and 1 MiB of noise has a million of them.
fn report_senseless(text: &Text<'_>, report: &mut Report) -> bool {
    let sample = text
        .body()
        .get(..SAMPLE)
        .and_then(|start| start.rsplit_once('\n'));
    let Some((sample, _)) = sample else {
        return false;
    };
    let (_, errors) = DeTable::parse_recoverable(sample);
    let lines: BTreeSet<usize> = errors
        .iter()
        .filter_map(|error| Some(text.line(error.span()?.start)))
        .collect();
    let senseless = lines.len() > Report::LISTED;
    if senseless {
        report_syntax(text, &errors, report);
    }
    senseless
}

fn report_syntax(text: &Text<'_>, errors: &[toml::de::Error], report: &mut Report) {
    for error in errors {
        let end = text.body().len();
        let span = error.span().unwrap_or(end..end);
        report.syntax_error(text, &span, error.message());
    }
}

/// Reports characters that TOML forbids but its parser has no word for; whether there are any. What the
/// rest of such a file means is not asked: it is not text.
fn report_control_characters(text: &Text<'_>, report: &mut Report) -> bool {
    let mut start = 0_usize;
    let mut found = false;
    for line in text.body().split('\n') {
        let line_text = line.strip_suffix('\r').unwrap_or(line);
        let forbidden = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        let bytes = line_text.as_bytes();
        if let Some((at, byte)) = bytes.iter().enumerate().find(|(_, byte)| forbidden(byte)) {
            let message = format!("the control character U+{byte:04X} cannot stand in a policy");
            let offset = start.saturating_add(at);
            report.syntax_error(text, &(offset..offset.saturating_add(1)), &message);
            found = true;
        }
        start = start.saturating_add(line.len()).saturating_add(1);
    }
    found
}

fn read_settings(
    text: &Text<'_>,
    Entry { key, value }: Entry<'_, '_>,
    settings: &mut Settings,
    report: &mut Report,
) {
    if let DeValue::Table(table) = value.get_ref() {
        let table = Table {
            header: "[settings]",
            span: value.span(),
            content: table,
        };
        settings.read(Fields::new(table, text, report));
    } else {
        let found = type_name(value.get_ref());
        let fault = Fault::new(format!("`settings` must be a table, not {found}"));
        report.error(text, &key.span(), fault.help("write `[settings]`"));
    }
}

fn find_rules<'d, 't>(
    text: &Text<'_>,
    entry: Entry<'d, 't>,
    report: &mut Report,
) -> Vec<Found<'d, 't>> {
    let mut rules = Vec::new();
    let name = entry.name();
    let Some((_, header, read)) = KINDS.iter().find(|(kind, ..)| *kind == name) else {
        report_unknown_table(text, entry, report);
        return rules;
    };
    let elements = entry.value.get_ref().as_array().map(|array| array.iter());
    let mut is_list = elements.is_some();
    for element in elements.into_iter().flatten() {
        match element.get_ref().as_table() {
            Some(content) => rules.push(Found {
                table: Table {
                    header,
                    span: element.span(),
                    content,
                },
                read: *read,
            }),
            None => is_list = false,
        }
    }
    if !is_list {
        let fault = Fault::new(format!("`{name}` must be a list of tables"));
        report.error(
            text,
            &entry.key.span(),
            fault.help(format!("write `{header}`")),
        );
    }
    rules
}

fn report_unknown_table(text: &Text<'_>, entry: Entry<'_, '_>, report: &mut Report) {
    if report.is_full() {
        return report.count_error();
    }
    let value = entry.value.get_ref();
    for span in unknown_spans(text, entry) {
        report.error_with(text, &span, || unknown_table(entry.name(), value));
    }
}

/// Each header of the table, or the key.
fn unknown_spans(text: &Text<'_>, entry: Entry<'_, '_>) -> Vec<Range<usize>> {
    let array = entry.value.get_ref().as_array();
    let elements = array.map(|array| array.iter()).into_iter().flatten();
    let headers: Vec<Range<usize>> = elements
        .map(Spanned::span)
        .filter(|span| text.slice(span).starts_with("[["))
        .collect();
    match headers.is_empty() {
        true => vec![entry.key.span()],
        false => headers,
    }
}

fn unknown_table(name: &str, value: &DeValue<'_>) -> Fault {
    let shown = shortened(name);
    if !matches!(value, DeValue::Table(_) | DeValue::Array(_)) {
        return Fault::new(format!("the key `{shown}` belongs to no table"))
            .help("put it below `[settings]` or the header of a rule");
    }
    let fault = Fault::new(format!("unknown table `{shown}`"));
    let of_rules = KINDS.iter().map(|(kind, header, _)| (*kind, *header));
    let mut headers = of_rules.chain([("settings", "[settings]")]);
    let near = nearest(name, headers.clone().map(|(kind, _)| kind));
    match headers.find(|(kind, _)| Some(*kind) == near) {
        Some((_, header)) => fault.help(format!("did you mean `{header}`?")),
        None => fault,
    }
}
