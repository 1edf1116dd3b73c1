//! `jns run` as it is used: each case that its ancestors are known for, and what a user expects of a program
//! that runs another.

mod control;
mod systems;
mod terminals;
mod usage_errors;
mod volumes;
mod without_rights;

use crate::sandbox::{Outcome, Sandbox, needs, ours_only, sandbox};

/// A program that prints which library it has loaded, and another library of that name.
const LIBRARIES: &str = r#"
mkdir -p /srv/lib /srv/lib32
for width in 64 32; do
    echo "const char *width(void) { return \"$width\"; }" >/srv/$width.c
    echo 'int puts(const char *); const char *width(void); int main(void) { return puts(width()) < 0; }' >/srv/app.c
done
gcc -shared -fPIC -o /srv/lib/libwidth.so /srv/64.c
gcc -shared -fPIC -o /srv/lib32/libwidth.so /srv/32.c
gcc -o /usr/local/bin/app /srv/app.c -L/srv/lib -lwidth -Wl,-rpath,/srv/lib
"#;

impl Sandbox {
    /// Runs a script as a user who has not logged in, in their home.
    fn run_as(&self, user: &str, script: &str) -> Outcome {
        let become_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"];
        let home = format!("HOME=/home/{user}");
        let script = format!("cd; {script}");
        let shell = ["env", &home, "bash", "-c", &script];
        self.exec(&[become_user.as_slice(), &shell].concat())
    }

    /// What a script prints for root, and for alice; each of them has the same rights to do it.
    fn assert_prints(&self, script: &str, expected: &str) {
        assert_eq!(self.run(script).text(), expected, "as root: {script}");
        assert_eq!(
            self.run_as("alice", script).text(),
            expected,
            "as alice: {script}"
        );
    }
}

#[test]
fn one_program_has_other_libraries() {
    ours_only!("command");
    let sandbox = sandbox!();
    needs!(sandbox, "gcc");
    sandbox.sh(LIBRARIES);
    let before = sandbox.state();
    sandbox.assert_prints(
        "app; jns run --bind /srv/lib32:/srv/lib -- app; app",
        "64\n32\n64",
    );
    if sandbox.run("command -v bwrap").succeeded() {
        let theirs = "bwrap --dev-bind / / --bind /srv/lib32 /srv/lib app";
        sandbox.assert_prints(theirs, "32");
    }
    before.assert_nothing_left(&sandbox);
}

#[test]
fn one_script_has_another_shell() {
    ours_only!("command");
    let sandbox = sandbox!();
    needs!(sandbox, "dash");
    let shell = "bash -c 'echo it is ${BASH_VERSION:+bash}'";
    let script = format!("{shell}; jns run --bind /bin/dash:/bin/bash -- {shell}; {shell}");
    sandbox.assert_prints(&script, "it is bash\nit is\nit is bash");
}

