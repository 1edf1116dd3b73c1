//! Sessions in sessions, and what travels between them and the host.

use super::rows;
use crate::row::{Act, Difference, Judgement, Row, USUAL};

/// A mount of the host's that is made while a session is open, and one that is made in it.
const TRAVEL: &[Act] = &[Act::Process(&[
    "stack=login",
    "start=alice",
    "open",
    "sh=nsenter -t 1 -m sh -c 'mount -t tmpfs -o mode=755 late /t/late && echo late >/t/late/file'",
    "sh=mount -t tmpfs -o mode=755 inner /t/inner && echo inner >/t/inner/file",
    "sh=LOOK",
    "sh=nsenter -t 1 -m ls /t/late /t/inner",
    "close",
    "end",
])];

const LAYERS: &str = "sh=echo layers $(grep -c ' /t/poly ' /proc/self/mountinfo)";

/// Bob, or root, by su in alice's session.
macro_rules! su_in_a_session {
    ($user:literal) => {
        &[Act::Process(&[
            "stack=login",
            "start=alice",
            "open",
            "sh=touch /t/poly/of-alice",
            "fork",
            "stack=su",
            concat!("start=", $user),
            "ruser=alice",
            "open",
            "sh=LOOK",
            LAYERS,
            "close",
            "end",
            "join",
            "sh=LOOK",
            "close",
            "end",
        ])]
    };
}

rows! {
    the_working_directory_stays = Row {
        acts: &[Act::Process(&["stack=login", "chdir=/t/poly", "start=alice", "open", "sh=ls", "close", "end"])],
        ..USUAL
    };
    su_to_another_user = Row {
        acts: su_in_a_session!("bob"),
        ..USUAL
    };
    su_to_root = Row {
        acts: su_in_a_session!("root"),
        judgement: Judgement::Differs(Difference {
            manual: "su to somebody who is not isolated gives the host's own view",
            theirs: &["view of its own"],
            ours: &["view of the host"],
            messages: &[],
        }),
        ..USUAL
    };
    su_to_another_user_without_the_option = Row {
        su: "",
        acts: su_in_a_session!("bob"),
        judgement: Judgement::Differs(Difference {
            manual: "su in a session shows one view, without an option, and not a view over a view",
            theirs: &["layers 2"],
            ours: &["layers 1"],
            messages: &[],
        }),
        ..USUAL
    };
    a_mount_of_the_hosts_stays = Row {
        machine: "mount -t tmpfs -o mode=1777 real /t/poly; echo real >/t/poly/file",
        acts: &[Act::Process(&["stack=su", "start=alice", "ruser=bob", "open", LAYERS, "close", "end"])],
        judgement: Judgement::Differs(Difference {
            manual: "a mount of the host's own is never detached",
            theirs: &["layers 1"],
            ours: &["layers 2"],
            messages: &[],
        }),
        ..USUAL
    };
    instances_travel_nowhere = Row {
        machine: "mount --make-rprivate /; mount -t tmpfs -o mode=1777 real /t/poly; mount --make-shared /t/poly",
        acts: &[Act::Brief("alice"), Act::Host("grep -c /inst/alice /proc/self/mountinfo")],
        judgement: Judgement::Differs(Difference {
            manual: "an instance never appears on the host, whatever is shared",
            theirs: &["mount /inst/alice /t/poly", "1", "host Some(0)"],
            ours: &["mount / /t/poly", "0", "host Some(1)"],
            messages: &[],
        }),
        ..USUAL
    };
    mounts_of_the_host_arrive_and_none_leave = Row {
        machine: "mkdir /t/late /t/inner",
        acts: TRAVEL,
        ..USUAL
    };
    mounts_of_the_host_stay_out_where_nothing_may_travel = Row {
        machine: "mkdir /t/late /t/inner",
        login: "mount_private",
        acts: TRAVEL,
        ..USUAL
    };
    many_sessions_of_one_process = Row {
        acts: &[Act::Process(&[
            "stack=login", "repeat", "3", "start=alice", "open", "close", "end", "again", "start=alice", "open",
            LAYERS, "close", "end",
        ])],
        judgement: Judgement::Differs(Difference {
            manual: "many sessions of one process do not pile up mounts",
            theirs: &["layers 4"],
            ours: &["layers 1"],
            messages: &[],
        }),
        ..USUAL
    };
    a_session_that_is_never_closed = Row {
        acts: &[
            Act::Process(&["stack=login", "start=alice", "open", "sh=touch /t/poly/of-alice"]),
            Act::Login("alice", "ls /t/poly"),
        ],
        ..USUAL
    };
    the_sessions_environment_stays = Row {
        acts: &[Act::Process(&[
            "stack=login", "start=alice", "putenv=NAME=value", "open", "environment=environment", "close",
            "environment=environment", "end",
        ])],
        ..USUAL
    };
}
