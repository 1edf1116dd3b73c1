//! Text with facts about the login in it: `/tmp-inst/{user}`.

use super::fields::{Vocabulary, Word, nearest, shortened};
use super::report::Fault;
use super::value::{Names, NamesPath};
use crate::kernel::fs::entries::Piece;
use crate::login::Login;
use crate::path::{AbsPath, Component, refusal_in_proc};
use std::fmt;
use std::ops::Range;

/// Text that may hold facts about the login in braces; `{{` and `}}` stand for the braces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

/// A template of an absolute path. Each fact makes one component or a part of one; only `{home}`, which
/// is a whole path, can stand at the start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathTemplate(Template, InProc);

/// The paths in `/proc` that a template of a path may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum InProc {
    /// None.
    Nothing,
    /// Those of files that are no process's own.
    Files,
}

impl InProc {
    /// Says why `path` must not be used, where it must not.
    fn refusal(self, path: &AbsPath) -> Option<&'static str> {
        match self {
            Self::Nothing => path.is_in_proc().then_some(IN_PROC),
            Self::Files => refusal_in_proc(path.as_str()),
        }
    }
}

/// A template of one name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NameTemplate(Template);

/// A template of names in a directory, in which `*` and `?` are patterns where they are written, and not where a
/// fact holds them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamesTemplate(Template);

/// A template of a host name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostnameTemplate(Template);

/// A fact about a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fact {
    /// `{user}`: the account's name.
    User,
    /// `{uid}`: its id.
    Uid,
    /// `{gid}`: the primary group's id.
    Gid,
    /// `{group}`: the primary group's name.
    Group,
    /// `{home}`: the home directory.
    Home,
    /// `{service}`: the PAM service.
    Service,
    /// `{session}`: a name that no other session has.
    Session,
    /// `{context}`: the SELinux label of the instance, in its `store` alone.
    Context,
    /// `{level}`: the same, where it differs from the covered directory's in the level alone.
    Level,
}

impl Fact {
    /// The facts that follow from the directory that is covered, not from the login alone.
    pub const LABELS: &[Self] = &[Self::Context, Self::Level];
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Literal(String),
    Fact(Fact, Range<usize>),
    /// The value of a fact, where it was known before.
    Value(Fact, String),
}

impl Vocabulary for Fact {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("user", Self::User),
        ("uid", Self::Uid),
        ("gid", Self::Gid),
        ("group", Self::Group),
        ("home", Self::Home),
        ("service", Self::Service),
        ("session", Self::Session),
        ("context", Self::Context),
        ("level", Self::Level),
    ];
}

impl Fact {
    fn value(self, login: &Login) -> String {
        match self {
            Self::User => login.user.clone(),
            Self::Uid => login.uid.to_string(),
            Self::Gid => login.gid.to_string(),
            Self::Group => login.group(),
            Self::Home => login.home.clone(),
            Self::Service => login.service.clone(),
            Self::Session => login.session.to_string(),
            // It has taken its place by then ([`PathTemplate::labelled`]).
            Self::Context | Self::Level => String::new(),
        }
    }

    /// A sample of it, by which the text around it is judged.
    fn sample(self) -> &'static str {
        match self {
            Self::Home => "/home/x",
            Self::User
            | Self::Uid
            | Self::Gid
            | Self::Group
            | Self::Service
            | Self::Session
            | Self::Context
            | Self::Level => "x",
        }
    }

    /// Whether it is a number for every login.
    fn is_number(self) -> bool {
        match self {
            Self::Uid | Self::Gid => true,
            Self::User
            | Self::Group
            | Self::Home
            | Self::Service
            | Self::Session
            | Self::Context
            | Self::Level => false,
        }
    }

    fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, fact)| *fact == self);
        found.map_or("", |(word, _)| word)
    }
}

