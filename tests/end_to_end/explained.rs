//! `jns explain` as root says what a login meets: it tries the plan on this machine.

use crate::sandbox::{Sandbox, ours_only, sandbox};

/// Rules, of which a policy has some.
const RULES: &[&str] = &[
    "[[private]]\npath = \"/srv/w/a\"\n",
    "[[private]]\npath = \"/srv/w/a/b\"\ncreate = true\n",
    "[[private]]\npath = \"/srv/w/c\"\ncreate = true\nmode = \"0700\"\nowner = \"{user}\"\n",
    "[[private]]\npath = \"/srv/w/b\"\nstore = \"/srv/w/own/{user}\"\n",
    "[[private]]\npath = \"/srv/w/a\"\nper = \"session\"\nkeep = [\"b\", \"x*\"]\n",
    "[[private]]\npath = \"/srv/w/b\"\nhook = [\"/srv/w/program\"]\n",
    "[[private]]\npath = \"/srv/w/d\"\noptional = true\n",
    "[[tmpfs]]\npath = \"/srv/w/b\"\nsize = \"1M\"\n",
    "[[tmpfs]]\npath = \"/srv/w/e/f\"\nsize = \"1M\"\ncreate = true\n",
    "[[bind]]\npath = \"/srv/w/a\"\nsource = \"/srv/w/s\"\n",
    "[[bind]]\npath = \"/srv/w/b\"\nsource = \"/srv/w/s\"\noptional = true\n",
    "[[bind]]\npath = \"/srv/w/file\"\nsource = \"/srv/w/d\"\ncreate = true\n",
    "[[bind]]\npath = \"/srv/w/etc\"\nsource = \"/srv/w/s\"\noptions = [\"ro\"]\n",
    "[[hide]]\npath = \"/srv/w/d\"\n",
    "[[hide]]\npath = \"/srv/w/a\"\nkeep = [\"b\"]\n",
    "[[overlay]]\npath = \"/srv/w/c\"\n",
    "[[isolate]]\nipc = \"own\"\nhostname = \"{user}-box\"\n",
    "[[isolate]]\nnetwork = \"name:w\"\n",
    "[[isolate]]\nprocesses = \"own\"\n",
    "[[root]]\npath = \"/srv/w/root\"\n",
    "[[root]]\npath = \"/srv/w/root\"\nfstab = \"/srv/w/fstab\"\n",
    "[[volume]]\npath = \"/srv/w/a\"\nopen = [\"/srv/w/program\"]\nas = \"root\"\n",
    "[[hook]]\nwhen = \"open\"\nrun = [\"/srv/w/program\"]\n",
    "[[hook]]\nwhen = \"open\"\nrun = [\"/srv/w/program\"]\non_failure = \"warn\"\n",
    "[[hook]]\nwhen = \"created\"\nrun = [\"/srv/w/program\"]\nas = \"user\"\n",
];

/// What becomes of a path before a login; `$1` is the path.
const FORMS: &[&str] = &[
    ":",
    "mkdir -p $1",
    "mkdir -p $1; mkdir -p $1/b $1/x1",
    "mkdir -p $1; chown alice $1",
    "mkdir -p $1; chmod 1777 $1",
    "mkdir -p $1; chmod 0777 $1",
    "mkdir -p ${1%/*}; echo text >$1",
    "mkdir -p ${1%/*}; install -m 755 /bin/true $1",
    "mkdir -p ${1%/*}; ln -s /nowhere $1",
    "mkdir -p ${1%/*} /srv/w/there; ln -s /srv/w/there $1",
    "mkdir -p ${1%/*} /srv/w/there; ln -s /srv/w/there $1; chown -h alice $1",
    "mkdir -p ${1%/*}; mkfifo $1",
    "mkdir -p $1; mount -t tmpfs -o ro none $1",
];

/// The paths of the rules.
const PATHS: &[&str] = &[
    "/srv/w/a",
    "/srv/w/b",
    "/srv/w/c",
    "/srv/w/d",
    "/srv/w/e",
    "/srv/w/s",
    "/srv/w/own",
    "/srv/w/file",
    "/srv/w/etc",
    "/srv/w/program",
];

/// What becomes of the root directory, and of its fstab.
const ROOTS: &[&str] = &[
    "mkdir /srv/w/root; mount --bind / /srv/w/root\n",
    "mkdir /srv/w/root; mount --bind / /srv/w/root; echo 'none /srv/w/b tmpfs size=1M 0 0' >/srv/w/fstab\n",
    "mkdir /srv/w/root; mount --bind / /srv/w/root; echo '/srv/w/s /srv/w/a none bind 0 0' >/srv/w/fstab\n",
    "mkdir /srv/w/root; mount --bind / /srv/w/root; echo 'no fstab' >/srv/w/fstab\n",
    "mkdir /srv/w/root; chown alice /srv/w/root\n",
    ":\n",
];

