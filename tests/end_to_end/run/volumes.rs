//! Encrypted directories that one process tree sees.

use crate::sandbox::{Outcome, Sandbox, Terminal, needs, ours_only, sandbox};

/// How each program makes an encrypted `~/.cipher` with the password on standard input, and a file in it.
const MAKE: [(&str, &str); 2] = [
    (
        "gocryptfs",
        "gocryptfs -init -quiet -scryptn 10 .cipher; ls .cipher >/dev/null",
    ),
    (
        "encfs",
        "encfs --standard --stdinpass $HOME/.cipher $HOME/open; fusermount -u $HOME/open",
    ),
];

impl Sandbox {
    /// Makes an encrypted directory of alice's, and an empty one where it can be opened.
    fn encrypt_for_alice(&self, make: &str) -> Outcome {
        self.sh("[ -e /dev/fuse ] || mknod -m 666 /dev/fuse c 10 229");
        self.run_as(
            "alice",
            &format!(
                "rm -rf .cipher open; mkdir -m 700 .cipher open; printf secret | {{ {make}; }}"
            ),
        )
    }
}

#[test]
fn a_volume_is_open_for_one_process_tree() {
    ours_only!("command");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs", "fusermount3", "encfs", "fusermount");
    for (program, make) in MAKE {
        sandbox.encrypt_for_alice(make).text();
        let before = sandbox.state();
        let inside = "sh -c 'echo words >>open/file; cat open/file; touch there; while [ -e there ]; do sleep 0.1; done'";
        let own = "cd; (echo secret; echo more) | jns run --volume .cipher:$HOME/open -- ";
        let by_root = "cd /home/alice; echo secret | HOME=/home/alice jns run -u alice --volume .cipher:/home/alice/open -- ";
        for (count, script) in [(1, own), (2, by_root)] {
            let script = format!("({script} {inside} >said 2>&1; echo $? >status) &>/dev/null &");
            match count {
                1 => sandbox.run_as("alice", &script).text(),
                _ => sandbox.sh(&script),
            };
            sandbox.wait_until("[ -e /home/alice/there ] || [ -e /home/alice/status ]");
            // Another terminal of the same user sees the encrypted side alone, and root sees nothing either.
            let look = "ls -A open; grep -rc words .cipher | grep -vc :0 || true";
            assert_eq!(sandbox.run_as("alice", look).text(), "0", "{program}");
            assert_eq!(
                sandbox.sh("ls -A /home/alice/open; grep -c fuse /proc/mounts || true"),
                "0"
            );
            sandbox.sh("rm -f /home/alice/there");
            sandbox.wait_until("[ -e /home/alice/status ]");
            let said = sandbox.sh("cd /home/alice; cat said status; rm said status");
            assert_eq!(said, format!("{}0", "words\n".repeat(count)), "{program}");
        }
        before.assert_nothing_left(&sandbox);
    }
}

#[test]
fn the_rest_of_standard_input_is_the_commands() {
    ours_only!("command");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs", "fusermount3");
    sandbox.encrypt_for_alice(MAKE[0].1).text();
    let script = "printf 'secret\\nrest' | jns run --volume .cipher:$HOME/open -- cat";
    assert_eq!(sandbox.run_as("alice", script).text(), "rest");
    for input in ["echo wrong", "true", "yes | tr -d '\\n' | head -c 2000"] {
        let script = format!(
            "{input} | jns run --volume .cipher:$HOME/open -- touch ran; echo $?; ls -A open; [ ! -e ran ]"
        );
        let outcome = sandbox.run_as("alice", &script);
        assert_eq!(outcome.stdout, "125\n", "{input} {outcome:?}");
        // What its program says about that is printed.
        let is_reported = outcome
            .stderr
            .contains("/usr/bin/gocryptfs: Password incorrect");
        assert_eq!(is_reported, input == "echo wrong", "{outcome:?}");
    }
}

#[test]
fn the_password_is_typed_unseen() {
    ours_only!("command");
    let sandbox = sandbox!();
    needs!(sandbox, "gocryptfs", "fusermount3");
    sandbox.encrypt_for_alice(MAKE[0].1).text();
    let mut terminal = super::terminals::shell_of(&sandbox, "alice");
    let run = "cd; jns run --volume .cipher:$HOME/open -- sh -c 'touch open/x; ls open; stty -a | grep -o \"[ ]echo \"'\r";
    let password = |terminal: &mut Terminal, typed: &str| {
        terminal.send("export HOME=/home/alice\r");
        terminal.expect("ready> ");
        terminal.send(run);
        terminal.expect("Password for /home/alice/open: ");
        terminal.send(typed);
    };
    password(&mut terminal, "wrong\x15secrex\x7ft\r");
    terminal.expect("\r\nx\r\n echo");
    terminal.expect("ready> ");
    password(&mut terminal, "sec\x03");
    terminal.expect("cannot read the password: it was not typed");
    terminal.expect("ready> ");
    terminal.send("stty -a | grep -o ' echo '; echo status=$?\r");
    terminal.expect("status=0");
}
