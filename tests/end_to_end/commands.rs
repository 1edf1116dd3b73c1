//! Commands that somebody runs as somebody else in their session: a name means the file that the user who types it
//! sees, and what root mounts is on the host.

use crate::sandbox::{Sandbox, needs, ours_only};

/// A host in which alice may become anybody by sudo.
fn machine() -> Result<Sandbox, String> {
    let sandbox = Sandbox::make()?;
    for service in ["sshd", "su", "sudo", "sudo-i"] {
        sandbox.protect_with(service, "required", "");
    }
    sandbox.write("/etc/sudoers.d/all", "ALL ALL=(ALL:ALL) NOPASSWD: ALL\n");
    sandbox.sh("chmod 440 /etc/sudoers.d/all");
    sandbox.start_sshd("");
    Ok(sandbox)
}

macro_rules! machine {
    () => {{
        ours_only!("view for commands in somebody's session");
        match machine() {
            Ok(sandbox) => sandbox,
            Err(reason) => $crate::sandbox::skip!("{reason}"),
        }
    }};
}

impl Sandbox {
    /// What a script prints in an ssh session of alice's. Each of its commands must succeed.
    #[track_caller]
    fn as_alice(&self, script: &str) -> String {
        self.write("/srv/script", script);
        let outcome = self.ssh("alice", "bash -e /srv/script");
        let mut log = self.log();
        log.retain(|line| line.contains("pam_jns"));
        assert!(outcome.succeeded(), "{outcome:#?}\n{}", log.join("\n"));
        outcome.text()
    }
}

#[test]
fn a_relative_name_means_the_callers_file() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.sh("mkdir -p /work/opt /tmp/work/opt; touch /work/opt/of-host /tmp/work/opt/of-host");
    let before = sandbox.state();
    let seen = sandbox.as_alice(
        "mkdir -p /tmp/work/opt /var/tmp/work; cd /tmp/work; touch opt/mine
         sudo -n pwd; sudo -n /bin/pwd
         sudo -n rm -rf opt; ls
         printf '#!/bin/sh\\necho by script: $(pwd)\\n' >s.sh; chmod +x s.sh; sudo -n ./s.sh
         sudo -n touch made; sudo -n chown -R alice: .; stat -c '%U %n' made .
         cd /var/tmp/work; sudo -n /bin/pwd",
    );
    assert_eq!(
        seen,
        "/tmp/work\n/tmp/work\nby script: /tmp/work\nalice made\nalice .\n/var/tmp/work"
    );
    assert_eq!(
        sandbox.sh("ls / | grep -x opt; ls /tmp/work/opt; stat -c %U / /tmp/work"),
        "opt\nof-host\nroot\nroot"
    );
    before.assert_nothing_left(&sandbox);
}

#[test]
fn an_absolute_name_means_the_callers_file() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.write("/srv/other", "echo of somebody else >/srv/ran");
    sandbox.sh("install -o bob -m 755 /srv/other /tmp/install.sh");
    let before = sandbox.state();
    let seen = sandbox.as_alice(
        "echo 'echo mine, as $(id -un)' >/tmp/install.sh; sudo -n sh /tmp/install.sh
         echo text >/tmp/f; sudo -n cp /tmp/f /etc/copied; cat /etc/copied
         mkdir /tmp/src; printf 'install:\\n\\tinstall -m 644 f /etc/made\\n' >/tmp/src/Makefile
         cp /tmp/f /tmp/src; cd /tmp/src; ! command -v make >/dev/null || sudo -n make -s install
         echo $((1 + 1)) | sudo -n tee /dev/shm/tee; cat /dev/shm/tee",
    );
    assert_eq!(seen, "mine, as root\ntext\n2\n2");
    assert_eq!(
        sandbox.sh("cat /etc/copied; ls /srv/ran /dev/shm/tee 2>/dev/null || true"),
        "text"
    );
    before.assert_nothing_left(&sandbox);
}

