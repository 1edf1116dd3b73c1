//! What may be typed: the one definition from which the parser, the help, the completions and the manual
//! pages are made.

use crate::cli::guide;
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
    Check(Check),
    /// Show what a login would get, and why
    ///
    /// Prints the facts of the login, whether it is exempt, what became of each rule, and the plan that the
    /// login would get, step by step, each with the file and line it comes from. The policy is
    /// the one that the service's pam_jns line names with config=PATH, else the system's. Nothing is applied.
    /// Any user who can read the policy may ask.
    Explain(Explain),
    /// Look for what would keep logins from getting their namespaces
    ///
    /// Looks at the kernel, the capabilities of this process, the store, the policy, the PAM stacks and sshd's
    /// configuration, and says of each what is in order, what is not, and what to do about it. Changes nothing
    /// and starts nothing. What needs root and is not tried without is named.
    Doctor(Doctor),
    /// Remove what sessions have left behind
    ///
    /// Removes what nobody needs any more: pins of namespaces that no process is in, records of sessions and
    /// namespaces that are gone, directories of sessions that have ended, and what was being made or removed
    /// when a process was killed. What users and groups keep is removed only with --older-than or
    /// --deleted-users. Whatever is in use stays, and so does everything that the module gives no such name. Needs root; run it in the mount namespace that logins come from, not in a container or sandbox.
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
    /// Let warnings fail as well: unknown users and groups, rules that are not supported yet
    #[arg(long)]
    pub strict: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `jns explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The account
    #[arg(value_name = "USER", value_hint = clap::ValueHint::Username)]
    pub user: String,
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
    /// What groups keep stays then.
    /// A directory service that is down may look as if it had no accounts: give --older-than as well where
    /// accounts come from one.
    #[arg(long)]
    pub deleted_users: bool,
    /// Also name what is not the module's, or of another mount namespace, and is left alone
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
    pub whom: String,
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
    let verbs: Vec<String> = Arguments::command()
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    let whole = Arguments::command().after_help(guide::of("jns").as_help());
    verbs.into_iter().fold(whole, |command, name| {
        let help = guide::of(&name).as_help();
        command.mut_subcommand(name, |verb| verb.after_help(help))
    })
}

/// Understands `arguments`, the command's own name first.
///
/// # Errors
///
/// They are not understood, or ask for the help or the version; [`explain`] tells the user.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Verb, clap::Error> {
    let matches = definition().try_get_matches_from(arguments)?;
    Arguments::from_arg_matches(&matches).map(|arguments| arguments.verb)
}

/// Prints help or a usage error. Nobody is left to tell where that cannot be printed.
pub fn explain(usage: &clap::Error) -> ExitCode {
    let _ = usage.print();
    ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::*;

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
