//! `--volume`: which program opens an encrypted directory, known by the file in which it keeps its settings.

use super::text::{host_path, inside_path, split};
use crate::policy::rule::{Password, RunAs, Volume};
use crate::policy::template::Template;
use crate::policy::{HELPER_TIMEOUT, Kind};
use std::path::Path;

/// A program that opens encrypted directories.
#[derive(Debug)]
struct Opener {
    /// The file that it keeps in each of them.
    settings: &'static str,
    /// Itself, and its arguments before the two directories. It reads the password from standard input.
    command: &'static [&'static str],
}

const OPENERS: &[Opener] = &[
    Opener {
        settings: "gocryptfs.conf",
        command: &["/usr/bin/gocryptfs", "-quiet"],
    },
    Opener {
        settings: ".encfs6.xml",
        command: &["/usr/bin/encfs", "--stdinpass"],
    },
];

/// The rule of `DIR:PATH`.
///
/// # Errors
///
/// It is not of that form, or no known program has encrypted the directory.
pub fn rule(text: &str) -> Result<Kind, String> {
    const FORM: &str = "it is written DIR:PATH, such as ~/.private:/home/me/private";
    let parts = split(text);
    let [directory, path] = parts.as_slice() else {
        return Err(FORM.to_owned());
    };
    let path = inside_path(path)?;
    let source: Template = host_path(directory)?.into();
    let opener = opener(directory)?;
    let words = opener.command.iter().copied().map(Template::plain);
    let open = words.chain([source, path.clone().into()]).collect();
    Ok(Kind::Volume(Volume {
        path,
        open,
        close: None,
        run_as: RunAs::User,
        password: Password::Login,
        timeout: HELPER_TIMEOUT,
    }))
}

fn opener(directory: &str) -> Result<&'static Opener, String> {
    let has = |opener: &&Opener| Path::new(directory).join(opener.settings).is_file();
    OPENERS.iter().find(has).ok_or_else(|| {
        let files: Vec<&str> = OPENERS.iter().map(|opener| opener.settings).collect();
        let missing = files.join(" nor ");
        format!("neither gocryptfs nor encfs has encrypted {directory}: it has no {missing}")
    })
}
