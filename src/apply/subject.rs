//! The user that a plan is applied for, and how programs are run for them.

use crate::error::{Error, Result};
use crate::kernel::deadline::Deadline;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::fs::owner_note::Account;
use crate::kernel::fs::walk::{Place, Trust, Walker};
use crate::kernel::process::credentials::Credentials;
use crate::kernel::process::helper::{Helper, Purpose};
use crate::kernel::process::secret::Secret;
use crate::plan::{self, Password, RunAs};

/// The PAM service of a user's service manager, user@.service (systemd.special(7)). It is started in the middle of the
/// user's first login or before any, and never has a password.
pub const USER_MANAGER: &str = "systemd-user";

/// The user that a plan is applied for.
#[derive(Debug, Clone)]
pub struct Subject<'s> {
    /// The users who may have had a hand in the paths, with the id of the user. Programs for one with
    /// [`Trust::Caller`] all have the rights of the calling process.
    pub trust: Trust,
    /// The user's name.
    pub user: &'s str,
    /// The user's home directory.
    pub home: &'s str,
    /// Whether the account database has an account of that name with that id; nothing where it cannot be asked.
    pub has_account: fn(&str, u32) -> Option<bool>,
    /// The PAM service.
    pub service: &'s str,
    /// The credentials of a program that is run as the user.
    pub credentials: Credentials,
    /// The login password, where it is known.
    pub password: Option<&'s Secret>,
    /// The time by which the session is open.
    pub deadline: Deadline,
}

/// The target that the program of an `init` prepares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InitTarget<'t> {
    /// The path that shows it.
    pub(crate) path: &'t str,
    /// The directory on disk that it is; nothing where it is memory.
    pub(crate) instance: Option<&'t str>,
    /// Whether it was made for this login.
    pub(crate) is_new: bool,
}

impl Subject<'_> {
    /// A user whose group has the same id; nothing else is known of them.
    #[must_use]
    pub fn of(uid: u32) -> Self {
        Self {
            trust: Trust::User(uid),
            user: "",
            home: "",
            has_account: |_, _| None,
            service: "",
            credentials: Credentials {
                uid,
                gid: uid,
                groups: vec![uid],
            },
            password: None,
            deadline: Deadline::none(),
        }
    }

    /// A program of the plan's, as it is run for this user; `more` is what it is given besides who that is.
    #[must_use]
    pub(crate) fn helper(
        &self,
        helper: &plan::Helper,
        purpose: Purpose,
        more: &[(&str, &str)],
    ) -> Helper {
        let uid = self.trust.uid().to_string();
        let facts = [
            ("JNS_USER", self.user),
            ("JNS_UID", &uid),
            ("JNS_SERVICE", self.service),
        ];
        let all = facts.iter().chain(more);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Helper {
            argv: helper.argv.clone(),
            purpose,
            environment: Some(all.map(owned).collect()),
            credentials: self.credentials(helper.run_as),
            timeout: helper.timeout,
        }
    }

    /// Runs the program of an `init` for what a path shows. Its arguments are those that pam_namespace gives since Linux-PAM 1.7.1. The instance's own path can lead elsewhere
    /// in the session's view, where it is covered or the user has a hand in it: then the path that shows it is named twice.
    ///
    /// # Errors
    ///
    /// The user could let the path lead elsewhere, or it failed ([`Helper::run`]).
    pub(crate) fn prepare(&self, program: &plan::Helper, target: InitTarget<'_>) -> Result<()> {
        let helper = self.init_helper(program, target)?;
        helper.within(&self.deadline).run(b"")
    }

    /// The program of an `init` with its arguments, as [`Subject::prepare`] runs it.
    pub(super) fn init_helper(
        &self,
        program: &plan::Helper,
        target: InitTarget<'_>,
    ) -> Result<Helper> {
        let path = target.path;
        let walker = Walker::new(self.trust.of_root())?.until(&self.deadline);
        let (shown, is_safe) = walker.open_and_judge(path, &[])?;
        let (instance, is_instance_safe) = match target.instance {
            Some(directory) => match walker.open_and_judge(directory, &[]) {
                Ok((found, is_safe)) if is_same(&found, &shown) => (directory, is_safe),
                _ => (path, is_safe),
            },
            None => ("tmpfs", false),
        };
        let [new, safe, instance_safe] =
            [target.is_new, is_safe, is_instance_safe].map(|is_so| if is_so { "1" } else { "0" });
        let purpose = Purpose::Init(path.to_owned());
        let arguments = [path, instance, new, self.user, safe, instance_safe].map(str::to_owned);
        Ok(Helper {
            argv: program.argv.iter().cloned().chain(arguments).collect(),
            purpose,
            environment: None,
            credentials: self.credentials(program.run_as),
            timeout: program.timeout,
        })
    }

    /// The account whose the instances are that are named by the user's id; nothing where it is not known, or where
    /// nobody but the caller has a part in them.
    pub(super) fn account(&self) -> Option<Account> {
        let is_known = !self.user.is_empty() && matches!(self.trust, Trust::User(_));
        is_known.then(|| Account {
            name: self.user.to_owned(),
            home: self.home.to_owned(),
        })
    }

    fn credentials(&self, run_as: RunAs) -> Option<Credentials> {
        match (self.trust, run_as) {
            (Trust::Caller(_), _) => None,
            (_, RunAs::User) => Some(self.credentials.clone()),
            (_, RunAs::Root) => Some(Credentials {
                uid: 0,
                gid: 0,
                groups: vec![0],
            }),
        }
    }

    /// Whether a volume is left out for want of the login password, whatever its rule says: the services of a user whose
    /// manager fails do not run at all.
    pub(super) fn may_lack_password(&self) -> bool {
        self.service == USER_MANAGER
    }

    /// The bytes that a program that opens a volume reads on standard input.
    ///
    /// # Errors
    ///
    /// It wants the login password, which is not known.
    pub(super) fn input(&self, password: Password) -> Result<&[u8]> {
        let known = match password {
            Password::None => return Ok(b""),
            Password::Login => self.password.and_then(Secret::reveal),
        };
        known.ok_or_else(|| {
            let reason =
                "it was not typed into this process (a key, or keyboard-interactive), or the service's \
                 stack has no `auth optional pam_jns.so`";
            Error::new("find", "the login password", reason)
        })
    }

    /// Returns who may own the way to a mount point. Where root mounts, the user must have no say.
    pub(super) fn trust_of_mount_points(&self, run_as: RunAs) -> Trust {
        match (self.trust, run_as) {
            (Trust::User(_), RunAs::Root) => Trust::User(0),
            (trust, _) => trust,
        }
    }
}

fn is_same(one: &Place, other: &Place) -> bool {
    FileIdentity::of(&one.status) == FileIdentity::of(&other.status)
}
