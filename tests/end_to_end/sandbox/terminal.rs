//! A terminal.

use super::Sandbox;
use super::deadline::{deadline, print_processes};
use rustix::pty::{ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

/// The keyboard and the screen of a terminal in a sandbox.
///
/// expect(1) cannot take this place: login hangs the terminal up and opens it again, which expect takes
/// for the end.
pub struct Terminal {
    master: File,
    /// The terminal's device in the sandbox.
    pub name: String,
    screen: String,
}

impl Terminal {
    /// A new terminal.
    pub fn open(sandbox: &Sandbox) -> Self {
        let mut options = File::options();
        options
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        let master = options
            .open(sandbox.path("/dev/ptmx"))
            .expect("a sandbox has pseudo-terminals");
        unlockpt(&master).expect("a new terminal can be unlocked");
        let name = ptsname(&master, Vec::new()).expect("a terminal has a name");
        Self {
            master,
            name: name.into_string().expect("its name is ASCII"),
            screen: String::new(),
        }
    }

    /// Waits until this text is shown after what was expected before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let deadline = deadline();
        let mut buffer = [0; 4096];
        loop {
            if let Some((_, rest)) = self.screen.split_once(text) {
                self.screen = rest.to_owned();
                return;
            }
            if Instant::now() > deadline {
                print_processes();
                panic!("no {text:?} in {:?} on {}", self.screen, self.name);
            }
            match self.master.read(&mut buffer) {
                Ok(length) => self.screen += &String::from_utf8_lossy(&buffer[..length]),
                Err(_) => std::thread::sleep(Duration::from_millis(10)), // nothing there, or hung up
            }
        }
    }

    /// Gives it another size, rows and columns at once.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.master, size).expect("a terminal has a size");
    }

    /// Types.
    pub fn send(&mut self, text: &str) {
        self.master
            .write_all(text.as_bytes())
            .expect("a terminal takes a line");
    }
}
