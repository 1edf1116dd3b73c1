//! Directories that pam_namespace has made, and those that it would make: the same ones, by the same names, with the
//! same programs run for them.

use crate::sandbox::peer::{BEFORE_1_5_2_MENDED, MENDED};
use crate::sandbox::{Sandbox, Subject, ours_only, sandbox};

impl Sandbox {
    /// Protects su by this policy; pam_namespace by that line, with those arguments. Both find `/t/poly`, for
    /// everybody, and `/t/inst`, where instances are, closed.
    fn hand_over(&self, policy: &str, line: &str, arguments: &str) {
        self.sh("mkdir -p -m 755 /t && mkdir -m 1777 /t/poly && mkdir -m 0 /t/inst");
        self.policy(&format!("[settings]\nexempt = [\"root\"]\n{policy}"));
        match self.subject {
            Subject::Ours => self.protect("su"),
            Subject::Theirs => {
                self.write("/etc/security/namespace.conf", format!("{line}\n"));
                self.protect_with("su", "required", arguments);
            }
        }
    }

    /// Adds a user of that name without a home.
    fn add_user(&self, name: &str, uid: u32) {
        self.sh(&format!(
            "echo '{name}:*:{uid}:{uid}::/:/bin/sh' >>/etc/passwd"
        ));
    }

    /// Makes a program for `init` that notes its arguments and its environment, and then does `more`.
    fn note_init(&self, more: &str) {
        let script = format!(
            "#!/bin/sh\necho \"$#: $*\" $(tr '\\0' ' ' </proc/$$/environ) >>/srv/written\n{more}\n"
        );
        self.write("/srv/init", script);
        self.sh("chmod 755 /srv/init && : >/srv/written");
    }

    /// Each program was given that, in this order, and how safe its two paths are to name where the module says it.
    #[track_caller]
    fn assert_given(&self, calls: &[[&str; 2]]) {
        let lines = |line: fn(&[&str; 2]) -> String| {
            let lines: Vec<_> = calls.iter().map(line).collect();
            lines.join("\n")
        };
        let with_four = lines(|[arguments, _]| format!("4: {arguments}"));
        let with_six = lines(|[arguments, safe]| format!("6: {arguments} {safe}"));
        let (written, version) = (self.written(), self.peer());
        let has_four = version.is_among(&BEFORE_1_5_2_MENDED);
        let has_six = MENDED.iter().any(|mended| version.is_among(mended));
        match self.subject {
            Subject::Theirs if has_four => assert_eq!(written, with_four, "{version}"),
            Subject::Theirs if !has_six => {
                assert!(
                    [with_four, with_six].contains(&written),
                    "{version}: {written}"
                );
            }
            Subject::Ours | Subject::Theirs => assert_eq!(written, with_six, "{version}"),
        }
    }

    /// What was written since the last time.
    fn written(&self) -> String {
        self.sh("cat /srv/written; : >/srv/written")
    }
}

const POLY: &str = "[[private]]\npath = \"/t/poly\"\nstore = \"/t/inst/{user}\"\n";

