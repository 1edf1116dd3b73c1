//! The arguments of the command line: the one definition from which the parser, the help, the completions and the
//! manual pages are made.

use crate::cli::guide;
use crate::cli::outcome::say;
use crate::error::harmless;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Check, explain, diagnose, list, enter and clean up the mount namespaces that pam_jns gives to logins
#[derive(Debug, Parser)]
#[command(
    name = "jns",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 100
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// One verb and its arguments.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Find every mistake in the policy
    ///
    /// Reads the policy with the code that a login runs and reports all errors and warnings at once, each
    /// with its file, line and column. Without FILE it reads the policy of the system. Each FILE is checked by
    /// itself, as config=FILE would read it: it must be owned by root, and nobody else may be able to change it.
    /// A draft that is not yet so can be read from standard input.
    ///
    /// A policy without errors is then compared with this machine and with itself. What would refuse every login to
    /// which a rule applies, whatever the machine has, is an error: instances by SELinux context in a build without
    /// SELinux, a path in what another rule hides. Warnings are about what is not here: paths, sources, root
    /// directories, the directory of the store, programs, accounts, PAM services, network namespaces, unless `optional`
    /// or `create` stands there or the path depends on the login; and about what hardly anybody means: files beside the
    /// drop-ins that no login reads, a `mode` that keeps users out of what is shown to them, a host name that not every
    /// user's name can be part of, an `exempt` that leaves out root. Each says what to write instead.
    Check(Check),
    /// Show what a login would get, and why
    ///
    /// Prints the facts of the login, whether it is exempt, what became of each rule, and the plan that the
    /// login would get, step by step, each with the file and line it comes from; and what of it commands find
    /// that the user runs as somebody else, by sudo for example. The policy is
    /// the one that the service's pam_jns line names with config=PATH, else the system's. Nothing is applied.
    /// Any user who can read the policy may ask.
    ///
    /// As root it also tries the plan on this machine, as a login would: paths, sources, stores, the kernel, whether
    /// programs could be run. For each step it says whether it is as it would be, or why the login would be refused. No
    /// program is run, and whatever is made for it is taken back: directories under temporary names, a namespace.
    /// Whether the user has typed a password that a volume needs, and what programs do, it cannot know.
    Explain(Explain),
    /// Open a session as a login would, and look whether it shows what the policy promises
    ///
    /// Opens a session of USER's with the PAM stack of the service, in a process of its own: every module of the stack
    /// does what it does at a login, and hooks are run. Then it looks, as root and with the rights of the user: is each
    /// path what its rule says, with its options; can the user write there; are other users' files, the store and the
    /// ledger out of reach; do mounts stay where they should; is what should be isolated apart; what do su and sudo find,
    /// where root is exempt. It closes the session, and looks whether the host is as it was. Nobody is authenticated, so
    /// there is no password for a volume that needs one. Only root can do it.
    Selftest(Selftest),
    /// Look for what would keep logins from getting their namespaces
    ///
    /// Looks at the kernel, the capabilities of this process, the store, the policy, the PAM stacks, and the
    /// configuration of sshd and sudo, and says of each what is in order, what is not, and what to do about it.
    /// Changes nothing and starts nothing. What needs root and is not tried without is named.
    Doctor(Doctor),
    /// Remove what sessions have left behind
    ///
    /// Removes what nobody needs any more: namespaces in which nothing has run for as long as settings.linger says,
    /// with what they hold in memory; records of sessions and namespaces that are gone, directories of sessions that
    /// have ended, and what was being made or removed when a process was killed. Where all views in memory hold more
    /// than settings.memory, the namespaces that are longest unused go before their time. Where several policies are
    /// in use, the longest time and the smallest limit hold. What users and groups keep is removed only with
    /// --older-than or --deleted-users. Whatever is in use stays, and so does everything that the module gives no
    /// such name. Needs root; run it in the mount namespace that logins come from, not in a container or sandbox.
    Gc(Gc),
    /// Show who is in which namespace
    ///
    /// Lists the users whose sessions have namespaces, their namespaces and the sessions in each: how many
    /// processes are there, how old it is, what its memory file systems hold, and whether the present policy
    /// would give the session something else. What lives is asked of the kernel; records of sessions whose
    /// process was killed are marked. Only root can see it.
    Ps(Ps),
    /// Run a shell or a command in the namespace of a user's sessions
    ///
    /// As root: enters the shared namespace of USER (the newest, if there are several), or that of the session
    /// ID, and becomes the user for good: ids, groups, a clean environment (without what [[env]] rules set).
    /// PAM is not asked. The command takes the place of jns, so the terminal, signals and the exit status are
    /// its own. Without a command it is the user's login shell, in the same directory if the user may enter it,
    /// else at home. As with su, the user's programs have the caller's terminal. The system log says who
    /// entered what.
    ///
    /// Without root: USER is the caller, and one of the caller's processes has to be in the namespace.
    /// Set-user-ID programs gain no rights then. The environment stays.
    Enter(Enter),
    /// Run a shell or a command in namespaces of its own
    ///
    /// The options say what is different there, as the rules of jns.toml(5) do: they become such rules, and what
    /// a login would get by them the command gets. Nothing of it is seen outside, and all of it ends with the
    /// command. Without a command it is the user's shell. The exit status is the command's; with a signal it
    /// is 128 and the signal's number.
    ///
    /// As root, the command stays root unless --user says otherwise. Without root it has a user namespace of its
    /// own and gains no rights, neither there nor by a set-user-ID bit: what needs other ids than the caller's
    /// is refused.
    ///
    /// Paths outside may be relative to the working directory. Those inside are absolute; with --root they are
    /// below DIR. A colon in a path is written `\:`.
    Run(Box<Run>),
    /// Write the policy that another program's configuration amounts to
    ///
    /// The policy goes to standard output. Remarks go to standard error, each with its file and line: what the
    /// policy leaves out, what it does in a different way, and what is doubtful: done alike, and hardly what was
    /// meant. Nothing else is written, and nothing is run.
    #[command(subcommand, arg_required_else_help = true)]
    Import(Import),
    /// Print the completions for a shell
    Completions(Completions),
    /// Write the manual pages into a directory
    ///
    /// Writes jns.1 and one page for each verb, jns-check.1 and so on.
    Man(Man),
}