#[test]
fn what_root_mounts_in_a_command_is_on_the_host() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.sh("mkdir -p /srv/by-admin /srv/later /tmp/covered /mnt/elsewhere");
    let before = sandbox.state();
    let count = "grep -c ' /srv/by-admin ' /proc/self/mountinfo";
    let seen = sandbox.as_alice(&format!(
        "sudo -n mount -t tmpfs admin /srv/by-admin; {count}
         mkdir /tmp/m; sudo -n mount -t tmpfs -o mode=1777 inner /tmp/m; touch /tmp/m/below
         sudo -n ls /tmp/m; sudo -n umount /tmp/m; ls /tmp/m"
    ));
    assert_eq!(sandbox.sh(count), "1", "on the host");
    assert_eq!(seen, "1\nbelow", "in the session");
    assert_eq!(
        sandbox.sh("grep -c ' /tmp/m ' /proc/self/mountinfo || true"),
        "0"
    );
    sandbox.as_alice("sudo -n umount /srv/by-admin");
    assert_eq!(sandbox.sh(&format!("{count} || true")), "0", "on the host");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn the_views_of_chains_are_those_of_their_targets() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.sh("touch /tmp/of-host");
    let before = sandbox.state();
    let seen = sandbox.as_alice(
        "touch /tmp/of-alice; look='ls /tmp'
         echo sudo $(sudo -n $look)
         echo sudo -u bob $(sudo -n -u bob $look)
         echo sudo -u system $(sudo -n -u system $look)
         echo sudo sudo $(sudo -n sudo -n $look)
         echo sudo su bob $(sudo -n su bob -c \"$look\")
         echo sudo su - bob $(sudo -n su - bob -c \"$look\")
         echo sudo su - $(sudo -n su - -c \"$look\")
         echo sudo -i $(sudo -n -i $look)
         echo sudo -iu bob $(sudo -n -iu bob $look)
         echo three $(sudo -n -u bob sudo -n su alice -c \"$look\")",
    );
    assert_eq!(
        seen,
        "sudo of-alice\nsudo -u bob of-alice\nsudo -u system of-alice\nsudo sudo of-alice\nsudo su bob of-alice\n\
         sudo su - bob\nsudo su - of-host\nsudo -i of-host\nsudo -iu bob\nthree of-alice"
    );
    before.assert_nothing_left(&sandbox);
}

/// A name is not enough: what somebody else has called so on the other side is not where a command begins.
#[test]
fn the_working_directory_is_never_another_one_of_the_same_name() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.sh(
        "su - system -c 'mkdir -m 777 /tmp/build && touch /tmp/build/trap'; mkdir -p /tmp/of-root
         install -d -o bob /srv/of-bob; su - bob -c 'mkdir -p /tmp/build; touch /tmp/build/of-bob'",
    );
    sandbox.sh("mkdir -m 755 /tmp/host-only; touch /tmp/host-only/of-host");
    let before = sandbox.state();
    for (directory, ways) in [
        (
            "/tmp/build",
            [
                "sudo -n",
                "sudo -n -u bob",
                "sudo -n -u system",
                "sudo -n sudo -n -u bob",
            ],
        ),
        (
            "/home/alice",
            [
                "sudo -n",
                "sudo -n -u bob",
                "sudo -n -u system",
                "sudo -n su bob -c",
            ],
        ),
        (
            "/etc",
            [
                "sudo -n",
                "sudo -n -u bob",
                "sudo -n -u system",
                "sudo -n sudo -n",
            ],
        ),
    ] {
        for way in ways {
            let way = if way.ends_with("-c") {
                format!("{way} '/bin/pwd; stat -L -c %i /proc/self/cwd'")
            } else {
                format!("{way} bash -c '/bin/pwd; stat -L -c %i /proc/self/cwd'")
            };
            let seen = sandbox.as_alice(&format!(
                "mkdir -p {directory}; cd {directory}; {way} >/var/tmp/seen; stat -L -c %i . >>/var/tmp/seen; cat /var/tmp/seen"
            ));
            let lines: Vec<&str> = seen.lines().collect();
            assert_eq!(lines[0], directory, "{way}");
            assert_eq!(lines[1], lines[2], "{way} in {directory}");
        }
    }
    // From the host's view: the host's directory, which bob's view does not have at that path.
    assert_eq!(
        sandbox.sh("cd /tmp/host-only && su bob -c 'ls; ls /tmp'"),
        "of-host\nbuild"
    );
    assert_eq!(sandbox.sh("cd /tmp/build && su bob -c 'ls'"), "trap");
    assert_eq!(sandbox.sh("cd /home && su bob -c '/bin/pwd'"), "/home");
    before.assert_nothing_left(&sandbox);
}

/// One that was removed, that the target may not reach, and that leads elsewhere in the target's view.
#[test]
fn the_working_directory_is_kept_where_it_has_no_name() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.policy(
        "[settings]\nexempt = [\"root\", \"uid:1-999\"]\n[[private]]\npath = \"/tmp\"\n[[bind]]\nsource = \"/srv/other\"\n\
         path = \"/srv/shown\"\nusers = [\"bob\"]\n[[private]]\npath = \"/srv/own\"\nstore = \"/srv/stores/{user}\"\n\
         parent = \"any\"\nusers = [\"alice\"]\nmode = \"700\"\nowner = \"{user}\"\n",
    );
    sandbox.sh("mkdir -m 755 /srv/other /srv/shown /srv/own /srv/stores; touch /srv/other/of-bob /srv/shown/of-host");
    sandbox.sh("mkdir -m 777 /srv/own/x; touch /srv/own/x/of-a-third");
    let before = sandbox.state();
    let inode = |directory: &str, command: &str| {
        sandbox.as_alice(&format!(
            "cd {directory}; stat -c %i .; {command} stat -c %i . || true"
        ))
    };
    for command in ["sudo -n", "sudo -n -u bob", "sudo -n -u system"] {
        let removed = sandbox.as_alice(&format!(
            "mkdir /tmp/gone; cd /tmp/gone; stat -c %i .; rmdir /tmp/gone; {command} stat -c %i ."
        ));
        let lines: Vec<&str> = removed.lines().collect();
        assert_eq!(lines[0], lines[1], "a removed one, by {command}");
        let shown = inode("/srv/shown", command);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], lines[1], "one that leads elsewhere, by {command}");
        // The caller's own directory of that path, and not what the target sees there.
        let seen = sandbox.as_alice(&format!(
            "mkdir -p /srv/own/x; cd /srv/own/x; {command} bash -c 'ls -A; echo $(stat -c %i .)'; stat -c %i ."
        ));
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!(lines[0], lines[1], "{command}: {seen}");
    }
    before.assert_nothing_left(&sandbox);
}

