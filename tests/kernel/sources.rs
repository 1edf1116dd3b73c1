//! Which files make up the system's policy.

use crate::own::{directory, file, in_own_namespace, memory};
use pam_jns::policy::{Diagnostics, Loaded, Policy, Source};
use std::os::unix::fs::{PermissionsExt, symlink};

const FILE: &str = "/etc/security/jns.toml";
const DROP_INS: &str = "/etc/security/jns.d";

/// Runs `test` with an empty `/etc/security`.
fn in_empty_security(test: impl FnOnce() + Send + 'static) {
    in_own_namespace(|| {
        memory("/etc/security");
        test();
    });
}

fn hide(path: &str) -> String {
    format!("[[hide]]\npath = \"{path}\"\n")
}

fn drop_in(name: &str, text: &str) {
    directory(DROP_INS, 0o755, 0);
    file(&format!("{DROP_INS}/{name}"), text);
}

/// Each rule as `path file:line`.
fn rules(loaded: Result<Loaded, Diagnostics>) -> Vec<String> {
    let rules = loaded.unwrap().policy.rules.into_iter();
    rules
        .map(|rule| format!("{} {}", rule.kind.path().unwrap(), rule.location))
        .collect()
}

fn system() -> Result<Loaded, Diagnostics> {
    Policy::load(&Source::System)
}

fn refusal(loaded: Result<Loaded, Diagnostics>) -> String {
    loaded.unwrap_err().to_string()
}

#[test]
fn without_a_file_the_built_in_policy_holds_and_drop_ins_still_apply() {
    in_empty_security(|| {
        let built_in = [
            "/tmp built-in:78",
            "/var/tmp built-in:83",
            "/dev/shm built-in:89",
        ];
        assert_eq!(rules(system()), built_in);
        drop_in("more.toml", &hide("/opt"));
        let more = "/opt /etc/security/jns.d/more.toml:1";
        assert_eq!(rules(system()), [&built_in[..], &[more]].concat());
    });
}

#[test]
fn drop_ins_follow_the_file_in_byte_order_and_nothing_else_is_read() {
    in_empty_security(|| {
        file(FILE, &hide("/file"));
        for name in ["9.toml", "10.toml", "Z.toml", "a.toml"] {
            drop_in(name, &hide("/x"));
        }
        for name in ["README", ".hidden.toml", "a.toml~", "a.toml.bak", ".toml"] {
            drop_in(name, "this is no policy");
        }
        let expected = [
            "/file /etc/security/jns.toml:1",
            "/x /etc/security/jns.d/10.toml:1",
            "/x /etc/security/jns.d/9.toml:1",
            "/x /etc/security/jns.d/Z.toml:1",
            "/x /etc/security/jns.d/a.toml:1",
        ];
        assert_eq!(rules(system()), expected);
        let alone = Policy::load(&Source::File(FILE.to_owned()));
        assert_eq!(rules(alone), expected[..1]);
    });
}

#[test]
fn every_file_with_an_error_is_reported() {
    in_empty_security(|| {
        file(FILE, &hide("/file"));
        let mode = std::fs::Permissions::from_mode(0o664);
        std::fs::set_permissions(FILE, mode).unwrap();
        drop_in("a.toml", &hide("a"));
        drop_in("b.toml", "[zebra]\n");
        let expected = "/etc/security/jns.toml: cannot read /etc/security/jns.toml: its mode is 0664: others than root may write to it\n\
            /etc/security/jns.d/a.toml:2:8: a path must be absolute\n\
            /etc/security/jns.d/b.toml:1:2: unknown table `zebra`";
        assert_eq!(refusal(system()), expected);
    });
}

/// What stands in the file's place but cannot be read is not "no file".
#[test]
fn the_built_in_policy_stands_in_for_nothing_but_a_missing_file() {
    in_empty_security(|| {
        symlink("/etc/security/none", FILE).unwrap();
        let link =
            "/etc/security/jns.toml: cannot read /etc/security/jns.toml: it is a symbolic link";
        assert_eq!(refusal(system()), link);
        std::fs::remove_file(FILE).unwrap();
        directory(FILE, 0o755, 0);
        let directory = "/etc/security/jns.toml: cannot read /etc/security/jns.toml: it is a directory, not a regular file";
        assert_eq!(refusal(system()), directory);
    });
}

#[test]
fn drop_ins_are_a_directory_or_missing() {
    in_empty_security(|| {
        file(FILE, "");
        assert!(rules(system()).is_empty());
        file(DROP_INS, "");
        let found = "/etc/security/jns.d: cannot read /etc/security/jns.d: it is not a directory";
        assert_eq!(refusal(system()), found);
    });
}

#[test]
fn a_file_that_is_named_must_exist() {
    in_empty_security(|| {
        let missing = Policy::load(&Source::File(FILE.to_owned()));
        let expected =
            "/etc/security/jns.toml: cannot read /etc/security/jns.toml: No such file or directory";
        assert_eq!(refusal(missing), expected);
    });
}
