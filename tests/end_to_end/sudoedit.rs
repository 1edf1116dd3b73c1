//! sudoedit(8): its editor is a program of the caller's in a session of root's, unless sudo opens none for it.

use crate::bed::{Bed, bed, needs, ours_only};

const HIDING: &str = "\
[[private]]
path = \"/tmp\"
[[hide]]
path = \"/srv/secret\"
";

/// What alice's editor finds in the hidden directory, by what it writes into the file that she edits.
const EDIT: &str = "SUDO_EDITOR=/srv/editor sudoedit -n /etc/edited && cat /etc/edited";

#[test]
fn the_editor_is_in_its_callers_view_by_the_line_for_sudoers() {
    ours_only!("hidden directories");
    let bed = bed!();
    needs!(bed, "sudo");
    bed.policy(HIDING);
    bed.serve_ssh();
    bed.protect("sudo");
    bed.sh("mkdir /srv/secret; touch /srv/secret/name; echo before >/etc/edited");
    bed.write(
        "/srv/editor",
        "#!/bin/sh\necho \"found: $(ls /srv/secret)\" >\"$1\"\n",
    );
    bed.sh("chmod 755 /srv/editor");
    write_sudoers(&bed, "all", "ALL ALL=(ALL:ALL) NOPASSWD: ALL\n");
    let is_told = || bed.run("jns doctor").stdout.contains("sudoedit runs");
    assert_eq!(bed.ssh("alice", "ls /srv/secret").text(), "");

    assert_eq!(bed.ssh("alice", EDIT).text(), "found: name");
    assert!(is_told(), "the doctor asks for the line");

    write_sudoers(&bed, "jns", include_str!("../../conf/sudoers.d/jns"));
    assert_eq!(bed.ssh("alice", EDIT).text(), "found:");
    assert!(!is_told(), "the doctor finds the line");
    let others = bed.ssh("alice", "sudo -n ls /srv/secret").text();
    assert_eq!(others, "name", "what root sees by sudo");
}

fn write_sudoers(bed: &Bed, name: &str, text: &str) {
    bed.write(&format!("/etc/sudoers.d/{name}"), text);
    bed.sh(&format!("chmod 440 /etc/sudoers.d/{name}"));
}
