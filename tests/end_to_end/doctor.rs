//! What `jns doctor` finds: each mistake is made on a real system, found, and mended, after which it is not found any more.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox, skip};
use serde_json::Value;

/// A mistake: the script that makes it, words of the finding's line and of its advice, and the script that mends it.
type Mistake<'a> = (&'a str, &'a [&'a str], &'a str);

/// The module of the sandbox, in a script.
const MODULE: &str =
    "M=$(ls /usr/lib/*/security/pam_jns.so /root/pam_jns.so 2>/dev/null | head -n 1)";

/// Mistakes that keep everybody out, root too.
const LOCKOUTS: &[Mistake<'_>] = &[
    (
        "mv $M /root/pam_jns.so",
        &[
            "problem  pam_jns.so is missing: not at /usr/lib",
            "refused, root's too",
        ],
        "mv $M $(dirname /usr/lib/*/security/pam_unix.so)",
    ),
    (
        "cp $M /root/kept; truncate -s 100000 $M",
        &[
            "pam_jns.so cannot be loaded: its end is missing",
            "refused, root's too",
        ],
        "cat /root/kept >$M",
    ),
    (
        "printf '\\x03\\x00' | dd of=$M bs=1 seek=18 conv=notrunc 2>/dev/null",
        &[
            "cannot be loaded: it is of another architecture",
            "refused, root's too",
        ],
        "cat /root/kept >$M",
    ),
    (
        "echo nonsense >$M",
        &[
            "cannot be loaded: it is no shared object",
            "refused, root's too",
        ],
        "cat /root/kept >$M",
    ),
    (
        "D=$(dirname $M); mount --bind $D $D; mount -o remount,bind,noexec $D",
        &[
            "cannot be loaded: its file system is mounted with noexec",
            "refused, root's too",
        ],
        "umount $(dirname $M)",
    ),
    (
        "sed -i '1i @include none' /etc/pam.d/su",
        &[
            "problem  su includes files that do not exist: none (/etc/pam.d/su:1)",
            "refused, root's too",
        ],
        "sed -i 1d /etc/pam.d/su",
    ),
    (
        "sed -i '1i account include none' /etc/pam.d/su",
        &[
            "problem  su includes files that do not exist: none (/etc/pam.d/su:1)",
            "refused, root's too",
        ],
        "sed -i 1d /etc/pam.d/su",
    ),
    (
        "sed -i '1i session required pam_none.so' /etc/pam.d/su",
        &[
            "pam_none.so is missing: not at /usr/lib",
            "refused, root's too",
        ],
        "sed -i 1d /etc/pam.d/su",
    ),
    (
        "sed -i '/^session.*pam_deny/i session required pam_jns.so' /etc/pam.d/common-session",
        &[
            "`[default=1] pam_permit.so` jumps over pam_jns onto pam_deny (/etc/pam.d/common-session:",
            "root too",
        ],
        "sed -i /pam_jns/d /etc/pam.d/common-session",
    ),
    (
        "echo 'session [success=1 default=ignore] pam_succeed_if.so quiet uid = 0' >>/etc/pam.d/su",
        &[
            "uid = 0` jumps past the end of the stack (/etc/pam.d/su:",
            "root's too; take the line out",
        ],
        "sed -i '$d' /etc/pam.d/su",
    ),
];

