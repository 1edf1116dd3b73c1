//! For uid 0 nothing denies: whatever is wrong with the policy, the store, the machine or the module's arguments, root
//! has a session, with `session required pam_jns.so` as the only line. The same denies users.

use crate::console::log_in;
use crate::sandbox::{Sandbox, needs, ours_only};

/// Every kind of rule, and what only imported policies have.
const KINDS: &str = r#"[settings]
exempt = ["root", "uid:1-999"]
namespace = "user"
linger = "10m"
[[private]]
path = "/tmp"
keep = [".X11-unix", ".ICE-*"]
mode = "1777"
[[private]]
path = "/var/tmp"
age = "10d"
[[tmpfs]]
path = "/dev/shm"
size = "10%"
[[bind]]
source = "/srv"
path = "/opt"
options = ["ro", "nosuid"]
[[hide]]
path = "/mnt"
users = ["alice", "@team", "uid:2000-2999"]
services = ["sshd", "su*"]
[[isolate]]
services = ["none"]
processes = "hidden"
[[env]]
set = { TMPDIR = "/tmp", NAME = "{user}" }
[[hook]]
when = "open"
run = ["/bin/true", "{user}"]
timeout = "5s"
on_failure = "warn"
"#;

/// The policy that is compiled in, with all its comments.
const BUILT_IN: &str = include_str!("../../conf/jns.toml");

/// What a value is exchanged for.
const VALUES: &[&str] = &[
    "7",
    "-1",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"x\"",
    "[[]]",
    "1e400",
    "nan",
    "1979-05-27",
    "\"/\"",
    "[\"root\", 7]",
    "{ a = 1 }",
    "'''",
    "\"\\u0000\"",
    "99999999999999999999",
];

/// How many policies each of the four tests tries.
const POLICIES: u64 = 250;

/// The same numbers each time: SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// A valid policy with something wrong in it. Some are still valid.
fn broken(numbers: &mut Numbers) -> Vec<u8> {
    let mut text = [KINDS, BUILT_IN, KINDS][numbers.below(3)]
        .as_bytes()
        .to_vec();
    for _ in 0..=numbers.below(2) {
        text = broken_once(text, numbers);
    }
    text
}

fn broken_once(mut text: Vec<u8>, numbers: &mut Numbers) -> Vec<u8> {
    let at = numbers.below(text.len());
    match numbers.below(8) {
        0 => text.truncate(at),
        1 => {
            let end = (at + 1 + numbers.below(60)).min(text.len());
            text.drain(at..end);
        }
        2 => {
            for _ in 0..=numbers.below(6) {
                let at = numbers.below(text.len());
                text[at] = numbers.next().to_le_bytes()[0];
            }
        }
        kind => return broken_line(&text, kind, numbers),
    }
    text
}

fn broken_line(text: &[u8], kind: usize, numbers: &mut Numbers) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let is_text = |line: &Vec<u8>| !line.is_empty() && line[0] != b'#';
    let meant: Vec<usize> = (0..lines.len()).filter(|at| is_text(&lines[*at])).collect();
    let Some(at) = meant.get(numbers.below(meant.len())).copied() else {
        return b"[".to_vec();
    };
    match kind {
        3 => lines.insert(at, lines[at].clone()),
        4 | 5 => {
            let key = lines[at]
                .split(|byte| *byte == b'=')
                .next()
                .unwrap()
                .to_vec();
            let value = VALUES[numbers.below(VALUES.len())];
            lines[at] = [key.as_slice(), b"= ", value.as_bytes()].concat();
        }
        6 => lines.insert(at + 1, b"unknown-key = \"value\"".to_vec()),
        _ => {
            let other = numbers.below(lines.len());
            lines.swap(at, other);
        }
    }
    lines.join(&b'\n')
}

