//! Which room of the source may use which: data flows one way, and one place touches the kernel.

use std::collections::{BTreeMap, BTreeSet};
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
        &["error::harmless"],
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
            "kernel::accounts",
            "kernel::deadline",
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
        "it does what it is asked and knows neither policies nor plans",
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
            "pam::Item",
            "pam::Transaction",
            "plan",
            "policy",
            "session",
            "store::layout",
        ],
        "the command calls what the login calls, and PAM as sshd does",
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
    "cli::selftest",
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

/// Two files that use each other are one in two pieces: neither can be read without the other.
#[test]
fn no_files_use_each_other_in_a_circle() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&source).unwrap();
    let read = |file: &PathBuf| {
        let name = file.strip_prefix(&source).unwrap().to_path_buf();
        (name, fs::read_to_string(file).unwrap())
    };
    let files: Vec<(PathBuf, String)> = files.iter().map(read).collect();
    let circles = circles(&files);
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

/// What keeps the test above honest.
#[test]
fn a_circle_of_files_is_seen_however_it_is_written() {
    for (files, expected) in [
        (
            [
                ("gc.rs", "mod store; pub use store::Store; pub struct Kind;"),
                ("gc/store.rs", "use super::Kind; pub struct Store;"),
                ("plan.rs", ""),
            ],
            "gc uses gc::store, gc::store uses gc",
        ),
        (
            [
                ("gc.rs", "mod store; fn run() { store::open(); }"),
                ("gc/store.rs", "fn open(kind: crate::gc::Kind) {}"),
                ("plan.rs", ""),
            ],
            "gc uses gc::store, gc::store uses gc",
        ),
        (
            [
                ("gc.rs", "mod pins; mod store;"),
                ("gc/pins.rs", "fn list() { super::store::open::<u8>(); }"),
                ("gc/store.rs", "use crate::gc::{pins::{self, Pin as P}};"),
            ],
            "gc::pins uses gc::store, gc::store uses gc::pins",
        ),
        (
            [
                ("plan.rs", "use crate::gc; fn all() { gc::store::open(); }"),
                ("gc.rs", "mod store;"),
                ("gc/store.rs", "use super::super::plan::*;"),
            ],
            "gc::store uses plan, plan uses gc::store",
        ),
        (
            [
                ("error.rs", "use crate::plan::Plan;"),
                ("gc.rs", "use crate::error::Error;"),
                ("plan.rs", "use pam_jns::gc::collect;"),
            ],
            "error uses plan, gc uses error, plan uses gc",
        ),
    ] {
        assert_eq!(circles(&owned(&files)), [expected], "{files:?}");
    }
}

#[test]
fn files_in_a_row_are_no_circle() {
    for files in [
        [
            ("gc.rs", "mod store; mod pins; pub use store::Store;"),
            ("gc/store.rs", "use super::pins::Pin;"),
            (
                "gc/pins.rs",
                "pub(in crate::gc) struct Pin; // super::store",
            ),
        ],
        [
            ("gc.rs", "mod store; fn run() { store::open(); }"),
            (
                "gc/store.rs",
                "fn open() {}\n#[cfg(test)]\nmod tests { use super::super::run; }",
            ),
            ("plan.rs", "use crate::{error, gc::store as kept};"),
        ],
        [
            (
                "gc.rs",
                "mod store; use crate::{error, plan::store::Store};",
            ),
            ("gc/store.rs", "use super::super::plan::store::Store;"),
            (
                "plan/store.rs",
                "fn all(x: X) { x.gc::<u8>(); my::gc::x(); }",
            ),
        ],
    ] {
        assert_eq!(circles(&owned(&files)), Vec::<String>::new(), "{files:?}");
    }
}

fn owned(files: &[(&str, &str)]) -> Vec<(PathBuf, String)> {
    let owned = |(name, text): &(&str, &str)| (PathBuf::from(name), (*text).to_owned());
    files.iter().map(owned).collect()
}

/// For each file, by its module, the files that it uses. Re-exports count like every other use.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The circles among `files`, which are named from `src`: a line each, with every use that is part of it.
fn circles(files: &[(PathBuf, String)]) -> Vec<String> {
    let names = files.iter().map(|(file, _)| module_of(file).join("::"));
    let names: BTreeSet<String> = names.collect();
    let used = |(file, text): &(PathBuf, String)| {
        let module = module_of(file);
        let used = files_used(text, &module, &names);
        (module.join("::"), used)
    };
    let graph: Graph = files.iter().map(used).collect();
    let reached: Graph = graph.keys().map(|name| reach(&graph, name)).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (name, all) in &reached {
        if all.contains(name) && !seen.contains(name) {
            let circle: BTreeSet<&String> = all
                .iter()
                .filter(|other| leads_to(&reached, other, name))
                .collect();
            found.push(uses_within(&graph, &circle));
            seen.extend(circle);
        }
    }
    found
}

fn leads_to(graph: &Graph, from: &str, to: &str) -> bool {
    graph.get(from).is_some_and(|used| used.contains(to))
}

