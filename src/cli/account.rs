//! The account that the command runs as: facts from the account database, asked before the namespace is entered.

use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::process::credentials::Credentials;
use crate::login::supplementary;
use nix::unistd::{Uid, User};
use std::ffi::{OsStr, OsString};

/// The directories where programs of users are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The directories where programs of root are looked for.
const ROOTS_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The shell of accounts that name none (passwd(5)).
const SHELL: &str = "/bin/sh";

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its ids.
    pub credentials: Credentials,
    /// Its home directory.
    pub home: String,
    /// Its shell.
    pub shell: OsString,
}

impl Account {
    /// The account with that user id.
    ///
    /// # Errors
    ///
    /// There is none, or the account database does not answer.
    pub fn of(uid: u32) -> Result<Self> {
        let object = format!("uid {uid}");
        let found = User::from_uid(Uid::from_raw(uid))
            .map_err(|errno| Error::new("look up", &object, errno.desc()))?;
        let user = found.ok_or_else(|| Error::new("find", &object, "no such account"))?;
        let groups = supplementary(&Deadline::none(), &user.name, user.gid)?;
        let shell = user.shell.into_os_string();
        Ok(Self {
            credentials: Credentials {
                uid,
                gid: user.gid.as_raw(),
                groups: groups.into_iter().map(|gid| gid.as_raw()).collect(),
            },
            name: user.name,
            home: user.dir.to_string_lossy().into_owned(),
            shell: if shell.is_empty() {
                SHELL.into()
            } else {
                shell
            },
        })
    }

    /// Returns the name that tells the shell to be a login shell: `-bash`.
    pub fn login_name_of_shell(&self) -> OsString {
        let shell = self.shell.to_string_lossy();
        let name = shell.rsplit('/').next().unwrap_or_default();
        format!("-{name}").into()
    }

    /// The environment that a command of the account begins with: nothing of the caller's but the terminal's
    /// type and the language.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let path = if self.credentials.uid == 0 {
            ROOTS_PATH
        } else {
            PATH
        };
        let own: [(&str, &OsStr); 5] = [
            ("HOME", self.home.as_ref()),
            ("USER", self.name.as_ref()),
            ("LOGNAME", self.name.as_ref()),
            ("SHELL", &self.shell),
            ("PATH", path.as_ref()),
        ];
        let own = own
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        own.chain(std::env::vars_os().filter(|(name, _)| is_passed_on(name)))
            .collect()
    }
}

fn is_passed_on(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["TERM", "LANG", "LANGUAGE"].contains(&&*name) || name.starts_with("LC_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(uid: u32, shell: &str) -> Account {
        let credentials = Credentials {
            uid,
            gid: uid,
            groups: vec![uid],
        };
        Account {
            name: "alice".to_owned(),
            credentials,
            home: "/home/alice".to_owned(),
            shell: shell.into(),
        }
    }

    #[test]
    fn a_login_shell_is_known_by_its_name() {
        let table = [
            ("/bin/bash", "-bash"),
            ("zsh", "-zsh"),
            ("/opt/my shell/fish", "-fish"),
        ];
        for (shell, expected) in table {
            assert_eq!(account(1, shell).login_name_of_shell(), expected);
        }
    }

    #[test]
    fn only_the_terminal_and_the_language_are_the_callers() {
        let table = [
            ("TERM", true),
            ("LANG", true),
            ("LC_ALL", true),
            ("LD_PRELOAD", false),
            ("PATH", false),
            ("SUDO_USER", false),
            ("SSH_AUTH_SOCK", false),
            ("TERMINFO", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_passed_on(name.as_ref()), expected, "{name}");
        }
    }

    #[test]
    fn root_finds_its_programs() {
        for (uid, expected) in [(0, ROOTS_PATH), (1, PATH)] {
            let environment = account(uid, "/bin/sh").environment();
            assert!(environment.contains(&("PATH".into(), expected.into())));
        }
    }
}