/// Which policy a verb is about.
#[derive(Debug, Args)]
pub struct Config {
    /// Read this one file instead of /etc/security/jns.toml and /etc/security/jns.d/*.toml
    ///
    /// As the module's argument config=PATH: no drop-ins, and no built-in default.
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<String>,
}

/// The arguments of `jns check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The policy files, each checked by itself; `-` is standard input
    #[arg(value_name = "FILE", conflicts_with = "config", value_hint = clap::ValueHint::FilePath)]
    pub files: Vec<String>,
    #[command(flatten)]
    pub policy: Config,
    /// Let warnings fail as well: what is not on this machine, what hardly anybody means
    #[arg(long)]
    pub strict: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// A login that is asked about, and the policy that it meets.
#[derive(Debug, Args)]
pub struct Asked {
    /// The PAM service the user would log in through
    #[arg(long, value_name = "NAME", default_value = "sshd")]
    pub service: String,
    /// The terminal, as PAM_TTY names it
    #[arg(long, value_name = "TTY")]
    pub tty: Option<String>,
    /// The remote host, as PAM_RHOST names it: a host name or an address
    #[arg(long, value_name = "HOST", value_hint = clap::ValueHint::Hostname)]
    pub rhost: Option<String>,
    #[command(flatten)]
    pub policy: Config,
}

/// The arguments of `jns explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The account
    #[arg(value_name = "USER", value_hint = clap::ValueHint::Username, required_unless_present = "all")]
    pub user: Option<String>,
    /// Say of every account that can log in what it would get, a line each
    ///
    /// Accounts are those that getent(1) lists and that have a shell. Only root can ask for it.
    #[arg(long, conflicts_with = "user")]
    pub all: bool,
    #[command(flatten)]
    pub login: Asked,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `jns selftest`.