#[test]
fn an_edit_by_sudoedit_is_the_file_afterwards() {
    let sandbox = machine!();
    needs!(sandbox, "sudo", "sudoedit");
    sandbox.write("/srv/editor", "#!/bin/sh\necho edited >>\"$1\"\n");
    sandbox.sh("chmod 755 /srv/editor");
    let before = sandbox.state();
    for umask in ["022", "077"] {
        sandbox.sh("printf 'first\\n' >/etc/edited; chmod 644 /etc/edited");
        sandbox.as_alice(&format!(
            "umask {umask}; EDITOR=/srv/editor sudoedit -n /etc/edited"
        ));
        assert_eq!(
            sandbox.sh("cat /etc/edited; stat -c '%a %U' /etc/edited; ls -A /var/tmp"),
            "first\nedited\n644 root",
            "umask {umask}"
        );
        assert_eq!(
            sandbox.as_alice("ls -A /var/tmp /tmp"),
            "/tmp:\n\n/var/tmp:"
        );
    }
    before.assert_nothing_left(&sandbox);
}

#[test]
fn root_sees_what_is_hidden_from_its_caller_and_bob_finds_his_home() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.policy(
        "[settings]\nexempt = [\"root\", \"uid:1-999\"]\n[[private]]\npath = \"/tmp\"\n\
         [[hide]]\npath = \"/home\"\nkeep = [\"{user}\"]\n[[bind]]\nsource = \"/srv/a\"\npath = \"/srv/b\"\n\
         [[private]]\npath = \"/srv/not\"\ninherit = false\n[[hide]]\npath = \"/srv/yes\"\ninherit = true\n",
    );
    sandbox.sh("mkdir /srv/a /srv/b /srv/not /srv/yes; touch /srv/a/bound /srv/b/of-host /srv/not/of-host /srv/yes/of-host");
    sandbox.sh("touch /home/bob/of-bob /home/alice/of-alice");
    let before = sandbox.state();
    let seen = sandbox.as_alice(
        "touch /tmp/mine /srv/not/mine 2>/dev/null || true; ls /home; ls /srv/b
         echo root $(sudo -n ls /home /home/bob /srv/b /tmp /srv/not /srv/yes)
         echo bob $(sudo -n -u bob bash -c 'ls /home ~ /tmp /srv/b')",
    );
    assert_eq!(
        seen,
        "alice\nbound\n\
         root /home: alice bob system /home/bob: of-bob /srv/b: of-host /srv/not: of-host /srv/yes: /tmp: mine\n\
         bob /home: bob /home/bob: of-bob /srv/b: bound /tmp: mine"
    );
    before.assert_nothing_left(&sandbox);
}