/// Lines of stacks that are not as they should be.
const STACKS: &[Mistake<'_>] = &[
    (
        "sed -i '/pam_jns/i session optional pam_tmpdir.so' /etc/pam.d/sshd",
        &[
            "warning  sshd: pam_tmpdir stands before pam_jns",
            "move pam_tmpdir below",
        ],
        "sed -i /pam_tmpdir/d /etc/pam.d/sshd; echo 'session optional pam_tmpdir.so' >>/etc/pam.d/sshd",
    ),
    (
        "sed -i '/pam_jns/i session optional pam_mount.so' /etc/pam.d/sshd",
        &[
            "problem  sshd: pam_mount stands before pam_jns",
            "move it below",
        ],
        "sed -i /pam_mount/d /etc/pam.d/sshd",
    ),
    (
        "echo 'session required pam_mkhomedir.so' >>/etc/pam.d/sshd",
        &[
            "warning  sshd: pam_mkhomedir stands after pam_jns",
            "move pam_jns below",
        ],
        "sed -i '$d' /etc/pam.d/sshd",
    ),
    (
        "sed -i '/pam_jns/i session required pam_namespace.so' /etc/pam.d/sshd",
        &[
            "problem  sshd: pam_namespace and pam_jns cover the same",
            "jns import",
        ],
        "sed -i /pam_namespace/d /etc/pam.d/sshd",
    ),
    (
        "sed -i '/pam_jns/i session sufficient pam_permit.so' /etc/pam.d/sshd",
        &["warning  sshd: pam_jns is left out when pam_permit succeeds"],
        "sed -i '/sufficient.*pam_permit/d' /etc/pam.d/sshd",
    ),
    (
        "sed -i '/pam_jns/i session [success=1 default=ignore] pam_succeed_if.so uid = 0' /etc/pam.d/su",
        &["warning  su: root passes pam_jns by, and keeps the caller's view"],
        "sed -i /pam_succeed_if/d /etc/pam.d/su",
    ),
    (
        "sed -i '/pam_jns/i session [success=2 default=ignore] pam_succeed_if.so user ingroup team' /etc/pam.d/su; \
         echo 'session optional pam_keyinit.so' >>/etc/pam.d/su",
        &["jumps over pam_keyinit, which is not pam_jns"],
        "sed -i '/pam_succeed_if/d; $d' /etc/pam.d/su",
    ),
    (
        "echo 'session required pam_jns.so' >>/etc/pam.d/su",
        &["note     su: pam_jns stands here again"],
        "sed -i '$d' /etc/pam.d/su",
    ),
    (
        "echo 'account required pam_jns.so' >>/etc/pam.d/su",
        &[
            "warning  pam_jns does nothing in account",
            "remove this line; a jump",
        ],
        "sed -i '$d' /etc/pam.d/su",
    ),
    (
        "sed -i 's/required *pam_jns.so/sufficient pam_jns.so/' /etc/pam.d/su",
        &["problem  `sufficient` ends the stack"],
        "sed -i 's/sufficient pam_jns.so/required pam_jns.so/' /etc/pam.d/su",
    ),
    (
        "sed -i 's/required pam_jns.so/optional pam_jns.so/' /etc/pam.d/su",
        &["warning  `optional` lets logins go on"],
        "sed -i 's/optional pam_jns.so/required pam_jns.so/' /etc/pam.d/su",
    ),
    (
        "sed -i 's/pam_jns.so/pam_jns.so observe/' /etc/pam.d/su",
        &["warning  `observe`: plans are logged"],
        "sed -i 's/pam_jns.so observe/pam_jns.so/' /etc/pam.d/su",
    ),
    (
        "sed -i 's/pam_jns.so/pam_jns.so obsreve/' /etc/pam.d/su",
        &["problem  pam_jns has no argument `obsreve`"],
        "sed -i 's/pam_jns.so obsreve/pam_jns.so threads=any/' /etc/pam.d/su",
    ),
    (
        "chmod 664 $M",
        &[
            "can be changed by others than root",
            "run make install again",
        ],
        "chmod 644 $M",
    ),
    (
        "cp /etc/pam.d/su /root/kept-su; sed -i /pam_jns/d /etc/pam.d/su",
        &[
            "warning  without pam_jns, and with the view they are started in: ",
            "su, su-l",
        ],
        "cp /root/kept-su /etc/pam.d/su",
    ),
    (
        "mkdir -p /usr/lib/pam.d; echo 'session required pam_unix.so' >/usr/lib/pam.d/systemd-run0",
        &[", systemd-run0, "],
        "echo 'session required pam_jns.so' >>/usr/lib/pam.d/systemd-run0",
    ),
    (
        "cp /etc/pam.d/other /root/kept-other; sed -i /pam_jns/d /etc/pam.d/other",
        &["note     other: without pam_jns"],
        "echo 'session required pam_jns.so' >>/etc/pam.d/other",
    ),
];