#[derive(Debug, Args)]
pub struct Selftest {
    /// The account
    #[arg(value_name = "USER", value_hint = clap::ValueHint::Username)]
    pub user: String,
    #[command(flatten)]
    pub login: Asked,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `jns doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub policy: Config,
    /// Examine the files of the system installed under this directory, such as a mounted image
    ///
    /// The running kernel and this process are then left out.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `jns gc`.
#[derive(Debug, Args)]
pub struct Gc {
    #[command(flatten)]
    pub policy: Config,
    /// Say what would be removed, and change nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Also remove the files of users and groups who had no session for longer than AGE, such as 90d or 6months
    ///
    /// These are the files in the instances of per = "user" and per = "group", in the store that the policy
    /// names.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    pub older_than: Option<Duration>,
    /// Also remove the files of users who have no account any more; with --older-than, if both hold
    ///
    /// So go files that were set aside because another account was given the id. What groups keep stays then.
    /// What cannot be removed is named, with a process that keeps it.
    /// A directory service that is down may look as if it had no accounts: give --older-than as well where
    /// accounts come from one.
    #[arg(long)]
    pub deleted_users: bool,
    /// Keep namespaces that nothing runs in for TIME, such as 10m or 0s, whatever settings.linger says
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub linger: Option<Duration>,
    /// Look at the namespaces and sessions of this account alone, a name or an id, and at no store
    ///
    /// The end of a user's last session calls it so. It does nothing while another jns gc is under way.
    #[arg(long, value_name = "USER", value_hint = clap::ValueHint::Username,
          conflicts_with_all = ["older_than", "deleted_users"])]
    pub user: Option<String>,
    /// Name each thing that is removed or left, also what is not the module's or of another mount namespace
    ///
    /// Otherwise one line says how many of each kind were removed. --dry-run names them, too.
    #[arg(long, short)]
    pub verbose: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `jns ps`.
#[derive(Debug, Args)]
pub struct Ps {
    /// Only what is this account's
    #[arg(value_name = "USER", value_hint = clap::ValueHint::Username)]
    pub user: Option<String>,
    /// Also count what the directories on disk hold, which can take long
    #[arg(long)]
    pub space: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `jns enter`.
#[derive(Debug, Args)]
pub struct Enter {
    /// The account; or a session's id as `jns ps` shows it, or the first digits of one
    #[arg(value_name = "USER|ID", value_hint = clap::ValueHint::Username)]
    pub name: String,
    /// Stay root: for looking at what the user sees with rights that the user does not have
    ///
    /// Mind what root runs there: files in the user's directories, and whatever is mounted over others, are as
    /// the user left them.
    #[arg(long)]
    pub as_root: bool,
    /// The command and its arguments; the login shell if there is none
    #[arg(value_name = "CMD", last = true, value_hint = clap::ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// The arguments of `jns run`. What they hold is understood in [`mod@crate::cli::run`], which says in one line what
/// is wrong with it.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub view: View,
    #[command(flatten)]
    pub isolation: Isolation,
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub invocation: Invocation,
    /// The command and its arguments; the user's shell if there is none
    #[arg(value_name = "CMD", last = true, value_hint = clap::ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// From what the plan is made, and how the command is run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct Invocation {
    /// Write the process id of the command into FILE while it runs, in place of what is there
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub pidfile: Option<String>,
    /// Return as soon as the command runs, and let it run without the terminal
    #[arg(long, short)]
    pub background: bool,
    /// Begin with the rules of this policy file, as far as they apply to the user and the service `jns`
    ///
    /// Rules that the options stand for come after it and win. Its `exempt`, `mode` and `namespace` are about
    /// logins and do not count. For root it has to be root's, and nobody else may be able to change it.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<String>,
    /// Print the plan, and run nothing
    #[arg(long)]
    pub explain: bool,
    /// Print the plan as one JSON document
    #[arg(long, requires = "explain")]
    pub json: bool,
}

/// Which files the command sees.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files")]
pub struct View {
    /// Show a directory of the user's own at PATH, the same one each time
    ///
    /// For root it lies in the store of the module, as at a login; without root in jns below $XDG_STATE_HOME or
    /// ~/.local/state.
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::DirPath)]
    pub private: Vec<String>,
    /// Show an empty file system in memory at PATH; SIZE is as 512M or 10%
    #[arg(long, value_name = "PATH[:SIZE]", value_hint = clap::ValueHint::DirPath)]
    pub tmpfs: Vec<String>,
    /// Show the file or directory SRC at DST; OPTIONS are words of jns.toml(5) such as ro,nosuid
    ///
    /// With what is mounted beneath SRC, unless OPTIONS have `norbind`.
    #[arg(long, value_name = "SRC:DST[:OPTIONS]", value_hint = clap::ValueHint::AnyPath)]
    pub bind: Vec<String>,
    /// Show nothing at PATH: an empty directory, or a file that cannot be read
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub hide: Vec<String>,
    /// Let what is written below PATH go to a layer of the user's own
    ///
    /// Permissions stay as they are: without root, that is what the user may write to anyway.
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::DirPath)]
    pub overlay: Vec<String>,
    /// Open the encrypted directory DIR (gocryptfs or encfs) at PATH, for the command alone
    ///
    /// The password is asked for at the terminal, or is the first line of standard input.
    #[arg(long, value_name = "DIR:PATH", value_hint = clap::ValueHint::DirPath)]
    pub volume: Vec<String>,
    /// Let DIR be the root directory, with /proc, /sys, /dev and /run that work
    ///
    /// Implies --processes own and --ipc own, which can be said otherwise.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub root: Option<String>,
    /// Mount what this fstab(5) file says, beneath the root directory
    #[arg(long, short, value_name = "FILE", requires = "root", value_hint = clap::ValueHint::FilePath)]
    pub fstab: Option<String>,
}

/// What else than files the command has of its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation")]
pub struct Isolation {
    /// Which processes it sees: its own (with their own numbers), the user's, or all (shared)
    ///
    /// Its own end with it.
    #[arg(long, value_name = "own|hidden|shared", num_args = 0..=1, default_missing_value = "own")]
    pub processes: Option<String>,
    /// Which System V IPC and POSIX queues it has: its own, or the host's (shared)
    #[arg(long, value_name = "own|shared", num_args = 0..=1, default_missing_value = "own")]
    pub ipc: Option<String>,
    /// The host name it sees
    #[arg(long, short = 'n', value_name = "NAME")]
    pub hostname: Option<String>,
    /// Its network: none but the loopback, the one named NAME in /run/netns, or the host's (shared)
    #[arg(long, value_name = "none|name:NAME|shared")]
    pub network: Option<String>,
    /// Give it a user namespace of its own: its capabilities count in there only
    ///
    /// Without root it has one in any case.
    #[arg(long, short = 'U')]
    pub user_namespace: bool,
    /// The user ids of the user namespace: INSIDE those that are OUTSIDE
    ///
    /// Implies --user-namespace. Without it ids are the same inside.
    #[arg(long, short = 'M', value_name = "INSIDE:OUTSIDE[:COUNT][,...]")]
    pub uid_map: Option<String>,
    /// The group ids of the user namespace, likewise
    #[arg(long, short = 'G', value_name = "INSIDE:OUTSIDE[:COUNT][,...]")]
    pub gid_map: Option<String>,
}

/// The user, the directory and the variables with which the command begins.
#[derive(Debug, Args)]
#[command(next_help_heading = "Identity")]
pub struct Identity {
    /// Become USER, a name or a number: its groups, a clean environment, no way to more rights
    #[arg(long, short, value_name = "USER", value_hint = clap::ValueHint::Username)]
    pub user: Option<String>,
    /// With GROUP as the primary group, a name or a number
    #[arg(long, short, value_name = "GROUP")]
    pub group: Option<String>,
    /// Set a variable of the environment
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Begin in DIR, as the command sees it
    #[arg(long, short, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub chdir: Option<String>,
}

/// What `jns import` understands.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// From namespace.conf, the configuration of pam_namespace
    ///
    /// Every user finds the same files in the same places: instances stay where pam_namespace has made them.
    /// Without FILE it reads /etc/security/namespace.conf and then /etc/security/namespace.d/*.conf, in byte order
    /// of their names. Whether SELinux is enabled, which scripts there are and which directories `create` need not
    /// make is asked of this machine, and so are the users and groups that `create` names.
    ///
    /// Remarks go to standard error: what the policy leaves out, what it does in a different way, and what is
    /// doubtful: done alike, and hardly what was meant. Initialization scripts keep their arguments; their failures
    /// are logged and refuse nobody.
    ///
    /// As under pam_namespace, a command of su or sudo finds nothing of its caller's directories: the policy says
    /// `inherit = []`. Without that line, names in such a command mean the files that its caller sees.
    #[command(name = "pam_namespace")]
    PamNamespace(PamNamespace),
    /// From tmpdir.conf, the configuration of pam_tmpdir (libpam-tmpdir)
    ///
    /// Every user has the same temporary directory in the same place, and TMP, TMPDIR, TEMP and TEMPDIR name it.
    /// Without FILE it reads /etc/security/tmpdir.conf; where there is none, pam_tmpdir has its directories in
    /// /tmp/user.
    #[command(name = "pam_tmpdir")]
    PamTmpdir(ImportPamTmpdir),
    /// From an fstab, such as jchroot's or schroot's, or one with bind mounts
    ///
    /// Binds and file systems in memory become rules. What else is to be mounted in a root directory is mounted by
    /// `fstab = "FILE"` in a rule of the kind root, which reads the file at every login.
    ///
    /// With --root, the host's /proc and terminals are left to the root directory, which shows them anyway; mount
    /// points that its /run and /dev lack are made.
    Fstab(ImportFstab),
    /// From pam_mount.conf.xml, the configuration of pam_mount (libpam-mount)
    ///
    /// File systems in memory, binds, and volumes that a program opens become rules; what is mounted is seen by the
    /// sessions of the user that it is for, and by nobody else. A volume that is opened with the login password needs a
    /// line `auth optional pam_jns.so` in the PAM stack.
    ///
    /// Without FILE it reads /etc/security/pam_mount.conf.xml. Volumes of users' own files are not read.
    #[command(name = "pam_mount")]
    PamMount(ImportPamMount),
    /// From job_container.conf or namespace.yaml, the directories of Slurm's jobs
    ///
    /// What Slurm makes a job's own becomes the own of each session that a step of a job opens, by the PAM service
    /// `slurm`. Steps share nothing of it: the exit status is 1.
    Slurm(ImportSlurm),
    /// From passwd and the files of jailkit, root directories for the accounts whose shell is jk_chrootsh
    ///
    /// A jail becomes the root directory of the sessions of those who are in it. Each account has to be changed then:
    /// its home and shell are named as the jail has them. The remarks say how.
    ///
    /// Without FILE it reads /etc/passwd, and of /etc/jailkit jk_chrootsh.ini, jk_lsh.ini and jk_init.ini.
    Jailkit(ImportJailkit),
}

/// The arguments of `jns import jailkit`.
#[derive(Debug, Args)]
pub struct ImportJailkit {
    /// The files to read instead: lists of accounts as passwd, and those whose names end in .ini; `-` is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub files: Vec<String>,
    #[command(flatten)]
    pub invocation: ImportInvocation,
}

/// The arguments of `jns import slurm`.
#[derive(Debug, Args)]
pub struct ImportSlurm {
    /// job_container.conf, namespace.conf or namespace.yaml of Slurm; `-` is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: String,
    /// The node that the policy is for; what is for other nodes is left out
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    #[command(flatten)]
    pub invocation: ImportInvocation,
}

/// The arguments of `jns import pam_mount`.
#[derive(Debug, Args)]
pub struct ImportPamMount {
    /// The file to read instead; `-` is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: Option<String>,
    #[command(flatten)]
    pub invocation: ImportInvocation,
}

/// The arguments of `jns import pam_tmpdir`.
#[derive(Debug, Args)]
pub struct ImportPamTmpdir {
    /// The file to read instead; `-` is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: Option<String>,
    #[command(flatten)]
    pub invocation: ImportInvocation,
}

/// The arguments of `jns import fstab`.
#[derive(Debug, Args)]
pub struct ImportFstab {
    /// The fstab; `-` is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: String,
    /// Sessions live in this root directory, and the mount points are in it
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub root: Option<String>,
    #[command(flatten)]
    pub invocation: ImportInvocation,
}

/// The arguments of `jns import pam_namespace`.
#[derive(Debug, Args)]
pub struct PamNamespace {
    /// The files to read instead, in this order; `-` is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub files: Vec<String>,
    /// Heed the arguments that this PAM service's stack gives to pam_namespace.so
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Examine the files of the system installed under this directory, such as a mounted image
    ///
    /// For FILE, PAM stacks, scripts, and whether it has SELinux; a FILE that is named is read where it is.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub invocation: ImportInvocation,
}

/// How a policy is delivered.
#[derive(Debug, Args)]
pub struct ImportInvocation {
    /// Write no policy if there is anything to remark
    #[arg(long)]
    pub strict: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `jns completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The shells that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// The Z shell
    Zsh,
    /// fish
    Fish,
}

