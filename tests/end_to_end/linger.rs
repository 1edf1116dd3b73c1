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
        assert!(is_listed("/run/jns/session"), "the trace is none: {read:?}");
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
