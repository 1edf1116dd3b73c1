//! The accounts of a system, as far as a list of users has to know them.

use crate::cli::host::Tree;
use crate::cli::outcome::reason;
use crate::error::{Error, Result};
use nix::errno::Errno;
use nix::unistd::User;
use std::collections::BTreeMap;
use std::io::ErrorKind;

/// The file of the accounts that are no directory service's (passwd(5)).
const PASSWD: &str = "/etc/passwd";

/// The accounts of a system.
#[derive(Debug, Default)]
pub struct Accounts {
    /// The user ids of its own accounts by name.
    ids: BTreeMap<String, u32>,
}

impl Accounts {
    /// Reads the accounts of a system.
    ///
    /// # Errors
    ///
    /// Its file of accounts cannot be read. That there is none is no error.
    pub fn of(tree: &Tree) -> Result<Self> {
        match tree.read(PASSWD) {
            Ok(text) => Ok(Self::of_passwd(&text)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(Error::new("read", PASSWD, reason(&e))),
        }
    }

    fn of_passwd(text: &str) -> Self {
        let account = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
        };
        Self {
            ids: text.lines().filter_map(account).collect(),
        }
    }

    /// The user id of an account of the system, or of one that this machine knows.
    ///
    /// # Errors
    ///
    /// Why it cannot be looked up.
    pub fn id(&self, name: &str) -> Result<Option<u32>, Errno> {
        if let Some(id) = self.ids.get(name) {
            return Ok(Some(*id));
        }
        match User::from_name(name) {
            Ok(account) => Ok(account.map(|account| account.uid.as_raw())),
            // getpwnam(3): some say so of a name that they do not have.
            Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
            Err(reason) => Err(reason),
        }
    }

    /// The user id of an account of the system that another one has as well.
    pub fn shared_id(&self, name: &str) -> Option<u32> {
        let id = self.ids.get(name)?;
        let number = self.ids.values().filter(|other| *other == id).count();
        (number > 1).then_some(*id)
    }
}
