//! What is looked at in the session, by a process that has opened it.

use super::check::Check;
use super::copy::in_copy;
use super::host::Host;
use super::user::{self, Seen};
use crate::apply::StepResult;
use crate::cli::account::Account;
use crate::cli::asked::trial::Tried;
use crate::kernel::fs::directory::Form;
use crate::kernel::fs::identity::FileIdentity;
use crate::kernel::mount::{attributes_of, machine_memory, mount_table};
use crate::kernel::namespace::Namespace;
use crate::kernel::namespace::kind::{Kind, own_inode};
use crate::login::Login;
use crate::pam::{Item, Transaction};
use crate::plan::{Lifetime, Plan, Step, View};
use crate::policy::value::{Mode, Propagation, Size, attribute};
use std::ffi::CString;
use std::path::Path;

/// The number of neighbours of an instance that are looked at.
const NEIGHBOURS: usize = 100;

/// The type of tmpfs(5), as statfs(2) has it.
const TMPFS: i64 = 0x0102_1994;

/// The type of overlayfs.
const OVERLAY: i64 = 0x794c_7630;

/// A session, and what it should show.
#[derive(Clone, Copy)]
pub(super) struct Expected<'e> {
    pub(super) login: &'e Login,
    pub(super) plan: &'e Plan,
    /// The plan as this machine would carry it out.
    pub(super) tried: &'e Tried,
    /// The host before the session.
    pub(super) host: &'e Host,
    /// Whether commands as root get the host's own view.
    pub(super) is_root_exempt: bool,
    /// The services among su(1)'s and sudo(8)'s that the module is called for, and whether each is a command in the session.
    pub(super) commands: &'e [(&'static str, bool)],
}

/// A string for PAM. One that holds a NUL ends there.
fn c_string(text: &str) -> CString {
    let bytes = text.bytes().take_while(|byte| *byte != 0);
    CString::new(bytes.collect::<Vec<u8>>()).unwrap_or_default()
}

impl<'e> Expected<'e> {
    /// Opens the session, looks at it, and closes it. What opening does to this process stays.
    pub(super) fn check(self) -> Vec<Check> {
        let mut checks = Vec::new();
        if let Tried::Done(trial) = self.tried {
            let refused = trial.refusal.as_ref().map(ToString::to_string);
            let said = "this machine can carry out the plan";
            checks.push(Check::of(said, refused.map_or(Ok(()), Err)));
        }
        let mut transaction = match self.open() {
            Err(reason) => {
                checks.push(Check::of("the session opens", Err(with_log(&reason))));
                return checks;
            }
            Ok(transaction) => transaction,
        };
        checks.push(Check::of("the session opens", Ok(())));
        checks.extend(self.look(&mut transaction));
        let closed = transaction.close_session();
        checks.push(Check::of("the session closes", closed));
        drop(transaction);
        let here = Namespace::own().map(|own| own.identity().inode);
        checks.push(Check::that(
            "the process that opened it is on the host again",
            here.as_ref().is_ok_and(|here| *here == self.host.namespace),
            || "it is in another mount namespace".to_owned(),
        ));
        checks
    }

    fn open(self) -> Result<Transaction, String> {
        let Login {
            user,
            service,
            tty,
            rhost,
            ..
        } = self.login;
        let mut transaction = Transaction::begin(&c_string(service), &c_string(user))?;
        if let Some(tty) = tty {
            transaction.set(Item::Terminal, &c_string(tty))?;
        }
        if let Some(rhost) = rhost {
            transaction.set(Item::RemoteHost, &c_string(rhost))?;
        }
        transaction.open_session()?;
        Ok(transaction)
    }

    /// Looks at the open session, as root and as the user.
    fn look(self, transaction: &mut Transaction) -> Vec<Check> {
        let user = &self.login.user;
        let here = Namespace::own().map_or(0, |own| own.identity().inode);
        let is_apart = here != self.host.namespace;
        if self.plan.is_empty() {
            let said = format!("{user} has the host's own view");
            let found = || "the session is in another mount namespace".to_owned();
            return vec![Check::that(said, !is_apart, found)];
        }
        let steps = self.steps();
        let found = || "the session is in that of the host".to_owned();
        let wants_namespace = !steps.is_empty() || self.plan.root.is_some();
        let said = "the session has a mount namespace of its own";
        let mut checks = Vec::new();
        if wants_namespace {
            checks.push(Check::that(said, is_apart, found));
        }
        checks.extend(steps.iter().flat_map(|step| self.look_at(step)));
        checks.extend(self.mounts_do_not_travel());
        checks.extend(self.is_isolated());
        checks.extend(self.has_environment(transaction));
        checks.extend(self.seen_by_user(&steps));
        checks.extend(self.seen_by_commands(&steps, here));
        checks
    }

