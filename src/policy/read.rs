//! From the fields of a table to a rule of its kind.

use super::advice::Between;
use super::fields::{Fields, Vocabulary, Word, unknown_word, word_of};
use super::report::Fault;
use super::rule::{
    Bind, Env, Hide, Hook, Init, Isolate, Kind, Medium, Network, OnFailure, Overlay, Ownership,
    Password, Per, Private, Root, Rule, RunAs, Selectors, Tmpfs, Volume,
};
use super::settings::listed;
use super::store;
use super::template::{BoundTemplate, Fact, InstanceTemplate, PathTemplate, Template};
use super::value::{Attributes, Mode, Size, VariableName, attribute};
use crate::error::Location;
use crate::path::Component;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// Reads the keys of one kind of rule; `None` when a key is wrong, which was reported.
pub type Reader = fn(&mut Fields<'_, '_, '_>) -> Option<Kind>;

/// The tables of rules: name, header, reader.
pub const KINDS: &[(&str, &str, Reader)] = &[
    ("private", "[[private]]", private),
    ("tmpfs", "[[tmpfs]]", tmpfs),
    ("bind", "[[bind]]", bind),
    ("hide", "[[hide]]", hide),
    ("overlay", "[[overlay]]", overlay),
    ("isolate", "[[isolate]]", isolate),
    ("root", "[[root]]", root),
    ("volume", "[[volume]]", volume),
    ("env", "[[env]]", env),
    ("hook", "[[hook]]", hook),
];

/// The time that a helper may take when the rule does not say.
pub(crate) const HELPER_TIMEOUT: Duration = Duration::from_secs(10);

/// A rule, and where those of its keys stand that are compared with other rules.
#[derive(Debug)]
pub struct Draft {
    /// The rule.
    pub rule: Rule,
    /// The file's position among the files of the policy.
    pub rank: usize,
    /// The place of its path, or of its header.
    pub path: Range<usize>,
    /// The place of its store, or of its header.
    pub store: Range<usize>,
    /// The place of its source, or of its header.
    pub source: Range<usize>,
    /// The place of the time that its programs may take, where that is said.
    pub timeout: Option<Range<usize>>,
}

impl Draft {
    /// The key that sorts drafts in the order in which they were written.
    pub(crate) fn rank_and_line(&self) -> (usize, usize) {
        (self.rank, self.rule.location.line)
    }
}

/// The rule of the table `fields`; `None` when something in it is wrong, which was reported.
pub fn rule(mut fields: Fields<'_, '_, '_>, rank: usize, read: Reader) -> Option<Draft> {
    let selectors = selectors(&mut fields);
    let kind = read(&mut fields);
    let has_path = fields.knows("path");
    let optional = has_path && fields.boolean("optional").unwrap_or(false);
    let is_inheritable = kind.as_ref().is_none_or(Kind::is_inheritable);
    let inherit = is_inheritable.then(|| fields.boolean("inherit")).flatten();
    let location = fields.location().with_keys(&fields.key_lines());
    let (path, store) = (fields.span_of("path"), fields.span_of("store"));
    let source = fields.span_of("source");
    let timeout = fields.has("timeout").then(|| fields.span_of("timeout"));
    fields.finish();
    Some(Draft {
        rule: Rule {
            location,
            selectors,
            optional,
            inherit,
            kind: kind?,
        },
        rank,
        path,
        store,
        source,
        timeout,
    })
}

fn selectors(fields: &mut Fields<'_, '_, '_>) -> Selectors {
    Selectors {
        users: fields.filled_list("users").map(listed),
        except: fields.list("except").map(listed).unwrap_or_default(),
        services: fields.filled_list("services").map(values),
        except_services: fields.words("except_services").unwrap_or_default(),
        ttys: fields.filled_list("ttys").map(values),
        rhosts: fields.filled_list("rhosts").map(values),
    }
}

fn values<T>(list: Vec<(T, Location)>) -> Vec<T> {
    list.into_iter().map(|(value, _)| value).collect()
}

fn private(fields: &mut Fields<'_, '_, '_>) -> Option<Kind> {
    let path = fields.required("path");
    let per = fields.word_or("per", Per::User);
    let medium = medium(fields, per);
    let rule = Private {
        ownership: ownership(fields),
        create: fields.boolean("create").unwrap_or(false),
        keep: fields.words("keep").unwrap_or_default(),
        hook: command(fields, "hook"),
        init: init(fields),
        options: options(fields),
        path: path?,
        per: per?,
        medium: medium?,
    };
    Some(Kind::Private(rule))
}

/// `medium`, a word whose meaning is completed by other keys.
#[derive(Clone, Copy)]
enum MediumWord {
    Disk,
    Memory,
}

impl Vocabulary for MediumWord {
    const WORDS: &'static [(&'static str, Self)] =
        &[("disk", Self::Disk), ("memory", Self::Memory)];
}

