//! A throw-away machine, as far as a login can see: its own root, processes, network and log.

mod deadline;
mod journal;
mod ledger;
#[path = "../kernel/numbers.rs"]
pub mod numbers;
mod outcome;
pub mod peer;
mod sleeper;
mod state;
mod subject;
mod systemd;
mod terminal;
mod userland;
mod views;

pub use deadline::deadline;
pub use outcome::Outcome;
pub use state::State;
pub use subject::Subject;
pub use terminal::Terminal;

use journal::Journal;
use nix::sched::{CloneFlags, setns};
use numbers::{Number, with_number};
use pam_jns::kernel::namespace::Namespace;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A test that cannot be run here says why, and fails where every test has to run.
macro_rules! skip {
    ($($reason:tt)*) => {{
        let reason = format!($($reason)*);
        assert!(
            std::env::var_os("JNS_TESTS_MUST_RUN").is_none_or(|value| value != "1"),
            "a test that must run cannot: {reason}"
        );
        eprintln!("SKIPPED: {reason}");
        return;
    }};
}
pub(crate) use skip;

/// A sandbox, or a skipped test where none can be made.
macro_rules! sandbox {
    () => {
        $crate::sandbox::sandbox!(make)
    };
    ($kind:ident) => {
        match $crate::sandbox::Sandbox::$kind() {
            Ok(sandbox) => sandbox,
            Err(reason) => $crate::sandbox::skip!("{reason}"),
        }
    };
}
pub(crate) use sandbox;

/// Leaves a test of something that pam_namespace does not have when that is under test.
macro_rules! ours_only {
    ($what:literal) => {
        if $crate::sandbox::Subject::chosen() == $crate::sandbox::Subject::Theirs {
            eprintln!("NOT APPLICABLE: pam_namespace has no {}", $what);
            return;
        }
    };
}
pub(crate) use ours_only;

/// Leaves a test whose program is not installed in the sandbox.
macro_rules! needs {
    ($sandbox:expr, $($program:literal),+) => {
        $(if !$sandbox.run(concat!("command -v ", $program)).succeeded() {
            $crate::sandbox::skip!("{} is not installed", $program);
        })+
    };
}
pub(crate) use needs;

/// A throw-away root with the accounts alice, bob (both in the group team) and system, password "secret".
///
/// Everything in it dies with the value, and with the test process if that is killed.
pub struct Sandbox {
    /// Its standard input is what keeps the sandbox alive.
    unshare: Child,
    /// Pid 1 of the sandbox, as this process sees it.
    init: u32,
    /// The log, unless systemd keeps it.
    journal: Option<Journal>,
    /// What is under test.
    pub subject: Subject,
}

impl Sandbox {
    /// Makes a sandbox in which the module is installed and no service uses it yet.
    ///
    /// # Errors
    ///
    /// Why no sandbox can be made here.
    pub fn make() -> Result<Self, String> {
        Self::make_numbered(Number::Lowest)
    }

    /// The same with one of the two modules, whatever is under test elsewhere.
    ///
    /// # Errors
    ///
    /// Why no sandbox can be made here.
    #[allow(dead_code, reason = "tests/parity makes one of each")]
    pub fn make_for(subject: Subject) -> Result<Self, String> {
        Self::start(Number::Lowest, subject)
    }

    /// The same with a mount namespace of that number.
    ///
    /// # Errors
    ///
    /// Why no sandbox can be made here.
    pub fn make_numbered(number: Number) -> Result<Self, String> {
        Self::start(number, Subject::chosen())
    }

