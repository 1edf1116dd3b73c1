//! Many logins at once, of one user and of many.

use crate::sandbox::{Sandbox, ours_only, sandbox};
use crate::shared::NAMESPACE;
use std::collections::BTreeSet;

/// The first of the ids of [`Sandbox::add_users`].
const FIRST_ID: usize = 5000;

impl Sandbox {
    /// Adds accounts named user0, user1 and so on.
    fn add_users(&self, count: usize) {
        let ids = 0..count;
        let lines = |line: fn(usize) -> String| ids.clone().map(line).collect::<String>();
        let accounts = lines(|i| {
            let id = FIRST_ID + i;
            format!("user{i}:x:{id}:{id}::/home/user{i}:/bin/bash\n")
        });
        let groups = lines(|i| format!("user{i}:x:{}:\n", FIRST_ID + i));
        self.write("/root/passwd", accounts);
        self.write("/root/group", groups);
        self.sh(
            "cat /root/passwd >>/etc/passwd; cat /root/group >>/etc/group
             cut -d: -f1 /root/passwd | sed 's/$/:*:19000:0:99999:7:::/' >>/etc/shadow
             while IFS=: read -r name _ id _; do
                 install -d -o $id -g $id -m 700 /home/$name
             done </root/passwd; rm /root/passwd /root/group",
        );
    }

    /// Asserts that nobody holds a lock of a user's, or of the pins.
    #[track_caller]
    pub fn assert_nothing_locked(&self) {
        let held =
            self.sh("for lock in /run/jns/lock/*; do flock -n $lock true || echo $lock; done");
        assert_eq!(held, "", "held locks");
    }

    /// Asserts that the log has no warning and no error of the module's.
    #[track_caller]
    pub fn assert_no_complaint_logged(&self) {
        let mut lines = self.log();
        let is_complaint = |line: &str| {
            let level = line
                .strip_prefix('<')
                .and_then(|rest| rest.split('>').next());
            let level = level.and_then(|number| number.parse::<u32>().ok());
            line.contains("pam_jns") && level.is_some_and(|level| level % 8 < 5)
        };
        lines.retain(|line| is_complaint(line));
        assert_eq!(lines, [""; 0]);
    }
}

/// A script that logs alice in `width` times at once by `login`, and prints the names of the namespaces.
fn at_once(width: usize, login: &str) -> String {
    let script = format!("touch /tmp/of-alice-$$; {NAMESPACE}");
    format!(
        "for i in {{1..{width}}}; do {login} '{script}' >/root/seen-$i || echo login $i failed & done; wait
         cat /root/seen-*; rm /root/seen-*"
    )
}

/// `width` logins of alice, twice: all of them are in one namespace.
fn assert_crowd_meets(width: usize, serve: impl Fn(&Sandbox), login: &str) {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.share();
    serve(&sandbox);
    let before = sandbox.state();
    let first = sandbox.sh(&at_once(width, login));
    let later = sandbox.sh(&at_once(width, login));

    let all: Vec<_> = first.lines().chain(later.lines()).collect();
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), 1, "{different:?}\n{:#?}", sandbox.log());
    assert_eq!(all.len(), 2 * width);
    assert_eq!(sandbox.pins(), 1);
    sandbox.assert_nothing_locked();
    sandbox.assert_no_complaint_logged();
    let files = "find /var/lib/jns -name 'of-alice-*' | wc -l";
    assert_eq!(
        sandbox.sh(files),
        (2 * width).to_string(),
        "files in one /tmp"
    );
    before.assert_nothing_left(&sandbox);
}

#[test]
fn sixteen_logins_of_one_user_by_su_meet() {
    assert_crowd_meets(16, |sandbox| sandbox.protect("su"), "su alice -c");
}

#[test]
fn sixty_four_logins_of_one_user_by_su_meet() {
    assert_crowd_meets(64, |sandbox| sandbox.protect("su"), "su alice -c");
}

#[test]
fn sixteen_logins_of_one_user_by_ssh_meet() {
    assert_crowd_meets(16, Sandbox::serve_ssh, "ssh -l alice localhost");
}

#[test]
fn a_thousand_logins_of_a_hundred_users_meet_by_user() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.protect("su");
    sandbox.add_users(100);
    let before = sandbox.state();

    // Every user comes again before the first has come ten times.
    let seen = sandbox.sh(&format!(
        "for round in {{1..10}}; do for i in {{0..99}}; do echo user$i; done; done |
             xargs -P 16 -I USER su USER -c 'echo USER $({NAMESPACE}) $(touch /tmp/USER; ls /tmp)'"
    ));
    let lines: Vec<_> = seen.lines().collect();
    assert_eq!(lines.len(), 1000, "{:#?}", sandbox.log());
    let different: BTreeSet<_> = lines.iter().collect();
    assert_eq!(
        different.len(),
        100,
        "a user has one namespace: {different:#?}"
    );
    let namespaces: BTreeSet<_> = lines.iter().map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(namespaces.len(), 100, "and shares it with nobody");
    for line in lines {
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(
            words[2..],
            [words[0]],
            "in /tmp are the user's own files: {line}"
        );
    }
    assert_eq!(sandbox.pins(), 100);
    assert_eq!(sandbox.pins_of(&FIRST_ID.to_string()), 1);
    sandbox.assert_nothing_locked();
    sandbox.assert_no_complaint_logged();
    before.assert_nothing_left(&sandbox);
}

/// A pin for each plan: the policy changes while they come.
#[test]
fn logins_under_a_policy_that_changes_all_the_time_get_all_of_one_version() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.protect("su");
    let before = sandbox.state();
    let version = |mode: &str| {
        format!(
            "[[tmpfs]]\npath = \"/srv\"\nmode = \"{mode}\"\n[[tmpfs]]\npath = \"/opt\"\nmode = \"{mode}\"\n"
        )
    };
    sandbox.write("/root/0", version("0700"));
    sandbox.write("/root/1", version("0711"));
    let policy = "/etc/security/jns.d/50-more.toml";
    let seen = sandbox.sh(&format!(
        "cp -p /root/0 {policy}
         (for i in {{1..200}}; do cp -p /root/$((i % 2)) /etc/new; mv /etc/new {policy}; sleep 0.01; done) &
         seq 200 |
             xargs -P 8 -I ROUND su alice -c 'echo $({NAMESPACE}) $(stat -c %a /srv /opt)'
         wait"
    ));
    // How many namespaces there are of one version is not known: a login that makes one of the other version
    // removes what nobody is in at that moment.
    let mut versions = BTreeSet::new();
    for line in seen.lines() {
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(words[1], words[2], "half of one version, half of another");
        versions.insert(words[1]);
    }
    assert_eq!(seen.lines().count(), 200);
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), ["700", "711"]);
    assert!((1..=2).contains(&sandbox.pins()), "{} pins", sandbox.pins());
    before.assert_nothing_left(&sandbox);
}