fn medium(fields: &mut Fields<'_, '_, '_>, per: Option<Per>) -> Option<Medium> {
    let word = fields.word_or("medium", MediumWord::Disk);
    let path = instance(fields, per);
    let store = store::read(fields, per, path);
    let (size, inodes) = (fields.word("size"), fields.count("inodes"));
    match word? {
        MediumWord::Disk => {
            fields.refuse(&["size", "inodes"], "needs `medium = \"memory\"`");
            Some(Medium::Disk { store })
        }
        MediumWord::Memory => {
            fields.refuse(&["store", "hook"], "needs `medium = \"disk\"`");
            if !matches!(per, Some(Per::User | Per::Session) | None) {
                fields.refuse(&["per"], "must be \"user\" or \"session\" in memory");
            }
            Some(Medium::Memory {
                size: size.unwrap_or_default(),
                inodes,
            })
        }
    }
}

/// Reads `store`, which has to be another one for each of those whose the instances are.
fn instance(fields: &mut Fields<'_, '_, '_>, per: Option<Per>) -> Option<PathTemplate> {
    let InstanceTemplate(store) = fields.word("store")?;
    let per = per?;
    let (word, facts) = (word_of(per), per.required_facts());
    for label in Fact::LABELS.iter().filter(|label| !facts.contains(label)) {
        if store.mentions(&[*label]) {
            let name = word_of(*label);
            let fault = Fault::new(format!("`{{{name}}}` needs `per = \"{name}\"`"));
            fields.error(&fields.span_of("store"), fault);
        }
    }
    if !store.mentions(facts) {
        let fault = Fault::new(format!("every {word} would have the same `store`"));
        fields.error(
            &fields.span_of("store"),
            fault.help(format!("put `{{{word}}}` in it")),
        );
    }
    Some(store)
}

/// `init` and its `on_failure`.
fn init(fields: &mut Fields<'_, '_, '_>) -> Option<Init> {
    let (program, on_failure) = (fields.word("init"), fields.word("on_failure"));
    if !fields.has("init") {
        fields.refuse(&["on_failure"], "needs `init`");
    }
    Some(Init {
        program: program?,
        on_failure: on_failure.unwrap_or(OnFailure::Deny),
    })
}

fn ownership(fields: &mut Fields<'_, '_, '_>) -> Ownership {
    Ownership {
        mode: fields.word("mode"),
        owner: fields.word("owner"),
        group: fields.word("group"),
    }
}

fn options(fields: &mut Fields<'_, '_, '_>) -> Attributes {
    let mut attributes = Attributes::default();
    for item in fields
        .strings("options", Between::Commas)
        .unwrap_or_default()
    {
        if let Err(fault) = attributes.add(&item) {
            fields.error(&item.span, fault);
        }
    }
    attributes
}

fn tmpfs(fields: &mut Fields<'_, '_, '_>) -> Option<Kind> {
    let path = fields.required("path");
    let mut ownership = ownership(fields);
    ownership.mode = ownership.mode.or(Some(Mode::STICKY));
    let rule = Tmpfs {
        size: fields.word::<Size>("size").unwrap_or_default(),
        inodes: fields.count("inodes"),
        ownership,
        create: fields.boolean("create").unwrap_or(false),
        keep: fields.words("keep").unwrap_or_default(),
        init: init(fields),
        options: options(fields),
        path: path?,
    };
    Some(Kind::Tmpfs(rule))
}

fn bind(fields: &mut Fields<'_, '_, '_>) -> Option<Kind> {
    let source = fields.required("source");
    let path = fields.required("path").map(|BoundTemplate(path)| path);
    let create = fields.boolean("create").unwrap_or(false);
    if create && path.as_ref().is_some_and(PathTemplate::is_in_proc) {
        fields.refuse(&["create"], "cannot be: nothing is made in /proc");
    }
    let rule = Bind {
        recursive: fields.boolean("recursive").unwrap_or(false),
        create,
        options: options(fields),
        source: source?,
        path: path?,
    };
    Some(Kind::Bind(rule))
}

fn hide(fields: &mut Fields<'_, '_, '_>) -> Option<Kind> {
    let path = fields.required("path");
    let options = options(fields);
    if options.forbids(attribute::READ_ONLY) {
        let fault = Fault::new("[[hide]] is always read-only");
        fields.error(&fields.span_of("options"), fault);
    }
    Some(Kind::Hide(Hide {
        keep: fields.words("keep").unwrap_or_default(),
        path: path?,
        options,
    }))
}

