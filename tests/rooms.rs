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
        "path",
        &["store::layout", "error"],
        "the form of a path does not depend on whose it is",
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
        &["path", "store::layout", "error"],
        "it does what it is told and knows neither policies nor plans",
    ),
    room(
        "policy",
        &["path", "login", "kernel", "store::layout", "error"],
        "the language is a pure function of files and a login, and is not concerned with what becomes of it",
    ),
    room(
        "plan",
        &["path", "policy", "login", "store::layout", "error"],
        "a plan is made without looking at the world",
    ),
    room(
        "apply",
        &[
            "path",
            "plan",
            "kernel",
            "policy::value",
            "store::layout",
            "error",
        ],
        "what is not in the plan must not decide what happens",
    ),
    room(
        "session",
        &[
            "path",
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
            "path::AbsPath",
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
            "path",
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
            "path",
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

/// The verbs of the command. What two of them need is nobody's: it stands beside them in `cli`, whose other files use
/// no verb either. `cli.rs` alone calls them.
const VERBS: &[&str] = &[
    "cli::check",
    "cli::completions",
    "cli::doctor",
    "cli::enter",
    "cli::explain",
    "cli::gc",
    "cli::import",
    "cli::manual",
    "cli::ps",
    "cli::run",
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

/// A verb that is not in the table could use every other one.
#[test]
fn every_verb_is_in_the_table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli.rs");
    let tokens = tokens(&fs::read_to_string(source).unwrap());
    let called = tokens.windows(4).filter_map(|four| match four {
        [verb, colons, run, open] if colons.is("::") && run.is("run") && open.is("(") => {
            Some(format!("cli::{}", verb.text))
        }
        _ => None,
    });
    let mut called: Vec<String> = called.collect();
    called.sort();
    assert_eq!(called, VERBS);
}

/// What keeps the tests above honest: they must see each of these.
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
        (
            "cli/check.rs",
            "use crate::cli::{doctor::Tree, host};",
            "src/cli/check.rs:1: cli::check must not use cli::doctor::Tree",
        ),
        (
            "cli/ps/stale.rs",
            "use crate::cli::run;",
            "cli::ps must not use cli::run",
        ),
        (
            "cli/gc.rs",
            "use super::doctor;",
            "cli::gc must not use cli::doctor",
        ),
        (
            "cli/run/entry.rs",
            "super::super::enter::run();",
            "cli::run must not use cli::enter::run",
        ),
        (
            "cli/gc.rs",
            "mod tests { mod inner {} use super::super::doctor; }",
            "cli::gc must not use cli::doctor",
        ),
        (
            "cli/source.rs",
            "use crate::cli::doctor::Tree;",
            "cli::source must not use cli::doctor::Tree",
        ),
        (
            "cli/gc.rs",
            "use crate::cli::*;",
            "cli::gc must not use cli::*",
        ),
        (
            "plan.rs",
            "mod tests { use super::super::kernel; }",
            "plan must not use kernel",
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
        ("apply.rs", "use crate::policy::value::{Mode, Size};"),
        (
            "kernel/file.rs",
            "use super::mount; use crate::kernel::sys;",
        ),
        ("plan.rs", "mod tests { use super::*; }"),
        ("cli.rs", "use crate::cli::{doctor, run};"),
        ("cli/doctor.rs", "use super::host;"),
        ("cli/doctor.rs", "mod tests { use super::run; }"),
        (
            "cli/doctor/pam.rs",
            "use super::run; use super::super::doctor;",
        ),
        ("cli/doctor/pam.rs", "use crate::cli::doctor::finding;"),
        ("cli/run.rs", "mod tests {} use crate::cli::runner;"),
        ("pam/hooks.rs", "use crate::{apply, session, kernel};"),
    ] {
        assert_eq!(
            violations(Path::new(file), text),
            Vec::<String>::new(),
            "{text}"
        );
    }
}

/// What `file`, named from `src`, uses beyond its row, and which verbs it uses; a message each.
fn violations(file: &Path, text: &str) -> Vec<String> {
    let shown = Path::new("src").join(file);
    let module = module_of(file);
    let name = module.first().map_or("", String::as_str);
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![format!(
            "{}: no row for the room {name} in tests/rooms.rs",
            shown.display()
        )];
    };
    let own = module.get(..2).unwrap_or(&module).join("::");
    let objection = |used: Use| {
        let at = format!("{}:{}", shown.display(), used.line);
        let path = &used.path;
        if !room.allows(path) {
            let (because, may_use) = (room.because, room.may_use);
            return Some(format!(
                "{at}: {name} must not use {path}: {because}; it may use {may_use:?}"
            ));
        }
        let is_wrong = name == "cli" && own != "cli" && uses_other_verb(&own, path);
        is_wrong.then(|| {
            format!("{at}: {own} must not use {path}: verbs have nothing of each other's; what two need stands in cli")
        })
    };
    let used = uses(text, &module).into_iter();
    used.filter_map(objection).collect()
}

