//! The facts about one login, and the accounts they come from.

use crate::error::{Error, Result};
use crate::kernel::accounts::look_up;
use crate::kernel::deadline::Deadline;
#[cfg(feature = "selinux")]
use crate::kernel::{fs::label, selinux};
use crate::store::layout::is_random_name;
use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::fmt;
use std::time::Duration;

/// One login: who, through which service, from where. Gathered once; everything after it is a pure
/// function of this and the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account's name, as the account database has it: directories may take `ALICE` for `alice`.
    pub user: String,
    /// The account's user id.
    pub uid: u32,
    /// The account's primary group id.
    pub gid: u32,
    /// The groups of the account, primary first. Only the primary one when the policy names no group
    /// ([`Needs::groups`]), because asking for them can be slow.
    pub groups: Vec<GroupName>,
    /// The home directory, as the account database has it.
    pub home: String,
    /// The PAM service, such as `sshd`.
    pub service: String,
    /// `PAM_TTY`; sshd says `ssh`, cron says `cron`.
    pub tty: Option<String>,
    /// `PAM_RHOST`: a host name or an address.
    pub rhost: Option<String>,
    /// The name that no other session has or had.
    pub session: SessionId,
}

/// The text of [`SessionId::placeholder`].
const PLACEHOLDER: &str = "SESSION";

/// The name of a session: 32 random bits and the user's id, as 16 hexadecimal digits. Unlike a process id it is not used
/// again, so that what a crashed session left behind is not mistaken for a new one's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct SessionId(String);

impl SessionId {
    /// Makes a new one for a session of the user `uid`.
    ///
    /// # Errors
    ///
    /// The random source failed.
    pub fn new(uid: u32) -> Result<Self> {
        let mut bits = [0_u8; 4];
        rustix::rand::getrandom(&mut bits, rustix::rand::GetRandomFlags::empty())
            .map_err(|e| Error::from_errno("name", "the session", e))?;
        let random = u32::from_ne_bytes(bits);
        Ok(Self(format!("{random:08x}{uid:08x}")))
    }

    /// The session whose id `text` is; nothing for a text of another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_random_name(text).then(|| Self(text.to_owned()))
    }

    /// Stands for the name of a session that is not opened: `SESSION`, which no session has.
    #[must_use]
    pub fn placeholder() -> Self {
        Self(PLACEHOLDER.to_owned())
    }

    /// Whether sessions of the user `uid` have such a name.
    #[must_use]
    pub fn is_of(&self, uid: u32) -> bool {
        self.0.ends_with(&format!("{uid:08x}"))
    }

    /// The id as text: one component of a path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text).ok_or_else(|| {
            Error::new(
                "read",
                "the id of a session",
                "it has not 16 hexadecimal digits",
            )
        })
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A group of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupName {
    /// The group id.
    pub gid: u32,
    /// Its name; the id in decimal for a group that has none, or when names were not asked for.
    pub name: String,
}

/// The facts that PAM, or the command line of `jns explain`, states about a login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The account's name.
    pub user: String,
    /// The PAM service.
    pub service: String,
    /// The terminal.
    pub tty: Option<String>,
    /// The remote host.
    pub rhost: Option<String>,
}

/// The facts that a policy needs of those that cost something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// All groups of the account with their names: some principal is an `@group`.
    pub groups: bool,
    /// The name of the primary group: some template has `{group}`.
    pub group_name: bool,
}

/// The part of the session's SELinux context that the label of an instance has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The label that the SELinux policy has for such a directory and that context (`type_member` and
    /// `range_transition` rules).
    Context,
    /// The level.
    Level,
}

/// The SELinux label of an instance, and what it follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The label.
    pub context: String,
    /// The label of the directory that the instance covers.
    pub covered: String,
}

/// The source of ids for the names of users and groups, and of the SELinux contexts of sessions. Real logins ask the
/// system ([`Nss`]); tests have a table.
pub trait Accounts {
    /// The id of the user of that name, if there is one.
    fn uid(&self, user: &str) -> Option<u32>;
    /// The id of the group of that name, if there is one.
    fn gid(&self, group: &str) -> Option<u32>;
    /// The label of the login's instance of the directory `path`; nothing on a machine without SELinux.
    ///
    /// # Errors
    ///
    /// The directory has no label or does not exist, or the SELinux policy has no answer.
    fn label(&self, login: &Login, path: &str, basis: Basis) -> Result<Option<Label>> {
        let _ = (login, path, basis);
        Ok(None)
    }
}

/// The system's account database, through the reentrant calls of getpwnam(3) and getgrnam(3), and its SELinux.
#[derive(Debug, Clone, Copy)]
pub struct Nss;

/// The same, asked until a deadline. What does not answer is not there.
#[derive(Debug)]
pub struct NssUntil<'d>(pub &'d Deadline);

