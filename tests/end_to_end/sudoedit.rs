//! sudoedit(8): its editor is a program of the caller's in a session of root's, unless sudo opens none for it.

use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

const HIDING: &str = "\
[[private]]
path = \"/tmp\"
[[hide]]
path = \"/srv/secret\"
";

/// What alice's editor finds in the hidden directory, by what it writes into the file that she edits.
const EDIT: &str = "SUDO_EDITOR=/srv/editor sudoedit -n /etc/edited && cat /etc/edited";

/// A directory that is hidden from users, and an editor that prints what it sees of it, by sudo for everybody.
fn hide_from_editor(sandbox: &Sandbox) {
    sandbox.policy(HIDING);
    sandbox.serve_ssh();
    sandbox.protect("sudo");
    sandbox.sh("mkdir /srv/secret; touch /srv/secret/name; echo before >/etc/edited");
    sandbox.write(
        "/srv/editor",
        "#!/bin/sh\necho \"found: $(ls /srv/secret)\" >\"$1\"\n",
    );
    sandbox.sh("chmod 755 /srv/editor");
    write_sudoers(sandbox, "all", "ALL ALL=(ALL:ALL) NOPASSWD: ALL\n");
}

#[test]
fn the_editor_is_in_its_callers_view_by_the_line_for_sudoers() {
    ours_only!("hidden directories");
    let sandbox = sandbox!();
    needs!(sandbox, "sudo");
    hide_from_editor(&sandbox);
    let is_reported = || sandbox.run("jns doctor").stdout.contains("sudoedit runs");
    assert_eq!(sandbox.ssh("alice", "ls /srv/secret").text(), "");

    assert_eq!(sandbox.ssh("alice", EDIT).text(), "found: name");
    assert!(is_reported(), "the doctor asks for the line");

    write_sudoers(&sandbox, "jns", include_str!("../../conf/sudoers.d/jns"));
    assert_eq!(sandbox.ssh("alice", EDIT).text(), "found:");
    assert!(!is_reported(), "the doctor finds the line");
    let others = sandbox.ssh("alice", "sudo -n ls /srv/secret").text();
    assert_eq!(others, "name", "what root sees by sudo");
}

/// The doctor reads sudoers as sudo does.
#[test]
fn the_line_may_name_an_alias_in_a_file_of_the_hosts() {
    ours_only!("doctor");
    let sandbox = sandbox!();
    needs!(sandbox, "sudo");
    hide_from_editor(&sandbox);
    sandbox.sh("mkdir /etc/sudoers.for; touch /etc/sudoers.for/sandbox; chmod 440 /etc/sudoers.for/sandbox");
    write_sudoers(&sandbox, "more", "@include /etc/sudoers.for/%h\n");
    for (lines, is_spared) in [
        (
            "Cmnd_Alias EDIT = sudoedit\nDefaults!EDIT !pam_session\n",
            true,
        ),
        (
            "Defaults!OUTER !pam_session\nCmnd_Alias INNER = /bin/x, sudoedit : OUTER = INNER\n",
            true,
        ),
        ("Defaults!ALL,!sudoedit !pam_session\n", false),
        (
            "Defaults!sudoedit !pam_session\nDefaults!sudoedit pam_session\n",
            false,
        ),
        (
            "Defaults !pam_session\nDefaults!sudoedit pam_session\n",
            false,
        ),
        (
            "Defaults!sudoedit !pam_session\nDefaults pam_session\n",
            true,
        ),
        (
            "Cmnd_Alias EDIT = !sudoedit\nDefaults!!EDIT !pam_session\n",
            true,
        ),
    ] {
        sandbox.write("/etc/sudoers.for/sandbox", lines);
        let found = if is_spared { "found:" } else { "found: name" };
        assert_eq!(sandbox.ssh("alice", EDIT).text(), found, "{lines}");
        let is_reported = sandbox.run("jns doctor").stdout.contains("sudoedit runs");
        assert_eq!(is_reported, !is_spared, "{lines}");
    }
}

fn write_sudoers(sandbox: &Sandbox, name: &str, text: &str) {
    sandbox.write(&format!("/etc/sudoers.d/{name}"), text);
    sandbox.sh(&format!("chmod 440 /etc/sudoers.d/{name}"));
}
