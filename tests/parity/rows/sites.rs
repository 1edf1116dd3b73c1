//! Configurations of real sites, as they are published.

use super::rows;
use crate::row::{Act, Difference, Judgement, Row, USUAL};

/// Two users who leave a file in each of the usual directories.
const USUAL_PLACES: &[Act] = &[
    Act::Login(
        "alice",
        "touch /tmp/a /var/tmp/a /dev/shm/a ~/a; ls /tmp /var/tmp /dev/shm ~",
    ),
    Act::Login("bob", "ls -A /tmp /var/tmp /dev/shm"),
    Act::Login("alice", "ls /tmp /var/tmp /dev/shm ~"),
    Act::Login("root", "ls /tmp /var/tmp /dev/shm"),
];

rows! {
    /// A distribution's file with its examples uncommented.
    a_distributions_examples = Row {
        machine: "adduser --system adm >/dev/null 2>&1 || useradd adm; install -d -m 0 /tmp-inst /var/tmp/tmp-inst
            for user in alice bob root; do eval install -d -m 0 ~$user/$user.inst; done",
        conf: "/tmp /tmp-inst/ level root,adm\n/var/tmp /var/tmp/tmp-inst/ level root,adm\n$HOME $HOME/$USER.inst/ level\n",
        acts: USUAL_PLACES,
        judgement: Judgement::Differs(Difference {
            manual: "instances are nosuid and nodev",
            theirs: &["mount /tmp-inst/alice /tmp rw,relatime", "mount /tmp-inst/bob /tmp rw,relatime"],
            ours: &["mount /tmp-inst/alice /tmp rw,nosuid,nodev,relatime", "mount /tmp-inst/bob /tmp rw,nosuid,nodev,relatime"],
            messages: &["namespace.conf:3"],
        }),
        ..USUAL
    };
    /// A hardening guide of governments and banks.
    a_hardening_guide = Row {
        machine: "install -d -m 0 /tmp/tmp-inst /var/tmp/tmp-inst",
        conf: "/tmp     /tmp/tmp-inst/        level      root,adm\n/var/tmp /var/tmp/tmp-inst/    level      root,adm\n",
        acts: USUAL_PLACES,
        ..USUAL
    };
    /// A hardening guide's own test of a local change.
    a_hardening_guide_with_local_changes = Row {
        machine: "install -d -m 0 /var/tmp/tmp-inst; echo '#!/bin/sh' >/etc/security/namespace.d/shared.sh
            chmod 755 /etc/security/namespace.d/shared.sh
            echo ' /var/tmp  /var/tmp/tmp-inst/\tuser:create=0700:noinit:iscript=shared.sh\t\t~alice,foo-bar\t\t' \
                >>/etc/security/namespace.d/10-local.conf",
        conf: "",
        acts: USUAL_PLACES,
        ..USUAL
    };
    /// A platform that runs other people's applications: instances in the homes, a script, a small /dev/shm.
    a_platform_for_applications = Row {
        machine: "for user in alice bob; do eval install -d -m 0 ~$user/.tmp; done
            printf '%s\\n' '#!/bin/sh' 'touch $1/made' >/usr/sbin/namespace-init
            chmod 755 /usr/sbin/namespace-init
            echo '/tmp        $HOME/.tmp/      user:iscript=/usr/sbin/namespace-init root,adm' >/etc/security/namespace.d/tmp.conf
            echo '/dev/shm  tmpfs  tmpfs:mntopts=size=5M:iscript=/usr/sbin/namespace-init root,adm' >/etc/security/namespace.d/shm.conf",
        conf: "",
        login: "no_unmount_on_close",
        acts: USUAL_PLACES,
        judgement: Judgement::Differs(Difference {
            manual: "a tmpfs is nosuid and nodev where nothing else is said",
            theirs: &["mount / /dev/shm rw,relatime", "mount /alice/.tmp /home", "mount /bob/.tmp /home"],
            ours: &["mount / /dev/shm rw,nosuid,nodev,relatime"],
            messages: &["shm.conf:1"],
        }),
        ..USUAL
    };
    /// Login nodes of a cluster.
    login_nodes_of_a_cluster = Row {
        machine: "install -d -m 0 /tmp/usertmp /dev/shm/usertmp",
        conf: "/tmp /tmp/usertmp/ user root\n/dev/shm /dev/shm/usertmp/ user root\n",
        acts: USUAL_PLACES,
        ..USUAL
    };
    /// Compute nodes, on which /tmp is a directory of the job on a scratch disk.
    compute_nodes_of_a_cluster = Row {
        machine: "mkdir /scratch; mount -t tmpfs -o mode=755,nosuid,nodev scratch /scratch; install -d -m 0 /scratch/tmp /scratch/var",
        conf: "/tmp /scratch/tmp/ user root\n/var/tmp /scratch/var/ user root\n/dev/shm tmpfs tmpfs:mntopts=size=4M,nosuid,nodev root\n",
        acts: USUAL_PLACES,
        ..USUAL
    };
    /// A family's desktop.
    a_familys_desktop = Row {
        conf: "/tmp /tmp/kids-inst/ tmpfs:mntopts=nosuid,nodev,noexec ~alice\n/dev/shm /dev/shm/kids-inst/ tmpfs:mntopts=nosuid,nodev,noexec ~alice\n",
        acts: USUAL_PLACES,
                ..USUAL
    };
    /// Directories in homes, with instances elsewhere.
    directories_in_homes = Row {
        machine: "install -d -m 0 /var/tmp/tmp-inst",
        conf: "$HOME/tmp /var/tmp/tmp-inst/ user:create root\n",
        acts: &[Act::Login("alice", "touch ~/tmp/a; ls -A ~"), Act::Login("bob", "ls -A ~/tmp")],
        judgement: Judgement::Differs(Difference {
            manual: "the parent of instances is not mounted onto itself",
            theirs: &["mount /tmp-inst /var/tmp/tmp-inst"],
            ours: &[],
            messages: &[],
        }),
        ..USUAL
    };
}