/// /dev/shm is a mount of its own, /home another one, and one directory lies inside another.
#[test]
fn directories_on_several_mounts_appear_nowhere_else() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.policy(
        "[settings]\nexempt = [\"root\", \"uid:1-999\"]\n[[private]]\npath = \"/tmp\"\n[[private]]\npath = \"/tmp/inner\"\n\
         create = true\n[[tmpfs]]\npath = \"/dev/shm\"\n[[private]]\npath = \"/home/shared\"\n[[private]]\npath = \"/srv/deep/er\"\n",
    );
    sandbox.sh("mkdir -p /home/shared /srv/deep/er /srv/mounted; mount -t tmpfs deep /srv/deep; mkdir /srv/deep/er; chmod 1777 /home/shared /srv/deep/er");
    for propagation in ["shared", "private", "slave"] {
        sandbox.sh(&format!("mount --make-r{propagation} /"));
        let before = sandbox.state();
        let host = sandbox.sh("cut -d' ' -f5- /proc/self/mountinfo | grep -v ^/run/jns | sort");
        let first = sandbox.ssh("bob", "true");
        assert!(
            first.succeeded(),
            "{propagation}: {}",
            sandbox.log().join("\n")
        );
        let session = sandbox.start_session("bob");
        let of_bob = session.run("cut -d' ' -f5 /proc/self/mountinfo").text();
        let all = "/tmp /tmp/inner /dev/shm /home/shared /srv/deep/er";
        let seen = sandbox.as_alice(&format!(
            "for d in {all}; do touch $d/mine; done
             sudo -n bash -c 'for d in {all}; do ls $d | tr \"\\n\" \" \"; done; cut -d\" \" -f5- /proc/1/mountinfo | grep -v ^/run/jns | sort >/run/during'
             sudo -n -u bob ls /home/shared; sudo -n rm /home/shared/mine; ls /home/shared"
        ));
        assert_eq!(
            seen.split_whitespace().collect::<Vec<_>>().join(" "),
            "inner mine mine mine mine mine mine",
            "{propagation}"
        );
        assert_eq!(
            sandbox.sh("cat /run/during; rm /run/during"),
            host,
            "the host's mounts, {propagation}"
        );
        assert_eq!(
            session.run("cut -d' ' -f5 /proc/self/mountinfo").text(),
            of_bob,
            "{propagation}"
        );
        let is_reported = sandbox
            .log()
            .iter()
            .any(|line| line.contains("in this session stays in it"));
        assert_eq!(is_reported, propagation != "shared", "{propagation}");
        session.end();
        sandbox.wait_for_logouts();
        sandbox.collect();
        before.assert_nothing_left(&sandbox);
    }
}

#[test]
fn host_mounts_that_come_later_appear_in_a_command() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.sh("mkdir -p /srv/later /srv/file-later /tmp/covered; touch /srv/stop");
    let before = sandbox.state();
    sandbox.write(
        "/srv/command",
        "touch /srv/levels-ready; while [ ! -e /srv/go ]; do sleep 0.05; done
         grep -c ' /srv/later ' /proc/self/mountinfo; ls /tmp; [ -e /srv/later/here ] && echo here",
    );
    sandbox.sh("rm -f /srv/levels-ready /srv/go");
    sandbox.write(
        "/srv/script",
        "touch /tmp/mine; sudo -n bash /srv/command >/srv/seen 2>&1",
    );
    sandbox.sh(
        "chmod 777 /srv; ssh -l alice localhost bash /srv/script </dev/null >/dev/null 2>&1 & true",
    );
    sandbox.wait_until("[ -e /srv/levels-ready ]");
    sandbox.sh("mount -t tmpfs later /srv/later; touch /srv/later/here; mount -t tmpfs over /tmp; touch /tmp/over /srv/go");
    sandbox.wait_until("grep -q here /srv/seen");
    assert_eq!(sandbox.sh("cat /srv/seen"), "1\nmine\nhere");
    sandbox.sh("umount /tmp; umount /srv/later; rm /srv/seen /srv/go /srv/levels-ready");
    before.assert_nothing_left(&sandbox);
}