fn overlay(fields: &mut Fields<'_, '_, '_>) -> Option<Kind> {
    let path = fields.required("path");
    let per = fields.word_or("per", Per::User);
    let allowed = per.filter(|per| per.basis().is_none());
    if allowed != per {
        let words = "must be \"user\", \"session\" or \"group\" for an overlay";
        fields.refuse(&["per"], words);
    }
    let rule = Overlay {
        store: instance(fields, per),
        options: options(fields),
        path: path?,
        per: allowed?,
    };
    Some(Kind::Overlay(rule))
}

fn isolate(fields: &mut Fields<'_, '_, '_>) -> Option<Kind> {
    let rule = Isolate {
        processes: fields.word("processes"),
        ipc: fields.word("ipc"),
        hostname: fields.word("hostname"),
        network: fields.word("network"),
    };
    let keys = ["processes", "ipc", "hostname", "network"];
    if !keys.iter().any(|key| fields.has(key)) {
        let fault =
            Fault::new("[[isolate]] needs one of `processes`, `ipc`, `hostname` and `network`");
        fields.error(&fields.header_span(), fault);
    }
    Some(Kind::Isolate(rule))
}

impl Word for Network {
    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(name) = text.strip_prefix("name:") {
            let name = Component::new(name).map_err(Fault::new)?;
            return Ok(Self::Named(name.as_str().to_owned()));
        }
        match text {
            "shared" => Ok(Self::Shared),
            "none" => Ok(Self::None),
            _ => Err(unknown_word(
                text,
                ["shared", "none", "name:NAME"].into_iter(),
            )),
        }
    }
}

fn root(fields: &mut Fields<'_, '_, '_>) -> Option<Kind> {
    let path = fields.required("path");
    let fstab = fields.word("fstab");
    Some(Kind::Root(Root { path: path?, fstab }))
}

fn volume(fields: &mut Fields<'_, '_, '_>) -> Option<Kind> {
    let path = fields.required("path");
    fields.require("open");
    let open = command(fields, "open");
    let rule = Volume {
        close: command(fields, "close"),
        run_as: fields.word("as").unwrap_or(RunAs::User),
        password: fields.word("password").unwrap_or(Password::None),
        timeout: fields.word("timeout").unwrap_or(HELPER_TIMEOUT),
        path: path?,
        open: open?,
    };
    Some(Kind::Volume(rule))
}

fn hook(fields: &mut Fields<'_, '_, '_>) -> Option<Kind> {
    let when = fields.required("when");
    fields.require("run");
    let run = command(fields, "run");
    let rule = Hook {
        run_as: fields.word("as").unwrap_or(RunAs::Root),
        timeout: fields.word("timeout").unwrap_or(HELPER_TIMEOUT),
        on_failure: fields.word("on_failure").unwrap_or(OnFailure::Deny),
        when: when?,
        run: run?,
    };
    Some(Kind::Hook(rule))
}

/// A program and its arguments.
fn command(fields: &mut Fields<'_, '_, '_>, key: &'static str) -> Option<Vec<Template>> {
    let items = fields.strings(key, Between::Spaces)?;
    let Some(program) = items.first() else {
        let fault = Fault::new(format!("`{key}` needs a program"));
        fields.error(&fields.span_of(key), fault);
        return None;
    };
    let program = fields.parse::<PathTemplate>(program);
    let arguments: Vec<Template> = items
        .iter()
        .skip(1)
        .filter_map(|item| fields.parse::<Argument>(item))
        .map(|argument| argument.0)
        .collect();
    let mut command = vec![program?.into()];
    command.extend(arguments);
    Some(command)
}

/// Text that execve(2) and the environment can hold.
struct Argument(Template);

impl Word for Argument {
    fn parse(text: &str) -> Result<Self, Fault> {
        if text.contains('\0') {
            return Err(Fault::new("this cannot hold a NUL"));
        }
        Template::parse(text).map(Self)
    }
}

fn env(fields: &mut Fields<'_, '_, '_>) -> Option<Kind> {
    fields.require("set");
    let mut set = BTreeMap::new();
    for (name, value) in fields.string_table("set")? {
        let parsed = fields.parse::<VariableName>(&name);
        let template = fields.parse::<Argument>(&value);
        if let (Some(VariableName(name)), Some(Argument(template))) = (parsed, template) {
            set.insert(name, template);
        }
    }
    Some(Kind::Env(Env { set }))
}
