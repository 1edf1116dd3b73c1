//! Who logs in, in these tests.

use pam_jns::login::{Accounts, GroupName, Login};

/// A machine with a few accounts.
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

impl Accounts for Machine {
    fn uid(&self, user: &str) -> Option<u32> {
        find(USERS, user)
    }

    fn gid(&self, group: &str) -> Option<u32> {
        find(GROUPS, group)
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
        session: "00000000000000aa".to_owned(),
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