impl Template {
    /// The template of this very text, in which braces are braces.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        let mut parts = Vec::new();
        push_literal(&mut parts, text);
        Self {
            written: text.replace('{', "{{").replace('}', "}}"),
            parts,
        }
    }

    /// Whether one of `facts` stands in it.
    #[must_use]
    pub(crate) fn mentions(&self, facts: &[Fact]) -> bool {
        self.facts().any(|(fact, _)| facts.contains(&fact))
    }

    /// The text, if it is the same for every login.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        let has_facts = self.facts().next().is_some();
        (!has_facts).then(|| self.sample())
    }

    /// The text for `login`, whatever its facts hold.
    #[must_use]
    pub fn text(&self, login: &Login) -> String {
        self.fill(|fact| fact.value(login))
    }

    /// The text with a sample in place of each fact, to judge what is written around them.
    fn sample(&self) -> String {
        self.fill(|fact| fact.sample().to_owned())
    }

    /// The text for `login`, in a path: every fact is one component.
    fn path_text(&self, login: &Login) -> Result<String, String> {
        Ok(self.path_parts(login)?.concat())
    }

    /// The text for `login`, in a path, part by part.
    fn path_parts(&self, login: &Login) -> Result<Vec<String>, String> {
        for (fact, _) in self.facts().filter(|(fact, _)| *fact != Fact::Home) {
            let value = fact.value(login);
            let fits = Component::new(&value).map(drop);
            fits.and_then(|()| is_text(&value)).map_err(|reason| {
                format!("{{{}}} is \"{}\": {reason}", fact.word(), shortened(&value))
            })?;
        }
        let home = match self.mentions(&[Fact::Home]) {
            true => home_path(&login.home)?,
            false => String::new(),
        };
        let filled = self.filled(|fact| match fact == Fact::Home {
            true => home.clone(),
            false => fact.value(login),
        });
        Ok(filled.collect())
    }

    fn fill(&self, value: impl Fn(Fact) -> String) -> String {
        self.filled(value).collect()
    }

    fn filled(&self, value: impl Fn(Fact) -> String) -> impl Iterator<Item = String> {
        self.parts.iter().map(move |part| match part {
            Part::Literal(text) | Part::Value(_, text) => text.clone(),
            Part::Fact(fact, _) => value(*fact),
        })
    }

    /// The number of the part that begins the name at its end that consists of `facts` with `_` in between, if it ends in that.
    fn start_of_name(&self, facts: &[Fact]) -> Option<usize> {
        let between = Part::Literal("_".to_owned());
        let mut rest = self.parts.as_slice();
        for (index, fact) in facts.iter().rev().enumerate() {
            if index > 0 {
                rest = rest.strip_suffix(std::slice::from_ref(&between))?;
            }
            let (last, before) = rest.split_last()?;
            rest = before;
            if !matches!(last, Part::Fact(found, _) | Part::Value(found, _) if found == fact) {
                return None;
            }
        }
        Some(rest.len())
    }

    /// Whether what one of `facts` is can be read from the path that this makes, whatever the other facts are. From
    /// that of `{user}{uid}` it cannot: user `a` with id 12 and user `a1` with id 2 have the same.
    fn is_injective_in(&self, facts: &[Fact]) -> bool {
        let marked = self.fill(|fact| {
            let mark = match (facts.contains(&fact), fact.is_number()) {
                (false, _) => OTHER,
                (true, true) => NUMBER,
                (true, false) => WORD,
            };
            mark.to_string()
        });
        let mut names = marked.split('/');
        names.any(|name| {
            let mut marks = name.chars().filter(|character| is_mark(*character));
            let first = marks.next().filter(|mark| *mark != OTHER);
            let is_alone = first.is_some_and(|first| marks.all(|mark| mark == first));
            is_alone || is_number_set_off(name.chars()) || is_number_set_off(name.chars().rev())
        })
    }

    fn facts(&self) -> impl Iterator<Item = (Fact, &Range<usize>)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) | Part::Value(..) => None,
            Part::Fact(fact, range) => Some((*fact, range)),
        })
    }

    /// The template that is written so, which may have the label of an instance in it.
    fn with_labels(text: &str) -> Result<Self, Fault> {
        Ok(Self {
            written: text.to_owned(),
            parts: split(text)?,
        })
    }

    /// The template with `label` for `{context}` and `{level}`; without one, they and a `_` behind them stand for
    /// nothing, as in pam_namespace's names.
    fn labelled(&self, label: Option<&str>) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        let mut is_behind = false;
        for part in &self.parts {
            match (part, label) {
                (Part::Fact(fact, _), _) if Fact::LABELS.contains(fact) => {
                    parts.extend(label.map(|label| Part::Value(*fact, label.to_owned())));
                    is_behind = label.is_none();
                    continue;
                }
                (Part::Literal(text), None) if is_behind => {
                    push_literal(&mut parts, text.strip_prefix('_').unwrap_or(text));
                }
                _ => parts.push(part.clone()),
            }
            is_behind = false;
        }
        let written = self.written.clone();
        Self { written, parts }
    }

    fn refuse_home(&self) -> Result<(), Fault> {
        let home = self.facts().find(|(fact, _)| *fact == Fact::Home);
        home.map_or(Ok(()), |(_, range)| Err(home_is_a_path(range)))
    }
}

