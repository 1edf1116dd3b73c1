//! Module options, init scripts, and how the files are read.

use super::cases;
use crate::case::{Act, Case, Difference, USUAL, Verdict};

/// An init script that tells what it gets, and how it ends.
macro_rules! script {
    ($path:literal, $mode:literal, $end:literal) => {
        concat!(
            "printf '%s\\n' '#!/bin/sh -p' 'echo \"$1 $2 $3 $4\" >>/t/told' ",
            "'tr \"\\0\" \"\\n\" </proc/$$/environ >>/t/told' ",
            "'[ -w /t/poly ] && touch /t/poly/by-script' '",
            $end,
            "' >",
            $path,
            "; chmod ",
            $mode,
            " ",
            $path
        )
    };
}

const TWICE: &[Act] = &[
    Act::Login("alice", "ls /t/poly"),
    Act::Login("alice", "ls /t/poly"),
];

const UNRUN: Difference = Difference {
    manual: "an init script that is killed or cannot be run is logged, and denies nobody",
    theirs: &["open refused"],
    ours: &["open 0", "close 0"],
    told: &["namespace.init"],
};

cases! {
    a_script_runs_at_every_login = Case {
        machine: script!("/etc/security/namespace.init", "755", ":"),
        acts: TWICE,
        ..USUAL
    };
    a_script_of_the_line = Case {
        machine: script!("/usr/local/bin/script", "755", ":"),
        conf: "/t/poly /t/inst/ user:iscript=/usr/local/bin/script root\n",
        acts: TWICE,
        ..USUAL
    };
    a_script_of_the_line_without_a_directory = Case {
        machine: script!("/etc/security/namespace.d/script.sh", "755", ":"),
        conf: "/t/poly /t/inst/ user:iscript=script.sh root\n",
        acts: TWICE,
        ..USUAL
    };
    no_script = Case {
        machine: script!("/etc/security/namespace.init", "755", ":"),
        conf: "/t/poly /t/inst/ user:noinit root\n",
        acts: TWICE,
        ..USUAL
    };
    a_script_for_a_tmpfs = Case {
        machine: script!("/etc/security/namespace.init", "755", ":"),
        conf: "/t/poly tmpfs tmpfs:mntopts=size=1M,nosuid,nodev root\n",
        acts: TWICE,
        ..USUAL
    };
    a_script_that_fails_is_told = Case {
        machine: script!("/etc/security/namespace.init", "755", "exit 3"),
        acts: TWICE,
        verdict: Verdict::Same(&["namespace.init"]),
        ..USUAL
    };
    a_script_that_is_killed = Case {
        machine: script!("/etc/security/namespace.init", "755", "kill -9 $$"),
        acts: &[Act::Brief("alice")],
        verdict: Verdict::Differs(UNRUN),
        ..USUAL
    };
    a_script_that_cannot_be_run = Case {
        machine: script!("/etc/security/namespace.init", "644", ":"),
        acts: &[Act::Brief("alice")],
        verdict: Verdict::Differs(UNRUN),
        ..USUAL
    };
    a_script_that_is_missing = Case {
        conf: "/t/poly /t/inst/ user:iscript=/usr/local/bin/script root\n",
        acts: TWICE,
        ..USUAL
    };

    further_files_are_read_in_order = Case {
        machine: "mkdir -m 1777 /t/ten /t/twenty /t/not
            echo '/t/twenty /t/inst/20- user root' >/etc/security/namespace.d/20.conf
            echo '/t/ten /t/inst/10- user root' >/etc/security/namespace.d/10.conf
            echo '/t/not /t/inst/not- user root' >/etc/security/namespace.d/README",
        acts: &[Act::Login("alice", "touch /t/poly/a /t/ten/b /t/twenty/c")],
        ..USUAL
    };
    comments_and_blanks = Case {
        conf: "# one\n\n   \t\n  /t/poly\t/t/inst/   user\troot # two\n#/t /t/inst/ user\n",
        ..USUAL
    };
    words_in_quotes = Case {
        machine: "mkdir -m 1777 '/t/po ly'; install -d -m 0 '/t/in st'",
        conf: "\"/t/po ly\" \"/t/in st/\" user root\n",
        acts: &[Act::Login("alice", "touch '/t/po ly/x'; ls /t")],
        ..USUAL
    };
    words_with_backslashes = Case {
        machine: "mkdir -m 1777 '/t/po ly'",
        conf: "/t/po\\ ly /t/inst/ user root\n",
        acts: &[Act::Login("alice", "touch '/t/po ly/x'; ls /t")],
        ..USUAL
    };
    a_fifth_word = Case {
        conf: "/t/poly /t/inst/ user root more\n",
        verdict: Verdict::Same(&["namespace.conf:1: doubtful"]),
        ..USUAL
    };
    an_instance_prefix_that_is_no_directory = Case {
        conf: "/t/poly /t/inst/of- user root\n",
        ..USUAL
    };
    instances_below_what_they_cover = Case {
        machine: "install -d -m 0 /t/poly/inst",
        conf: "/t/poly /t/poly/inst/ user root\n",
        acts: &[
            Act::Login("alice", "touch /t/poly/x; ls /t/poly"),
            Act::Login("bob", "ls /t/poly"),
            Act::Login("alice", "ls /t/poly"),
        ],
        ..USUAL
    };
    the_users_name_in_paths = Case {
        machine: "mkdir -m 1777 /t/alice /t/bob",
        conf: "/t/$USER /t/inst/$USER- user root\n",
        acts: &[Act::Login("alice", "touch /t/alice/x"), Act::Login("bob", "touch /t/bob/x")],
        ..USUAL
    };
    the_users_home_in_paths = Case {
        machine: "install -d -o alice -g alice ~alice/scratch; install -d -o bob ~bob/scratch",
        conf: "$HOME/scratch /t/inst/ user root\n",
        acts: &[Act::Login("alice", "touch ~/scratch/x"), Act::Login("bob", "touch ~/scratch/x")],
        ..USUAL
    };

    any_mode_of_the_instances_directory = Case {
        machine: "chmod 755 /t/inst",
        login: "ignore_instance_parent_mode",
        ..USUAL
    };
    no_travel_at_all = Case {
        login: "mount_private",
        ..USUAL
    };
    unmounting_at_the_end = Case {
        login: "unmount_on_close",
        ..USUAL
    };
    not_unmounting_at_the_end = Case {
        login: "no_unmount_on_close",
        ..USUAL
    };
    options_that_need_selinux = Case {
        login: "use_current_context use_default_context debug",
        ..USUAL
    };
    selinux_required = Case {
        login: "require_selinux",
        acts: &[Act::Brief("alice")],
        verdict: Verdict::Differs(Difference {
            manual: "require_selinux is not carried over: nobody is refused where SELinux is disabled",
            theirs: &["open refused"],
            ours: &["open 0", "close 0", "/t/inst/alice"],
            told: &["require_selinux"],
        }),
        ..USUAL
    };
    an_unknown_option = Case {
        acts: &[
            Act::Host("sed -i '1s/$/ nosuch/' /etc/pam.d/login"),
            Act::Brief("alice"),
        ],
        verdict: Verdict::Differs(Difference {
            manual: "an unknown module option denies the session",
            theirs: &["open 0", "/t/inst/alice", "close 0"],
            ours: &["open refused"],
            told: &["nosuch"],
        }),
        ..USUAL
    };
    a_file_that_others_may_write = Case {
        acts: &[
            Act::Host("chmod 666 /etc/security/namespace.conf; [ ! -e /etc/security/jns.toml ] || chmod 666 /etc/security/jns.toml"),
            Act::Brief("alice"),
        ],
        verdict: Verdict::Differs(Difference {
            manual: "a policy that somebody other than root may write to is refused",
            theirs: &["open 0", "/t/inst/alice", "close 0"],
            ours: &["open refused"],
            told: &["jns.toml"],
        }),
        ..USUAL
    };
    a_line_that_cannot_be_read = Case {
        conf: "/t/poly /t/inst/\n",
        acts: &[Act::Brief("alice")],
        verdict: Verdict::Differs(Difference {
            manual: "a line that pam_namespace cannot read is left out by the import, and refuses no login afterwards",
            theirs: &["open refused"],
            ours: &["open 0", "close 0"],
            told: &["namespace.conf:1: left out"],
        }),
        ..USUAL
    };
    lines_that_cannot_be_read_can_be_ignored = Case {
        conf: "/t/nonsense /t/inst/\n/t/poly /t/inst/ user root\n",
        login: "ignore_config_error",
        verdict: Verdict::Same(&["namespace.conf:1"]),
        ..USUAL
    };
}