/// What is put in place of a policy's file beside its text: most often nothing.
fn form(number: u64) -> &'static str {
    match number % 25 {
        3 => "chown alice $P",
        6 => "chmod 666 $P",
        9 => "rm $P; mkdir $P",
        12 => "rm $P; mkfifo $P",
        15 => "mv $P /srv/moved; ln -s /srv/moved $P",
        18 => "rm $P; ln -s /srv/nowhere $P",
        21 => "truncate -s 2M $P",
        24 => "rm $P; mknod $P c 1 5",
        _ => ":",
    }
}

/// Shell functions: `ways` opens sessions for root in every way that needs no terminal, from the host and from the
/// session of the process `$A`, and prints what is wrong with them.
const WAYS: &str = r#"
P=/etc/security/jns.toml
H=$(readlink /proc/1/ns/mnt)
N='readlink /proc/self/ns/mnt'
on_host() {
    local name=$1 seen status; shift
    seen=$("$@" 2>/srv/err </dev/null); status=$?
    [ $status = 0 ] && [ "${seen##*$'\n'}" = "$H" ] || echo "$name: $status, $seen, $(head -c 300 /srv/err)"
}
in_session() { nsenter -m -t "$A" --wd=/proc/$A/root/tmp/work "$@"; }
alice() { in_session setpriv --reuid alice --regid alice --init-groups "$@"; }
finds_names() {
    local name=$1 seen; shift
    seen=$("$@" 'pwd; cat /tmp/work/f; cat f' 2>&1 </dev/null) && [ "$seen" = $'/tmp/work\nmine\nmine' ] ||
        echo "$name: $seen"
}
ways() {
    on_host su su -c "$N"
    on_host 'su -' su - -c "$N"
    on_host sudo sudo -n $N
    on_host 'su - in a session' in_session su - -c "$N"
    finds_names 'sudo in a session' alice sudo -n sh -c
}
more_ways() {
    ways
    on_host 'sudo -i' sudo -n -i $N
    on_host 'sudo -i in a session' alice sudo -n -i $N
    finds_names 'su in a session' in_session su -c
}
"#;

/// A host in which alice has a session, and a file at a path where the host has another one. Sessions are opened by
/// the module and nothing else.
fn machine() -> Result<Sandbox, String> {
    let sandbox = Sandbox::make()?;
    for service in ["sshd", "su", "sudo", "sudo-i", "login", "cron"] {
        sandbox.protect_with(service, "required", "");
    }
    sandbox.write("/etc/sudoers.d/all", "ALL ALL=(ALL:ALL) NOPASSWD: ALL\n");
    sandbox.sh("chmod 440 /etc/sudoers.d/all; mkdir /tmp/work; echo host >/tmp/work/f");
    sandbox.write("/srv/ways", WAYS);
    sandbox.start_sshd("");
    sandbox
        .ssh("alice", "mkdir /tmp/work; echo mine >/tmp/work/f")
        .text();
    Ok(sandbox)
}

macro_rules! machine {
    () => {{
        ours_only!("promise to root");
        match machine() {
            Ok(sandbox) => {
                needs!(sandbox, "sudo");
                sandbox
            }
            Err(reason) => $crate::sandbox::skip!("{reason}"),
        }
    }};
}

#[test]
fn the_first_broken_policies_deny_root_nothing() {
    let sandbox = machine!();
    try_policies(&sandbox, 0);
}

#[test]
fn the_second_broken_policies_deny_root_nothing() {
    let sandbox = machine!();
    try_policies(&sandbox, 1);
}

#[test]
fn the_third_broken_policies_deny_root_nothing() {
    let sandbox = machine!();
    try_policies(&sandbox, 2);
}

#[test]
fn the_fourth_broken_policies_deny_root_nothing() {
    let sandbox = machine!();
    try_policies(&sandbox, 3);
}