/// Policies, and what they need.
const POLICIES: &[Mistake<'_>] = &[
    (
        "echo '[[privat]]' >$P",
        &[
            "problem  1 error, first",
            "every login but root's is refused",
        ],
        "rm $P",
    ),
    (
        "echo '[settings]\nmode = \"observe\"' >$P",
        &["warning  settings.mode is"],
        "rm $P",
    ),
    (
        "printf '[[env]]\nusers = [\"nobody-at-all\"]\nset = { A = \"b\" }\n' >$P",
        &["warning  1 name of no user or group"],
        "rm $P",
    ),
    (
        "printf '[[isolate]]\nnetwork = \"name:none\"\n' >$P",
        &[
            "problem  cannot",
            "logins to which the rule applies are refused",
        ],
        "rm $P",
    ),
    (
        "printf '[[hook]]\nwhen = \"open\"\nrun = [\"/opt/none\"]\n' >$P",
        &["problem  /opt/none does not exist"],
        "rm $P",
    ),
    (
        "printf '[[volume]]\npath = \"/mnt\"\nopen = [\"/bin/true\"]\npassword = \"login\"\n' >$P",
        &["the login password is not kept for volumes"],
        "sed -i '1i auth optional pam_jns.so' /etc/pam.d/{sshd,su,login,vsftpd}",
    ),
    (
        ":",
        &[
            "note     systemd-user: users' services do not see /mnt",
            "(/etc/security/jns.d/50-mistake.toml:1)",
        ],
        "rm $P; sed -i 1d /etc/pam.d/{sshd,su,login,vsftpd}",
    ),
    (
        "printf '[[isolate]]\nprocesses = \"own\"\nnetwork = \"none\"\n' >$P",
        &[
            "systemd-user: users' services cannot be in a PID namespace",
            "goes on holding for it",
        ],
        "printf '[[isolate]]\nprocesses = \"own\"\nnetwork = \"none\"\nservices = [\"ssh*\"]\n' >$P",
    ),
    (
        "echo 'session required pam_loginuid.so' >>/etc/pam.d/sshd",
        &["warning  sshd: pam_loginuid stands after pam_jns and finds no /proc/self"],
        "sed -i '$d' /etc/pam.d/sshd",
    ),
    (
        "mkdir -p /etc/systemd/logind.conf.d; printf '[Login]\nKillUserProcesses=yes\n' >/etc/systemd/logind.conf.d/x.conf",
        &[
            "all sessions of a user are killed when the first of them ends",
            "say `namespace",
        ],
        "rm /etc/systemd/logind.conf.d/x.conf $P",
    ),
];

/// Stores, of all rules and of single ones.
const STORES: &[Mistake<'_>] = &[
    (
        "install -d -m 755 /var/lib/jns",
        &["problem  /var/lib/jns has mode 0755", "chmod 0700"],
        "chmod 700 /var/lib/jns",
    ),
    (
        "chown 1000 /var/lib/jns",
        &["/var/lib/jns belongs to user id 1000"],
        "chown 0 /var/lib/jns",
    ),
    (
        "mount -t tmpfs -o mode=700,noexec store /var/lib/jns",
        &[
            "warning  it lies on tmpfs",
            "choose another settings.store",
            "instances inherit: noexec",
        ],
        "umount /var/lib/jns",
    ),
    (
        "mount -t tmpfs -o mode=700,ro store /var/lib/jns",
        &["problem  the file system is read-only"],
        "umount /var/lib/jns",
    ),
    (
        "mount -t tmpfs -o mode=700,nr_inodes=20 store /var/lib/jns; touch /var/lib/jns/{1..19}",
        &["warning  0 % of its inodes is free"],
        "umount /var/lib/jns; chmod 700 /var/lib/jns",
    ),
    (
        "install -d -m 777 /srv/open; printf '[settings]\nstore = \"/srv/open/jns\"\n' >$P",
        &[
            "problem  a user other than root can replace what is in /srv/open",
            "choose another settings.store",
        ],
        "chmod 1777 /srv/open",
    ),
    (
        "printf '[settings]\nstore = \"/srv/none/jns\"\n' >$P",
        &["problem  /srv/none/jns cannot be made: there is no /srv/none"],
        "rm $P",
    ),
    (
        "printf '[settings]\nstore = \"/srv/shared\"\n' >$P; install -d -m 755 /srv/shared; touch /srv/shared/work",
        &[
            "/srv/shared has mode 0755",
            "other things are in it: choose another",
        ],
        "rm -r $P /srv/shared",
    ),
    (
        "printf '[[private]]\npath = \"/tmp\"\nstore = \"/srv/inst/{user}\"\n' >$P; install -d -m 755 /srv/inst",
        &[
            "problem  /srv/inst has mode 0755, and lets others into instances (/etc/security/jns.d/50-mistake.toml:1)",
        ],
        "chmod 700 /srv/inst",
    ),
    (
        "chmod 1777 /srv/inst",
        &["problem  /srv/inst has mode 1777, and others than root make what they like in it"],
        "chmod 700 /srv/inst",
    ),
    (
        "chown 1000 /srv/inst",
        &["problem  /srv/inst belongs to user id 1000, not to root"],
        "chown 0 /srv/inst",
    ),
    (
        "rm -r /srv/inst; sed -i s,/srv/inst,/srv/none/inst, $P",
        &[
            "problem  instances cannot be made: there is no /srv/none",
            "mkdir -p /srv/none",
        ],
        "mkdir /srv/none",
    ),
    (
        "install -d -m 700 /srv/none/inst; mount -t tmpfs -o mode=700,ro store /srv/none/inst",
        &[
            "problem  the file system is read-only",
            "choose another store",
        ],
        "umount /srv/none/inst; rm -r /srv/none $P",
    ),
];