    /// The steps of rules that a login takes here.
    fn steps(self) -> Vec<&'e Step> {
        let Tried::Done(trial) = self.tried else {
            return Vec::new();
        };
        let is_taken = |step: &&Step| {
            let mut tried = trial.steps.iter();
            tried.any(|tried| {
                let is_there = matches!(tried.result, StepResult::Ready | StepResult::Made);
                is_there && tried.path == step.path
            })
        };
        self.plan.steps.iter().filter(is_taken).collect()
    }

    /// The file that the host had at a path. In a root directory of the session's own, it has none there.
    fn of_host(self, path: &str) -> Option<FileIdentity> {
        let is_hosts = self.plan.root.is_none();
        self.host.files.get(path).copied().filter(|_| is_hosts)
    }

    fn look_at(self, step: &Step) -> Vec<Check> {
        let path = step.path.as_str();
        let status = match rustix::fs::stat(path) {
            Ok(status) => status,
            Err(errno) => {
                return vec![Check::of(
                    format!("{path} is there"),
                    Err(errno.to_string()),
                )];
            }
        };
        let shown = FileIdentity::of(&status);
        let mut checks = Vec::new();
        match &step.view {
            View::Instance { instance, .. } => {
                checks.push(Check::that(
                    format!("{path} is not the host's"),
                    self.of_host(path) != Some(shown),
                    || "it is the directory that the host has there".to_owned(),
                ));
                let directory = instance.directory.as_str();
                let found = identity(directory);
                if instance.lifetime == Lifetime::Kept && found.is_some() {
                    let is_it = found == Some(shown);
                    let said = format!("{path} is {directory}");
                    checks.push(Check::that(said, is_it, || "it is another one".to_owned()));
                }
            }
            View::Memory { size, .. } => checks.push(is_memory(path, *size)),
            View::Bind { source, .. } => {
                if let Some(source_file) = self.of_host(source.as_str()) {
                    let said = format!("{path} is {source}");
                    let is_it = source_file == shown;
                    checks.push(Check::that(said, is_it, || "it is another one".to_owned()));
                }
            }
            View::Overlay { .. } => {
                let is_it = kind(path) == Some(OVERLAY);
                let said = format!("what is written to {path} goes to a layer");
                checks.push(Check::that(said, is_it, || "it is no overlayfs".to_owned()));
            }
            View::Nothing { keep } => checks.push(shows_nothing(path, keep.is_empty())),
            View::FileSystem(_) | View::Devices | View::Terminals | View::NameServers => {}
        }
        checks.extend(has_options(step));
        checks
    }

    /// Whether mounts of the session stay in it.
    fn mounts_do_not_travel(self) -> Option<Check> {
        let mounts = mount_table::read("/proc/thread-self/mountinfo").ok()?;
        let root = mounts.iter().find(|mount| mount.point == b"/")?;
        let (said, is_so) = match self.plan.propagation {
            Propagation::Slave => (
                "mounts of the host appear in the session, and not the other way",
                root.is_slave || self.plan.root.is_some() || !self.host.is_shared,
            ),
            Propagation::Private => (
                "mounts of the host and of the session stay apart",
                !root.is_slave && !root.is_shared,
            ),
        };
        Some(Check::that(said, is_so, || {
            format!("/ is shared: {}, slave: {}", root.is_shared, root.is_slave)
        }))
    }

    fn is_isolated(self) -> Vec<Check> {
        let isolation = &self.plan.isolation;
        let wanted = [
            (Kind::Ipc, isolation.ipc.is_some()),
            (Kind::Uts, isolation.hostname.is_some()),
            (Kind::Net, isolation.network.is_some()),
        ];
        let is_apart = |kind: Kind| {
            let of_host = self.host.others.iter().find(|(of, _)| *of == kind);
            of_host.map(|(_, inode)| *inode) != Some(own_inode(kind))
        };
        let of_kinds = wanted.into_iter().filter(|(_, is_wanted)| *is_wanted);
        let mut checks: Vec<Check> = of_kinds
            .map(|(kind, _)| {
                let said = format!("the session has a namespace of its own ({})", kind.name());
                Check::that(said, is_apart(kind), || "it is the host's".to_owned())
            })
            .collect();
        if let Some(name) = &isolation.hostname {
            let uname = rustix::system::uname();
            let found = uname.nodename().to_string_lossy().into_owned();
            let said = format!("the host name is {}", name.value);
            checks.push(Check::that(said, found == name.value, || found.clone()));
        }
        checks
    }

    fn has_environment(self, transaction: &mut Transaction) -> Vec<Check> {
        let variables = self.plan.environment.iter();
        let checked = variables.map(|(name, variable)| {
            let value = transaction.variable(&c_string(name));
            let found = value.map(|value| value.to_string_lossy().into_owned());
            let is_so = found.as_deref() == Some(variable.value.as_str());
            Check::that(format!("{name} is {}", variable.value), is_so, || {
                found.unwrap_or_else(|| "it is not set".to_owned())
            })
        });
        checked.collect()
    }

    fn seen_by_user(self, steps: &[&Step]) -> Vec<Check> {
        let said = "the session shows the user what it should";
        let account = match Account::of(self.login.uid) {
            Ok(account) => account,
            Err(error) => return vec![Check::of(said, Err(error.to_string()))],
        };
        let seen = Seen {
            plan: self.plan,
            places: steps.iter().filter_map(|step| self.place(step)).collect(),
            neighbours: self.neighbours(steps),
        };
        in_copy(|| user::check(&account, &seen))
            .unwrap_or_else(|error| vec![Check::of(said, Err(error.to_string()))])
    }

    /// The path of a step that is there to be written to, as the policy wants it: what it does not say is the covered
    /// directory's, and where there is none, a place for everybody.
    fn place(self, step: &Step) -> Option<(&str, Form)> {
        let shape = step.view.shape()?;
        let path = step.path.as_str();
        let covered = self.host.forms.get(path).copied().unwrap_or(Form {
            mode: 0o1777,
            uid: 0,
            gid: 0,
        });
        let form = Form {
            mode: shape.mode.map_or(covered.mode, Mode::bits),
            uid: shape.owner.unwrap_or(covered.uid),
            gid: shape.group.unwrap_or(covered.gid),
        };
        Some((path, form))
    }

    /// The directories of others beside the user's own ones, outside of the store of the settings.
    fn neighbours(self, steps: &[&Step]) -> Vec<String> {
        let instances = steps.iter().filter_map(|step| step.view.instance());
        let outside = instances.filter(|instance| !instance.directory.is_within(&self.plan.store));
        let beside = outside.filter_map(|instance| {
            let own = Path::new(instance.directory.as_str());
            Some((own, std::fs::read_dir(own.parent()?).ok()?))
        });
        let others = beside.flat_map(|(own, entries)| {
            let others = entries.flatten().filter(move |entry| {
                let is_others = rustix::fs::stat(entry.path())
                    .is_ok_and(|status| status.st_uid != self.login.uid && is_directory(&status));
                is_others && entry.path() != own
            });
            others.filter_map(|entry| entry.path().to_str().map(str::to_owned))
        });
        others.take(NEIGHBOURS).collect()
    }

    /// What root's commands in the session find: in those of `settings.inherit` the directories of the session that are
    /// inherited, and otherwise the host's; in others the host's view.
    fn seen_by_commands(self, steps: &[&Step], here: u64) -> Vec<Check> {
        if !self.is_root_exempt || self.plan.root.is_some() {
            return Vec::new();
        }
        let files: Vec<(&Step, Option<FileIdentity>)> = steps
            .iter()
            .map(|step| (*step, identity(step.path.as_str())))
            .collect();
        let checked = self.commands.iter().flat_map(|(service, inherits)| {
            let said = format!("{service} as root opens a session");
            in_copy(|| self.command(service, *inherits, (&files, here)))
                .unwrap_or_else(|error| vec![Check::of(said, Err(error.to_string()))])
        });
        checked.collect()
    }

    fn command(
        self,
        service: &str,
        inherits: bool,
        (files, session): (&[(&Step, Option<FileIdentity>)], u64),
    ) -> Vec<Check> {
        let opened = Transaction::begin(&c_string(service), c"root").and_then(|mut transaction| {
            transaction.open_session()?;
            Ok(transaction)
        });
        let mut transaction = match opened {
            Ok(transaction) => transaction,
            Err(reason) => {
                let said = format!("{service} as root opens a session");
                return vec![Check::of(said, Err(reason))];
            }
        };
        let here = Namespace::own().map_or(0, |own| own.identity().inode);
        let mut checks = vec![Check::that(
            format!("{service} as root leaves the session's namespace"),
            here != session && (inherits || here == self.host.namespace),
            || "it stays in it".to_owned(),
        )];
        for (step, in_session) in files {
            let path = step.path.as_str();
            let (whose, expected) = match inherits && step.inherit {
                true => ("the session's", *in_session),
                false => ("the host's", self.of_host(path)),
            };
            // What a login has made on the host was not there before.
            let Some(expected) = expected else {
                continue;
            };
            let found = identity(path);
            let said = format!("{service} as root finds {whose} {path}");
            checks.push(Check::that(said, found == Some(expected), || {
                "it is another".to_owned()
            }));
        }
        let closed = transaction.close_session();
        checks.extend(
            closed
                .err()
                .map(|reason| Check::of(format!("the session of {service} closes"), Err(reason))),
        );
        checks
    }
}

