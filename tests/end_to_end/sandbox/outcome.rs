//! What became of a command.

use super::deadline::wait_for;
use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};

/// How a command ended and what it wrote.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit status; 124 when it took too long.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Outcome {
    /// Runs a command to its end. What it writes goes to files: a daemon that it leaves behind and that
    /// keeps them open does not keep the test waiting.
    pub fn of(mut command: Command) -> Self {
        let mut stdout = tempfile::tempfile().expect("a temporary file");
        let mut stderr = tempfile::tempfile().expect("a temporary file");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().expect("a descriptor"))
            .stderr(stderr.try_clone().expect("a descriptor"))
            .spawn()
            .expect("the command starts");
        let status = wait_for(&mut child);
        let (stdout, stderr) = (contents(&mut stdout), contents(&mut stderr));
        let Some(status) = status else {
            let _ = child.kill();
            panic!("{command:?} does not end, and wrote:\n{stdout}\n{stderr}");
        };
        Self {
            status,
            stdout,
            stderr,
        }
    }

    /// Whether the exit status is 0.
    pub fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// Standard output without the last newline, of a command that must have succeeded.
    #[track_caller]
    pub fn text(self) -> String {
        assert!(self.succeeded(), "{self:#?}");
        self.stdout.trim_end().to_owned()
    }
}

fn contents(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("a file can be rewound");
    file.read_to_end(&mut bytes).expect("a file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}
