//! Which room of the source may use which: data flows one way, and one place touches the kernel.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A room, what it may use, and the reason why it may use nothing else.
struct Room {
    name: &'static str,
    may_use: &'static [&'static str],
    because: &'static str,
}

const fn room(name: &'static str, may_use: &'static [&'static str], because: &'static str) -> Room {
    Room {
        name,
        may_use,
        because,
    }
}

/// Every room. A room may always use itself.
const ROOMS: &[Room] = &[
    room("lib", &[], "it is the module list and nothing else"),
    room("main", &["cli"], "an entry point decides nothing"),
    room("error", &[], "every other room stands on it"),
    room(
        "journal",
        &["error::steers"],
        "it carries text to the log, whatever the text says",
    ),
    room(
        "store",
        &[],
        "who has which directory of a store does not depend on who asks",
    ),
    room(
        "login",
        &[
            "kernel::fs::label",
            "kernel::selinux",
            "store::layout",
            "error",
        ],
        "facts about a login do not depend on what is made of them",
    ),
    room(
        "kernel",
        &["store::layout", "error"],
        "it does what it is told and knows neither policies nor plans",
    ),
    room(
        "policy",
        &["login", "kernel", "store::layout", "error"],
        "the language is a pure function of files and a login, and is not concerned with what becomes of it",
    ),
    room(
        "plan",
        &["policy", "login", "store::layout", "error"],
        "a plan is made without looking at the world",
    ),
    room(
        "apply",
        &["plan", "kernel", "policy::value", "store::layout", "error"],
        "what is not in the plan must not decide what happens",
    ),
    room(
        "session",
        &[
            "apply",
            "plan",
            "kernel",
            "login",
            "policy::Sha256",
            "store::layout",
            "error",
        ],
        "how a plan's namespace is come by, and what is remembered of it, depends neither on PAM nor on the command",
    ),
    room(
        "gc",
        &[
            "session",
            "kernel",
            "login::SessionId",
            "store::layout",
            "error",
        ],
        "it removes what logins have left, and no login needs any of it",
    ),
    room(
        "cli",
        &[
            "apply",
            "error",
            "gc",
            "journal",
            "kernel",
            "login",
            "plan",
            "policy",
            "session",
            "store::layout",
        ],
        "the command calls what the login calls, without PAM",
    ),
    room(
        "pam",
        &[
            "apply",
            "error",
            "journal",
            "kernel",
            "login",
            "plan",
            "policy",
            "session",
            "store::layout",
        ],
        "what runs in a login needs neither the command nor the collector",
    ),
];

#[test]
fn rooms_use_only_what_their_row_allows() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in rust_files(&source).unwrap() {
        let text = fs::read_to_string(&file).unwrap();
        wrong.extend(violations(file.strip_prefix(&source).unwrap(), &text));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What keeps the test above honest: it must see each of these.
#[test]
fn a_wrong_use_is_seen_however_it_is_written() {
    for (file, text, expected) in [
        (
            "plan.rs",
            "use crate::kernel;",
            "src/plan.rs:1: plan must not use kernel: ",
        ),
        (
            "plan.rs",
            "use crate::kernel::file::open;",
            "plan must not use kernel::file::open",
        ),
        (
            "plan.rs",
            "use crate::{error, kernel};",
            "plan must not use kernel",
        ),
        (
            "plan.rs",
            "use crate::{error::{self, Error}, kernel::{file}};",
            "kernel::file",
        ),
        (
            "plan.rs",
            "\n\nlet x = crate::kernel::go();",
            "src/plan.rs:3: ",
        ),
        (
            "plan.rs",
            "r#\"one \" quote\"#; '\"'; crate::kernel::go();",
            "kernel::go",
        ),
        ("plan.rs", "use super::kernel;", "plan must not use kernel"),
        (
            "session/join.rs",
            "use crate::gc;",
            "session must not use gc",
        ),
        (
            "pam/open.rs",
            "use crate::gc::collect;",
            "pam must not use gc",
        ),
        (
            "kernel/file.rs",
            "use super::super::policy;",
            "kernel must not use policy",
        ),
        (
            "kernel/file.rs",
            "use crate::policy;",
            "src/kernel/file.rs:1: kernel must not use policy",
        ),
        (
            "apply.rs",
            "use crate::policy::Policy;",
            "apply must not use policy::Policy",
        ),
        (
            "cli/check.rs",
            "crate::pam::open();",
            "cli must not use pam::open",
        ),
        ("policy.rs", "use crate::*;", "policy must not use *"),
        ("cellar.rs", "", "src/cellar.rs: no row for the room cellar"),
    ] {
        let found = violations(Path::new(file), text).join("\n");
        assert!(found.contains(expected), "{file}: {text}\n{found}");
    }
}

#[test]
fn a_right_use_is_let_through() {
    for (file, text) in [
        ("plan.rs", "use crate::policy::rule::Rule;"),
        (
            "plan.rs",
            "// crate::kernel\n/* crate::kernel */ //! [`crate::kernel`]",
        ),
        ("plan.rs", "let text = \"\\\"crate::kernel\";"),
        ("plan.rs", "let text = r#\"# \"crate::kernel::file()\"#;"),
        ("apply.rs", "use crate::policy::value::{AbsPath, Mode};"),
        (
            "kernel/file.rs",
            "use super::mount; use crate::kernel::sys;",
        ),
        ("cli/doctor.rs", "use super::pam;"),
        ("pam/hooks.rs", "use crate::{apply, session, kernel};"),
    ] {
        assert_eq!(
            violations(Path::new(file), text),
            Vec::<String>::new(),
            "{text}"
        );
    }
}

/// What `file`, named from `src`, uses beyond its row; a message each.
fn violations(file: &Path, text: &str) -> Vec<String> {
    let shown = Path::new("src").join(file);
    let name = room_of(file);
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![format!(
            "{}: no row for the room {name} in tests/rooms.rs",
            shown.display()
        )];
    };
    uses(text, file.components().count())
        .into_iter()
        .filter(|used| !room.allows(&used.path))
        .map(|used| {
            format!(
                "{}:{}: {name} must not use {}: {}; it may use {:?}",
                shown.display(),
                used.line,
                used.path,
                room.because,
                room.may_use
            )
        })
        .collect()
}

impl Room {
    fn allows(&self, path: &str) -> bool {
        let mut allowed = self.may_use.iter().chain([&self.name]);
        allowed.any(|room| is_within(path, room))
    }
}

fn is_within(path: &str, room: &str) -> bool {
    path.strip_prefix(room)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn room_of(file: &Path) -> String {
    let first = file.iter().next().unwrap_or_default().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn rust_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A path from the root of the crate, `crate::` left off.
#[derive(Debug)]
struct Use {
    line: usize,
    path: String,
}

/// Every path in `text` that starts at the root of the crate, by `crate::`, by the library's name, or by as
/// many `super::` as the file lies deep.
fn uses(text: &str, depth: usize) -> Vec<Use> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut rest = tokens.as_slice();
    while !rest.is_empty() {
        if let Some(tree) = after_root(rest, depth) {
            let (paths, _) = expand(tree);
            let (line, by_super) = rest
                .first()
                .map_or((0, false), |token| (token.line, token.is("super")));
            let counted = paths.into_iter().filter(|path| counts(path, by_super));
            found.extend(counted.map(|path| Use { line, path }));
            rest = tree;
        } else {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    found
}

/// Whether a path leads from the root into a room. A `*` does, except after `super`: that is how the tests in
/// a file reach the file itself.
fn counts(path: &str, by_super: bool) -> bool {
    path == "*" && !by_super || ROOMS.iter().any(|room| is_within(path, room.name))
}

/// The tokens after `crate ::`, `pam_jns ::` or `depth` times `super ::` at the head of `tokens`.
fn after_root(tokens: &[Token], depth: usize) -> Option<&[Token]> {
    match tokens {
        [first, colons, rest @ ..] if first.is("crate") || first.is("pam_jns") => {
            colons.is("::").then_some(rest)
        }
        [first, ..] if first.is("super") => (0..depth).try_fold(tokens, |rest, _| match rest {
            [first, colons, rest @ ..] if first.is("super") && colons.is("::") => Some(rest),
            _ => None,
        }),
        _ => None,
    }
}

/// The paths of the use tree at the head of `tokens`, and what follows it.
fn expand(tokens: &[Token]) -> (Vec<String>, &[Token]) {
    match tokens {
        [brace, rest @ ..] if brace.is("{") => expand_group(rest),
        [name, colons, rest @ ..] if name.is_name() && colons.is("::") => {
            let (inner, rest) = expand(rest);
            let paths = inner.iter().map(|path| format!("{}::{path}", name.text));
            (paths.collect(), rest)
        }
        [name, rest @ ..] if name.is_name() || name.is("*") => (vec![name.text.clone()], rest),
        _ => (Vec::new(), tokens),
    }
}

fn expand_group(mut tokens: &[Token]) -> (Vec<String>, &[Token]) {
    let mut paths = Vec::new();
    while let [first, rest @ ..] = tokens {
        if first.is("}") {
            return (paths, rest);
        }
        let (inner, after) = expand(tokens);
        paths.extend(inner);
        tokens = if after.len() == tokens.len() {
            rest
        } else {
            after
        };
    }
    (paths, tokens)
}

#[derive(Debug)]
struct Token {
    line: usize,
    text: String,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        self.text == text
    }

    fn is_name(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The words and signs of `text`, without comments and the contents of strings.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1_usize;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest, first);
        let (token, after) = rest.split_at(length);
        if is_code(token, first) {
            let text = token.to_owned();
            tokens.push(Token { line, text });
        }
        line = line.saturating_add(token.matches('\n').count());
        rest = after;
    }
    tokens
}

fn is_code(token: &str, first: char) -> bool {
    !first.is_whitespace() && first != '"' && !token.starts_with("//") && !token.starts_with("/*")
}

fn token_length(rest: &str, first: char) -> usize {
    let until = |end: &str| {
        rest.find(end)
            .map_or(rest.len(), |at| at.saturating_add(end.len()))
    };
    match first {
        '/' if rest.starts_with("//") => until("\n"),
        '/' if rest.starts_with("/*") => until("*/"),
        '"' => string_length(rest),
        'r' | 'b' if raw_string_length(rest).is_some() => {
            raw_string_length(rest).unwrap_or(rest.len())
        }
        '\'' if rest.starts_with("'\"'") => 3,
        '\'' if rest.starts_with("'\\\"'") => 4,
        ':' if rest.starts_with("::") => 2,
        _ if first.is_alphanumeric() || first == '_' => rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len()),
        _ => first.len_utf8(),
    }
}

/// The length of the raw string literal at the head of `rest`, if there is one.
fn raw_string_length(rest: &str) -> Option<usize> {
    let after = rest.trim_start_matches('b').strip_prefix('r')?;
    let quoted = after.trim_start_matches('#');
    let content = quoted.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(after.len().saturating_sub(quoted.len())));
    let (_, behind) = content.split_once(&end)?;
    Some(rest.len().saturating_sub(behind.len()))
}

/// The length of the string literal at the head of `rest`, its quotes included.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, sign) in rest.char_indices().skip(1) {
        match sign {
            '"' if !escaped => return at.saturating_add(1),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}
