//! Job control, as a user at a terminal sees it.

use crate::sandbox::{Sandbox, Terminal, ours_only, sandbox};

/// A shell of the user's with job control, on a terminal of its own. What a shell without starts in the
/// background ignores the keyboard's signals.
pub fn shell_of(sandbox: &Sandbox, user: &str) -> Terminal {
    let mut terminal = Terminal::open(sandbox);
    let tty = &terminal.name;
    let become_user = format!("setpriv --reuid {user} --regid {user} --init-groups");
    sandbox.sh(&format!(
        "cd /; PS1='ready> ' setsid -c env --default-signal=INT,QUIT {become_user} bash --norc --noprofile -i <{tty} >{tty} 2>&1 &"
    ));
    terminal.expect("ready> ");
    terminal
}

/// The same commands for root, whose are watched, and for alice, whose are not unless they have processes of
/// their own. The shell has the options in `$OPTIONS`.
fn each(script: impl Fn(&Sandbox, &mut Terminal)) {
    let sandbox = sandbox!();
    for (user, options) in [
        ("root", "--tmpfs /mnt"),
        ("alice", "--tmpfs /mnt"),
        ("root", "--processes"),
        ("alice", "--processes"),
    ] {
        let mut terminal = shell_of(&sandbox, user);
        terminal.send(&format!("OPTIONS='{options}'\r"));
        terminal.expect("ready> ");
        script(&sandbox, &mut terminal);
        terminal.send("echo by''e; exit\r");
        terminal.expect("bye");
    }
}

#[test]
fn control_c_ends_the_command_and_not_the_shell() {
    ours_only!("command");
    each(|_, terminal| {
        terminal.send("jns run $OPTIONS -- sh -c 'echo at''work; exec sleep 1000'\r");
        terminal.expect("atwork");
        terminal.send("\x03");
        terminal.expect("ready> ");
        terminal.send("echo status=$?\r");
        terminal.expect("status=130");
        terminal.send("jns run $OPTIONS -- bash -c 'trap \"echo caught; exit 5\" INT; echo at''work; while :; do sleep 0.1; done'; echo status=$?\r");
        terminal.expect("atwork");
        terminal.send("\x03");
        terminal.expect("caught");
        terminal.expect("status=5");
        terminal.send("jns run $OPTIONS -- bash -c 'trap \"exit 6\" QUIT; echo at''work; while :; do sleep 0.1; done'; echo status=$?\r");
        terminal.expect("atwork");
        terminal.send("\x1c");
        terminal.expect("status=6");
    });
}

#[test]
fn control_z_stops_it_and_fg_lets_it_go_on() {
    ours_only!("command");
    each(|sandbox, terminal| {
        terminal.send("jns run $OPTIONS -- sh -c 'echo at''work; cat; echo at''end'\r");
        terminal.expect("atwork");
        // A shell that waits for what it starts to become the program cannot stop.
        sandbox.wait_until("pgrep -x cat");
        for _ in 0..3 {
            terminal.send("\x1a");
            terminal.expect("Stopped");
            terminal.expect("ready> ");
            // Linux 6.18: who was reading when the signal came takes the next line, if that comes before it stops.
            sandbox.wait_until("! ps -C cat -o stat= | grep -qv ^T");
            terminal.send("echo out''side\r");
            terminal.expect("outside");
            terminal.send("fg\r");
            terminal.expect("jns run");
            terminal.send("again\r");
            terminal.expect("again\r\nagain");
        }
        terminal.send("\x04");
        terminal.expect("atend");
        terminal.expect("ready> ");
    });
}

#[test]
fn a_shell_inside_has_jobs_of_its_own() {
    ours_only!("command");
    each(|_, terminal| {
        terminal.send("PS1='inside> ' jns run $OPTIONS -- bash --norc --noprofile -i\r");
        terminal.expect("inside> ");
        terminal.send("sh -c 'echo at''work; exec sleep 1000'\r");
        terminal.expect("atwork");
        terminal.send("\x1a");
        terminal.expect("Stopped");
        // Bash does not wait for a job that it has not yet noticed to go on, and does not exit while one is stopped.
        terminal.send("kill %1; while [ \"$(jobs -ps)\" ]; do sleep 0.1; done; echo wai''ted\r");
        terminal.expect("waited");
        // The whole of it stops, and comes back with the terminal.
        terminal.send("suspend\r");
        terminal.expect("ready> ");
        terminal.send("fg\r");
        terminal.expect("jns run");
        terminal.send("echo ba''ck\r");
        terminal.expect("back");
        terminal.send("exit 9\r");
        terminal.expect("ready> ");
        terminal.send("echo status=$?\r");
        terminal.expect("status=9");
        terminal.send("sh -c 'echo at''work; cat'\r");
        terminal.expect("atwork");
        terminal.send("mine\r");
        terminal.expect("mine\r\nmine");
        terminal.send("\x04");
        terminal.expect("ready> ");
    });
}

#[test]
fn a_shell_that_is_killed_leaves_the_terminal() {
    ours_only!("command");
    let sandbox = sandbox!();
    let mut terminal = shell_of(&sandbox, "root");
    terminal.send("PS1='inside> ' jns run -- bash --norc --noprofile -i; echo status=$?\r");
    terminal.expect("inside> ");
    terminal.send("kill -9 $$\r");
    terminal.expect("status=137");
    terminal.send("sh -c 'echo at''work; cat'\r");
    terminal.expect("atwork");
    terminal.send("mine\r");
    terminal.expect("mine\r\nmine");
}

#[test]
fn the_command_is_signalled_when_the_terminal_gets_another_size() {
    ours_only!("command");
    each(|_, terminal| {
        terminal.send("jns run $OPTIONS -- bash -c 'trap \"stty size; exit\" WINCH; echo at''work; while :; do sleep 0.1; done'\r");
        terminal.expect("atwork");
        terminal.resize(33, 77);
        terminal.expect("33 77");
        terminal.expect("ready> ");
    });
}

#[test]
fn end_of_file_and_a_hangup_end_it() {
    ours_only!("command");
    let sandbox = sandbox!();
    let mut terminal = shell_of(&sandbox, "root");
    terminal.send("jns run -- sh -c 'echo at''work; cat'; echo status=$?\r");
    terminal.expect("atwork");
    terminal.send("text\r");
    terminal.expect("text\r\ntext");
    terminal.send("\x04");
    terminal.expect("status=0");
    terminal.send("exec jns run -- sh -c 'echo $$ >/srv/pid; echo at''work; exec sleep 1000'\r");
    terminal.expect("atwork");
    drop(terminal);
    sandbox.wait_until("! [ -e /proc/$(cat /srv/pid) ]");
}