/// The machine around the module.
const MACHINE: &[Mistake<'_>] = &[
    (
        "mount --make-private /",
        &[
            "warning  the host's root directory is not a shared mount",
            "make-rshared",
        ],
        "mount --make-rshared /",
    ),
    (
        "mkdir -p /srv/root/tmp; echo 'ChrootDirectory /srv/root' >>$S",
        &[
            "ChrootDirectory is /srv/root: those sessions share /srv/root/tmp, which no rule is about",
            "(/etc/ssh/sshd_config:",
        ],
        "printf '[[private]]\npath = \"/srv/root/tmp\"\n' >$P",
    ),
    (
        "rm $P",
        &["those sessions share /srv/root/tmp"],
        "sed -i 's,^ChrootDirectory.*,ChrootDirectory %h,' $S",
    ),
    (
        "sed -i 's/^UsePAM.*/UsePAM no/; $a PasswordAuthentication no' $S",
        &["problem  UsePAM is no", "KbdInteractiveAuthentication no"],
        "sed -i 's/^UsePAM.*/UsePAM yes/' $S",
    ),
    (
        "rm /etc/cron.d/jns",
        &["warning  neither a timer nor cron runs jns gc"],
        "echo '*/5 * * * * root jns gc' >/etc/cron.d/jns",
    ),
    (
        "mv /usr/bin/jns /usr/local/bin",
        &[
            "warning  cron does not find jns gc: it looks in /usr/bin:/bin (/etc/cron.d/jns:1)",
            "write /usr/local/bin/jns there",
        ],
        "sed -i 's,root jns,root /usr/local/bin/jns,' /etc/cron.d/jns",
    ),
    (
        "mv /usr/local/bin/jns /usr/bin",
        &[
            "warning  cron does not find /usr/local/bin/jns gc: that is no program",
            "write /usr/bin/jns there",
        ],
        "sed -i '1i PATH=/usr/bin' /etc/cron.d/jns; sed -i s,/usr/local/bin/,, /etc/cron.d/jns",
    ),
    (
        "mkdir -p /etc/systemd/system/timers.target.wants; touch /etc/systemd/system/timers.target.wants/jns-gc.timer
         printf '[Service]\nExecStart=-/usr/local/bin/jns gc\n' >/etc/systemd/system/jns-gc.service",
        &[
            "warning  systemd does not find /usr/local/bin/jns gc: that is no program (/etc/systemd/system/jns-gc.service:2)",
            "write /usr/bin/jns there",
        ],
        "sed -i s,/usr/local/,/usr/, /etc/systemd/system/jns-gc.service",
    ),
    (
        "echo RestrictNamespaces=yes >>$U",
        &[
            "problem  ssh.service: RestrictNamespaces=yes forbids",
            "RestrictNamespaces=mnt",
        ],
        "echo RestrictNamespaces=mnt >>$U",
    ),
    (
        "echo CapabilityBoundingSet=CAP_CHOWN >>$U",
        &[
            "problem  ssh.service: CapabilityBoundingSet=CAP_CHOWN takes",
            "CapabilityBoundingSet=CAP_SYS_ADMIN",
        ],
        "echo CapabilityBoundingSet=CAP_SYS_ADMIN >>$U",
    ),
    (
        "echo SystemCallFilter=~@mount >>$U",
        &[
            "problem  ssh.service: SystemCallFilter=~@mount forbids mounting",
            "SystemCallFilter=@mount",
        ],
        "echo SystemCallFilter=@mount >>$U",
    ),
    (
        "echo RestrictSUIDSGID=yes >>$U",
        &[
            "problem  ssh.service: RestrictSUIDSGID=yes takes",
            "RestrictSUIDSGID=no",
        ],
        "echo RestrictSUIDSGID=no >>$U",
    ),
    (
        "echo PrivateTmp=yes >>$U",
        &[
            "warning  ssh.service: PrivateTmp=yes shows exempt users",
            "PrivateTmp=no",
        ],
        "echo PrivateTmp=no >>$U",
    ),
    (
        "echo ProtectSystem=strict >>$U",
        &[
            "warning  ssh.service: ProtectSystem=strict makes the store read-only",
            "ReadWritePaths=",
        ],
        "echo ProtectSystem=no >>$U",
    ),
    (
        "echo ProtectHome=yes >>$U",
        &["note     ssh.service: ProtectHome=yes"],
        "echo ProtectHome=no >>$U",
    ),
    (
        ":",
        &["note     a daemon that is started by "],
        "printf '[settings]\ninherit = []\n' >$P",
    ),
];