    fn start(number: Number, subject: Subject) -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("only root can make a sandbox".to_owned());
        }
        let lower = lower_root()?;
        let (unshare, init) = numbered(number, || start_init(&lower));
        let init = init.ok_or("namespaces or overlays are refused here")?;
        let journal = listen_inside(init);
        let sandbox = Self {
            unshare,
            init,
            journal: Some(journal),
            subject,
        };
        sandbox.subject.install(&sandbox);
        Ok(sandbox)
    }

    /// A path of the sandbox as this process reaches it. Links in it are not followed inside the sandbox.
    pub fn path(&self, path: &str) -> PathBuf {
        root_of(self.init).join(path.trim_start_matches('/'))
    }

    /// Writes a file of the sandbox, mode 644, owner root.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(path), text).unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    /// Runs a program in the sandbox's host view as root, without a terminal, and waits for it.
    pub fn exec(&self, words: &[&str]) -> Outcome {
        let timeout = deadline::OF_COMMANDS.to_string();
        let mut command = self.enter(&["timeout", "-k", "1", &timeout]);
        command
            .args(words)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .envs([("HOME", "/root"), ("TERM", "xterm"), ("LANG", "C.UTF-8")]);
        Outcome::of(command)
    }

    /// A command that runs a program in the sandbox's host view as root, in the environment of this process.
    pub fn enter(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.init.to_string()])
            .args(["-m", "-p", "-n", "-i", "-u", "-C", "-r", "-w"])
            .args(words);
        command
    }

    /// Runs a shell script in the sandbox's host view as root.
    pub fn run(&self, script: &str) -> Outcome {
        self.exec(&["bash", "-c", script])
    }

    /// What a shell script prints in the sandbox's host view as root. Each of its commands must succeed.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.exec(&["bash", "-e", "-c", script]).text()
    }

    /// Waits until a shell condition holds in the sandbox, such as `[ -e /run/sshd.pid ]`.
    #[track_caller]
    pub fn wait_until(&self, condition: &str) {
        let patient =
            format!("for i in {{1..900}}; do {condition} && exit 0; sleep 0.1; done; exit 1");
        assert!(self.run(&patient).succeeded(), "never: {condition}");
    }

    /// Lets the service's sessions go through the module: by the project's example for that service where
    /// there is one, by a last line in its stack otherwise.
    pub fn protect(&self, service: &str) {
        let example = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("pam.d-examples")
            .join(service);
        match std::fs::read(example) {
            Ok(stack) if self.subject == Subject::Ours => {
                self.write(&format!("/etc/pam.d/{service}"), stack);
            }
            _ => self.protect_with(service, "required", ""),
        }
    }

    /// Adds the module to the end of the service's stack, with a control and with arguments.
    pub fn protect_with(&self, service: &str, control: &str, arguments: &str) {
        let module = self.subject.module();
        let line = format!("session {control} {module} {arguments}");
        self.sh(&format!("echo '{line}' >>/etc/pam.d/{service}"));
    }

    /// Replaces the policy file.
    pub fn policy(&self, text: &str) {
        self.write("/etc/security/jns.toml", text);
    }

    /// Makes one more directory private to each user, besides those of the built-in policy.
    pub fn also_private(&self, path: &str) {
        match self.subject {
            Subject::Ours => {
                self.sh("mkdir -p /etc/security/jns.d");
                let rule = format!("[[private]]\npath = \"{path}\"\n");
                self.write("/etc/security/jns.d/50-more.toml", rule);
            }
            Subject::Theirs => {
                self.sh(&format!(
                    "install -d -m 0 /var/lib/jns/more && \
                     echo '{path} /var/lib/jns/more/ user root,system' >>/etc/security/namespace.conf"
                ));
            }
        }
    }

    /// Every line that was logged so far, oldest first.
    pub fn log(&self) -> Vec<String> {
        match &self.journal {
            Some(journal) => journal.lines(),
            None => self.systemd_journal(),
        }
    }

    /// Which pam_namespace is installed there.
    pub fn peer(&self) -> peer::Version {
        peer::Version::of(self.exec(&peer::QUERY).stdout.as_bytes())
    }

    /// What the machine consists of at this moment.
    pub fn state(&self) -> State {
        State::of(self)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.unshare.stdin.take());
        // What keeps it from ending was listed.
        let _ = deadline::wait_for(&mut self.unshare);
    }
}

/// Reads the sandbox's log by a socket of the sandbox's network, whose queue is as long as under systemd.
fn listen_inside(init: u32) -> Journal {
    let network = File::open(format!("/proc/{init}/ns/net")).expect("a sandbox has a network");
    let listen = || {
        setns(&network, CloneFlags::CLONE_NEWNET).expect("root may enter it");
        Journal::listen(&root_of(init).join("dev/log"))
    };
    let journal = std::thread::scope(|scope| scope.spawn(listen).join());
    journal.expect("listening did not panic")
}

fn root_of(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root"))
}

/// Starts a sandbox whose mount namespace has that number, and reads the pid of its pid 1.
fn numbered(number: Number, start: impl Fn() -> Child) -> (Child, Option<u32>) {
    let make = || {
        let mut unshare = start();
        let init = pid_of_init(&mut unshare);
        (unshare, init)
    };
    with_number(number, make, |(_, init)| {
        Namespace::of_process((*init)?)?.identity().id
    })
}

fn start_init(lower: &Path) -> Child {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/end_to_end/sandbox/init");
    Command::new("unshare")
        .args(["-m", "-p", "-f", "-n", "-i", "-u", "--kill-child"])
        .arg(script)
        .arg(lower)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare(1) starts")
}

/// The pid in the sandbox's first line; nothing where the sandbox could not be made.
fn pid_of_init(unshare: &mut Child) -> Option<u32> {
    let mut line = String::new();
    let stdout = unshare.stdout.take()?;
    assert!(deadline::is_answered(&stdout), "the sandbox is not made");
    BufReader::new(stdout).read_line(&mut line).ok()?;
    line.trim().parse().ok()
}

/// The userland that the sandbox is laid over: this machine's, or that of `JNS_SANDBOX`.
fn lower_root() -> Result<PathBuf, String> {
    match std::env::var("JNS_SANDBOX").as_deref() {
        Err(_) | Ok("" | "host") => Ok(PathBuf::from("/")),
        Ok("debian13") => debian13(),
        Ok(other) => panic!("JNS_SANDBOX is \"host\" or \"debian13\", not {other:?}"),
    }
}

fn debian13() -> Result<PathBuf, String> {
    let directory = target_directory().join("sandbox/debian13");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/end_to_end/sandbox/debian13"
    );
    let status = Command::new(script).arg(&directory).status();
    match status.is_ok_and(|status| status.success()) {
        true => Ok(directory),
        false => Err("Debian 13's userland could not be made".to_owned()),
    }
}

/// Cargo's target directory.
fn target_directory() -> PathBuf {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    scratch.parent().unwrap_or(scratch).to_path_buf()
}
