//! The end of a shared namespace: what a login leaves to the collector, and how long a namespace stays.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

impl Sandbox {
    /// The directories that a login of alice's by su reads, each as often as it reads it.
    fn directories_read_by_a_login(&self) -> Vec<String> {
        self.sh("strace -f -qq -y -e trace=getdents64 -o /root/trace su alice -c true");
        let trace = self.sh("cat /root/trace");
        let directories = trace.lines().filter_map(|line| {
            let (_, path) = line.split_once('<')?;
            path.split_once('>').map(|(path, _)| path.to_owned())
        });
        directories.collect()
    }
}

/// What a login costs must not grow with processes, or with the pins of others.
#[test]
fn a_login_looks_neither_at_processes_nor_at_other_pins() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    needs!(sandbox, "strace");
    sandbox.share();
    sandbox.protect("su");
    sandbox.sh("su bob -c true");
    for way in ["the first", "one that joins"] {
        let read = sandbox.directories_read_by_a_login();
        let is_listed = |path: &str| read.iter().any(|read| read == path);
        assert!(
            !is_listed("/proc") && !is_listed("/run/jns/ns"),
            "{way}: {read:?}"
        );
        assert!(!read.is_empty(), "the trace is none");
    }
    sandbox.also_private("/srv");
    let read = sandbox.directories_read_by_a_login();
    assert!(
        !read.iter().any(|path| path == "/proc"),
        "with an unused pin of hers: {read:?}"
    );
    assert_eq!(sandbox.pins_of("2001"), 2);
    sandbox.gc();
    assert_eq!(sandbox.pins(), 0);
}

impl Sandbox {
    /// Lets time pass for the namespaces that are noted as unused.
    fn pass(&self, seconds: u32) {
        let edit = "match($0, /[0-9]+/) && /unused_since/ \
                    { sub(/[0-9]+/, substr($0, RSTART, RLENGTH) - seconds) } { print }";
        self.sh(&format!(
            "for record in /run/jns/namespace/*; do
                 awk -v seconds={seconds} '{edit}' $record >/root/record; cat /root/record >$record
             done"
        ));
    }
}

/// `scp file host:/dev/shm/`, and a login a minute later.
#[test]
fn what_is_in_memory_is_there_for_the_next_login_and_goes_when_none_comes() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.serve_ssh();
    let inside = "readlink /proc/self/ns/mnt; ls /dev/shm";
    let first = sandbox
        .ssh("alice", &format!("touch /dev/shm/note; {inside}"))
        .text();
    sandbox.wait_for_logouts();
    let collect = ["jns", "gc"];
    sandbox.exec(&collect).text();
    sandbox.pass(590);
    sandbox.exec(&collect).text();
    assert_eq!(sandbox.ssh("alice", inside).text(), first);
    let notes = "grep -l unused_since /run/jns/namespace/* || true";
    assert_eq!(sandbox.sh(notes), "", "a login takes the note back");

    sandbox.wait_for_logouts();
    sandbox.exec(&collect).text();
    assert_ne!(sandbox.sh(notes), "");
    sandbox.pass(590);
    sandbox.exec(&collect).text();
    assert_eq!(sandbox.pins(), 1, "its time began anew");
    sandbox.pass(20);
    sandbox.exec(&collect).text();
    assert_eq!(sandbox.pins(), 0);
    assert_ne!(sandbox.ssh("alice", inside).text(), first);
}

#[test]
fn the_policy_says_how_long_a_namespace_is_kept_and_how_much_they_hold() {
    ours_only!("namespace that logins share");
    let sandbox = sandbox!();
    sandbox.share();
    sandbox.protect("su");
    let settings = |text: &str| {
        let text = format!("[settings]\n{text}\n");
        sandbox.write("/etc/security/jns.d/20-end.toml", text);
    };
    settings("linger = \"0s\"");
    sandbox.su("alice", "true").text();
    sandbox.exec(&["jns", "gc"]).text();
    assert_eq!(sandbox.pins(), 0);

    sandbox.su("alice", "true").text();
    settings("linger = \"0");
    let output = sandbox.exec(&["jns", "gc"]);
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    assert!(
        output.stderr.contains("cannot find the settings of"),
        "{output:#?}"
    );
    assert_eq!(
        sandbox.pins(),
        1,
        "it may be kept for longer, says nobody who can be read"
    );
    sandbox.gc_with(&[]);
    assert_eq!(sandbox.pins(), 0, "who calls it says so");

    settings("memory = \"3M\"");
    for user in ["alice", "bob"] {
        sandbox
            .su(user, "head -c 2M /dev/zero >/dev/shm/two")
            .text();
        sandbox.exec(&["jns", "gc", "--user", user]).text();
        sandbox.pass(10);
    }
    sandbox.exec(&["jns", "gc"]).text();
    assert_eq!(
        sandbox.sh("ls /run/jns/ns | cut -d- -f1"),
        "2002",
        "alice's is longer unused"
    );
}
