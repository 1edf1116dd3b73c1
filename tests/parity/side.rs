//! One of the two machines, and what is seen on it.

use crate::programs_in_c::program;
use crate::row::{Act, Row};
use crate::sandbox::peer::Version;
use crate::sandbox::{Sandbox, Subject};

/// What every machine has. Its file systems are nosuid and nodev, as instances are under this module: where they are
/// not is a row of its own.
const MACHINE: &str = r"
rm -rf /etc/security/namespace.*
mkdir -p /etc/security/namespace.d /t
mount -t tmpfs -o mode=755,nosuid,nodev t /t
mount -t tmpfs -o mode=1777,nosuid,nodev var-tmp /var/tmp
for place in /tmp /home; do mount -o remount,bind,nosuid,nodev $place; done
mkdir -m 1777 /t/poly
mkdir -m 0 /t/inst
echo host >/t/poly/of-host
";

/// What shows a machine's SELinux to programs there. Labels that mounts of the sandbox give are not those of a machine.
const SELINUX: &str = "
mkdir -p /sys/fs/selinux
mount -t selinuxfs selinuxfs /sys/fs/selinux
chcon -t tmp_t /t/poly /t/inst
";

/// What is seen from where it runs: the view, the mounts, files with owners and content. Of a mount it shows what
/// people notice: what of its file system is where, its options, how large it is. What another mount covers is left
/// out.
const LOOK: &str = r#"cd /; places="/t /tmp /var/tmp /dev/shm /home"
[ "$(readlink /proc/self/ns/mnt)" = "$(readlink /proc/1/ns/mnt)" ] && echo "view of the host" || echo "view of its own"
awk '{ parent[$1] = $2; point[$1] = $5; line = "mount " $4 " " $5 " " $6
       for (i = 7; $i != "-"; i++);
       gsub(/,(size|nr_inodes)=[^,]*/, "", $(i + 3))
       text[$1] = line " " $(i + 1) " " $(i + 3) }
    END { for (m in text) {
        hidden = point[m] !~ "^/(t|tmp|var/tmp|dev/shm|home)(/|$)"
        for (n in text) {
            if (parent[n] == m && point[n] == point[m]) hidden = 1
            if (parent[n] == parent[m] && index(point[m], point[n] "/") == 1) hidden = 1
        }
        if (!hidden) print text[m] } }' /proc/self/mountinfo | sort
for place in /t/poly /dev/shm; do set -- $(stat -f -c "%b %S" $place || echo 0 0); numfmt --to=iec --format="size of $place %f" $(($1 * $2)); done
find $places -name .ssh -prune -o -printf '%p %y %m %U:%G %l\n' | sort
grep -rHs -D skip --exclude-dir=.ssh "" $places | sort"#;

/// What one side saw, and the messages about it.
#[derive(Debug, Default)]
pub struct Account {
    /// Every line of what was seen, in order.
    pub seen: Vec<String>,
    /// The log, and on this module's side what the import said, and the policy that it made.
    pub messages: String,
    /// Which pam_namespace the machine has.
    pub peer: Version,
}

/// Plays a row with one of the modules.
///
/// # Errors
///
/// Why it cannot be played here.
pub fn play(row: &Row, subject: Subject) -> Result<Account, String> {
    let sandbox = Sandbox::make_for(subject)?;
    prepare(&sandbox, row);
    let mut account = Account {
        peer: sandbox.peer(),
        ..Account::default()
    };
    if subject == Subject::Ours {
        account.messages = move_over(&sandbox);
    }
    for act in row.acts {
        account.seen.extend(perform(&sandbox, act));
    }
    account.seen.push("afterwards".to_owned());
    account.seen.extend(lines(&sandbox.run(LOOK).stdout));
    account.messages.push_str(&sandbox.log().join("\n"));
    Ok(account)
}

fn prepare(sandbox: &Sandbox, row: &Row) {
    sandbox.sh(MACHINE);
    if row.selinux {
        sandbox.sh(SELINUX);
    }
    sandbox.sh(row.machine);
    sandbox.write("/etc/security/namespace.conf", row.conf);
    for (service, options) in [("login", row.login), ("su", row.su)] {
        let stack = format!(
            "session required pam_namespace.so {options}\nsession required pam_permit.so\n"
        );
        sandbox.write(&format!("/etc/pam.d/{service}"), stack);
    }
    sandbox.sh("install -m 666 /dev/null /run/report"); // for a driver that has become the user
    std::fs::copy(program("driver"), sandbox.path("/usr/bin/driver"))
        .expect("the sandbox has a disk");
}

/// Moves the machine over as the manual page says, and gives what the import printed, and the policy that it made.
fn move_over(sandbox: &Sandbox) -> String {
    let import =
        sandbox.run("umask 022; jns import pam_namespace --service login >/etc/security/jns.toml");
    let is_told = import.stderr.contains(": left public: ");
    assert_eq!(import.succeeded(), !is_told, "{import:#?}");
    sandbox.sh("sed -i 's/pam_namespace.so.*/pam_jns.so/' /etc/pam.d/login /etc/pam.d/su");
    import.stderr + &sandbox.sh("cat /etc/security/jns.toml")
}

fn perform(sandbox: &Sandbox, act: &Act) -> Vec<String> {
    match act {
        Act::Login(user, script) => login(sandbox, user, script),
        Act::Brief(user) => {
            let start = format!("start={user}");
            process(sandbox, &["stack=login", &start, "open", "close", "end"])
        }
        Act::Process(words) => process(sandbox, words),
        Act::Codes(words) => drive(sandbox, words),
        Act::Host(script) => host(sandbox, script),
    }
}

fn login(sandbox: &Sandbox, user: &str, script: &str) -> Vec<String> {
    let start = format!("start={user}");
    let script = script.replace('\'', r"'\''");
    let as_user = format!(
        "sh=setpriv --reset-env --reuid={user} --regid=$(id -g {user}) --init-groups bash -c '{script}' 2>&1"
    );
    let open = ["stack=login", &start, "open", "environment=environment"];
    let rest = ["sh=LOOK", as_user.as_str(), "close", "end"];
    process(sandbox, &[open, rest].concat())
}

/// What the driver prints, without the codes by which the two modules refuse a session, and without that by which
/// libpam refuses to close one that is not open.
fn process(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let refusal = match sandbox.subject {
        Subject::Theirs => "open 14",
        Subject::Ours => "open 6",
    };
    let mut seen = drive(sandbox, words);
    seen.retain(|line| line != "close 6");
    let refused = seen.iter_mut().filter(|line| *line == refusal);
    refused.for_each(|line| "open refused".clone_into(line));
    seen
}

fn drive(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let words = words.iter().map(|word| match *word {
        "sh=LOOK" => format!("sh={LOOK}"),
        _ => (*word).to_owned(),
    });
    let words: Vec<_> = words.collect();
    let command = ["driver", "/run/report", "/etc/pam.d"].into_iter();
    let command: Vec<_> = command.chain(words.iter().map(String::as_str)).collect();
    let outcome = sandbox.exec(&command);
    assert!(outcome.succeeded(), "{outcome:#?}");
    lines(&sandbox.sh("cat /run/report")).collect()
}

fn host(sandbox: &Sandbox, script: &str) -> Vec<String> {
    let outcome = sandbox.run(script);
    let status = format!("host {:?}", outcome.status.code());
    let written = lines(&outcome.stdout).chain(lines(&outcome.stderr));
    written.chain([status]).collect()
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| line.trim_end().to_owned())
}
