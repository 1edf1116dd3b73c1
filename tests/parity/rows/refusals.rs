//! What is refused, and what a machine looks like when something is wrong.

use super::rows;
use crate::row::{Act, Difference, Judgement, Row, USUAL};
use crate::sandbox::peer::{BEFORE_1_5_2_MENDED, SINCE_1_5_2_MENDED, SINCE_1_7_0_MENDED};

const ALICE: &[Act] = &[Act::Brief("alice")];

/// A session where /proc is not mounted, and how often its instance is on the host.
const WITHOUT_PROC: &[Act] = &[Act::Host(
    "cd /; umount -l /proc
     driver /run/report /etc/pam.d stack=login start=alice open 'sh=ls -A /t/poly; touch /t/poly/of-alice' close end
     mount -t proc -o nosuid,nodev,noexec proc /proc
     cat /run/report; grep -c /inst/alice /proc/self/mountinfo",
)];

const REFUSED_WITHOUT_PROC: Judgement = Judgement::Differs(Difference {
    manual: "without /proc a login works",
    theirs: &["open 14", "close 6", "of-host", "/t/poly/of-alice"],
    ours: &["open 0", "close 0", "/t/inst/alice/of-alice"],
    messages: &[],
});

rows! {
    a_missing_directory_denies = Row {
        conf: "/t/missing /t/inst/ user root\n",
        acts: ALICE,
        judgement: Judgement::Same(&["/t/missing"]),
        ..USUAL
    };
    nothing_stays_of_half_a_view = Row {
        conf: "/t/poly /t/inst/ user root\n/t/missing /t/inst/missing- user root\n",
        acts: &[Act::Login("alice", "true")],
        judgement: Judgement::Differs(Difference {
            manual: "a login that fails leaves no mount, no namespace and no new instance",
            theirs: &["view of its own", "mount /inst/alice", "/t/inst/alice"],
            ours: &["view of the host", "/t/poly/of-host"],
            messages: &["/t/missing"],
        }),
        ..USUAL
    };
    the_code_of_a_refusal = Row {
        conf: "/t/missing /t/inst/ user root\n",
        acts: &[Act::Codes(&["stack=login", "start=alice", "open", "end"])],
        judgement: Judgement::Differs(Difference {
            manual: "a refusal is PAM_PERM_DENIED, and not PAM_SESSION_ERR, after which sudo goes on",
            theirs: &["open 14"],
            ours: &["open 6"],
            messages: &["/t/missing"],
        }),
        ..USUAL
    };
    root_is_let_in = Row {
        conf: "/t/missing /t/inst/ user\n",
        acts: &[Act::Brief("root")],
        judgement: Judgement::Differs(Difference {
            manual: "root is refused no session",
            theirs: &["open refused"],
            ours: &["open 0", "close 0"],
            messages: &["/t/missing"],
        }),
        ..USUAL
    };
    a_parent_of_instances_with_another_mode = Row {
        machine: "chmod 755 /t/inst",
        acts: ALICE,
        judgement: Judgement::Same(&["/t/inst"]),
        ..USUAL
    };
    a_parent_of_instances_that_only_root_may_enter = Row {
        machine: "chmod 700 /t/inst",
        acts: ALICE,
        judgement: Judgement::Differs(Difference {
            manual: "the parent of instances may have the modes 0700 and 0711 too",
            theirs: &["open refused"],
            ours: &["open 0", "close 0", "/t/inst/alice d 1777"],
            messages: &[],
        }),
        ..USUAL
    };
    a_parent_of_instances_that_a_user_owns = Row {
        machine: "chown bob /t/inst",
        acts: ALICE,
        judgement: Judgement::Same(&["/t/inst"]),
        ..USUAL
    };
    a_parent_of_instances_that_is_missing = Row {
        machine: "rmdir /t/inst",
        acts: ALICE,
        ..USUAL
    };
    two_lines_for_one_directory = Row {
        conf: "/t/poly /t/inst/one- user root\n/t/poly /t/inst/two- user root\n",
        judgement: Judgement::Differs(Difference {
            manual: "of two lines for one directory the last is imported, whose instances are what people see",
            theirs: &["/t/inst/one-"],
            ours: &[],
            messages: &["namespace.conf:1: left out"],
        }),
        ..USUAL
    };
    two_directories_with_one_instance = Row {
        machine: "mkdir -m 1777 /t/more",
        conf: "/t/poly /t/inst/ user root\n/t/more /t/inst/ user root\n",
        judgement: Judgement::Differs(Difference {
            manual: "of two lines whose instances would be one directory the first keeps it, and the other gets instances of its own",
            theirs: &["mount /inst/alice /t/more", "mount /inst/bob /t/more"],
            ours: &["/inst/:t:more:"],
            messages: &["namespace.conf:2: different"],
        }),
        ..USUAL
    };
    a_link_of_roots_is_followed = Row {
        machine: "mv /t/poly /t/real; ln -s /t/real /t/poly",
        ..USUAL
    };
    a_link_of_roots_that_leads_to_a_users_directory = Row {
        machine: "mv /t/poly ~alice/poly; chown alice ~alice/poly; ln -s ~alice/poly /t/poly",
        acts: &[Act::Brief("bob")],
        judgement: Judgement::Differs(Difference {
            manual: "what a link leads to is judged like every other path",
            theirs: &["open 0", "/t/inst/bob", "close 0"],
            ours: &["open refused"],
            messages: &["/t/poly"],
        }),
        ..USUAL
    };
    a_link_of_a_user = Row {
        machine: "mv /t/poly /t/real; ln -s /t/real /t/poly; chown -h alice /t/poly",
        acts: ALICE,
        judgement: Judgement::Differs(Difference {
            manual: "a link that belongs to a user is refused as a private directory",
            theirs: &["open 0", "/t/inst/alice", "close 0"],
            ours: &["open refused"],
            messages: &["/t/poly is a symbolic link that belongs to uid 2001"],
        }),
        ..USUAL
    };
    a_link_in_a_users_directory = Row {
        machine: "mv /t/poly /t/real; ln -s /t/real ~alice/poly",
        conf: "$HOME/poly /t/inst/ user root\n",
        acts: ALICE,
        judgement: Judgement::Same(&["/home/alice/poly"]),
        ..USUAL
    };
    an_instance_that_is_a_link = Row {
        machine: "mkdir /t/elsewhere; ln -s /t/elsewhere /t/inst/alice",
        acts: ALICE,
        judgement: Judgement::ByVersion(&[
            (BEFORE_1_5_2_MENDED, Judgement::Differs(Difference {
                manual: "an instance that is a link is refused",
                theirs: &["open 0", "close 0"],
                ours: &["open refused"],
                messages: &["/t/inst/alice"],
            })),
            (SINCE_1_5_2_MENDED, Judgement::Same(&["/t/inst/alice"])),
            (SINCE_1_7_0_MENDED, Judgement::Same(&["/t/inst/alice"])),
        ]),
        ..USUAL
    };
    an_instance_that_is_a_file = Row {
        machine: "echo file >/t/inst/alice",
        acts: ALICE,
        judgement: Judgement::Same(&["/t/inst/alice"]),
        ..USUAL
    };
    an_instance_that_a_crash_left_without_its_mode = Row {
        machine: "install -d -m 0400 /t/inst/alice",
        acts: &[Act::Login("alice", "touch /t/poly/x")],
        judgement: Judgement::Differs(Difference {
            manual: "at every login, an instance has the mode and owner of what it covers, whatever a crash or a user made of it",
            theirs: &["/t/poly d 400", "/t/inst/alice d 400", "Permission denied", "status 256"],
            ours: &["/t/poly d 1777", "/t/inst/alice d 1777", "/t/inst/alice/x", "status 0"],
            messages: &[],
        }),
        ..USUAL
    };
    an_instance_that_a_script_gave_away = Row {
        machine: "install -d -m 0 ~alice/.inst; printf '%s\\n' '#!/bin/sh' 'chown $4 $1' >/usr/sbin/give
            chmod 755 /usr/sbin/give",
        conf: "/t/poly $HOME/.inst/ user:iscript=/usr/sbin/give root\n",
        acts: &[Act::Brief("alice"), Act::Brief("alice")],
        judgement: Judgement::Differs(Difference {
            manual: "in a home, an instance that a script gave to the user is refused at the next login",
            theirs: &["open 0", "close 0"],
            ours: &["open refused"],
            messages: &["/home/alice/.inst/alice: it belongs to uid 2001"],
        }),
        ..USUAL
    };
    a_hardened_directory_stays_hardened = Row {
        machine: "mount -t tmpfs -o mode=1777,nosuid,noexec,noatime hard /t/poly",
        judgement: Judgement::Differs(Difference {
            manual: "an instance has the mount options of what it covers",
            theirs: &["mount /inst/alice /t/poly rw,nosuid,nodev,relatime", "mount /inst/bob /t/poly rw,nosuid,nodev,relatime"],
            ours: &["rw,nosuid,nodev,noexec,noatime"],
            messages: &[],
        }),
        ..USUAL
    };
    a_service_without_rights = Row {
        acts: &[Act::Process(&["stack=login", "start=alice", "drop=21", "open", "close", "end"])],
        judgement: Judgement::Same(&["CAP_SYS_ADMIN"]),
        ..USUAL
    };
    a_service_without_proc = Row {
        acts: WITHOUT_PROC,
        judgement: Judgement::ByVersion(&[
            (BEFORE_1_5_2_MENDED, Judgement::Differs(Difference {
                manual: "without /proc an instance does not appear on the host",
                theirs: &["mount /inst/alice /t/poly", "1", "host Some(0)", "/t/poly/of-alice"],
                ours: &["0", "host Some(1)", "/t/poly/of-host"],
                messages: &[],
            })),
            (SINCE_1_5_2_MENDED, REFUSED_WITHOUT_PROC),
            (SINCE_1_7_0_MENDED, REFUSED_WITHOUT_PROC),
        ]),
        ..USUAL
    };
    a_service_without_proc_where_nothing_may_travel = Row {
        login: "mount_private",
        acts: WITHOUT_PROC,
        judgement: Judgement::ByVersion(&[
            (BEFORE_1_5_2_MENDED, Judgement::Same(&[])),
            (SINCE_1_5_2_MENDED, REFUSED_WITHOUT_PROC),
            (SINCE_1_7_0_MENDED, REFUSED_WITHOUT_PROC),
        ]),
        ..USUAL
    };
    closing_as_the_user = Row {
        acts: &[Act::Process(&["stack=login", "start=alice", "open", "uids=2001,2001", "close", "end"])],
        ..USUAL
    };
    a_user_whom_nobody_knows = Row {
        acts: &[Act::Process(&["stack=login", "start=nosuch", "open", "sh=LOOK", "close", "end"])],
        ..USUAL
    };
    no_configuration_at_all = Row {
        conf: "",
        ..USUAL
    };
}
