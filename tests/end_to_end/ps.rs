//! What `jns ps` prints of sessions that are open, over, or left over.

use crate::sandbox::{Sandbox, ours_only, sandbox};
use pam_jns::session::{Process, SessionRecord};
use serde_json::Value;

impl Sandbox {
    /// What `jns ps --json` prints.
    #[track_caller]
    fn list_sessions(&self, more: &[&str]) -> Value {
        let text = self.jns(&[&["ps", "--json"], more].concat()).text();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    /// alice's one namespace in it.
    #[track_caller]
    fn only_namespace(&self) -> Value {
        let list = self.list_sessions(&[]);
        let [user] = list["users"].as_array().expect("a list").as_slice() else {
            panic!("{list:#}");
        };
        assert_eq!(
            (&user["user"], &user["uid"]),
            (&"alice".into(), &2001.into())
        );
        let [namespace] = user["namespaces"].as_array().expect("a list").as_slice() else {
            panic!("{list:#}");
        };
        namespace.clone()
    }
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn a_session_is_listed_in_its_namespace() {
    ours_only!("command");
    let sandbox = sandbox!();
    assert_eq!(
        sandbox.jns(&["ps"]).text(),
        "no namespaces: no session has one"
    );
    sandbox.serve_ssh();
    assert_eq!(
        sandbox.jns(&["ps"]).text(),
        "no namespaces: no session has one"
    );
    let session = sandbox.start_session("alice");
    session
        .run("dd if=/dev/zero of=/dev/shm/file bs=1M count=3")
        .text();

    let namespace = sandbox.only_namespace();
    let documented = [
        "caller",
        "disk",
        "id",
        "init",
        "inode",
        "isolation",
        "made",
        "memory",
        "namespace",
        "paths",
        "pin",
        "pinned",
        "plan",
        "processes",
        "programs",
        "sessions",
        "unpinned",
    ];
    assert_eq!(keys(&namespace), documented);
    let name = sandbox.sh(&format!("readlink /proc/{}/ns/mnt", session.pid));
    let inside = sandbox.sh(&format!(
        "stat -L -c %i /proc/[0-9]*/ns/mnt | grep -c {}",
        namespace["inode"]
    ));
    assert_eq!(namespace["namespace"], name);
    assert_eq!(namespace["processes"].to_string(), inside);
    assert_eq!(namespace["pinned"], true);
    let memory = &namespace["memory"][0];
    assert_eq!(
        (&memory["path"], &memory["used"]),
        (&"/dev/shm".into(), &(3 << 20).into())
    );

    let listed = &namespace["sessions"][0];
    let documented = [
        "config", "id", "open", "opened", "pid", "plan", "rhost", "service", "stale", "tty",
    ];
    assert_eq!(keys(listed), documented);
    let record = sandbox.only_session();
    for (key, expected) in [
        ("id", Value::from(record.id.as_str())),
        ("service", "sshd".into()),
        ("rhost", "127.0.0.1".into()),
        ("pid", record.process.pid.into()),
        ("open", true.into()),
        ("stale", false.into()),
    ] {
        assert_eq!(listed[key], expected, "{key}");
    }
    session.end();
}

#[test]
fn the_list_can_be_of_one_user() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    let number = |user| {
        let list = sandbox.list_sessions(&[user]);
        list["users"].as_array().expect("a list").len()
    };
    assert_eq!((number("alice"), number("bob")), (1, 0));
    let unknown = sandbox.jns(&["ps", "no-such-user"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(unknown.stderr.contains("no such account"), "{unknown:?}");
    session.end();
}

#[test]
fn what_is_over_is_distinguished_from_what_is_left_over() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    let record = sandbox.only_session();
    sandbox.rewrite(&SessionRecord {
        process: Process {
            started: record.process.started + 1,
            ..record.process
        },
        ..record.clone()
    });
    assert_eq!(
        sandbox.only_namespace()["sessions"][0]["open"],
        false,
        "another process"
    );
    sandbox.rewrite(&record);
    assert_eq!(sandbox.only_namespace()["sessions"][0]["open"], true);

    session.kill_monitor();
    session.end();
    let namespace = sandbox.only_namespace();
    assert_eq!(namespace["processes"], 0);
    assert_eq!(namespace["sessions"][0]["open"], false);
    let text = sandbox.jns(&["ps"]).text();
    assert!(
        text.contains("  unused  ") && text.ends_with("left over"),
        "{text}"
    );
}

#[test]
fn a_session_of_an_older_policy_is_stale() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under("[[private]]\npath = \"/tmp\"\n");
    let session = sandbox.start_session("alice");
    let stale = || sandbox.only_namespace()["sessions"][0]["stale"].clone();
    let policies = [
        (
            "# moved\n\n[[private]]\npath = \"/tmp\"\n",
            Value::from(false),
        ),
        (
            "[[private]]\npath = \"/tmp\"\noptions = [\"noexec\"]\n",
            true.into(),
        ),
        (
            "[settings]\nexempt = [\"alice\"]\n[[private]]\npath = \"/tmp\"\n",
            true.into(),
        ),
        ("[[private]]\npaht = \"/tmp\"\n", Value::Null),
    ];
    for (policy, expected) in policies {
        sandbox.policy(policy);
        assert_eq!(stale(), expected, "{policy}");
    }
    sandbox.policy("");
    let text = sandbox.jns(&["ps"]).text();
    assert!(text.ends_with("policy changed since"), "{text}");
    session.end();
}

/// The plan of such a session holds its name, which is another one at each login.
#[test]
fn a_directory_of_the_sessions_own_makes_no_session_stale() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh_under("[[private]]\npath = \"/tmp\"\nper = \"session\"\n");
    let session = sandbox.start_session("alice");
    let namespace = sandbox.only_namespace();
    assert_eq!(namespace["sessions"][0]["stale"], false, "{namespace:#}");
    assert_eq!(namespace["pinned"], false);
    session.end();
}

