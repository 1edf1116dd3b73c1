//! Principals: who a rule is about.

use super::fields::{Word, shortened};
use super::report::Fault;
use crate::error::Location;
use crate::login::{Accounts, Login};
use std::fmt;

/// The users that a word such as `"alice"`, `"@group"`, `"uid:1000-1999"` or `"*"` names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// `"*"`: everybody.
    Everyone,
    /// `"alice"`: the account of that name. A name of digits alone is one as well, and no user id.
    User(String),
    /// `"@group"`: whoever has the group as primary or supplementary one.
    Group(String),
    /// `"uid:1000-1999"` or `"uid:1001"`: accounts by id, both ends included.
    Uids(u32, u32),
}

/// A principal in a list, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The principal.
    pub principal: Principal,
    /// Its place in the policy.
    pub location: Location,
}

impl Principal {
    /// Whether `login` is one of those it names.
    #[must_use]
    pub fn matches(&self, login: &Login) -> bool {
        match self {
            Self::Everyone => true,
            Self::User(name) => *name == login.user,
            Self::Group(name) => login.groups.iter().any(|group| group.name == *name),
            Self::Uids(first, last) => (*first..=*last).contains(&login.uid),
        }
    }

    /// Whether it is a name that `accounts` does not have.
    #[must_use]
    pub(crate) fn is_unknown(&self, accounts: &dyn Accounts) -> bool {
        match self {
            Self::User(name) => accounts.uid(name).is_none(),
            Self::Group(name) => accounts.gid(name).is_none(),
            Self::Everyone | Self::Uids(..) => false,
        }
    }

    /// Whether it is the name of a user or a group.
    #[must_use]
    pub fn is_name(&self) -> bool {
        matches!(self, Self::User(_) | Self::Group(_))
    }
}

/// The principal of `list` that `login` matches first.
pub fn find<'l>(list: &'l [Listed], login: &Login) -> Option<&'l Listed> {
    list.iter().find(|listed| listed.principal.matches(login))
}

impl Word for Principal {
    fn parse(text: &str) -> Result<Self, Fault> {
        if text == "*" {
            return Ok(Self::Everyone);
        }
        if let Some(ids) = text.strip_prefix("uid:") {
            return uids(ids);
        }
        if let Some(group) = text.strip_prefix('@') {
            return Ok(Self::Group(name(group, "group")?));
        }
        Ok(Self::User(name(text, "user")?))
    }

    /// A number alone is a user id.
    fn guess(text: &str) -> Option<String> {
        let id = uid(text).map(|uid| format!("uid:{uid}"));
        id.or_else(|| {
            Self::parse(text)
                .ok()
                .map(|principal| principal.to_string())
        })
    }
}

fn uids(text: &str) -> Result<Principal, Fault> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (Some(first), Some(last)) = (uid(first), uid(last)) else {
        return Err(Fault::new(
            "expected \"uid:\" and a user id, or two with a `-` between them",
        ));
    };
    if first > last {
        let fault = Fault::new("the range of user ids is empty");
        return Err(fault.help(format!("did you mean \"uid:{last}-{first}\"?")));
    }
    Ok(Principal::Uids(first, last))
}

/// A user id; the highest number means "none" to the kernel.
fn uid(text: &str) -> Option<u32> {
    let id = is_decimal(text).then(|| text.parse().ok()).flatten();
    id.filter(|id| *id != u32::MAX)
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name of the account database. Directory services have names with spaces, backslashes and `@`
/// (`alice@example.org`); what stands for something else in passwd(5) or here cannot be in a name.
fn name(text: &str, noun: &str) -> Result<String, Fault> {
    let reserved = |c: char| {
        let meant = matches!(
            c,
            ':' | ',' | '/' | '*' | '?' | '[' | ']' | '!' | '~' | '{' | '}'
        );
        meant || c.is_control()
    };
    if text.is_empty() || text.trim() != text {
        return Err(Fault::new(format!(
            "a {noun} name must not be empty, nor start or end with a space"
        )));
    }
    match text.char_indices().find(|(_, c)| reserved(*c)) {
        None => Ok(text.to_owned()),
        Some((_, bad)) => {
            let bad = shortened(&bad.to_string());
            let fault = Fault::new(format!("a {noun} name cannot hold `{bad}`"));
            Err(fault.help(
                "principals are \"alice\", \"@group\", \"uid:1000-1999\", \"uid:1001\" and \"*\"",
            ))
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("*"),
            Self::User(name) => f.write_str(name),
            Self::Group(name) => write!(f, "@{name}"),
            Self::Uids(first, last) if first == last => write!(f, "uid:{first}"),
            Self::Uids(first, last) => write!(f, "uid:{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_directory_services() {
        let table = [
            (
                "alice@example.org",
                Some(Principal::User("alice@example.org".to_owned())),
            ),
            (
                "@domain users@example.org",
                Some(Principal::Group("domain users@example.org".to_owned())),
            ),
            (
                "EXAMPLE\\alice",
                Some(Principal::User("EXAMPLE\\alice".to_owned())),
            ),
            ("żółw", Some(Principal::User("żółw".to_owned()))),
            ("1001", Some(Principal::User("1001".to_owned()))),
            ("@", None),
            ("@ users", None),
            ("a:b", None),
            ("a/b", None),
        ];
        for (text, expected) in table {
            assert_eq!(Principal::parse(text).ok(), expected, "{text}");
        }
    }
}
