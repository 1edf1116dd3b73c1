//! A module that mounts for the session: pam_mount behind pam_jns, where it belongs, and before it.

use crate::sandbox::{Sandbox, ours_only, sandbox, skip};

/// A directory of the host's that alice's sessions have in their home.
const CONFIGURATION: &str = "\
<?xml version=\"1.0\" encoding=\"utf-8\" ?>
<!DOCTYPE pam_mount SYSTEM \"pam_mount.conf.xml.dtd\">
<pam_mount>
<volume user=\"alice\" fstype=\"none\" path=\"/srv/vault\" mountpoint=\"/home/alice/vault\" options=\"bind\" />
</pam_mount>
";

/// Pam_mount's line.
const LINE: &str = "session optional pam_mount.so disable_interactive";

/// The module's line in the example for sshd.
const OURS: &str = "^session .*pam_jns.so";

impl Sandbox {
    /// Serves ssh with both modules, pam_mount's line where a sed(1) script puts it.
    fn serve_ssh_with_volumes(&self, put: &str) {
        self.write("/etc/security/pam_mount.conf.xml", CONFIGURATION);
        self.sh("install -d -m 700 -o alice /srv/vault && install -d -o alice ~alice/vault");
        self.protect("sshd");
        self.sh(&format!("sed -i '{put}' /etc/pam.d/sshd"));
        self.start_sshd("");
    }

    /// How many mounts of the volume the host has.
    fn volumes_on_host(&self) -> String {
        self.sh("grep -c ' /home/alice/vault ' /proc/self/mountinfo || true")
    }

    fn has_pam_mount(&self) -> bool {
        self.run("ls /lib/*/security/pam_mount.so /usr/lib/*/security/pam_mount.so")
            .stdout
            .contains("pam_mount.so")
    }
}

/// A sandbox that has pam_mount.
macro_rules! sandbox_with_pam_mount {
    () => {{
        ours_only!("finding about other modules");
        let sandbox = sandbox!();
        if !sandbox.has_pam_mount() {
            skip!("pam_mount is not installed");
        }
        sandbox
    }};
}

#[test]
fn what_pam_mount_mounts_behind_the_module_is_the_sessions_alone() {
    let sandbox = sandbox_with_pam_mount!();
    sandbox.serve_ssh_with_volumes(&format!("$a{LINE}"));
    let before = sandbox.state();
    let session = sandbox.start_session("alice");
    session.run("touch /home/alice/vault/first").text();
    assert_eq!(
        sandbox.ssh("alice", "ls vault; touch vault/second").text(),
        "first"
    );
    assert_eq!(sandbox.volumes_on_host(), "0");
    assert_eq!(session.run("ls /home/alice/vault").text(), "first\nsecond");
    session.end();
    assert_eq!(sandbox.volumes_on_host(), "0");
    assert_eq!(sandbox.sh("ls -A ~alice/vault"), "");

    assert_eq!(sandbox.ssh("alice", "ls vault").text(), "first\nsecond");
    assert_eq!(sandbox.volumes_on_host(), "0");
    sandbox.sh("rm -rf /run/pam_mount");
    before.assert_nothing_left(&sandbox);
    let output = sandbox.run("jns doctor");
    assert!(!output.stdout.contains("pam_mount"), "{output:?}");
}

/// Its unmounting is done in the session's namespace: the host's mount stays.
#[test]
fn what_pam_mount_mounts_before_the_module_is_found_by_the_doctor() {
    let sandbox = sandbox_with_pam_mount!();
    sandbox.serve_ssh_with_volumes(&format!("/{OURS}/i{LINE}"));
    let output = sandbox.run("jns doctor");
    assert!(
        output
            .stdout
            .contains("sshd: pam_mount stands before pam_jns"),
        "{output:?}"
    );
    let session = sandbox.start_session("alice");
    assert_eq!(sandbox.volumes_on_host(), "1");
    session.end();
    assert_eq!(sandbox.volumes_on_host(), "1", "what the finding is about");
}
