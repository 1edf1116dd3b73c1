//! The rules for the steps of jobs.

use super::layers::{Options, Value};
use crate::cli::import::policy::{Draft, Table, escaped};
use crate::cli::import::remark::Remark;
use crate::cli::import::tmpfs::HALF;
use crate::error::Location;
use crate::plan::tidy;

/// The PAM service of slurmstepd.
const SERVICE: &str = "slurm";

/// The directories that are a job's own where nothing else is said.
const DIRECTORIES: &str = "/tmp,/dev/shm";

/// The directory that is always a file system in memory.
const MEMORY: &str = "/dev/shm";

/// The programs that Slurm runs for a job.
const SCRIPTS: &[&str] = &[
    "initscript",
    "clonensscript",
    "clonensepilog",
    "usernsscript",
];

/// Makes the rules of a node; remarks say what they do not carry. `whole` stands for what no line says.
pub fn of(
    options: &Options,
    node: Option<&str>,
    whole: &Location,
    remarks: &mut Vec<Remark>,
) -> Vec<Draft> {
    let Some(base) = options.get("basepath") else {
        remarks.push(Remark::left_out(
            whole,
            "no BasePath is for this node, so Slurm covers nothing",
        ));
        return Vec::new();
    };
    if base.text.to_ascii_lowercase().starts_with("none") {
        remarks.push(Remark::left_out(
            &base.location,
            "by BasePath=none Slurm covers nothing",
        ));
        return Vec::new();
    }
    let store = store(base, options, node, remarks);
    note(options, whole, remarks);
    let found = options.get("dirs");
    let location = found.map_or(&base.location, |dirs| &dirs.location);
    let dirs = found.map_or(DIRECTORIES, |dirs| dirs.text.as_str());
    let dirs = dirs.split(',').map(str::trim).filter(|dir| !dir.is_empty());
    let tables = dirs.map(|dir| directory(&tidy(dir), store.as_deref()));
    let drafts = tables.map(|table| Draft {
        location: location.clone(),
        table: table.comment(&location.to_string()),
    });
    drafts.chain(processes(options, remarks)).collect()
}

/// The directory that jobs' directories lie in; none where it is another one on each node, and the node is not known.
fn store(
    base: &Value,
    options: &Options,
    node: Option<&str>,
    remarks: &mut Vec<Remark>,
) -> Option<String> {
    let path = match node {
        Some(node) => base.text.replacen("%n", node, 1),
        None => base.text.clone(),
    };
    if path.contains("%h") || path.contains("%n") {
        let message = format!(
            "jobs' directories lie in the store of [settings]: which one {path} is, is not known"
        );
        remarks.push(Remark::different(&base.location, message));
        return None;
    }
    let path = tidy(&path);
    let is_made = options
        .get("autobasepath")
        .filter(|value| is_true(&value.text));
    if let Some(is_made) = is_made {
        let message = format!(
            "{path} is not made: let systemd-tmpfiles make it at boot, by a line `d {path} 0755 root root` in \
             /etc/tmpfiles.d"
        );
        remarks.push(Remark::different(&is_made.location, message));
    }
    Some(path)
}

/// The rule for a directory of a job's own.
fn directory(path: &str, store: Option<&str>) -> Table {
    let services = [SERVICE.to_owned()];
    let table = Table::new("[[private]]")
        .text("path", &escaped(path))
        .texts("services", &services)
        .text("per", "session");
    if path == MEMORY {
        return table
            .text("medium", "memory")
            .text("size", HALF)
            .text("mode", "1777");
    }
    let name = path.trim_start_matches('/').replace('/', "_");
    let store = store.map(|store| format!("{}/{}/{{session}}", escaped(store), escaped(&name)));
    table
        .optional_text("store", store.as_deref())
        .text("mode", "0700")
        .text("owner", "{user}")
}

/// The rule for processes of a job's own.
fn processes(options: &Options, remarks: &mut Vec<Remark>) -> Option<Draft> {
    let flags = options.get("clonensflags")?;
    let has = |name: &str| flags.text.to_ascii_uppercase().contains(name);
    if has("CLONE_NEWUSER") {
        remarks.push(Remark::left_public(
            &flags.location,
            "no rule gives sessions a user namespace",
        ));
    }
    if !has("CLONE_NEWPID") {
        return None;
    }
    let message = "users see the processes of their own other jobs: slurmstepd has threads, and no program with threads \
                   gets a PID namespace";
    remarks.push(Remark::left_public(&flags.location, message));
    let location = flags.location.clone();
    let table = Table::new("[[isolate]]")
        .comment(&location.to_string())
        .texts("services", &[SERVICE.to_owned()])
        .text("processes", "hidden");
    Some(Draft { location, table })
}

/// Tells what differs.
fn note(options: &Options, whole: &Location, remarks: &mut Vec<Remark>) {
    for script in SCRIPTS.iter().filter_map(|key| options.get(*key)) {
        let message = format!(
            "{} is not run; a [[hook]] has no variables of Slurm's",
            script.text
        );
        remarks.push(Remark::lost(&script.location, message));
    }
    let shared = options.get("shared");
    let message = match shared.is_some_and(|value| is_true(&value.text)) {
        true => {
            "mounts of the host's reach jobs as `propagation` in [settings] says, and none of a job's reaches the host"
        }
        false => "mounts of the host's reach jobs as `propagation` in [settings] says",
    };
    let location = shared.map_or(whole, |value| &value.location);
    remarks.push(Remark::different(location, message));
    if let Some(entire) = options
        .get("entirestepinns")
        .filter(|value| is_true(&value.text))
    {
        let message = "the thread of slurmstepd that opens the session is in it, and no other one";
        remarks.push(Remark::different(&entire.location, message));
    }
}

fn is_true(text: &str) -> bool {
    ["yes", "true", "up", "1"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}
