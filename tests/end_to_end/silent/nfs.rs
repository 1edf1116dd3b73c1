//! An NFS server that is gone, and comes back. The kernel has to have the server and the client: `make test-vm` runs these
//! tests.

use super::rules;
use crate::sandbox::{Sandbox, needs, ours_only, sandbox};

/// Whatever answers does so in that time, on a processor that is emulated.
const SETTINGS: &str = "[settings]\ndeadline = \"10s\"\nexempt = []\n";

/// Where the server's file system is mounted, and once more without anything of it being cached.
const CACHED: &str = "/dead/nfs";
const UNCACHED: &str = "/dead/uncached";

/// The parts of rules that are tried; the others need what NFS lacks even when it answers. One of them is tried where the
/// kernel has cached what it knows.
const PARTS: &[&str] = &["source", "path", "keep"];
const OF_CACHED: &str = "path";

/// Starts the kernel's server in a network namespace of its own, which can be cut off as a machine can. It is told what
/// rpc.mountd(8) and exportfs(8) would tell it: clients, exports by the flags of nfsd, and handles.
const SERVER: &str = r"
    ip link set lo up; ip address add 10.9.0.1/24 dev server; ip link set server up
    mount -t nfsd nfsd /proc/fs/nfsd
    echo '-3 +4 +4.2' >/proc/fs/nfsd/versions
    echo 'nfsd 10.9.0.2 2147483647 client' >/proc/net/rpc/auth.unix.ip/channel
    echo 'client /srv/exported 2147483647 9234 -2 -2 0' >/proc/net/rpc/nfsd.export/channel
    echo 'client 1 \x00000000 2147483647 /srv/exported' >/proc/net/rpc/nfsd.fh/channel
    echo 'tcp 2049' >/proc/fs/nfsd/portlist
    echo 4 >/proc/fs/nfsd/threads";

/// Has nothing reach the server.
const CUT_OFF: &str = "nsenter -t $(cat /run/server) -n ip link set server down";

impl Sandbox {
    /// Mounts a server's file system. The connection is kept while the server is cut off, and tried again every other second
    /// (Linux 6.15).
    fn make_nfs(&self) {
        self.write("/root/server", SERVER);
        self.sh("mkdir -p /dead/{nfs,uncached} /srv/{exported,root}
             mount -t tmpfs -o mode=755 exported /srv/exported
             mkdir /srv/exported/d
             setsid unshare -n sleep 1000 >/dev/null 2>&1 </dev/null &
             until pgrep -x sleep >/dev/null; do sleep 0.1; done
             pgrep -x sleep >/run/server
             ip link add client type veth peer name server netns $(</run/server)
             ip address add 10.9.0.2/24 dev client; ip link set client up
             nsenter -t $(</run/server) -n bash -e /root/server
             echo 2000 >/proc/sys/net/ipv4/tcp_rto_max_ms
             options=vers=4.2,proto=tcp,timeo=6000,port=2049,addr=10.9.0.1,clientaddr=10.9.0.2
             mount -i -t nfs4 -o $options 10.9.0.1:/ /dead/nfs
             mount -i -t nfs4 -o $options,nosharecache,noac,lookupcache=none 10.9.0.1:/ /dead/uncached");
    }

    /// Has nothing reach the server.
    fn cut_off(&self) {
        self.sh(&format!("ls -lR /dead >/dev/null; {CUT_OFF}"));
    }

    /// Has everything reach the server again, and waits until the client has tried that.
    fn connect(&self) {
        self.sh("nsenter -t $(</run/server) -n ip link set server up");
        self.wait_until("timeout 5 stat -ft /dead/nfs/d /dead/uncached/d >/dev/null");
    }

    /// Takes the file systems away: their end would wait for a server that has ended before them.
    fn end_nfs(&self) {
        self.sh("jns gc --linger 0s; umount /dead/nfs /dead/uncached; kill $(</run/server)");
    }

    /// Looks that logins come in and see what the rule shows, now that the server is back.
    #[track_caller]
    fn assert_comes_back(&self, name: &str, rule: &str) {
        self.policy(&format!("{SETTINGS}{rule}"));
        let before = self.log().len();
        let seen = self.su_in_time("alice");
        let log = self.log().split_off(before);
        let is_left_out = log.iter().any(|line| line.contains("not answer"));
        assert!(
            seen.succeeded() && !is_left_out,
            "{name}: {seen:?}, {log:?}"
        );
        assert_eq!(self.su_in_time("root").text(), "in", "{name}");
    }
}

#[test]
#[ignore = "needs a kernel with NFS: make test-vm"]
fn an_nfs_server_that_is_gone_denies_a_session_or_is_left_out() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    sandbox.protect("su");
    sandbox.make_nfs();
    for dead in [UNCACHED, CACHED] {
        for (part, rule) in rules(dead) {
            if !PARTS.contains(&part) || (dead == CACHED && part != OF_CACHED) {
                continue;
            }
            let name = format!("{dead}, {part}");
            sandbox.cut_off();
            sandbox.assert_denied_or_left_out(SETTINGS, &name, &rule);
            sandbox.connect();
            sandbox.assert_comes_back(&name, &rule);
            sandbox.assert_nothing_is_left(&name);
        }
    }
    sandbox.end_nfs();
}

/// A host that works in a directory there.
#[test]
#[ignore = "needs a kernel with NFS: make test-vm"]
fn a_working_directory_on_an_nfs_server_that_is_gone_holds_nobody() {
    ours_only!("deadline");
    let sandbox = sandbox!();
    needs!(sandbox, "pamtester");
    sandbox.make_nfs();
    let module = sandbox.subject.module();
    sandbox.write("/etc/pam.d/bare", format!("session required {module}\n"));
    sandbox.policy(&format!(
        "{SETTINGS}[[private]]\npath = \"/opt\"\nusers = [\"alice\", \"root\"]\n"
    ));
    for directory in ["/dead/uncached/d", "/dead/nfs/d"] {
        for (user, is_let_in) in [("alice", false), ("root", true), ("bob", true)] {
            // A shell would ask the directory itself.
            let script = format!(
                r#"chdir "{directory}" or die; system "/bin/sh", "/root/cut-off";
                   exec "/usr/bin/pamtester", "bare", "{user}", "open_session", "close_session""#
            );
            sandbox.write("/root/cut-off", format!("cd /; {CUT_OFF}"));
            let before = sandbox.log().len();
            let opened = sandbox.exec(&["perl", "-e", &script]);
            let log = sandbox.log().split_off(before);
            // What is cached may do.
            let may_come_in = is_let_in || directory.starts_with(CACHED);
            let is_as_expected = opened.succeeded() == is_let_in || may_come_in;
            assert!(is_as_expected, "{user}, {directory}: {opened:?}, {log:?}");
            let is_told = log.iter().any(|line| line.contains("it does not answer"));
            assert!(is_told || may_come_in, "{user}, {directory}: {log:?}");
            sandbox.connect();
        }
        sandbox.assert_nothing_is_left(directory);
    }
    sandbox.end_nfs();
}
