//! What a machine consists of, before and after a login.

use super::deadline::deadline;
use super::{Sandbox, Subject};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Mounts, processes, namespaces, descriptors and files of a sandbox's host view. Each is a set of lines, so
/// that what differs can be shown. The directories of `/run/jns` and its locks are not among them.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    mounts: BTreeSet<String>,
    processes: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    descriptors: BTreeSet<String>,
    files: BTreeSet<String>,
    instances: BTreeSet<String>,
}

/// Prints the state's parts, each beneath a line of its own. The shell that runs it and its parents are
/// left out, and so are daemons' own changes under /run that every login makes.
const SURVEY: &str = r#"
echo '[mounts]'; cat /proc/1/mountinfo
echo '[processes]'
for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    [ "$pid" != $$ ] && [ "$pid" != $PPID ] && read -r name 2>/dev/null <$p/comm || continue
    echo "$pid $name"
    echo "ns $(readlink $p/ns/mnt || true)" >&3
    [ "$pid" = 1 ] || for d in $p/fd/*; do echo "$pid $name $(readlink $d || true)"; done >&4
done 3>/tmp/.survey-ns 4>/tmp/.survey-fd
echo '[namespaces]'; cat /tmp/.survey-ns
echo '[descriptors]'; cat /tmp/.survey-fd
rm /tmp/.survey-*
echo '[files]'
find /tmp /var/tmp /dev/shm /run -xdev -printf '%p %y %m %U:%G\n' || true
echo '[instances]'
find /var/lib/jns -xdev -maxdepth 3 -printf '%p %y %m %U:%G\n' 2>/dev/null || true
"#;

/// What the first login makes in `/run/jns` and what stays there, each with the mode and owner it must have.
const SKELETON: &str = "\
/run/jns d 700 0:0
/run/jns/lock d 700 0:0
/run/jns/namespace d 700 0:0
/run/jns/ns d 700 0:0
/run/jns/ns/.vault f 444 0:0
/run/jns/session d 700 0:0
/run/jns/stamp d 700 0:0";

impl Sandbox {
    /// Takes away what shared namespaces leave when all sessions have ended, as the timer does. It fails
    /// under a policy with mistakes; what it then leaves shows that.
    pub fn collect(&self) {
        if self.subject == Subject::Ours {
            self.run("jns gc --linger 0s");
        }
    }
}

impl State {
    pub(super) fn of(sandbox: &Sandbox) -> Self {
        sandbox.collect();
        let survey = sandbox.sh(SURVEY);
        let part = |name: &str| {
            let lines = survey
                .lines()
                .skip_while(|line| *line != format!("[{name}]"));
            let lines = lines.skip(1).take_while(|line| !line.starts_with('['));
            lines.map(str::to_owned).collect()
        };
        let without = |name: &str, is_known: fn(&str) -> bool| {
            let mut lines: BTreeSet<String> = part(name);
            lines.retain(|line| !is_known(line));
            lines
        };
        Self {
            mounts: without("mounts", is_mount_of_vault),
            processes: part("processes"),
            namespaces: part("namespaces"),
            descriptors: part("descriptors"),
            files: without("files", is_of_runtime),
            instances: part("instances"),
        }
    }

    /// Asserts that the sandbox is, or very soon becomes, exactly what it was.
    #[track_caller]
    pub fn assert_unchanged(&self, sandbox: &Sandbox) {
        self.assert_settles(sandbox, |_| {});
    }

    /// The same, but instances that outlive a session may have been added.
    #[track_caller]
    pub fn assert_nothing_left(&self, sandbox: &Sandbox) {
        self.assert_settles(sandbox, |now| now.instances.clone_from(&self.instances));
    }

    #[track_caller]
    fn assert_settles(&self, sandbox: &Sandbox, forgive: impl Fn(&mut Self)) {
        let deadline = deadline();
        loop {
            let mut now = sandbox.state();
            forgive(&mut now);
            let differences = self.differences(&now);
            if differences.is_empty() {
                return;
            }
            let log = sandbox.log().join("\n");
            assert!(
                Instant::now() < deadline,
                "the machine is not what it was:\n{}\nlog:\n{log}",
                differences.join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn differences(&self, now: &Self) -> Vec<String> {
        let parts = [
            ("mount", &self.mounts, &now.mounts),
            ("process", &self.processes, &now.processes),
            ("namespace", &self.namespaces, &now.namespaces),
            ("descriptor", &self.descriptors, &now.descriptors),
            ("file", &self.files, &now.files),
            ("instance", &self.instances, &now.instances),
        ];
        let differences = parts.iter().flat_map(|(kind, before, after)| {
            let gone = before
                .difference(after)
                .map(move |line| format!("gone {kind}: {line}"));
            let left = after
                .difference(before)
                .map(move |line| format!("left {kind}: {line}"));
            gone.chain(left)
        });
        differences.collect()
    }
}

/// The mount that holds the vault, to which nothing travels.
fn is_mount_of_vault(line: &str) -> bool {
    let mut words = line.split(' ').skip(4);
    words.next() == Some("/run/jns/ns/.vault") && words.nth(1) == Some("-")
}

fn is_of_runtime(line: &str) -> bool {
    let is_cache = |place: &str| line.starts_with(place) && line.contains(" f 600 0:");
    SKELETON.lines().any(|known| line == known)
        || is_cache("/run/jns/lock/")
        || is_cache("/run/jns/stamp/")
}
