//! What people can give su and ssh to read: names, arguments and variables that steer terminals, forge records or
//! lead elsewhere. What comes of it is what comes of it without the module, whose records stay lines.

use crate::sandbox::{Outcome, Sandbox, Subject, Terminal, ours_only, sandbox};
use crate::shared::NAMESPACE;
use pam_jns::error::steers;
use pam_jns::session::SessionRecord;
use std::io::Write;

/// For a log, a terminal, a format, a template, a path and an option.
const WORDS: &[&[u8]] = &[
    b"",
    b"two\nlines",
    b"alice\n<86>pam_jns[1]: (su:open) session of root by su: made mnt:[1]",
    b"\r<86>pam_jns[1]: forged",
    b"\x1b[2J\x1b]0;title\x07\x08\x7f",
    b"\xc2\x9b31m\xc2\x85",
    b"\xff\xfe\xc3",
    "left\u{202e}right\u{feff}\u{2028}".as_bytes(),
    b"%s%n%99999999d",
    b"{user}{home}}}{",
    b"..",
    b"/",
    b"../../../etc/shadow",
    b"/home/alice/../bob",
    b"DOMAIN\\user",
    b"gr\xc3\xb6\xc3\x9fe",
    b"-rf",
    b"+alice",
    b"~alice",
    b"alice ",
    &[b'n'; 256],
];

/// A word as bash reads it, whatever it holds.
fn quoted(word: &[u8]) -> String {
    let bytes = word.iter().map(|byte| format!("\\x{byte:02x}"));
    format!("$'{}'", bytes.collect::<String>())
}

/// Begins an ssh whose user is named by its configuration: the client takes more from there than from its command line.
fn ssh_as(name: &[u8]) -> String {
    let file = "/root/.ssh/config.other";
    let line = format!("printf 'User \"%s\"\\n' {}", quoted(name));
    format!("{line} | cat - /root/.ssh/config >{file}; ssh -o BatchMode=yes -F {file} localhost")
}

/// What root or a user could be lured to make, and whatever is in the store and no instance.
const FILES: &str = "find /etc /home /root /srv /var/lib/jns /var/log -printf '%p %y %m %U:%G\\n' |
    grep -avE '^/var/lib/jns(/user|/user/[0-9]+(/%account)?|/(user/[0-9]+/)?(tmp|var-tmp)(/.*)?)? |^/var/log/(lastlog|.tmp) '";

/// How a command ended, and what it wrote.
fn heard(outcome: Outcome) -> (Option<i32>, String, String) {
    (outcome.status.code(), outcome.stdout, outcome.stderr)
}

impl Sandbox {
    /// Starts an sshd that takes all variables, and bears with a client that knows no name.
    fn start_patient_sshd(&self, options: &str) {
        let penalties = "! /usr/sbin/sshd -T 2>/dev/null | grep -qi ^persourcepenalties || echo -o PerSourcePenalties=no";
        let penalties = self.sh(penalties);
        self.start_sshd(&format!("{penalties} {options}"));
    }

    /// Asserts that each script of the host ends and writes the same when su and sshd use the module as before, that
    /// nothing is left of them, and that the module's records are of their sessions alone.
    #[track_caller]
    fn assert_same_with_the_module(&self, scripts: &[String]) {
        let hear = || scripts.iter().map(|script| heard(self.run(script)));
        let without: Vec<_> = hear().collect();
        self.protect("su");
        self.protect("sshd");
        let (before, files, since) = (self.state(), self.sh(FILES), self.log().len());
        let with: Vec<_> = hear().collect();
        for ((script, without), with) in scripts.iter().zip(without).zip(with) {
            assert_eq!(without, with, "{script}");
        }
        before.assert_nothing_left(self);
        self.assert_files(&files);
        let records = self.records(since);
        let is_login = |line: &String| line.starts_with("<86>");
        assert!(records.iter().all(is_login), "{records:#?}");
    }