impl Sandbox {
    /// Runs a script that knows the names of what the mistakes are made in.
    #[track_caller]
    fn alter(&self, script: &str) {
        let names = "P=/etc/security/jns.d/50-mistake.toml S=/etc/ssh/sshd_config U=/etc/systemd/system/ssh.service";
        self.sh(&format!("{MODULE}; {names}; {script}"));
    }

    /// A system in which the doctor finds none of the mistakes.
    fn serve_well(&self) {
        for service in [
            "sshd",
            "su",
            "sudo",
            "login",
            "cron",
            "runuser",
            "systemd-user",
        ] {
            self.protect(service);
        }
        self.sh("echo 'session required pam_jns.so' >>/etc/pam.d/other");
        self.sh("sed -i 's/required  *pam_jns.so/required pam_jns.so/' /etc/pam.d/*");
        self.sh("mkdir -p /etc/security/jns.d /srv /etc/cron.d; rm -f /etc/systemd/system/timers.target.wants/jns-gc.timer");
        self.write("/etc/cron.d/jns", "*/5 * * * * root /usr/bin/jns gc\n");
        self.write("/etc/ssh/sshd_config", "UsePAM yes\n");
        self.write("/etc/systemd/system/ssh.service", "[Service]\n");
    }

    fn doctor(&self) -> String {
        self.run("jns doctor").stdout
    }

    #[track_caller]
    fn assert_found_until_mended(&self, mistakes: &[Mistake<'_>]) {
        let mut found = self.doctor();
        for (wrong, words, right) in mistakes {
            let is_found = |report: &str| words.iter().all(|words| report.contains(words));
            assert!(
                wrong == &":" || !is_found(&found),
                "before `{wrong}`: {found}"
            );
            self.alter(wrong);
            found = self.doctor();
            for words in *words {
                assert!(found.contains(words), "`{wrong}`: no {words:?} in\n{found}");
            }
            self.alter(right);
            found = self.doctor();
            assert!(!is_found(&found), "`{right}`: {words:?} still in\n{found}");
        }
    }
}

#[test]
fn mistakes_that_keep_root_out_are_found_until_they_are_mended() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    sandbox.serve_well();
    sandbox.assert_found_until_mended(LOCKOUTS);
}

#[test]
fn mistakes_in_stacks_are_found_until_they_are_mended() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    sandbox.serve_well();
    sandbox.assert_found_until_mended(STACKS);
}

