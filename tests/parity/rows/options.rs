//! Module options, init scripts, and how the files are read.

use super::rows;
use crate::row::{Act, Difference, Judgement, Row, USUAL};

/// An init script that writes down what it gets, and how it ends.
macro_rules! script {
    ($path:literal, $mode:literal, $end:literal) => {
        concat!(
            "printf '%s\\n' '#!/bin/sh -p' 'echo \"$1 $2 $3 $4\" >>/t/written' ",
            "'tr \"\\0\" \"\\n\" </proc/$$/environ >>/t/written' ",
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
    messages: &["namespace.init"],
};

rows! {
    a_script_runs_at_every_login = Row {
        machine: script!("/etc/security/namespace.init", "755", ":"),
        acts: TWICE,
        ..USUAL
    };
    a_script_of_the_line = Row {
        machine: script!("/usr/local/bin/script", "755", ":"),
        conf: "/t/poly /t/inst/ user:iscript=/usr/local/bin/script root\n",
        acts: TWICE,
        ..USUAL
    };
    a_script_of_the_line_without_a_directory = Row {
        machine: script!("/etc/security/namespace.d/script.sh", "755", ":"),
        conf: "/t/poly /t/inst/ user:iscript=script.sh root\n",
        acts: TWICE,
        ..USUAL
    };
    no_script = Row {
        machine: script!("/etc/security/namespace.init", "755", ":"),
        conf: "/t/poly /t/inst/ user:noinit root\n",
        acts: TWICE,
        ..USUAL
    };
    a_script_for_a_tmpfs = Row {
        machine: script!("/etc/security/namespace.init", "755", ":"),
        conf: "/t/poly tmpfs tmpfs:mntopts=size=1M,nosuid,nodev root\n",
        acts: TWICE,
        ..USUAL
    };
    a_script_that_fails_is_reported = Row {
        machine: script!("/etc/security/namespace.init", "755", "exit 3"),
        acts: TWICE,
        judgement: Judgement::Same(&["namespace.init"]),
        ..USUAL
    };
    a_script_that_is_killed = Row {
        machine: script!("/etc/security/namespace.init", "755", "kill -9 $$"),
        acts: &[Act::Brief("alice")],
        judgement: Judgement::Differs(UNRUN),
        ..USUAL
    };
    a_script_that_cannot_be_run = Row {
        machine: script!("/etc/security/namespace.init", "644", ":"),
        acts: &[Act::Brief("alice")],
        judgement: Judgement::Differs(UNRUN),
        ..USUAL
    };
    a_script_that_is_missing = Row {
        conf: "/t/poly /t/inst/ user:iscript=/usr/local/bin/script root\n",
        acts: TWICE,
        ..USUAL
    };

    further_files_are_read_in_order = Row {
        machine: "mkdir -m 1777 /t/ten /t/twenty /t/not
            echo '/t/twenty /t/inst/20- user root' >/etc/security/namespace.d/20.conf
            echo '/t/ten /t/inst/10- user root' >/etc/security/namespace.d/10.conf
            echo '/t/not /t/inst/not- user root' >/etc/security/namespace.d/README",
        acts: &[Act::Login("alice", "touch /t/poly/a /t/ten/b /t/twenty/c")],
        ..USUAL
    };
    comments_and_blanks = Row {
        conf: "# one\n\n   \t\n  /t/poly\t/t/inst/   user\troot # two\n#/t /t/inst/ user\n",
        ..USUAL
    };
    words_in_quotes = Row {
        machine: "mkdir -m 1777 '/t/po ly'; install -d -m 0 '/t/in st'",
        conf: "\"/t/po ly\" \"/t/in st/\" user root\n",
        acts: &[Act::Login("alice", "touch '/t/po ly/x'; ls /t")],
        ..USUAL
    };
    words_with_backslashes = Row {
        machine: "mkdir -m 1777 '/t/po ly'",
        conf: "/t/po\\ ly /t/inst/ user root\n",
        acts: &[Act::Login("alice", "touch '/t/po ly/x'; ls /t")],
        ..USUAL
    };
    a_fifth_word = Row {
        conf: "/t/poly /t/inst/ user root more\n",
        judgement: Judgement::Same(&["namespace.conf:1: doubtful"]),
        ..USUAL
    };
    an_instance_prefix_that_is_no_directory = Row {
        conf: "/t/poly /t/inst/of- user root\n",
        ..USUAL
    };
    instances_below_what_they_cover = Row {
        machine: "install -d -m 0 /t/poly/inst",
        conf: "/t/poly /t/poly/inst/ user root\n",
        acts: &[
            Act::Login("alice", "touch /t/poly/x; ls /t/poly"),
            Act::Login("bob", "ls /t/poly"),
            Act::Login("alice", "ls /t/poly"),
        ],
        ..USUAL
    };
    the_users_name_in_paths = Row {
        machine: "mkdir -m 1777 /t/alice /t/bob",
        conf: "/t/$USER /t/inst/$USER- user root\n",
        acts: &[Act::Login("alice", "touch /t/alice/x"), Act::Login("bob", "touch /t/bob/x")],
        ..USUAL
    };
    the_users_home_in_paths = Row {
        machine: "install -d -o alice -g alice ~alice/scratch; install -d -o bob ~bob/scratch",
        conf: "$HOME/scratch /t/inst/ user root\n",
        acts: &[Act::Login("alice", "touch ~/scratch/x"), Act::Login("bob", "touch ~/scratch/x")],
        ..USUAL
    };

    any_mode_of_the_instances_directory = Row {
        machine: "chmod 755 /t/inst",
        login: "ignore_instance_parent_mode",
        ..USUAL
    };
    no_travel_at_all = Row {
        login: "mount_private",
        ..USUAL
    };
    unmounting_at_the_end = Row {
        login: "unmount_on_close",
        ..USUAL
    };
    not_unmounting_at_the_end = Row {
        login: "no_unmount_on_close",
        ..USUAL
    };
    options_that_need_selinux = Row {
        login: "use_current_context use_default_context debug",
        ..USUAL
    };
    selinux_required = Row {
        login: "require_selinux",
        acts: &[Act::Brief("alice")],
        judgement: Judgement::Differs(Difference {
            manual: "require_selinux is not carried over: nobody is refused where SELinux is disabled",
            theirs: &["open refused"],
            ours: &["open 0", "close 0", "/t/inst/alice"],
            messages: &["require_selinux"],
        }),
        ..USUAL
    };
    an_unknown_option = Row {
        acts: &[
            Act::Host("sed -i '1s/$/ nosuch/' /etc/pam.d/login"),
            Act::Brief("alice"),
        ],
        judgement: Judgement::Differs(Difference {
            manual: "an unknown module option denies the session",
            theirs: &["open 0", "/t/inst/alice", "close 0"],
            ours: &["open refused"],
            messages: &["nosuch"],
        }),
        ..USUAL
    };
    a_file_that_others_may_write = Row {
        acts: &[
            Act::Host("chmod 666 /etc/security/namespace.conf; [ ! -e /etc/security/jns.toml ] || chmod 666 /etc/security/jns.toml"),
            Act::Brief("alice"),
        ],
        judgement: Judgement::Differs(Difference {
            manual: "a policy that somebody other than root may write to is refused",
            theirs: &["open 0", "/t/inst/alice", "close 0"],
            ours: &["open refused"],
            messages: &["jns.toml"],
        }),
        ..USUAL
    };
    a_line_that_cannot_be_read = Row {
        conf: "/t/poly /t/inst/\n",
        acts: &[Act::Brief("alice")],
        judgement: Judgement::Differs(Difference {
            manual: "a line that pam_namespace cannot read is left out by the import, whose exit status is 1 then, and refuses no login afterwards",
            theirs: &["open refused"],
            ours: &["open 0", "close 0"],
            messages: &["namespace.conf:1: left public"],
        }),
        ..USUAL
    };
    lines_that_cannot_be_read_can_be_ignored = Row {
        conf: "/t/nonsense /t/inst/\n/t/poly /t/inst/ user root\n",
        login: "ignore_config_error",
        judgement: Judgement::Same(&["namespace.conf:1"]),
        ..USUAL
    };
}
