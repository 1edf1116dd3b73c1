//! Examples and exit statuses of every verb: shown by `--help` and in the manual pages.

use std::fmt::Write;

/// The text of help and manual about a verb beyond its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Guide {
    /// The verb; `jns` for the command as a whole.
    verb: &'static str,
    /// Command lines, and what each is for.
    pub examples: &'static [(&'static str, &'static str)],
    /// Keys of the JSON document, and what each holds.
    pub keys: &'static [(&'static str, &'static str)],
    /// Exit statuses, and what each means.
    pub statuses: &'static [(u8, &'static str)],
}

const USAGE: (u8, &str) = (2, "the command line was not understood");

/// The exit statuses that every `jns import` has.
const IMPORTED: &[(u8, &str)] = &[
    (
        0,
        "the policy was printed, even if there are remarks: left out, different, doubtful",
    ),
    (
        1,
        "the policy was printed, and a remark says `left public`: what was private, or covered, is so no longer; or \
         `lost`: users or programs miss what they had; or, with --strict, there are remarks, and no policy was printed",
    ),
    (
        2,
        "the command line was not understood, or the configuration cannot be read as text",
    ),
];

/// The keys that every `jns import --json` prints.
const IMPORT_KEYS: &[(&str, &str)] = &[
    ("ok", "whether the exit status is 0"),
    ("policy", "the policy, a text; null if none is given"),
    ("rules", "the number of its rules"),
    (
        "remarks[]",
        "what to look at: fate (left-out; left-public: left out, and public now; lost: left out, and missed; different; doubtful: done alike, and \
         hardly meant), file, line (0: the whole), message",
    ),
    ("error", "alone: why nothing can be imported"),
];