#[test]
fn what_a_command_leaves_running_keeps_the_directories_and_is_listed() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.sh("touch /tmp/of-host");
    let before = sandbox.state();
    sandbox.as_alice(
        "touch /tmp/mine; sudo -n bash -c 'setsid sleep 4711 >/dev/null 2>&1 </dev/null &'",
    );
    let pid = sandbox.sh("pgrep -f '^sleep 4711'");
    assert_eq!(sandbox.sh(&format!("ls /proc/{pid}/root/tmp")), "mine");
    let list = sandbox.sh("jns ps");
    assert!(list.contains("sleep") && list.contains("root"), "{list}");
    assert_eq!(
        sandbox.sh("jns gc --linger 0s >/dev/null; ls /var/lib/jns/user/2001"),
        "%account\ntmp\nvar-tmp"
    );
    sandbox.sh("kill $(pgrep -f '^sleep 4711')");
    before.assert_nothing_left(&sandbox);
}

/// From a session whose processes, network, root directory, volumes or layers are its own.
#[test]
fn sessions_of_every_kind_pass_their_directories_on() {
    for (kind, rules) in [
        ("processes", "[[isolate]]\nprocesses = \"own\"\n"),
        (
            "network",
            "[[isolate]]\nnetwork = \"none\"\nipc = \"own\"\nhostname = \"{user}\"\n",
        ),
        ("overlay", "[[overlay]]\npath = \"/opt\"\n"),
        ("session", "[settings]\nnamespace = \"session\"\n"),
        (
            "per session",
            "[[private]]\npath = \"/srv/s\"\nper = \"session\"\n",
        ),
    ] {
        let sandbox = machine!();
        needs!(sandbox, "sudo");
        let settings = if rules.starts_with("[settings]") {
            rules.to_owned()
        } else {
            format!("[settings]\n{rules}")
        };
        let settings = settings.replacen(
            "[settings]\n",
            "[settings]\nexempt = [\"root\", \"uid:1-999\"]\n",
            1,
        );
        sandbox.policy(&format!(
            "{settings}[[private]]\npath = \"/tmp\"\n[[tmpfs]]\npath = \"/dev/shm\"\n"
        ));
        // Layers cannot be on the overlay that a sandbox is.
        sandbox.sh("mkdir -m 1777 /srv/s; touch /tmp/of-host; mkdir -p /var/lib/jns; mount -t tmpfs -o mode=700 store /var/lib/jns");
        let before = sandbox.state();
        let host = sandbox.sh("hostname; readlink /proc/self/ns/net");
        let seen = sandbox.as_alice(
            "touch /tmp/mine /dev/shm/mine; cd /tmp
             echo $(sudo -n ls . /tmp /dev/shm) $(sudo -n pwd)
             echo $(sudo -n -u bob ls . /tmp /dev/shm)
             echo $(sudo -n sudo -n -u bob sudo -n ls /tmp)
             echo $(sudo -n su - bob -c 'ls /tmp') $(sudo -n -i ls /tmp)
             sudo -n bash -c 'hostname; readlink /proc/self/ns/net'",
        );
        assert_eq!(
            seen,
            format!(
                ".: mine /dev/shm: mine /tmp: mine /tmp\n.: mine /dev/shm: mine /tmp: mine\nmine\nof-host\n{host}"
            ),
            "{kind}"
        );
        sandbox.wait_for_logouts();
        before.assert_nothing_left(&sandbox);
    }
}