    #[track_caller]
    fn assert_files(&self, expected: &str) {
        let found = self.sh(FILES);
        let is_new = |line: &&str| !expected.lines().any(|known| known == *line);
        let new: Vec<_> = found.lines().filter(is_new).collect();
        assert_eq!(new, [""; 0]);
    }

    /// The module's records since a line of the log: one line each, and of its own making.
    #[track_caller]
    fn records(&self, since: usize) -> Vec<String> {
        let mut log = self.log().split_off(since);
        // What su and sshd say of a name is theirs, also where it looks like a record.
        log.retain(|line| {
            line.split_once('>')
                .is_some_and(|(_, text)| text.starts_with("pam_jns["))
        });
        for line in &log {
            assert!(!line.contains(steers), "{line:?}");
            assert!(!line.contains(">pam_jns[1]: "), "{line:?}");
        }
        log
    }

    /// Adds an account, with a home of its own and root's key in it. Its name may be anything that a line of
    /// passwd(5) can hold.
    fn account(&self, name: &[u8], uid: u32, home: &str) {
        let rest = format!(":*:{uid}:{uid}::{home}:/bin/bash\n");
        let file = std::fs::File::options()
            .append(true)
            .open(self.path("/etc/passwd"));
        file.and_then(|mut file| file.write_all(&[name, rest.as_bytes()].concat()))
            .expect("root may add an account");
        self.sh(&format!(
            "install -d -m 700 -o {uid} -g {uid} {home} {home}/.ssh
             install -m 600 -o {uid} -g {uid} /root/.ssh/authorized_keys {home}/.ssh/"
        ));
    }
}

#[test]
fn a_name_that_nobody_has_is_refused_as_without_the_module() {
    let sandbox = sandbox!();
    sandbox.start_patient_sshd("");
    let script = |word: &&[u8]| {
        let (name, ssh) = (quoted(word), ssh_as(word));
        format!(
            "su -- {name} -c id; echo $?; ssh -o BatchMode=yes -l {name} localhost id; echo $?
             {ssh} id"
        )
    };
    sandbox.assert_same_with_the_module(&WORDS.iter().map(script).collect::<Vec<_>>());
    let reached = |line: &&String| line.contains(": Invalid user ");
    let log = sandbox.log();
    assert!(log.iter().filter(reached).count() > WORDS.len(), "{log:#?}");
}

#[test]
fn arguments_mean_what_they_mean_without_the_module() {
    let sandbox = sandbox!();
    sandbox.start_patient_sshd("");
    sandbox.sh("printf '%s:x:%s:\\n' 'DOMAIN\\user' 2200 größe 2201 >>/etc/group");
    let script = |word: &&[u8]| {
        let word = quoted(word);
        let calls = [
            format!("su -s {word} alice -c id"),
            format!("su -c {word} alice"),
            format!("su -g {word} alice -c id"),
            format!("su - -w {word} alice -c 'env | sort'"),
            format!("su alice -c 'printf %q \"$0$*\"' {word} {word}"),
            format!("ssh -o BatchMode=yes alice@localhost {word}"),
        ];
        let commands = calls.map(|call| format!("{call}\necho \" $?\""));
        commands.join("\n")
    };
    sandbox.assert_same_with_the_module(&WORDS.iter().map(script).collect::<Vec<_>>());
}

