//! Findings about daemons whose sessions `elsewhere = "leave"` leaves without a view, since they run in mount namespaces
//! of their own.

use super::finding::{Area, Finding};
use crate::cli::host::Tree;
use crate::cli::host::module_line::line_of;
use crate::kernel::process;
use crate::policy::{Elsewhere, Policy};
use crate::session::elsewhere;
use std::os::unix::fs::MetadataExt;

/// Daemons that open sessions, by the names that their processes have, each with a service that it opens them by.
const DAEMONS: [(&str, &str); 11] = [
    ("sshd", "sshd"),
    ("cron", "cron"),
    ("crond", "crond"),
    ("atd", "atd"),
    ("vsftpd", "vsftpd"),
    ("proftpd", "proftpd"),
    ("gdm", "gdm-password"),
    ("gdm3", "gdm-password"),
    ("lightdm", "lightdm"),
    ("sddm", "sddm"),
    ("xrdp-sesman", "xrdp-sesman"),
];

/// The running daemons whose sessions are left alone, once for each namespace that they run in.
pub fn findings(tree: &Tree, policy: &Policy) -> Vec<Finding> {
    if !tree.is_host() || policy.settings.elsewhere != Elsewhere::Leave {
        return Vec::new();
    }
    let mut processes = process::all().unwrap_or_default();
    processes.sort_unstable();
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for pid in processes {
        let Some(daemon) = daemon_of(tree, pid) else {
            continue;
        };
        match elsewhere::of_process(pid) {
            Ok(Some(namespace)) if !seen.contains(&(daemon, namespace)) => {
                seen.push((daemon, namespace));
                found.push(finding(daemon, pid));
            }
            Ok(_) => {}
            Err(error) => return vec![Finding::note(Area::Units, error.to_string())],
        }
    }
    found
}

/// The daemon that a process is, where it is root's, is no container's, and calls the module.
fn daemon_of(tree: &Tree, pid: u32) -> Option<&'static str> {
    let name = process::name_of(pid)?;
    let (daemon, service) = DAEMONS.iter().find(|(daemon, _)| *daemon == name)?;
    let is_roots = std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|found| found.uid() == 0);
    let is_hosts = namespace_of_processes(pid) == namespace_of_processes(1);
    (is_roots && is_hosts && line_of(tree, service).is_some()).then_some(*daemon)
}

fn namespace_of_processes(pid: u32) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

fn finding(daemon: &str, pid: u32) -> Finding {
    let summary = format!(
        "{daemon}, process {pid}, runs in a mount namespace of its own: with elsewhere = \"leave\", its sessions get no \
         view of theirs"
    );
    Finding::warning(Area::Units, summary).advise(
        "say elsewhere = \"cover\"; or let its unit do without the settings that give it that namespace (PrivateTmp=, \
         ProtectSystem= and the like), which also keep things from the daemon",
    )
}
