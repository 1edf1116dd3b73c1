//! From the text of a file to settings and rules.

use super::fields::{Fields, nearest, shortened, type_name};
use super::read::{self, Draft, KINDS, Reader};
use super::report::{Fault, Report};
use super::settings::Settings;
use super::text::Text;
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
    report_control_characters(text, report);
    if report.is_full() {
        return;
    }
    let (root, errors) = DeTable::parse_recoverable(text.body());
    for error in errors {
        let end = text.body().len();
        let span = error.span().unwrap_or(end..end);
        report.syntax_error(text, &span, error.message().to_owned());
    }
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

/// TOML forbids them too, but its parser has no word for them.
fn report_control_characters(text: &Text<'_>, report: &mut Report) {
    let forbidden = |(at, character): &(usize, char)| match character {
        '\n' | '\t' => false,
        '\r' => text.body().as_bytes().get(at.saturating_add(1)) != Some(&b'\n'),
        other => other.is_ascii_control(),
    };
    for (at, character) in text.body().char_indices().filter(forbidden) {
        let code = u32::from(character);
        let message = format!("the control character U+{code:04X} cannot stand in a policy");
        report.syntax_error(text, &(at..at.saturating_add(1)), message);
    }
}

fn read_settings(
    text: &Text<'_>,
    key: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    settings: &mut Settings,
    report: &mut Report,
) {
    match value.get_ref() {
        DeValue::Table(table) => {
            settings.read(Fields::new("[settings]", value.span(), table, text, report));
        }
        other => {
            let found = type_name(other);
            let fault = Fault::new(format!("`settings` must be a table, not {found}"));
            report.error(text, &key.span(), fault.help("write `[settings]`"));
        }
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
