//! The two processes outside of the sandbox.

use crate::host::HOST;
use crate::machine::REPORT;
use crate::options::Options;
use crate::programs_in_c::program;
use crate::sandbox::{Sandbox, Subject};
use nix::sys::signal::{SigSet, Signal};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

/// The place of this program in the sandbox.
const PROGRAM: &str = "/usr/bin/soak";

/// The services whose sessions go through the module; `su -` and `runuser -` include the others' stacks.
const SERVICES: [&str; 4] = ["su", "runuser", "sshd", "login"];

/// Runs the soak in a process group of its own, and lets it end with a report when a signal asks for it.
pub fn run(options: &Options) -> ExitCode {
    let mut asking = SigSet::empty();
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .for_each(|signal| asking.add(signal));
    asking
        .thread_block()
        .expect("a thread may block its signals");
    let mut soak = start(options, "sandbox");
    let stdin = soak.stdin.take();
    std::thread::spawn(move || {
        let _ = asking.wait();
        eprintln!("soak: ends; no more logins are begun");
        // The end of its standard input is the wish.
        drop(stdin);
    });
    exit_code(soak.wait().expect("it is a child"))
}

/// Starts this program with another word. It stops when its standard input ends.
pub fn start(options: &Options, word: &str) -> Child {
    let this = std::env::current_exe().expect("/proc shows this program");
    // make(1) has cargo ignore SIGINT, which would go on being ignored by every process in the sandbox.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=INT")
        .arg(this)
        .arg(word)
        .env("JNS_SOAK_SEED", options.seed.to_string())
        .stdin(Stdio::piped())
        .process_group(0);
    command.spawn().expect("env(1) starts")
}

/// Makes the sandbox, has the soak run in it, and fetches its report.
pub fn in_sandbox(options: &Options) -> ExitCode {
    // They were blocked by whoever started this, and would be in every program of the sandbox.
    SigSet::all()
        .thread_unblock()
        .expect("a thread may unblock its signals");
    let sandbox = match Sandbox::make_for(Subject::Ours) {
        Ok(sandbox) => sandbox,
        Err(reason) => {
            eprintln!("soak: {reason}");
            return ExitCode::from(2);
        }
    };
    SERVICES.iter().for_each(|service| sandbox.protect(service));
    let this = std::env::current_exe().expect("/proc shows this program");
    std::fs::copy(this, sandbox.path(PROGRAM)).expect("the sandbox has a disk");
    std::fs::copy(program("driver"), sandbox.path(HOST)).expect("the sandbox has a disk");
    let search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut soak = sandbox.enter(&[PROGRAM, "inside"]);
    soak.envs([("PATH", search), ("HOME", "/root"), ("LANG", "C.UTF-8")]);
    let status = soak.status();
    if let Some(path) = &options.json {
        let copied = std::fs::copy(sandbox.path(REPORT), path);
        if let Err(e) = copied {
            eprintln!("soak: cannot write {}: {e}", path.display());
            return ExitCode::from(2);
        }
    }
    exit_code(status.expect("nsenter(1) starts"))
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