#[test]
fn long_names_are_cut_and_hashed() {
    let sandbox = sandbox!();
    let policy = format!("{POLY}hash = \"long\"\n");
    sandbox.hand_over(&policy, "/t/poly /t/inst/ user root", "");
    let names = [80, 81, 100].map(|length| "u".repeat(length));
    for (name, uid) in names.iter().zip(3001..) {
        sandbox.add_user(name, uid);
        assert_eq!(
            sandbox.su(name, "touch /t/poly/mine && id -u").text(),
            uid.to_string()
        );
    }
    let cut = "u".repeat(47);
    let expected = [
        format!("{cut}_819c5b0f2c4d63c5149f620125c9d2fc"),
        format!("{cut}_{}", md5_of(&sandbox, &names[2])),
        names[0].clone(),
    ];
    let mut expected = expected.map(|name| format!("/t/inst/{name}/mine"));
    expected.sort();
    let found = sandbox.sh("find /t/inst -type f | LC_ALL=C sort");
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

fn md5_of(sandbox: &Sandbox, text: &str) -> String {
    sandbox.sh(&format!("printf %s {text} | md5sum | cut -d' ' -f1"))
}

#[test]
fn hashed_names_begin_with_what_stands_before_them() {
    let sandbox = sandbox!();
    let policy =
        "[[private]]\npath = \"/t/poly\"\nstore = \"/t/inst/of-{user}\"\nhash = \"always\"\n";
    sandbox.hand_over(policy, "/t/poly /t/inst/of- user root", "gen_hash");
    sandbox.su("alice", "touch /t/poly/mine").text();
    let expected = "/t/inst/of-6384e2b2184bcbf58eccf10ca7a6563c/mine";
    assert_eq!(sandbox.sh("find /t/inst -type f"), expected);
}

#[test]
fn a_store_may_lie_below_what_is_covered() {
    let sandbox = sandbox!();
    sandbox.hand_over(
        "[[private]]\npath = \"/var/tmp\"\nstore = \"/var/tmp/tmp-inst/{user}\"\n",
        "/var/tmp /var/tmp/tmp-inst/ user root",
        "",
    );
    sandbox.sh("mkdir -m 0 /var/tmp/tmp-inst && rm -f /var/tmp/mine");
    let before = sandbox.state();
    for seen in ["", "mine"] {
        assert_eq!(
            sandbox
                .su("alice", "ls -A /var/tmp; touch /var/tmp/mine")
                .text(),
            seen
        );
    }
    assert_eq!(
        sandbox.sh("cat /var/tmp/mine 2>&1 || find /var/tmp/tmp-inst -name mine"),
        "cat: /var/tmp/mine: No such file or directory\n/var/tmp/tmp-inst/alice/mine"
    );
    assert_eq!(sandbox.su("bob", "ls -A /var/tmp").text(), "");
    if sandbox.subject == Subject::Ours {
        sandbox.sh("su alice -c 'touch /srv/in; sleep 600' & sleep 0.1");
        sandbox.wait_until("pgrep -f '^sleep 600'");
        assert_eq!(sandbox.su("alice", "ls -A /var/tmp").text(), "mine");
        assert!(sandbox.sh("jns ps").contains("alice"));
        sandbox.sh("jns gc --linger 0s");
        let shown = sandbox.sh("jns explain alice --service su");
        assert!(shown.contains("/var/tmp/tmp-inst/alice"), "{shown}");
        sandbox.sh("pkill -f '^sleep 600' || true; jns gc --linger 0s");
    }
    assert_eq!(sandbox.sh("ls /var/tmp/tmp-inst"), "alice\nbob");
    sandbox.sh("rm -r /var/tmp/tmp-inst/*");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn programs_that_prepare_are_given_the_same_at_every_login() {
    let sandbox = sandbox!();
    sandbox.note_init("");
    let policy = format!(
        "namespace = \"session\"\n{POLY}init = \"/srv/init\"\n\
         [[tmpfs]]\npath = \"/dev/shm\"\ninit = \"/srv/init\"\n"
    );
    let lines = "/dev/shm tmpfs tmpfs:iscript=/srv/init root\n\
                 /t/poly /t/inst/ user:iscript=/srv/init root";
    sandbox.hand_over(&policy, lines, "");
    for new in ["1", "0"] {
        assert!(sandbox.su("alice", "true").succeeded());
        sandbox.assert_given(&[
            ["/dev/shm tmpfs 1 alice", "1 0"],
            [&format!("/t/poly /t/inst/alice {new} alice"), "1 1"],
        ]);
    }
}

/// Whoever is in root's group could put something else in the place of what lies in `/t`.
#[test]
fn programs_that_prepare_are_warned_of_a_name_that_others_could_move() {
    let sandbox = sandbox!();
    sandbox.note_init("");
    let policy = format!("{POLY}init = \"/srv/init\"\n");
    let line = "/t/poly /t/inst/ user:iscript=/srv/init root";
    sandbox.hand_over(&policy, line, "");
    for (mode, safe) in [("775", "0 0"), ("1775", "1 1"), ("755", "1 1")] {
        sandbox.sh(&format!("chmod {mode} /t && rm -rf /t/inst/alice"));
        assert!(sandbox.su("alice", "true").succeeded(), "{mode}");
        sandbox.assert_given(&[["/t/poly /t/inst/alice 1 alice", safe]]);
    }
}

/// Also where the policy is not read again.
#[test]
fn what_another_login_prepared_is_not_new() {
    ours_only!("namespaces that several logins share");
    let sandbox = sandbox!();
    sandbox.note_init("");
    sandbox.hand_over(&format!("{POLY}init = \"/srv/init\"\n"), "", "");
    sandbox.join_a_session_twice();
    let of = |new: &str| format!("6: /t/poly /t/inst/alice {new} alice 1 1");
    assert_eq!(sandbox.written(), [of("1"), of("0"), of("0")].join("\n"));
}

#[test]
fn an_instance_that_could_not_be_prepared_is_taken_back() {
    ours_only!("regard for the exit status of its scripts");
    let sandbox = sandbox!();
    sandbox.note_init("mkdir -p $1/a/b; echo >$2/c; [ -e /srv/may ] || exit 3");
    sandbox.hand_over(&format!("{POLY}init = \"/srv/init\"\n"), "", "");
    let before = sandbox.state();
    for _ in 0..2 {
        assert!(!sandbox.su("alice", "true").succeeded());
        sandbox.assert_reason_logged(&[
            "cannot run the init /srv/init of /t/poly: its exit status is 3",
            "jns.toml:6",
        ]);
        assert_eq!(sandbox.written(), "6: /t/poly /t/inst/alice 1 alice 1 1");
        assert_eq!(sandbox.sh("ls -A /t/inst"), "");
        before.assert_nothing_left(&sandbox);
    }
    sandbox.sh("touch /srv/may");
    assert_eq!(sandbox.su("alice", "ls /t/poly").text(), "a\nc");
    sandbox.sh("rm /srv/may");
    assert!(!sandbox.su("alice", "true").succeeded());
    assert_eq!(sandbox.sh("ls /t/inst/alice"), "a\nc", "an older one stays");
}

#[test]
fn what_cannot_prepare_denies_or_warns() {
    ours_only!("on_failure");
    let sandbox = sandbox!();
    sandbox.note_init("exit 3");
    sandbox.hand_over("", "", "");
    let policy = |program: &str, more: &str| format!("{POLY}init = \"{program}\"\n{more}");
    for (program, before, reason) in [
        (
            "/srv/init",
            "true",
            "cannot run the init /srv/init of /t/poly: its exit status is 3",
        ),
        (
            "/srv/none",
            "true",
            "cannot run the init /srv/none of /t/poly: No such file or directory",
        ),
        (
            "/srv/init",
            "chmod 775 /srv/init",
            "cannot run the init /srv/init of /t/poly: ",
        ),
        (
            "/srv/init",
            "chmod 644 /srv/init",
            "cannot run the init /srv/init of /t/poly: Permission denied",
        ),
    ] {
        sandbox.sh(before);
        sandbox.policy(&policy(program, ""));
        assert!(!sandbox.su("alice", "true").succeeded(), "{before}");
        sandbox.assert_reason_logged(&[reason]);
        sandbox.policy(&policy(program, "on_failure = \"warn\"\n"));
        assert!(sandbox.su("alice", "true").succeeded(), "{before}");
        sandbox.assert_reason_logged(&[reason]);
        sandbox.sh("rm -rf /t/inst/alice");
    }
}

#[test]
fn a_missing_parent_is_made_closed() {
    let sandbox = sandbox!();
    sandbox.hand_over(POLY, "/t/poly /t/inst/ user root", "");
    sandbox.sh("rmdir /t/inst");
    sandbox.su("alice", "touch /t/poly/mine").text();
    assert_eq!(sandbox.sh("stat -c '%a %u %g' /t/inst"), "0 0 0");
    assert_eq!(sandbox.sh("find /t/inst -type f"), "/t/inst/alice/mine");
    sandbox.sh("mv /t/inst /t/away");
    sandbox.sh("install -d -o bob -m 0 /t/inst");
    assert!(!sandbox.su("alice", "true").succeeded(), "bob's");
}

/// The user could put a link to a directory of root's there.
#[test]
fn no_program_is_led_by_a_user() {
    ours_only!("regard for that");
    let sandbox = sandbox!();
    sandbox.note_init("");
    sandbox.hand_over(
        "[[private]]\npath = \"/t/poly\"\nstore = \"/t/poly/inst/{user}\"\ninit = \"/srv/init\"\n",
        "",
        "",
    );
    sandbox.sh("mkdir -m 0 /t/poly/inst");
    sandbox.su("alice", "ln -s /etc /t/poly/inst").text();
    assert!(sandbox.su("alice", "true").succeeded());
    let of = |new: &str| format!("6: /t/poly /t/poly {new} alice 1 1");
    assert_eq!(sandbox.written(), [of("1"), of("0")].join("\n"));

    sandbox.sh("install -d -o alice ~alice/own");
    sandbox.policy("[[private]]\npath = \"{home}/own\"\ninit = \"/srv/init\"\n");
    assert!(!sandbox.su("alice", "true").succeeded());
    sandbox.assert_reason_logged(&["cannot use ", "who could replace"]);
    assert_eq!(sandbox.written(), "");
}

#[test]
fn the_parent_of_an_instance_keeps_others_out_or_in_their_place() {
    ours_only!("rules with modes of their own");
    let sandbox = sandbox!();
    sandbox.hand_over("", "", "");
    let any = format!("{POLY}parent = \"any\"\n");
    for (mode, policy, reason) in [
        ("0", POLY, None),
        ("700", POLY, None),
        ("711", POLY, Some("give the rule `parent = \"any\"`")),
        ("755", POLY, Some("give the rule `parent = \"any\"`")),
        ("711", any.as_str(), None),
        ("755", any.as_str(), None),
        ("1777", any.as_str(), Some("root alone may write there")),
        ("777", any.as_str(), Some("is writable by others than root")),
        ("1770", any.as_str(), Some("root alone may write there")),
    ] {
        let group = if mode == "1770" { "team" } else { "root" };
        sandbox.sh(&format!("chgrp {group} /t/inst && chmod {mode} /t/inst"));
        sandbox.policy(policy);
        let login = sandbox.su("alice", "true");
        assert_eq!(login.succeeded(), reason.is_none(), "{mode} {policy}");
        if let Some(reason) = reason {
            sandbox.assert_reason_logged(&[reason]);
        }
        sandbox.sh("rm -rf /t/inst/alice");
    }
}
