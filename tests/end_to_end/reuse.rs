//! An id that is given to another account: the instances of the one before are set aside.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

/// The directory of the instances of the id that is given again.
const DIRECTORY: &str = "/var/lib/jns/user/2001";

impl Sandbox {
    /// A sandbox whose alice has a file in /tmp, in sessions of su, each with a namespace of its own.
    fn begin_with_a_secret(&self) {
        self.share_nothing();
        self.protect("su");
        self.su("alice", "touch /tmp/secret").text();
    }

    /// Gives the account that has alice's id another name.
    fn rename(&self, name: &str) {
        self.sh(&format!(
            "sed -i -E 's/^[^:]+(:[^:]*:2001:)/{name}\\1/' /etc/passwd
             sed -i -E 's/^(alice|carol|dave):/{name}:/' /etc/shadow"
        ));
    }

    /// Gives it another home directory.
    fn move_home(&self, home: &str) {
        self.sh(&format!(
            "mkdir -p {home}; chown 2001:2001 {home}
             sed -i -E 's-^(.*:2001:.*:)/[^:]+(:[^:]*)$-\\1{home}\\2-' /etc/passwd"
        ));
    }

    /// What userdel(8) and useradd(8) with the same id come to.
    fn give_id_to(&self, name: &str) {
        self.rename(name);
        self.move_home(&format!("/home/{name}"));
    }

    /// The paths of what was set aside, a line each.
    fn set_aside(&self) -> String {
        self.sh(&format!("ls -d {DIRECTORY}.former-* 2>/dev/null || true"))
    }

    /// How often it was logged that something was set aside.
    fn number_logged(&self) -> usize {
        let log = self.log().into_iter();
        log.filter(|line| line.contains("was alice's, whose instances in"))
            .count()
    }

    #[track_caller]
    fn assert_stays(&self, user: &str, why: &str) {
        assert_eq!(self.su(user, "ls /tmp").text(), "secret", "{why}");
        assert_eq!(self.set_aside(), "", "{why}");
    }

    #[track_caller]
    fn assert_apart(&self, user: &str) {
        assert_eq!(self.su(user, "ls /tmp").text(), "");
        assert_eq!(self.number_logged(), 1, "{:#?}", self.log());
        let aside = self.set_aside();
        assert_eq!(aside.lines().count(), 1, "{aside}");
        self.sh(&format!("[ -e {aside}/tmp/secret ]"));
    }
}

#[test]
fn another_account_gets_none_of_the_files_and_nothing_is_lost() {
    ours_only!("note of whose instances are");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.su("alice", "touch /tmp/secret").text();
    assert_eq!(
        sandbox.sh(&format!(
            "cat {DIRECTORY}/%account; stat -c ' %a %u' {DIRECTORY}/%account"
        )),
        "{\"name\":\"alice\",\"home\":\"/home/alice\"} 600 0"
    );
    let forms = |path: &str| {
        sandbox.sh(&format!(
            "cd {path}; stat -c '%n %a %u %g %i' . tmp tmp/secret"
        ))
    };
    let before = forms(DIRECTORY);
    sandbox.give_id_to("carol");
    sandbox.assert_apart("carol");
    sandbox.assert_apart("carol");
    let aside = sandbox.set_aside();
    assert_eq!(forms(&aside), before);
    sandbox.su("carol", "touch /tmp/carols").text();

    let left = format!("left {aside}: set aside: it is of alice, that had the id 2001 before");
    assert!(sandbox.gc().lines().any(|line| line == left));
    assert_eq!(sandbox.gc(), left);
    let output = sandbox.exec(&["jns", "doctor"]).stdout;
    assert!(
        output.contains(&format!("{aside} was set aside: it is of alice")),
        "{output}"
    );
    let collect = ["--deleted-users", "--verbose"];
    let would = sandbox.gc_with(&["--deleted-users", "--dry-run"]).text();
    let said = sandbox.gc_with(&collect).text();
    assert_eq!(
        said,
        format!("removed {aside}: there is no account alice with the id 2001, as before")
    );
    assert_eq!(would.replace("would remove", "removed"), said);
    assert_eq!(sandbox.set_aside(), "");
    assert_eq!(sandbox.su("carol", "ls /tmp").text(), "carols");
    let said = sandbox.gc_with(&collect).text();
    assert!(!said.contains("/var/lib/jns"), "{said}");
}

#[test]
fn what_was_set_aside_can_be_removed_when_it_is_old_and_not_while_its_account_is_there() {
    ours_only!("note of whose instances are");
    let sandbox = sandbox!();
    sandbox.begin_with_a_secret();
    sandbox.give_id_to("carol");
    sandbox.assert_apart("carol");
    let aside = sandbox.set_aside();
    sandbox.give_id_to("alice");
    let said = sandbox.sh("jns gc --linger 0s --deleted-users --verbose");
    assert!(said.starts_with(&format!("left {aside}: ")), "{said}");
    let older = ["--older-than", "5d", "--verbose"];
    assert!(
        sandbox
            .gc_with(&older)
            .text()
            .starts_with(&format!("left {aside}: "))
    );
    sandbox.sh(&format!("touch -d '10 days ago' {aside}"));
    assert_eq!(
        sandbox.gc_with(&older).text(),
        format!("removed {aside}: not used for 10 days")
    );
}