#[test]
fn what_the_disk_holds_is_counted_when_asked() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    session
        .run("dd if=/dev/zero of=/tmp/file bs=1M count=2")
        .text();
    session.run("ln -s / /tmp/link").text();
    let list = sandbox.list_sessions(&["--space"]);
    let disk = &list["users"][0]["namespaces"][0]["disk"];
    let used = disk.as_array().expect("a list").iter().map(|directory| {
        assert_eq!(directory["complete"], true, "{directory}");
        directory["used"].as_u64().expect("a number")
    });
    let used: u64 = used.sum();
    assert!((2 << 20..3 << 20).contains(&used), "{disk:#}");
    session.end();
}

/// Names of hosts and terminals come from outside.
#[test]
fn text_from_outside_does_not_steer_the_terminal() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    let record = sandbox.only_session();
    let hostile = "\u{1b}[2J\u{9b}31m\r\nroot (0)\u{202e}".to_owned();
    sandbox.rewrite(&SessionRecord {
        tty: Some(hostile.clone()),
        rhost: Some(hostile.clone()),
        service: hostile.clone(),
        ..record
    });
    let text = sandbox.jns(&["ps"]).text();
    assert_eq!(text.lines().count(), 4, "{text}");
    let quiet = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
    assert!(text.chars().all(quiet), "{text:?}");
    assert_eq!(sandbox.only_namespace()["sessions"][0]["rhost"], hostile);
    session.end();
}

#[test]
fn a_record_that_cannot_be_read_hides_no_other() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let session = sandbox.start_session("alice");
    sandbox.sh("cd /run/jns/session; echo '{' >00; mkfifo 01; ln -s 00 02; mkdir 03; touch .jns-1; chown alice 00");
    let list = sandbox.jns(&["ps"]);
    assert_eq!(list.status.code(), Some(1));
    assert!(list.stdout.contains(" sshd "), "{list:?}");
    assert_eq!(list.stderr.lines().count(), 4, "{list:?}");
    let lines = list.stderr.lines().zip(["00", "01", "02", "03"]);
    for (line, name) in lines {
        let expected = format!("jns: cannot read /run/jns/session/{name}: ");
        assert!(line.starts_with(&expected), "{line}");
    }
    session.end();
}
