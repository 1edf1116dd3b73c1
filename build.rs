//! Link flags of the module.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // libpam unloads a module at pam_end. Rust's thread-local destructors would then run in unmapped
    // memory when a thread of the host ends, so the module must stay mapped once it was loaded.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