/// The home directory as the start of a path. An empty one, or `/`, would turn `{home}/x` into `/x`.
fn home_path(home: &str) -> Result<String, String> {
    let trimmed = home.trim_end_matches('/');
    AbsPath::new(if trimmed.is_empty() { home } else { trimmed })
        .and_then(|path| is_text(home).map(|()| path.as_str().to_owned()))
        .map_err(|reason| format!("{{home}} is \"{}\": {reason}", shortened(home)))
}

/// The account database may hold any bytes. Those that are no text have been replaced, and two names would make
/// one path.
fn is_text(fact: &str) -> Result<(), &'static str> {
    match fact.contains(char::REPLACEMENT_CHARACTER) {
        true => Err("it is not UTF-8"),
        false => Ok(()),
    }
}

fn home_is_a_path(range: &Range<usize>) -> Fault {
    let fault = Fault::new("`{home}` is a whole path and can only stand at the start of one");
    fault.within(range.clone())
}

impl Word for Template {
    fn parse(text: &str) -> Result<Self, Fault> {
        let template = Self::with_labels(text)?;
        let label = template
            .facts()
            .find(|(fact, _)| Fact::LABELS.contains(fact));
        match label.map(|(fact, range)| (fact.word(), range.clone())) {
            Some((word, range)) => {
                let place =
                    format!("`{{{word}}}` can only stand in a `store` with `per = \"{word}\"`");
                Err(Fault::new(place).within(range))
            }
            None => Ok(template),
        }
    }
}

/// In place of a fact that is sought, which is any text or digits alone, and of one that is not. No text has them.
const WORD: char = '\0';
const NUMBER: char = '\u{1}';
const OTHER: char = '\u{2}';

fn is_mark(character: char) -> bool {
    [WORD, NUMBER, OTHER].contains(&character)
}

/// Whether the fact that comes first is a number, and something shows where it ends.
fn is_number_set_off(name: impl Iterator<Item = char>) -> bool {
    let mut rest = name.skip_while(|character| !is_mark(*character));
    let is_number = rest.next() == Some(NUMBER);
    let next = rest.next();
    is_number && next.is_some_and(|next| !is_mark(next) && !next.is_ascii_digit())
}

/// The literal text and the facts of a template.
fn split(text: &str) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at_checked(at).unwrap_or((rest, ""));
        push_literal(&mut parts, before);
        let offset = text.len().saturating_sub(brace.len());
        let (part, length) = braced(brace, offset)?;
        match part {
            Part::Literal(literal) => push_literal(&mut parts, &literal),
            fact @ (Part::Fact(..) | Part::Value(..)) => parts.push(fact),
        }
        rest = brace.get(length..).unwrap_or_default();
    }
    push_literal(&mut parts, rest);
    Ok(parts)
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Literal(literal)) => literal.push_str(text),
        _ => parts.push(Part::Literal(text.to_owned())),
    }
}

/// The part for which the brace at the start of `text`, at `offset` in the template, stands, and its length.
fn braced(text: &str, offset: usize) -> Result<(Part, usize), Fault> {
    if let Some(brace) = ["{{", "}}"].into_iter().find(|pair| text.starts_with(pair)) {
        let literal: String = brace.chars().take(1).collect();
        return Ok((Part::Literal(literal), brace.len()));
    }
    let Some(end) = text.find('}').filter(|_| text.starts_with('{')) else {
        return Err(lonely_brace(text, offset));
    };
    let name = text.get(1..end).unwrap_or_default();
    let length = end.saturating_add(1);
    let range = offset..offset.saturating_add(length);
    match Fact::WORDS.iter().find(|(word, _)| *word == name) {
        Some((_, fact)) => Ok((Part::Fact(*fact, range), length)),
        None => Err(unknown_fact(name, range)),
    }
}

fn lonely_brace(text: &str, offset: usize) -> Fault {
    let brace: String = text.chars().take(1).collect();
    let range = offset..offset.saturating_add(1);
    Fault::new(format!("this `{brace}` has no partner"))
        .help(format!("write `{brace}{brace}` for a brace"))
        .within(range)
}

