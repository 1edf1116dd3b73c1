//! The fstab of a root directory.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pam_jns_fuzz::judges::fstab(bytes));
