//! The session stacks of the PAM services, read as libpam reads them (pam.conf(5)).

use super::tree::Tree;
use crate::error::Location;
use std::collections::BTreeSet;

/// The directories where service files are looked for: the first that has one wins.
const DIRECTORIES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// The session stack of one service, its includes in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// The service.
    pub service: String,
    /// Its modules, in the order in which libpam calls them.
    pub entries: Vec<Entry>,
    /// Its jumps, in the same order: one for each number of a line.
    pub jumps: Vec<Jump>,
}

/// A line whose control leaves out a number of those that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// The line.
    pub from: Entry,
    /// The modules that it leaves out.
    pub over: Vec<Entry>,
    /// The module that it leads to; nothing at the end of the stack, or of the substack.
    pub to: Option<Entry>,
    /// There are fewer modules left than it is to leave out, in the stack or in the substack that it stands in.
    pub is_too_far: bool,
}

/// One module in a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The management group: `session`, `auth`, …
    pub group: String,
    /// A missing module is not logged: the group has a `-` before it.
    pub silent: bool,
    /// The meaning of its result for the stack.
    pub control: Control,
    /// The module, as the file names it.
    pub module: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The line.
    pub location: Location,
}

/// The meaning of a module's result, as far as the command asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The text in the file.
    pub text: String,
    /// A session error fails the whole stack.
    pub denies: bool,
    /// A module that cannot be loaded (`PAM_MODULE_UNKNOWN`) fails the whole stack.
    pub denies_unknown: bool,
    /// The action that success leads to.
    pub success: Action,
    /// The numbers of modules that some result leaves out, each number once. None of them is 0.
    pub jumps: BTreeSet<usize>,
}

/// The action of libpam after a module's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The next module.
    Continue,
    /// No further module.
    Stop,
    /// The module after this many have been left out.
    Skip(usize),
}

impl Entry {
    /// The module's file name without its directory and `.so`.
    pub fn name(&self) -> &str {
        let file = self.module.rsplit('/').next().unwrap_or(&self.module);
        file.strip_suffix(".so").unwrap_or(file)
    }

    fn is_of(&self, group: &str) -> bool {
        self.group.eq_ignore_ascii_case(group)
    }
}

/// Every service that has a file, and the files that are only ever included by others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    /// The names of the files, in byte order.
    pub names: Vec<String>,
    /// The names of the files that some other file includes.
    pub included: BTreeSet<String>,
}

/// Finds the services of a system.
pub fn services(tree: &Tree) -> Services {
    let found: BTreeSet<String> = DIRECTORIES
        .iter()
        .flat_map(|directory| tree.list(directory))
        .filter(|name| !is_left_over(name))
        .collect();
    let included = found.iter().flat_map(|name| includes(tree, name)).collect();
    Services {
        names: found.into_iter().collect(),
        included,
    }
}

/// Whether a service has a file of its own; one without has the stack of `other`.
pub fn has_file(tree: &Tree, service: &str) -> bool {
    let is_in = |directory| tree.exists(&format!("{directory}/{service}"));
    !service.contains('/') && DIRECTORIES.into_iter().any(is_in)
}

/// Whether a file is one that editors and package managers leave behind, or a text like README.md: no service is named
/// so.
fn is_left_over(name: &str) -> bool {
    name.contains('.') || name.ends_with('~')
}

fn includes(tree: &Tree, service: &str) -> Vec<String> {
    let Some((file, text)) = open(tree, service) else {
        return Vec::new();
    };
    let targets = statements(&file, &text)
        .into_iter()
        .filter_map(|said| match said {
            Statement::Include { target, .. } => Some(target),
            Statement::Module(_) => None,
        });
    targets.filter(|target| target != service).collect()
}

/// A line that includes a file which does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingInclude {
    /// The file, as the line names it.
    pub target: String,
    /// The line.
    pub location: Location,
}

/// Finds the lines of a service, and of what it includes, that include what does not exist for one of these groups or for
/// all.
pub fn missing_includes(tree: &Tree, service: &str, groups: &[&str]) -> Vec<MissingInclude> {
    let is_asked = |of: &str| groups.iter().any(|group| of.eq_ignore_ascii_case(group));
    let mut missing = Vec::new();
    let mut seen = BTreeSet::from([service.to_owned()]);
    let mut ahead = vec![service.to_owned()];
    while let Some((file, text)) = ahead.pop().and_then(|name| open(tree, &name)) {
        for statement in statements(&file, &text) {
            let Statement::Include {
                of,
                target,
                location,
                is_substack: _,
            } = statement
            else {
                continue;
            };
            if !of.as_deref().is_none_or(is_asked) {
                continue;
            }
            if open(tree, &target).is_none() {
                missing.push(MissingInclude { target, location });
            } else if seen.insert(target.clone()) {
                ahead.push(target);
            }
        }
    }
    missing
}

