//! The keys of one table, asked for by name: what was not asked for is unknown.

use super::advice::{Between, Form, advise, value_in};
use super::report::{Fault, Report};
use super::text::Text;
use crate::error::Location;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value that is written as a string.
pub trait Word: Sized {
    /// The value of `text`.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    fn parse(text: &str) -> Result<Self, Fault>;

    /// Finds the text that is meant where one was written without quotes, as a number say; nothing where it can be none.
    fn guess(text: &str) -> Option<String> {
        Self::parse(text).is_ok().then(|| text.to_owned())
    }
}

/// A value that is one of a few words.
pub trait Vocabulary: Copy + 'static {
    /// The words and what they mean.
    const WORDS: &'static [(&'static str, Self)];
}

/// The word for a value, as a policy has it.
#[must_use]
pub(crate) fn word_of<V: Vocabulary + PartialEq>(value: V) -> &'static str {
    let found = V::WORDS.iter().find(|(_, known)| *known == value);
    found.map_or("", |(word, _)| word)
}

impl<V: Vocabulary> Word for V {
    fn parse(text: &str) -> Result<Self, Fault> {
        let found = Self::WORDS.iter().find(|(word, _)| *word == text);
        match found {
            Some((_, value)) => Ok(*value),
            None => Err(unknown_word(
                text,
                Self::WORDS.iter().map(|(word, _)| *word),
            )),
        }
    }
}

/// The value that `text` stands for in a policy, said elsewhere: on a command line.
///
/// # Errors
///
/// What is wrong with the text, and what would be right where that is known.
pub fn word<T: Word>(text: &str) -> Result<T, String> {
    T::parse(text).map_err(|fault| fault.to_string())
}

/// The fault of a word that is not one of `known`.
pub(crate) fn unknown_word(text: &str, known: impl Iterator<Item = &'static str> + Clone) -> Fault {
    let fault = Fault::new(format!("unknown value \"{}\"", shortened(text)));
    match nearest(text, known.clone()) {
        Some(word) => fault.help(format!("did you mean \"{word}\"?")),
        None => {
            let words: Vec<String> = known.map(|word| format!("\"{word}\"")).collect();
            fault.help(format!("expected one of {}", words.join(", ")))
        }
    }
}

/// The word of `known` that `text` is probably meant to be.
pub(crate) fn nearest<'w>(text: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    if text.len() > 40 {
        return None;
    }
    let text = text.to_lowercase();
    let near = known.filter_map(|word| {
        let distance = strsim::damerau_levenshtein(&text, word);
        let tolerated = word.chars().count().div_ceil(3);
        (distance <= tolerated).then_some((distance, word))
    });
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The start of `text`, as much of it as a message quotes. What would steer a terminal or a log is made harmless where the
/// message is written.
pub(crate) fn shortened(text: &str) -> String {
    let mut start: String = text.chars().take(60).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

/// A string of the file.
#[derive(Debug, Clone)]
pub struct Item<'d> {
    /// Its value.
    pub text: &'d str,
    /// Its place, with its quotes.
    pub span: Range<usize>,
}

const A_TABLE: &str = "a table of strings";

/// A table of a policy file.
pub struct Table<'d, 't> {
    /// Its header, such as `[[bind]]`.
    pub header: &'static str,
    /// The place of the header.
    pub span: Range<usize>,
    /// Its keys and their values.
    pub content: &'d DeTable<'t>,
}

/// The keys of one table.
pub struct Fields<'a, 'd, 't> {
    table: Table<'d, 't>,
    asked: Vec<&'static str>,
    text: &'a Text<'t>,
    report: &'a mut Report,
}

impl<'a, 'd, 't> Fields<'a, 'd, 't> {
    /// The keys of `table`.
    pub fn new(table: Table<'d, 't>, text: &'a Text<'t>, report: &'a mut Report) -> Self {
        Self {
            table,
            asked: Vec::new(),
            text,
            report,
        }
    }

