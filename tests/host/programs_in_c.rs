//! The programs and modules of this directory that tests run, made from C.
#![allow(
    dead_code,
    reason = "each of the tests that share it asks for what it needs"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Cargo's target directory.
pub fn target_directory() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// A program of this directory, compiled unless that was done before.
pub fn program(name: &str) -> PathBuf {
    compile("tests/host", name, name, &["-lpam", "-lpthread"])
}

/// A PAM module of this directory, compiled unless that was done before.
pub fn shared_object(name: &str) -> PathBuf {
    shared_object_of("tests/host", name)
}

/// The same of another directory of the project's.
pub fn shared_object_of(directory: &str, name: &str) -> PathBuf {
    let output = format!("{name}.so");
    compile(directory, name, &output, &["-shared", "-fPIC"])
}

fn compile(directory: &str, name: &str, output: &str, flags: &[&str]) -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = project.join(directory).join(format!("{name}.c"));
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("host-{output}"));
    let changed = |path: &Path| path.metadata().and_then(|status| status.modified()).ok();
    if changed(&output) > changed(&source) {
        return output;
    }
    // Other tests may be compiling the same program, or running it.
    let unique = format!("{}-{:?}", std::process::id(), std::thread::current().id());
    let fresh = output.with_extension(unique);
    let status = Command::new("cc")
        .args(["-Wall", "-Wextra", "-O1", "-o"])
        .arg(&fresh)
        .arg(&source)
        .args(flags)
        .status();
    assert!(
        status.unwrap().success(),
        "{} does not compile",
        source.display()
    );
    std::fs::rename(&fresh, &output).unwrap();
    output
}
