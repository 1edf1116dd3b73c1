//! An id that is given to another account: the instances of the one before are set aside.

use crate::bed::{Bed, bed, needs, ours_only};

/// The directory of the instances of the id that is given again.
const DIRECTORY: &str = "/var/lib/jns/user/2001";

impl Bed {
    /// A bed whose alice has a file in /tmp, in sessions of su, each with a namespace of its own.
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
    fn assert_kept(&self, user: &str, why: &str) {
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
    let bed = bed!();
    bed.protect("su");
    bed.su("alice", "touch /tmp/secret").text();
    assert_eq!(
        bed.sh(&format!(
            "cat {DIRECTORY}/%account; stat -c ' %a %u' {DIRECTORY}/%account"
        )),
        "{\"name\":\"alice\",\"home\":\"/home/alice\"} 600 0"
    );
    let forms = |path: &str| {
        bed.sh(&format!(
            "cd {path}; stat -c '%n %a %u %g %i' . tmp tmp/secret"
        ))
    };
    let before = forms(DIRECTORY);
    bed.give_id_to("carol");
    bed.assert_apart("carol");
    bed.assert_apart("carol");
    let aside = bed.set_aside();
    assert_eq!(forms(&aside), before);
    bed.su("carol", "touch /tmp/carols").text();

    let left = format!("left {aside}: set aside: it is of alice, that had the id 2001 before");
    assert!(bed.gc().lines().any(|line| line == left));
    assert_eq!(bed.gc(), left);
    let told = bed.exec(&["jns", "doctor"]).stdout;
    assert!(
        told.contains(&format!("{aside} was set aside: it is of alice")),
        "{told}"
    );
    let collect = ["jns", "gc", "--deleted-users"];
    let would = bed
        .exec(&["jns", "gc", "--deleted-users", "--dry-run"])
        .text();
    let said = bed.exec(&collect).text();
    assert_eq!(
        said,
        format!("removed {aside}: there is no account alice with the id 2001, as before")
    );
    assert_eq!(would.replace("would remove", "removed"), said);
    assert_eq!(bed.set_aside(), "");
    assert_eq!(bed.su("carol", "ls /tmp").text(), "carols");
    let said = bed.exec(&collect).text();
    assert!(!said.contains("/var/lib/jns"), "{said}");
}

#[test]
fn what_was_set_aside_can_be_removed_when_it_is_old_and_not_while_its_account_is_there() {
    ours_only!("note of whose instances are");
    let bed = bed!();
    bed.begin_with_a_secret();
    bed.give_id_to("carol");
    bed.assert_apart("carol");
    let aside = bed.set_aside();
    bed.give_id_to("alice");
    let said = bed.exec(&["jns", "gc", "--deleted-users"]).text();
    assert!(said.starts_with(&format!("left {aside}: ")), "{said}");
    let older = ["jns", "gc", "--older-than", "5d"];
    assert!(
        bed.exec(&older)
            .text()
            .starts_with(&format!("left {aside}: "))
    );
    bed.sh(&format!("touch -d '10 days ago' {aside}"));
    assert_eq!(
        bed.exec(&older).text(),
        format!("removed {aside}: not used for 10 days")
    );
}

#[test]
fn one_of_name_and_home_alone_is_the_same_account() {
    ours_only!("note of whose instances are");
    let bed = bed!();
    bed.begin_with_a_secret();
    bed.rename("carol");
    bed.assert_kept("carol", "another name");
    bed.move_home("/home/carol");
    bed.assert_kept("carol", "another home after another name");
    bed.move_home("/srv/carol");
    bed.assert_kept("carol", "another home");
    bed.rename("dave");
    bed.assert_kept("dave", "another name after another home");
    assert_eq!(bed.number_logged(), 0);
}

/// Who joins a namespace does not open the store; the note is kept up to date all the same.
#[test]
fn one_after_the_other_is_the_same_account_to_those_who_join_too() {
    ours_only!("shared namespace");
    let bed = bed!();
    bed.share();
    bed.protect("su");
    bed.serve_ssh();
    let session = bed.start_session("alice");
    bed.su("alice", "touch /tmp/secret").text();
    bed.rename("carol");
    bed.assert_kept("carol", "another name");
    assert_eq!(bed.pins(), 1);
    bed.move_home("/home/carol");
    bed.assert_kept("carol", "another home");
    assert_eq!(bed.pins(), 1);
    session.end();
    bed.gc();
    bed.assert_kept("carol", "a new namespace");
    assert_eq!(bed.number_logged(), 0);
}

#[test]
fn two_accounts_that_have_one_id_keep_sharing_it() {
    ours_only!("note of whose instances are");
    let bed = bed!();
    bed.begin_with_a_secret();
    bed.sh("echo carol:x:2001:2001::/home/carol:/bin/bash >>/etc/passwd
            echo carol:*:19000:0:99999:7::: >>/etc/shadow
            mkdir /home/carol; chown 2001 /home/carol");
    for user in ["carol", "alice", "carol"] {
        bed.assert_kept(user, user);
    }
}

/// Nobody can tell whose they are, so they are those of whoever comes next.
#[test]
fn instances_of_an_older_version_are_noted_at_the_next_login() {
    ours_only!("note of whose instances are");
    let bed = bed!();
    bed.begin_with_a_secret();
    for note in ["rm", "truncate -s 0"] {
        bed.sh(&format!("{note} {DIRECTORY}/%account"));
        bed.assert_kept("alice", note);
        bed.sh(&format!("grep -q alice {DIRECTORY}/%account"));
    }
    bed.give_id_to("carol");
    bed.assert_apart("carol");
}

#[test]
fn of_many_first_logins_at_once_one_sets_them_aside() {
    ours_only!("note of whose instances are");
    let bed = bed!();
    bed.begin_with_a_secret();
    bed.give_id_to("carol");
    bed.sh("for i in {1..16}; do su carol -c 'touch /tmp/of-$$' & done; wait");
    assert_eq!(bed.number_logged(), 1, "{:#?}", bed.log());
    let aside = bed.set_aside();
    assert_eq!(bed.sh(&format!("ls {aside}/tmp")), "secret");
    assert_eq!(bed.su("carol", "ls /tmp | wc -l").text(), "16");
}

#[test]
fn a_login_that_fails_then_has_set_them_aside_once() {
    ours_only!("note of whose instances are");
    let bed = bed!();
    bed.begin_with_a_secret();
    bed.write(
        "/etc/security/jns.d/20-hook.toml",
        "[[hook]]\nwhen = \"open\"\nrun = [\"/bin/false\"]\n",
    );
    bed.give_id_to("carol");
    for _ in 0..2 {
        assert!(!bed.su("carol", "true").succeeded());
    }
    bed.sh("rm /etc/security/jns.d/20-hook.toml");
    bed.assert_apart("carol");
}

#[test]
fn a_login_that_is_killed_in_between_leaves_the_next_one_fine() {
    ours_only!("note of whose instances are");
    let bed = bed!();
    needs!(bed, "strace");
    bed.begin_with_a_secret();
    bed.give_id_to("carol");
    let killed = "strace -qq -o /dev/null -e trace=mkdirat -e inject=mkdirat:signal=KILL:when=1 \
                  su carol -c true || true";
    bed.sh(killed);
    bed.sh(&format!("[ ! -e {DIRECTORY} ]"));
    bed.assert_apart("carol");
}

/// Its view stays, and what it sees is not removed under it.
#[test]
fn a_running_session_of_the_account_before_goes_on() {
    ours_only!("note of whose instances are");
    let bed = bed!();
    bed.begin_with_a_secret();
    bed.serve_ssh();
    let session = bed.start_session("alice");
    bed.give_id_to("carol");
    bed.assert_apart("carol");
    assert_eq!(
        session.run("sh -c 'touch /tmp/more; ls /tmp'").text(),
        "more\nsecret"
    );
    let aside = bed.set_aside();
    let told = bed.exec(&["jns", "gc", "--deleted-users"]);
    assert_eq!(told.status.code(), Some(1), "{told:#?}");
    assert!(
        told.stderr
            .contains(&format!("cannot remove {aside}: process ")),
        "{told:#?}"
    );
    session.end();
    bed.exec(&["jns", "gc", "--deleted-users"]).text();
    assert_eq!(bed.set_aside(), "");
}
