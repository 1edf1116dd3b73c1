//! Files that nobody would write by hand: each is answered, with few words, and none takes the time that
//! a login has. (Times are seen with `--nocapture`, and asserted nowhere.)

use pam_jns::policy::{Diagnostics, Policy};
use std::fmt::Write;
use std::time::Instant;

/// A deterministic source of bytes (xorshift), so that a failure can be repeated.
fn noise(length: usize, map: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        map(state.to_le_bytes()[3])
    };
    (0..length).map(|_| next()).collect()
}

fn answer(what: &str, bytes: &[u8]) -> Result<usize, Diagnostics> {
    let start = Instant::now();
    let found = Policy::parse(&[("p", bytes)]);
    println!("{what}: {} bytes in {:?}", bytes.len(), start.elapsed());
    found.map(|loaded| loaded.policy.rules.len())
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> Vec<u8> {
    let text = (0..count).fold(String::new(), |mut text, number| {
        writeln!(text, "{}", line(number)).unwrap();
        text
    });
    text.into_bytes()
}

#[test]
fn files_without_sense_are_refused_in_a_few_lines() {
    const MIB: usize = 1024 * 1024;
    let words: &[u8] = b"[]{}=\"'#.,\n 1a";
    let table = |byte: u8| words[usize::from(byte) % words.len()];
    let cases: &[(&str, Vec<u8>)] = &[
        ("random bytes", noise(MIB, |byte| byte)),
        ("random ASCII", noise(MIB, |byte| byte & 0x7f)),
        ("random grammar", noise(MIB, table)),
        ("100 000 wrong lines", lines(100_000, |n| format!("k{n} 1"))),
        ("100 000 unknown keys", lines(90_000, |n| format!("k{n}=1"))),
        (
            "unknown tables",
            lines(60_000, |n| format!("[[privat{n}]]")),
        ),
        (
            "unknown keys in a rule",
            [
                b"[[private]]\n".to_vec(),
                lines(60_000, |n| format!("pat{n} = 1")),
            ]
            .concat(),
        ),
        (
            "bad principals",
            [
                b"[settings]\nexempt = [\n".to_vec(),
                lines(60_000, |n| format!("\":{n}\",")),
                b"]\n".to_vec(),
            ]
            .concat(),
        ),
        (
            "one long line",
            lines(1, |_| {
                format!("[settings]\nexempt = [{}]", "\"a:b\",".repeat(100_000))
            }),
        ),
        ("one key twice", lines(60_000, |_| "mode = 1".to_owned())),
        (
            "one rule again and again",
            lines(30_000, |_| "[[hide]]\npath = \"/x\"".to_owned()),
        ),
        (
            "deep brackets",
            b"a="
                .iter()
                .copied()
                .chain(std::iter::repeat_n(b'[', MIB - 2))
                .collect(),
        ),
        (
            "deep tables",
            lines(1, |_| format!("[{}]", "a.".repeat(100_000))),
        ),
        ("control characters", vec![1; MIB]),
        ("too long", vec![b'#'; MIB + 1]),
        (
            "a pattern of stars",
            lines(1, |_| {
                format!(
                    "[[hide]]\npath = \"/x\"\nservices = [\"{}\"]",
                    "*".repeat(MIB / 2)
                )
            }),
        ),
        (
            "a template of braces",
            lines(1, |_| {
                format!("[[hide]]\npath = \"/{}\"", "{user}".repeat(MIB / 8))
            }),
        ),
    ];
    for (what, bytes) in cases {
        let found = answer(what, bytes).expect_err(what);
        assert!(!found.is_empty() && found.list.len() <= 200, "{what}");
        for one in &found.list {
            let shown = one.render(false);
            assert!(
                shown.lines().count() <= 3 && shown.chars().count() < 700,
                "{what}: {shown}"
            );
            assert!(
                !shown.contains(|c: char| c.is_control() && c != '\n'),
                "{what}: {shown:?}"
            );
        }
    }
}

#[test]
fn large_policies_that_are_right_are_accepted() {
    let principals: String = (0..10_000).map(|n| format!("\"user{n}\", ")).collect();
    for (what, bytes, rules) in [
        (
            "100 000 comments",
            lines(100_000, |_| "# nothing".to_owned()),
            0,
        ),
        (
            "10 000 rules",
            lines(10_000, |n| format!("[[tmpfs]]\npath = \"/x/{n}\"")),
            10_000,
        ),
        (
            "10 000 principals",
            lines(1, |_| {
                format!("[[hide]]\npath = \"/x\"\nusers = [{principals}]")
            }),
            1,
        ),
        (
            "all stars",
            lines(1, |_| {
                format!(
                    "[[hide]]\npath = \"/x\"\nservices = [\"{}b\"]",
                    "*a".repeat(100)
                )
            }),
            1,
        ),
    ] {
        assert_eq!(answer(what, &bytes).unwrap(), rules, "{what}");
    }
}

#[test]
fn diagnostics_that_are_not_kept_are_counted() {
    let found = answer(
        "1000 errors",
        &lines(1000, |_| "[[zebra]]\n[[hide]]".to_owned()),
    )
    .unwrap_err();
    assert_eq!((found.list.len(), found.more), (100, 1900));
    assert!(found.to_string().ends_with("\nand 1900 more"), "{found}");
}

/// Warnings do not crowd out the errors.
#[test]
fn errors_are_kept_among_many_warnings() {
    let mut bytes = lines(1000, |n| format!("[[overlay]]\npath = \"/x/{n}\""));
    bytes.extend_from_slice(b"[[zebra]]\n");
    let found = answer("1000 warnings", &bytes).unwrap_err();
    assert_eq!(found.errors(), 1);
}

/// A long file is read to its end, unless its beginning makes no sense at all.
#[test]
fn an_error_at_the_end_of_a_long_file_is_found() {
    let mut bytes = lines(10_000, |_| "# nothing".to_owned());
    bytes.extend_from_slice(b"x = \n[[zebra]]\n");
    let found = answer("an error at the end", &bytes).unwrap_err();
    let places: Vec<usize> = found
        .list
        .iter()
        .map(|one| one.place.as_ref().unwrap().line)
        .collect();
    assert_eq!(places, [10_001, 10_002]);
}

/// The same of a list that is cut where the beginning ends.
#[test]
fn a_long_list_is_one_list() {
    let list = lines(20_000, |n| format!("  \"user{n}\","));
    let bytes = [
        b"[[hide]]\npath = \"/x\"\nusers = [\n".to_vec(),
        list,
        b"]\n".to_vec(),
    ]
    .concat();
    assert_eq!(answer("a long list", &bytes).unwrap(), 1);
}