/// What the loader, the C library, shells, Rust and the module itself might read.
const VARIABLES: &[&[u8]] = &[
    b"LD_PRELOAD=/home/alice/evil.so",
    b"LD_AUDIT=/home/alice/evil.so",
    b"LD_LIBRARY_PATH=/home/alice",
    b"GLIBC_TUNABLES=glibc.malloc.check=3",
    b"LOCPATH=/home/alice",
    b"LC_ALL=\xff\x1b[2J",
    b"TZ=:/home/alice/../../etc/shadow",
    b"HOSTALIASES=/etc/shadow",
    b"RUST_BACKTRACE=full",
    b"RUST_LOG=trace",
    b"RUST_MIN_STACK=1",
    b"TMPDIR=/home/alice/../../etc\n",
    b"XDG_RUNTIME_DIR=/run/jns",
    b"XDG_STATE_HOME=..",
    b"BASH_ENV=/home/alice/evil",
    b"ENV=/home/alice/evil",
    b"IFS=/",
    b"PS4=$(/usr/bin/touch /home/alice/lured)",
    b"SHELLOPTS=hashall",
    b"BASH_FUNC_env%%=() { echo lured; }",
    b"TERM=\x1b]0;title\x07",
    b"JNS_USER=root\n<86>pam_jns[1]: forged",
    b"JNS_UID=0",
    b"JNS_PATH=..",
    b"JNS_INSTANCE=/etc",
    b"JNS_SERVICE={user}%n%s",
    b"JNS_CONFIG=/home/alice/evil",
    b"PAM_USER=root",
    b"PAM_TTY=\x1b[2J",
    b"PAM_RHOST=",
    b"LISTEN_FDS=3",
    b"NOTIFY_SOCKET=@evil",
    b"NAME=gr\xc3\xb6\xc3\x9fe \xe2\x80\xae",
    b"{user}={home}",
    b"..=/",
];

/// Prints all variables but those that differ from one ssh session to the next.
const PRINT: &str =
    "/usr/bin/env -0 | /usr/bin/sort -z | /usr/bin/grep -azv ^SSH_ | /usr/bin/tr \\\\0 \\\\n";

#[test]
fn variables_reach_the_session_as_without_the_module_and_nothing_of_its_own() {
    let sandbox = sandbox!();
    sandbox.write("/home/alice/evil", "/usr/bin/touch /home/alice/lured\n");
    sandbox.policy(
        "[settings]\nexempt = [\"root\"]\n[[private]]\npath = \"/tmp\"\n\
         [[hook]]\nwhen = \"open\"\nrun = [\"/bin/sh\", \"-c\", \"env >>/srv/written\"]\n",
    );
    let environment: Vec<_> = VARIABLES.iter().map(|word| quoted(word)).collect();
    let with = format!("env HOME=$'/root\\x1b' {}", environment.join(" "));
    let without_newlines = VARIABLES.iter().filter(|word| !word.contains(&b'\n'));
    let file: Vec<_> = without_newlines
        .map(|word| [word, &b"\n"[..]].concat())
        .collect();
    sandbox.write("/home/bob/.ssh/environment", file.concat());
    sandbox.write("/root/secret", "secret\n");
    sandbox.sh("touch /srv/written; chmod 644 /root/secret; chmod 711 /root");
    sandbox.start_patient_sshd("-o PermitUserEnvironment=yes -o AcceptEnv=*");

    let as_alice = "setpriv --reuid alice --regid alice --init-groups --reset-env";
    let su = "/usr/bin/su";
    let ssh = "/usr/bin/ssh -o BatchMode=yes -o SendEnv=*";
    let scripts = [
        format!("{with} {su} alice -c '{PRINT}'"),
        format!("{with} {su} - alice -c '{PRINT}'"),
        format!("{with} {su} -p -s /bin/bash alice -c '{PRINT}'"),
        format!("{as_alice} {with} {su} bob -c '{PRINT}' </root/secret"),
        format!("{as_alice} {with} {su} - bob -c '{PRINT}' </root/secret"),
        format!("{with} {ssh} alice@localhost '{PRINT}'"),
        format!("{with} {ssh} bob@localhost '{PRINT}'"),
    ];
    // Programs of one pipe complain of the same at the same time.
    let scripts = scripts.map(|script| format!("{{ {script}; echo $?; }} 2>&1 | sort"));
    sandbox.assert_same_with_the_module(&scripts);

    let written = sandbox.sh("cat /srv/written");
    let users = written.lines().filter(|line| line.starts_with("JNS_USER="));
    let users: Vec<_> = users.collect();
    if sandbox.subject == Subject::Ours {
        let [alice, bob] = ["JNS_USER=alice", "JNS_USER=bob"];
        assert_eq!(users, [alice, alice, alice, bob, bob, alice, bob]);
        let is_known = |line: &str| {
            let known = [
                "JNS_USER=",
                "JNS_UID=200",
                "JNS_SERVICE=s",
                "PATH=/usr/",
                "PWD=/",
            ];
            known.iter().any(|start| line.starts_with(start))
        };
        assert!(written.lines().all(is_known), "{written}");
    }
}