/// What `name` leads to, by the files that it uses and those that they use.
fn reach(graph: &Graph, name: &str) -> (String, BTreeSet<String>) {
    let mut reached = BTreeSet::new();
    let mut open = vec![name];
    while let Some(next) = open.pop() {
        let used = graph.get(next).into_iter().flatten();
        open.extend(
            used.filter(|used| reached.insert((*used).clone()))
                .map(String::as_str),
        );
    }
    (name.to_owned(), reached)
}

fn uses_within(graph: &Graph, circle: &BTreeSet<&String>) -> String {
    let of_one = |name: &&String| {
        let used = graph.get(*name).into_iter().flatten();
        let used = used.filter(|used| circle.contains(used));
        let used: Vec<&str> = used.map(String::as_str).collect();
        format!("{name} uses {}", used.join(" and "))
    };
    let all: Vec<String> = circle.iter().map(of_one).collect();
    all.join(", ")
}

/// The files, out of `files`, that the file of `module` uses, its tests left out.
fn files_used(text: &str, module: &[String], files: &BTreeSet<String>) -> BTreeSet<String> {
    // clippy lets nothing stand behind the tests (items_after_test_module).
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let mut names = Names::of(module, &tokens(code));
    let paths = names.paths(&tokens(code));
    let found = paths.iter().filter_map(|path| deepest(path, files));
    found.filter(|file| *file != module.join("::")).collect()
}

/// The file that `path`, from the root of the crate, leads to: the deepest one there is on it.
fn deepest(path: &[String], files: &BTreeSet<String>) -> Option<String> {
    let ends = (1..=path.len()).rev();
    let mut prefixes = ends.filter_map(|end| Some(path.get(..end)?.join("::")));
    prefixes.find(|prefix| files.contains(prefix))
}

/// The names that paths in a file may begin with.
struct Names {
    module: Vec<String>,
    /// What a name of the file's own or an imported one stands for, from the root of the crate.
    known: BTreeMap<String, Vec<String>>,
}

impl Names {
    /// Those of the modules that the file of `module` has below it.
    fn of(module: &[String], tokens: &[Token]) -> Self {
        let below = tokens.windows(3).filter_map(|three| match three {
            [first, name, end] if first.is("mod") && end.is(";") => Some(name.text.clone()),
            _ => None,
        });
        let known = below.map(|name| (name.clone(), [module, &[name]].concat()));
        Self {
            module: module.to_vec(),
            known: known.collect(),
        }
    }

    /// Every path in `tokens`, from the root of the crate. What is imported is a name for those that follow.
    fn paths(&mut self, tokens: &[Token]) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some((before, rest)) = tokens.split_at_checked(at).filter(|(_, r)| !r.is_empty())
        {
            let (is_import, tree) = match rest {
                [first, tree @ ..] if first.is("use") => (true, tree),
                _ if begins_path(before, rest) => (false, rest),
                _ => {
                    at = at.saturating_add(1);
                    continue;
                }
            };
            let (paths, after) = expand(tree);
            let full = paths.iter().filter_map(|path| self.absolute(path));
            let full: Vec<Vec<String>> = full.collect();
            if is_import {
                let named = |path: &Vec<String>| Some((path.last()?.clone(), path.clone()));
                self.known.extend(full.iter().filter_map(named));
            }
            found.extend(full);
            at = tokens.len().saturating_sub(after.len());
        }
        found
    }

    /// `path` from the root of the crate, if it leads to something of the crate's.
    fn absolute(&self, path: &str) -> Option<Vec<String>> {
        let mut names: Vec<String> = path.split("::").map(str::to_owned).collect();
        if names.len() > 1 && names.last().is_some_and(|last| last == "self") {
            names.pop();
        }
        let (first, rest) = names.split_first()?;
        match first.as_str() {
            "crate" | "pam_jns" => Some(rest.to_vec()),
            "self" => Some([&self.module, rest].concat()),
            "super" => {
                let up = names.iter().take_while(|name| *name == "super").count();
                let outer = self.module.get(..self.module.len().checked_sub(up)?)?;
                Some([outer, names.get(up..)?].concat())
            }
            name => Some([self.known.get(name)?.as_slice(), rest].concat()),
        }
    }
}

/// Whether a path begins at `rest`, that is not the scope of a `pub(in …)` nor a type parameter of a method.
fn begins_path(before: &[Token], rest: &[Token]) -> bool {
    let is_scope = matches!(before, [.., first, brace, last]
        if first.is("pub") && brace.is("(") && last.is("in"));
    let is_within = before
        .last()
        .is_some_and(|last| last.is("::") || last.is("."));
    let begins = matches!(rest, [name, colons, ..] if name.is_name() && colons.is("::"));
    begins && !is_scope && !is_within
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
            // Nothing follows but type parameters: `open::<u8>`.
            let whole = inner.is_empty().then(|| name.text.clone());
            (paths.chain(whole).collect(), rest)
        }
        [name, rename, alias, rest @ ..]
            if name.is_name() && rename.is("as") && alias.is_name() =>
        {
            (vec![name.text.clone()], rest)
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
