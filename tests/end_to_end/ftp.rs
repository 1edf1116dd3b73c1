//! Sessions of vsftpd, which has no shell: the server itself sees the user's directories.

use crate::sandbox::{needs, sandbox};

const CONFIGURATION: &str = "\
listen=YES
listen_ipv6=NO
listen_address=127.0.0.1
background=YES
anonymous_enable=NO
local_enable=YES
write_enable=YES
session_support=YES
seccomp_sandbox=NO
pam_service_name=vsftpd
secure_chroot_dir=/var/run/vsftpd/empty
";

#[test]
fn an_upload_lands_in_the_users_own_tmp() {
    let sandbox = sandbox!();
    needs!(sandbox, "vsftpd", "lftp");
    sandbox.protect("vsftpd");
    sandbox.write("/etc/vsftpd.conf", CONFIGURATION);
    sandbox.sh("mkdir -p /var/run/vsftpd/empty && touch /tmp/of-host && vsftpd /etc/vsftpd.conf");
    sandbox.wait_until("grep -q ' 0100007F:0015 ' /proc/net/tcp");
    let before = sandbox.state();
    let ftp = |user, commands| {
        let client = "lftp -e 'set ftp:ssl-allow no; set net:max-retries 2; set xfer:clobber yes;";
        sandbox.sh(&format!(
            "{client} {commands}; bye' -u {user},secret 127.0.0.1"
        ))
    };

    ftp("alice", "put -O /tmp /etc/hostname -o of-alice");
    assert_eq!(ftp("alice", "cls -1 /tmp"), "/tmp/of-alice");
    assert_eq!(ftp("bob", "cls -1 /tmp"), "");
    assert_eq!(ftp("system", "cls -1 /tmp"), "/tmp/of-host");
    assert_eq!(sandbox.sh("ls /tmp"), "of-host");
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("vsftpd", &["alice", "alice", "bob"]);
}