    /// The place of the table's header.
    pub fn location(&self) -> Location {
        self.text.location(self.table.span.start)
    }

    /// The place of the table's header in the text.
    pub(crate) fn header_span(&self) -> Range<usize> {
        self.table.span.clone()
    }

    /// Whether `key` was asked for.
    pub fn knows(&self, key: &str) -> bool {
        self.asked.contains(&key)
    }

    /// The place of the value of `key` in the text; the header's if there is none.
    pub(crate) fn span_of(&self, key: &str) -> Range<usize> {
        let value = self.table.content.get(key);
        value.map_or_else(|| self.table.span.clone(), Spanned::span)
    }

    /// Whether `key` stands here.
    pub fn has(&self, key: &str) -> bool {
        self.table.content.contains_key(key)
    }

    /// The value of `key` as a `T`.
    pub fn word<T: Word>(&mut self, key: &'static str) -> Option<T> {
        let form = Form::String { guess: T::guess };
        let value = self.ask(key, form)?;
        let span = value.span();
        let DeValue::String(text) = value.get_ref() else {
            return self.wrong_type(key, value, form, value);
        };
        self.parse(&Item { text, span })
    }

    /// The value of `key` as a `T`, or `default` where the key does not stand here.
    pub(crate) fn word_or<T: Word>(&mut self, key: &'static str, default: T) -> Option<T> {
        let word = self.word(key);
        if self.has(key) { word } else { Some(default) }
    }

    /// The value of `key`, which must stand here, as a `T`.
    pub fn required<T: Word>(&mut self, key: &'static str) -> Option<T> {
        self.require(key);
        self.word(key)
    }

