//! One line of namespace.conf, understood as pam_namespace understands it.

use super::method::{self, Flags, Method};
use super::notes::Notes;
use super::setting::Setting;
use super::syntax::{self, Template};
use super::users::{self, Users};
use crate::cli::import::remark::Remark;
use crate::error::Location;

/// A line about one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The location of the line.
    pub location: Location,
    /// The text of the line, without its comment.
    pub text: String,
    /// The directory, as a template.
    pub path: String,
    /// The template that the names of instances are put behind.
    pub prefix: String,
    /// The way in which instances are distinguished.
    pub method: Method,
    /// The flags behind the method.
    pub flags: Flags,
    /// The users that it is about.
    pub users: Users,
}

/// Understands a line; nothing where it says nothing, or pam_namespace refuses it.
pub fn read(
    location: &Location,
    text: &str,
    setting: &Setting,
    remarks: &mut Vec<Remark>,
) -> Option<Line> {
    let text = syntax::uncommented(text);
    if text.is_empty() {
        return None;
    }
    let mut notes = Notes::new(location, remarks);
    match understand(location, text, setting, &mut notes) {
        Ok(line) => Some(line),
        Err(reason) => {
            setting.module.tell_mistake(&reason, &mut notes);
            None
        }
    }
}

fn understand(
    location: &Location,
    text: &str,
    setting: &Setting,
    notes: &mut Notes<'_>,
) -> Result<Line, String> {
    let words = syntax::words(text);
    let mut list = words.list.iter();
    let path = list.next().ok_or("there is no directory")?;
    let prefix = list.next().ok_or("there is no instance prefix")?;
    let method = list.next().ok_or("there is no method")?;
    let users = list.next();
    if words.unclosed {
        notes.doubtful(
            "a quote is not closed: the word goes on to the end of the line, or to the first `#`",
        );
    }
    if let Some(more) = list.next() {
        notes.doubtful(format!(
            "pam_namespace passes over `{more}` and what follows it"
        ));
    }
    let (method, flags) = method::read(method, notes)?;
    let meaning_of_prefix = match method {
        Method::Tmpfs => Meaning::Nothing,
        Method::User | Method::Context | Method::Level | Method::Tmpdir => Meaning::Path,
    };
    Ok(Line {
        location: location.clone(),
        text: text.trim_end().to_owned(),
        path: syntax::whole(&path_template(path, Meaning::Path, notes)?),
        prefix: syntax::tidied(&path_template(prefix, meaning_of_prefix, notes)?),
        method,
        flags,
        users: users::read(users.map(String::as_str), &setting.accounts, notes),
    })
}

/// The meaning of a word of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The path of something.
    Path,
    /// Nothing: the method has no use for it.
    Nothing,
}

/// The template of a path, judged as pam_namespace does it: by its text.
fn path_template(word: &str, meaning: Meaning, notes: &mut Notes<'_>) -> Result<String, String> {
    let Template { text, unknown } = syntax::template(word);
    if meaning == Meaning::Path && !text.starts_with('/') && !text.starts_with("{home}") {
        return Err(format!("`{word}` is not absolute"));
    }
    if text.contains("..") {
        return Err(format!("`{word}` has `..` in it"));
    }
    if let Some(unknown) = unknown.filter(|_| meaning == Meaning::Path) {
        notes.doubtful(format!("`{unknown}` is no variable but stands for itself"));
    }
    Ok(text)
}