impl Accounts for NssUntil<'_> {
    fn uid(&self, user: &str) -> Option<u32> {
        look_up(self.0, || Nss.uid(user)).ok().flatten()
    }

    fn gid(&self, group: &str) -> Option<u32> {
        look_up(self.0, || Nss.gid(group)).ok().flatten()
    }

    #[cfg(feature = "selinux")]
    fn label(&self, login: &Login, path: &str, basis: Basis) -> Result<Option<Label>> {
        Nss.label(login, path, basis)
    }
}

impl Accounts for Nss {
    fn uid(&self, user: &str) -> Option<u32> {
        if user == "root" {
            return Some(0);
        }
        let found = User::from_name(user).ok()??;
        Some(found.uid.as_raw())
    }

    fn gid(&self, group: &str) -> Option<u32> {
        if group == "root" {
            return Some(0);
        }
        let found = Group::from_name(group).ok()??;
        Some(found.gid.as_raw())
    }

    /// By libselinux, where the module is built with it.
    #[cfg(feature = "selinux")]
    fn label(&self, login: &Login, path: &str, basis: Basis) -> Result<Option<Label>> {
        if !selinux::is_enabled() {
            return Ok(None);
        }
        let unlabelled = || Error::new("use", path, "it has no SELinux label");
        let covered = label::at(path)?.ok_or_else(unlabelled)?;
        let session = selinux::session_context(&login.user, &login.service)?;
        let context = match basis {
            Basis::Context => selinux::member(&session, &covered)?,
            Basis::Level => selinux::with_level(&covered, &session)?,
        };
        Ok(Some(Label { context, covered }))
    }
}

/// The time in which a session of root's is open, with the host's view if need be.
pub(crate) const OF_ROOT: Duration = Duration::from_secs(1);

impl Login {
    /// Returns the deadline of its session, which has begun with `begun`, under settings that say `set`. Root's ends what is
    /// waited for alone: who is refused no session loses the view by a hang, and not by a machine that is busy.
    #[must_use]
    pub(crate) fn deadline(&self, set: Duration, begun: &Deadline) -> Deadline {
        match self.uid {
            0 => begun.of_total(OF_ROOT).of_waits(),
            _ => begun.of_total(set),
        }
    }

    /// Gathers the facts about `request` from the account database.
    ///
    /// # Errors
    ///
    /// The account is unknown ([`Unknown::User`]), or the database or the random source failed.
    pub fn gather(request: Request, needs: Needs) -> Result<Self, Unknown> {
        Self::of_account(request)?
            .with(needs)
            .map_err(Unknown::Fault)
    }

    /// The facts that every policy needs: of the groups the primary one alone, without its name.
    ///
    /// # Errors
    ///
    /// As [`Login::gather`].
    pub fn of_account(request: Request) -> Result<Self, Unknown> {
        Self::of_account_until(&Deadline::none(), request)
    }

    /// The facts that every policy needs, asked until the deadline.
    ///
    /// # Errors
    ///
    /// As [`Login::gather`]; or the database does not answer.
    pub fn of_account_until(deadline: &Deadline, request: Request) -> Result<Self, Unknown> {
        let account = look_up(deadline, || Account::of(&request.user))
            .unwrap_or_else(|errno| Err(errno.raw_os_error()))
            .map_err(|number| Unknown::Fault(lookup_failed(&request.user, number)))?
            .ok_or_else(|| Unknown::User(no_such_user(&request.user)))?;
        let Account {
            name,
            uid,
            gid,
            home,
        } = account;
        Ok(Self {
            uid,
            gid,
            groups: vec![nameless(Gid::from_raw(gid))],
            home,
            user: name,
            service: request.service,
            tty: request.tty,
            rhost: request.rhost,
            session: SessionId::new(uid).map_err(Unknown::Fault)?,
        })
    }

    /// The facts about a user id without an account, whose name is then the number.
    ///
    /// # Errors
    ///
    /// The random source failed.
    pub fn nameless(uid: u32, gid: u32, home: &str) -> Result<Self> {
        Ok(Self {
            user: uid.to_string(),
            uid,
            gid,
            groups: vec![nameless(Gid::from_raw(gid))],
            home: home.to_owned(),
            service: String::new(),
            tty: None,
            rhost: None,
            session: SessionId::new(uid)?,
        })
    }

    /// Adds the facts about the login's groups that a policy needs.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub fn with(self, needs: Needs) -> Result<Self> {
        self.with_until(&Deadline::none(), needs)
    }

    /// Adds them, asked until the deadline.
    ///
    /// # Errors
    ///
    /// The database failed, or does not answer.
    pub fn with_until(self, deadline: &Deadline, needs: Needs) -> Result<Self> {
        let primary = Gid::from_raw(self.gid);
        let gids = match needs.groups {
            true => supplementary(deadline, &self.user, primary)?,
            false => vec![primary],
        };
        let groups = match needs.groups || needs.group_name {
            true => named(deadline, &gids)?,
            false => gids.into_iter().map(nameless).collect(),
        };
        Ok(Self { groups, ..self })
    }

    /// The name of the primary group; its id in decimal where names were not gathered.
    #[must_use]
    pub fn group(&self) -> String {
        self.groups
            .iter()
            .find(|group| group.gid == self.gid)
            .map_or_else(|| self.gid.to_string(), |group| group.name.clone())
    }
}