#[test]
fn mistakes_in_policies_are_found_until_they_are_mended() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    sandbox.serve_well();
    sandbox.assert_found_until_mended(POLICIES);
}

#[test]
fn mistakes_in_stores_are_found_until_they_are_mended() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    sandbox.serve_well();
    sandbox.assert_found_until_mended(STORES);
}

#[test]
fn mistakes_around_the_module_are_found_until_they_are_mended() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    sandbox.serve_well();
    sandbox.assert_found_until_mended(MACHINE);
}

/// Root gets in whatever fails in the module, and in none of these: libpam does not come to ask it.
#[test]
fn what_is_said_to_keep_root_out_does() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    needs!(sandbox, "pamtester");
    sandbox.serve_well();
    let gets_in = || {
        let session =
            sandbox.run("pamtester su root authenticate acct_mgmt open_session close_session");
        session.succeeded()
    };
    for (wrong, _, right) in LOCKOUTS {
        assert!(gets_in(), "before `{wrong}`");
        sandbox.alter(wrong);
        assert!(!gets_in(), "`{wrong}`");
        sandbox.alter(right);
    }
    assert!(gets_in());
}

#[test]
fn findings_name_their_line_in_json_as_well() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    sandbox.serve_well();
    sandbox.alter("echo '* * * * * root /none/jns gc' >/etc/cron.d/jns");
    let report: Value = serde_json::from_str(&sandbox.run("jns doctor --json").stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let about = |finding: &&Value| finding["file"] == "/etc/cron.d/jns";
    let found = findings.iter().find(about).unwrap();
    assert_eq!(found["level"], "warning");
    assert_eq!(found["line"], 1);
    assert_eq!(found["advice"], "write /usr/bin/jns there");
}

/// Capabilities that a container lacks.
#[test]
fn capabilities_that_are_missing_are_found() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    let without = |name| {
        let command = format!("setpriv --bounding-set=-{name} --inh-caps=-all jns doctor");
        sandbox.run(&command).stdout
    };
    let found = without("sys_admin");
    assert!(
        found.contains("problem  CAP_SYS_ADMIN cannot be had here"),
        "{found}"
    );
    let found = without("chown");
    assert!(
        found.contains("warning  CAP_CHOWN cannot be had here"),
        "{found}"
    );
}

/// A login passes a sticky directory of root's, as /tmp is, on the way to a store of root's.
#[test]
fn a_store_in_a_sticky_directory_works_and_is_not_found() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    needs!(sandbox, "pamtester");
    sandbox.serve_well();
    sandbox.alter(
        "printf '[settings]\nstore = \"/srv/all/jns\"\n' >$P; install -d -m 1777 /srv/all; install -d -m 700 /srv/all/jns",
    );
    let found = sandbox.doctor();
    assert!(!found.contains("replace"), "{found}");
    let session = sandbox.run("pamtester su alice open_session close_session");
    assert!(session.succeeded(), "{session:#?} {:#?}", sandbox.log());
}

/// Behind the module, pam_tmpdir makes its directory in the session's /tmp.
#[test]
fn the_directory_of_pam_tmpdir_is_there_where_it_stands_behind_the_module() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    if !sandbox
        .run("ls /lib/*/security/pam_tmpdir.so /usr/lib/*/security/pam_tmpdir.so")
        .stdout
        .contains("pam_tmpdir")
    {
        skip!("pam_tmpdir is not installed");
    }
    sandbox.serve_well();
    sandbox.start_sshd("");
    let line = "session required pam_tmpdir.so";
    let look = "echo $TMPDIR; [ -w $TMPDIR ] && echo there || echo gone";
    sandbox.sh(&format!("sed -i '/pam_jns/i {line}' /etc/pam.d/sshd"));
    assert_eq!(sandbox.ssh("alice", look).text(), "/tmp/user/2001\ngone");
    sandbox.sh(&format!(
        "sed -i /pam_tmpdir/d /etc/pam.d/sshd; echo '{line}' >>/etc/pam.d/sshd"
    ));
    assert_eq!(sandbox.ssh("alice", look).text(), "/tmp/user/2001\nthere");
}
