//! System calls and new processes, counted in a trace by strace(1).

use crate::host::{Host, let_policies_settle};
use crate::login::Login;
use serde::Serialize;

/// Where strace writes.
const TRACE: &str = "/run/trace";

/// The numbers of system calls and of new processes of a login.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Calls {
    /// The kind of login.
    pub login: Login,
    /// System calls that load the module, over pam_unix's.
    pub load: usize,
    /// System calls of `pam_open_session` in the module, and in the programs that it starts.
    pub open: usize,
    /// System calls from there to the end of the process, over pam_unix's.
    pub close: usize,
    /// New processes.
    pub forks: usize,
}

/// The names of a transaction's calls, in order.
#[derive(Debug, Default)]
struct Trace {
    before: Vec<String>,
    open: Vec<String>,
    after: Vec<String>,
}

/// Counts what each kind of login does on the host, once. The first of them is [`Login::Base`].
pub fn count(host: &Host, logins: &[Login]) -> Vec<Calls> {
    let_policies_settle();
    let traces: Vec<_> = logins.iter().map(|login| trace(host, *login)).collect();
    let counted = logins.iter().zip(&traces);
    let counted = counted.map(|(login, trace)| Calls {
        login: *login,
        load: trace.before.len().saturating_sub(traces[0].before.len()),
        open: trace.open.len(),
        close: trace.after.len().saturating_sub(traces[0].after.len()),
        forks: trace.open.iter().filter(|call| is_fork(call)).count(),
    });
    counted.collect()
}

/// Traces the second login of the kind: the first one by a service notes what later ones by it read.
fn trace(host: &Host, login: Login) -> Trace {
    drive(host, login, &[]);
    drive(host, login, &["strace", "-f", "-o", TRACE]);
    let trace = std::fs::read(host.path(TRACE)).expect("strace has written its trace");
    parts(&String::from_utf8_lossy(&trace))
}

/// Logs in by the service whose stack has marks, with a driver that a command starts.
fn drive(host: &Host, login: Login, command: &[&str]) {
    let start = format!("start={}", host.prepare(login));
    let stack = format!("stack={}-marked", login.service());
    let report = host.drive_with(command, &[&stack, &start, "open", "close", "end"]);
    assert_eq!(report.codes("open"), [0], "{login:?}, {command:?}");
}

/// Splits a trace at the two marks, which are left out.
fn parts(trace: &str) -> Trace {
    let mut lines = trace.lines();
    let mut until = |mark: &str| {
        let part = lines.by_ref().take_while(|line| !line.contains(mark));
        part.filter_map(name).map(str::to_owned).collect()
    };
    Trace {
        before: until("\"/jns-marker/before-open\""),
        open: until("\"/jns-marker/after-open\""),
        after: until("\n"),
    }
}

/// The call's name in a line `PID NAME(ARGUMENTS) = RESULT`; not in the second line of one that was interrupted.
fn name(line: &str) -> Option<&str> {
    let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let (name, _) = call.split_once('(')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

fn is_fork(call: &str) -> bool {
    ["fork", "vfork", "clone", "clone3"].contains(&call)
}