/// The reason why a login's facts could not be gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// There is no such account.
    User(Error),
    /// Something failed on the way.
    Fault(Error),
}

fn no_such_user(user: &str) -> Error {
    Error::new("find", format_args!("user {user}"), "no such account")
}

fn lookup_failed(user: &str, number: i32) -> Error {
    Error::new("look up", format_args!("user {user}"), describe(number))
}

/// An account, as the database has it.
#[derive(Serialize, Deserialize)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

impl Account {
    /// Looks it up by its name; the error number where the database failed.
    fn of(user: &str) -> Result<Option<Self>, i32> {
        let found = User::from_name(user).map_err(|errno| errno as i32)?;
        Ok(found.map(|user| Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            home: user.dir.to_string_lossy().into_owned(),
        }))
    }
}

/// All groups of an account, primary first, asked until the deadline.
pub(crate) fn supplementary(deadline: &Deadline, user: &str, primary: Gid) -> Result<Vec<Gid>> {
    let failed = |reason: &str| Error::new("list", format_args!("groups of {user}"), reason);
    let name = CString::new(user).map_err(|_| failed("the name holds a NUL"))?;
    let list = || match nix::unistd::getgrouplist(&name, primary) {
        Ok(gids) => Ok(gids.into_iter().map(Gid::as_raw).collect::<Vec<u32>>()),
        Err(errno) => Err(errno as i32),
    };
    let listed = look_up(deadline, list).unwrap_or_else(|errno| Err(errno.raw_os_error()));
    let gids = listed.map_err(|number| failed(&describe(number)))?;
    let others = gids.into_iter().map(Gid::from_raw);
    let others = others.filter(|gid| *gid != primary);
    Ok(std::iter::once(primary).chain(others).collect())
}

/// Groups with their names, asked until the deadline. A group that cannot be looked up must not look like one that has
/// no name: a rule about it would pass its members by.
fn named(deadline: &Deadline, gids: &[Gid]) -> Result<Vec<GroupName>> {
    let look = || -> Result<Vec<Option<String>>, (u32, i32)> {
        let name = |gid: &Gid| match Group::from_gid(*gid) {
            Err(errno) if !is_absence(errno) => Err((gid.as_raw(), errno as i32)),
            answer => Ok(answer.ok().flatten().map(|group| group.name)),
        };
        gids.iter().map(name).collect()
    };
    let first = gids.first().map_or(0, |gid| gid.as_raw());
    let names = look_up(deadline, look).unwrap_or_else(|errno| Err((first, errno.raw_os_error())));
    let names = names.map_err(|(gid, number)| {
        Error::new("look up", format_args!("group {gid}"), describe(number))
    })?;
    let known = |(gid, name): (&Gid, Option<String>)| GroupName {
        gid: gid.as_raw(),
        name: name.unwrap_or_else(|| gid.to_string()),
    };
    Ok(gids.iter().zip(names).map(known).collect())
}

/// A group whose name nobody has asked for.
fn nameless(gid: Gid) -> GroupName {
    GroupName {
        gid: gid.as_raw(),
        name: gid.to_string(),
    }
}

/// The words for an error number of the account database.
fn describe(number: i32) -> String {
    let reason = match Errno::from_raw(number) == Errno::ETIMEDOUT {
        true => "the account database does not answer",
        false => Errno::from_raw(number).desc(),
    };
    reason.to_owned()
}

/// Whether the error number is one that getgrgid_r(3) may give instead of "not found", as its manual lists them.
fn is_absence(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM
    )
}

/// Whether the account database says that no account has that user id. One that cannot be asked says nothing.
#[must_use]
pub fn is_unknown(uid: u32) -> bool {
    matches!(User::from_uid(Uid::from_raw(uid)), Ok(None))
}

/// Whether the account database has an account of that name with that id; nothing where it cannot be asked.
#[must_use]
pub fn has_account(name: &str, uid: u32) -> Option<bool> {
    match User::from_name(name) {
        Ok(found) => Some(found.is_some_and(|user| user.uid.as_raw() == uid)),
        Err(errno) => is_absence(errno).then_some(false),
    }
}

/// The effective user id 0: the module judges by it, never by the real one, which in su is the caller's.
#[must_use]
pub fn is_effective_root() -> bool {
    Uid::effective().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_session_is_a_component_and_its_users() {
        let id = SessionId::new(2001).unwrap();
        assert_eq!(SessionId::parse(id.as_str()).as_ref(), Some(&id));
        assert!(id.is_of(2001) && !id.is_of(2002), "{id}");
        for wrong in [
            "",
            "SESSION",
            "0123456789abcde",
            "0123456789abcdef0",
            "../../etc/passwd",
            "0123456789abcde/",
        ] {
            assert_eq!(SessionId::parse(wrong), None, "{wrong}");
        }
        assert_eq!(SessionId::parse(SessionId::placeholder().as_str()), None);
    }
}
