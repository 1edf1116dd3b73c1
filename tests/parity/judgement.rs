//! Two accounts, compared.

use crate::row::{Difference, Judgement, Row};
use crate::sandbox::peer::Versions;
use crate::sandbox::{Subject, skip};
use crate::side::{Account, play};
use pam_jns::kernel::fs::label::is_enforceable;

/// Plays a row on both sides and holds what they saw against its judgement.
#[track_caller]
pub fn assert_compares(row: &Row) {
    if row.selinux && !is_enforceable() {
        skip!("there is no SELinux here");
    }
    let (theirs, ours) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| play(row, Subject::Theirs));
        let ours = play(row, Subject::Ours);
        (
            theirs.join().expect("pam_namespace's side can be played"),
            ours,
        )
    });
    let (theirs, ours) = match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => (theirs, ours),
        (Err(reason), _) | (_, Err(reason)) => skip!("{reason}"),
    };
    let wrong = judge(&row.judgement, &theirs, &ours);
    assert!(
        wrong.is_empty(),
        "{}\n{}",
        wrong.join("\n"),
        report(&theirs, &ours)
    );
}

/// What speaks against a judgement.
fn judge(judgement: &Judgement, theirs: &Account, ours: &Account) -> Vec<String> {
    let nothing = Difference {
        manual: "",
        theirs: &[],
        ours: &[],
        messages: &[],
    };
    match judgement {
        Judgement::Same(messages) => {
            let difference = Difference {
                messages,
                ..nothing
            };
            judge_difference(&difference, theirs, ours)
        }
        Judgement::Differs(difference) => judge_difference(difference, theirs, ours),
        Judgement::ByVersion(each) => judge_by_version(each, theirs, ours),
    }
}

/// What speaks against the judgement for the version that is there; against all of them where it is none of theirs.
fn judge_by_version(
    each: &[(Versions, Judgement)],
    theirs: &Account,
    ours: &Account,
) -> Vec<String> {
    let (known, others): (Vec<_>, Vec<_>) = each
        .iter()
        .partition(|(versions, _)| theirs.peer.is_among(versions));
    let wrong = |(versions, judgement): &(Versions, Judgement)| {
        let wrong = judge(judgement, theirs, ours);
        let of = |line| format!("{} as in {}: {line}", theirs.peer, versions.name);
        wrong.into_iter().map(of).collect::<Vec<_>>()
    };
    let candidates = if known.is_empty() { others } else { known };
    let judged: Vec<_> = candidates.into_iter().map(wrong).collect();
    match judged.iter().any(Vec::is_empty) {
        true => Vec::new(),
        false => judged.concat(),
    }
}

fn judge_difference(expected: &Difference, theirs: &Account, ours: &Account) -> Vec<String> {
    let their_own = beyond(&theirs.seen, &ours.seen);
    let our_own = beyond(&ours.seen, &theirs.seen);
    let mut wrong = unexplained("pam_namespace", &their_own, expected.theirs);
    wrong.extend(unexplained("pam_jns", &our_own, expected.ours));
    wrong.extend(missing(
        "printed or logged",
        expected.messages,
        &ours.messages,
    ));
    wrong
}

/// The lines that one list has more often than the other.
fn beyond<'a>(list: &'a [String], other: &[String]) -> Vec<&'a str> {
    let mut left: Vec<_> = other.iter().collect();
    let is_more = |line: &&String| match left.iter().position(|known| known == line) {
        Some(at) => {
            left.swap_remove(at);
            false
        }
        None => true,
    };
    list.iter().filter(is_more).map(String::as_str).collect()
}

/// Lines that none of the texts is part of, and texts that are part of none of the lines.
fn unexplained(side: &str, lines: &[&str], texts: &[&str]) -> Vec<String> {
    let lines_left = lines
        .iter()
        .filter(|line| !texts.iter().any(|text| line.contains(text)));
    let texts_left = texts
        .iter()
        .filter(|text| !lines.iter().any(|line| line.contains(*text)));
    let lines_left = lines_left.map(|line| format!("only {side} has: {line}"));
    let texts_left = texts_left.map(|text| format!("only {side} should have: {text}"));
    lines_left.chain(texts_left).collect()
}

fn missing(kind: &str, words: &[&str], text: &str) -> Vec<String> {
    let missing = words.iter().filter(|word| !text.contains(*word));
    missing.map(|word| format!("not {kind}: {word}")).collect()
}

fn report(theirs: &Account, ours: &Account) -> String {
    let side = |name: &str, account: &Account| {
        format!(
            "== {name} saw ==\n{}\n== and its messages ==\n{}\n",
            account.seen.join("\n"),
            account.messages
        )
    };
    side(&format!("pam_namespace {}", theirs.peer), theirs) + &side("pam_jns", ours)
}
