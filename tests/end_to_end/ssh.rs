//! Sessions of sshd.

use crate::sandbox::{Outcome, Sandbox, Subject, sandbox};

impl Sandbox {
    /// Starts sshd on the sandbox's loopback, its sessions going through the module.
    pub fn serve_ssh(&self) {
        self.protect("sshd");
        self.start_sshd("");
    }

    /// Starts sshd, with further options.
    pub fn start_sshd(&self, options: &str) {
        self.start_sshd_under("", options);
    }

    /// Starts sshd by another program, such as setpriv(1), which changes its credentials.
    pub fn start_sshd_under(&self, starter: &str, options: &str) {
        self.sh(&format!(
            "{starter} /usr/sbin/sshd -o HostKey=/etc/ssh/sandbox_host_key -o ListenAddress=127.0.0.1 -o UsePAM=yes \
             -o KbdInteractiveAuthentication=yes -o PermitRootLogin=yes -o MaxStartups=100 -o MaxSessions=100 {options}"
        ));
        self.wait_until("[ -e /run/sshd.pid ]"); // it is written when the port is open
    }

    /// Runs a script in an ssh session, logged in by key.
    pub fn ssh(&self, user: &str, script: &str) -> Outcome {
        self.exec(&[
            "ssh",
            "-o",
            "BatchMode=yes",
            "-l",
            user,
            "localhost",
            script,
        ])
    }
}

#[test]
fn a_login_by_key_has_directories_of_its_own() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    sandbox.assert_own_directories("sshd", |user, script| sandbox.ssh(user, script));
}

#[test]
fn a_login_by_password_has_directories_of_its_own() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    sandbox.assert_own_directories("sshd", |user, script| {
        ssh_asking(&sandbox, "password", user, script)
    });
}

#[test]
fn a_login_by_questions_has_directories_of_its_own() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    sandbox.assert_own_directories("sshd", |user, script| {
        ssh_asking(&sandbox, "keyboard-interactive", user, script)
    });
}

/// An ssh session whose client is asked for the password by `method`.
fn ssh_asking(sandbox: &Sandbox, method: &str, user: &str, script: &str) -> Outcome {
    let methods = format!("PreferredAuthentications={method}");
    sandbox.exec(&[
        "sshpass",
        "-p",
        "secret",
        "ssh",
        "-o",
        &methods,
        "-l",
        user,
        "localhost",
        script,
    ])
}

#[test]
fn sftp_reaches_the_users_own_directories() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let before = sandbox.state();

    sandbox.sh("echo put /etc/hostname /tmp/by-sftp | sftp -b - alice@localhost");
    assert_eq!(sandbox.ssh("alice", "ls /tmp").text(), "by-sftp");
    assert_eq!(sandbox.ssh("bob", "ls /tmp").text(), "");
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("sshd", &["alice", "alice", "bob"]);
}

#[test]
fn scp_reaches_the_users_own_directories() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let before = sandbox.state();

    sandbox.sh("scp /etc/hostname alice@localhost:/tmp/by-scp");
    sandbox.sh("scp -O alice@localhost:/tmp/by-scp /root/back && cmp /root/back /etc/hostname");
    assert_eq!(sandbox.ssh("bob", "ls /tmp").text(), "");
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("sshd", &["alice", "alice", "bob"]);
}

#[test]
fn multiplexed_sessions_share_one_view() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let before = sandbox.state();
    let ssh = "ssh -S /root/control alice@localhost";

    sandbox.sh(&format!("{ssh} -M -f -N"));
    sandbox.sh(&format!("{ssh} touch /tmp/first /dev/shm/first"));
    assert_eq!(
        sandbox.sh(&format!("{ssh} ls /tmp /dev/shm")),
        "/dev/shm:\nfirst\n\n/tmp:\nfirst"
    );
    let namespace = "readlink /proc/self/ns/mnt";
    assert_eq!(
        sandbox.sh(&format!("{ssh} {namespace}")),
        sandbox.sh(&format!("{ssh} {namespace}"))
    );
    sandbox.sh(&format!("{ssh} -O exit 2>&1"));

    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("sshd", &["alice"]);
}