/// The arguments of `jns man`.
#[derive(Debug, Args)]
pub struct Man {
    /// The directory, which must exist
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub directory: PathBuf,
}

/// The definition, with the examples and exit statuses of [`guide`] in the help of every verb.
pub fn definition() -> clap::Command {
    let whole = Arguments::command().after_help(guide::of("jns").as_help());
    with_guides(whole, "")
}

/// Adds the guides to the verbs below `command`, before whose names `prefix` stands in the guides.
fn with_guides(command: clap::Command, prefix: &str) -> clap::Command {
    let verbs: Vec<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    verbs.into_iter().fold(command, |command, name| {
        let key = format!("{prefix}{name}");
        command.mut_subcommand(name, |verb| {
            with_guides(
                verb.after_help(guide::of(&key).as_help()),
                &format!("{key} "),
            )
        })
    })
}

/// Understands `arguments`, the command's own name first.
///
/// # Errors
///
/// They are not understood, or ask for the help or the version; [`explain`] prints that.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Verb, clap::Error> {
    let matches = definition().try_get_matches_from(arguments)?;
    Arguments::from_arg_matches(&matches).map(|arguments| arguments.verb)
}

/// Prints help, or a usage error as one line. Nobody is left to tell where that cannot be printed.
pub fn explain(usage: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    let is_help = matches!(
        usage.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if is_help {
        drop(usage.print());
    } else {
        let reason = one_line(&usage.to_string());
        say(&format!("jns: {}\n", harmless(&reason)));
    }
    ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2))
}

