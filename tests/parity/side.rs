//! One of the two machines, and what is seen on it.

use crate::bed::peer::Version;
use crate::bed::{Bed, Subject};
use crate::case::{Act, Case};
use crate::programs_in_c::program;

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

/// What is seen from where it runs: the view, the mounts, files with owners and content. Of a mount it tells what
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

/// What one side saw, and what it was told.
#[derive(Debug, Default)]
pub struct Account {
    /// Every line of what was seen, in order.
    pub seen: Vec<String>,
    /// The log, and on this module's side what the import said, and the policy that it made.
    pub told: String,
    /// Which pam_namespace the machine has.
    pub peer: Version,
}

/// Plays a case with one of the modules.
///
/// # Errors
///
/// Why it cannot be played here.
pub fn play(case: &Case, subject: Subject) -> Result<Account, String> {
    let bed = Bed::make_for(subject)?;
    prepare(&bed, case);
    let mut account = Account {
        peer: bed.peer(),
        ..Account::default()
    };
    if subject == Subject::Ours {
        account.told = move_over(&bed);
    }
    for act in case.acts {
        account.seen.extend(perform(&bed, act));
    }
    account.seen.push("afterwards".to_owned());
    account.seen.extend(lines(&bed.run(LOOK).stdout));
    account.told.push_str(&bed.log().join("\n"));
    Ok(account)
}

fn prepare(bed: &Bed, case: &Case) {
    bed.sh(MACHINE);
    if case.selinux {
        bed.sh(SELINUX);
    }
    bed.sh(case.machine);
    bed.write("/etc/security/namespace.conf", case.conf);
    for (service, options) in [("login", case.login), ("su", case.su)] {
        let stack = format!(
            "session required pam_namespace.so {options}\nsession required pam_permit.so\n"
        );
        bed.write(&format!("/etc/pam.d/{service}"), stack);
    }
    bed.sh("install -m 666 /dev/null /run/report"); // for a driver that has become the user
    std::fs::copy(program("driver"), bed.path("/usr/bin/driver")).expect("the bed has a disk");
}

/// Moves the machine over as the manual page says, and gives what the import told, and the policy that it made.
fn move_over(bed: &Bed) -> String {
    let import =
        bed.run("umask 022; jns import pam_namespace --service login >/etc/security/jns.toml");
    assert!(import.succeeded(), "{import:#?}");
    bed.sh("sed -i 's/pam_namespace.so.*/pam_jns.so/' /etc/pam.d/login /etc/pam.d/su");
    import.stderr + &bed.sh("cat /etc/security/jns.toml")
}

fn perform(bed: &Bed, act: &Act) -> Vec<String> {
    match act {
        Act::Login(user, script) => login(bed, user, script),
        Act::Brief(user) => {
            let start = format!("start={user}");
            process(bed, &["stack=login", &start, "open", "close", "end"])
        }
        Act::Process(words) => process(bed, words),
        Act::Codes(words) => drive(bed, words),
        Act::Host(script) => host(bed, script),
    }
}

fn login(bed: &Bed, user: &str, script: &str) -> Vec<String> {
    let start = format!("start={user}");
    let script = script.replace('\'', r"'\''");
    let as_user = format!(
        "sh=setpriv --reset-env --reuid={user} --regid=$(id -g {user}) --init-groups bash -c '{script}' 2>&1"
    );
    let open = ["stack=login", &start, "open", "environment=environment"];
    let rest = ["sh=LOOK", as_user.as_str(), "close", "end"];
    process(bed, &[open, rest].concat())
}

/// What the driver tells, without the codes by which the two modules refuse a session, and without that by which
/// libpam refuses to close one that is not open.
fn process(bed: &Bed, words: &[&str]) -> Vec<String> {
    let refusal = match bed.subject {
        Subject::Theirs => "open 14",
        Subject::Ours => "open 6",
    };
    let mut seen = drive(bed, words);
    seen.retain(|line| line != "close 6");
    let refused = seen.iter_mut().filter(|line| *line == refusal);
    refused.for_each(|line| "open refused".clone_into(line));
    seen
}

fn drive(bed: &Bed, words: &[&str]) -> Vec<String> {
    let words = words.iter().map(|word| match *word {
        "sh=LOOK" => format!("sh={LOOK}"),
        _ => (*word).to_owned(),
    });
    let words: Vec<_> = words.collect();
    let command = ["driver", "/run/report", "/etc/pam.d"].into_iter();
    let command: Vec<_> = command.chain(words.iter().map(String::as_str)).collect();
    let outcome = bed.exec(&command);
    assert!(outcome.succeeded(), "{outcome:#?}");
    lines(&bed.sh("cat /run/report")).collect()
}

fn host(bed: &Bed, script: &str) -> Vec<String> {
    let outcome = bed.run(script);
    let status = format!("host {:?}", outcome.status.code());
    let written = lines(&outcome.stdout).chain(lines(&outcome.stderr));
    written.chain([status]).collect()
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| line.trim_end().to_owned())
}
