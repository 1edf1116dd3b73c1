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
        report.error(text, &key.span(), unknown_table(name, value.get_ref()));
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

fn unknown_table(name: &str, value: &DeValue<'_>) -> Fault {
    let is_table = matches!(value, DeValue::Table(_) | DeValue::Array(_));
    let noun = if is_table { "table" } else { "key" };
    let fault = Fault::new(format!("unknown {noun} `{}`", shortened(name)));
    let headers = KINDS.iter().map(|(kind, header, _)| (*kind, *header));
    let mut headers = headers.chain([("settings", "[settings]")]);
    match nearest(name, headers.clone().map(|(kind, _)| kind)) {
        Some(near) => {
            let header = headers
                .find(|(kind, _)| *kind == near)
                .map(|(_, header)| header);
            fault.help(format!("did you mean `{}`?", header.unwrap_or(near)))
        }
        None if is_table => fault,
        None => fault.help("settings stand under `[settings]`"),
    }
}