/// Of a FUSE file system and of an fstab(5) entry with `user`.
#[test]
fn what_the_caller_mounted_is_found_by_commands() {
    let sandbox = machine!();
    needs!(sandbox, "sudo", "gocryptfs", "fusermount3");
    sandbox.sh("mknod -m 666 /dev/fuse c 10 229; echo user_allow_other >/etc/fuse.conf; chmod 644 /etc/fuse.conf");
    sandbox.sh("mkdir /srv/by-user; echo 'none /srv/by-user tmpfs user,size=1M,mode=1777 0 0' >>/etc/fstab");
    let before = sandbox.state();
    let seen = sandbox.as_alice(
        "mkdir -p /tmp/.c ~/plain ~/.d ~/closed
         gocryptfs -q -init -extpass 'echo x' /tmp/.c; gocryptfs -q -allow_other -extpass 'echo x' /tmp/.c ~/plain
         gocryptfs -q -init -extpass 'echo x' ~/.d; gocryptfs -q -extpass 'echo x' ~/.d ~/closed
         mount /srv/by-user; touch ~/plain/fuse ~/closed/mine /srv/by-user/fstab
         chmod 711 ~
         echo $(sudo -n ls ~/plain /srv/by-user)
         cd ~/plain; echo $(sudo -n /bin/pwd) $(sudo -n ls) $(sudo -n -u bob ls)
         cd ~/closed; echo $(sudo -n readlink /proc/self/cwd); echo $(su alice -c ls </dev/null 2>/dev/null)
         cd /srv/by-user; echo $(sudo -n ls) $(sudo -n -u bob bash -c 'ls; pwd')
         cd; umount /srv/by-user; fusermount3 -u ~/plain; fusermount3 -u ~/closed",
    );
    assert_eq!(
        seen,
        "/home/alice/plain: fuse /srv/by-user: fstab\n/home/alice/plain fuse fuse\n/home/alice/closed\n\n\
         fstab fstab /srv/by-user"
    );
    assert_eq!(sandbox.sh("ls /srv/by-user; ls /home/alice/plain"), "");
    sandbox.sh("rm -f /run/mount/*"); // which mount(8) keeps
    before.assert_nothing_left(&sandbox);
}

#[test]
fn programs_that_take_names_or_sockets_from_others_find_them() {
    let sandbox = machine!();
    needs!(sandbox, "sudo", "dpkg-deb", "apt-get", "ssh-agent");
    let before = sandbox.state();
    let seen = sandbox.as_alice(
        "mkdir -p /tmp/x/DEBIAN /tmp/x/opt; cd /tmp; echo packed >x/opt/packed-by-alice
         printf 'Package: packed-by-alice\\nVersion: 1\\nArchitecture: all\\nMaintainer: a\\nDescription: a\\n' >x/DEBIAN/control
         dpkg-deb -b x x.deb >/dev/null; chmod 755 x
         sudo -n apt-get install -qq ./x.deb >/dev/null 2>&1; cat /opt/packed-by-alice
         eval $(ssh-agent -a /tmp/agent) >/dev/null; ssh-keygen -q -t ed25519 -N '' -f /tmp/key; ssh-add -q /tmp/key
         sudo -n SSH_AUTH_SOCK=$SSH_AUTH_SOCK ssh-add -l | wc -l; kill $SSH_AGENT_PID",
    );
    assert_eq!(seen, "packed\n1");
    sandbox.sh("dpkg -P packed-by-alice >/dev/null 2>&1");
    before.assert_nothing_left(&sandbox);
}

/// su asks for root's password, doas has a configuration of its own.
#[test]
fn other_programs_that_run_commands_do_the_same() {
    let sandbox = machine!();
    needs!(sandbox, "doas");
    sandbox.protect("doas");
    sandbox.write("/etc/doas.conf", "permit nopass alice\n");
    sandbox.sh("chmod 600 /etc/doas.conf; touch /tmp/of-host");
    let before = sandbox.state();
    let seen = sandbox.as_alice(
        "mkdir /tmp/work; cd /tmp/work; touch mine
         echo secret | su root -c 'pwd; ls; touch by-su' 2>/dev/null
         echo secret | su bob -c 'pwd; ls' 2>/dev/null
         doas pwd; doas ls; doas -u bob ls; doas rm by-su; ls",
    );
    let listed = "/tmp/work\nby-su\nmine";
    assert_eq!(
        seen,
        format!("/tmp/work\nmine\n{listed}\n{listed}\nby-su\nmine\nmine")
    );
    before.assert_nothing_left(&sandbox);
}

