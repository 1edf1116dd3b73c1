//! `jns gc`: what sessions have left behind, removed.

use crate::cli::arguments::Gc;
use crate::cli::host::Tree;
use crate::cli::host::module_line::policies;
use crate::cli::outcome::Outcome;
use crate::cli::terminal::{Progress, Screen, Tone};
use crate::error::harmless;
use crate::error::{Error, Result};
use crate::gc::{Disposal, Kind, Remains, Request, collect};
use crate::kernel::mount::machine_memory;
use crate::login::{Accounts, Nss, has_account, is_effective_root, is_unknown};
use crate::path::AbsPath;
use crate::policy::settings::LINGER;
use crate::policy::{Diagnostics, Policy, Source};
use crate::session::origin;
use crate::store::layout::parse_id;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

/// Removes what the arguments ask for, and reports what became of it.
pub fn run(arguments: &Gc, screen: Screen) -> Outcome {
    if !is_effective_root() {
        return refused(
            &Error::new("remove", "what sessions have left", "only root may"),
            arguments,
        );
    }
    match gather(arguments) {
        Ok(found) => outcome(&found, arguments, screen),
        Err(error) => refused(&error, arguments),
    }
}

fn refused(error: &Error, arguments: &Gc) -> Outcome {
    if arguments.json {
        return Outcome::json_failure(error);
    }
    Outcome::failure(error)
}

fn gather(arguments: &Gc) -> Result<Vec<Remains>> {
    // Called in a session, it is done where sessions come from: pins are there.
    let guard = origin::return_to_origin(None, None)?;
    let user = arguments.user.as_deref().map(id_of).transpose()?;
    let (policies, mut found) = policies_of(arguments);
    let settings = || policies.iter().map(|policy| &policy.settings);
    let stores: Vec<AbsPath> = settings().map(|settings| settings.store.clone()).collect();
    let lingers = settings().map(|settings| settings.linger).max();
    let limits = settings().map(|settings| settings.memory.in_bytes(machine_memory()));
    // A policy with errors may say that namespaces are kept for longer, and hold more: as long as it cannot be read, none
    // ends for its time or its memory.
    let (linger, memory) = match found.is_empty() {
        true => (lingers.unwrap_or(LINGER), limits.min()),
        false => (Duration::MAX, None),
    };
    let progress = Progress::new("removing");
    let request = Request {
        dry_run: arguments.dry_run,
        stores: &stores,
        user,
        linger: arguments.linger.unwrap_or(linger),
        memory,
        unused_for: arguments.older_than,
        is_deleted: arguments.deleted_users.then_some(&is_gone),
        beginning: &|path| progress.show(path),
    };
    found.extend(collect(&request)?);
    drop(guard);
    Ok(found)
}

/// Whether no account has that id, or none of that name where one is given.
fn is_gone(uid: u32, name: Option<&str>) -> bool {
    match name {
        Some(name) => has_account(name, uid) == Some(false),
        None => is_unknown(uid),
    }
}

/// The id of an account by its name, or the id that a number is: the account may be gone.
fn id_of(user: &str) -> Result<u32> {
    let id = Nss.uid(user).or_else(|| parse_id(user));
    id.ok_or_else(|| Error::new("find", format_args!("user {user}"), "no such account"))
}

/// The policies that logins ask, and what is wrong with those that have mistakes.
fn policies_of(arguments: &Gc) -> (Vec<Policy>, Vec<Remains>) {
    let mut sources = vec![arguments.policy.source()];
    if arguments.policy.config.is_none() {
        sources.extend(policies(&Tree::host()));
    }
    let (mut loaded, mut failed) = (Vec::new(), Vec::new());
    for source in &sources {
        match Policy::load(source) {
            Ok(found) => loaded.push(found.policy),
            Err(diagnostics) => failed.push(unreadable(source, &diagnostics)),
        }
    }
    (loaded, failed)
}

fn unreadable(source: &Source, diagnostics: &Diagnostics) -> Remains {
    let name = match source {
        Source::System => "the policy of the system",
        Source::File(path) => path,
    };
    let first = diagnostics.list.first().map(ToString::to_string);
    let reason = first.unwrap_or_else(|| "it has errors".to_owned());
    Remains {
        kind: Kind::SessionDirectory,
        path: String::new(),
        reason: String::new(),
        disposal: Disposal::Failed(Error::new("find the settings of", name, reason)),
    }
}

fn number(found: &[Remains], disposal: &str) -> usize {
    let same = found
        .iter()
        .filter(|remains| disposal_word(&remains.disposal) == disposal);
    same.filter(|remains| remains.kind != Kind::Foreign).count()
}

fn disposal_word(disposal: &Disposal) -> &'static str {
    match disposal {
        Disposal::Removed => "removed",
        Disposal::Removable => "removable",
        Disposal::Left => "left",
        Disposal::Failed(_) => "failed",
    }
}

