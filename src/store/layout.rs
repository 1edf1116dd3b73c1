//! The layout of a store: who has which directory under which name and mode, and whose a directory of a name is.
//!
//! | In the store | What it is |
//! |---|---|
//! | `user/1000` | the directory of the user with the id 1000 |
//! | `user/1000.former-1700000000` | that of an account that had the id before, set aside at that time |
//! | `group/100` | the directory of the group with the id 100 |
//! | `session/0123456789abcdef` | the directory of a session |
//! | `user/1000/mnt-t` | in any of these, the instance that covers `/mnt/t` |
//! | `user/1000/%account` | in those of `user`, the note whose it is |
//! | `hidden-file` | what covers hidden files |
//!
//! In each directory down to that of an owner, what is being made or removed has a temporary name
//! ([`temporary_name`](crate::kernel::fs::directory::temporary_name)) until it is finished. The directories that hold
//! instances are root's with mode 0700
//! ([`open_or_make_private`](crate::kernel::fs::directory::open_or_make_private)); what an instance is like, its rule says.

use std::fmt;

/// The directory where instances live unless `settings.store` says otherwise.
pub const DEFAULT_STORE: &str = "/var/lib/jns";

/// The modes of a store that leave others some right; every mode that leaves them none is permitted besides. 0711
/// lets others pass but not look.
pub const STORE_MODES_FOR_OTHERS: &[u32] = &[0o711];

/// The mode of the directory of a layer.
pub const LAYER_MODE: u32 = 0o700;

/// The name of the file in the store that covers hidden files: empty, and nobody may read it.
pub const HIDDEN_FILE: &str = "hidden-file";

/// The mode of [`HIDDEN_FILE`].
pub const HIDDEN_FILE_MODE: u32 = 0;

/// The name of the note in a user's directory that says whose it is. No instance has it: [`name_instance`] writes `%`
/// as `%25`.
pub const NOTE: &str = "%account";

/// The text between the id and the seconds in the name of a directory that was set aside.
const FORMER: &str = ".former-";

/// The longest name of an instance in bytes: one component, with room for what is put around it while the instance is
/// made.
const LONGEST_INSTANCE_NAME_BYTES: usize = 200;

/// The number of hexadecimal digits that [`is_random_name`] wants.
const RANDOM_NAME_DIGITS: usize = 16;

/// The kinds of those who own instances: each has a directory in the store, with one for each owner in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerKind {
    /// Users, and accounts whose ids others have now.
    User,
    /// Groups.
    Group,
    /// Sessions.
    Session,
}

impl OwnerKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Session, Self::User, Self::Group];

    /// The name of its directory in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Session => "session",
        }
    }

    /// The kind whose directory in the store has that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The path of its directory in `store`.
    #[must_use]
    pub fn path(self, store: impl fmt::Display) -> String {
        format!("{store}/{}", self.name())
    }

    /// The path from the store of what has the name `name` in its directory: `user/1000`. Temporary names are permitted.
    #[must_use]
    pub fn path_of_entry(self, name: &str) -> String {
        format!("{}/{name}", self.name())
    }

    /// Whether a file `name` in the directory of such an owner is the note whose it is.
    #[must_use]
    pub fn is_note(self, name: &str) -> bool {
        self == Self::User && name == NOTE
    }
}

/// An owner of instances, who has a directory in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'n> {
    /// The user with that id.
    User(u32),
    /// An account that had a user's id before.
    Former {
        /// The id.
        uid: u32,
        /// The time when it was set aside, in seconds since 1970: decimal digits as they stand in the name.
        seconds: &'n str,
    },
    /// The group with that id.
    Group(u32),
    /// The session of that name, which is one component of a path.
    Session(&'n str),
}

impl<'n> Owner<'n> {
    /// The owner whose directory has that name in the directory of the kind; nothing for a name that no owner's has.
    #[must_use]
    pub fn parse(kind: OwnerKind, name: &'n str) -> Option<Self> {
        match kind {
            OwnerKind::User => match name.split_once(FORMER) {
                None => parse_id(name).map(Self::User),
                Some((id, seconds)) => Self::parse_former(id, seconds),
            },
            OwnerKind::Group => parse_id(name).map(Self::Group),
            OwnerKind::Session => is_random_name(name).then_some(Self::Session(name)),
        }
    }

    fn parse_former(id: &str, seconds: &'n str) -> Option<Self> {
        let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
        let uid = parse_id(id).filter(|_| is_number)?;
        Some(Self::Former { uid, seconds })
    }

