//! The promise that every way in keeps: a user has directories of their own, and nobody else notices.

use super::{Outcome, Sandbox, Subject};

/// The directories that the built-in policy makes private.
const LIST: &str = "cd / && for d in /tmp /var/tmp /dev/shm; do echo $d: $(ls -A $d); done";

impl Sandbox {
    /// What a view of the private directories looks like in which each holds only `name`.
    pub fn listing(name: &str) -> String {
        ["/tmp", "/var/tmp", "/dev/shm"]
            .map(|directory| format!("{directory}: {name}").trim_end().to_owned())
            .join("\n")
    }

    /// Puts a file named of-`who` into each private directory, for `who`'s view to be known by.
    pub fn marking(who: &str) -> String {
        format!("touch /tmp/of-{who} /var/tmp/of-{who} /dev/shm/of-{who}")
    }

    /// The files in each private directory: what [`Sandbox::listing`] is compared with.
    pub fn list() -> &'static str {
        LIST
    }

    /// Asserts that `login(user, script)`, a way of running a script in a session of `service`, gives
    /// alice and bob directories of their own, shows root and the system account the host's, logs the
    /// log, and leaves nothing behind.
    #[track_caller]
    pub fn assert_own_directories(&self, service: &str, login: impl Fn(&str, &str) -> Outcome) {
        let mark_and_list = format!("{} && {LIST}", Self::marking("alice"));
        self.sh(&Self::marking("host"));
        let before = self.state();

        assert_eq!(
            login("alice", &mark_and_list).text(),
            Self::listing("of-alice")
        );
        assert_eq!(login("bob", LIST).text(), Self::listing(""), "bob's view");
        for exempt in ["root", "system"] {
            let seen = login(exempt, LIST).text();
            assert_eq!(seen, Self::listing("of-host"), "the view of {exempt}");
        }
        assert_eq!(self.sh(LIST), Self::listing("of-host"), "the host's view");
        let disk = login("alice", "ls /tmp /var/tmp").text();
        assert_eq!(
            disk, "/tmp:\nof-alice\n\n/var/tmp:\nof-alice",
            "alice's next view"
        );

        before.assert_nothing_left(self);
        self.assert_logins_logged(service, &["alice", "bob", "alice"]);
    }

    /// Asserts that the log has one line at level info for each of these logins, in this order, and none
    /// for anybody else's.
    #[track_caller]
    pub fn assert_logins_logged(&self, service: &str, users: &[&str]) {
        if self.subject == Subject::Theirs {
            return; // it logs a login only with the option debug
        }
        let lines = self.logins();
        let is_logged = lines.iter().zip(users).all(|(line, user)| {
            is_at_level(line, 6)
                && [user, service, "/tmp", "/var/tmp", "/dev/shm"]
                    .iter()
                    .all(|word| line.contains(*word))
        });
        assert!(
            is_logged && lines.len() == users.len(),
            "logins of {users:?} in {lines:#?}"
        );
    }

    /// The module's lines about sessions that got a namespace.
    pub fn logins(&self) -> Vec<String> {
        let mut lines = self.log();
        lines.retain(|line| line.contains("pam_jns") && line.contains("mnt:["));
        lines
    }

    /// Asserts that the log gives a reason that contains each of `words`, at level error.
    #[track_caller]
    pub fn assert_reason_logged(&self, words: &[&str]) {
        let log = self.log();
        let is_logged = log.iter().any(|line| {
            line.contains("pam_jns")
                && is_at_level(line, 3)
                && words.iter().all(|word| line.contains(word))
        });
        assert!(is_logged, "no error with {words:?} in {log:#?}");
    }
}

/// Whether a message's priority has this severity (3 error, 4 warning, 6 info).
fn is_at_level(line: &str, level: u32) -> bool {
    let priority = line
        .strip_prefix('<')
        .and_then(|rest| rest.split('>').next());
    priority
        .and_then(|number| number.parse::<u32>().ok())
        .is_some_and(|number| number % 8 == level)
}
