//! A machine for hosts: a mount namespace with accounts, a system log, a policy and a PAM stack of its own.

use crate::journal::Journal;
use crate::kernel::{bind, directory, file, in_own_namespace};
pub use crate::programs_in_c::{program, shared_object, target_directory};
use crate::report::Report;
use nix::mount::{MsFlags, mount};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The policy file that the PAM stack names.
pub const POLICY: &str = "/mnt/etc/jns.toml";
/// `settings.store` of every policy here.
pub const STORE: &str = "/mnt/var/lib/jns";
/// Where the store is made.
pub const STORE_PARENT: &str = "/mnt/var/lib";
/// The directory of the PAM stack.
pub const CONFDIR: &str = "/mnt/pam.d";
/// The accounts, which are shown at `/etc/passwd`.
pub const PASSWD_FILE: &str = "/mnt/accounts/passwd";
/// The PAM service.
pub const SERVICE: &str = "jns-host";

/// What the driver is given for a session of which the process is looked at before and after the open.
pub const WATCHED: &[&str] = &[
    "start=alice",
    "state=before",
    "open",
    "state=after",
    "close",
    "end",
];

/// One private directory for everybody but root.
pub const PRIVATE_T: &str =
    "[settings]\nstore = \"/mnt/var/lib/jns\"\n[[private]]\npath = \"/mnt/t\"\n";

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
alice:x:2001:2001::/mnt/home/alice:/bin/sh
bob:x:2002:2002::/mnt/home/bob:/bin/sh
";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\nalice:x:2001:\nbob:x:2002:\n";

/// A machine. It lives as long as the thread that made it.
pub struct Machine {
    journal: Option<Journal>,
    /// What every policy has in its settings besides.
    pub settings: &'static str,
}

/// Runs a test on a machine whose policy is [`PRIVATE_T`] and whose log is read.
pub fn on_machine(test: impl FnOnce(&mut Machine) + Send + 'static) {
    in_own_namespace(|| {
        let mut machine = Machine::make();
        machine.listen();
        machine.policy(PRIVATE_T);
        machine.stack("");
        test(&mut machine);
    });
}

impl Machine {
    fn make() -> Self {
        make_devices();
        for (name, text) in [
            ("passwd", PASSWD),
            ("group", GROUP),
            ("nsswitch.conf", "passwd: files\ngroup: files\n"),
        ] {
            directory("/mnt/accounts", 0o755, 0);
            file(&format!("/mnt/accounts/{name}"), text);
            bind(&format!("/mnt/accounts/{name}"), &format!("/etc/{name}"));
        }
        directory("/mnt/etc", 0o755, 0);
        directory(CONFDIR, 0o755, 0);
        directory("/mnt/home", 0o755, 0);
        directory("/mnt/home/alice", 0o755, 2001);
        directory("/mnt/home/bob", 0o755, 2002);
        directory("/mnt/t", 0o1777, 0);
        Self {
            journal: None,
            settings: "",
        }
    }

    /// Reads the log from now on.
    pub fn listen(&mut self) {
        self.journal = Some(Journal::listen(Path::new("/dev/log")));
    }

    /// Nobody reads the log any more, and there is no `/dev/log`.
    pub fn stop_listening(&mut self) {
        self.journal = None;
        fs::remove_file("/dev/log").unwrap();
    }

    /// What was logged so far: the text after the priority, which is kept in front as a number.
    pub fn log(&self) -> Vec<String> {
        self.journal.as_ref().unwrap().lines()
    }

    /// The logged lines of the priority `authpriv.err`.
    pub fn errors(&self) -> Vec<String> {
        let lines = self.log().into_iter();
        lines.filter(|line| line.starts_with("<83>")).collect()
    }

    /// Writes the policy file.
    pub fn policy(&self, text: impl AsRef<[u8]>) {
        let with_settings = |text: &[u8]| {
            let text = str::from_utf8(text).unwrap();
            let head = "[settings]\n";
            assert!(text.contains(head), "a table for the settings: {text}");
            text.replacen(head, &format!("{head}{}", self.settings), 1)
        };
        match self.settings {
            "" => fs::write(POLICY, text).unwrap(),
            _ => fs::write(POLICY, with_settings(text.as_ref())).unwrap(),
        }
    }