    /// Yes or no.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.ask(key, Form::Boolean)?;
        let DeValue::Boolean(yes) = value.get_ref() else {
            return self.wrong_type(key, value, Form::Boolean, value);
        };
        Some(*yes)
    }

    /// A whole number of at least 1.
    pub fn count(&mut self, key: &'static str) -> Option<u64> {
        let value = self.ask(key, Form::Count)?;
        let DeValue::Integer(number) = value.get_ref() else {
            return self.wrong_type(key, value, Form::Count, value);
        };
        let parsed = u64::from_str_radix(number.as_str(), number.radix()).ok();
        let count = parsed.filter(|count| *count > 0);
        if count.is_none() {
            let fault = Fault::new(format!("`{key}` must be a whole number of at least 1"));
            self.error(&value.span(), fault);
        }
        count
    }

    /// A list, each element as a `T` with its place. Elements that are wrong are reported and left out.
    pub fn list<T: Word>(&mut self, key: &'static str) -> Option<Vec<(T, Location)>> {
        let between = Between::Commas;
        let guess = T::guess;
        let items = self.elements(key, Form::List { guess, between })?;
        let parsed = items.iter().filter_map(|item| {
            let location = self.text.location(item.span.start);
            self.parse(item).map(|value| (value, location))
        });
        Some(parsed.collect())
    }

    /// A list, each element as a `T` without its place. Elements that are wrong are reported and left out.
    pub fn words<T: Word>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let list = self.list(key)?;
        Some(list.into_iter().map(|(value, _)| value).collect())
    }

    /// A list that must have an element, each as a `T` with its place: without one, its rule would match nothing.
    pub(crate) fn filled_list<T: Word>(&mut self, key: &'static str) -> Option<Vec<(T, Location)>> {
        let list = self.list(key)?;
        if self.strings_of(key).is_some_and(<[_]>::is_empty) {
            let fault = Fault::new(format!("`{key}` is empty, so that the rule never applies"));
            self.error(
                &self.span_of(key),
                fault.help(format!("without `{key}` it applies to all")),
            );
        }
        Some(list)
    }

    /// The elements of a list of strings, which could be written as one string with `between` between them.
    pub(super) fn strings(&mut self, key: &'static str, between: Between) -> Option<Vec<Item<'d>>> {
        let guess = |text: &str| Some(text.to_owned());
        self.elements(key, Form::List { guess, between })
    }

    fn elements(&mut self, key: &'static str, form: Form) -> Option<Vec<Item<'d>>> {
        let value = self.ask(key, form)?;
        let DeValue::Array(array) = value.get_ref() else {
            return self.wrong_type(key, value, form, value);
        };
        let items = array.iter().filter_map(|element| {
            let DeValue::String(text) = element.get_ref() else {
                return self.wrong_type(key, element, form, value);
            };
            let span = element.span();
            Some(Item { text, span })
        });
        Some(items.collect())
    }

    /// The strings of an inline table by their keys.
    pub(crate) fn string_table(&mut self, key: &'static str) -> Option<Vec<(Item<'d>, Item<'d>)>> {
        self.asked.push(key);
        let value = self.present(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            return self.refuse_type(key, value, A_TABLE, None);
        };
        let pairs = table.iter().filter_map(|(name, value)| {
            let DeValue::String(text) = value.get_ref() else {
                let guess = |text: &str| Some(text.to_owned());
                let written = self.text.slice(&value.span());
                let help = advise(name.get_ref(), Form::String { guess }, written);
                return self.refuse_type(key, value, A_TABLE, help);
            };
            let name = Item {
                text: name.get_ref(),
                span: name.span(),
            };
            let span = value.span();
            Some((name, Item { text, span }))
        });
        Some(pairs.collect())
    }

    /// `item` as a `T`; what is wrong with it is reported at its characters.
    pub fn parse<T: Word>(&mut self, item: &Item<'_>) -> Option<T> {
        match T::parse(item.text) {
            Ok(value) => Some(value),
            Err(fault) => {
                let span = self.span_within(item, fault.within.as_ref());
                self.error(&span, fault);
                None
            }
        }
    }

    /// Reports that `key` must stand here, unless it does.
    pub(crate) fn require(&mut self, key: &'static str) {
        if !self.has(key) {
            let fault = Fault::new(format!("{} needs the key `{key}`", self.table.header));
            self.error(&self.table.span.clone(), fault);
        }
    }

    /// Reports those of `keys` that stand although another key rules them out.
    pub fn refuse(&mut self, keys: &[&str], why: &str) {
        for key in keys {
            if self.has(key) {
                let fault = Fault::new(format!("`{key}` {why}"));
                self.error(&self.span_of(key), fault);
            }
        }
    }

    /// Reports an error.
    pub fn error(&mut self, span: &Range<usize>, fault: Fault) {
        self.report.error(self.text, span, fault);
    }

    /// Reports what is doubtful.
    pub(super) fn warning(&mut self, span: &Range<usize>, fault: Fault) {
        self.report.warning(self.text, span, fault);
    }

    /// Whether the table is in a file that stands behind another one of its policy.
    pub(super) fn are_of_drop_in(&self) -> bool {
        self.text.rank() > 0
    }

    /// The keys that stand here and were asked for, each with its line.
    pub(super) fn key_lines(&self) -> Vec<(&'static str, usize)> {
        let lines = self.asked.iter().filter_map(|asked| {
            let (key, _) = self.table.content.get_key_value(*asked)?;
            Some((*asked, self.text.line(key.span().start)))
        });
        lines.collect()
    }

    /// Reports every key that was not asked for.
    pub fn finish(self) {
        for key in self.table.content.keys() {
            if !self.asked.contains(&key.get_ref().as_ref()) {
                let fault = || unknown_key(key.get_ref(), self.table.header, &self.asked);
                self.report.error_with(self.text, &key.span(), fault);
            }
        }
    }

    /// The value of `key`. Where its line is not TOML, which was reported, what is meant there is said.
    fn ask(&mut self, key: &'static str, form: Form) -> Option<&'d Spanned<DeValue<'t>>> {
        self.asked.push(key);
        let (name, _) = self.table.content.get_key_value(key)?;
        let (text, span) = (self.text, name.span());
        self.report.help_unreadable(text, &span, || {
            advise(key, form, value_in(text.rest_of_line(span.end))?)
        });
        self.present(key)
    }

    /// The value of `key`, unless it could not be read: the parser's stand-in for one has no span.
    fn present(&self, key: &str) -> Option<&'d Spanned<DeValue<'t>>> {
        let value = self.table.content.get(key);
        value.filter(|value| !value.span().is_empty())
    }

    fn strings_of(&self, key: &str) -> Option<&'d [Spanned<DeValue<'t>>]> {
        let array = self.table.content.get(key)?.get_ref().as_array()?;
        Some(array)
    }

    /// Reports that `found`, in the value `whole` of `key`, has not the form that the key wants.
    fn wrong_type<T>(
        &mut self,
        key: &str,
        found: &Spanned<DeValue<'_>>,
        form: Form,
        whole: &Spanned<DeValue<'_>>,
    ) -> Option<T> {
        let expected = match form {
            Form::String { .. } => "a string",
            Form::List { .. } => "a list of strings",
            Form::Boolean => "true or false",
            Form::Count => "a whole number",
        };
        let could_be_quoted =
            matches!(form, Form::String { .. }) && matches!(found.get_ref(), DeValue::Integer(_));
        let in_quotes = || could_be_quoted.then(|| "write it in quotes".to_owned());
        let advice = advise(key, form, self.text.slice(&whole.span()));
        self.refuse_type(key, found, expected, advice.or_else(in_quotes))
    }

    fn refuse_type<T>(
        &mut self,
        key: &str,
        found: &Spanned<DeValue<'_>>,
        expected: &str,
        help: Option<String>,
    ) -> Option<T> {
        let found_type = type_name(found.get_ref());
        let fault = Fault::new(format!("`{key}` must be {expected}, not {found_type}"));
        self.error(&found.span(), Fault { help, ..fault });
        None
    }

    /// The bytes of the file that `within` names in the value of `item`: exact if the string is written
    /// without escapes.
    fn span_within(&self, item: &Item<'_>, within: Option<&Range<usize>>) -> Range<usize> {
        let Some(within) = within else {
            return item.span.clone();
        };
        let written = self.text.slice(&item.span);
        let quotes = written.len().saturating_sub(item.text.len()).div_euclid(2);
        let inside = quotes..quotes.saturating_add(item.text.len());
        if written.get(inside) != Some(item.text) {
            return item.span.clone();
        }
        let start = item.span.start.saturating_add(quotes);
        start.saturating_add(within.start)..start.saturating_add(within.end)
    }
}

/// The fault of a key that its table does not have.
pub(crate) fn unknown_key(key: &str, header: &str, known: &[&'static str]) -> Fault {
    let fault = Fault::new(format!("unknown key `{}` in {header}", shortened(key)));
    match nearest(key, known.iter().copied()) {
        Some(word) => fault.help(format!("did you mean `{word}`?")),
        None => fault,
    }
}

/// The type of a TOML value, as a message names it.
pub(crate) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_near() {
        let known = ["path", "per", "medium", "mode", "ro"];
        for (text, expected) in [
            ("pth", Some("path")),
            ("PATH", Some("path")),
            ("paht", Some("path")),
            ("mod", Some("mode")),
            ("mediun", Some("medium")),
            ("zebra", None),
            ("", None),
            ("r0", Some("ro")),
        ] {
            assert_eq!(nearest(text, known.into_iter()), expected, "{text}");
        }
    }

    #[test]
    fn quoted_text_is_short() {
        assert_eq!(shortened("a\"b'c\nd\u{1b}ü"), "a\"b'c\nd\u{1b}ü");
        assert_eq!(shortened(&"x".repeat(100)).chars().count(), 61);
    }
}
