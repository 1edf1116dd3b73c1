//! Every message of the language, with its place.

use crate::golden;
use pam_jns::policy::{Diagnostics, Policy};
use std::fs;

/// What stands between a policy and what is said about it, and between two of these pairs.
const ANSWER: &str = "----\n";
const NEXT: &str = "\n====\n";

fn said_about(policy: &str) -> Diagnostics {
    match Policy::parse(&[("p", policy.as_bytes())]) {
        Ok(loaded) => loaded.warnings,
        Err(found) => found,
    }
}

fn rendered(found: &Diagnostics) -> String {
    let all: Vec<String> = found.list.iter().map(|one| one.render(false)).collect();
    all.join("\n")
}

#[test]
fn messages_are_those_of_the_golden_files() {
    for file in golden::files("messages", "txt") {
        let cases = fs::read_to_string(&file).unwrap();
        let answered = cases.trim_end().split(NEXT).map(|case| {
            let case = format!("{case}\n");
            let policy = case.split(ANSWER).next().unwrap();
            let policy = format!("{}\n", policy.trim_end());
            format!("{policy}{ANSWER}{}", rendered(&said_about(&policy)))
        });
        let answered: Vec<String> = answered.collect();
        golden::compare(&file, &(answered.join(NEXT) + "\n"));
    }
}

/// What cannot stand in a text file.
#[test]
fn odd_bytes_have_clear_messages() {
    for (bytes, expected) in [
        (
            &b"[settings]\nmode = \"a\0b\"\n"[..],
            "p:2:10: the control character U+0000 cannot stand in a policy",
        ),
        (
            b"\x1b[31m\n",
            "p:1:1: the control character U+001B cannot stand in a policy",
        ),
        (
            b"[settings]\rmode = 1\n",
            "p:1:11: the control character U+000D cannot stand in a policy",
        ),
        (
            b"# caf\xe9\n",
            "p:1:6: the file is not UTF-8 text; save it as UTF-8, not as Latin-1 or UTF-16",
        ),
        (
            b"# ok\n# \xc3\xbc\xff\n",
            "p:2:4: the file is not UTF-8 text; save it as UTF-8, not as Latin-1 or UTF-16",
        ),
        (
            b"\xff\xfe[\0",
            "p:1:1: the file is not UTF-8 text; save it as UTF-8, not as Latin-1 or UTF-16",
        ),
        (
            b"[settings]\r\nmode = 1\r\n",
            "p:2:8: `mode` must be a string, not a whole number; write it in quotes",
        ),
        (
            b"\xef\xbb\xbf[setting]\r\n",
            "p:1:2: unknown table `setting`; did you mean `[settings]`?",
        ),
        (
            b"\tkey = 1",
            "p:1:2: the key `key` belongs to no table; put it below `[settings]` or the header of a rule",
        ),
    ] {
        let found = Policy::parse(&[("p", bytes)]).unwrap_err();
        assert_eq!(found.to_string(), expected, "{bytes:?}");
    }
}

#[test]
fn empty_files_are_policies() {
    for bytes in [
        &b""[..],
        b"\n",
        b"\xef\xbb\xbf",
        b"# nothing",
        b"\r\n",
        b"[settings]",
    ] {
        let loaded = Policy::parse(&[("p", bytes)]).unwrap();
        assert!(loaded.policy.rules.is_empty(), "{bytes:?}");
    }
}

#[test]
fn all_errors_of_all_files_are_reported_in_their_order() {
    let first = b"[[hide]]\npath = \"x\"\n[settings]\nmode = 1\n";
    let second = b"[[hid]]\n";
    let found = Policy::parse(&[("b", first), ("latin", b"\xe9"), ("a", second)]).unwrap_err();
    let expected = "b:2:8: a path must be absolute\n\
        b:4:8: `mode` must be a string, not a whole number; write it in quotes\n\
        latin:1:1: the file is not UTF-8 text; save it as UTF-8, not as Latin-1 or UTF-16\n\
        a:1:1: unknown table `hid`; did you mean `[[hide]]`?";
    assert_eq!(found.to_string(), expected);
}

#[test]
fn colour_surrounds_the_message_and_the_underline() {
    let found = said_about(
        "[settings]\nmode = \"x\\u001b\"\n[[overlay]]\npath = \"/r\"\nper = \"group\"\n",
    );
    let rendered: Vec<String> = found.list.iter().map(|one| one.render(true)).collect();
    let expected = [
        "\u{1b}[1;31mp:2:8: unknown value \"x\\u{1b}\"; expected one of \"enforce\", \"observe\"\u{1b}[0m\n  \
            mode = \"x\\u001b\"\n         \u{1b}[1;31m^^^^^^^^^\u{1b}[0m",
        "\u{1b}[1;33mp:3:1: warning: users of a group have namespaces of their own, and one alone can write to a layer; the other users' logins are refused meanwhile\u{1b}[0m\n  \
            [[overlay]]\n  \u{1b}[1;33m^^^^^^^^^^^\u{1b}[0m",
    ];
    assert_eq!(rendered, expected);
}

/// The warnings about a policy of these files, one a line.
fn warnings(files: &[&str]) -> String {
    let names = ["jns.toml", "10.toml", "20.toml"];
    let named = names.iter().zip(files);
    let files: Vec<(&str, &[u8])> = named.map(|(name, text)| (*name, text.as_bytes())).collect();
    Policy::parse(&files).unwrap().warnings.to_string()
}

#[test]
fn a_drop_in_that_takes_root_or_the_system_out_is_warned_about() {
    let warned = |file, column, lost| {
        format!(
            "{file}:2:{column}: warning: `exempt` replaces what earlier files say, and leaves out {lost}; \
             `add_exempt` adds to what they say"
        )
    };
    let both = warned("10.toml", 10, "root and accounts of the system");
    let root = warned("10.toml", 10, "root");
    let system = warned("10.toml", 10, "accounts of the system");
    let late = warned("20.toml", 10, "root");
    for (files, expected) in [
        (&["", "exempt = [\"bob\"]"][..], both.as_str()),
        (&["", "exempt = []"], &both),
        (&["", "exempt = [\"uid:1-999\"]"], &root),
        (
            &["", "exempt = [\"root\", \"uid:1-500\", \"uid:502-1999\"]"],
            &system,
        ),
        (
            &["", "exempt = [\"root\", \"uid:1-500\", \"uid:400-1999\"]"],
            "",
        ),
        (&["", "exempt = [\"uid:0-999\"]"], ""),
        (&["", "exempt = [\"*\"]"], ""),
        (
            &["", "exempt = [\"@root\"]\nadd_exempt = [\"uid:1-999\"]"],
            "",
        ),
        (&["", "add_exempt = [\"bob\"]"], ""),
        // The first file is the policy, and means what it says.
        (&["exempt = []"], ""),
        (&["exempt = [\"root\"]", "exempt = [\"root\", \"bob\"]"], ""),
        (&["exempt = [\"alice\"]", "exempt = [\"bob\"]"], ""),
        (
            &["", "add_exempt = [\"bob\"]", "exempt = [\"uid:1-999\"]"],
            &late,
        ),
    ] {
        let files = files.iter().map(|text| format!("[settings]\n{text}\n"));
        let files: Vec<String> = files.collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        assert_eq!(warnings(&files), expected, "{files:?}");
    }
}
