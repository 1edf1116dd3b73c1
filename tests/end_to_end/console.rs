//! Sessions of login(1), on a terminal.

use crate::bed::{Bed, Outcome, bed, needs};

/// Logs in with name and password and runs ~/job there, its output going to ~/seen: what a terminal
/// shows is mixed with prompts and greetings.
const DIALOGUE: &str = r#"
set timeout 30
spawn -noecho login -p $env(WHO)
expect "assword:"
send "secret\r"
expect -re {[$#] }
send "bash ~/job >~/seen 2>&1; exit\r"
expect eof
"#;

#[test]
fn a_login_on_a_terminal_has_directories_of_its_own() {
    let bed = bed!();
    needs!(bed, "expect", "login");
    bed.protect("login");
    bed.sh("touch /run/utmp; rm -f /etc/motd");
    bed.assert_own_directories("login", |user, script| log_in(&bed, user, script));
}

fn log_in(bed: &Bed, user: &str, script: &str) -> Outcome {
    let home = bed.sh(&format!("echo ~{user}"));
    bed.write(&format!("{home}/job"), script);
    bed.write("/root/dialogue", DIALOGUE);
    bed.run(&format!(
        "WHO={user} expect -f /root/dialogue >/root/terminal && cat {home}/seen"
    ))
}