/// Every root's session succeeds, what is wrong is logged as an error, and alice is denied where something is.
fn try_policies(sandbox: &Sandbox, part: u64) {
    let session = sandbox.start_session("alice");
    sandbox.sh("mkdir /srv/policies");
    let mut numbers = Numbers(part);
    let numbered = (part * POLICIES..(part + 1) * POLICIES).collect::<Vec<_>>();
    for number in &numbered {
        sandbox.write(&format!("/srv/policies/{number}"), broken(&mut numbers));
        sandbox.write(&format!("/srv/policies/{number}.form"), form(*number));
    }
    let mut denied = 0;
    for some in numbered.chunks(25) {
        let some: Vec<String> = some.iter().map(u64::to_string).collect();
        let (first, last) = (&some[0], &some[some.len() - 1]);
        let seen = sandbox.sh(&format!(
            "A={}; set +e; . /srv/ways
             for n in {{{first}..{last}}}; do
                 rm -rf $P; cp /srv/policies/$n $P; chmod 644 $P; . /srv/policies/$n.form
                 logger -t policy -- \"$n begins\"
                 ways | sed \"s/^/$n: /\"
                 jns check >/srv/checked 2>&1; checked=$?
                 seen=$(su alice -c \"$N\" 2>/dev/null); status=$?
                 echo \"= $n $checked $status ${{seen:-nothing}} $H\"
             done; rm -rf $P",
            session.pid
        ));
        denied += judge(sandbox, &seen);
    }
    eprintln!("{POLICIES} policies, {denied} of them with mistakes");
    assert!(denied > POLICIES / 3, "{denied}");
    session.end();
}

/// What a run of the loop printed; how many policies had mistakes.
fn judge(sandbox: &Sandbox, seen: &str) -> u64 {
    let (results, problems): (Vec<&str>, Vec<&str>) =
        seen.lines().partition(|line| line.starts_with("= "));
    assert_eq!(problems, [""; 0]);
    let log = sandbox.log();
    let mut denied = 0;
    for result in results {
        let words: Vec<&str> = result.split(' ').collect();
        let [_, number, checked, status, namespace, host] = words[..] else {
            panic!("{result}");
        };
        let policy = || std::fs::read_to_string(sandbox.path(&format!("/srv/policies/{number}")));
        if checked == "0" {
            continue;
        }
        denied += 1;
        assert_ne!(status, "0", "alice is let in: {result}\n{:?}", policy());
        assert_ne!(namespace, host, "alice has the host's view: {result}");
        let begins = format!(": {number} begins");
        let mut lines = log
            .iter()
            .skip_while(|line| !line.contains(&begins))
            .skip(1);
        let lines = lines.by_ref().take_while(|line| !line.ends_with(" begins"));
        let errors = lines.filter(|line| line.starts_with("<83>") && line.contains("pam_jns"));
        assert!(errors.count() >= 6, "{result}\n{:?}", policy());
    }
    denied
}

/// What is wrong beside the policy's text: what it is called, and scripts that bring it about and end it.
const DEFECTS: &[(&str, &str, &str)] = &[
    (
        "a missing store's parent",
        "sed -i 's|^exempt|store = \"/srv/missing/store\"\\n&|' $P",
        ":",
    ),
    (
        "a full store",
        "mount -t tmpfs -o size=4k,nr_inodes=2,mode=700 full /var/lib/jns; echo x >/var/lib/jns/x",
        "umount /var/lib/jns",
    ),
    (
        "a read-only store",
        "mount -t tmpfs -o ro,mode=700 read-only /var/lib/jns",
        "umount /var/lib/jns",
    ),
    (
        "a store of alice's",
        "chown alice /var/lib/jns",
        "chown root /var/lib/jns",
    ),
    (
        "a store for all",
        "chmod 777 /var/lib/jns",
        "chmod 700 /var/lib/jns",
    ),
    (
        "a file as store",
        "mv /var/lib/jns /var/lib/was; touch /var/lib/jns",
        "rm /var/lib/jns; mv /var/lib/was /var/lib/jns",
    ),
    (
        "a link as store",
        "mv /var/lib/jns /var/lib/was; install -d -o alice /srv/hers; ln -s /srv/hers /var/lib/jns",
        "rm /var/lib/jns; mv /var/lib/was /var/lib/jns",
    ),
    (
        "a path that is missing",
        "echo '[[private]]\npath = \"/srv/missing\"' >>$P",
        ":",
    ),
    (
        "a hook that fails",
        "echo '[[hook]]\nwhen = \"open\"\nrun = [\"/bin/false\"]\non_failure = \"deny\"' >>$P",
        ":",
    ),
    (
        "a hook that is missing",
        "echo '[[hook]]\nwhen = \"open\"\nrun = [\"/srv/missing\"]' >>$P",
        ":",
    ),
    (
        "a volume that is not opened",
        "mkdir -p /srv/volume; echo '[[volume]]\npath = \"/srv/volume\"\nopen = [\"/bin/false\"]\nclose = [\"/bin/true\"]' >>$P",
        ":",
    ),
    (
        "an init that fails",
        "sed -i 's|path = \"/tmp\"|&\\ninit = \"/bin/false\"|' $P; sed -i 's/^exempt/namespace = \"session\"\\n&/' $P",
        ":",
    ),
    (
        "an argument nobody knows",
        "sed -i 's/pam_jns.so.*/pam_jns.so nothing/' /etc/pam.d/{su,sudo,sudo-i,sshd}",
        "sed -i 's/pam_jns.so.*/pam_jns.so/' /etc/pam.d/{su,sudo,sudo-i,sshd}",
    ),
    (
        "a policy that is named and missing",
        "sed -i 's|pam_jns.so.*|pam_jns.so config=/etc/missing|' /etc/pam.d/{su,sudo,sudo-i,sshd}",
        "sed -i 's/pam_jns.so.*/pam_jns.so/' /etc/pam.d/{su,sudo,sudo-i,sshd}",
    ),
];

/// A policy that is for root, too.
const FOR_ROOT: &str = "[settings]\nexempt = []\n[[private]]\npath = \"/tmp\"\nmode = \"1777\"\n";

#[test]
fn nothing_that_is_wrong_with_the_machine_denies_root() {
    let sandbox = machine!();
    let session = sandbox.start_session("alice");
    sandbox.write("/srv/for-root", FOR_ROOT);
    for (defect, begin, end) in DEFECTS {
        let errors = |sandbox: &Sandbox| {
            let log = sandbox.log().into_iter();
            let log = log.filter(|line| line.starts_with("<83>") && line.contains("pam_jns"));
            log.collect::<Vec<_>>()
        };
        let before = errors(&sandbox).len();
        let begun = sandbox.run(&format!(
            "A={}; . /srv/ways; cp /srv/for-root $P; {begin}; more_ways",
            session.pid
        ));
        let by_ssh = sandbox.ssh("root", "readlink /proc/self/ns/mnt");
        let denied = sandbox.ssh("alice", "echo let in");
        sandbox.sh(&format!("P=/etc/security/jns.toml; {end}; rm -f $P"));
        let logged = errors(&sandbox).split_off(before);
        assert_eq!(begun.text(), "", "{defect}\n{logged:#?}");
        assert_eq!(
            by_ssh.text(),
            sandbox.sh("readlink /proc/1/ns/mnt"),
            "{defect}"
        );
        assert!(!denied.stdout.contains("let in"), "{defect}: {denied:#?}");
        assert!(logged.len() >= 9, "{defect}: {logged:#?}");
    }
    session.end();
}

/// The view of a command is that of its caller then, and the host's in a login, as the policy says it.
#[test]
fn a_policy_says_also_for_failures_what_a_command_is() {
    let sandbox = machine!();
    let session = sandbox.start_session("alice");
    let rule = "[[private]]\npath = \"/srv/missing\"\n";
    let seen = |settings: &str| {
        sandbox.policy(&format!("[settings]\nexempt = []\n{settings}\n{rule}"));
        let seen = sandbox.run(&format!(
            "A={}; . /srv/ways; echo $(alice sudo -n cat /tmp/work/f) $(alice sudo -n pwd) \
             $(in_session su - -c 'cat /tmp/work/f')",
            session.pid
        ));
        seen.text()
    };
    assert_eq!(seen(""), "mine /tmp/work host");
    assert_eq!(seen("inherit = []"), "host /tmp/work host");
    assert_eq!(seen("add_inherit = [\"su-l\"]"), "mine /tmp/work mine");
    session.end();
}

#[test]
fn a_process_with_fewer_rights_lets_root_in() {
    let sandbox = machine!();
    let session = sandbox.start_session("alice");
    for policy in [FOR_ROOT, "[[private]]\npath = \"/tmp\"\n", "[[private"] {
        sandbox.policy(policy);
        for lacking in [
            "sys_admin",
            "sys_chroot",
            "dac_override",
            "sys_ptrace",
            "chown",
            "sys_admin,-sys_chroot,-dac_override,-dac_read_search,-chown,-fowner,-sys_ptrace",
        ] {
            let seen = sandbox.run(&format!(
                "A={}; . /srv/ways; without() {{ setpriv --bounding-set -{lacking} --inh-caps -{lacking} \"$@\"; }}
                 on_host() {{ local name=$1; shift; \"$@\" >/dev/null 2>/srv/err || echo \"$name: $(cat /srv/err)\"; }}
                 on_host su without su -c true; on_host 'su -' without su - -c true
                 on_host 'su - in a session' in_session setpriv --bounding-set -{lacking} --inh-caps -{lacking} su - -c true",
                session.pid
            ));
            assert_eq!(seen.text(), "", "without {lacking} under {policy}");
        }
        // Without /proc.
        let seen = sandbox.run(
            "unshare -m --propagation private sh -c 'umount -l /proc; su -c true && su - -c true' 2>&1",
        );
        assert_eq!(seen.text(), "", "under {policy}");
    }
    session.end();
}

/// With as many descriptors as su(1) needs without the module, it works with it.
#[test]
fn few_descriptors_let_root_in() {
    let sandbox = machine!();
    let session = sandbox.start_session("alice");
    sandbox.sh("cp /etc/pam.d/su /srv/su; sed -i /pam_jns/d /etc/pam.d/su");
    let script = format!(
        "A={}; . /srv/ways
         for n in {{3..40}}; do (ulimit -n $n; su -c true; su - -c true; in_session su -c true) >/dev/null 2>&1 </dev/null &&
             echo $n; done; true",
        session.pid
    );
    let works = sandbox.sh(&script);
    sandbox.sh("cp /srv/su /etc/pam.d/su");
    for policy in [FOR_ROOT, "[[private]]\npath = \"/tmp\"\n", "[[private"] {
        sandbox.policy(policy);
        assert_eq!(sandbox.sh(&script), works, "under {policy}");
    }
    eprintln!("descriptors: {}", works.replace('\n', " "));
    session.end();
}

#[test]
fn a_login_on_a_terminal_and_jobs_are_roots_under_a_broken_policy() {
    let sandbox = machine!();
    needs!(sandbox, "login", "cron");
    sandbox.sh("touch /run/utmp");
    let host = sandbox.sh("readlink /proc/1/ns/mnt");
    let jobs: String = (0..20)
        .map(|number| format!("* * * * * root readlink /proc/self/ns/mnt >/var/lib/job-{number}\n"))
        .collect();
    sandbox.policy(&format!("{FOR_ROOT}unknown = true\n"));
    let jobs = format!("{jobs}* * * * * alice touch /home/alice/job\n");
    sandbox.write("/etc/cron.d/jobs", jobs);
    sandbox.sh("cron");
    for policy in ["[[private", "\0", FOR_ROOT] {
        sandbox.sh("chown root /etc/security/jns.toml");
        sandbox.policy(&format!("{policy}\nunknown = true\n"));
        let seen = log_in(&sandbox, "root", "readlink /proc/self/ns/mnt");
        assert_eq!(seen.text(), host, "{policy:?}");
    }
    sandbox.wait_until("[ $(cat /var/lib/job-* 2>/dev/null | wc -l) = 20 ]");
    sandbox.sh("kill $(cat /run/crond.pid) && rm /run/crond.*");
    assert_eq!(sandbox.sh("sort -u /var/lib/job-*"), host);
    assert_eq!(sandbox.sh("ls /home/alice"), "", "alice's job is denied");
}

/// A user's directory over programs: root's own session does not believe it, and is none that root is denied.
#[test]
fn a_users_directory_where_root_believes_what_it_finds_is_not_shown_to_root() {
    let sandbox = machine!();
    sandbox.sh(
        "mkdir -p /usr/local/bin /srv/hers /srv/teams; chown alice /srv/hers; chgrp alice /srv/teams; chmod 775 /srv/teams
         ln -s /bin/echo /srv/hers/jns-program; ln -s /bin/echo /srv/teams/jns-program",
    );
    let look = "su -c '[ ! -e /usr/local/bin/jns-program ] && readlink /proc/self/ns/mnt'";
    let host = sandbox.sh("readlink /proc/1/ns/mnt");
    for (settings, rule, writer, source) in [
        ("exempt = []", "", "uid 2001", "/srv/hers"),
        ("exempt = []", "users = [\"root\"]", "uid 2001", "/srv/hers"),
        ("exempt = [\"root\"]", "", "uid 2001", "/srv/hers"),
        ("exempt = []", "", "somebody else than root", "/srv/teams"),
    ] {
        let rule = format!(
            "[settings]\n{settings}\n[[bind]]\nsource = \"{source}\"\npath = \"/usr/local/bin\"\n{rule}\n"
        );
        sandbox.policy(&rule);
        let before = sandbox.log().len();
        assert_eq!(sandbox.run(look).text(), host, "{rule}");
        let checked = sandbox.exec(&["jns", "check"]);
        let message = format!(
            "{writer} may write to {source}, and at /usr/local/bin root believes what is there"
        );
        assert!(!checked.succeeded(), "{rule}");
        assert!(checked.stdout.contains(&message), "{checked:#?}");
        if settings != "exempt = []" {
            continue;
        }
        let message = format!(
            "cannot cover /usr/local/bin: somebody else than root may write to {source}, and root believes what is there"
        );
        let log = sandbox.log().split_off(before);
        assert!(
            log.iter()
                .any(|line| line.starts_with("<83>") && line.contains(&message)),
            "{log:#?}"
        );
        let explained = sandbox.exec(&["jns", "explain", "root", "--service", "su"]);
        assert!(!explained.succeeded(), "{explained:#?}");
        let message = format!("root has the host's view, since the plan fails: {message}");
        assert!(explained.stdout.contains(&message), "{explained:#?}");
    }
    // A service's directory is no user's: logins get it, and nothing is wrong with the policy.
    sandbox.sh("chown system /srv/hers");
    let exempt = "[settings]\nexempt = [\"root\", \"uid:1-999\"]\n";
    sandbox.policy(&format!(
        "{exempt}[[bind]]\nsource = \"/srv/hers\"\npath = \"/usr/local/bin\"\n"
    ));
    sandbox.exec(&["jns", "check"]).text();
    sandbox
        .exec(&["su", "alice", "-c", "[ -e /usr/local/bin/jns-program ]"])
        .text();
    // Root's own /tmp is as before.
    sandbox.policy(FOR_ROOT);
    sandbox.exec(&["jns", "check"]).text();
    assert_ne!(sandbox.sh("su -c 'readlink /proc/self/ns/mnt'"), host);
}