fn unknown_fact(name: &str, range: Range<usize>) -> Fault {
    let fault = Fault::new(format!("unknown template `{{{}}}`", shortened(name))).within(range);
    let words = Fact::WORDS.iter().map(|(word, _)| *word);
    match nearest(name, words.clone()) {
        Some(word) => fault.help(format!("did you mean `{{{word}}}`?")),
        None => {
            let all: Vec<String> = words.map(|word| format!("{{{word}}}")).collect();
            fault.help(format!("there are {}", all.join(" ")))
        }
    }
}

impl PathTemplate {
    /// The template of this very path, in which braces are braces.
    ///
    /// # Errors
    ///
    /// Why it cannot be the path of a rule.
    pub fn plain(text: &str) -> Result<Self, &'static str> {
        Self::plain_with(text, InProc::Nothing)
    }

    /// The template of this very path, which something is bound to: a file in `/proc` too.
    ///
    /// # Errors
    ///
    /// Why nothing can be bound to it.
    pub fn plain_to_bind_to(text: &str) -> Result<Self, &'static str> {
        Self::plain_with(text, InProc::Files)
    }

    fn plain_with(text: &str, in_proc: InProc) -> Result<Self, &'static str> {
        let path = AbsPath::new(text)?;
        match in_proc.refusal(&path) {
            Some(reason) => Err(reason),
            None => Ok(Self(Template::plain(text), in_proc)),
        }
    }

    /// Whether one of `facts` stands in it.
    #[must_use]
    pub(crate) fn mentions(&self, facts: &[Fact]) -> bool {
        self.0.mentions(facts)
    }

    /// Whether two logins for which one of `facts` differs have different paths, whatever else differs.
    #[must_use]
    pub(crate) fn is_injective_in(&self, facts: &[Fact]) -> bool {
        self.0.is_injective_in(facts)
    }

    /// The path with a sample in place of each fact.
    #[must_use]
    pub fn sample(&self) -> String {
        self.0.sample()
    }

    /// Whether it makes paths in `/proc`.
    pub(super) fn is_in_proc(&self) -> bool {
        AbsPath::new(&self.sample()).is_ok_and(|sample| sample.is_in_proc())
    }

    /// The path itself, if it is the same for every login.
    #[must_use]
    pub fn literal(&self) -> Option<AbsPath> {
        AbsPath::new(&self.0.literal()?).ok()
    }

    /// The last directory on the way to the path that is the same for every login, and whether it is the one that holds
    /// the path's last component; nothing where the path begins with a fact.
    #[must_use]
    pub(crate) fn fixed_holder(&self) -> Option<(String, bool)> {
        let [Part::Literal(start), rest @ ..] = self.0.parts.as_slice() else {
            return None;
        };
        let (holder, _) = start.rsplit_once('/')?;
        let goes_deeper = |part: &Part| matches!(part, Part::Literal(text) if text.contains('/'));
        let is_parent = !rest.iter().any(goes_deeper);
        let holder = if holder.is_empty() { "/" } else { holder };
        Some((holder.to_owned(), is_parent))
    }

    /// The path for `login`.
    ///
    /// # Errors
    ///
    /// Why a fact does not fit into a path.
    pub fn expand(&self, login: &Login) -> Result<AbsPath, String> {
        expanded(&self.0.path_text(login)?, self.1)
    }

    /// The template with the label of an instance for `{context}` and `{level}`. Without one, they and a `_` behind them
    /// stand for nothing.
    ///
    /// # Errors
    ///
    /// The label cannot be a name.
    pub fn labelled(&self, label: Option<&str>) -> Result<Self, String> {
        if let Some(label) = label {
            Component::new(label)
                .map_err(|reason| format!("the label is \"{}\": {reason}", shortened(label)))?;
        }
        Ok(Self(self.0.labelled(label), self.1))
    }

    /// Whether it ends in a name that consists of `facts`, with `_` in between.
    #[must_use]
    pub(crate) fn ends_in(&self, facts: &[Fact]) -> bool {
        self.0.start_of_name(facts).is_some()
    }

    /// The path for `login`, with what `change` makes of the name at its end that consists of `facts`.
    ///
    /// # Errors
    ///
    /// Why a fact does not fit into a path, or why the name cannot be changed.
    pub(crate) fn expand_with_name(
        &self,
        login: &Login,
        facts: &[Fact],
        change: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<AbsPath, String> {
        let mut parts = self.0.path_parts(login)?;
        if let Some(start) = self.0.start_of_name(facts) {
            let name = parts.split_off(start).concat();
            parts.push(change(&name)?);
        }
        expanded(&parts.concat(), self.1)
    }
}