#[test]
fn a_forwarded_agent_answers_inside() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let before = sandbox.state();

    let listed = sandbox.sh("eval $(ssh-agent) >/dev/null; ssh-add -q
         ssh -A alice@localhost ssh-add -l; kill $SSH_AGENT_PID");
    assert!(listed.contains("ED25519"), "{listed}");
    assert_eq!(
        sandbox.ssh("alice", "ls -A /tmp").text(),
        "",
        "the agent's socket is gone"
    );
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("sshd", &["alice", "alice"]);
}

#[test]
fn forwarded_ports_reach_both_ways() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let before = sandbox.state();

    sandbox.sh(
        "ssh -S /root/control -M -f -N -L 2001:127.0.0.1:22 -R 2002:127.0.0.1:22 alice@localhost
         echo hello | nc 127.0.0.1 2001 | grep -q ^SSH-
         ssh alice@localhost 'echo hello | nc 127.0.0.1 2002' | grep -q ^SSH-
         ssh -S /root/control -O exit alice@localhost 2>&1",
    );
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("sshd", &["alice", "alice"]);
}

#[test]
fn forwarded_sockets_are_those_of_the_users_own_tmp() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    let before = sandbox.state();

    sandbox.sh("ssh -S /root/control -M -f -N -R /tmp/remote:127.0.0.1:22 -L 2001:/tmp/remote alice@localhost");
    let greeting = "echo hello | nc -U /tmp/remote | head -c 4";
    assert_eq!(sandbox.ssh("alice", greeting).text(), "SSH-");
    assert_eq!(
        sandbox.sh("echo hello | nc 127.0.0.1 2001 | head -c 4"),
        "SSH-"
    );
    assert_eq!(sandbox.ssh("bob", "ls /tmp").text(), "");
    sandbox.sh("ssh -S /root/control -O exit alice@localhost 2>&1");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn a_rule_inside_a_chroot_directory_holds_there() {
    let sandbox = sandbox!();
    sandbox.sh("install -d -m 755 /srv/jail && install -d -m 1777 /srv/jail/tmp");
    sandbox.also_private("/srv/jail/tmp");
    sandbox.protect("sshd");
    sandbox.start_sshd("-o ChrootDirectory=/srv/jail -o ForceCommand=internal-sftp");
    let before = sandbox.state();

    sandbox.sh("echo put /etc/hostname /tmp/by-sftp | sftp -b - alice@localhost");
    let list = |user| {
        sandbox.sh(&format!(
            "echo ls -1 /tmp | sftp -q -b - {user}@localhost | tail -n +2"
        ))
    };
    assert_eq!(list("alice"), "/tmp/by-sftp");
    assert_eq!(list("bob"), "");
    assert_eq!(sandbox.sh("ls /srv/jail/tmp"), "");
    before.assert_nothing_left(&sandbox);
    sandbox.assert_logins_logged("sshd", &["alice", "alice", "bob"]);
}

#[test]
fn fifty_first_logins_at_once_all_succeed() {
    let sandbox = sandbox!();
    sandbox.serve_ssh();
    sandbox.sh(&Sandbox::marking("host"));
    let before = sandbox.state();

    let failures = sandbox.sh(
        "for i in {1..25}; do for user in alice bob; do
             ssh -l $user localhost \"touch /tmp/of-$user-$i; ls /tmp\" >/root/$user-$i || echo $user $i &
         done; done 2>&1; wait",
    );
    assert_eq!(failures, "", "{:#?}", sandbox.log());
    for user in ["alice", "bob"] {
        let foreign = format!("cat /root/{user}-* | grep -v ^of-{user}- || true");
        assert_eq!(sandbox.sh(&foreign), "", "what {user} sees of others");
        let own = format!("ls /tmp | grep -c ^of-{user}-");
        assert_eq!(sandbox.ssh(user, &own).text(), "25");
    }
    assert_eq!(sandbox.sh(Sandbox::list()), Sandbox::listing("of-host"));
    before.assert_nothing_left(&sandbox);
    assert_eq!(
        sandbox.logins().len(),
        if sandbox.subject == Subject::Ours {
            52
        } else {
            0
        }
    );
}