/// The modules of one management group of a service. A service without any has those of `other`.
pub fn read(tree: &Tree, service: &str, group: &str) -> Stack {
    let mut parts = parts(tree, service, group, &[]);
    if flatten(&parts).is_empty() {
        parts = self::parts(tree, "other", group, &[]);
    }
    Stack {
        service: service.to_owned(),
        entries: flatten(&parts),
        jumps: jumps(&parts),
    }
}

/// The part of a stack that a jump counts as one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// One module.
    Module(Entry),
    /// All modules of a substack, of which there may be none.
    Substack(Vec<Part>),
}

fn flatten(parts: &[Part]) -> Vec<Entry> {
    let entries = parts.iter().flat_map(|part| match part {
        Part::Module(entry) => vec![entry.clone()],
        Part::Substack(inner) => flatten(inner),
    });
    entries.collect()
}

/// The jumps of a stack, and of the substacks in it, none of which a jump leaves.
fn jumps(parts: &[Part]) -> Vec<Jump> {
    let mut all = Vec::new();
    let mut rest = parts;
    while let [part, after @ ..] = rest {
        match part {
            Part::Module(entry) => all.extend(jumps_of(entry, after)),
            Part::Substack(inner) => all.extend(jumps(inner)),
        }
        rest = after;
    }
    all
}

fn jumps_of<'a>(from: &'a Entry, after: &'a [Part]) -> impl Iterator<Item = Jump> + 'a {
    from.control.jumps.iter().map(move |number| Jump {
        from: from.clone(),
        over: flatten(after.get(..*number).unwrap_or(after)),
        to: flatten(after.get(*number..).unwrap_or_default())
            .into_iter()
            .next(),
        is_too_far: *number > after.len(),
    })
}

/// Lists the parts of `service`, whose file is read on behalf of those in `through`.
fn parts(tree: &Tree, service: &str, group: &str, through: &[&str]) -> Vec<Part> {
    let Some((file, text)) = open(tree, service) else {
        return Vec::new();
    };
    let inner = [through, &[service]].concat();
    let is_new = |target: &str| !inner.contains(&target);
    let mut all = Vec::new();
    for statement in statements(&file, &text) {
        match statement {
            Statement::Module(entry) if entry.is_of(group) => all.push(Part::Module(entry)),
            Statement::Include {
                of,
                target,
                is_substack,
                location: _,
            } if is_new(&target) && of.as_ref().is_none_or(|of| of.eq_ignore_ascii_case(group)) => {
                let included = parts(tree, &target, group, &inner);
                match is_substack {
                    true => all.push(Part::Substack(included)),
                    false => all.extend(included),
                }
            }
            Statement::Module(_) | Statement::Include { .. } => {}
        }
    }
    all
}

fn open(tree: &Tree, service: &str) -> Option<(String, String)> {
    let candidates = match service.strip_prefix('/') {
        Some(_) => vec![service.to_owned()],
        None => DIRECTORIES
            .map(|directory| format!("{directory}/{service}"))
            .into(),
    };
    candidates
        .into_iter()
        .find_map(|path| tree.read(&path).ok().map(|text| (path, text)))
}

/// The meaning of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Statement {
    /// Call a module.
    Module(Entry),
    /// Take the lines of another file: those of one group, or all with Debian's `@include`.
    Include {
        of: Option<String>,
        target: String,
        is_substack: bool,
        location: Location,
    },
}

fn statements(file: &str, text: &str) -> Vec<Statement> {
    logical_lines(text)
        .into_iter()
        .filter_map(|(number, line)| statement(&line, &Location::new(file, number)))
        .collect()
}

/// Lines without comments, continued over a backslash at the end, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, raw) in (1..).zip(text.lines()) {
        let bare = raw.split('#').next().unwrap_or_default().trim();
        let (start, mut line) = open.take().unwrap_or((number, String::new()));
        line.push_str(bare.strip_suffix('\\').unwrap_or(bare));
        if bare.ends_with('\\') {
            line.push(' ');
            open = Some((start, line));
        } else {
            lines.push((start, line));
        }
    }
    lines.extend(open);
    lines.retain(|(_, line)| !line.trim().is_empty());
    lines
}

fn statement(line: &str, location: &Location) -> Option<Statement> {
    let mut words = words(line).into_iter();
    let first = words.next()?;
    if first == "@include" {
        return Some(Statement::Include {
            of: None,
            target: words.next()?,
            is_substack: false,
            location: location.clone(),
        });
    }
    let group = first.strip_prefix('-').unwrap_or(&first).to_owned();
    let control = words.next()?;
    let module = words.next()?;
    let is_substack = control.eq_ignore_ascii_case("substack");
    if is_substack || control.eq_ignore_ascii_case("include") {
        return Some(Statement::Include {
            of: Some(group),
            target: module,
            is_substack,
            location: location.clone(),
        });
    }
    Some(Statement::Module(Entry {
        silent: first.starts_with('-'),
        group,
        control: understand(&control),
        module,
        arguments: words.collect(),
        location: location.clone(),
    }))
}

