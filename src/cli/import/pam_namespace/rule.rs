//! The rule that stands for a line, and what can be wrong between several.

use super::line::Line;
use super::memory;
use super::method::{Create, Method};
use super::notes::Notes;
use super::setting::Setting;
use super::users::Users;
use crate::cli::import::policy::{Table, escaped, first_error};
use crate::cli::import::remark::Remark;
use crate::cli::outcome::reason;
use crate::error::{Error, Location};
use nix::unistd::User;
use rustix::fs::Stat;
use std::collections::BTreeMap;

/// The script that is run where a line names none.
const SCRIPT: &str = "/etc/security/namespace.init";

/// The directory that relative names of scripts are below.
const SCRIPTS: &str = "/etc/security/namespace.d/";

/// The mode of a directory that `create` makes without one: 0777 less a login's usual umask.
const CREATED: u32 = 0o755;

/// A rule, and what of it is compared with other rules.
#[derive(Debug)]
pub struct Draft {
    /// The rule.
    pub table: Table,
    location: Location,
    path: String,
    users: Users,
    prefix: String,
    store: Option<String>,
    is_of_session: bool,
}

/// Why a line has no rule.
enum NoRule {
    /// Nobody has a directory by it.
    WithoutEffect(String),
    /// pam_namespace takes it for a mistake.
    Mistaken(String),
    /// The language has nothing for it.
    Refused(String),
}

/// The things of a line that the system has.
struct Found {
    /// The script to run.
    script: Option<String>,
    /// Whether the directory is there that the line has made where it is missing.
    is_there: bool,
}

/// The rule that does what `line` does; nothing where there is none.
///
/// # Errors
///
/// It cannot be found out whether the system has what the line names.
pub fn draft(
    line: &Line,
    setting: &Setting,
    remarks: &mut Vec<Remark>,
) -> Result<Option<Draft>, Error> {
    let mut notes = Notes::new(&line.location, remarks);
    if line.users.is_nobody() {
        notes.doubtful("the line is about nobody");
        return Ok(None);
    }
    let found = Found {
        script: script(line, setting, &mut notes)?,
        is_there: has_directory(line, setting)?,
    };
    let drafted = match line.method {
        Method::Tmpfs => Ok((tmpfs(line, &found, &mut notes), None)),
        Method::User | Method::Context | Method::Level | Method::Tmpdir => {
            private(line, setting, &found, &mut notes).map(|(table, store)| (table, Some(store)))
        }
    };
    let checked = drafted.and_then(|(table, store)| Ok((accepted(table)?, store)));
    Ok(match checked {
        Ok((table, store)) => Some(Draft {
            table,
            location: line.location.clone(),
            path: line.path.clone(),
            users: line.users.clone(),
            prefix: line.prefix.clone(),
            store,
            is_of_session: line.method == Method::Tmpdir,
        }),
        Err(reason) => {
            tell_without_rule(&reason, setting, &mut notes);
            None
        }
    })
}

fn tell_without_rule(reason: &NoRule, setting: &Setting, notes: &mut Notes<'_>) {
    match reason {
        NoRule::WithoutEffect(reason) => notes.left_out(reason),
        NoRule::Mistaken(reason) => setting.module.tell_mistake(reason, notes),
        NoRule::Refused(reason) => notes.left_public(reason),
    }
}

/// The settings under which sessions get what they got from pam_namespace.
pub fn settings() -> Table {
    Table::new("[settings]")
        .comment(
            "As with pam_namespace, each line says itself whom it spares, root like anybody else;",
        )
        .comment("each session has a namespace of its own, and a command of sudo finds nothing of its caller's.")
        .texts("exempt", &[])
        .text("namespace", "session")
        .texts("inherit", &[])
}

fn has_directory(line: &Line, setting: &Setting) -> Result<bool, Error> {
    match line.flags.create {
        Some(_) if !line.path.contains('{') => Ok(find(&line.path, setting)?.is_some()),
        _ => Ok(false),
    }
}

fn find(path: &str, setting: &Setting) -> Result<Option<Stat>, Error> {
    let found = setting.tree.find(path);
    found.map_err(|e| Error::new("examine", path, reason(&e)))
}

/// `table`, if it passes as a policy of its own.
fn accepted(table: Table) -> Result<Table, NoRule> {
    match first_error(&[&settings(), &table]) {
        Some(error) => Err(NoRule::Refused(error.message)),
        None => Ok(table),
    }
}

