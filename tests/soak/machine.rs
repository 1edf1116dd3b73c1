//! The machine in the sandbox: its users, its daemon, its policies.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

/// The number of users.
pub const USERS: u32 = 100;

/// The id of the first of them.
pub const FIRST_ID: u32 = 5000;

/// The report in JSON, in the sandbox.
pub const REPORT: &str = "/root/soak.json";

/// The policy file.
const POLICY: &str = "/etc/security/jns.toml";

/// The directory on which a policy binds another.
const BOUND: &str = "/mnt/bound";

/// The directory on which the host mounts and unmounts.
pub const PLUGGED: &str = "/mnt/plugged";

/// The directories that are a user's own under every policy.
pub const PRIVATE: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

const PRIVATE_RULES: &str = r#"
[[private]]
path = "/var/tmp"
[[private]]
path = "/dev/shm"
medium = "memory"
size = "10%"
"#;

/// How namespaces are shared, and what more there is, in each of the policies that replace each other.
const POLICIES: [(&str, &str); 6] = [
    ("user", "[[private]]\npath = \"/tmp\"\n"),
    (
        "session",
        "[[private]]\npath = \"/tmp\"\nper = \"session\"\n",
    ),
    (
        "user",
        "[[private]]\npath = \"/tmp\"\n[[isolate]]\nprocesses = \"own\"\nipc = \"own\"\n\
         [[hide]]\npath = \"/home\"\nkeep = [\"{user}\"]\n",
    ),
    (
        "session",
        "[[tmpfs]]\npath = \"/tmp\"\n[[isolate]]\nprocesses = \"own\"\nnetwork = \"none\"\nhostname = \"{user}\"\n",
    ),
    (
        "user",
        "[[private]]\npath = \"/tmp\"\n[[isolate]]\nprocesses = \"hidden\"\n\
         [[hook]]\nwhen = \"open\"\nrun = [\"/bin/true\"]\n[[env]]\nset = { SOAKED = \"{session}\" }\n",
    ),
    (
        "user",
        "[[private]]\npath = \"/tmp\"\nper = \"session\"\n[[bind]]\nsource = \"/usr\"\npath = \"/mnt/bound\"\n\
         options = [\"ro\"]\n",
    ),
];

/// For how long unused namespaces are kept: `jns gc` ends them under logins, soon after their last, or not at all.
const LINGER: [&str; 3] = ["0s", "2s", "15min"];

/// The name of a user.
pub fn user(number: u32) -> String {
    format!("soaker{number}")
}

/// Adds the users, each with a home directory and the key of root's ssh client.
pub fn add_users() {
    let of_each = |line: fn(&str, u32) -> String| {
        let numbers = (0..USERS).map(|number| (user(number), FIRST_ID + number));
        numbers.fold(String::new(), |mut lines, (name, id)| {
            let _ = writeln!(lines, "{}", line(&name, id));
            lines
        })
    };
    append(
        "/etc/passwd",
        &of_each(|name, id| format!("{name}:x:{id}:{id}::/home/{name}:/bin/sh")),
    );
    append("/etc/group", &of_each(|name, id| format!("{name}:x:{id}:")));
    append(
        "/etc/shadow",
        &of_each(|name, _| format!("{name}:*:19000:0:99999:7:::")),
    );
    (0..USERS).for_each(make_home);
}

fn append(path: &str, lines: &str) {
    let text = fs::read_to_string(path).unwrap() + lines;
    fs::write(path, text).unwrap();
}

fn make_home(number: u32) {
    let home = Path::new("/home").join(user(number));
    let id = Some(FIRST_ID + number);
    for directory in [home.clone(), home.join(".ssh")] {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .unwrap();
        chown(&directory, id, id).unwrap();
    }
    let keys = home.join(".ssh/authorized_keys");
    fs::copy("/root/.ssh/id_ed25519.pub", &keys).unwrap();
    fs::set_permissions(&keys, Permissions::from_mode(0o600)).unwrap();
    chown(&keys, id, id).unwrap();
    // No greeting is looked for.
    fs::write(home.join(".hushlogin"), "").unwrap();
}

/// Makes the directories that policies and the host mount something on.
pub fn make_places() {
    for path in [BOUND, PLUGGED] {
        fs::create_dir_all(path).unwrap();
    }
}

/// Starts sshd on the sandbox's loopback, and returns its pid.
pub fn start_sshd() -> u32 {
    let options = "HostKey=/etc/ssh/sandbox_host_key ListenAddress=127.0.0.1 UsePAM=yes MaxStartups=1000 \
                   MaxSessions=1000 PrintLastLog=no UseDNS=no PerSourcePenalties=no";
    let mut options: Vec<String> = options
        .split(' ')
        .map(|option| format!("-o{option}"))
        .collect();
    if !succeeded(Command::new("/usr/sbin/sshd").arg("-t").args(&options)) {
        options.pop(); // that is OpenSSH 9.8's
    }
    must(Command::new("/usr/sbin/sshd").args(&options));
    for _ in 0..1000 {
        let pid = fs::read_to_string("/run/sshd.pid").unwrap_or_default();
        if let Ok(pid) = pid.trim().parse() {
            return pid;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("sshd does not start")
}

/// Replaces the policy by one of [`POLICIES`] with one of [`LINGER`].
pub fn replace_policy(number: usize) {
    let (namespace, rules) = POLICIES[number % POLICIES.len()];
    let linger = LINGER[number / POLICIES.len() % LINGER.len()];
    let text = format!(
        "[settings]\nexempt = [\"root\", \"uid:1-999\"]\nnamespace = \"{namespace}\"\n\
         linger = \"{linger}\"\n{rules}{PRIVATE_RULES}"
    );
    write_policy(&text);
}

/// Replaces the policy by that text, in one moment.
pub fn write_policy(text: &str) {
    let new = format!("{POLICY}.new");
    fs::write(&new, text).unwrap();
    fs::rename(new, POLICY).unwrap();
}

/// Asks the command whether each of the policies is right.
pub fn check_policies() {
    for number in (0..POLICIES.len()).rev() {
        replace_policy(number);
        must(Command::new("jns").arg("check"));
    }
}

fn succeeded(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Runs a command that has to succeed.
pub fn must(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}