/// Names that getpwnam(3) finds, and that are one component of a path.
const NAMES: &[&[u8]] = &[
    b"DOMAIN\\user",
    b"gr\xc3\xb6\xc3\x9fe",
    b"two words",
    b"user@example.org",
    b"%s%n%x",
    b"{user}",
    b"$(id)",
    b"*",
    b"2001",
    b"tab\there",
    b"colour\x1b[31m",
    "left\u{202e}right".as_bytes(),
    &[b'n'; 255],
];

/// Names that are more than a component, or none.
const UNUSABLE: &[&[u8]] = &[b"..", b"../bob", b"a/b", &[b'n'; 256]];

/// Prints who one is, and writes down in the home what one sees of others' files.
const LOOK: &str =
    "id -u; pwd; { readlink /proc/self/ns/mnt; ls -A /tmp; } >>~/seen; touch /tmp/of-$UID";

/// Logs in by su and by ssh.
fn logins(name: &[u8]) -> [String; 2] {
    [
        format!("su -- {} -c 'cd; {LOOK}'", quoted(name)),
        format!("{} '{LOOK}'", ssh_as(name)),
    ]
}

#[test]
fn accounts_with_odd_names_log_in_and_have_directories_of_their_own() {
    let sandbox = sandbox!();
    let more = match sandbox.subject {
        Subject::Ours => UNUSABLE, // whose id the built-in policy uses
        Subject::Theirs => &[],
    };
    let accounts: Vec<_> = (3000..).zip(NAMES.iter().chain(more)).collect();
    for (uid, name) in &accounts {
        sandbox.account(name, *uid, &format!("/home/odd-{uid}"));
    }
    sandbox.start_patient_sshd("");
    let hear = |name: &[u8]| logins(name).map(|login| heard(sandbox.run(&login)));
    let without: Vec<_> = accounts.iter().map(|(_, name)| hear(name)).collect();
    for ((_, name), [su, ssh]) in accounts.iter().zip(&without).take(NAMES.len()) {
        assert_eq!(su.0, Some(0), "{su:?}");
        // The client of OpenSSH 10 replaces `%s` itself.
        let is_clear = !name.contains(&b'%');
        assert!(ssh.0 == Some(0) || !is_clear, "{ssh:?}");
    }
    sandbox.protect("su");
    sandbox.protect("sshd");
    sandbox.sh("rm -f /tmp/of-* /home/odd-*/seen; touch /tmp/of-host");
    let (before, files) = (sandbox.state(), sandbox.sh(FILES));

    for ((uid, name), without) in accounts.iter().zip(without) {
        let (case, since) = (String::from_utf8_lossy(name), sandbox.log().len());
        assert_eq!(hear(name), without, "{case:?}");
        let seen = sandbox.sh(&format!(
            "cat /home/odd-{uid}/seen; rm /home/odd-{uid}/seen"
        ));
        let logins = without.iter().filter(|login| login.0 == Some(0)).count();
        let views: Vec<_> = seen
            .lines()
            .filter(|line| line.starts_with("mnt:"))
            .collect();
        assert_eq!(views.len(), logins, "{case:?}: {seen}");
        assert!(!views.contains(&sandbox.sh(NAMESPACE).as_str()), "{case:?}");
        let seen: Vec<_> = seen
            .lines()
            .filter(|line| !line.starts_with("mnt:"))
            .collect();
        let own = format!("of-{uid}");
        assert_eq!(seen, vec![own.as_str(); logins - 1], "{case:?}");
        let records = sandbox.records(since);
        if sandbox.subject == Subject::Ours {
            assert_eq!(records.len(), logins, "{case:?}: {records:#?}");
            assert!(
                records.iter().all(|line| line.starts_with("<86>")),
                "{records:#?}"
            );
        }
    }
    before.assert_nothing_left(&sandbox);
    sandbox.assert_files(&files);
}

