//! A volume as a rule.

use super::general::General;
use super::option::{self, Opt};
use super::program::{self, Program};
use super::text;
use super::users::{self, Users};
use crate::cli::import::policy::{Draft, Table};
use crate::cli::import::remark::Remark;
use crate::error::Location;
use crate::path::is_within;
use roxmltree::Node;

/// The attributes of a volume beside those that say for whom it is.
const ATTRIBUTES: &[&str] = &[
    "fstype",
    "noroot",
    "server",
    "path",
    "mountpoint",
    "header",
    "options",
    "ssh",
    "cipher",
    "fskeycipher",
    "fskeyhash",
    "fskeypath",
    "invert",
    "ignoresource",
];

/// A volume that a rule stands for.
#[derive(Debug)]
pub struct Found {
    /// The rule.
    pub draft: Draft,
    path: String,
    users: Users,
    program: Option<Program>,
}

impl Found {
    /// Whether a program opens it.
    pub fn is_volume(&self) -> bool {
        self.program.is_some()
    }

    /// Whether a program opens it with the login password.
    pub fn has_password(&self) -> bool {
        self.program
            .as_ref()
            .is_some_and(|program| program.password)
    }
}

/// Reads a volume; remarks say what its rule does differently.
///
/// # Errors
///
/// Why no rule stands for it.
pub fn read(
    node: Node<'_, '_>,
    location: &Location,
    general: &General<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<Found, String> {
    note_unknown(node, location, remarks);
    let users = users::read(node, location, remarks)?;
    let options = option::read(node.attribute("options").unwrap_or_default())?;
    let path = mount_point(node)?;
    let is_bind = option::has(&options, "bind") || option::has(&options, "rbind");
    let kind = program::kind(node);
    let program = match is_bind || kind == "tmpfs" {
        true => None,
        false => Some(program::of(node, &kind, &path, &options, general)?),
    };
    let table = match &program {
        Some(program) => opened(program, &path, location, remarks)?,
        None if is_bind => bind(node, &path, &options, location, remarks)?,
        None => option::of_memory(
            Table::new("[[tmpfs]]").text("path", &path),
            &options,
            location,
            remarks,
        ),
    };
    let table = users
        .select(table)
        .flag("create", program.is_none() && general.makes_mount_points)
        .flag("optional", true)
        .comment(&location.to_string());
    let location = location.clone();
    Ok(Found {
        draft: Draft { location, table },
        path,
        users,
        program,
    })
}

fn note_unknown(node: Node<'_, '_>, location: &Location, remarks: &mut Vec<Remark>) {
    for attribute in node.attributes() {
        let name = attribute.name();
        if !ATTRIBUTES.contains(&name) && !users::ATTRIBUTES.contains(&name) {
            let message = format!("pam_mount knows no attribute `{name}`");
            remarks.push(Remark::left_out(location, message));
        }
    }
}

fn mount_point(node: Node<'_, '_>) -> Result<String, String> {
    let text = node.attribute("mountpoint");
    text::path(
        text.ok_or(
            "its mount point is in /etc/fstab, which is not read: `mountpoint` says it here",
        )?,
    )
}

fn bind(
    node: Node<'_, '_>,
    path: &str,
    options: &[Opt],
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Result<Table, String> {
    let source = text::path(node.attribute("path").ok_or("`path` is missing")?)?;
    let table = Table::new("[[bind]]")
        .text("source", &source)
        .text("path", path);
    Ok(option::of_bind(table, options, location, remarks))
}

/// The rule for what a program opens.
fn opened(
    program: &Program,
    path: &str,
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Result<Table, String> {
    if program.is_roots && is_in(path, "{home}") {
        return Err("a program of root's mounts nothing in a directory of the user's".to_owned());
    }
    if program.is_roots {
        let message = format!("{path} and the way to it have to be root's: root mounts there");
        remarks.push(Remark::different(location, message));
    }
    remarks.extend(
        program
            .notes
            .iter()
            .map(|note| Remark::different(location, note.as_str())),
    );
    let table = Table::new("[[volume]]")
        .text("path", path)
        .texts("open", &program.open)
        .filled_texts("close", &program.close)
        .optional_text("as", program.is_roots.then_some("root"))
        .optional_text("password", program.password.then_some("login"));
    Ok(table)
}

/// Leaves out what lies beneath a volume, or is mounted over later on; remarks say so.
pub fn apart(found: Vec<Found>, remarks: &mut Vec<Remark>) -> Vec<Found> {
    let hidden: Vec<Option<Remark>> = found
        .iter()
        .enumerate()
        .map(|(at, one)| hidden_by(one, at, &found))
        .collect();
    let mut kept = Vec::new();
    for (one, remark) in found.into_iter().zip(hidden) {
        match remark {
            Some(remark) => remarks.push(remark),
            None => kept.push(one),
        }
    }
    kept
}

/// Why a rule cannot stand beside the others of its users: one has the same path later, or a volume is around it.
fn hidden_by(one: &Found, at: usize, all: &[Found]) -> Option<Remark> {
    let location = &one.draft.location;
    let others = all.iter().enumerate().filter(|(other, _)| *other != at);
    let mut others = others.filter(|(_, other)| !one.users.are_apart_from(&other.users));
    others.find_map(|(other_at, other)| {
        let line = other.draft.location.line;
        let over = format!("line {line} mounts over it");
        let is_opened = one.is_volume() || other.is_volume();
        match (one.path == other.path, other_at > at) {
            (true, true) if one.users == other.users => Some(Remark::left_out(location, over)),
            (true, true) if is_opened => Some(Remark::left_public(location, over)),
            (false, _) if other.is_volume() && is_in(&one.path, &other.path) => {
                let reason =
                    format!("it is beneath the volume of line {line}, where no rule may be");
                Some(Remark::left_public(location, reason))
            }
            _ => None,
        }
    })
}

/// Whether a template of a path is another one, or begins with it.
fn is_in(path: &str, other: &str) -> bool {
    path == other || is_within(path, other)
}
