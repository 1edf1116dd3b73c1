//! Sessions of login(1), on a terminal.

use crate::sandbox::{Outcome, Sandbox, Terminal, needs, sandbox};

#[test]
fn a_login_on_a_terminal_has_directories_of_its_own() {
    let sandbox = sandbox!();
    needs!(sandbox, "login");
    sandbox.protect("login");
    sandbox.sh("touch /run/utmp");
    sandbox.assert_own_directories("login", |user, script| log_in(&sandbox, user, script));
}

/// Logs in with name and password and runs a script there, its output going to a file: what a terminal
/// shows is mixed with prompts and greetings.
pub fn log_in(sandbox: &Sandbox, user: &str, script: &str) -> Outcome {
    let home = sandbox.sh(&format!("echo ~{user}"));
    sandbox.write(&format!("{home}/job"), script);
    let mut terminal = Terminal::open(sandbox);
    let tty = &terminal.name;
    sandbox.sh(&format!(
        "rm -f {home}/seen; setsid -c login {user} <{tty} >{tty} 2>&1 &"
    ));
    terminal.expect("assword:");
    terminal.send("secret\n");
    terminal.expect(if user == "root" { "# " } else { "$ " });
    terminal.send("bash ~/job >~/part 2>&1; mv ~/part ~/seen; exit\n");
    sandbox.wait_until(&format!("[ -e {home}/seen ]"));
    sandbox.run(&format!("cat {home}/seen"))
}