    /// Writes the PAM stack: the module under test with more arguments, then one that says yes.
    pub fn stack(&self, arguments: &str) {
        let module = module().display().to_string();
        self.stack_of(&module, arguments);
    }

    /// The same with another module.
    pub fn stack_of(&self, module: &str, arguments: &str) {
        let text = format!(
            "session required {module} config={POLICY} {arguments}\nsession required pam_permit.so\n"
        );
        self.whole_stack(&text);
    }

    /// Writes a PAM stack of pam_namespace with these lines of namespace.conf; `/mnt/inst` is for instances.
    pub fn stack_of_pam_namespace(&self, lines: &str) {
        directory("/mnt/inst", 0, 0);
        directory("/mnt/security/namespace.d", 0o755, 0);
        file("/mnt/security/namespace.conf", lines);
        bind("/mnt/security", "/etc/security");
        self.whole_stack("session required pam_namespace.so\nsession required pam_permit.so\n");
    }

    /// Writes the PAM stack, line by line.
    pub fn whole_stack(&self, text: &str) {
        file(&format!("{CONFDIR}/{SERVICE}"), text);
        // libpam complains in the log when there is none.
        file(
            &format!("{CONFDIR}/other"),
            "session required pam_deny.so\n",
        );
    }

    /// Runs the driver, which must get through all of its words.
    pub fn drive<W: AsRef<OsStr>>(&self, words: &[W]) -> Report {
        drive(words)
    }

    /// The same by another command, to which the driver's own arguments are given.
    pub fn drive_with<W: AsRef<OsStr>>(&self, command: Command, words: &[W]) -> Report {
        drive_with(command, words)
    }
}

/// [`Machine::drive`] for a thread of the machine's.
pub fn drive<W: AsRef<OsStr>>(words: &[W]) -> Report {
    let report = drive_with(Command::new(program("driver")), words);
    assert!(
        report.output.status.success(),
        "the driver failed: {:?}",
        report.output
    );
    report
}

/// The driver below a process that stays where the host was, as an init or a daemon's first process does: a session is
/// left for where an ancestor is, of which there is otherwise this one, with a thread alone on the machine.
pub fn below_shell() -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "\"$0\" \"$@\"; exit $?"])
        .arg(program("driver"));
    shell
}

/// [`Machine::drive_with`] for a thread of the machine's.
pub fn drive_with<W: AsRef<OsStr>>(mut command: Command, words: &[W]) -> Report {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let report = format!("/mnt/report-{}", RUNS.fetch_add(1, Ordering::Relaxed));
    let output = command
        .args([report.as_str(), CONFDIR])
        .args(words)
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        // The cache of each thread counts as allocated, whatever is in it, and fills as it happens to.
        .env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = fs::read(&report).unwrap_or_default();
    let _ = fs::remove_file(&report);
    let lines = text.split(|byte| *byte == b'\n');
    Report {
        lines: lines
            .filter(|line| !line.is_empty())
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect(),
        output,
    }
}

/// An empty `/dev` with the devices that every program needs.
fn make_devices() {
    directory("/mnt/devices", 0o755, 0);
    bind("/dev", "/mnt/devices");
    let flags = MsFlags::MS_NOSUID;
    mount(Some("dev"), "/dev", Some("tmpfs"), flags, Some("mode=755")).unwrap();
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let (device, path) = (format!("/mnt/devices/{name}"), format!("/dev/{name}"));
        file(&path, "");
        bind(&device, &path);
    }
    nix::mount::umount("/mnt/devices").unwrap();
    fs::remove_dir("/mnt/devices").unwrap();
}

/// The module under test: `JNS_MODULE`, or what `cargo build --release` made.
pub fn module() -> PathBuf {
    let built = || target_directory().join("release/libpam_jns.so");
    let module = std::env::var_os("JNS_MODULE").map_or_else(built, PathBuf::from);
    assert!(
        module.exists(),
        "{} does not exist: run `make` first",
        module.display()
    );
    module
}

/// The driver's word `NAME=VALUE` with a value of any bytes.
pub fn word(name: &str, value: &[u8]) -> std::ffi::OsString {
    let mut word = std::ffi::OsString::from(name);
    word.push("=");
    word.push(OsStr::from_bytes(value));
    word
}