/// Words between blanks; `[…]` is one word, in which `\]` stands for `]`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('[') {
            Some(inner) => bracketed(inner),
            None => rest.split_once(char::is_whitespace).map_or_else(
                || (rest.to_owned(), ""),
                |(word, after)| (word.to_owned(), after),
            ),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}

fn bracketed(inner: &str) -> (String, &str) {
    let mut word = String::from("[");
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            ']' => break,
            '\\' if chars.as_str().starts_with(']') => word.extend(chars.next()),
            _ => word.push(c),
        }
    }
    (word + "]", chars.as_str())
}

fn understand(text: &str) -> Control {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let denies = |pairs, result| matches!(action_for(pairs, result), "bad" | "die");
    let (denies, denies_unknown, success) = match inner {
        Some(pairs) => (
            denies(pairs, "perm_denied"),
            denies(pairs, "module_unknown"),
            action(action_for(pairs, "success")),
        ),
        None => match text.to_ascii_lowercase().as_str() {
            "required" | "requisite" => (true, true, Action::Continue),
            "sufficient" => (false, false, Action::Stop),
            _ => (false, false, Action::Continue),
        },
    };
    Control {
        text: text.to_owned(),
        denies,
        denies_unknown,
        success,
        jumps: numbers(inner.unwrap_or_default()),
    }
}

/// The jumps of `[value=action …]`. A jump over none is no jump.
fn numbers(pairs: &str) -> BTreeSet<usize> {
    let pairs = pairs.split_whitespace();
    let actions = pairs.filter_map(|pair| pair.split_once('='));
    let numbers = actions.filter_map(|(_, action)| action.parse().ok());
    numbers.filter(|number| *number > 0).collect()
}

/// The action that `[value=action …]` has for a result: its own, else that of `default`, else `bad`.
fn action_for<'a>(pairs: &'a str, result: &str) -> &'a str {
    let find = |wanted: &str| {
        pairs
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(value, action)| (value == wanted).then_some(action))
    };
    find(result).or_else(|| find("default")).unwrap_or("bad")
}

fn action(word: &str) -> Action {
    match word {
        "done" | "die" => Action::Stop,
        _ => word.parse().map_or(Action::Continue, Action::Skip),
    }
}

