//! `jns man`: one page for the command and one for each verb.

use crate::cli::arguments::{self, Man};
use crate::cli::guide::{self, Guide};
use crate::cli::outcome::{Outcome, reason};
use crate::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

/// Writes the pages.
pub fn run(arguments: &Man) -> Outcome {
    match write_pages(&arguments.directory) {
        Ok(()) => Outcome::default(),
        Err((file, e)) => {
            let path = arguments.directory.join(file);
            Outcome::failure(Error::new("write", path.display(), reason(&e)))
        }
    }
}

fn write_pages(directory: &Path) -> Result<(), (String, io::Error)> {
    for (file, text) in pages() {
        std::fs::write(directory.join(&file), text).map_err(|reason| (file, reason))?;
    }
    Ok(())
}

/// The pages: name and text.
fn pages() -> Vec<(String, Vec<u8>)> {
    let mut whole = arguments::definition().disable_help_subcommand(true);
    whole.build();
    pages_below(whole, "jns", "")
}

/// The page of a command, whose guide is named `key`, and those of its verbs.
fn pages_below(command: clap::Command, key: &str, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let name = page_name(&command);
    let verbs: Vec<clap::Command> = command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
        .cloned()
        .collect();
    let names: Vec<String> = verbs.iter().map(page_name).collect();
    let mut pages = vec![(format!("{name}.1"), page(command, key, &names))];
    for verb in verbs {
        let key = format!("{prefix}{}", verb.get_name());
        let below = format!("{key} ");
        pages.extend(pages_below(verb, &key, &below));
    }
    pages
}

fn page_name(command: &clap::Command) -> String {
    let name = command.get_display_name();
    name.unwrap_or(command.get_name()).to_owned()
}

/// One page. Its last sections come from the guide rather than from the help, where they are laid out for
/// a terminal.
fn page(mut command: clap::Command, verb: &str, verbs: &[String]) -> Vec<u8> {
    let usage = command.render_usage().to_string();
    let title = command.get_display_name().unwrap_or("jns").to_uppercase();
    let man = clap_mangen::Man::new(command.after_help(None::<&str>))
        .title(title)
        .section("1")
        .source(concat!("pam_jns ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut text = Vec::new();
    // Writing into memory cannot fail.
    let _ = render(&man, &usage, verbs, &mut text);
    text.extend(closing(guide::of(verb), verbs).into_bytes());
    text
}

fn render(
    man: &clap_mangen::Man,
    usage: &str,
    verbs: &[String],
    text: &mut Vec<u8>,
) -> io::Result<()> {
    man.render_title(text)?;
    man.render_name_section(text)?;
    // The one of clap_mangen does not tell that a command comes behind `--`.
    let usage = usage.trim_start_matches("Usage: ");
    writeln!(text, ".SH SYNOPSIS\n{}", escape(usage))?;
    man.render_description_section(text)?;
    man.render_options_section(text)?;
    if !verbs.is_empty() {
        man.render_subcommands_section(text)?;
    }
    Ok(())
}

fn closing(guide: Guide, verbs: &[String]) -> String {
    let mut text = String::from(".SH \"EXIT STATUS\"\n");
    for (status, meaning) in guide.statuses {
        let _ = writeln!(text, ".TP\n\\fB{status}\\fR\n{}", escape(meaning));
    }
    text.push_str(&keys(guide));
    text.push_str(".SH EXAMPLES\n");
    for (line, purpose) in guide.examples {
        let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", escape(line), escape(purpose));
    }
    text.push_str(".SH \"SEE ALSO\"\n");
    let own = verbs.iter().map(|verb| (verb.as_str(), 1));
    let command = verbs.is_empty().then_some(("jns", 1));
    let others = [("jns.toml", 5), ("pam_jns", 8)];
    let all: Vec<String> = own.chain(command).chain(others).map(reference).collect();
    text.push_str(&all.join(",\n"));
    text.push('\n');
    text
}

/// The keys of the JSON document, for verbs that print one.
fn keys(guide: Guide) -> String {
    if guide.keys.is_empty() {
        return String::new();
    }
    let mut text = String::from(".SH JSON\nKeys are never renamed. What does not apply is null.\n");
    for (key, meaning) in guide.keys {
        let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", escape(key), escape(meaning));
    }
    text
}

fn reference((page, section): (&str, u8)) -> String {
    format!(".BR {} ({section})", escape(page))
}

/// Text in roff: backslashes and hyphens, which would become dashes, are escaped.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_every_verb() {
        let names: Vec<String> = pages().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "jns.1",
                "jns-check.1",
                "jns-explain.1",
                "jns-selftest.1",
                "jns-doctor.1",
                "jns-gc.1",
                "jns-ps.1",
                "jns-enter.1",
                "jns-run.1",
                "jns-import.1",
                "jns-import-pam_namespace.1",
                "jns-import-pam_tmpdir.1",
                "jns-import-fstab.1",
                "jns-import-pam_mount.1",
                "jns-import-slurm.1",
                "jns-import-jailkit.1",
                "jns-completions.1",
                "jns-man.1"
            ]
        );
    }

    #[test]
    fn hyphens_can_be_copied_from_the_page() {
        assert_eq!(escape(r"a --b \c"), r"a \-\-b \\c");
    }
}