fn with_log(reason: &str) -> String {
    format!("{reason}; the log says why (journalctl -t pam_jns, or /var/log/auth.log)")
}

fn is_directory(status: &rustix::fs::Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(status.st_mode).is_dir()
}

fn identity(path: &str) -> Option<FileIdentity> {
    let status = rustix::fs::stat(path).ok()?;
    Some(FileIdentity::of(&status))
}

/// The type of the file system at a path.
fn kind(path: &str) -> Option<i64> {
    rustix::fs::statfs(path).ok().map(|status| status.f_type)
}

fn is_memory(path: &str, size: Size) -> Check {
    let most = size.in_bytes(machine_memory());
    let said = format!("{path} is memory of at most {most} bytes");
    let Ok(status) = rustix::fs::statfs(path) else {
        return Check::of(said, Err("it cannot be examined".to_owned()));
    };
    let unit = u64::try_from(status.f_bsize).unwrap_or(1);
    let bytes = status.f_blocks.saturating_mul(unit);
    // Whole pages.
    let is_so = status.f_type == TMPFS && bytes > 0 && bytes <= most.saturating_add(unit);
    Check::that(said, is_so, || match status.f_type == TMPFS {
        true => format!("it holds {bytes}"),
        false => "it is no tmpfs".to_owned(),
    })
}

