//! Link flags of the module, and what tells this build of it from every other one.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Result;
use std::path::Path;
use std::process::Command;

/// What is compiled, and what decides which versions of the dependencies are.
const SOURCES: [&str; 5] = ["build.rs", "Cargo.toml", "Cargo.lock", "conf", "src"];

/// How it is compiled, besides `CARGO_FEATURE_*` and `CARGO_CFG_*`.
const SETTINGS: [&str; 5] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "DEBUG",
    "OPT_LEVEL",
    "PROFILE",
    "TARGET",
];

fn main() -> Result<()> {
    // libpam unloads a module at pam_end. Rust's thread-local destructors would then run in unmapped
    // memory when a thread of the host ends, so the module must stay mapped once it was loaded.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        // Of libgcc_s.so.1 a login needs the unwinder alone, and loading that library takes longer than loading the
        // module. gcc(1) brings the unwinder as an archive too. It stands before the libgcc_s of the standard library
        // in the linker's line, so that nothing is left for that one, and --as-needed drops it.
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
    println!("cargo:rustc-env=JNS_BUILD={:016x}", hash_build()?);
    println!("cargo:rerun-if-env-changed=RUSTFLAGS");
    Ok(())
}

/// Hashes whatever may change how a type of the module lies in memory: two builds with the same number are laid
/// out alike.
fn hash_build() -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for path in SOURCES {
        println!("cargo:rerun-if-changed={path}");
        hash_tree(Path::new(path), &mut hasher)?;
    }
    let is_setting = |name: &str| {
        let prefixes = ["CARGO_FEATURE_", "CARGO_CFG_"];
        SETTINGS.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    let mut settings: Vec<_> = env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(is_setting))
        .collect();
    settings.sort();
    settings.hash(&mut hasher);
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    #[allow(
        clippy::disallowed_methods,
        reason = "the compiler alone knows its version"
    )]
    let version = Command::new(compiler).arg("-vV").output()?;
    version.stdout.hash(&mut hasher);
    Ok(hasher.finish())
}

/// Hashes the names and contents of all files below a path. One that is missing, as a dependency's `Cargo.lock` is,
/// counts as that.
fn hash_tree(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    path.hash(hasher);
    if !path.is_dir() {
        fs::read(path).ok().hash(hasher);
        return Ok(());
    }
    let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().try_for_each(|path| hash_tree(path, hasher))
}