#[test]
fn files_are_what_the_options_say() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.sh(
        "mkdir /srv/some; echo 1 >/srv/some/one; echo 2 >/srv/two; mkdir /srv/some/in
            mount -t tmpfs x /srv/some/in; touch /srv/some/in/deep; touch /tmp/of-the-host",
    );
    let before = sandbox.state();
    let table = [
        ("--bind /srv/two:/srv/some/one -- cat /srv/some/one", "2"),
        (
            "--bind /srv/some/:/mnt/ -- find /mnt -type f -printf '%P '",
            "in/deep one",
        ),
        (
            "--bind /srv/some:/mnt:ro,noexec -- findmnt -no VFS-OPTIONS /mnt",
            "ro,noexec,relatime",
        ),
        (
            "--tmpfs /tmp:1M -- sh -c 'ls -A /tmp; stat -c %a /tmp; findmnt -rno SIZE /tmp | tail -n 1'",
            "1777\n1M",
        ),
        (
            "--hide /srv/some -- sh -c 'ls -A /srv/some; touch /srv/some/x 2>&1 | grep -c only'",
            "1",
        ),
        (
            "--hide /srv/two -- sh -c 'cat /srv/two 2>/dev/null; echo'",
            "",
        ),
        (
            "--private /tmp -- sh -c 'ls -A /tmp; touch /tmp/mine; echo'",
            "",
        ),
        ("--private /tmp -- ls -A /tmp", "mine"),
    ];
    for (options, expected) in table {
        sandbox.assert_prints(&format!("jns run {options}"), expected);
    }
    assert_eq!(sandbox.sh("ls -A /tmp"), "of-the-host");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn a_policy_file_is_where_the_options_begin() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.write(
        "/etc/box.toml",
        "[settings]\nexempt = [\"*\"]\nmode = \"observe\"\n[[tmpfs]]\npath = \"/mnt\"\nsize = \"2M\"\n\
         [[tmpfs]]\npath = \"/srv\"\nsize = \"2M\"\n[[env]]\nset = { WHO = \"{user}\" }\n\
         [[hide]]\npath = \"/opt\"\nservices = [\"sshd\"]\n",
    );
    let sizes = "findmnt -rno SIZE /mnt; findmnt -rno SIZE /srv; echo $WHO; mountpoint -q /opt || echo shown";
    let script = format!("jns run --config /etc/box.toml --tmpfs /srv:3M -- sh -c '{sizes}'");
    let expected = |user: &str| format!("2M\n3M\n{user}\nshown");
    assert_eq!(sandbox.run(&script).stdout.trim_end(), expected("root"));
    assert_eq!(
        sandbox.run_as("alice", &script).stdout.trim_end(),
        expected("alice")
    );

    let explained = sandbox.sh("jns run --config /etc/box.toml --tmpfs /srv:3M --explain");
    for line in ["/etc/box.toml:4", "--tmpfs"] {
        assert!(explained.contains(line), "{explained}");
    }
    assert_eq!(
        sandbox.sh("jns run --hide /srv --explain --json | head -c 1"),
        "{"
    );
    sandbox.sh("chown alice /etc/box.toml");
    let refused = sandbox.run("jns run --config /etc/box.toml -- touch /srv/ran");
    assert_eq!(refused.status.code(), Some(125), "{refused:?}");
    assert!(
        refused.stderr.contains("belongs to uid 2001"),
        "{refused:?}"
    );
    assert!(!sandbox.path("/srv/ran").exists());
}

#[test]
fn the_command_is_who_and_where_it_is_asked_to_be() {
    ours_only!("command");
    let sandbox = sandbox!();
    let rights =
        "grep -E '^(Uid|Gid|Groups|CapEff|NoNewPrivs):' /proc/self/status | tr -s '\\t ' ' '";
    let nothing = "CapEff: 0000000000000000\nNoNewPrivs: 1";
    let ids =
        |uid: u32, gid: u32| format!("Uid: {uid} {uid} {uid} {uid}\nGid: {gid} {gid} {gid} {gid}");
    for (options, expected) in [
        (
            "-u alice",
            format!("{}\nGroups: 2001 2100 \n{nothing}", ids(2001, 2001)),
        ),
        (
            "-u alice -g team",
            format!("{}\nGroups: 2001 2100 \n{nothing}", ids(2001, 2100)),
        ),
        (
            "-u 7777 -g 8888",
            format!("{}\nGroups: \n{nothing}", ids(7777, 8888)),
        ),
    ] {
        let seen = sandbox.sh(&format!("jns run {options} -- sh -c \"{rights}\""));
        assert_eq!(seen, expected, "{options}");
    }
    let clean = sandbox
        .sh("SECRET=x jns run -u alice -e A=1 -e 'B={user}=' -c /usr/ -- sh -c 'env; pwd' | sort");
    assert_eq!(
        clean,
        "/usr\nA=1\nB={user}=\nHOME=/home/alice\nLANG=C.UTF-8\nLOGNAME=alice\n\
         PATH=/usr/local/bin:/usr/bin:/bin\nPWD=/usr\nSHELL=/bin/bash\nTERM=xterm\nUSER=alice"
    );
    sandbox.assert_prints(
        "cd /usr; A=1 B=2 jns run -e B=3 -- sh -c 'echo $A $B; pwd'",
        "1 3\n/usr",
    );
    let refused = sandbox.run("jns run -u alice -c /root -- touch /tmp/ran");
    assert_eq!(refused.status.code(), Some(125), "{refused:?}");
    assert!(refused.stderr.contains("cannot enter /root"), "{refused:?}");
    assert!(!sandbox.path("/tmp/ran").exists());
}