fn shows_nothing(path: &str, is_empty: bool) -> Check {
    let said = format!("{path} shows nothing of the host");
    match std::fs::read_dir(path) {
        Ok(entries) if is_empty => {
            let number = entries.count();
            Check::that(said, number == 0, || format!("it has {number} entries"))
        }
        Ok(_) => {
            let is_covered = kind(path) == Some(TMPFS);
            Check::that(said, is_covered, || "it is not covered".to_owned())
        }
        // A file.
        Err(_) => {
            let mode = rustix::fs::stat(path).map(|status| status.st_mode & 0o777);
            Check::that(said, mode == Ok(0), || "it can be read".to_owned())
        }
    }
}

/// Whether the mount at a path has the options that its rule names, or its kind implies.
fn has_options(step: &Step) -> Option<Check> {
    let words = step.attributes.words();
    if words.is_empty() {
        return None;
    }
    let path = step.path.as_str();
    let said = format!("{path} is {}", words.join(","));
    let file = rustix::fs::open(
        path,
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    );
    let present = match file.map(|file| attributes_of(file, path)) {
        Ok(Ok(present)) => present,
        Ok(Err(error)) => return Some(Check::of(said, Err(error.to_string()))),
        Err(errno) => return Some(Check::of(said, Err(errno.to_string()))),
    };
    let fields = attribute::ALL.iter().map(|attribute| attribute.field);
    let differs = |field: &u64| {
        let wanted = step.attributes.value(*field);
        wanted.is_some_and(|bits| present & field != bits)
    };
    let is_so = fields.filter(differs).count() == 0;
    Some(Check::that(said, is_so, || "it is not".to_owned()))
}
