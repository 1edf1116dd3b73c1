//! The users that a volume is for.

use crate::cli::import::policy::Table;
use crate::cli::import::remark::Remark;
use crate::error::Location;
use crate::policy::principal::Principal;
use crate::policy::settings::is_exempt_by_default;
use crate::policy::word;
use roxmltree::Node;

/// The attributes that say for whom a volume is.
pub const ATTRIBUTES: [&str; 5] = ["user", "uid", "gid", "pgrp", "sgrp"];

const SEVERAL: &str = "no rule is for users of whom several things are true at once";
const EMPTY: &str = "a condition is empty";

/// The users that a volume is for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Users {
    only: Vec<String>,
    except: Vec<String>,
}

impl Users {
    /// Adds the selectors to a rule.
    pub fn select(&self, table: Table) -> Table {
        table
            .filled_texts("users", &self.only)
            .filled_texts("except", &self.except)
    }

    /// Whether nobody is meant by both: each is for other users by name.
    pub fn are_apart_from(&self, other: &Self) -> bool {
        let are_names = |users: &Self| {
            !users.only.is_empty() && users.only.iter().all(|one| !one.contains(['@', ':', '*']))
        };
        are_names(self) && are_names(other) && !self.only.iter().any(|one| other.only.contains(one))
    }
}

/// Reads the conditions of a volume: its attributes, or the elements in it.
///
/// # Errors
///
/// Why no rule is for these users.
pub fn read(
    node: Node<'_, '_>,
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Result<Users, String> {
    if node.attribute("invert").is_some() {
        return Err("`invert` is no longer known to pam_mount".to_owned());
    }
    let said = ATTRIBUTES
        .iter()
        .filter_map(|key| Some((*key, node.attribute(*key)?)));
    let said: Vec<(&str, &str)> = said.filter(|said| *said != ("user", "*")).collect();
    let has_conditions = node.children().any(|child| child.is_element());
    let is_simple = !said.is_empty() || node.attribute("user").is_some();
    match (is_simple, has_conditions) {
        (true, true) => Err("it has conditions both as attributes and as elements".to_owned()),
        (false, true) => all_of(node, location, remarks),
        (_, false) => simple(&said, location, remarks),
    }
}

fn simple(
    said: &[(&str, &str)],
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Result<Users, String> {
    match said {
        [] => Ok(Users::default()),
        [(key, value)] => Ok(Users {
            only: vec![principal(key, value, location, remarks)?],
            ..Users::default()
        }),
        [..] => Err(SEVERAL.to_owned()),
    }
}

/// Reads elements that must all be true: one that says who, and others that say who not.
fn all_of(
    node: Node<'_, '_>,
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Result<Users, String> {
    let mut users = Users::default();
    let elements = node.children().filter(Node::is_element);
    let nested: Vec<Node<'_, '_>> = elements
        .flat_map(|element| match element.has_tag_name("and") {
            true => element.children().filter(Node::is_element).collect(),
            false => vec![element],
        })
        .collect();
    for element in nested {
        match element.has_tag_name("not") {
            true => users.except.extend(none_of(element, location, remarks)?),
            false if users.only.is_empty() => users.only = any_of(element, location, remarks)?,
            false => return Err(SEVERAL.to_owned()),
        }
    }
    match users.only.is_empty() && users.except.is_empty() {
        true => Err(EMPTY.to_owned()),
        false => Ok(users),
    }
}

/// Reads a `<not>`.
fn none_of(
    node: Node<'_, '_>,
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Result<Vec<String>, String> {
    let mut elements = node.children().filter(Node::is_element);
    match (elements.next(), elements.next()) {
        (Some(element), None) => any_of(element, location, remarks),
        _ => Err("pam_mount knows <not> with one condition alone".to_owned()),
    }
}

/// Reads an element that says who, or an `<or>` of such ones.
fn any_of(
    node: Node<'_, '_>,
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Result<Vec<String>, String> {
    if !node.has_tag_name("or") {
        return Ok(vec![of_element(node, location, remarks)?]);
    }
    let elements = node.children().filter(Node::is_element);
    let found: Result<Vec<String>, String> = elements
        .map(|element| of_element(element, location, remarks))
        .collect();
    match found {
        Ok(found) if found.is_empty() => Err(EMPTY.to_owned()),
        found => found,
    }
}

fn of_element(
    node: Node<'_, '_>,
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Result<String, String> {
    let name = node.tag_name().name();
    if !ATTRIBUTES.contains(&name) {
        return Err(format!("no rule has a condition like <{name}> here"));
    }
    if let Some(attribute) = node.attributes().next() {
        return Err(format!("no rule matches names by `{}`", attribute.name()));
    }
    principal(name, node.text().unwrap_or_default(), location, remarks)
}

/// The word of the language for a condition.
fn principal(
    key: &str,
    value: &str,
    location: &Location,
    remarks: &mut Vec<Remark>,
) -> Result<String, String> {
    match key {
        "user" => named(value, |found| matches!(found, Principal::User(_))),
        "sgrp" => group(value),
        "pgrp" => {
            let message =
                format!("it is for all who have the group {value}, and not as primary group alone");
            remarks.push(Remark::different(location, message));
            group(value)
        }
        "uid" => ids(value, location, remarks),
        _ => Err(format!("no rule is for a group by its number: {value}")),
    }
}

fn group(name: &str) -> Result<String, String> {
    named(&format!("@{name}"), |found| {
        matches!(found, Principal::Group(_))
    })
}

fn named(text: &str, is_it: fn(&Principal) -> bool) -> Result<String, String> {
    match word::<Principal>(text) {
        Ok(found) if text == "root" && is_it(&found) => {
            Err("root is exempt where [settings] does not say otherwise".to_owned())
        }
        Ok(found) if is_it(&found) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is nobody's name in a policy")),
    }
}

fn ids(value: &str, location: &Location, remarks: &mut Vec<Remark>) -> Result<String, String> {
    let (first, last) = value.split_once('-').unwrap_or((value, value));
    let number = |text: &str| {
        let is_decimal =
            text == "0" || !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| is_decimal)
    };
    let (Some(first), Some(last)) = (number(first), number(last)) else {
        return Err(format!("`{value}` is no decimal number or range of them"));
    };
    if is_exempt_by_default(first) {
        let message = "root and system accounts (uid 1-999) are exempt where [settings] does not say otherwise";
        remarks.push(Remark::different(location, message));
    }
    let text = match first == last {
        true => format!("uid:{first}"),
        false => format!("uid:{first}-{last}"),
    };
    word::<Principal>(&text).map(|_| text)
}