/// Each of its tasks is a command as somebody else, with files that it hands over below /var/tmp.
#[test]
fn a_playbook_becomes_others() {
    let sandbox = machine!();
    needs!(sandbox, "ansible-playbook", "setfacl");
    sandbox.write(
        "/srv/play.yml",
        "- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - copy: { content: by root, dest: /etc/by-ansible, mode: '0644' }
      become: true
    - copy: { content: by bob, dest: /home/bob/by-ansible, mode: '0644' }
      become: true
      become_user: bob
    - command: cat /var/tmp/of-alice
      become: true
      register: found
    - copy: { content: '{{ found.stdout }}', dest: /tmp/found }
",
    );
    let before = sandbox.state();
    let seen = sandbox.as_alice(
        "echo text of alice >/var/tmp/of-alice; export ANSIBLE_REMOTE_TMP=/var/tmp/ansible-alice ANSIBLE_LOCAL_TEMP=/var/tmp/local
         export LC_ALL=C.UTF-8; ansible-playbook -i localhost, /srv/play.yml >/tmp/log 2>&1 || cat /tmp/log
         cat /tmp/found; rm -rf ~/.ansible",
    );
    assert_eq!(seen, "text of alice");
    assert_eq!(
        sandbox.sh("cat /etc/by-ansible /home/bob/by-ansible; stat -c ' %U' /home/bob/by-ansible"),
        "by rootby bob bob"
    );
    sandbox.sh("rm -f /home/bob/by-ansible; rm -rf /home/bob/.ansible");
    before.assert_nothing_left(&sandbox);
}

/// pam_namespace's way, but for the working directory.
#[test]
fn where_no_service_inherits_commands_are_as_logins() {
    let sandbox = machine!();
    needs!(sandbox, "sudo");
    sandbox.policy("[settings]\ninherit = []\n[[private]]\npath = \"/tmp\"\n");
    sandbox.sh("mkdir -m 777 /tmp/work; touch /tmp/work/of-host");
    let before = sandbox.state();
    let seen = sandbox.as_alice(
        "mkdir /tmp/work; cd /tmp/work; touch mine
         sudo -n ls /tmp/work; sudo -n ls; sudo -n -u bob bash -c 'ls /tmp; ls'",
    );
    assert_eq!(seen, "of-host\nmine\nmine");
    before.assert_nothing_left(&sandbox);
}

/// Whoever fills what others use too, or stops what serves their files, is the one who notices.
#[test]
fn a_full_store_and_a_stopped_server_concern_their_owners_alone() {
    let sandbox = machine!();
    needs!(sandbox, "sudo", "gocryptfs", "fusermount3");
    sandbox.sh("mknod -m 666 /dev/fuse c 10 229; mkdir -p /var/lib/jns");
    sandbox.sh("mount -t tmpfs -o mode=700,size=1M,nr_inodes=200 store /var/lib/jns");
    for user in ["alice", "bob"] {
        sandbox.ssh(user, "true").text();
    }
    sandbox.ssh("alice", "cat /dev/zero >/tmp/fill 2>/dev/null; true");
    sandbox.ssh(
        "alice",
        "rm -f /tmp/fill; for i in {1..300}; do : >/tmp/f$i || break; done 2>/dev/null; true",
    );
    assert_eq!(
        sandbox
            .ssh("bob", "touch /dev/shm/x; ls /dev/shm; sudo -n id -u")
            .text(),
        "x\n0"
    );
    assert_eq!(sandbox.ssh("alice", "sudo -n id -u").text(), "0");
    sandbox.ssh("alice", "rm -f /tmp/f*");

    sandbox.as_alice("mkdir ~/.d ~/closed; gocryptfs -q -init -extpass 'echo x' ~/.d; gocryptfs -q -extpass 'echo x' ~/.d ~/closed");
    sandbox.sh("pkill -STOP gocryptfs");
    let seen = sandbox.as_alice("timeout 20 sudo -n id -u; timeout 20 sudo -n -u bob id -un");
    assert_eq!(seen, "0\nbob");
    assert_eq!(sandbox.sh("timeout 20 ssh bob@localhost id -un"), "bob");
    sandbox.sh("pkill -CONT gocryptfs; pkill gocryptfs");
}
