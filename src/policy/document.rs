//! From the text of a file to settings and rules.

use super::fields::{Fields, nearest, shortened, type_name};
use super::read::{self, Draft, KINDS, Reader};
use super::report::{Fault, Report};
use super::settings::Settings;
use super::text::Text;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A rule that was found: where its header stands, what it says, and how to read it.
struct Found<'d, 't> {
    span: Range<usize>,
    table: &'d DeTable<'t>,
    header: &'static str,
    read: Reader,
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
        match key.get_ref().as_ref() {
            "settings" => read_settings(text, key, value, settings, report),
            name => find_rules(text, name, key, value, &mut rules, report),
        }
    }
    rules.sort_by_key(|rule| rule.span.start);
    let read = rules.into_iter().filter_map(|rule| {
        let fields = Fields::new(rule.header, rule.span, rule.table, text, report);
        read::rule(fields, text.rank(), rule.read)
    });
    drafts.extend(read);
}

/// How much of a file is tried before all of it is read, in bytes: thirty times a usual policy.
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
    let senseless = lines.len() > Report::KEPT;
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
    key: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    settings: &mut Settings,
    report: &mut Report,
) {
    if let DeValue::Table(table) = value.get_ref() {
        settings.read(Fields::new("[settings]", value.span(), table, text, report));
    } else {
        let found = type_name(value.get_ref());
        let fault = Fault::new(format!("`settings` must be a table, not {found}"));
        report.error(text, &key.span(), fault.help("write `[settings]`"));
    }
}

fn find_rules<'d, 't>(
    text: &Text<'_>,
    name: &str,
    key: &Spanned<DeString<'_>>,
    value: &'d Spanned<DeValue<'t>>,
    rules: &mut Vec<Found<'d, 't>>,
    report: &mut Report,
) {
    let Some((_, header, read)) = KINDS.iter().find(|(kind, ..)| *kind == name) else {
        if report.is_full() {
            return report.count_error();
        }
        for span in unknown_spans(text, key, value.get_ref()) {
            report.error_with(text, &span, || unknown_table(name, value.get_ref()));
        }
        return;
    };
    let elements = value.get_ref().as_array().map(|array| array.iter());
    let mut is_list = elements.is_some();
    for element in elements.into_iter().flatten() {
        match element.get_ref().as_table() {
            Some(table) => rules.push(Found {
                span: element.span(),
                table,
                header,
                read: *read,
            }),
            None => is_list = false,
        }
    }
    if !is_list {
        let fault = Fault::new(format!("`{name}` must be a list of tables"));
        report.error(text, &key.span(), fault.help(format!("write `{header}`")));
    }
}

/// Each header of the table, or the key.
fn unknown_spans(
    text: &Text<'_>,
    key: &Spanned<DeString<'_>>,
    value: &DeValue<'_>,
) -> Vec<Range<usize>> {
    let elements = value
        .as_array()
        .map(|array| array.iter())
        .into_iter()
        .flatten();
    let headers = elements
        .map(Spanned::span)
        .filter(|span| text.slice(span).starts_with("[["));
    let headers: Vec<Range<usize>> = headers.collect();
    if headers.is_empty() {
        vec![key.span()]
    } else {
        headers
    }
}

fn unknown_table(name: &str, value: &DeValue<'_>) -> Fault {
    let shown = shortened(name);
    if !matches!(value, DeValue::Table(_) | DeValue::Array(_)) {
        return Fault::new(format!("the key `{shown}` belongs to no table"))
            .help("put it below `[settings]` or the header of a rule");
    }
    let fault = Fault::new(format!("unknown table `{shown}`"));
    let headers = KINDS.iter().map(|(kind, header, _)| (*kind, *header));
    let mut headers = headers.chain([("settings", "[settings]")]);
    let near = nearest(name, headers.clone().map(|(kind, _)| kind));
    match headers.find(|(kind, _)| Some(*kind) == near) {
        Some((_, header)) => fault.help(format!("did you mean `{header}`?")),
        None => fault,
    }
}