fn tmpfs(line: &Line, found: &Found, notes: &mut Notes<'_>) -> Table {
    let begun = line.users.add(begin("[[tmpfs]]", line));
    let table = memory::add(begun, line.flags.mount.as_deref(), notes)
        .flag("create", line.flags.create.is_some());
    with_script(table, found)
}

fn begin(header: &'static str, line: &Line) -> Table {
    Table::new(header)
        .comment(&format!(
            "{}: {}",
            line.location,
            line.text.replace('\t', " ")
        ))
        .text("path", &line.path)
}

fn private(
    line: &Line,
    setting: &Setting,
    found: &Found,
    notes: &mut Notes<'_>,
) -> Result<(Table, String), NoRule> {
    let (per, name) = distinguished(line, setting, notes)?;
    let store = format!("{}{name}", line.prefix);
    let hash = match (line.method, setting.module.hashes) {
        (Method::Tmpdir, _) => None,
        (_, true) => Some("always"),
        (_, false) => Some("long"),
    };
    let shown = line
        .users
        .add(begin("[[private]]", line))
        .optional_text("per", per)
        .text("store", &store)
        .optional_text("hash", hash)
        .optional_text("parent", setting.module.any_parent.then_some("any"));
    let table = match found.is_there {
        true => shown.flag("create", true),
        false => created(shown, line, notes)?,
    };
    Ok((with_script(table, found), store))
}

/// Returns the value of `per`, and the name of an instance behind its prefix.
fn distinguished(
    line: &Line,
    setting: &Setting,
    notes: &mut Notes<'_>,
) -> Result<(Option<&'static str>, &'static str), NoRule> {
    let shared = line.flags.shared;
    match line.method {
        Method::User | Method::Tmpfs => Ok((None, "{user}")),
        Method::Tmpdir => {
            if !setting.module.cleans {
                notes.different(
                    "a session's directory is removed at its end, as with `unmount_on_close`",
                );
            }
            Ok((Some("session"), "{session}"))
        }
        Method::Context | Method::Level if !setting.selinux && shared => {
            let reason =
                "`shared` needs SELinux; without it pam_namespace gives nobody an instance";
            Err(NoRule::WithoutEffect(reason.to_owned()))
        }
        Method::Context | Method::Level if !setting.selinux => {
            notes.doubtful("without SELinux, pam_namespace takes the method `user` instead");
            Ok((None, "{user}"))
        }
        Method::Context => Ok((
            Some("context"),
            if shared {
                "{context}"
            } else {
                "{context}_{user}"
            },
        )),
        Method::Level => Ok((
            Some("level"),
            if shared { "{level}" } else { "{level}_{user}" },
        )),
    }
}

/// `table` with what `create` says. The owner and the mode count for a directory that is made; an instance has
/// those of the directory that it covers, if that is there.
fn created(table: Table, line: &Line, notes: &mut Notes<'_>) -> Result<Table, NoRule> {
    let Some(create) = &line.flags.create else {
        return Ok(table);
    };
    let (owner, group) = owners(create)?;
    if line.path.contains('{') {
        notes.different("where the directory is there already, its instances too have the mode and owner of `create`");
    }
    let mode = format!("{:04o}", create.mode.unwrap_or(CREATED));
    Ok(table
        .flag("create", true)
        .text("mode", &mode)
        .text("owner", &owner)
        .text("group", &group))
}

/// The owner and the group of a directory that is made: the user's own where nobody is named.
fn owners(create: &Create) -> Result<(String, String), NoRule> {
    let own = || String::from("{gid}");
    let Some(owner) = &create.owner else {
        let group = create.group.clone().unwrap_or_else(own);
        return Ok((String::from("{user}"), group));
    };
    let account = User::from_name(owner)
        .ok()
        .flatten()
        .ok_or_else(|| NoRule::Mistaken(format!("there is no user `{owner}` to create it for")))?;
    let gid = || account.gid.to_string();
    Ok((owner.clone(), create.group.clone().unwrap_or_else(gid)))
}

/// `table` with the script that is run at every login. Whatever its exit status is, pam_namespace lets the login
/// go on.
fn with_script(table: Table, found: &Found) -> Table {
    match &found.script {
        Some(script) => table
            .text("init", &escaped(script))
            .text("on_failure", "warn"),
        None => table,
    }
}

