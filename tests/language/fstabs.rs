//! fstab(5) files, and what is made of them.

use crate::golden;
use pam_jns::plan::Fstab;
use proptest::prelude::*;
use std::fs;

#[test]
fn fstabs_are_read_as_the_golden_files_say() {
    for file in golden::files("fstabs", "fstab") {
        let text = fs::read(&file).unwrap();
        golden::compare(&file.with_extension("shown"), &shown(&text));
    }
}

/// The diagnostics as a terminal shows them, and the steps as `jns explain` does.
fn shown(text: &[u8]) -> String {
    let (steps, found) = match Fstab::parse("fstab", text) {
        Ok(fstab) => (fstab.steps, fstab.warnings),
        Err(found) => (Vec::new(), found),
    };
    let diagnostics = found.list.iter().map(|one| one.render(false));
    let lines = diagnostics.chain(steps.iter().map(ToString::to_string));
    lines.map(|line| line + "\n").collect()
}

proptest! {
    /// What is shown of a text is never more than one line an entry or a diagnostic.
    #[test]
    fn any_lines_are_an_fstab_or_an_error(text in "(([#/a,=\\\\ \t\"04]|none|bind|tmpfs| / |\n){0,30})") {
        let steps = Fstab::parse("fstab", text.as_bytes()).map(|fstab| fstab.steps);
        for step in steps.unwrap_or_default() {
            prop_assert!(step.path.as_str().starts_with('/'));
            prop_assert!(text.lines().nth(step.location.line - 1).is_some());
            prop_assert_eq!(step.to_string().lines().count(), 1);
        }
    }
}

#[test]
fn any_bytes_are_an_fstab_or_an_error() {
    for text in [
        &b"\xff"[..],
        b"\0",
        b"a /b \0",
        b"\xef\xbb\xbf# mark\n",
        b"\"",
        b"a /b c \",\"\",,,=,=",
        b"\\ \\ \\",
    ] {
        let _ = shown(text);
    }
    assert_eq!(Fstab::parse("fstab", b"").unwrap().steps, []);
}
