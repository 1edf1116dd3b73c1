//! The methods, who is isolated, and how what they make looks.

use super::rows;
use crate::row::{Act, Difference, Judgement, Row, USUAL};

rows! {
    /// The promise itself, by the commonest line.
    everybody_finds_the_same_files = Row {
        acts: &[
            Act::Login("alice", "echo mine >/t/poly/of-alice; ls /t/poly"),
            Act::Login("bob", "ls /t/poly"),
            Act::Login("alice", "cat /t/poly/of-alice"),
            Act::Login("root", "ls /t/poly"),
        ],
        ..USUAL
    };

    /// Instances that pam_namespace made before the move are those that the module uses.
    owner_and_mode_are_those_of_the_directory = Row {
        machine: "chgrp team /t/poly; chmod 2750 /t/poly",
        ..USUAL
    };
    instances_that_are_there_are_used = Row {
        machine: "install -d -m 1777 /t/inst/alice; echo before >/t/inst/alice/before",
        ..USUAL
    };
    instances_keep_the_owner_and_mode_of_what_they_cover = Row {
        machine: "install -d -m 2770 /t/inst/alice",
        acts: &[Act::Login("alice", "true")],
        judgement: Judgement::Differs(Difference {
            manual: "at every login, an instance has the mode and owner of what it covers, whatever a crash or a user made of it",
            theirs: &["/t/poly d 2770", "/t/inst/alice d 2770"],
            ours: &["/t/poly d 1777", "/t/inst/alice d 1777"],
            messages: &[],
        }),
        ..USUAL
    };
    instances_are_hardened = Row {
        machine: "mount -o remount,bind,suid,dev /t",
        judgement: Judgement::Differs(Difference {
            manual: "instances are nosuid and nodev",
            theirs: &["mount /inst/alice /t/poly rw,relatime", "mount /inst/bob /t/poly rw,relatime"],
            ours: &["mount /inst/alice /t/poly rw,nosuid,nodev,relatime", "mount /inst/bob /t/poly rw,nosuid,nodev,relatime"],
            messages: &[],
        }),
        ..USUAL
    };

    a_list_with_a_tilde_names_who_is_isolated = Row {
        conf: "/t/poly /t/inst/ user ~alice\n",
        ..USUAL
    };
    everybody_is_isolated_where_no_list_is = Row {
        conf: "/t/poly /t/inst/ user\n",
        acts: &[Act::Login("alice", "ls /t/poly"), Act::Login("root", "ls /t/poly")],
        ..USUAL
    };
    a_list_of_nobody_known_isolates_nobody = Row {
        conf: "/t/poly /t/inst/ user ~nosuch\n",
        judgement: Judgement::Same(&["nosuch"]),
        ..USUAL
    };
    a_list_of_somebody_unknown_leaves_the_others = Row {
        conf: "/t/poly /t/inst/ user root,nosuch,bob\n",
        ..USUAL
    };
    numbers_in_lists_are_nobody = Row {
        conf: "/t/poly /t/inst/ user root,2001\n",
        acts: &[Act::Login("alice", "true")],
        judgement: Judgement::Same(&["`2001` is no user's name"]),
        ..USUAL
    };

    a_tmpfs_is_hardened = Row {
        conf: "/t/poly tmpfs tmpfs root\n",
        judgement: Judgement::Differs(Difference {
            manual: "a tmpfs is nosuid and nodev where nothing else is said",
            theirs: &["mount / /t/poly rw,relatime"],
            ours: &["mount / /t/poly rw,nosuid,nodev,relatime"],
            messages: &["namespace.conf:1"],
        }),
        ..USUAL
    };
    a_tmpfs_has_as_many_inodes_as_it_can_hold = Row {
        conf: "/t/poly tmpfs tmpfs:mntopts=size=1M,nosuid,nodev root\n",
        acts: &[Act::Login("alice", "stat -f -c 'inodes %c' /t/poly")],
        judgement: Judgement::Differs(Difference {
            manual: "a tmpfs has an inode for each 4 KiB of its size",
            theirs: &["inodes "],
            ours: &["inodes 256"],
            messages: &[],
        }),
        ..USUAL
    };
    options_of_a_tmpfs = Row {
        conf: "/t/poly tmpfs tmpfs:mntopts=size=1M,nosuid,noexec,nodev,mode=700,uid=2001 root\n",
        ..USUAL
    };
    read_only_and_times_are_options_of_a_tmpfs = Row {
        conf: "/t/poly tmpfs tmpfs:mntopts=ro,noatime root\n",
        acts: &[Act::Login("alice", "ls /t/poly/of-host")],
        judgement: Judgement::Differs(Difference {
            manual: "ro, noatime and the like are heeded among the options of a tmpfs, and deny nobody",
            theirs: &["open refused", "status 0", "/t/poly/of-host"],
            ours: &["open 0", "mount / /t/poly ro,", "No such file", "status 512", "close 0"],
            messages: &["noatime"],
        }),
        ..USUAL
    };

    a_directory_of_the_session_is_removed = Row {
        conf: "/t/poly /t/inst/ tmpdir root\n",
        judgement: Judgement::Differs(Difference {
            manual: "the directory of a tmpdir is removed when the session ends",
            theirs: &["mount /inst/", "/t/inst/"],
            ours: &["mount /inst/", "/t/inst/"],
            messages: &[],
        }),
        ..USUAL
    };

    a_missing_directory_is_created = Row {
        conf: "/t/new /t/inst/ user:create root\n",
        acts: &[Act::Login("alice", "touch /t/new/x")],
        ..USUAL
    };
    instances_of_a_created_directory_are_their_users = Row {
        conf: "/t/new /t/inst/ user:create root\n",
        acts: &[Act::Login("alice", "true"), Act::Login("bob", "true")],
        judgement: Judgement::Differs(Difference {
            manual: "instances of a created directory belong to their users, not all to the first one",
            theirs: &["/t/new d 755 2001:2001", "/t/inst/bob d 755 2001:2001"],
            ours: &["/t/new d 755 2002:2002", "/t/inst/bob d 755 2002:2002"],
            messages: &[],
        }),
        ..USUAL
    };
    a_missing_directory_is_created_as_the_line_says = Row {
        conf: "/t/new /t/inst/ user:create=0700,root,bob root\n",
        acts: &[Act::Login("alice", "ls /t/new"), Act::Login("bob", "ls /t/new")],
        ..USUAL
    };
    the_group_of_what_is_created_is_the_owners = Row {
        conf: "/t/new /t/inst/ user:create=,bob root\n",
        acts: &[Act::Login("alice", "ls /t/new"), Act::Login("bob", "ls /t/new")],
        ..USUAL
    };
    modes_are_octal = Row {
        conf: "/t/new /t/inst/ user:create=700 root\n",
        acts: &[Act::Login("alice", "true")],
        judgement: Judgement::Differs(Difference {
            manual: "the mode of create is octal, with a leading zero or without",
            theirs: &["/t/new d 1274", "/t/inst/alice d 1274"],
            ours: &["/t/new d 700", "/t/inst/alice d 700"],
            messages: &[],
        }),
        ..USUAL
    };
    what_is_no_mode = Row {
        conf: "/t/new /t/inst/ user:create=foo root\n",
        acts: &[Act::Brief("alice")],
        judgement: Judgement::Same(&["`foo` is no octal mode"]),
        ..USUAL
    };

    a_level_without_selinux_is_the_user = Row {
        conf: "/t/poly /t/inst/ level root\n",
        judgement: Judgement::Same(&["namespace.conf:1"]),
        ..USUAL
    };
    a_context_without_selinux_is_the_user = Row {
        conf: "/t/poly /t/inst/ context root\n",
        judgement: Judgement::Same(&["namespace.conf:1"]),
        ..USUAL
    };
    a_shared_context_without_selinux_isolates_nobody = Row {
        conf: "/t/poly /t/inst/ context:shared root\n",
        acts: &[Act::Process(&["stack=login", "start=alice", "open", "sh=ls /t/poly", "close", "end"])],
        judgement: Judgement::Same(&["namespace.conf:1: "]),
        ..USUAL
    };

    a_long_name_is_cut = Row {
        machine: LONG_NAME,
        acts: &[Act::Login(LONG, "touch /t/poly/x")],
        ..USUAL
    };
    names_can_be_hashed = Row {
        login: "gen_hash",
        ..USUAL
    };
}

/// A name of 100 bytes.
const LONG: &str = "u123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
const LONG_NAME: &str = "name=u123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789
    echo $name:x:2050:2050::/home:/bin/bash >>/etc/passwd
    echo $name:x:2050: >>/etc/group";