fn expanded(text: &str, in_proc: InProc) -> Result<AbsPath, String> {
    let path = AbsPath::new(text)?;
    match in_proc.refusal(&path) {
        Some(reason) => Err(format!("it would be {path}, and {reason}")),
        None => Ok(path),
    }
}

const IN_PROC: &str = "a path must not be in /proc";

impl From<PathTemplate> for Template {
    fn from(path: PathTemplate) -> Self {
        path.0
    }
}

impl Word for PathTemplate {
    fn parse(text: &str) -> Result<Self, Fault> {
        Self::checked(Template::parse(text)?, InProc::Nothing)
    }
}

/// The template of a path that something is bound to, which may be a file in `/proc`.
pub(super) struct BoundTemplate(pub(super) PathTemplate);

impl Word for BoundTemplate {
    fn parse(text: &str) -> Result<Self, Fault> {
        PathTemplate::checked(Template::parse(text)?, InProc::Files).map(Self)
    }
}

/// The template of an instance's path, which may have the instance's label in it.
pub(super) struct InstanceTemplate(pub(super) PathTemplate);

impl Word for InstanceTemplate {
    fn parse(text: &str) -> Result<Self, Fault> {
        let template = Template::with_labels(text)?;
        PathTemplate::checked(template, InProc::Nothing).map(Self)
    }
}

impl PathTemplate {
    fn checked(template: Template, in_proc: InProc) -> Result<Self, Fault> {
        let text = template.written.as_str();
        let misplaced = |(fact, range): &(Fact, &Range<usize>)| {
            *fact == Fact::Home && (range.start != 0 || !is_home_or_below(text, range.end))
        };
        if let Some((_, range)) = template.facts().find(misplaced) {
            return Err(home_is_a_path(range).help("write `{home}/…`"));
        }
        let sample = AbsPath::new(&template.sample()).map_err(Fault::new)?;
        match in_proc.refusal(&sample) {
            Some(reason) => Err(Fault::new(reason)),
            None => Ok(Self(template, in_proc)),
        }
    }
}

fn is_home_or_below(text: &str, home_end: usize) -> bool {
    let rest = text.get(home_end..).unwrap_or_default();
    rest.is_empty() || rest.starts_with('/')
}

impl NameTemplate {
    /// Whether it needs no account database to become an id: root's name, a number, or the login's own.
    #[must_use]
    pub(crate) fn is_of_login(&self) -> bool {
        let text = self.to_string();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        digits
            || matches!(
                text.as_str(),
                "root" | "{user}" | "{uid}" | "{gid}" | "{group}"
            )
    }

    /// Whether one of `facts` stands in it.
    #[must_use]
    pub(crate) fn mentions(&self, facts: &[Fact]) -> bool {
        self.0.mentions(facts)
    }

    /// The name for `login`.
    ///
    /// # Errors
    ///
    /// Why a fact does not fit into a name.
    pub fn expand(&self, login: &Login) -> Result<Component, String> {
        let text = self.0.path_text(login)?;
        Component::new(&text).map_err(str::to_owned)
    }
}

impl Word for NameTemplate {
    fn parse(text: &str) -> Result<Self, Fault> {
        let template = Template::parse(text)?;
        template.refuse_home()?;
        Component::new(&template.sample()).map_err(Fault::new)?;
        Ok(Self(template))
    }
}

impl NamesTemplate {
    /// Whether one of `facts` stands in it.
    #[must_use]
    pub(crate) fn mentions(&self, facts: &[Fact]) -> bool {
        self.0.mentions(facts)
    }

    /// The names for `login`.
    ///
    /// # Errors
    ///
    /// Why a fact does not fit into a name.
    pub fn expand(&self, login: &Login) -> Result<Names, String> {
        let texts = self.0.path_parts(login)?;
        Component::new(&texts.concat())?;
        let with_texts = self.0.parts.iter().zip(&texts);
        let pieces = with_texts.flat_map(|(part, text)| match part {
            Part::Literal(text) => Names::pieces(text).collect(),
            Part::Fact(..) | Part::Value(..) => vec![Piece::Text(text.clone())],
        });
        Ok(Names::new(pieces))
    }
}