/// Instances, arguments, variables and records that have the user's name.
const NAMED: &str = "\
[settings]
exempt = [\"root\"]
[[private]]
path = \"/tmp\"
store = \"/srv/named/{user}\"
[[env]]
set = { WHO = \"{user}\" }
[[hook]]
when = \"open\"
run = [\"/bin/sh\", \"-c\", 'printf \"%s|%s|\" \"$0\" \"$JNS_USER\" >/srv/written', \"{user}\"]
";

#[test]
fn a_name_that_leads_elsewhere_is_refused_where_it_is_part_of_a_path() {
    ours_only!("templates");
    let sandbox = sandbox!();
    let accounts: Vec<_> = (3000..).zip(NAMES.iter().chain(UNUSABLE)).collect();
    for (uid, name) in &accounts {
        sandbox.account(name, *uid, &format!("/home/odd-{uid}"));
    }
    sandbox.account(b"b\xe4r", 2900, "/home/latin");
    sandbox.sh("mkdir -m 700 /srv/named; touch /srv/written");
    sandbox.policy(NAMED);
    sandbox.protect("su");
    let before = sandbox.state();
    let log_in =
        |name: &[u8]| sandbox.run(&format!("su -- {} -c 'printf %s \"$WHO\"'", quoted(name)));

    for name in NAMES {
        let (case, since) = (String::from_utf8_lossy(name), sandbox.log().len());
        assert_eq!(log_in(name).text(), case, "{case:?}");
        assert_eq!(sandbox.sh("cat /srv/written"), format!("{case}|{case}|"));
        assert_eq!(sandbox.records(since).len(), 1, "{case:?}");
    }
    for name in UNUSABLE.iter().chain([&&b"b\xe4r"[..]]) {
        let (case, since) = (String::from_utf8_lossy(name), sandbox.log().len());
        let login = log_in(name);
        assert!(
            !login.succeeded() && login.stdout.is_empty(),
            "{case:?}: {login:?}"
        );
        let records = sandbox.records(since);
        let [refusal] = records.as_slice() else {
            panic!("{case:?}: {records:#?}");
        };
        assert!(refusal.starts_with("<83>"), "{refusal:?}");
    }
    let made = sandbox.sh("find /srv -mindepth 2 -maxdepth 2 -printf '%f\\0' | sort -z");
    let mut names: Vec<_> = NAMES
        .iter()
        .map(|name| [name, &b"\0"[..]].concat())
        .collect();
    names.sort();
    assert_eq!(made, String::from_utf8_lossy(&names.concat()));
    before.assert_nothing_left(&sandbox);
}

/// The policy's principals are names.
#[test]
fn another_name_of_roots_is_judged_by_that_name() {
    ours_only!("exemption by name alone");
    let sandbox = sandbox!();
    sandbox.account(b"toor", 0, "/home/toor");
    sandbox.serve_ssh();
    sandbox.protect("su");
    let host = sandbox.sh(NAMESPACE);
    assert_ne!(sandbox.su("toor", NAMESPACE).text(), host);
    sandbox.sh("[ -d /var/lib/jns/user/0/tmp ]");
    assert_eq!(sandbox.su("root", NAMESPACE).text(), host);
    assert_ne!(sandbox.ssh("toor", NAMESPACE).text(), host);
    sandbox.policy("[settings]\nexempt = [\"uid:0\"]\n[[private]]\npath = \"/tmp\"\n");
    assert_eq!(sandbox.su("toor", NAMESPACE).text(), host);
}

/// Rules that look at what a client says of itself.
const CURIOUS: &str = "\
[settings]
exempt = [\"root\"]
[[private]]
path = \"/tmp\"
[[env]]
set = { TERMINAL = \"odd\" }
ttys = [\"/srv/odd*\"]
[[env]]
set = { HOST = \"odd\" }
rhosts = [\"*\\u001b*\"]
";

impl Sandbox {
    /// Waits for the session in which a script sleeps, and asserts that the command and the log show it like every
    /// other.
    #[track_caller]
    fn only_tame_session(&self, since: usize) -> SessionRecord {
        self.wait_until("pgrep -fx 'sleep 1000'");
        let shown = self.jns(&["ps"]).text();
        assert!(!shown.contains(|c| c != '\n' && steers(c)), "{shown:?}");
        assert!(!shown.contains("\n<86>"), "{shown:?}");
        assert!(shown.contains("odd\\u{1b}["), "{shown:?}");
        assert_eq!(self.records(since).len(), 1);
        self.only_session()
    }
}

/// A name that no file of /dev has; a user cannot give it to a terminal, but root.
#[test]
fn the_name_of_a_terminal_is_text() {
    ours_only!("record of sessions");
    let sandbox = sandbox!();
    sandbox.account(b"odd\x1b[2J<86>%s%n{user}", 3000, "/home/odd");
    sandbox.policy(CURIOUS);
    sandbox.protect("su");
    let directory = "/srv/odd\x1b[2J\n<86>pam_jns[1]: (su:open) forged%n{user}";
    let place = quoted(directory.as_bytes());
    sandbox.sh(&format!("mkdir {place}; mount --bind /dev/pts {place}"));
    let mut terminal = Terminal::open(&sandbox);
    let number = terminal.name.trim_start_matches("/dev/pts/").to_owned();
    let since = sandbox.log().len();

    sandbox.sh(&format!(
        "chown 3000 {place}/{number}
         setpriv --reuid 3000 --regid 3000 --clear-groups --reset-env setsid -c \
             su alice -c 'echo $TERMINAL >/tmp/seen; exec sleep 1000' \
             <{place}/{number} >{place}/{number} 2>&1 &"
    ));
    terminal.expect("assword:");
    terminal.send("secret\n");
    let session = sandbox.only_tame_session(since);
    assert_eq!(session.tty, Some(format!("{directory}/{number}")));
    assert_eq!(sandbox.sh("cat /var/lib/jns/user/2001/tmp/seen"), "odd");
}

/// As its owner has it, who can be the user.
#[test]
fn the_name_of_a_host_is_text() {
    ours_only!("record of sessions");
    let sandbox = sandbox!();
    sandbox.sh("sed '1i 127.0.0.1 odd\\x1b[31m<86>pam_jns[1]:%n{user}' /etc/hosts >/srv/hosts; cp /srv/hosts /etc/hosts");
    sandbox.policy(CURIOUS);
    sandbox.protect("sshd");
    sandbox.start_patient_sshd("-o UseDNS=yes");
    let since = sandbox.log().len();

    sandbox.sh("ssh -o BatchMode=yes bob@localhost 'echo $HOST >/tmp/seen; exec sleep 1000' >/srv/ssh 2>&1 &");
    let session = sandbox.only_tame_session(since);
    assert_eq!(
        session.rhost.as_deref(),
        Some("odd\x1b[31m<86>pam_jns[1]:%n{user}")
    );
    assert_eq!(sandbox.sh("cat /var/lib/jns/user/2002/tmp/seen"), "odd");
}