/// The script that is run at every login.
fn script(line: &Line, setting: &Setting, notes: &mut Notes<'_>) -> Result<Option<String>, Error> {
    if line.flags.no_init {
        return Ok(None);
    }
    let own = line.flags.script.as_deref();
    let script = match own {
        Some(script) if !script.starts_with('/') => format!("{SCRIPTS}{script}"),
        script => script.unwrap_or(SCRIPT).to_owned(),
    };
    let Some(facts) = find(&script, setting)? else {
        if own.is_some() {
            notes.doubtful(format!(
                "there is no {script}; pam_namespace goes on without"
            ));
        }
        return Ok(None);
    };
    tell_unusable(&script, &facts, notes);
    tell_giving(line, &script, notes);
    Ok(Some(script))
}

fn tell_unusable(script: &str, facts: &Stat, notes: &mut Notes<'_>) {
    if facts.st_mode & 0o111 == 0 {
        notes.different(format!(
            "{script} cannot be executed, for which pam_namespace refuses every login; here it is logged"
        ));
    }
}

/// The published recipes whose scripts begin with `chown "$4" "$1"` have their instances in the users' homes.
fn tell_giving(line: &Line, script: &str, notes: &mut Notes<'_>) {
    if line.flags.script.is_some() && line.prefix.starts_with("{home}") {
        notes.different(format!(
            "an instance below the user's home that {script} gives to the user, unlike the directory it covers, is \
             refused from the next login on: users could put any directory of theirs there"
        ));
    }
}

/// The rules that can stand beside each other.
pub fn reconciled(drafts: Vec<Draft>, remarks: &mut Vec<Remark>) -> Vec<Draft> {
    let drafts = without_hidden(drafts, remarks);
    with_own_instances(drafts, remarks)
}

/// Of several rules for one path and the same users only the last can be seen.
fn without_hidden(drafts: Vec<Draft>, remarks: &mut Vec<Remark>) -> Vec<Draft> {
    let mut later: BTreeMap<String, Vec<(Users, Location)>> = BTreeMap::new();
    let mut visible = Vec::new();
    for draft in drafts.into_iter().rev() {
        let mut notes = Notes::new(&draft.location, remarks);
        let above = later.entry(draft.path.clone()).or_default();
        if let Some((_, location)) = above.iter().find(|(users, _)| users.are(&draft.users)) {
            notes.left_out(format!(
                "{location} covers {} for the same users, and hides what this does",
                draft.path
            ));
            continue;
        }
        if let Some((_, location)) = above.first() {
            notes.doubtful(format!(
                "{location} covers {}, too, and hides it where both apply",
                draft.path
            ));
        }
        above.push((draft.users.clone(), draft.location.clone()));
        visible.push(draft);
    }
    visible.reverse();
    visible
}

/// Gives paths after the first that have its instances others, so that each has its own: with two paths of one
/// directory the language knows no rules.
fn with_own_instances(drafts: Vec<Draft>, remarks: &mut Vec<Remark>) -> Vec<Draft> {
    let mut first: BTreeMap<String, (String, Location)> = BTreeMap::new();
    let mut separate = |draft: Draft| {
        let Some(store) = draft.store.clone() else {
            return Some(draft);
        };
        let own = (draft.path.clone(), draft.location.clone());
        let (path, location) = first.entry(store.clone()).or_insert(own.clone()).clone();
        if path == draft.path {
            return Some(draft);
        }
        let mut notes = Notes::new(&draft.location, remarks);
        let store = own_store(&draft.prefix, &store, &draft.path);
        let (taken, _) = first.entry(store.clone()).or_insert(own);
        let table = accepted(draft.table.with_text("store", &store)).ok();
        let Some(table) = table.filter(|_| *taken == draft.path) else {
            notes.left_public(format!(
                "its instances are those of {path} ({location}): give them another prefix"
            ));
            return None;
        };
        if !draft.is_of_session {
            notes.different(format!(
                "its instances were those of {path} ({location}), where their files are found; here it has its own, {store}"
            ));
        }
        Some(Draft { table, ..draft })
    };
    drafts.into_iter().filter_map(&mut separate).collect()
}

/// The store of a path's own instances beside those of another path: the path stands before the name, between colons,
/// which no user's name holds.
fn own_store(prefix: &str, store: &str, path: &str) -> String {
    let name = store.strip_prefix(prefix).unwrap_or(store);
    let path = path.trim_matches('/').replace(['{', '}'], "");
    format!("{prefix}:{}:{name}", path.replace('/', ":"))
}