#[test]
fn one_of_name_and_home_alone_is_the_same_account() {
    ours_only!("note of whose instances are");
    let sandbox = sandbox!();
    sandbox.begin_with_a_secret();
    sandbox.rename("carol");
    sandbox.assert_stays("carol", "another name");
    sandbox.move_home("/home/carol");
    sandbox.assert_stays("carol", "another home after another name");
    sandbox.move_home("/srv/carol");
    sandbox.assert_stays("carol", "another home");
    sandbox.rename("dave");
    sandbox.assert_stays("dave", "another name after another home");
    assert_eq!(sandbox.number_logged(), 0);
}

/// Who joins a namespace does not open the store; the note is kept up to date all the same.
#[test]
fn one_after_the_other_is_the_same_account_to_those_who_join_too() {
    ours_only!("shared namespace");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.protect("su");
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    sandbox.su("alice", "touch /tmp/secret").text();
    sandbox.rename("carol");
    sandbox.assert_stays("carol", "another name");
    assert_eq!(sandbox.pins(), 1);
    sandbox.move_home("/home/carol");
    sandbox.assert_stays("carol", "another home");
    assert_eq!(sandbox.pins(), 1);
    session.end();
    sandbox.gc();
    sandbox.assert_stays("carol", "a new namespace");
    assert_eq!(sandbox.number_logged(), 0);
}

#[test]
fn two_accounts_that_have_one_id_keep_sharing_it() {
    ours_only!("note of whose instances are");
    let sandbox = sandbox!();
    sandbox.begin_with_a_secret();
    sandbox.sh("echo carol:x:2001:2001::/home/carol:/bin/bash >>/etc/passwd
            echo carol:*:19000:0:99999:7::: >>/etc/shadow
            mkdir /home/carol; chown 2001 /home/carol");
    for user in ["carol", "alice", "carol"] {
        sandbox.assert_stays(user, user);
    }
}

/// Nobody knows whose they are, so they are those of whoever comes next.
#[test]
fn instances_of_an_older_version_are_recorded_at_the_next_login() {
    ours_only!("note of whose instances are");
    let sandbox = sandbox!();
    sandbox.begin_with_a_secret();
    for note in ["rm", "truncate -s 0"] {
        sandbox.sh(&format!("{note} {DIRECTORY}/%account"));
        sandbox.assert_stays("alice", note);
        sandbox.sh(&format!("grep -q alice {DIRECTORY}/%account"));
    }
    sandbox.give_id_to("carol");
    sandbox.assert_apart("carol");
}

#[test]
fn of_many_first_logins_at_once_one_sets_them_aside() {
    ours_only!("note of whose instances are");
    let sandbox = sandbox!();
    sandbox.begin_with_a_secret();
    sandbox.give_id_to("carol");
    sandbox.sh("for i in {1..16}; do su carol -c 'touch /tmp/of-$$' & done; wait");
    assert_eq!(sandbox.number_logged(), 1, "{:#?}", sandbox.log());
    let aside = sandbox.set_aside();
    assert_eq!(sandbox.sh(&format!("ls {aside}/tmp")), "secret");
    assert_eq!(sandbox.su("carol", "ls /tmp | wc -l").text(), "16");
}

#[test]
fn a_login_that_fails_then_has_set_them_aside_once() {
    ours_only!("note of whose instances are");
    let sandbox = sandbox!();
    sandbox.begin_with_a_secret();
    sandbox.write(
        "/etc/security/jns.d/20-hook.toml",
        "[[hook]]\nwhen = \"open\"\nrun = [\"/bin/false\"]\n",
    );
    sandbox.give_id_to("carol");
    for _ in 0..2 {
        assert!(!sandbox.su("carol", "true").succeeded());
    }
    sandbox.sh("rm /etc/security/jns.d/20-hook.toml");
    sandbox.assert_apart("carol");
}

#[test]
fn a_login_that_is_killed_in_between_leaves_the_next_one_fine() {
    ours_only!("note of whose instances are");
    let sandbox = sandbox!();
    needs!(sandbox, "strace");
    sandbox.begin_with_a_secret();
    sandbox.give_id_to("carol");
    let killed = "strace -qq -o /dev/null -e trace=mkdirat -e inject=mkdirat:signal=KILL:when=1 \
                  su carol -c true || true";
    sandbox.sh(killed);
    sandbox.sh(&format!("[ ! -e {DIRECTORY} ]"));
    sandbox.assert_apart("carol");
}

/// Its view stays, and what it sees is not removed under it.
#[test]
fn a_running_session_of_the_account_before_goes_on() {
    ours_only!("note of whose instances are");
    let sandbox = sandbox!();
    sandbox.begin_with_a_secret();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    sandbox.give_id_to("carol");
    sandbox.assert_apart("carol");
    assert_eq!(
        session.run("sh -c 'touch /tmp/more; ls /tmp'").text(),
        "more\nsecret"
    );
    let aside = sandbox.set_aside();
    let output = sandbox.gc_with(&["--deleted-users"]);
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    assert!(
        output
            .stderr
            .contains(&format!("cannot remove {aside}: process ")),
        "{output:#?}"
    );
    session.end();
    sandbox.gc_with(&["--deleted-users"]).text();
    assert_eq!(sandbox.set_aside(), "");
}