/// Lists the directories where this system's libpam looks for modules: where its own are.
pub fn security_directories(tree: &Tree) -> Vec<String> {
    let bases = ["/usr/lib", "/usr/lib64", "/lib", "/lib64"];
    let nested = bases.iter().flat_map(|base| {
        let triplets = tree
            .list(base)
            .into_iter()
            .filter(|name| name.contains("-linux-"));
        triplets.map(move |name| format!("{base}/{name}/security"))
    });
    let plain = bases.iter().map(|base| format!("{base}/security"));
    nested
        .chain(plain)
        .filter(|directory| tree.exists(&format!("{directory}/pam_permit.so")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_libpam_reads_them() {
        type Lines<'a> = &'a [(usize, &'a str)];
        let table: &[(&str, &str, Lines<'_>)] = &[
            ("comments and blanks", "# a\n\n  b # c\n", &[(3, "b")]),
            (
                "a continued line keeps its first number",
                "a \\\n b\nc",
                &[(1, "a  b"), (3, "c")],
            ),
            ("a file may end in a continuation", "a \\", &[(1, "a  ")]),
        ];
        for (reason, text, expected) in table {
            let lines = logical_lines(text);
            let found: Vec<(usize, &str)> = lines.iter().map(|(n, l)| (*n, l.as_str())).collect();
            assert_eq!(&found, expected, "{reason}");
        }
    }

    #[test]
    fn brackets_hold_a_word_together() {
        assert_eq!(
            words(r"session [success=1 default=ignore] m.so [a b\] c] d"),
            [
                "session",
                "[success=1 default=ignore]",
                "m.so",
                "[a b] c]",
                "d"
            ]
        );
        assert_eq!(words("a [never closed"), ["a", "[never closed]"]);
    }

    #[test]
    fn controls() {
        let table = [
            ("required", true, Action::Continue),
            ("REQUISITE", true, Action::Continue),
            ("optional", false, Action::Continue),
            ("sufficient", false, Action::Stop),
            ("[default=ignore]", false, Action::Continue),
            ("[success=ok]", true, Action::Continue),
            ("[success=ok default=bad]", true, Action::Continue),
            ("[perm_denied=die default=ignore]", true, Action::Continue),
            (
                "[module_unknown=ignore default=bad]",
                true,
                Action::Continue,
            ),
            ("[success=done default=die]", true, Action::Stop),
            ("[success=2 default=ignore]", false, Action::Skip(2)),
            ("[default=1]", false, Action::Skip(1)),
        ];
        for (text, denies, success) in table {
            let control = understand(text);
            assert_eq!(
                (control.denies, control.success),
                (denies, success),
                "{text}"
            );
        }
    }

    /// The files of a system, and of the jumps of su what each leaves out and whether it goes too far.
    type Jumps<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, bool)]);

    const JUMPS: &[Jumps<'_>] = &[
        (&[("su", "session required a.so")], &[]),
        (&[("su", "session [default=0] a.so")], &[]),
        (&[("su", "session [success=1] a.so")], &[("", true)]),
        (
            &[("su", "session [success=1] a.so\nauth required b.so")],
            &[("", true)],
        ),
        (
            &[("su", "session [success=1] a.so\nsession required b.so")],
            &[("b", false)],
        ),
        (
            &[(
                "su",
                "session [success=1 new_authtok_reqd=1 default=3] a.so\nsession required b.so\nsession required c.so",
            )],
            &[("b", false), ("b c", true)],
        ),
        (
            &[
                ("su", "@include x\nsession required b.so"),
                ("x", "session [success=1] a.so"),
            ],
            &[("b", false)],
        ),
        (
            &[
                ("su", "session include x\nsession required b.so"),
                ("x", "session [success=1] a.so"),
            ],
            &[("b", false)],
        ),
        (
            &[
                ("su", "session substack x\nsession required b.so"),
                ("x", "session [success=1] a.so"),
            ],
            &[("", true)],
        ),
        (
            &[
                ("su", "session [success=1] a.so\nsession substack x"),
                ("x", "session required b.so\nsession required c.so"),
            ],
            &[("b c", false)],
        ),
        (
            &[
                ("su", "session [success=1] a.so\nsession substack x"),
                ("x", "auth required b.so"),
            ],
            &[("", false)],
        ),
        (
            &[
                ("su", "auth required b.so"),
                ("other", "session [success=1] a.so"),
            ],
            &[("", true)],
        ),
    ];

    #[test]
    fn jumps_are_counted_as_libpam_counts() {
        for (files, expected) in JUMPS {
            let path = |(name, text): &(_, _)| (format!("etc/pam.d/{name}"), *text);
            let (_root, tree) = Tree::of_files(files.iter().map(path));
            let stack = read(&tree, "su", "session");
            let names = |jump: &Jump| -> Vec<String> {
                jump.over
                    .iter()
                    .map(|entry| entry.name().to_owned())
                    .collect()
            };
            let all: Vec<(String, bool)> = stack
                .jumps
                .iter()
                .map(|jump| (names(jump).join(" "), jump.is_too_far))
                .collect();
            let found: Vec<(&str, bool)> = all.iter().map(|(n, f)| (n.as_str(), *f)).collect();
            assert_eq!(found, *expected, "{files:?}");
        }
    }

    #[test]
    fn includes_are_followed_in_place() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "etc/pam.d/su",
            "session required a.so\n@include common\nsession required z.so\nauth required x.so\n",
        );
        write(
            "etc/pam.d/common",
            "auth required x.so\n-session optional m.so one two\n",
        );
        write(
            "etc/pam.d/loop",
            "session include loop\nsession required l.so\n",
        );
        write("usr/lib/pam.d/vendor", "session substack common\n");
        write("usr/lib/pam.d/su", "session required shadowed.so\n");
        write("etc/pam.d/other", "session required deny.so\n");
        write("etc/pam.d/empty", "auth required x.so\n");
        write("etc/pam.d/su.dpkg-old", "session required old.so\n");
        let tree = Tree::under(root.path()).unwrap();
        let names = |service: &str| -> Vec<String> {
            let stack = read(&tree, service, "session");
            stack
                .entries
                .iter()
                .map(|entry| entry.name().to_owned())
                .collect()
        };
        assert_eq!(names("su"), ["a", "m", "z"]);
        assert_eq!(names("vendor"), ["m"]);
        assert_eq!(
            names("empty"),
            ["deny"],
            "a service without session lines has those of other"
        );
        assert_eq!(names("loop"), ["l"], "a loop ends");
        let found = services(&tree);
        assert_eq!(
            found.names,
            ["common", "empty", "loop", "other", "su", "vendor"]
        );
        assert!(found.included.contains("common") && !found.included.contains("su"));
        let second = read(&tree, "su", "session").entries.remove(1);
        assert_eq!(second.location.to_string(), "/etc/pam.d/common:2");
        assert!(second.silent);
        assert_eq!(second.arguments, ["one", "two"]);
    }
}
