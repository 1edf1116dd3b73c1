//! The accounts that log in, in these tests.

use pam_jns::login::{Accounts, GroupName, Login, SessionId};
#[cfg(feature = "selinux")]
use pam_jns::{
    error::{Error, Result},
    kernel::selinux::with_level,
    login::{Basis, Label},
};

/// A machine with a few accounts, and with SELinux.
pub struct Machine;

const USERS: &[(&str, u32)] = &[
    ("root", 0),
    ("daemon", 1),
    ("alice", 1001),
    ("bob", 1002),
    ("eve", 2000),
];
const GROUPS: &[(&str, u32)] = &[
    ("root", 0),
    ("staff", 50),
    ("students", 500),
    ("alice", 1001),
    ("bob", 1002),
];

/// What the directories there are labelled.
#[cfg(feature = "selinux")]
const LABELS: &[(&str, &str)] = &[
    ("/tmp", "system_u:object_r:tmp_t:s0"),
    ("/var/tmp", "system_u:object_r:tmp_t:s0"),
    ("/home/alice", "staff_u:object_r:user_home_dir_t:s0"),
    ("/opt", "system_u:object_r:usr_t:s0"),
    ("/srv", "system_u:object_r:var_t:s0"),
];

/// The contexts of the users' sessions.
#[cfg(feature = "selinux")]
const CONTEXTS: &[(&str, &str)] = &[
    ("alice", "staff_u:staff_r:staff_t:s0-s15:c0.c1023"),
    ("bob", "user_u:user_r:user_t:s0:c1,c5"),
    ("root", "root:sysadm_r:sysadm_t:s0"),
];

impl Accounts for Machine {
    fn uid(&self, user: &str) -> Option<u32> {
        find(USERS, user)
    }

    fn gid(&self, group: &str) -> Option<u32> {
        find(GROUPS, group)
    }

    #[cfg(feature = "selinux")]
    fn label(&self, login: &Login, path: &str, basis: Basis) -> Result<Option<Label>> {
        let unlabelled = || Error::new("use", path, "it has no SELinux label");
        let of = |table: &[(&str, &str)], key| {
            let found = table.iter().find(|(known, _)| *known == key);
            found.map(|(_, label)| (*label).to_owned())
        };
        let covered = of(LABELS, path).ok_or_else(unlabelled)?;
        let session = of(CONTEXTS, login.user.as_str()).unwrap();
        let context = match basis {
            Basis::Context => member(&session, &covered),
            Basis::Level => with_level(&covered, &session)?,
        };
        Ok(Some(Label { context, covered }))
    }
}

/// What a policy's rules of members would say: the user of the session, and the type of the directory with a mark.
#[cfg(feature = "selinux")]
fn member(session: &str, covered: &str) -> String {
    let user = session.split(':').next().unwrap();
    let (_, label) = covered.split_once(':').unwrap();
    format!("{user}:{}", label.replace("_t:", "_poly_t:"))
}

/// The same machine without SELinux.
#[cfg(feature = "selinux")]
pub struct Unlabelled;

#[cfg(feature = "selinux")]
impl Accounts for Unlabelled {
    fn uid(&self, user: &str) -> Option<u32> {
        Machine.uid(user)
    }

    fn gid(&self, group: &str) -> Option<u32> {
        Machine.gid(group)
    }
}

fn find(table: &[(&str, u32)], name: &str) -> Option<u32> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, id)| *id)
}

/// A login by `user`, who has these groups, the primary one first.
pub fn login(user: &str, groups: &[&str]) -> Login {
    let groups: Vec<GroupName> = groups
        .iter()
        .map(|name| GroupName {
            gid: Machine.gid(name).unwrap(),
            name: (*name).to_owned(),
        })
        .collect();
    Login {
        user: user.to_owned(),
        uid: Machine.uid(user).unwrap(),
        gid: groups[0].gid,
        groups,
        home: format!("/home/{user}"),
        service: "sshd".to_owned(),
        tty: Some("ssh".to_owned()),
        rhost: Some("192.0.2.7".to_owned()),
        session: SessionId::parse("00000000000000aa").unwrap(),
    }
}

/// Alice, a student, by ssh.
pub fn alice() -> Login {
    login("alice", &["alice", "students"])
}

/// Bob, of the staff, at the console.
pub fn bob() -> Login {
    Login {
        service: "login".to_owned(),
        tty: Some("/dev/tty1".to_owned()),
        rhost: None,
        ..login("bob", &["bob", "staff"])
    }
}

/// Root, by su.
pub fn root() -> Login {
    Login {
        home: "/root".to_owned(),
        service: "su".to_owned(),
        tty: Some("pts/3".to_owned()),
        rhost: None,
        ..login("root", &["root"])
    }
}
