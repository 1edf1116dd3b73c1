//! Homes that root may not look at: a user's FUSE file system without `allow_root`.

use crate::bed::{Bed, bed, needs, ours_only};

impl Bed {
    /// Mounts an encrypted file system of alice's over her home, with a file in it.
    fn encrypt_home(&self) {
        self.sh("mknod -m 666 /dev/fuse c 10 229; install -d -o alice -g alice -m 700 /srv/cipher");
        let mount = "printf secret | gocryptfs -init -quiet -scryptn 10 /srv/cipher; \
                     printf secret | gocryptfs -quiet -nonempty /srv/cipher /home/alice; \
                     echo mine >/home/alice/file";
        self.sh(&format!(
            "cd /; setpriv --reuid alice --regid alice --init-groups bash -e -c '{mount}'"
        ));
        assert!(
            !self.run("ls /home/alice/file").succeeded(),
            "root is not let in"
        );
    }

    /// What alice's session shows of her home under a policy, and that bob's shows of his.
    #[track_caller]
    fn assert_home(&self, policy: &str, alices: &str) {
        self.policy(policy);
        let look = |user: &str| self.exec(&["su", user, "-c", "cd; ls -A . ; echo; ls /home"]);
        assert_eq!(look("alice").text(), alices, "{policy}");
        assert!(look("bob").succeeded(), "{policy}");
    }
}

#[test]
fn what_root_may_not_look_at_is_kept_and_covered_all_the_same() {
    ours_only!("rule that hides");
    let bed = bed!();
    needs!(bed, "gocryptfs", "setpriv");
    bed.protect("su");
    bed.encrypt_home();
    let hide = "[[hide]]\npath = \"/home\"\nkeep = [\"{user}\"]\n";
    bed.assert_home(hide, "file\n\nalice");
    let all = bed.sh("ls /home").replace('\n', " ");
    let all = all.trim().replace(' ', "\n");
    for rule in [
        "[[tmpfs]]\npath = \"{home}\"\nmode = \"0700\"\nowner = \"{user}\"\n",
        "[[private]]\npath = \"{home}\"\n",
    ] {
        bed.assert_home(rule, &format!("\n{all}"));
        bed.assert_home(&format!("{hide}{rule}"), "\nalice");
    }
    // Nothing of the cover was mounted for others.
    assert_eq!(
        bed.sh("setpriv --reuid alice --regid alice --init-groups cat /home/alice/file"),
        "mine"
    );
}
