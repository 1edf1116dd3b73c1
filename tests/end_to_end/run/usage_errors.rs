//! Bad input of every option.

use crate::sandbox::{ours_only, sandbox};

/// What is typed, and what is said about it.
const TABLE: &[(&str, &str)] = &[
    ("ls", "a command comes behind `--`"),
    ("--bin /a:/b", "'--bind'"),
    ("--private", "a value is required"),
    (
        "--private tmp",
        "must be absolute, \"tmp\" does not begin with a slash",
    ),
    ("--private /", "the root directory cannot be used here"),
    ("--private /proc/1", "a path must not be in /proc"),
    ("--tmpfs mnt", "must be absolute"),
    ("--tmpfs /mnt:lots", "such as \"512M\""),
    ("--tmpfs /mnt:0", "such as \"512M\""),
    ("--tmpfs /mnt:1M:ro", "PATH[:SIZE]"),
    ("--bind /usr", "SRC:DST[:OPTIONS]"),
    ("--bind /a:/b:ro:rw", "SRC:DST[:OPTIONS]"),
    ("--bind :/mnt", "a path must not be empty"),
    ("--bind /usr:mnt", "must be absolute"),
    ("--bind /usr:/mnt:read-only", "unknown value \"read-only\""),
    ("--bind /usr:/mnt:ro,rw", "repeats or contradicts"),
    ("--bind /usr/../etc:/mnt", "must not have `.` or `..`"),
    ("--hide etc", "must be absolute"),
    ("--overlay usr", "must be absolute"),
    ("--volume /srv", "DIR:PATH"),
    (
        "--volume /srv:/mnt",
        "neither gocryptfs nor encfs has encrypted /srv",
    ),
    ("--root ''", "a path must not be empty"),
    ("--fstab /etc/fstab", "--root <DIR>"),
    ("--root /srv --fstab ''", "a path must not be empty"),
    (
        "--processes few",
        "expected one of \"shared\", \"hidden\", \"own\"",
    ),
    ("--processes hiden", "did you mean \"hidden\"?"),
    ("--ipc none", "expected one of \"shared\", \"own\""),
    ("--hostname 'my host'", "a host name is 1 to 64"),
    ("--hostname '{user}'", "a host name is 1 to 64"),
    ("--network off", "\"name:NAME\""),
    ("--network name:../x", "must not hold a slash"),
    (
        "--user nobody-of-that-name",
        "there is no such user; give a name or a number",
    ),
    ("--user 4294967295", "there is no such user"),
    ("--user 7777", "say which --group"),
    (
        "--group nobodies",
        "there is no such group; give a name or a number",
    ),
    ("--env A", "NAME=VALUE"),
    ("--env 1=2", "does not start with a digit"),
    ("--chdir ''", "a path must not be empty"),
    ("--pidfile ''", "a path must not be empty"),
    ("--background=yes", "unexpected value 'yes'"),
    ("--uid-map 0", "INSIDE:OUTSIDE[:COUNT]"),
    ("--gid-map 0:1:2:3", "INSIDE:OUTSIDE[:COUNT]"),
    ("--user-namespace=1", "unexpected value '1'"),
    ("--config", "a value is required"),
    ("--json", "--explain"),
    ("--explain --config", "a value is required"),
    (
        "--tmpfs /mnt --hide /mnt",
        "another option is for the same path",
    ),
    ("--root /a --root /b", "cannot be used multiple times"),
];

#[test]
fn is_one_line_that_says_what_would_be_right() {
    ours_only!("command");
    let sandbox = sandbox!();
    let before = sandbox.state();
    for (options, expected) in TABLE {
        let outcome = sandbox.run(&format!("cd /srv; jns run {options} -- touch /srv/ran"));
        assert_eq!(outcome.status.code(), Some(2), "{options}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{options}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{options}: {outcome:?}");
        assert!(outcome.stderr.contains(expected), "{options}: {outcome:?}");
        assert!(!sandbox.path("/srv/ran").exists(), "{options}");
    }
    before.assert_unchanged(&sandbox);
}

/// What is understood, and cannot be done.
#[test]
fn what_cannot_be_done_is_status_125_and_leaves_nothing() {
    ours_only!("command");
    let sandbox = sandbox!();
    sandbox.sh(
        "install -d -o alice /srv/alices /srv/alices/x; echo x >/srv/file; echo [[bnd]] >/etc/bad.toml
            echo /dev/none /mnt >/etc/bad.fstab; install -d /srv/root",
    );
    let before = sandbox.state();
    for (options, expected) in [
        (
            "--bind /none:/mnt",
            "cannot open /none: No such file or directory (--bind)",
        ),
        (
            "--tmpfs /none",
            "cannot open /none: No such file or directory (--tmpfs)",
        ),
        (
            "--bind /srv/file:/mnt",
            "both directories or both files (--bind)",
        ),
        (
            "--bind /srv/alices/x:/mnt",
            "/srv/alices belongs to uid 2001",
        ),
        ("--tmpfs /srv/file", "it is not a directory (--tmpfs)"),
        ("--tmpfs /var/lib", "would cover the store"),
        ("--private /mnt --hide /none", "cannot open /none"),
        (
            "--root /none",
            "cannot open /none: No such file or directory",
        ),
        (
            "--root /srv/root --fstab /etc/bad.fstab",
            "/etc/bad.fstab:1",
        ),
        ("--network name:none", "none"),
        ("--config /etc/bad.toml", "did you mean `[[bind]]`?"),
        ("--config /none", "/none"),
        ("--chdir /none", "cannot enter /none"),
        ("--pidfile /none/x", "cannot open /none"),
        ("--pidfile /srv/alices/x", "/srv/alices belongs to uid 2001"),
        ("--background --chdir /none", "cannot enter /none"),
        ("--background --hide /none", "cannot open /none"),
    ] {
        let outcome = sandbox.run(&format!("jns run {options} -- touch /srv/ran"));
        assert_eq!(outcome.status.code(), Some(125), "{options}: {outcome:?}");
        assert!(outcome.stderr.contains(expected), "{options}: {outcome:?}");
        assert!(!sandbox.path("/srv/ran").exists(), "{options}");
    }
    before.assert_unchanged(&sandbox);
}
