//! The instance that a rule names itself: `store`, `hash` and `parent`.

use super::digest::md5;
use super::fields::{Fields, Vocabulary};
use super::per::Per;
use super::report::Fault;
use super::template::{Fact, PathTemplate};
use crate::login::Login;
use crate::path::AbsPath;

/// `store` of a `[[private]]` rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The instance itself.
    pub path: PathTemplate,
    /// The way in which the name that it ends in is made shorter; nothing where it is not.
    pub hashed: Option<Hashed>,
    /// The demands on the directory that holds it.
    pub parent: Parent,
}

/// An instance's name that is hashed as pam_namespace does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// The names that are hashed.
    pub hash: Hash,
    /// The facts of which the name consists, with `_` in between.
    pub name: &'static [Fact],
}

/// `hash`: which instance names are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// The names that pam_namespace takes to be too long: the start of the name, and its MD5.
    Long,
    /// All: the name is its MD5 alone (pam_namespace's `gen_hash`).
    Always,
}

/// `parent`: the demands on the directory that holds an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Parent {
    /// The directory keeps others out, unless the instance's own mode does.
    #[default]
    Closed,
    /// The directory has any mode with which only root can write to it (pam_namespace's
    /// `ignore_instance_parent_mode`).
    Any,
}

impl Vocabulary for Hash {
    const WORDS: &'static [(&'static str, Self)] =
        &[("long", Self::Long), ("always", Self::Always)];
}

impl Vocabulary for Parent {
    const WORDS: &'static [(&'static str, Self)] = &[("any", Self::Any)];
}

/// The longest name, in bytes, that stays as it is (`NAMESPACE_MAX_DIR_LEN` of pam_namespace, the same in
/// Linux-PAM 1.1 to 1.7).
const LONGEST: usize = 80;

impl Hash {
    /// Shortens `name`. One that is too long is cut so that it has [`LONGEST`] bytes with `_` and its MD5.
    ///
    /// # Errors
    ///
    /// It would be cut in the middle of a character.
    fn of(self, name: &str) -> Result<String, String> {
        let digest = md5(name.as_bytes());
        match self {
            Self::Always => Ok(digest),
            Self::Long if name.len() <= LONGEST => Ok(name.to_owned()),
            Self::Long => {
                let room = LONGEST.saturating_sub(digest.len()).saturating_sub(1);
                let start = name
                    .get(..room)
                    .ok_or("its name is cut in the middle of a character")?;
                Ok(format!("{start}_{digest}"))
            }
        }
    }
}

impl Store {
    /// The instance of `login`, with the label that it has by `per = "context"` or `"level"`. Without SELinux
    /// there is none, and the instance is the user's.
    ///
    /// # Errors
    ///
    /// Why a fact does not fit into a path, or that without SELinux everybody would have this instance.
    pub fn expand(&self, login: &Login, label: Option<&str>) -> Result<AbsPath, String> {
        let is_named_by_label = self.path.mentions(Fact::LABELS);
        if is_named_by_label && label.is_none() && !self.path.mentions(&[Fact::User, Fact::Uid]) {
            return Err("without SELinux everybody would have the same one".to_owned());
        }
        let path = self.path.labelled(label)?;
        let Some(Hashed { hash, name }) = self.hashed else {
            return path.expand(login);
        };
        let unlabelled = name
            .iter()
            .copied()
            .filter(|fact| !Fact::LABELS.contains(fact));
        let name: Vec<Fact> = match label {
            Some(_) => name.to_vec(),
            None => unlabelled.collect(),
        };
        path.expand_with_name(login, &name, |name| hash.of(name))
    }
}

/// Reads `store` and what belongs to it.
pub(super) fn read(
    fields: &mut Fields<'_, '_, '_>,
    per: Option<Per>,
    path: Option<PathTemplate>,
) -> Option<Store> {
    let hash = fields.word("hash");
    // Read here although it is used last: every fault of a rule is reported, not only the first one.
    let demands = fields.word_or("parent", Parent::default());
    let Some(path) = path else {
        if !fields.has("store") {
            fields.refuse(&["hash", "parent"], "needs `store`");
        }
        return None;
    };
    let hashed = match hash {
        None => None,
        Some(hash) => Some(hashed(fields, &path, hash, per?)?),
    };
    Some(Store {
        path,
        hashed,
        parent: demands?,
    })
}

fn hashed(
    fields: &mut Fields<'_, '_, '_>,
    path: &PathTemplate,
    hash: Hash,
    per: Per,
) -> Option<Hashed> {
    let known = names(per);
    if known.is_empty() {
        fields.refuse(&["hash"], "is not for instances of sessions and groups");
        return None;
    }
    let name = known.iter().copied().find(|name| path.ends_in(name));
    if name.is_none() {
        let fault = Fault::new("with `hash`, a `store` ends in the name that is hashed");
        fields.error(
            &fields.span_of("store"),
            fault.help("let it end in `{user}`"),
        );
    }
    name.map(|name| Hashed { hash, name })
}

/// The facts by which pam_namespace gives instances their names.
fn names(per: Per) -> &'static [&'static [Fact]] {
    match per {
        Per::User => &[&[Fact::User]],
        Per::Context => &[&[Fact::Context, Fact::User], &[Fact::Context]],
        Per::Level => &[&[Fact::Level, Fact::User], &[Fact::Level]],
        Per::Session | Per::Group => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the hashes with those of `md5sum`; that pam_namespace does the same is tested with the real one.
    #[test]
    fn names_are_those_of_pam_namespace() {
        let eighty = "u".repeat(80);
        let longer = "u".repeat(81);
        let cut = "u".repeat(47);
        for (hash, name, expected) in [
            (Hash::Long, "alice", "alice".to_owned()),
            (Hash::Long, &eighty, eighty.clone()),
            (
                Hash::Long,
                &longer,
                format!("{cut}_819c5b0f2c4d63c5149f620125c9d2fc"),
            ),
            (
                Hash::Always,
                "alice",
                "6384e2b2184bcbf58eccf10ca7a6563c".to_owned(),
            ),
        ] {
            assert_eq!(hash.of(name), Ok(expected), "{name}");
        }
    }

    #[test]
    fn a_name_is_not_cut_in_the_middle_of_a_character() {
        let name = format!("{}\u{fc}{}", "u".repeat(46), "u".repeat(40));
        assert!(Hash::Long.of(&name).is_err());
    }
}
