//! Files with what is expected.

use std::fs;
use std::path::{Path, PathBuf};

/// The files of a golden directory with that extension, by name.
pub fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(directory);
    let entries = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == extension) && is_for_this_build(path))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "nothing in {}", directory.display());
    files
}

/// Whether the file is not about what the other build does: the one with SELinux, or the one without.
fn is_for_this_build(path: &Path) -> bool {
    let others = match cfg!(feature = "selinux") {
        true => "without-selinux",
        false => "selinux",
    };
    path.file_stem().is_none_or(|stem| stem != others)
}

/// Compares `found` with what `file` holds, or makes the file hold it when `JNS_GOLDEN=write`.
pub fn compare(file: &Path, found: &str) {
    if std::env::var_os("JNS_GOLDEN").is_some_and(|word| word == "write") {
        fs::write(file, found).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    let lines = expected.lines().zip(found.lines());
    let first = lines
        .clone()
        .position(|(expected, found)| expected != found);
    let differs = first.or_else(|| (expected != found).then(|| lines.count()));
    if let Some(line) = differs {
        panic!(
            "{}:{}: expected\n  {}\nfound\n  {}\n\nJNS_GOLDEN=write accepts what was found:\n{found}",
            file.display(),
            line + 1,
            expected.lines().nth(line).unwrap_or("(the end)"),
            found.lines().nth(line).unwrap_or("(the end)"),
        );
    }
}