    /// The owner of the instance with that path; nothing where an instance of a store cannot have it.
    #[must_use]
    pub fn of_instance(path: &'n str) -> Option<Self> {
        let mut above = path.rsplit('/').skip(1);
        let (name, kind) = (above.next()?, above.next()?);
        Self::parse(OwnerKind::parse(kind)?, name)
    }

    /// The kind that the owner is of.
    #[must_use]
    pub const fn kind(self) -> OwnerKind {
        match self {
            Self::User(_) | Self::Former { .. } => OwnerKind::User,
            Self::Group(_) => OwnerKind::Group,
            Self::Session(_) => OwnerKind::Session,
        }
    }

    /// The name of the owner's directory in that of the kind.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::User(id) | Self::Group(id) => id.to_string(),
            Self::Former { uid, seconds } => format!("{uid}{FORMER}{seconds}"),
            Self::Session(name) => name.to_owned(),
        }
    }

    /// The path of the owner's directory from the store: `user/1000`.
    #[must_use]
    pub fn path_from_store(self) -> String {
        self.kind().path_of_entry(&self.name())
    }

    /// The path of the owner's directory in `store`.
    #[must_use]
    pub fn path(self, store: impl fmt::Display) -> String {
        format!("{store}/{}", self.path_from_store())
    }

    /// The user's id, if it is about a user: also the one that an account had before.
    #[must_use]
    pub const fn uid(self) -> Option<u32> {
        match self {
            Self::User(uid) | Self::Former { uid, .. } => Some(uid),
            Self::Group(_) | Self::Session(_) => None,
        }
    }
}

/// Reads a user's or group's id as it stands in names: decimal, without leading zeros; nothing for anything else.
#[must_use]
pub fn parse_id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id: &u32| id.to_string() == text)
}

/// Whether a text is 16 hexadecimal digits, as names are that no other thing has: those of sessions, and temporary
/// ones.
#[must_use]
pub fn is_random_name(text: &str) -> bool {
    is_hexadecimal(text, RANDOM_NAME_DIGITS)
}

/// Whether a text is that many hexadecimal digits and nothing else.
#[must_use]
pub(crate) fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether the module gives something immediately in the store that name for good.
#[must_use]
pub fn is_name_in_store(name: &str) -> bool {
    OwnerKind::parse(name).is_some() || name == HIDDEN_FILE
}

