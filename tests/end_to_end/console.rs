//! Sessions of login(1), on a terminal.

use crate::bed::{Bed, Outcome, Terminal, bed, needs};

#[test]
fn a_login_on_a_terminal_has_directories_of_its_own() {
    let bed = bed!();
    needs!(bed, "login");
    bed.protect("login");
    bed.sh("touch /run/utmp");
    bed.assert_own_directories("login", |user, script| log_in(&bed, user, script));
}

/// Logs in with name and password and runs a script there, its output going to a file: what a terminal
/// shows is mixed with prompts and greetings.
pub fn log_in(bed: &Bed, user: &str, script: &str) -> Outcome {
    let home = bed.sh(&format!("echo ~{user}"));
    bed.write(&format!("{home}/job"), script);
    let mut terminal = Terminal::open(bed);
    let tty = &terminal.name;
    bed.sh(&format!(
        "rm -f {home}/seen; setsid -c login {user} <{tty} >{tty} 2>&1 &"
    ));
    terminal.expect("assword:");
    terminal.send("secret\n");
    terminal.expect(if user == "root" { "# " } else { "$ " });
    terminal.send("bash ~/job >~/part 2>&1; mv ~/part ~/seen; exit\n");
    bed.wait_until(&format!("[ -e {home}/seen ]"));
    bed.run(&format!("cat {home}/seen"))
}
