//! A panic in the middle of a login. The module has no switch for it: it is built once more, with the
//! cargo feature `forced-panic`.

use crate::kernel::{exists, tree};
use crate::machine::{STORE, on_machine, program, target_directory};
use crate::report::{assert_same, code};
use std::path::PathBuf;
use std::process::Command;

/// The module that panics once it has entered the new namespace. Its dependencies are those of the tests: they are not
/// built again where cargo knows a directory for what it builds on the way (1.91, `build.build-dir`).
pub fn panicking_module() -> PathBuf {
    let (shared, directory) = (target_directory(), target_directory().join("forced-panic"));
    let status = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "rustc",
            "--locked",
            "--quiet",
            "--lib",
            "--crate-type",
            "cdylib",
            "--features",
            "forced-panic",
        ])
        .env("CARGO_BUILD_BUILD_DIR", shared)
        .arg("--target-dir")
        .arg(&directory)
        .status();
    assert!(
        status.unwrap().success(),
        "the module with the feature forced-panic does not build"
    );
    directory.join("debug/libpam_jns.so")
}

#[test]
fn a_panic_is_a_refusal_and_nothing_more() {
    let module = panicking_module();
    on_machine(move |machine| {
        machine.stack_of(module.to_str().unwrap(), "");
        let files = tree("/mnt");
        for (closing, wish) in [
            ("close-from=200", "RUST_BACKTRACE=0"),
            ("close-from=0", "RUST_BACKTRACE=full"),
        ] {
            let words = [
                "start=alice",
                closing,
                "state=before",
                "open",
                "state=after",
                "close",
                "end",
            ];
            let mut driver = Command::new("env");
            driver.arg(wish).arg(program("driver"));
            let lines = machine.log().len();
            let report = machine.drive_with(driver, &words);
            assert_eq!(report.codes("open"), [code::PERM_DENIED]);
            assert_eq!(
                machine.log().len(),
                lines + 1,
                "one line, whatever is wished"
            );
            // The vault is the host's, and stays.
            let without_vault = |label| {
                let state = report.state(label).into_iter();
                let lines = state.filter(|line| !line.contains("/run/jns/ns/.vault"));
                lines.collect::<Vec<_>>()
            };
            assert_same(&without_vault("before"), &without_vault("after"), closing);
            assert_eq!(tree("/mnt"), files, "{closing}");
            assert!(
                report.output.stdout.is_empty() && report.output.stderr.is_empty(),
                "{report:?}"
            );
            let errors = machine.errors();
            assert!(
                errors.last().unwrap().contains("this is a bug in pam_jns"),
                "{errors:?}"
            );
            assert!(
                errors.last().unwrap().contains("src/"),
                "the place is logged: {errors:?}"
            );
        }
    });
}

/// The way back is each thread's own.
#[test]
fn a_panic_in_a_threaded_host_is_a_refusal_too() {
    let module = panicking_module();
    on_machine(move |machine| {
        machine.stack_of(module.to_str().unwrap(), "threads=any");
        crate::threads::run("refused");
        // A directory that another login was just using stays; it is empty by now.
        let users = format!("{STORE}/user/2001");
        assert!(
            !exists(&users) || tree(&users).is_empty(),
            "{:?}",
            tree(STORE)
        );
    });
}

/// What the switch is not: in a module that is installed.
#[test]
fn the_module_that_is_installed_cannot_be_made_to_panic() {
    let module = std::fs::read(crate::machine::module()).unwrap();
    let text = b"a panic was asked for";
    assert!(!module.windows(text.len()).any(|window| window == text));
}