#[test]
fn a_user_namespace_has_the_ids_that_are_mapped() {
    ours_only!("command");
    let sandbox = sandbox!();
    let seen = "id -u; tr -s ' ' </proc/self/uid_map; stat -c %u /etc/passwd; mount -t tmpfs x /mnt 2>&1 | grep -c denied";
    for (options, expected) in [
        ("-U", "0\n 0 0 4294967295\n0\n1"),
        (
            "-M 0:100000:65536 -G 0:100000:65536",
            "0\n 0 100000 65536\n65534\n1",
        ),
        ("-U -u alice", "2001\n 0 0 4294967295\n0\n0"),
        (
            "-M '5 100000 10' -G '5 100000 10'",
            "5\n 5 100000 10\n65534\n0",
        ),
    ] {
        let seen = sandbox.run(&format!("jns run {options} -- sh -c \"{seen}\""));
        assert_eq!(seen.stdout.trim_end(), expected, "{options} {seen:?}");
    }
    let refused = sandbox.run("jns run -U -M 5:5:5 -u alice -- touch /tmp/ran");
    assert_eq!(refused.status.code(), Some(125), "{refused:?}");
    assert!(!sandbox.path("/tmp/ran").exists());
}

#[test]
fn the_ledger_knows_roots_commands_while_they_run() {
    ours_only!("command");
    let sandbox = sandbox!();
    let before = sandbox.state();
    sandbox.sh("mkfifo /srv/go; jns run --private /tmp -- sh -c 'touch /tmp/mine; read x </srv/go' </dev/null &>/dev/null &");
    sandbox.wait_until("grep -qs jns /run/jns/session/*");
    let session = sandbox.only_session();
    assert_eq!(
        (session.service.as_str(), session.user.as_str()),
        ("jns", "root")
    );
    let shown = sandbox.jns(&["ps"]).text();
    assert!(
        shown.contains(session.id.as_str()) && !shown.contains("changed"),
        "{shown}"
    );
    sandbox.wait_until("[ -e /var/lib/jns/user/0/tmp/mine ]");
    let entered = sandbox
        .jns(&["enter", session.id.as_str(), "--", "ls", "/tmp"])
        .text();
    assert_eq!(entered, "mine");
    sandbox.sh("echo >/srv/go");
    sandbox.wait_until("[ -z \"$(ls /run/jns/session /run/jns/namespace | grep -v :)\" ]");
    sandbox.sh("rm /srv/go");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn hooks_of_a_policy_file_are_run_for_the_command() {
    ours_only!("command");
    let sandbox = sandbox!();
    let policy = |fails: &str| {
        let hook = |when: &str, script: &str| {
            format!("[[hook]]\nwhen = \"{when}\"\nrun = [\"/bin/sh\", \"-c\", \"{script}\"]\n")
        };
        let hooks = [
            hook("open", &format!("echo open >>/srv/log; echo said; {fails}")),
            hook("close", "echo close >>/srv/log"),
        ];
        sandbox.write("/etc/box.toml", hooks.concat());
        sandbox.run("jns run --config /etc/box.toml -- sh -c 'echo command >>/srv/log; exit 7'")
    };
    let outcome = policy("true");
    assert_eq!(outcome.status.code(), Some(7), "{outcome:?}");
    assert_eq!(outcome.stderr, "jns: /bin/sh: said\n");
    assert_eq!(
        sandbox.sh("cat /srv/log; rm /srv/log"),
        "open\ncommand\nclose"
    );
    let outcome = policy("exit 3");
    assert_eq!(outcome.status.code(), Some(125), "{outcome:?}");
    assert!(
        outcome.stderr.contains("its exit status is 3"),
        "{outcome:?}"
    );
    assert!(!sandbox.sh("cat /srv/log").contains("command"));
}
