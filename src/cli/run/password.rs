//! The password of volumes: typed at the terminal without being shown, or the first line of standard input, of
//! which nothing more is taken.

use crate::cli::outcome::say;
use crate::error::harmless;
use crate::error::{Error, Result};
use crate::kernel::process::secret::Secret;
use crate::plan::{Password, Plan};
use rustix::io::Errno;
use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// The longest that is taken, in bytes.
const LONGEST: usize = 1024;

/// Keys that do not belong to a password: the end of it, its loss, corrections.
mod key {
    pub const INTERRUPT: u8 = 0x03;
    pub const END: u8 = 0x04;
    pub const BACKSPACE: [u8; 2] = [0x08, 0x7f];
    pub const KILL: u8 = 0x15;
    pub const RETURN: [u8; 2] = [b'\n', b'\r'];
}

/// Asks for it, if a volume of the plan wants one.
///
/// # Errors
///
/// It is not given, or cannot be read.
pub fn ask(plan: &Plan) -> Result<Option<Secret>> {
    let wanting = plan
        .volumes
        .iter()
        .filter(|volume| volume.password == Password::Login);
    let paths: Vec<&str> = wanting.map(|volume| volume.path.as_str()).collect();
    if paths.is_empty() {
        return Ok(None);
    }
    let _quiet = isatty(stdin())
        .then(|| Quiet::begin(&paths.join(" and ")))
        .transpose()?;
    read_line().map(Some)
}

/// A terminal that does not show what is typed. Dropped, it is as it was.
struct Quiet(Termios);

impl Quiet {
    fn begin(object: &str) -> Result<Self> {
        let failed = |errno| Error::from_errno("use", "the terminal", errno);
        let before = tcgetattr(stdin()).map_err(failed)?;
        let mut quiet = before.clone();
        // Signals too: a process that one of them ends leaves the terminal as it is.
        let shown = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        quiet.local_modes.remove(shown);
        tcsetattr(stdin(), OptionalActions::Flush, &quiet).map_err(failed)?;
        say(&format!("Password for {}: ", harmless(object)));
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
        say("\n");
    }
}

/// The line that is being typed: it is wiped when it is dropped.
struct Line(Vec<u8>);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

/// Byte by byte: what follows is the command's.
fn read_line() -> Result<Secret> {
    let failed = |reason: &str| Error::new("read", "the password", reason);
    let is_terminal = isatty(stdin());
    let mut line = Line(Vec::with_capacity(LONGEST));
    loop {
        let mut byte = [0];
        match rustix::io::read(stdin(), &mut byte) {
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(Error::from_errno("read", "the password", errno)),
            Ok(0) if line.0.is_empty() => return Err(failed("none is given")),
            Ok(0) => break,
            Ok(_) => {}
        }
        let [typed] = byte;
        match typed {
            end if key::RETURN.contains(&end) => break,
            key::INTERRUPT if is_terminal => return Err(failed("it was not typed")),
            key::END if is_terminal => break,
            key::KILL if is_terminal => line.0.clear(),
            back if is_terminal && key::BACKSPACE.contains(&back) => drop(line.0.pop()),
            _ if line.0.len() >= LONGEST => return Err(failed("it is too long")),
            other => line.0.push(other),
        }
    }
    Secret::new(&line.0)
}
