//! A sandbox whose pid 1 is systemd, with Debian 13's journal, logind, D-Bus, sshd, cron and at.

use super::numbers::Number;
use super::subject::{built_module, modules_of};
use super::{Outcome, Sandbox, Subject, debian13, numbered};
use std::process::{Command, Stdio};

impl Sandbox {
    /// Boots a sandbox in which sshd, cron and atd run, and the module, the command and the units are installed by
    /// `make install`. No service uses the module yet.
    ///
    /// # Errors
    ///
    /// Why none can be booted here.
    pub fn boot() -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("only root can make a sandbox".to_owned());
        }
        // Whatever kills this process's group leaves unshare(1) to clean up.
        let lower = debian13()?;
        let start = || {
            Command::new("setsid")
                .args(["unshare", "-m", "--propagation", "private"])
                .arg(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/tests/end_to_end/sandbox/systemd"
                ))
                .arg(&lower)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("unshare(1) starts")
        };
        let (unshare, init) = numbered(Number::Lowest, start);
        let init = init.ok_or("control groups, namespaces or overlays are refused here")?;
        let sandbox = Self {
            unshare,
            init,
            journal: None,
            subject: Subject::Ours,
        };
        sandbox.wait_until("[ -S /run/systemd/private ]");
        sandbox.sh("systemctl is-system-running --wait");
        sandbox.make_install();
        Ok(sandbox)
    }

    fn make_install(&self) {
        let (modules, built) = (modules_of(self), built_module());
        let mut make = Command::new("make");
        make.current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_remove("MAKEFLAGS")
            .args(["--no-print-directory", "install"])
            .arg(format!("MODULE={}", built.display()))
            .arg(concat!("COMMAND=", env!("CARGO_BIN_EXE_jns")))
            .arg(format!("PAMDIR={modules}"))
            .arg(format!("DESTDIR={}", self.path("").display()));
        Outcome::of(make).text();
        self.subject.install(self);
        self.sh("systemctl daemon-reload");
    }

    /// The journal's lines, in the form of the sandbox's own log.
    pub(super) fn systemd_journal(&self) -> Vec<String> {
        let entries = self.sh("journalctl --sync; journalctl -q -o json");
        let entries = entries.lines().filter_map(|entry| {
            let entry = serde_json::from_str::<serde_json::Value>(entry).ok()?;
            let field = |name: &str| entry.get(name)?.as_str().map(str::to_owned);
            let (priority, tag) = (field("PRIORITY")?, field("SYSLOG_IDENTIFIER")?);
            Some(format!("<{priority}>{tag}: {}", field("MESSAGE")?))
        });
        entries.collect()
    }
}
