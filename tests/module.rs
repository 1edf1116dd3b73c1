//! What the built module is as a file: it is loaded into sshd, so what it exports, needs and survives matters.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)]

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// The hooks that libpam looks for. Anything else in the table could collide with a symbol of the host program.
const HOOKS: [&str; 6] = [
    "pam_sm_acct_mgmt",
    "pam_sm_authenticate",
    "pam_sm_chauthtok",
    "pam_sm_close_session",
    "pam_sm_open_session",
    "pam_sm_setcred",
];

/// Libraries that are in every process that could load the module. What unwinds its panics is in the module itself:
/// libgcc_s.so.1 would be looked up, opened and mapped at every login.
const LIBRARIES: [&str; 3] = ["libc.so.6", "libpam.so.0", "ld-linux"];

/// The one more that a build with SELinux needs.
const LIBSELINUX: &str = "libselinux.so.1";

/// The largest the module may be: most of it stays unread, but a leap means that something came in by accident.
const MOST_BYTES: u64 = 1850 * 1024;

/// The most places that the loader may have to fill in, at every login: pointers in constant data, and the functions of
/// other libraries.
const MOST_RELOCATIONS: usize = 1450;

#[test]
fn exports_the_six_hooks_and_nothing_else() {
    assert_eq!(exported(&readelf("--dyn-syms")), HOOKS);
}

#[test]
fn stays_mapped_when_libpam_unloads_it() {
    let dynamic = readelf("--dynamic");
    assert!(flags(&dynamic).contains(&"NODELETE"), "{dynamic}");
}

#[test]
fn leaves_nothing_writable_after_relocation() {
    let dynamic = readelf("--dynamic");
    assert!(flags(&dynamic).contains(&"NOW"), "{dynamic}");
    assert!(!dynamic.contains("TEXTREL"), "{dynamic}");
    assert!(readelf("--program-headers").contains("GNU_RELRO"));
}

#[test]
fn has_no_executable_stack_and_no_segment_both_writable_and_executable() {
    let headers = readelf("--program-headers");
    let segments: Vec<_> = headers.lines().filter(|line| line.contains("0x")).collect();
    assert!(
        segments.iter().any(|line| line.contains("GNU_STACK")),
        "{headers}"
    );
    assert!(
        !segments.iter().any(|line| line.contains(" RWE ")),
        "{headers}"
    );
}

#[test]
fn needs_only_libraries_that_every_host_has() {
    let dynamic = readelf("--dynamic");
    let needed = needed(&dynamic);
    assert!(needed.contains(&"libc.so.6"), "{dynamic}");
    for library in needed {
        let known = LIBRARIES.iter().any(|known| library.starts_with(known))
            || cfg!(feature = "selinux") && library == LIBSELINUX;
        assert!(known, "{library} is not among {LIBRARIES:?}");
    }
}

#[test]
fn is_small() {
    let size = module().metadata().unwrap().len();
    assert!(size < MOST_BYTES, "{size} bytes");
}

#[test]
fn is_relocated_with_little_work() {
    let table = readelf("--relocs");
    let count = table.lines().filter(|line| line.contains(" R_")).count();
    assert!(count > 0, "{table}");
    assert!(count < MOST_RELOCATIONS, "{count} relocations");
}

/// A glibc older than 2.36 does not know packed relative relocations (DT_RELR), and refuses a module with them.
#[test]
fn has_no_packed_relocations() {
    let dynamic = readelf("--dynamic");
    assert!(!dynamic.contains("RELR"), "{dynamic}");
    assert!(!readelf("--version-info").contains("DT_RELR"));
}

/// The module under test: `JNS_MODULE`, or what `make` builds.
fn module() -> PathBuf {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/target/release/libpam_jns.so");
    let path = env::var_os("JNS_MODULE").map_or_else(|| built.into(), PathBuf::from);
    assert!(
        path.is_file(),
        "{} does not exist: run `make` first",
        path.display()
    );
    path
}

fn readelf(what: &str) -> String {
    let output = Command::new("readelf")
        .env("LC_ALL", "C")
        .args(["--wide", what])
        .arg(module())
        .output()
        .expect("readelf is in the package binutils");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The defined symbols of a table such as `7: 00d940 312 FUNC GLOBAL DEFAULT 12 pam_sm_setcred`, sorted.
fn exported(table: &str) -> Vec<&str> {
    let rows = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut names: Vec<_> = rows
        .filter_map(|row| match row.as_slice() {
            [_, _, _, _, "GLOBAL" | "WEAK", _, section, name, ..] => {
                (*section != "UND" && *section != "Ndx").then_some(*name)
            }
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names
}

/// The words of `(FLAGS_1) Flags: NOW NODELETE`.
fn flags(dynamic: &str) -> Vec<&str> {
    let lines = dynamic.lines().filter(|line| line.contains("(FLAGS_1)"));
    lines.flat_map(str::split_whitespace).collect()
}

/// The names in `(NEEDED) Shared library: [libc.so.6]`.
fn needed(dynamic: &str) -> Vec<&str> {
    let lines = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    lines
        .filter_map(|line| line.split_once('[')?.1.strip_suffix(']'))
        .collect()
}