impl Word for NamesTemplate {
    fn parse(text: &str) -> Result<Self, Fault> {
        let template = Template::parse(text)?;
        template.refuse_home()?;
        Component::new(&template.sample()).map_err(Fault::new)?;
        Ok(Self(template))
    }
}

impl fmt::Display for NamesTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A template of what stays visible below a hidden directory: a path relative to that, or one of `{home}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeptTemplate {
    /// The names of the path. A pattern is the last of them.
    Below(Vec<NamesTemplate>),
    /// `{home}`, or a path that begins with it, which has to lie below the directory.
    Home(PathTemplate),
}

impl KeptTemplate {
    /// Whether one of `facts` stands in it.
    #[must_use]
    pub(crate) fn mentions(&self, facts: &[Fact]) -> bool {
        match self {
            Self::Below(names) => names.iter().any(|name| name.mentions(facts)),
            Self::Home(path) => path.mentions(facts),
        }
    }

    /// What stays visible of `hidden` for `login`; nothing where the home does not lie below that.
    ///
    /// # Errors
    ///
    /// Why a fact does not fit into a name or a path.
    pub fn expand(&self, login: &Login, hidden: &AbsPath) -> Result<Option<NamesPath>, String> {
        match self {
            Self::Below(templates) => {
                let names = templates.iter().map(|name| name.expand(login));
                Ok(as_path(names.collect::<Result<_, _>>()?))
            }
            Self::Home(path) => {
                let path = path.expand(login)?;
                let below = path.as_str().strip_prefix(hidden.as_str());
                let names = below.and_then(|below| below.strip_prefix('/'));
                Ok(names.and_then(|names| as_path(names.split('/').map(Names::plain).collect())))
            }
        }
    }
}

/// The path of these names; nothing without any, and where another one than the last is a pattern.
fn as_path(mut names: Vec<Names>) -> Option<NamesPath> {
    let last = names.pop()?;
    let directories = names.iter().map(|name| Some(name.single()?.to_owned()));
    Some(NamesPath {
        directories: directories.collect::<Option<_>>()?,
        names: last,
    })
}

impl Word for KeptTemplate {
    fn parse(text: &str) -> Result<Self, Fault> {
        if text.starts_with("{home}") {
            return PathTemplate::parse(text).map(Self::Home);
        }
        if text.starts_with('/') {
            let fault = Fault::new("what is kept is a path below the hidden one, or `{home}`");
            return Err(fault.help("leave out the hidden path, and the slash behind it"));
        }
        let mut names = Vec::new();
        let mut start = 0_usize;
        for name in text.split('/') {
            let end = start.saturating_add(name.len());
            let template = parse_name(name, end < text.len());
            names.push(template.map_err(|fault| match name == text {
                true => fault,
                false => shifted(fault, start, name),
            })?);
            start = end.saturating_add(1);
        }
        Ok(Self::Below(names))
    }
}

/// Parses a name of a path, which is no pattern where it is one `on_the_way`.
fn parse_name(name: &str, on_the_way: bool) -> Result<NamesTemplate, Fault> {
    let template = NamesTemplate::parse(name)?;
    match on_the_way && name.contains(['*', '?']) {
        true => Err(Fault::new("a pattern can only be the last name of a path")),
        false => Ok(template),
    }
}

/// The fault of `name`, which begins at `start` of a longer text.
fn shifted(fault: Fault, start: usize, name: &str) -> Fault {
    let within = fault.within.clone().unwrap_or(0..name.len());
    let shift = |offset: usize| offset.saturating_add(start);
    fault.within(shift(within.start)..shift(within.end))
}

impl fmt::Display for KeptTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(names) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                f.write_str(&names.join("/"))
            }
            Self::Home(path) => path.fmt(f),
        }
    }
}

impl Word for HostnameTemplate {
    fn parse(text: &str) -> Result<Self, Fault> {
        let template = Template::parse(text)?;
        template.refuse_home()?;
        check_hostname(&template.sample(), "-.").map_err(Fault::new)?;
        Ok(Self(template))
    }
}

/// Checks that `name` can be a host name (hostname(7)), with `marks` besides letters and digits.
fn check_hostname(name: &str, marks: &str) -> Result<(), &'static str> {
    /// `__NEW_UTS_LEN` of the kernel.
    const LONGEST: usize = 64;
    let good = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    let fits = !name.is_empty() && name.len() <= LONGEST && name.chars().all(good);
    let reason = "a host name is 1 to 64 letters, digits, `-` and `.`";
    fits.then_some(()).ok_or(reason)
}

impl HostnameTemplate {
    /// The template of this very name.
    ///
    /// # Errors
    ///
    /// It cannot be a host name.
    pub fn plain(name: &str) -> Result<Self, &'static str> {
        check_hostname(name, "-.").map(|()| Self(Template::plain(name)))
    }

    /// The host name for `login`. User names may hold `_`, which the kernel takes too.
    ///
    /// # Errors
    ///
    /// Why a fact does not fit into a host name.
    pub fn expand(&self, login: &Login) -> Result<String, String> {
        let name = self.0.path_text(login)?;
        match check_hostname(&name, "-._") {
            Ok(()) => Ok(name),
            Err(reason) => Err(format!("it is {}: {reason}", shortened(&name))),
        }
    }

    /// Whether one of `facts` stands in it.
    #[must_use]
    pub(crate) fn mentions(&self, facts: &[Fact]) -> bool {
        self.0.mentions(facts)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for HostnameTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::{GroupName, SessionId};

    fn login(home: &str) -> Login {
        Login {
            user: "alice".to_owned(),
            uid: 1001,
            gid: 100,
            groups: vec![GroupName {
                gid: 100,
                name: "users".to_owned(),
            }],
            home: home.to_owned(),
            service: "sshd".to_owned(),
            tty: None,
            rhost: None,
            session: SessionId::parse("5e5e5e5e000003e9").unwrap(),
        }
    }

    #[test]
    fn text_holds_every_fact() {
        let written = "{user} {uid} {gid} {group} {home} {service} {session} {{user}} }}{{";
        let template = Template::parse(written).unwrap();
        assert_eq!(
            template.text(&login("/h")),
            "alice 1001 100 users /h sshd 5e5e5e5e000003e9 {user} }{"
        );
        assert_eq!(template.to_string(), written);
    }

    #[test]
    fn paths_hold_facts_as_components() {
        for (written, expected) in [
            ("/tmp", Ok("/tmp")),
            ("/tmp-{user}/x", Ok("/tmp-alice/x")),
            ("/{group}/{gid}", Ok("/users/100")),
            ("{home}", Ok("/home/alice")),
            ("{home}/tmp", Ok("/home/alice/tmp")),
            ("/{{x}}", Ok("/{x}")),
        ] {
            let template = PathTemplate::parse(written).unwrap();
            let path = template.expand(&login("/home/alice/"));
            let path = path.as_ref().map(AbsPath::as_str).map_err(String::as_str);
            assert_eq!(path, expected, "{written}");
        }
    }

    /// A user's name does not decide what else is kept.
    #[test]
    fn a_fact_is_no_pattern() {
        let star = Login {
            user: "*".to_owned(),
            ..login("/h")
        };
        for (written, expected) in [
            ("{user}", Names::plain("*")),
            ("x?", Names::new([Piece::Text("x".to_owned()), Piece::One])),
            (
                "{user}-*",
                Names::new([Piece::Text("*-".to_owned()), Piece::Many]),
            ),
            ("{{*}}", Names::new(Names::pieces("{*}"))),
        ] {
            let names = NamesTemplate::parse(written).unwrap().expand(&star);
            assert_eq!(names, Ok(expected), "{written}");
        }
    }

    #[test]
    fn a_home_must_be_a_path() {
        for (home, expected) in [
            ("", "{home} is \"\": a path must be absolute"),
            (
                "/",
                "{home} is \"/\": the root directory cannot be used here",
            ),
            ("alice", "{home} is \"alice\": a path must be absolute"),
            (
                "/home/../etc",
                "{home} is \"/home/../etc\": a path must not have `.` or `..` in it",
            ),
            (
                "/proc/self",
                "it would be /proc/self/x, and a path must not be in /proc",
            ),
        ] {
            let template = PathTemplate::parse("{home}/x").unwrap();
            assert_eq!(
                template.expand(&login(home)),
                Err(expected.to_owned()),
                "{home}"
            );
        }
    }

    #[test]
    fn only_a_path_without_facts_is_literal() {
        for (written, expected) in [("/a/{{b}}", Some("/a/{b}")), ("/a/{user}", None)] {
            let literal = PathTemplate::parse(written).unwrap().literal();
            assert_eq!(literal.as_ref().map(AbsPath::as_str), expected);
        }
    }
}