/// Returns what is wrong and what would be right, without the usage and where to find more.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim);
    let parts: Vec<&str> = lines
        .take_while(|line| {
            let more = ["Usage:", "For more information"];
            !more.iter().any(|start| line.starts_with(start))
        })
        .filter(|line| !line.is_empty())
        .collect();
    let line = parts
        .join("; ")
        .trim_start_matches("error: ")
        .replace(":; ", ": ")
        .replace("; tip: ", "; ");
    // A word that is no option: of verbs that run a command, the parser does not say where that stands.
    let word = line.starts_with("unexpected argument '") && !line.contains("argument '-");
    let hint = if word && message.contains("-- <CMD>") {
        "; a command comes behind `--`"
    } else {
        ""
    };
    line + hint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_errors_are_one_line() {
        let table: &[(&[&str], &str)] = &[
            (
                &["jns", "check", "--stric"],
                "unexpected argument '--stric' found; a similar argument exists: '--strict'",
            ),
            (
                &["jns", "explain"],
                "the following required arguments were not provided: <USER>",
            ),
            (
                &["jns", "run", "--bind"],
                "a value is required for '--bind <SRC:DST[:OPTIONS]>' but none was supplied",
            ),
            (
                &["jns", "run", "ls"],
                "unexpected argument 'ls' found; a command comes behind `--`",
            ),
        ];
        for (words, expected) in table {
            let usage = parse(words.iter().map(OsString::from)).unwrap_err();
            assert_eq!(one_line(&usage.to_string()), *expected, "{words:?}");
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        definition().debug_assert();
    }

    #[test]
    fn every_verb_has_its_own_examples() {
        for verb in definition().get_subcommands() {
            let help = verb.get_after_help().unwrap().to_string();
            assert!(help.contains(&format!("jns {}", verb.get_name())), "{help}");
        }
    }
}
