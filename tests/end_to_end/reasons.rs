//! What the log says of a login that is refused: the line of the key at fault, the name of what failed, and what users
//! wrote without what steers a terminal.

use crate::sandbox::{Sandbox, ours_only, sandbox};

/// Rules that refuse a login, with `# here` on the line that is at fault, and what the log says about it.
const FAULTS: &[(&str, &str)] = &[
    (
        "[[private]]\nper = \"user\"\npath = \"/t/none\" # here\n",
        "cannot open /t/none: No such file or directory",
    ),
    (
        "[[bind]]\npath = \"/t/poly\"\nsource = \"/t/none\" # here\n",
        "cannot open /t/none: No such file or directory",
    ),
    (
        "[[bind]]\npath = \"/t/poly\"\nrecursive = true\nsource = \"/t/file\" # here\n",
        "cannot bind /t/poly: source and path must be both directories or both files",
    ),
    (
        "[[private]]\npath = \"/t/poly\"\nstore = \"/t/open/{user}\" # here\n",
        "/t/open",
    ),
    (
        "[[private]]\npath = \"/t/poly\"\nmode = \"0700\"\nowner = \"nobody-at-all\" # here\n",
        "cannot find the owner nobody-at-all: no such user",
    ),
    (
        "[[private]]\npath = \"/t/poly\"\nhook = [ # here\n\"/srv/fails\"]\n",
        "cannot run the hook /srv/fails of /t/poly: its exit status is 3",
    ),
    (
        "[[private]]\npath = \"/t/poly\"\ninit = \"/srv/fails\" # here\n",
        "cannot run the init /srv/fails of /t/poly: its exit status is 3",
    ),
    (
        "[[private]]\npath = \"/t/poly\"\ninit = \"/srv/none\" # here\n",
        "cannot run the init /srv/none of /t/poly: No such file or directory",
    ),
    (
        "[[hook]]\nwhen = \"open\"\nas = \"root\"\nrun = [\"/srv/fails\"] # here\n",
        "cannot run the hook /srv/fails: its exit status is 3",
    ),
    (
        "[[private]]\npath = \"/t/poly\"\n[[hook]]\nwhen = \"created\"\nas = \"root\"\nrun = [\"/srv/fails\"] # here\n",
        "cannot run the hook /srv/fails: its exit status is 3",
    ),
    (
        "[[volume]]\npath = \"/t/poly\"\nas = \"root\"\nopen = [\"/srv/fails\"] # here\n",
        "cannot run /srv/fails of the volume /t/poly: its exit status is 3",
    ),
    (
        "[[volume]]\npath = \"/t/poly\"\nas = \"root\"\nopen = [\"/bin/true\"] # here\n",
        "cannot open /t/poly: its program has ended, and nothing is mounted there",
    ),
    (
        "[[volume]]\nopen = [\"/bin/true\"]\nas = \"root\"\npath = \"/t/none\" # here\n",
        "cannot open /t/none: No such file or directory",
    ),
    (
        "[[isolate]]\nipc = \"own\"\nnetwork = \"name:none\" # here\n",
        "none",
    ),
    (
        "[[isolate]]\nhostname = \"{session}{session}{session}{session}{session}\" # here\n",
        "cannot use the hostname {session}{session}{session}{session}{session}: ",
    ),
    (
        "[[overlay]]\npath = \"/t/poly\"\nstore = \"/t/file/{user}\" # here\n",
        "cannot open /t/file/alice: Not a directory",
    ),
    (
        "[[root]]\nfstab = \"/t/file\"\npath = \"/t/none\" # here\n",
        "cannot open /t/none: No such file or directory",
    ),
    (
        "[[root]]\npath = \"/srv\"\nfstab = \"/t/none\" # here\n",
        "cannot read /t/none: No such file or directory",
    ),
];

impl Sandbox {
    /// The lines that alice's refused su logs under these rules.
    fn refused(&self, rules: &str) -> Vec<String> {
        self.policy(rules);
        let before = self.log().len();
        assert!(!self.su("alice", "true").succeeded(), "{rules}");
        self.log().split_off(before)
    }
}

#[test]
fn a_refusal_names_the_key_and_what_failed() {
    ours_only!("such a log");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.sh(
        "mkdir -p -m 755 /t && mkdir -m 1777 /t/poly && mkdir -m 777 /t/open && : >/t/file && \
         printf '#!/bin/sh\\nexit 3\\n' >/srv/fails && chmod 755 /srv/fails",
    );
    for (rules, reason) in FAULTS {
        let line = 1 + rules
            .lines()
            .position(|line| line.ends_with("# here"))
            .unwrap();
        let place = format!("(/etc/security/jns.toml:{line})");
        let logged = sandbox.refused(rules);
        let says_so = |said: &&String| said.contains(reason) && said.ends_with(&place);
        assert_eq!(
            logged.iter().filter(says_so).count(),
            1,
            "{rules}\n{logged:#?}"
        );
    }
}

/// What is named by a later login of the namespace that another has made comes from a record.
#[test]
fn later_logins_name_them_too() {
    ours_only!("such a log");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.sh("mkdir -p -m 755 /t && mkdir -m 1777 /t/poly && \
         printf '#!/bin/sh\\n[ ! -e /srv/no ]\\n' >/srv/may && chmod 755 /srv/may");
    for (rules, reason) in [
        (
            "[[private]]\npath = \"/t/poly\"\ninit = \"/srv/may\" # here\n",
            "cannot run the init /srv/may of /t/poly: its exit status is 1",
        ),
        (
            "[[private]]\npath = \"/t/poly\"\n[[hook]]\nwhen = \"open\"\nrun = [\"/srv/may\"] # here\n",
            "cannot run the hook /srv/may: its exit status is 1",
        ),
    ] {
        sandbox.policy(rules);
        sandbox.sh("rm -f /srv/no");
        assert!(sandbox.su("alice", "true").succeeded());
        sandbox.sh("touch /srv/no");
        let line = rules.lines().count();
        let place = format!("(/etc/security/jns.toml:{line})");
        let logged = sandbox.refused(rules);
        let says_so = |said: &&String| said.contains(reason) && said.ends_with(&place);
        assert_eq!(logged.iter().filter(says_so).count(), 1, "{logged:#?}");
    }
}

#[test]
fn what_steers_a_terminal_is_escaped_once() {
    ours_only!("such a log");
    let sandbox = sandbox!();
    sandbox.protect("su");
    let logged = sandbox.refused("[settings]\nmode = \"x\\u001b[31m\\u202e\"\n");
    let value = "unknown value \"x\\u{1b}[31m\\u{202e}\"";
    assert!(
        logged.iter().any(|said| said.contains(value)),
        "{logged:#?}"
    );
    assert!(
        logged.iter().all(|said| !said.contains("\\\\")),
        "{logged:#?}"
    );
}