const GUIDES: &[Guide] = &[
    Guide {
        verb: "jns",
        examples: &[
            ("jns check", "is the policy of this machine right?"),
            (
                "jns explain alice",
                "what does alice get when she logs in over ssh?",
            ),
            (
                "jns doctor",
                "will logins get their namespaces, and if not, why?",
            ),
            (
                "jns gc --dry-run",
                "what have sessions left behind that nobody needs?",
            ),
            ("sudo jns ps", "who is in which namespace?"),
            ("sudo jns enter alice", "what does alice see?"),
            (
                "jns run --private /tmp -- app",
                "a program with a /tmp of its own",
            ),
            (
                "jns import pam_namespace",
                "the policy that namespace.conf amounts to",
            ),
        ],
        keys: &[],
        statuses: &[
            (0, "nothing is wrong"),
            (1, "something is wrong, and was said"),
            USAGE,
        ],
    },
    Guide {
        verb: "check",
        examples: &[
            ("jns check", "check the policy of the system"),
            (
                "jns check - < draft.toml",
                "check a draft for this machine, whoever owns it",
            ),
            ("jns check --strict --json", "for a deployment pipeline"),
        ],
        keys: &[
            ("ok", "whether the exit status is 0"),
            (
                "policies[]",
                "what was checked: files, rules (their number), errors, warnings, diagnostics, \
                 more (how many diagnostics were left out)",
            ),
            (
                "policies[].diagnostics[]",
                "severity (error or warning), file, line, column and width (in characters, counted \
                 from 1), message, help",
            ),
        ],
        statuses: &[
            (0, "no errors (with --strict: no warnings either)"),
            (1, "errors were found"),
            USAGE,
        ],
    },
    Guide {
        verb: "explain",
        examples: &[
            ("jns explain alice", "a login of alice through sshd"),
            (
                "jns explain alice --service su --tty pts/3",
                "through su, on a terminal",
            ),
            (
                "jns explain alice --rhost 192.0.2.7 --json",
                "from an address, for a program",
            ),
            (
                "sudo jns explain alice",
                "and would this machine carry it out? Nothing is run, and nothing stays",
            ),
            (
                "sudo jns explain --all",
                "which accounts would get what, and who would be refused?",
            ),
        ],
        keys: &[
            (
                "login",
                "user, uid, gid, groups[] (gid, name), home, service, tty, rhost",
            ),
            (
                "module",
                "the line that calls pam_jns: control, arguments, file, line",
            ),
            (
                "policy",
                "files, mode (enforce or observe), elsewhere (cover or leave), warnings (their number)",
            ),
            (
                "command",
                "whether the session is a command in its caller's, and finds the caller's directories there",
            ),
            ("exempt", "principal, file, line of the exemption"),
            (
                "rules[]",
                "kind, path, verdict (applies, no-match, lost or fails), selector, reason, \
                 winner (file, line), file, line",
            ),
            (
                "plan",
                "propagation, store, namespace (of: user or session; because: file and line of the rule that \
                 makes it the session's own), digest, steps[] (path, view, options, create, optional, inherit, file, line, \
                 and what the view needs: parameters are a file system's own), environment (value, file, line of each name)",
            ),
            (
                "runtime_directory",
                "the user's, where the session shows no other user's (jns-run-user.service)",
            ),
            (
                "tried",
                "as root, what a login would meet: steps[] (path, result: ready, made, unseen, left-out or fails; \
                 error, notes, file, line), notes",
            ),
            ("not_tried", "why tried is null"),
            ("refused", "why the login would be refused"),
            (
                "logins[]",
                "with --all, alone: user, uid, result (view, host or refused), paths, reason",
            ),
            (
                "error",
                "alone: why nothing can be explained; with diagnostics[] for a broken policy",
            ),
        ],
        statuses: &[
            (
                0,
                "the login would get the plan that is shown, or the host's own view; as far as that can be seen, \
                 without root",
            ),
            (
                1,
                "the login would be refused (with --all: one of them), or the user or the policy is not known",
            ),
            USAGE,
        ],
    },
    Guide {
        verb: "selftest",
        examples: &[
            (
                "sudo jns selftest alice",
                "is a login of alice's what the policy promises?",
            ),
            (
                "sudo jns selftest alice --service cron --json",
                "by cron, for a program",
            ),
        ],
        keys: &[
            ("ok", "whether every promise holds"),
            (
                "checks[]",
                "promise (what should be so), failure (what is so instead; null where it holds)",
            ),
            (
                "error",
                "alone: why nothing was tried; with diagnostics[] for a broken policy",
            ),
        ],
        statuses: &[
            (0, "every promise holds"),
            (1, "one does not, or nothing could be tried"),
            USAGE,
        ],
    },
    Guide {
        verb: "doctor",
        examples: &[
            ("sudo jns doctor", "look at this machine"),
            ("jns doctor --json", "for a monitoring system"),
            (
                "jns doctor --root /mnt/image",
                "look at a system that is not running",
            ),
        ],
        keys: &[
            ("ok", "whether there are no problems"),
            ("problems, warnings", "how many there are of each"),
            (
                "findings[]",
                "area, level (ok, note, warning or problem), summary, advice, file, line",
            ),
        ],
        statuses: &[
            (0, "no problems; there may be warnings"),
            (1, "problems were found"),
            USAGE,
        ],
    },
    Guide {
        verb: "gc",
        examples: &[
            ("sudo jns gc --dry-run", "what would be removed, and why?"),
            ("sudo jns gc", "remove what sessions have left behind"),
            (
                "sudo jns gc --linger 0s",
                "and every namespace that nothing runs in, however short a time",
            ),
            (
                "sudo jns gc --older-than 90d",
                "and the files of users who had no session for 90 days",
            ),
            (
                "sudo jns gc --deleted-users",
                "and those of users without an account, whether or not another one has the id now",
            ),
            (
                "sudo jns gc --deleted-users --older-than 30d",
                "of those, only what was not used for 30 days",
            ),
        ],
        keys: &[
            ("ok", "whether the exit status is 0"),
            ("dry_run", "whether nothing was to be changed"),
            (
                "removed, removable, left, failed",
                "how many there are of each",
            ),
            (
                "remains[]",
                "kind (pin, cover, namespace, session, volume, session-directory, instances, temporary, stamp or foreign), \
                 path (null for what could not be looked at), reason, fate (removed, removable, left or failed), \
                 error",
            ),
            ("error", "alone: why nothing can be removed"),
        ],
        statuses: &[
            (
                0,
                "nothing is left that should go, except what is in use just now",
            ),
            (1, "something could not be removed, or not be looked at"),
            USAGE,
        ],
    },
    Guide {
        verb: "ps",
        examples: &[
            ("sudo jns ps", "everybody's sessions"),
            (
                "sudo jns ps alice --space",
                "what alice's directories hold, too",
            ),
            ("sudo jns ps --json", "for a program"),
        ],
        keys: &[
            ("users[]", "user, uid, namespaces[]"),
            (
                "users[].namespaces[]",
                "namespace (as /proc/PID/ns/mnt names it), inode, id (unique until the machine is restarted; \
                 Linux 6.11), pinned (whether later logins join it), pin (the name in /run/jns/ns), unpinned (why it has \
                 none although it was to be shared), processes (their number; 0: unused), programs[] (what they are called, \
                 where it was made for one command), caller (whose directories it shows besides), made (seconds since \
                 1970), plan (digest; null: it is otherwise the host's view), paths[], isolation, init, memory[], disk[], sessions[]",
            ),
            (
                "users[].namespaces[].memory[]",
                "file systems in memory: path, used and size in bytes",
            ),
            (
                "users[].namespaces[].disk[]",
                "with --space: directory (in the host's view), used in bytes (null: it is gone), complete",
            ),
            (
                "users[].namespaces[].sessions[]",
                "id, service, tty, rhost, pid (of the process that opened it), open (false: that process is \
                 gone, the record left over), opened (seconds since 1970), stale (whether the present policy \
                 gives another plan; null: it gives none), plan (digest), config",
            ),
            ("errors[]", "records that could not be read"),
            ("error", "alone: why nothing can be listed"),
        ],
        statuses: &[
            (0, "listed, were it nothing"),
            (
                1,
                "not root, no such user, or a record could not be read: the rest is listed",
            ),
            USAGE,
        ],
    },
    Guide {
        verb: "enter",
        examples: &[
            ("sudo jns enter alice", "a shell as alice, in what she sees"),
            ("sudo jns enter alice -- ls -l /tmp", "one command"),
            ("sudo jns enter 3f2a", "the session whose id begins so"),
            ("sudo jns enter --as-root alice", "stay root in there"),
        ],
        keys: &[],
        statuses: &[
            (0, "CMD's own status, this or any other, once CMD runs"),
            USAGE,
            (125, "jns could not enter, and said why"),
            (126, "CMD cannot be run"),
            (127, "there is no CMD"),
        ],
    },
    Guide {
        verb: "run",
        examples: &[
            (
                "jns run --bind /usr/lib32:/usr/lib -- app",
                "other libraries for one program",
            ),
            (
                "jns run --bind /bin/dash:/bin/bash -- script",
                "another shell for one script",
            ),
            (
                "jns run --private /tmp --tmpfs /dev/shm",
                "a shell with directories of its own",
            ),
            (
                "jns run --hide ~/.ssh --network none -- app",
                "a program that is kept from keys and net",
            ),
            (
                "jns run --volume ~/.crypt:$HOME/crypt",
                "an encrypted directory, for this shell",
            ),
            (
                "jns run --processes -- ps aux",
                "its own processes, and no others in /proc",
            ),
            (
                "sudo jns run --root /srv/debian --fstab fstab -n test",
                "a system in a directory",
            ),
            (
                "sudo jns run --root /srv/debian --network none -- cmd",
                "one command in it, without a network",
            ),
            (
                "sudo jns run -b -p /run/d.pid -u daemon -- /usr/sbin/d",
                "a daemon",
            ),
            (
                "jns run --config dev.toml --explain",
                "what a prepared set of rules would do",
            ),
            (
                "sudo jns enter ID",
                "a second process there, ID as in jns ps",
            ),
        ],
        keys: &[(
            "(with --explain)",
            "the plan, as jns-explain(1) has it below `plan`; the file of each location is the option, its line 0",
        )],
        statuses: &[
            (
                0,
                "CMD's own status, this or any other; 128 and its number if a signal ended it; with \
                 --background: it runs",
            ),
            (2, "an option was not understood, or names nobody"),
            (125, "jns could not run it, and said why"),
            (126, "CMD cannot be run"),
            (127, "there is no CMD"),
        ],
    },
    Guide {
        verb: "import",
        examples: &[(
            "jns import pam_namespace",
            "the policy of a machine that used pam_namespace",
        )],
        keys: &[],
        statuses: IMPORTED,
    },
    Guide {
        verb: "import pam_namespace",
        examples: &[
            (
                "jns import pam_namespace --service sshd | jns check -",
                "can all of it be carried over?",
            ),
            (
                "jns import pam_namespace > /etc/security/jns.toml",
                "as root: make it the policy",
            ),
            (
                "jns import pam_namespace --strict draft.conf",
                "for a deployment pipeline",
            ),
        ],
        keys: IMPORT_KEYS,
        statuses: IMPORTED,
    },
    Guide {
        verb: "import pam_tmpdir",
        examples: &[
            (
                "jns import pam_tmpdir > /etc/security/jns.d/tmpdir.toml",
                "as root: beside the policy that there is",
            ),
            (
                "jns import pam_tmpdir draft.conf | jns check -",
                "is what another file says a policy?",
            ),
        ],
        keys: IMPORT_KEYS,
        statuses: IMPORTED,
    },
    Guide {
        verb: "import fstab",
        examples: &[
            (
                "jns import fstab --root /srv/debian debian.fstab",
                "the policy for what jchroot mounts in /srv/debian",
            ),
            (
                "grep bind /etc/fstab | jns import fstab -",
                "sessions get the bind mounts, and the host no longer needs them",
            ),
        ],
        keys: IMPORT_KEYS,
        statuses: IMPORTED,
    },
    Guide {
        verb: "import pam_mount",
        examples: &[
            (
                "jns import pam_mount | jns check -",
                "what can be carried over of pam_mount's volumes?",
            ),
            (
                "jns import pam_mount > /etc/security/jns.d/volumes.toml",
                "as root: beside the policy that there is",
            ),
        ],
        keys: IMPORT_KEYS,
        statuses: IMPORTED,
    },
    Guide {
        verb: "import slurm",
        examples: &[
            (
                "jns import slurm /etc/slurm/job_container.conf",
                "directories of jobs, for a policy beside that of logins",
            ),
            (
                "jns import slurm --node gpu1 /etc/slurm/namespace.yaml",
                "what is said of one node",
            ),
        ],
        keys: IMPORT_KEYS,
        statuses: IMPORTED,
    },
    Guide {
        verb: "import jailkit",
        examples: &[
            (
                "jns import jailkit > /etc/security/jns.d/jails.toml",
                "as root: the jails of this machine, beside the policy that there is",
            ),
            (
                "getent passwd | jns import jailkit -",
                "accounts of a directory service too",
            ),
        ],
        keys: IMPORT_KEYS,
        statuses: IMPORTED,
    },
    Guide {
        verb: "completions",
        examples: &[(
            "jns completions bash > /etc/bash_completion.d/jns",
            "let the Tab key know the verbs",
        )],
        keys: &[],
        statuses: &[(0, "printed"), USAGE],
    },
    Guide {
        verb: "man",
        examples: &[(
            "jns man /usr/local/share/man/man1",
            "install the pages by hand",
        )],
        keys: &[],
        statuses: &[(0, "written"), (1, "could not be written"), USAGE],
    },
];

/// The guide of a verb; the whole command's for a name that is none.
pub fn of(verb: &str) -> Guide {
    let found = GUIDES.iter().find(|guide| guide.verb == verb);
    found.copied().unwrap_or(Guide {
        verb: "jns",
        examples: &[],
        keys: &[],
        statuses: &[],
    })
}

impl Guide {
    /// The text at the end of `--help`.
    pub fn as_help(self) -> String {
        let width = self.examples.iter().map(|(line, _)| line.len()).max();
        let mut text = String::from("Examples:\n");
        for (line, purpose) in self.examples {
            let _ = writeln!(text, "  {line:<0$}  {purpose}", width.unwrap_or(0));
        }
        text.push_str("\nExit status:\n");
        let width = self
            .statuses
            .iter()
            .map(|(status, _)| digits(*status))
            .max();
        for (status, meaning) in self.statuses {
            let _ = writeln!(text, "  {status:<0$}  {meaning}", width.unwrap_or(0));
        }
        text
    }
}

fn digits(status: u8) -> usize {
    status.to_string().len()
}