fn outcome(found: &[Remains], arguments: &Gc, screen: Screen) -> Outcome {
    let is_wrong = number(found, "failed") > 0;
    if arguments.json {
        return Outcome::json(&as_json(found, arguments)).failing_if(is_wrong);
    }
    let mut said = Outcome::default().failing_if(is_wrong);
    // Who asks what would be removed wants to see it.
    let is_list = arguments.verbose || arguments.dry_run;
    for remains in found {
        match &remains.disposal {
            Disposal::Failed(error) => said
                .err
                .push_str(&format!("jns: {}\n", harmless(&error.to_string()))),
            Disposal::Left if remains.kind == Kind::Foreign && !arguments.verbose => {}
            disposal @ (Disposal::Removable | Disposal::Removed | Disposal::Left) if is_list => {
                said.out.push_str(&line(remains, disposal, screen));
            }
            Disposal::Removable | Disposal::Removed | Disposal::Left => {}
        }
    }
    if !is_list && number(found, "removed") > 0 {
        said.out.push_str(&summary(found));
    }
    if said.out.is_empty() && !is_wrong && std::io::stdout().is_terminal() {
        said.out.push_str(&nothing(found));
    }
    said
}

/// One line about what was removed: `removed 2 namespaces, 1 record; left 1, which jns gc --verbose names`.
fn summary(found: &[Remains]) -> String {
    let is_removed = |remains: &&Remains| remains.disposal == Disposal::Removed;
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for remains in found.iter().filter(is_removed) {
        let count = counts.entry(remains.kind).or_default();
        *count = count.saturating_add(1);
    }
    let counted = counts.into_iter().map(|(kind, number)| {
        let (one, many) = nouns(kind);
        format!("{number} {}", if number == 1 { one } else { many })
    });
    let removed: Vec<String> = counted.collect();
    format!("removed {}{}\n", removed.join(", "), left(found))
}

fn nothing(found: &[Remains]) -> String {
    format!("nothing to remove{}\n", left(found))
}

fn left(found: &[Remains]) -> String {
    match number(found, "left") {
        0 => String::new(),
        left => format!("; left {left}, which jns gc --verbose names"),
    }
}

/// What a thing of the kind, and what several, are called where they are counted.
fn nouns(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Pin => ("namespace", "namespaces"),
        Kind::Cover => ("mount beneath the vault", "mounts beneath the vault"),
        Kind::Namespace => ("record of a namespace", "records of namespaces"),
        Kind::Session => ("record of a session", "records of sessions"),
        Kind::Volume => ("volume", "volumes"),
        Kind::SessionDirectory => ("directory of a session", "directories of sessions"),
        Kind::Instances => (
            "directory of a user or group",
            "directories of users and groups",
        ),
        Kind::Temporary => ("temporary file", "temporary files"),
        Kind::Stamp => ("cached plan", "cached plans"),
        Kind::Foreign => ("foreign file", "foreign files"),
    }
}

fn line(remains: &Remains, disposal: &Disposal, screen: Screen) -> String {
    let (deed, tone) = match disposal {
        Disposal::Removable => ("would remove", Tone::Warning),
        Disposal::Left => ("left", Tone::Faint),
        Disposal::Removed | Disposal::Failed(_) => ("removed", Tone::Good),
    };
    let (path, reason) = (harmless(&remains.path), harmless(&remains.reason));
    format!("{} {path}: {reason}\n", screen.paint(tone, deed))
}

fn as_json(found: &[Remains], arguments: &Gc) -> Value {
    json!({
        "ok": number(found, "failed") == 0,
        "dry_run": arguments.dry_run,
        "removed": number(found, "removed"),
        "removable": number(found, "removable"),
        "left": number(found, "left"),
        "failed": number(found, "failed"),
        "remains": found.iter().map(remains_as_json).collect::<Vec<_>>(),
    })
}

fn remains_as_json(remains: &Remains) -> Value {
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let error = match &remains.disposal {
        Disposal::Failed(error) => Some(error.to_string()),
        Disposal::Removable | Disposal::Removed | Disposal::Left => None,
    };
    json!({
        "kind": kind_word(remains.kind),
        "path": said(&remains.path),
        "reason": said(&remains.reason),
        "fate": disposal_word(&remains.disposal),
        "error": error,
    })
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Pin => "pin",
        Kind::Cover => "cover",
        Kind::Namespace => "namespace",
        Kind::Session => "session",
        Kind::Volume => "volume",
        Kind::SessionDirectory => "session-directory",
        Kind::Instances => "instances",
        Kind::Temporary => "temporary",
        Kind::Stamp => "stamp",
        Kind::Foreign => "foreign",
    }
}