/// Whether `path`, used by a file of `own`, one of cli's direct modules, leads to a verb that it is not of.
fn uses_other_verb(own: &str, path: &str) -> bool {
    let mut verbs = VERBS.iter().filter(|verb| **verb != own);
    path == "cli::*" || verbs.any(|verb| is_within(path, verb))
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

/// The module of a file that is named from `src`, from the root of the crate.
fn module_of(file: &Path) -> Vec<String> {
    let file = file.with_extension("");
    let names = file.iter().map(|name| name.to_string_lossy().into_owned());
    names.collect()
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

/// Every path in `text`, a file of `module`, that starts at the root of the crate, by `crate::` or the library's name, or
/// that `super::` leads to.
fn uses(text: &str, module: &[String]) -> Vec<Use> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut modules = Modules::of(module);
    let mut rest = tokens.as_slice();
    while let [first, after @ ..] = rest {
        if let Some((base, tree)) = after_root(rest, &modules.path()) {
            let (paths, _) = expand(tree);
            let line = first.line;
            let full = paths.into_iter().map(|path| [&base[..], &[path]].concat());
            let counted = full.map(|path| path.join("::")).filter(|path| counts(path));
            found.extend(counted.map(|path| Use { line, path }));
            rest = tree;
        } else {
            modules.follow(rest);
            rest = after;
        }
    }
    found
}

/// The module that a token stands in: that of the file, and those that are open around it, by the braces.
struct Modules {
    file: Vec<String>,
    /// For each open brace, the module that it opens, if it opens one.
    open: Vec<Option<String>>,
    /// The module whose brace comes next.
    next: Option<String>,
}

impl Modules {
    fn of(file: &[String]) -> Self {
        let file = file.to_vec();
        Self {
            file,
            open: Vec::new(),
            next: None,
        }
    }

    fn path(&self) -> Vec<String> {
        let inner = self.open.iter().flatten();
        self.file.iter().chain(inner).cloned().collect()
    }

    /// Goes over the first of `tokens`.
    fn follow(&mut self, tokens: &[Token]) {
        match tokens {
            [first, name, brace, ..] if first.is("mod") && brace.is("{") => {
                self.next = Some(name.text.clone());
            }
            [first, ..] if first.is("{") => self.open.push(self.next.take()),
            [first, ..] if first.is("}") => {
                self.open.pop();
            }
            _ => {}
        }
    }
}

/// Whether a path leads from the root into a room, or to all that is there.
fn counts(path: &str) -> bool {
    path == "*" || ROOMS.iter().any(|room| is_within(path, room.name))
}

/// The module that `crate ::`, `pam_jns ::` or `super ::`s at the head of `tokens`, in `module`, stand for, and the tokens
/// after them.
fn after_root<'t>(tokens: &'t [Token], module: &[String]) -> Option<(Vec<String>, &'t [Token])> {
    let (first, mut rest) = match tokens {
        [first, colons, rest @ ..] if colons.is("::") => (first, rest),
        _ => return None,
    };
    if first.is("crate") || first.is("pam_jns") {
        return Some((Vec::new(), rest));
    }
    let mut base = module.split_last().filter(|_| first.is("super"))?.1;
    while let [first, colons, after @ ..] = rest {
        let Some((_, outer)) = base
            .split_last()
            .filter(|_| first.is("super") && colons.is("::"))
        else {
            break;
        };
        (base, rest) = (outer, after);
    }
    Some((base.to_vec(), rest))
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