/// What becomes of the store.
const STORES: &[&str] = &[
    ":",
    ":",
    ":",
    "mkdir -m 700 $S",
    "mkdir -m 755 $S",
    "mkdir -m 700 $S; chown bob $S",
    "touch $S",
    "ln -s /nowhere $S",
    "mkdir -m 700 $S $S/user $S/user/1001; chown bob $S/user/1001",
    "mkdir -m 711 $S; mkdir -m 700 $S/user; touch $S/user/1001",
    "mkdir -m 700 $S; mount -t tmpfs -o ro,mode=700 none $S",
];

/// Takes away what the last world consisted of.
const CLEAN: &str =
    "for m in $(findmnt -rno TARGET | grep -E '^(/srv/w|/var/lib/jns)' | tac); do umount -l $m 2>/dev/null || true; done
     ip netns delete w 2>/dev/null || true; rm -rf /srv/w /var/lib/jns; mkdir /srv/w";

struct World {
    policy: String,
    script: String,
}

fn world(seed: u64) -> World {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut policy = "[settings]\nexempt = []\nnamespace = \"session\"\n".to_owned();
    let number = random.usize(1..5);
    for rule in random.choose_multiple(RULES, number) {
        policy.push_str(rule);
    }
    let mut script = format!("{CLEAN}\nS=/var/lib/jns\n");
    for path in PATHS {
        // Most are as they should be, since the first that is not hides the others.
        let form = match random.u8(0..3) {
            0 => FORMS[random.usize(0..FORMS.len())],
            _ if path.ends_with("program") => FORMS[7],
            _ => FORMS[random.usize(1..3)],
        };
        script.push_str(&format!("set -- {path}; {form}\n"));
    }
    script.push_str(ROOTS[random.usize(0..ROOTS.len())]);
    script.push_str(STORES[random.usize(0..STORES.len())]);
    if random.bool() {
        script.push_str("\nip netns add w");
    }
    World { policy, script }
}

/// Everything of the world by its name, form and owner.
const STATE: &str = "find /srv/w /var/lib/jns /run/jns -path /srv/w/root -prune -o -printf '%p %M %U %l\\n' 2>/dev/null | sort; findmnt -rno TARGET";

/// What `jns explain` said of a login of alice's, and what became of it.
struct Compared {
    was_refused: bool,
    /// Where they differ.
    difference: Option<String>,
}

fn compare(sandbox: &Sandbox) -> Compared {
    let before = sandbox.sh(STATE);
    let explained = sandbox.exec(&["jns", "explain", "alice", "--service", "su", "--json"]);
    let after = sandbox.sh(STATE);
    let logged = sandbox.log().len();
    let login = sandbox.exec(&["su", "alice", "-c", "true"]);
    let errors = sandbox.log().split_off(logged);
    let document: Option<serde_json::Value> = serde_json::from_str(&explained.stdout).ok();
    let refused = document.as_ref().and_then(|document| {
        let of_policy = document["diagnostics"][0]["message"].as_str();
        document["refused"].as_str().or(of_policy)
    });
    let is_said = match refused {
        Some(reason) => errors.iter().any(|line| line.ends_with(reason)),
        None => document.is_some(),
    };
    let is_same = after == before
        && explained.succeeded() == login.succeeded()
        && refused.is_none() == login.succeeded()
        && is_said;
    Compared {
        was_refused: !login.succeeded(),
        difference: (!is_same).then(|| {
            format!(
                "{refused:?} {}\n{errors:#?}\n{before}{after}",
                explained.stderr
            )
        }),
    }
}

/// A login is refused exactly where `jns explain` says so, and for that reason; nothing is left of what explain tries.
#[test]
fn a_login_is_refused_exactly_where_explain_says_so() {
    let worlds = std::env::var("JNS_WORLDS").map_or(40, |number| number.parse().unwrap());
    ours_only!("command that explains");
    let sandbox = sandbox!();
    sandbox.protect("su");
    let mut refused = 0;
    let mut differences = Vec::new();
    for seed in 0..worlds {
        let World { policy, script } = world(seed);
        sandbox.policy(&policy);
        sandbox.sh(&script);
        let compared = compare(&sandbox);
        refused += u64::from(compared.was_refused);
        let told = |difference| format!("world {seed}\n{policy}{script}\n{difference}");
        differences.extend(compared.difference.map(told));
    }
    sandbox.sh(CLEAN);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    eprintln!("{worlds} worlds, {refused} refused");
    assert!(
        refused > worlds / 5 && refused < worlds * 4 / 5,
        "{refused}"
    );
}
