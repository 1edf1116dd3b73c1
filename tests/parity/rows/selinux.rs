//! Instances by SELinux context and level.

use super::rows;
use crate::row::{Act, Judgement, Row, USUAL};

/// Alice at one level, and then at another; names and labels of her instances.
const LEVELS: Row = Row {
    selinux: true,
    machine: "echo alice:staff_u:s0:c1 >>$(echo /etc/selinux/*/seusers)
        echo $(id -Z | cut -d: -f2,3):s0 staff_r:staff_t:s0 >$(dirname /etc/selinux/*/seusers)/contexts/users/staff_u",
    login: "use_default_context",
    acts: &[
        Act::Login("alice", "echo mine >/t/poly/of-c1; ls -Zd /t/poly"),
        Act::Host("sed -i 's/^alice:.*/alice:staff_u:s0:c2/' /etc/selinux/*/seusers"),
        Act::Login("alice", "ls /t/poly"),
        Act::Host("sed -i 's/^alice:.*/alice:staff_u:s0:c1/' /etc/selinux/*/seusers"),
        Act::Login("alice", "cat /t/poly/of-c1"),
        Act::Host("ls -Z /t/inst"),
    ],
    judgement: Judgement::Same(&["use_default_context"]),
    ..USUAL
};

rows! {
    each_level_has_an_instance = Row {
        conf: "/t/poly /t/inst/ level root\n",
        ..LEVELS
    };
    each_context_has_an_instance = Row {
        conf: "/t/poly /t/inst/ context root\n",
        ..LEVELS
    };
    a_context_can_be_shared = Row {
        conf: "/t/poly /t/inst/ context:shared root\n",
        ..LEVELS
    };
    names_with_levels_can_be_hashed = Row {
        conf: "/t/poly /t/inst/ level root\n",
        login: "use_default_context gen_hash",
        ..LEVELS
    };
    /// The policy names no context for such a user from an unconfined process, which keeps its own.
    a_session_can_keep_the_context_of_the_process = Row {
        conf: "/t/poly /t/inst/ level root\n",
        machine: "echo alice:unconfined_u:s0:c1 >>$(echo /etc/selinux/*/seusers)",
        login: "use_current_context",
        acts: &[Act::Login("alice", "ls -Zd /t/poly"), Act::Host("ls -Z /t/inst")],
        judgement: Judgement::Same(&["use_current_context"]),
        ..LEVELS
    };
}
