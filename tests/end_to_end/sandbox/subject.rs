//! What is under test: the module of this project, or pam_namespace.

use super::{Sandbox, target_directory};
use std::path::PathBuf;

/// The module that protects the sandbox's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// `pam_jns.so` under its built-in policy.
    Ours,
    /// `pam_namespace.so` with a namespace.conf that says the same.
    Theirs,
}

/// The built-in policy in pam_namespace's language. It can exempt names, not ranges of ids.
const NAMESPACE_CONF: &str = "\
/tmp     /var/lib/jns/tmp/     user   root,system
/var/tmp /var/lib/jns/var-tmp/ user   root,system
/dev/shm tmpfs                 tmpfs  root,system
";

impl Subject {
    /// The one that `JNS_UNDER_TEST` names.
    pub fn chosen() -> Self {
        match std::env::var("JNS_UNDER_TEST").as_deref() {
            Err(_) | Ok("" | "ours") => Self::Ours,
            Ok("theirs") => Self::Theirs,
            Ok(other) => panic!("JNS_UNDER_TEST is \"ours\" or \"theirs\", not {other:?}"),
        }
    }

    /// What a PAM stack calls it.
    pub fn module(self) -> &'static str {
        match self {
            Self::Ours => "pam_jns.so",
            Self::Theirs => "pam_namespace.so",
        }
    }

    pub(super) fn install(self, sandbox: &Sandbox) {
        match self {
            Self::Ours => install_ours(sandbox),
            Self::Theirs => install_theirs(sandbox),
        }
    }
}

fn install_ours(sandbox: &Sandbox) {
    let (modules, built) = (modules_of(sandbox), built_module());
    let bytes = std::fs::read(&built)
        .unwrap_or_else(|e| panic!("{}: {e}; build it with make", built.display()));
    sandbox.write(&format!("{modules}/pam_jns.so"), bytes);
    std::fs::copy(env!("CARGO_BIN_EXE_jns"), sandbox.path("/usr/bin/jns")).unwrap();
}

/// Where the sandbox's libpam looks for modules.
pub(super) fn modules_of(sandbox: &Sandbox) -> String {
    sandbox.sh("dirname $(ls /usr/lib*/{,*/}security/pam_unix.so 2>/dev/null | head -n 1)")
}

/// The module that is installed in sandboxes.
pub(super) fn built_module() -> PathBuf {
    std::env::var_os("JNS_MODULE").map_or_else(
        || target_directory().join("release/libpam_jns.so"),
        PathBuf::from,
    )
}

fn install_theirs(sandbox: &Sandbox) {
    sandbox.write("/etc/security/namespace.conf", NAMESPACE_CONF);
    sandbox.sh("mkdir -p /var/lib/jns/tmp /var/lib/jns/var-tmp && chmod 0 /var/lib/jns/*");
    sandbox.sh("rm -rf /etc/security/namespace.init /etc/security/namespace.d/*");
}