/// Names the instance that covers an absolute path, with its label where it has one of its own; nothing where the name
/// would be too long. No other path or label has the name: `/` becomes `-`, and what that could be taken for is written
/// as in an URL, so that no path has `%:` in its name.
#[must_use]
pub fn name_instance(path: &str, label: Option<&str>) -> Option<String> {
    let components = path.split('/').skip(1);
    let escaped: Vec<String> = components
        .map(|name| name.replace('%', "%25").replace('-', "%2d"))
        .collect();
    let label = label.map(|label| format!("%:{label}"));
    let name = escaped.join("-") + &label.unwrap_or_default();
    (name.len() <= LONGEST_INSTANCE_NAME_BYTES).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_owner_has_one_directory() {
        let session = "0123456789abcdef";
        for (owner, below) in [
            (Owner::User(0), "user/0"),
            (Owner::User(u32::MAX), "user/4294967295"),
            (
                Owner::Former {
                    uid: 2001,
                    seconds: "17",
                },
                "user/2001.former-17",
            ),
            (
                Owner::Former {
                    uid: 2001,
                    seconds: "099999999999999999999999",
                },
                "user/2001.former-099999999999999999999999",
            ),
            (Owner::Group(100), "group/100"),
            (Owner::Session(session), "session/0123456789abcdef"),
        ] {
            assert_eq!(owner.path("/var/lib/jns"), format!("/var/lib/jns/{below}"));
            assert_eq!(owner.path_from_store(), below);
            assert_eq!(Owner::parse(owner.kind(), &owner.name()), Some(owner));
            let instance = owner.path("/s") + "/tmp";
            assert_eq!(Owner::of_instance(&instance), Some(owner), "{instance}");
        }
    }

    #[test]
    fn no_owner_has_another_name() {
        let other = [
            "",
            "01",
            "+1",
            "-1",
            "alice",
            "4294967296",
            "2001.former-",
            "2001.former-x",
            "2001.former-1x",
            "2001.former--1",
            "2001.former-1.former-1",
            "alice.former-1",
            ".former-1",
            "0123456789abcdeg",
            "0123456789abcdef0",
            ".jns-0123456789abcdef",
            NOTE,
        ];
        for name in other {
            for kind in OwnerKind::ALL {
                assert_eq!(Owner::parse(kind, name), None, "{} {name}", kind.name());
            }
        }
        let former = "2001.former-1";
        assert_eq!(Owner::parse(OwnerKind::Group, former), None);
        assert_eq!(Owner::parse(OwnerKind::Session, former), None);
        assert_eq!(Owner::parse(OwnerKind::Session, "2001"), None);
        assert_eq!(Owner::parse(OwnerKind::User, "0123456789abcdef"), None);
    }

    #[test]
    fn instances_are_known_by_their_place_in_a_store() {
        for (path, owner) in [
            ("/var/lib/jns/user/2001/tmp", Some(Owner::User(2001))),
            ("/user/2001/tmp", Some(Owner::User(2001))),
            ("/lib/jns/group/100/srv", Some(Owner::Group(100))),
            ("/lib/jns/user/02001/tmp", None),
            ("/var/lib/jns/user/2001", None),
            ("/lib/jns/session/2001/tmp", None),
            ("/home/alice", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(Owner::of_instance(path), owner, "{path}");
        }
    }

    #[test]
    fn the_kinds_have_their_names() {
        for kind in OwnerKind::ALL {
            assert_eq!(OwnerKind::parse(kind.name()), Some(kind));
            assert_eq!(kind.path("/s"), format!("/s/{}", kind.name()));
            assert!(is_name_in_store(kind.name()));
        }
        assert!(is_name_in_store(HIDDEN_FILE) && !is_name_in_store("users"));
        assert_eq!(
            OwnerKind::ALL.map(|kind| kind.is_note(NOTE)),
            [false, true, false]
        );
        assert!(!OwnerKind::User.is_note("account"));
    }

    #[test]
    fn an_instance_is_named_after_its_path_and_its_label() {
        for (path, label, name) in [
            ("/tmp", None, "tmp"),
            ("/mnt/t", None, "mnt-t"),
            ("/mnt-t", None, "mnt%2dt"),
            ("/100%", None, "100%25"),
            ("/%2d", None, "%252d"),
            ("/tmp", Some("a:b:c-d%:s0"), "tmp%:a:b:c-d%:s0"),
        ] {
            assert_eq!(name_instance(path, label).as_deref(), Some(name));
            assert_eq!(read_instance(name), (path.to_owned(), label), "{name}");
        }
        let path = |bytes: usize| format!("/{}", "x".repeat(bytes));
        assert!(name_instance(&path(200), None).is_some());
        assert!(name_instance(&path(201), None).is_none());
        assert!(name_instance(&path(199), Some("")).is_none());
    }

    /// The path and the label in the name of an instance.
    fn read_instance(name: &str) -> (String, Option<&str>) {
        let (escaped, label) = match name.split_once("%:") {
            Some((escaped, label)) => (escaped, Some(label)),
            None => (name, None),
        };
        let path = escaped.replace('-', "/");
        (
            format!("/{}", path.replace("%2d", "-").replace("%25", "%")),
            label,
        )
    }

    fn component() -> impl Strategy<Value = String> {
        let is_name = |name: &String| name != "." && name != "..";
        "[a-c25d%:. -]{1,6}".prop_filter("a name in a path", is_name)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn owners_are_read_from_their_names(uid: u32, seconds: u64, session: u64) {
            let (seconds, session) = (seconds.to_string(), format!("{session:016x}"));
            let former = Owner::Former { uid, seconds: &seconds };
            for owner in [Owner::User(uid), former, Owner::Group(uid), Owner::Session(&session)] {
                let name = owner.name();
                prop_assert_eq!(Owner::parse(owner.kind(), &name), Some(owner));
                prop_assert_eq!(owner.uid().is_some(), owner.kind() == OwnerKind::User);
            }
        }

        #[test]
        fn what_is_read_has_the_name_that_it_was_read_from(name in "[0-9a-f]{1,4}(\\.former-[0-9a]{0,3})?|[0-9a-fg]{15,17}") {
            for kind in OwnerKind::ALL {
                if let Some(owner) = Owner::parse(kind, &name) {
                    prop_assert_eq!(owner.name(), name.as_str());
                    prop_assert_eq!(owner.kind(), kind);
                }
            }
        }

        #[test]
        fn an_instance_names_its_path(
            components in prop::collection::vec(component(), 1..5),
            label in prop::option::of("[a-z:%-]{0,9}"),
        ) {
            let path = format!("/{}", components.join("/"));
            let name = name_instance(&path, label.as_deref()).unwrap();
            prop_assert!(!name.contains('/') && name != NOTE);
            prop_assert_eq!(read_instance(&name), (path, label.as_deref()));
        }
    }
}
